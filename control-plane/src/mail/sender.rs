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
            Self::Smtp(error) => error.status().is_some_and(|code| refuses_the_mail(code.into())),
            Self::Address(_) | Self::Message(_) | Self::Part(_) => true,
        }
    }
}

/// Whether a reply is about this mail, or whoever it goes to (RFC 5321, section 4.2.3). Others that are as lasting are
/// about us, as where a password is wrong, and so end once somebody has put that right.
const fn refuses_the_mail(code: u16) -> bool {
    matches!(code, 550..=553)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;
    use zeroize::Zeroizing;

    use super::*;

    /// What becomes of a mail where the server says this to one of its commands, and takes the others.
    async fn refused(command: &str, reply: &str) -> SendError {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let (command, reply) = (command.to_owned(), reply.to_owned());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = BufReader::new(stream);
            let greeting = if command.is_empty() { format!("{reply}\r\n") } else { "220 here\r\n".to_owned() };
            stream.write_all(greeting.as_bytes()).await.expect("sent");
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                let said = if line.starts_with(&command) { &reply } else { "250 well" };
                if stream.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mailer = Mailer::new(&SecretText::new(Zeroizing::new(url)), "keyward@example.com").expect("a mailer");
        let mail = Mail {
            id: "1",
            to: "ada@example.com",
            at: UnixMillis::from_millis(0),
            subject: "Audit log".to_owned(),
            text: "attached".to_owned(),
            attached: Vec::new(),
        };
        mailer.send(mail).await.expect_err("refused")
    }

    #[tokio::test]
    async fn only_what_is_refused_for_itself_is_refused_for_ever() {
        for (command, reply, is_final) in [
            ("RCPT", "550 nobody here", true),
            ("RCPT", "553 no such name", true),
            ("RCPT", "450 later", false),
            ("MAIL", "530 a password is needed", false),
            ("MAIL", "535 wrong password", false),
            ("", "554 go away", false),
        ] {
            let error = refused(command, reply).await;
            assert_eq!(error.is_final(), is_final, "{reply}: {error:?}");
        }
    }
}
