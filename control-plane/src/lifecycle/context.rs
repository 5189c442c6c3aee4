//! What every mutation needs beside its input: who, when, why, and random bytes drawn beforehand.

use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::invalid::Invalid;
use crate::domain::text::Reason;
use crate::domain::time::UnixMillis;

/// Who does something, when, why, and with which random bytes.
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// When: one instant for the whole mutation.
    pub now: UnixMillis,
    /// Why, as the actor said.
    pub reason: Option<Reason>,
    /// The state that the actor has seen.
    pub if_match: Option<IfMatch>,
    /// Random bytes.
    pub entropy: Entropy,
}

impl Context {
    /// A context without reason and precondition.
    pub const fn new(actor: Actor, now: UnixMillis, entropy: Entropy) -> Self {
        Self { actor, now, reason: None, if_match: None, entropy }
    }

    /// The same context with the reason that stood in the field `reason`.
    pub fn with_reason(mut self, reason: Option<&str>) -> Result<Self, Invalid> {
        self.reason = reason.map(|reason| Reason::parse("reason", reason)).transpose()?;
        Ok(self)
    }

    /// The same context with a precondition.
    #[must_use]
    pub fn with_if_match(mut self, if_match: Option<IfMatch>) -> Self {
        self.if_match = if_match;
        self
    }

    /// Refuses unless the precondition holds for something in `version`.
    pub(super) fn check_version(&self, version: u64) -> Result<(), Refusal> {
        match &self.if_match {
            Some(IfMatch::Versions(seen)) if !seen.contains(&version) => Err(Refusal::PreconditionFailed { version }),
            _ => Ok(()),
        }
    }

    /// Refuses if there is a precondition: for things that do not exist yet (RFC 9110, section
    /// 13.1.1).
    pub(super) const fn check_absent(&self) -> Result<(), Refusal> {
        if self.if_match.is_some() { Err(Refusal::PreconditionFailed { version: 0 }) } else { Ok(()) }
    }

    /// An event of this context about something outside of any workspace.
    pub(super) fn event(&self, action: Action, entity: Entity, target: Target, details: Details) -> AuditEvent {
        AuditEvent {
            at: self.now,
            actor: self.actor.clone(),
            action,
            entity,
            target,
            workspace_id: None,
            team_id: None,
            reason: self.reason.clone(),
            details,
        }
    }
}

/// The header `If-Match`, read (RFC 9110, section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever its state, if it exists.
    Any,
    /// One of these versions. Empty when none of the entity tags was one of ours.
    Versions(Vec<u64>),
}

/// Random bytes for one mutation, from a source fit for secrets. Never use one twice.
#[derive(Clone)]
pub struct Entropy {
    /// For identifiers.
    pub(super) ids: [[u8; 8]; 2],
    /// For a secret.
    pub(super) secret: Zeroizing<[u8; 64]>,
    /// For sealing what is stored.
    pub(super) seal_nonce: [u8; 24],
    /// For sealing the answer of an idempotent call.
    pub(super) answer_nonce: [u8; 24],
}

impl Entropy {
    /// How many bytes one mutation needs.
    pub const BYTES: usize = 128;

    /// Deals out freshly drawn bytes.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut entropy =
            Self { ids: [[0; 8]; 2], secret: Zeroizing::new([0; 64]), seal_nonce: [0; 24], answer_nonce: [0; 24] };
        let [id, member] = &mut entropy.ids;
        let parts: [&mut [u8]; 5] =
            [id, member, &mut *entropy.secret, &mut entropy.seal_nonce, &mut entropy.answer_nonce];
        let mut rest = &bytes[..];
        for part in parts {
            let (taken, left) = rest.split_at(part.len());
            part.copy_from_slice(taken);
            rest = left;
        }
        entropy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_dealt_out_once() {
        let bytes = core::array::from_fn(|i| u8::try_from(i).unwrap_or(0));
        let entropy = Entropy::from_bytes(&bytes);
        let dealt = [entropy.ids.as_flattened(), &*entropy.secret, &entropy.seal_nonce, &entropy.answer_nonce];
        assert_eq!(dealt.concat(), bytes);
    }
}
