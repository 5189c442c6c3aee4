//! One mail on its way to the server.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::AddressError;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::domain::time::UnixMillis;
use crate::secrets::SecretText;

/// How long each step of a conversation with the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Somebody's address is none that a mail can go to.
    #[error("the address is none that mail is sent to")]
    Address(#[from] AddressError),
    /// The mail could not be written.
    #[error("the mail could not be written")]
    Message(#[from] lettre::error::Error),
    /// A part of it has no media type.
    #[error("a part of the mail has no media type")]
    Part(#[from] lettre::message::header::ContentTypeErr),
    /// The server did not take it.
    #[error("the mail server did not take it")]
    Smtp(#[from] smtp::Error),
}

impl SendError {
    /// Whether it will not be sent either if it is tried again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Smtp(error) => error.is_permanent(),
            Self::Address(_) | Self::Message(_) | Self::Part(_) => true,
        }
    }
}

/// A file within a mail.
pub struct Attached {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A mail.
pub struct Mail<'a> {
    /// Names it; the same for each time that it is tried.
    pub id: &'a str,
    /// To whom.
    pub to: &'a str,
    /// When it was written.
    pub at: UnixMillis,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// What comes with it.
    pub attached: Vec<Attached>,
}

/// Who sends mail.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// Sends by the server at this URL, from this address.
    pub fn new(smtp_url: &SecretText, from: &str) -> Result<Self, SendError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url.expose())?;
        Ok(Self { transport: transport.timeout(Some(PATIENCE)).build(), from: from.parse()? })
    }

    /// Sends a mail; once it comes back the server has it.
    pub async fn send(&self, mail: Mail<'_>) -> Result<(), SendError> {
        let message = self.message(mail)?;
        self.transport.send(message).await?;
        Ok(())
    }

    fn message(&self, mail: Mail<'_>) -> Result<Message, SendError> {
        let to: Address = mail.to.parse()?;
        let millis = u64::try_from(mail.at.as_millis()).unwrap_or(0);
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        let mut body = MultiPart::mixed().singlepart(SinglePart::plain(mail.text));
        for Attached { name, media_type, bytes } in mail.attached {
            body = body.singlepart(Attachment::new(name).body(bytes, ContentType::parse(media_type)?));
        }
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(id))
            .subject(mail.subject);
        Ok(message.multipart(body)?)
    }
}
