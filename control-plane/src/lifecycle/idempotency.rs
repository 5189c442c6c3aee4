//! Idempotent calls: the same `Idempotency-Key` and request give the same answer and no second
//! effect, over restarts, for 24 hours.
//!
//! The answer is kept in the transaction of the change itself, sealed under a key that is derived
//! from the caller's own `Idempotency-Key`: the database alone opens none. Refusals are not kept;
//! they had no effect, and asking again may do better.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::vault::CallIds;
use super::{Context, Lifecycle, Refusal, Shown, Vault};
use crate::domain::change::Generation;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::{IDEMPOTENCY_HOURS, IDEMPOTENCY_KEY_BYTES, IDEMPOTENT_ANSWER_BYTES};
use crate::domain::time::UnixMillis;
use crate::store::{KeptAnswer, StoreError, Tx};

/// An answer as it goes out: status, headers and body. It may hold a secret, so it does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that belong to the answer itself.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: Zeroizing<String>,
}

/// A call that must not have its effect twice.
pub struct IdempotentCall {
    idempotency_key: Zeroizing<String>,
    ids: CallIds,
    request_hash: [u8; 32],
}

impl Lifecycle {
    /// The call of this caller with this `Idempotency-Key`. `method`, `target` (path and query) and
    /// `body` are what must be the same when it comes again.
    pub fn idempotent_call(
        &self,
        context: &Context,
        idempotency_key: &str,
        method: &str,
        target: &str,
        body: &[u8],
    ) -> Result<IdempotentCall, Refusal> {
        let visible = idempotency_key.bytes().all(|byte| byte.is_ascii_graphic());
        if idempotency_key.is_empty() || !visible || idempotency_key.len() > IDEMPOTENCY_KEY_BYTES {
            let detail = format!("1 to {IDEMPOTENCY_KEY_BYTES} visible ASCII characters");
            return Err(Invalid::new("Idempotency-Key", Fault::BadFormat, detail).into());
        }
        let caller = context.actor.token.map(|token| token.to_string()).unwrap_or_default();
        Ok(IdempotentCall {
            ids: self.vault.call_ids(&caller, idempotency_key),
            request_hash: request_hash(context, method, target, body),
            idempotency_key: Zeroizing::new(idempotency_key.to_owned()),
        })
    }

    /// Drops the answers that nobody may ask for any more; says how many.
    pub async fn forget_answers(&self, now: UnixMillis) -> Result<u64, Refusal> {
        Ok(self.store.forget_answers(now).await?)
    }

    /// Erases what is kept of secrets whose grace period is over; says how many there were.
    pub async fn forget_secrets(&self, now: UnixMillis) -> Result<u64, Refusal> {
        Ok(self.store.forget_secrets(now).await?)
    }
}

impl IdempotentCall {
    /// The name that its answer is kept by.
    pub(crate) const fn id(&self) -> &[u8; 32] {
        &self.ids.newest
    }

    /// The answer that is kept for it. Asked before anything else of a transaction.
    pub(super) async fn kept(&self, tx: &mut dyn Tx, now: UnixMillis) -> Result<Option<KeptAnswer>, StoreError> {
        for id in core::iter::once(&self.ids.newest).chain(&self.ids.older) {
            if let Some(kept) = tx.kept_answer(id, now).await? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Opens a kept answer, if it is this request's.
    pub(super) fn open(&self, vault: &Vault, kept: &KeptAnswer) -> Result<Opened, Refusal> {
        if kept.request_hash != self.request_hash {
            return Err(Refusal::IdempotencyMismatch);
        }
        let opened = vault.open_answer(&self.idempotency_key, &kept.sealed, &self.associated(&kept.id))?;
        let sealed: Sealed = serde_json::from_slice(&opened).map_err(|_| super::vault::VaultError::Form)?;
        let Sealed { generation, shown, answer } = sealed;
        Ok(Opened { answer, generation: Generation(generation), shown })
    }

    /// Seals the answer that is to be kept.
    pub(super) fn seal(&self, vault: &Vault, context: &Context, opened: Opened) -> Result<KeptAnswer, Refusal> {
        let Opened { answer, generation, shown } = opened;
        let sealed = Sealed { generation: generation.0, shown, answer };
        let plain = serde_json::to_vec(&sealed).map(Zeroizing::new).map_err(|_| super::vault::VaultError::Form)?;
        if plain.len() > IDEMPOTENT_ANSWER_BYTES {
            return Err(super::vault::VaultError::TooLong.into());
        }
        let nonce = &context.entropy.answer_nonce;
        Ok(KeptAnswer {
            id: *self.id(),
            request_hash: self.request_hash,
            sealed: vault.seal_answer(&self.idempotency_key, nonce, &plain, &self.associated(self.id()))?,
            created_at: context.now,
            expires_at: context.now.plus_seconds(IDEMPOTENCY_HOURS * 3600),
        })
    }

    fn associated(&self, id: &[u8; 32]) -> Vec<u8> {
        [&b"keyward idempotent answer v1"[..], id, &self.request_hash].concat()
    }
}

/// What a kept answer tells.
pub(super) struct Opened {
    /// The answer.
    pub(super) answer: StoredAnswer,
    /// The generation that carries what it answers.
    pub(super) generation: Generation,
    /// Whose secret it holds.
    pub(super) shown: Option<Shown>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    generation: u64,
    shown: Option<Shown>,
    answer: StoredAnswer,
}

/// SHA-256 over the parts of a request, each behind its length; for whom it is done counts too.
fn request_hash(context: &Context, method: &str, target: &str, body: &[u8]) -> [u8; 32] {
    let on_behalf_of = context.actor.on_behalf_of.map(|member| member.to_string()).unwrap_or_default();
    let parts = [method.as_bytes(), target.as_bytes(), on_behalf_of.as_bytes(), body];
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part));
    hash.finalize().into()
}

/// The calls that run in this process.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashSet<[u8; 32]>>>);

impl Running {
    /// Claims a call until the claim is dropped, or nothing if it is claimed already.
    pub(super) fn claim(&self, id: [u8; 32]) -> Option<Claim> {
        let claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        claimed.then(|| Claim { running: self.clone(), id })
    }
}

/// A call that runs.
pub(super) struct Claim {
    running: Running,
    id: [u8; 32],
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_claimed_once_at_a_time() {
        let running = Running::default();
        let claim = running.claim([1; 32]);
        assert!(claim.is_some());
        assert!(running.claim([1; 32]).is_none());
        assert!(running.claim([2; 32]).is_some());
        drop(claim);
        assert!(running.claim([1; 32]).is_some());
    }
}
