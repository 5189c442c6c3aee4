//! Explain a refusal that an edge told of, by the id of its request. Nothing is judged again: the request
//! itself is not known, only why it was refused, when, and by which fingerprint.
//!
//! Ids are no secret, and whoever has one can guess the next ones of the same edge. So a member is told of
//! the own workspace's keys alone; what is another's, or nobody's, is as unknown as what no edge told of.

use keyward_shared::decision::Refusal as Denied;

use super::{Explanation, Told, Verdict, may_read_events, words};
use crate::domain::actor::Actor;
use crate::domain::limits::EXPLAINED_EVENTS;
use crate::domain::permission::Permission;
use crate::domain::request_id::RequestId;
use crate::domain::time::UnixMillis;
use crate::lifecycle::lookup::Found;
use crate::lifecycle::refusal::LookupRefusal;
use crate::lifecycle::{Lifecycle, Needs, Refusal};
use crate::store::lookup::About;

impl Lifecycle {
    /// Explains a request by the id that stood in an edge's answer. The key is told of as it is `now`.
    pub async fn explain_answered(
        &self,
        actor: &Actor,
        id: RequestId,
        now: UnixMillis,
    ) -> Result<Explanation, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::Deployment(Permission::Explain))?;
        let sample = self.store.sample(id.instance, id.ordinal).await?.ok_or(LookupRefusal::UnknownRequest)?;
        let at = sample.at;
        let mut view = self.store.look().await?;
        let view = &mut *view;
        let found = match &sample.fingerprint {
            Some(fingerprint) => self.owner_of(view, &rights, fingerprint, now).await?,
            None => None,
        };
        if rights.workspace().is_some() && found.is_none() {
            return Err(LookupRefusal::UnknownRequest.into());
        }
        let refusal = sample.kind.refusal();
        let mut explanation = words::told(refusal, found.as_ref());
        let changes = if may_read_events(&rights) {
            // Which API it was for, nobody knows.
            let settings = rights.workspace().is_none() && is_of_settings(refusal);
            let about = About { key: found.as_ref().map(Found::ids), api: None, settings };
            Some(view.events_about(about, EXPLAINED_EVENTS).await?)
        } else {
            None
        };
        if changes.iter().flatten().any(|event| event.at > at) {
            explanation.push_str(words::SINCE_THEN);
        }
        Ok(Explanation {
            verdict: Verdict::Deny,
            refusal: Some(refusal),
            reason: sample.kind.as_str(),
            explanation,
            found,
            changes,
            at,
            told: Some(Told { instance: id.instance, fingerprint: sample.fingerprint }),
        })
    }
}

/// Whether settings can be why.
const fn is_of_settings(refusal: Denied) -> bool {
    !matches!(refusal, Denied::NoSnapshot | Denied::SnapshotExpired | Denied::ObjectUnavailable)
}
