//! Rotate a key: a new secret now, the old one until the grace period ends, or not at all.

use async_trait::async_trait;
use keyward_shared::api_key::ApiKey;

use super::key_support::{self, KeyRef, Minted, Operation};
use super::{Call, KeyView, Needs, Refusal, Shown, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::transition::Grace;
use crate::domain::limits::GRACE_SECONDS;
use crate::domain::permission::Permission;
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::store::{NewSecret, Tx};

/// Rotates a key.
pub struct RotateKey {
    /// Which.
    pub target: KeyRef,
    /// For how long the old secret is still accepted; 0 ends every older secret at once.
    pub grace_seconds: u64,
}

/// A key that was rotated.
pub struct RotatedKey {
    /// The key.
    pub key: KeyView,
    /// Its new secret.
    pub secret: ApiKey,
    /// Until when the old one is accepted; nothing when it ended at once.
    pub previous_valid_until: Option<UnixSeconds>,
}

#[async_trait]
impl Verb for RotateKey {
    type Answer = RotatedKey;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyRotate)
    }

    fn shows(RotatedKey { key, .. }: &RotatedKey) -> Option<Shown> {
        Some(Shown::Key { key: key.key.id, member: key.key.member_id })
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(RotatedKey, Change), Refusal> {
        let grace = grace("grace_seconds", self.grace_seconds, call.context.now)?;
        let (workspace, before) = key_support::key(tx, call, self.target, Permission::KeyRotate).await?;
        let settings = tx.settings().await?;
        let Minted { api_key, secret, sealed_digest, sealed_secret } =
            key_support::mint(call, &workspace, &settings, before.key.environment, self.target.key)?;
        let after = before.key.clone().rotate(secret.clone(), grace, call.context.now)?;
        if tx.secret_known(&secret.fingerprint).await? {
            return Err(Refusal::SecretExists);
        }
        let row = NewSecret {
            key_id: self.target.key,
            secret: &secret,
            sealed_digest: &sealed_digest,
            sealed_secret: sealed_secret.as_deref(),
        };
        tx.insert_secret(row).await?;
        let name = if grace == Grace::None { "regenerate" } else { "rotate" };
        let operation = Operation { action: Action::Update, name };
        let (key, change) = key_support::replace(tx, call, before, after, operation).await?;
        let previous_valid_until = key.rotation.as_ref().map(|running| running.rotation.previous_valid_until);
        Ok((RotatedKey { key, secret: api_key, previous_valid_until }, change))
    }
}

/// The deadline that a grace period means, rounded down to the second.
pub(super) fn grace(field: &str, seconds: u64, now: UnixMillis) -> Result<Grace, Invalid> {
    let refuse = || Invalid::new(field, Fault::OutOfRange, format!("0 to {GRACE_SECONDS}"));
    let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds <= GRACE_SECONDS).ok_or_else(refuse)?;
    if seconds == 0 {
        return Ok(Grace::None);
    }
    UnixSeconds::floor(now.plus_seconds(seconds)).map(Grace::Until).ok_or_else(refuse)
}
