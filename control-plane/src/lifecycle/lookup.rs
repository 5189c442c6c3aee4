//! Look a key up by its secret, whatever became of it.

use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint};
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::record::Slot;
use serde::Serialize;
use zeroize::Zeroizing;

use super::refusal::LookupRefusal;
use super::{KeyView, Lifecycle, Needs, Refusal, Rights, key_input};
use crate::domain::actor::Actor;
use crate::domain::explain::{self, Mistake};
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::store::LookupView;

/// What somebody holds.
pub enum LookupBy {
    /// The secret itself.
    Secret(Zeroizing<String>),
    /// Its SHA-256, 64 hexadecimal digits or base64.
    Sha256(String),
}

/// Which of a key's secrets it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSlot {
    /// The newest.
    Current,
    /// The older one while a rotation runs.
    Retiring,
    /// One that was ended and is never accepted again.
    Ended,
}

/// The key of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKey {
    /// It can be read.
    Readable(Box<KeyView>),
    /// It is gone but for the audit log.
    Deleted {
        /// Its identifier.
        id: KeyId,
        /// Its workspace.
        workspace_id: WorkspaceId,
        /// The name that it had.
        name: String,
    },
}

/// Whose secret it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key.
    pub key: FoundKey,
    /// Which of its secrets.
    pub slot: SecretSlot,
}

impl Found {
    /// The key's status, which for one that is gone is a word of its own.
    pub fn status(&self) -> &'static str {
        match &self.key {
            FoundKey::Readable(view) => view.status.as_str(),
            FoundKey::Deleted { .. } => "deleted",
        }
    }

    /// The key and its workspace.
    pub(super) fn ids(&self) -> (KeyId, WorkspaceId) {
        match &self.key {
            FoundKey::Readable(view) => (view.key.id, view.key.workspace_id),
            FoundKey::Deleted { id, workspace_id, .. } => (*id, *workspace_id),
        }
    }
}

impl Lifecycle {
    /// The key that a secret belongs or belonged to. A member finds the own workspace's alone.
    pub async fn lookup(&self, actor: &Actor, by: &LookupBy, now: UnixMillis) -> Result<Found, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::Deployment(Permission::KeyLookup))?;
        let mut view = self.store.look().await?;
        let (digest, mistake) = match by {
            LookupBy::Sha256(text) => (key_input::digest(text)?, None),
            LookupBy::Secret(text) => {
                let mistake = explain::mistake_in(text, &view.settings().await?.settings);
                match (ApiKey::parse(text), mistake) {
                    (Ok(key), mistake) => (Digest::of(&key), mistake),
                    (Err(_), Some(mistake)) => return Err(LookupRefusal::Malformed(mistake).into()),
                    (Err(_), None) => return Err(LookupRefusal::Unknown.into()),
                }
            }
        };
        // Wrong check digits are no proof: somebody may have brought the digest of such a key.
        if let Some(found) = self.owner_of(&mut *view, &rights, &self.vault.fingerprint(&digest), now).await? {
            return Ok(found);
        }
        let mistake = match (mistake, by) {
            (None, LookupBy::Secret(text)) => self.mistake_around(&mut *view, &rights, text, now).await?,
            (mistake, _) => mistake,
        };
        Err(mistake.map_or(LookupRefusal::Unknown, LookupRefusal::Malformed).into())
    }

    /// What stands around a secret that would be somebody's without it.
    async fn mistake_around(
        &self,
        view: &mut dyn LookupView,
        rights: &Rights,
        text: &str,
        now: UnixMillis,
    ) -> Result<Option<Mistake>, Refusal> {
        let Some((mistake, key)) = explain::mend_key(text) else {
            return Ok(None);
        };
        let fingerprint = self.vault.fingerprint(&Digest::of(&key));
        Ok(self.owner_of(view, rights, &fingerprint, now).await?.map(|_| mistake))
    }

    /// Whose secret has or had this fingerprint, as it is at `at`, if whoever asks may know.
    pub(super) async fn owner_of(
        &self,
        view: &mut dyn LookupView,
        rights: &Rights,
        fingerprint: &Fingerprint,
        at: UnixMillis,
    ) -> Result<Option<Found>, Refusal> {
        let owner = view.secret_owner(fingerprint).await?;
        let is_seen = |workspace| rights.workspace().is_none_or(|own| own == workspace);
        let Some(owner) = owner.filter(|owner| is_seen(owner.workspace_id)) else {
            return Ok(None);
        };
        let Some(stored) = view.key(owner.workspace_id, owner.key_id).await? else {
            let (id, workspace_id, name) = (owner.key_id, owner.workspace_id, owner.key_name);
            return Ok(Some(Found { key: FoundKey::Deleted { id, workspace_id, name }, slot: SecretSlot::Ended }));
        };
        let key = KeyView::new(stored, &view.catalogue().await?, self.usage.told(view.usage_bounds(at).await?), at);
        let slot = match owner.slot {
            Some(Slot::Current) => SecretSlot::Current,
            Some(Slot::Retiring) if key.rotation.is_some() => SecretSlot::Retiring,
            Some(Slot::Retiring) | None => SecretSlot::Ended,
        };
        Ok(Some(Found { key: FoundKey::Readable(Box::new(key)), slot }))
    }
}
