//! Exports of the audit log that go by mail: written to a file, attached where they are small, else fetched
//! by a link that ends.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::fs;
use zeroize::Zeroizing;

use super::sender::{Attached, Mail, Mailer, SendError};
use super::waiting_file::WaitingFile;
use crate::clock::Clock;
use crate::domain::audit::export::{Preface, WriteError};
use crate::domain::limits::MAILED_EXPORTS_BYTES;
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;
use crate::entropy::{self, Entropy, EntropyError};
use crate::lifecycle::{ExportLink, Lifecycle, MailedExport, Refusal};

/// Where exports are kept, below the data directory, until they were sent or can be fetched no more: each in a
/// file with its identifier for a name.
pub const EXPORTS_DIR: &str = "exports";

/// How long a link can be opened.
const LINK_HOURS: u32 = 24;
/// How often it is looked for what is due, where nothing was asked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// The least time between two looks.
const BREATH: Duration = Duration::from_millis(250);

/// Why an export was not mailed.
#[derive(Debug, thiserror::Error)]
enum ExportMailError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the export's file could not be written")]
    File(#[from] io::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ExportMailError {
    fn is_final(&self) -> bool {
        match self {
            Self::Send(error) => error.is_final(),
            // The log grows, so what is too much of it now is so later.
            Self::Refused(Refusal::Invalid(_)) => true,
            Self::File(_) | Self::Write(_) | Self::Refused(_) | Self::Entropy(_) => false,
        }
    }
}

/// Who mails exports.
pub struct ExportMail {
    /// The use cases.
    pub lifecycle: Lifecycle,
    /// Who sends.
    pub mailer: Mailer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Where the files are kept.
    pub directory: Arc<Path>,
    /// Where links lead, without a slash at the end.
    pub public_url: String,
    /// Bytes of a file that is attached, most.
    pub attached_bytes: u64,
}

/// Sends what is due, for as long as it is polled.
pub async fn run(mail: ExportMail) {
    let mut grows = mail.lifecycle.audit_grows();
    loop {
        if let Err(error) = mail.tidy().await {
            tracing::warn!(%error, "cannot look through the exports of the audit log that were mailed");
        }
        while let Some(export) = mail.due().await {
            mail.attempt(&export).await;
        }
        // Whether it grew or time passed, or nobody is left to say: the same is to be done.
        let _ = tokio::time::timeout(LOOK_EVERY, grows.changed()).await;
        tokio::time::sleep(BREATH).await;
    }
}

/// An export's file.
struct Written {
    preface: Preface,
    events: u64,
    bytes: u64,
}

impl ExportMail {
    async fn due(&self) -> Option<MailedExport> {
        match self.lifecycle.due_export(self.clock.now()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "cannot look for exports of the audit log that are to be mailed");
                None
            }
        }
    }

    async fn attempt(&self, export: &MailedExport) {
        let noted = match self.send(export).await {
            Ok(is_link) => {
                tracing::info!(id = export.id, is_link, "mailed an export of the audit log");
                self.lifecycle.export_sent(export, is_link).await
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(id = export.id, %error, cause, "cannot mail an export of the audit log");
                self.failed(export, error.is_final()).await
            }
        };
        if let Err(error) = noted {
            tracing::error!(id = export.id, %error, "cannot note what became of an export of the audit log");
            // Not at once again.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn failed(&self, export: &MailedExport, is_final: bool) -> Result<(), Refusal> {
        if !self.lifecycle.export_failed(export, is_final, self.clock.now()).await? {
            tracing::error!(id = export.id, "gave up to mail an export of the audit log");
        }
        Ok(())
    }

    /// Whether it was sent as a link.
    async fn send(&self, export: &MailedExport) -> Result<bool, ExportMailError> {
        let now = self.clock.now();
        let file = self.directory.join(&export.id);
        let written = self.write(export, now).await?;
        let file_name = written.preface.file_name(export.format);
        let mut attached = vec![Attached {
            name: format!("{file_name}.checkpoint"),
            media_type: "text/plain; charset=utf-8",
            bytes: written.preface.checkpoint.clone().into_bytes(),
        }];
        let is_link = written.bytes > self.attached_bytes;
        let how = if is_link {
            let expires_at = now.plus_seconds(LINK_HOURS * 3600);
            let url = self.link(export, file_name, expires_at).await?;
            format!("It is fetched at\n\n{}\n\nuntil {expires_at}. Whoever has this link can open it.\n", *url)
        } else {
            let bytes = fs::read(&file).await?;
            attached.push(Attached { name: file_name, media_type: export.format.media_type(), bytes });
            "It is attached.\n".to_owned()
        };
        let subject = format!("Audit log of {}", written.preface.deployment);
        let text = text(&written, export.created_at, &how);
        let mail = Mail { id: &export.id, to: export.recipient.as_str(), at: now, subject, text, attached };
        self.mailer.send(mail).await?;
        if !is_link {
            fs::remove_file(&file).await?;
        }
        Ok(is_link)
    }

    async fn link(
        &self,
        export: &MailedExport,
        file_name: String,
        expires_at: UnixMillis,
    ) -> Result<Zeroizing<String>, ExportMailError> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*entropy::draw::<32>(self.entropy.as_ref())?));
        let link = ExportLink { secret: TokenHash::of(&secret), file_name, expires_at };
        self.lifecycle.link_export(export, &link).await?;
        Ok(Zeroizing::new(format!("{}/v1/audit/exports/{}/{}", self.public_url, export.id, *secret)))
    }

    /// Writes the whole export anew, for nobody else to read.
    async fn write(&self, export: &MailedExport, now: UnixMillis) -> Result<Written, ExportMailError> {
        let mut opened = self.lifecycle.open_mailed_export(export, now).await?;
        let most = if export.sees.is_some() { MAILED_EXPORTS_BYTES / 2 } else { MAILED_EXPORTS_BYTES };
        let mut file = WaitingFile::begin(&self.directory, &export.id, most).await?;
        file.write(&export.format.preface(opened.preface())?).await?;
        while let Some(events) = opened.next().await? {
            file.write(&export.format.events(&events)?).await?;
        }
        file.write(&export.format.end(opened.events())?).await?;
        Ok(Written { preface: opened.preface().clone(), events: opened.events(), bytes: file.finish().await? })
    }

    /// Removes files that nobody can fetch any more.
    async fn tidy(&self) -> Result<(), ExportMailError> {
        let kept = self.lifecycle.kept_exports(self.clock.now()).await?;
        let mut there = match fs::read_dir(&self.directory).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        while let Some(entry) = there.next_entry().await? {
            if !kept.iter().any(|id| entry.file_name() == id.as_str()) {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

fn text(written: &Written, asked_at: UnixMillis, how: &str) -> String {
    let Written { preface, events, bytes } = written;
    let filter = if preface.is_filtered() {
        "A filter was on: what was left out cannot be told from the file, but that each of its events is in \
         the log can.\n"
    } else {
        ""
    };
    format!(
        "The audit log of {}, as asked for at {asked_at}: {events} events of {}, {bytes} bytes.\n{filter}\n{how}\n\
         The other file is the signed checkpoint that `keyward audit verify` holds the export against.\n",
        preface.deployment, preface.size
    )
}
