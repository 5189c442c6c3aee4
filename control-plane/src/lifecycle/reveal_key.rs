//! Reveal a key: its current secret once more, where the workspace has secrets kept for that.

use async_trait::async_trait;
use keyward_shared::api_key::ApiKey;

use super::key_support::{self, KeyRef};
use super::refusal::RevealRefusal;
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::key::Life;
use crate::domain::key::transition::KeyRefusal;
use crate::domain::permission::Permission;
use crate::domain::workspace::Reveal;
use crate::store::Tx;

/// Shows a key's secret again. The key stays as it is; the audit log tells of it.
pub struct RevealKey {
    /// Which.
    pub target: KeyRef,
}

/// A key whose secret is shown again.
pub struct RevealedKey {
    /// The key.
    pub key: KeyView,
    /// Its current secret.
    pub secret: ApiKey,
}

#[async_trait]
impl Verb for RevealKey {
    type Answer = RevealedKey;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyReveal)
    }

    /// Each time that a secret is shown is in the audit log.
    fn is_told_again(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(RevealedKey, Change), Refusal> {
        let (workspace, stored) = key_support::key(tx, call, self.target, Permission::KeyReveal).await?;
        let fingerprint = match &stored.key.life {
            Life::Live(live) => live.current.fingerprint,
            Life::Archived { .. } => return Err(KeyRefusal::Archived.into()),
            Life::Deleted { .. } => return Err(KeyRefusal::Deleted.into()),
        };
        let sealed = match workspace.reveal {
            Reveal::Once => None,
            Reveal::Sealed => tx.sealed_secret(&fingerprint).await?,
        };
        let sealed = sealed.ok_or(RevealRefusal::NotKept)?;
        let secret = call.vault.open_secret(&sealed, &fingerprint, stored.key.id)?;
        let catalogue = tx.catalogue().await?;
        let event = key_support::event(call, &stored.key, Action::Reveal, Details::new("reveal", None, None));
        let change = Change::new(tx.generation(), event);
        let key = KeyView::new(stored, &catalogue, call.reported, call.context.now);
        Ok((RevealedKey { key, secret }, change))
    }
}
