//! Mail an export of the audit log: what is asked for is noted, and sent by whoever sends mail.

use async_trait::async_trait;
use keyward_shared::id::WorkspaceId;

use super::export_audit::{self, ExportScope};
use super::list_events::{MOST, check_places};
use super::mailed_exports::DAY;
use super::refusal::ExportRefusal;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::AuditEvent;
use crate::domain::audit::export::Format;
use crate::domain::audit::filter::EventFilter;
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::{
    MAILED_EXPORTS, MAILED_EXPORTS_OF_WORKSPACE, MAILED_EXPORTS_OF_WORKSPACE_A_DAY, MAILED_EXPORTS_OF_WORKSPACES,
};
use crate::domain::text::Email;
use crate::domain::time::UnixMillis;
use crate::store::{Asker, MailedCount, MailedExport, Tx};

/// Mails an export. The address is not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailExport {
    /// To whom.
    pub email: String,
    /// How it is written.
    pub format: Format,
    /// What is asked for.
    pub filter: EventFilter,
}

#[async_trait]
impl Verb for MailExport {
    type Answer = MailedExport;

    fn needs(&self) -> Needs {
        ExportScope::needs(&self.filter)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(MailedExport, Change), Refusal> {
        const EMAIL: &str = "email";
        call.context.check_absent()?;
        let recipient = Email::parse(EMAIL, &self.email)?;
        let scope = ExportScope::of(call.rights, self.filter);
        // What is a workspace's goes to its own people.
        if let Some(workspace) = scope.sees
            && !tx.email_taken(workspace, &recipient, None).await?
        {
            return Err(Invalid::new(EMAIL, Fault::Unknown, "no member of the workspace has the address").into());
        }
        check_places(tx.places(&scope.filter.words, MOST).await?, "filter.q")?;
        let (now, day) = (call.context.now, UnixMillis::from_millis(call.context.now.as_millis() - DAY));
        check_count(tx.mailed_exports(scope.sees, now, day).await?, scope.sees)?;
        let actor = &call.context.actor;
        let [first, second, _] = call.context.entropy.ids;
        let event = AuditEvent {
            reason: call.context.reason.clone(),
            ..export_audit::told(&scope, actor, self.format, "mail", call.context.now)
        };
        let event = AuditEvent { details: event.details.with("recipient", &recipient), ..event };
        let export = MailedExport {
            id: format!("{}{}", hex::encode(first), hex::encode(second)),
            recipient,
            format: self.format,
            filter: scope.filter,
            sees: scope.sees,
            asked_by: Asker { token: actor.token, member: actor.member, on_behalf_of: actor.on_behalf_of },
            created_at: call.context.now,
            failures: 0,
        };
        tx.insert_mailed_export(&export).await?;
        let change = Change::new(tx.generation(), event);
        Ok((export, change))
    }
}

/// No workspace takes another's share, and all of them together not that of operators; nor does one have any number
/// of mails sent, whoever they are to.
fn check_count(MailedCount { own, all, of_day }: MailedCount, sees: Option<WorkspaceId>) -> Result<(), ExportRefusal> {
    let (of_own, of_all) = match sees {
        Some(_) => (MAILED_EXPORTS_OF_WORKSPACE, MAILED_EXPORTS_OF_WORKSPACES),
        None => (MAILED_EXPORTS, MAILED_EXPORTS),
    };
    if sees.is_some() && of_day >= MAILED_EXPORTS_OF_WORKSPACE_A_DAY {
        return Err(ExportRefusal::Mailed { limit: MAILED_EXPORTS_OF_WORKSPACE_A_DAY });
    }
    for (count, limit) in [(own, of_own), (all, of_all)] {
        if count >= limit {
            return Err(ExportRefusal::TooMany { limit });
        }
    }
    Ok(())
}
