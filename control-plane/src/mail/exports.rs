//! Exports of the audit log that go by mail: written to a file, attached where they are small, else fetched
//! by a link that ends.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_shared::id::WorkspaceId;
use tokio::fs;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::sender::{Attached, Mail, Mailer, SendError};
use super::waiting_file::{Room, WaitingFile};
use crate::clock::Clock;
use crate::domain::audit::export::{Preface, WriteError};
use crate::domain::limits::{MAILED_EXPORTS_BYTES, MAILED_EXPORTS_BYTES_OF_WORKSPACE};
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;
use crate::entropy::{self, Entropy, EntropyError};
use crate::lifecycle::{ExportLink, KeptExport, Lifecycle, MailedExport, Refusal};

/// Where exports are kept, below the data directory, until they were sent or can be fetched no more: each in a
/// file with its identifier for a name.
pub const EXPORTS_DIR: &str = "exports";

/// How long a link can be opened.
const LINK_HOURS: u32 = 24;
/// How often it is looked for what is due, where nothing was asked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How often files that nobody can fetch any more are looked for, where nothing was sent.
const TIDY_EVERY: Duration = Duration::from_hours(1);
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
            Self::File(error) => error.kind() == io::ErrorKind::FileTooLarge,
            Self::Write(_) | Self::Refused(_) | Self::Entropy(_) => false,
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
    let mut tidied: Option<Instant> = None;
    loop {
        while let Some(export) = mail.due().await {
            mail.attempt(&export).await;
            tidied = None;
        }
        if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
            if let Err(error) = mail.tidy().await {
                tracing::warn!(%error, "cannot look through the exports of the audit log that were mailed");
            }
            tidied = Some(Instant::now());
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
        // It was sent, whatever becomes of the file, which is looked for again.
        if !is_link && let Err(error) = fs::remove_file(&file).await {
            tracing::warn!(id = export.id, %error, "cannot remove the file of an export of the audit log that was mailed");
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
        let room = self.room(export, now).await?;
        let mut file = WaitingFile::begin(&self.directory, &export.id, room).await?;
        file.write(&export.format.preface(opened.preface())?).await?;
        while let Some(events) = opened.next().await? {
            file.write(&export.format.events(&events)?).await?;
        }
        file.write(&export.format.end(opened.events())?).await?;
        Ok(Written { preface: opened.preface().clone(), events: opened.events(), bytes: file.finish().await? })
    }

    /// How long the file of an export may be beside those of others.
    async fn room(&self, export: &MailedExport, now: UnixMillis) -> Result<Room, ExportMailError> {
        let mut others = Vec::new();
        for KeptExport { id, sees } in self.lifecycle.kept_exports(now).await? {
            // One that is not there takes nothing.
            if id != export.id
                && let Ok(file) = fs::metadata(self.directory.join(&id)).await
            {
                others.push((sees, file.len()));
            }
        }
        Ok(room(export.sees, &others))
    }

    /// Removes files that nobody can fetch any more.
    async fn tidy(&self) -> Result<(), ExportMailError> {
        let now = self.clock.now();
        self.lifecycle.forget_exports(now).await?;
        let kept = self.lifecycle.kept_exports(now).await?;
        let mut there = match fs::read_dir(&self.directory).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        while let Some(entry) = there.next_entry().await? {
            if !kept.iter().any(|export| entry.file_name() == export.id.as_str()) {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

/// What is left beside files of others, each with the only workspace that whoever asked for it sees.
fn room(sees: Option<WorkspaceId>, others: &[(Option<WorkspaceId>, u64)]) -> Room {
    let taken = |is_counted: &dyn Fn(Option<WorkspaceId>) -> bool| -> u64 {
        others.iter().filter(|(of, _)| is_counted(*of)).map(|(_, bytes)| bytes).sum()
    };
    let own = if sees.is_some() { MAILED_EXPORTS_BYTES_OF_WORKSPACE } else { MAILED_EXPORTS_BYTES / 2 };
    let of_own = own.saturating_sub(taken(&|of| of == sees));
    let of_kind = (MAILED_EXPORTS_BYTES / 2).saturating_sub(taken(&|of| of.is_some() == sees.is_some()));
    Room { left: of_own.min(of_kind), most: own }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_workspace_takes_another_s_room_nor_all_of_them_that_of_operators() {
        const HALF: u64 = MAILED_EXPORTS_BYTES / 2;
        const SHARE: u64 = MAILED_EXPORTS_BYTES_OF_WORKSPACE;
        let [acme, beta] = [1, 2].map(|id| Some(WorkspaceId::from_u64(id)));
        let room = |sees, others: &[_]| {
            let Room { left, most } = super::room(sees, others);
            (left, most)
        };
        assert_eq!((room(acme, &[]), room(None, &[])), ((SHARE, SHARE), (HALF, HALF)));
        let full = [(acme, SHARE)];
        assert_eq!(
            (room(acme, &full), room(beta, &full), room(None, &full)),
            ((0, SHARE), (SHARE, SHARE), (HALF, HALF))
        );
        let operators = [(None, HALF)];
        assert_eq!((room(acme, &operators), room(None, &operators)), ((SHARE, SHARE), (0, HALF)));
        let many: Vec<_> = (10..18).map(|id| (Some(WorkspaceId::from_u64(id)), SHARE)).collect();
        assert_eq!((room(acme, &many), room(None, &many)), ((0, SHARE), (HALF, HALF)));
    }
}
