//! Exports of the audit log on their way by mail, and those that are fetched by a link.
//!
//! A link is what opens it: whoever has it may fetch the file, until it ends. Only a hash of it is kept. Neither
//! outlives the right to it: before a mail goes out, and at each fetch, it is asked again whether whoever asked
//! may read the log, and whether the recipient is of the workspace still.

use tokio::sync::watch;

use super::export_audit::{self, AuditExport, ExportScope};
use super::exporting::{ExportPlace, Whose};
use super::refusal::{ExportRefusal, Missing};
use super::{Lifecycle, Refusal};
use crate::domain::actor::{Actor, ActorKind};
use crate::domain::audit::export::Format;
use crate::domain::audit::{Action, AuditEvent, Details, Entity};
use crate::domain::scope::Scopes;
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;
use crate::secrets::same_token;
use crate::store::{Asker, DueExport, ExportLink, KeptExport, MailedExport};

/// Seconds after which a mail is tried again that could not be sent; one that then cannot is given up.
const RETRIES_SECONDS: [u32; 4] = [60, 300, 1_800, 7_200];
/// Seconds after which the last time is given up of which nothing was noted.
const LAST_SECONDS: u32 = 7_200;
/// Days for which a link is known to have ended.
const ENDED_DAYS: i64 = 30;
/// Milliseconds of a day.
pub(super) const DAY: i64 = 86_400_000;

fn retry(export: &MailedExport) -> Option<u32> {
    RETRIES_SECONDS.get(export.failures as usize).copied()
}

/// A file that a link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFile {
    /// The export's identifier.
    pub id: String,
    /// How it is written.
    pub format: Format,
    /// What it is called.
    pub file_name: String,
}

impl Lifecycle {
    /// Changes when something was told to the audit log by this process, and so when an export is asked for.
    pub fn audit_grows(&self) -> watch::Receiver<u64> {
        self.store.logged()
    }

    /// An export that is to be sent now, and that counts as tried: what becomes of it cannot be noted where the
    /// database is full or away, and a mail must not go out again and again for that.
    pub async fn due_export(&self, now: UnixMillis) -> Result<Option<MailedExport>, Refusal> {
        loop {
            let export = match self.store.due_export(now).await? {
                Some(DueExport::Readable(export)) => *export,
                Some(DueExport::Unreadable(id)) => {
                    tracing::error!(
                        id,
                        "an export of the audit log that is to be mailed cannot be read, and is given up"
                    );
                    self.store.drop_export(&id).await?;
                    continue;
                }
                None => return Ok(None),
            };
            if export.failures as usize > RETRIES_SECONDS.len() {
                tracing::error!(id = export.id, "gave up to mail an export of the audit log");
                self.store.drop_export(&export.id).await?;
                continue;
            }
            if !self.may_have(&export, now).await? {
                tracing::warn!(
                    id = export.id,
                    "an export of the audit log is not mailed: whoever asked may not have it now"
                );
                self.store.drop_export(&export.id).await?;
                continue;
            }
            self.store.try_export(&export.id, now.plus_seconds(retry(&export).unwrap_or(LAST_SECONDS))).await?;
            return Ok(Some(export));
        }
    }

    /// Whether whoever asked for an export may have it still, and whoever it goes to.
    async fn may_have(&self, export: &MailedExport, now: UnixMillis) -> Result<bool, Refusal> {
        let Asker { token, member, on_behalf_of } = export.asked_by;
        let scopes = match token {
            Some(token) => match self.store.token(token).await?.filter(|token| token.usable_at(now)) {
                Some(token) => token.scopes,
                None => return Ok(false),
            },
            None => Scopes::all(),
        };
        let kind = if member.is_some() { ActorKind::Member } else { ActorKind::Operator };
        let actor = Actor { kind, token, member, on_behalf_of, scopes, ..Actor::system("mail") };
        let rights = match self.rights(&actor).await {
            Ok(rights) => rights,
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(_) => return Ok(false),
        };
        if rights.workspace() != export.sees || rights.admit(ExportScope::needs(&export.filter)).is_err() {
            return Ok(false);
        }
        match export.sees {
            Some(workspace) => Ok(self.store.is_of_workspace(workspace, &export.recipient).await?),
            None => Ok(true),
        }
    }

    /// Begins an export that goes by mail.
    pub async fn open_mailed_export(&self, export: &MailedExport, now: UnixMillis) -> Result<AuditExport, Refusal> {
        let scope = ExportScope { filter: export.filter.clone(), sees: export.sees };
        self.check_places(&scope).await?;
        let covers = self.store.tree().await?.edge.size();
        self.open_export(scope, export.format, covers, now).await
    }

    /// Lets an export be fetched by a link.
    pub async fn link_export(&self, export: &MailedExport, link: &ExportLink) -> Result<(), Refusal> {
        Ok(self.store.link_export(&export.id, link).await?)
    }

    /// Notes that an export was sent, as a file or as a link.
    pub async fn export_sent(&self, export: &MailedExport, is_link: bool) -> Result<(), Refusal> {
        let noted = if is_link { self.store.settle_export(&export.id) } else { self.store.drop_export(&export.id) };
        Ok(noted.await?)
    }

    /// Notes that an export could not be sent, and says whether it is tried again.
    pub async fn export_failed(&self, export: &MailedExport, is_final: bool, now: UnixMillis) -> Result<bool, Refusal> {
        let retry = retry(export).filter(|_| !is_final);
        if let Some(seconds) = retry {
            self.store.postpone_export(&export.id, now.plus_seconds(seconds)).await?;
        } else {
            self.store.drop_export(&export.id).await?;
        }
        Ok(retry.is_some())
    }

    /// What a link opens. Nothing is told.
    pub async fn linked_file(&self, id: &str, secret: &str, now: UnixMillis) -> Result<LinkedFile, Refusal> {
        self.linked(id, secret, now).await.map(|(_, file)| file)
    }

    async fn linked(&self, id: &str, secret: &str, now: UnixMillis) -> Result<(MailedExport, LinkedFile), Refusal> {
        let found = self.store.linked_export(id).await?;
        let found = found.filter(|(_, link)| same_token(&TokenHash::of(secret), &link.secret));
        let (export, link) = found.ok_or(Refusal::NotFound(Missing::Export))?;
        if link.expires_at <= now {
            return Err(ExportRefusal::Expired.into());
        }
        if !self.may_have(&export, now).await? {
            return Err(ExportRefusal::Expired.into());
        }
        let file = LinkedFile { id: export.id.clone(), format: export.format, file_name: link.file_name };
        Ok((export, file))
    }

    /// Tells the audit log that what a link opens is fetched, by whom as far as that is known. It may be for as long
    /// as the place is held.
    pub async fn fetch_export(
        &self,
        visitor: &Actor,
        id: &str,
        secret: &str,
        now: UnixMillis,
    ) -> Result<ExportPlace, Refusal> {
        let (export, _) = self.linked(id, secret, now).await?;
        let place = self.exporting.begin(Whose::Link(export.id), now)?;
        let scope = ExportScope { filter: export.filter, sees: export.sees };
        let details = Details::new("download", None, None).with("recipient", &export.recipient);
        let event = AuditEvent {
            at: now,
            actor: visitor.clone(),
            action: Action::Export,
            entity: Entity::AuditLog,
            target: export_audit::log(),
            workspace_id: scope.workspace(),
            team_id: None,
            reason: None,
            details,
        };
        self.store.tell(vec![event]).await?;
        Ok(place)
    }

    /// Forgets links that ended long ago, and what was asked for before a day.
    pub async fn forget_exports(&self, now: UnixMillis) -> Result<(), Refusal> {
        let ago = |days: i64| UnixMillis::from_millis(now.as_millis() - days * DAY);
        self.store.forget_exports(ago(ENDED_DAYS), ago(1)).await?;
        Ok(())
    }

    /// The exports whose file is needed still.
    pub async fn kept_exports(&self, now: UnixMillis) -> Result<Vec<KeptExport>, Refusal> {
        Ok(self.store.kept_exports(now).await?)
    }
}
