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

    /// Refuses unless the precondition holds for something in `version`. What else a tag is of does
    /// not count here.
    pub(super) fn check_version(&self, version: u64) -> Result<(), Refusal> {
        self.check(version, |seen| seen.version == version)
    }

    /// Refuses unless the precondition holds for something in `version` whose change would have the
    /// consequences of this digest. A tag that is not of a preview counts by its version.
    pub fn check_plan(&self, version: u64, plan: PlanDigest) -> Result<(), Refusal> {
        self.check(version, |seen| seen.version == version && seen.plan.is_none_or(|seen| seen == plan))
    }

    /// Whether there is a precondition that holds for nothing but what a preview has shown.
    pub(super) fn is_of_preview(&self) -> bool {
        matches!(&self.if_match, Some(IfMatch::Seen(seen)) if seen.iter().all(|seen| seen.plan.is_some()))
    }

    fn check(&self, version: u64, holds: impl Fn(&Seen) -> bool) -> Result<(), Refusal> {
        match &self.if_match {
            Some(IfMatch::Seen(seen)) if !seen.iter().any(holds) => Err(Refusal::PreconditionFailed { version }),
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
    /// One of these. Empty when none of the entity tags was one of ours.
    Seen(Vec<Seen>),
}

/// What an entity tag of ours stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// For the tag of a preview, what the change would have done.
    pub plan: Option<PlanDigest>,
}

impl Seen {
    /// Something in this version.
    pub const fn version(version: u64) -> Self {
        Self { version, plan: None }
    }
}

/// The first bytes of a digest over everything that a change would do.
pub type PlanDigest = [u8; 8];

/// Random bytes for one mutation, from a source fit for secrets. Never use one twice.
#[derive(Clone)]
pub struct Entropy {
    /// For identifiers.
    pub(super) ids: [[u8; 8]; 3],
    /// For a secret.
    pub(super) secret: Zeroizing<[u8; 64]>,
    /// For sealing a digest.
    pub(super) seal_nonce: [u8; 24],
    /// For sealing a secret, under the same key.
    pub(super) secret_nonce: [u8; 24],
    /// For sealing the answer of an idempotent call.
    pub(super) answer_nonce: [u8; 24],
}

impl Entropy {
    /// How many bytes one mutation needs.
    pub const BYTES: usize = 160;

    /// Deals out freshly drawn bytes.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut entropy = Self {
            ids: [[0; 8]; 3],
            secret: Zeroizing::new([0; 64]),
            seal_nonce: [0; 24],
            secret_nonce: [0; 24],
            answer_nonce: [0; 24],
        };
        let parts: [&mut [u8]; 5] = [
            entropy.ids.as_flattened_mut(),
            &mut *entropy.secret,
            &mut entropy.seal_nonce,
            &mut entropy.secret_nonce,
            &mut entropy.answer_nonce,
        ];
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
        let Entropy { ids, secret, seal_nonce, secret_nonce, answer_nonce } = &entropy;
        let dealt = [ids.as_flattened(), &**secret, seal_nonce, secret_nonce, answer_nonce];
        assert_eq!(dealt.concat(), bytes);
    }

    #[test]
    fn the_tag_of_a_preview_holds_for_the_same_consequences_only() {
        let entropy = Entropy::from_bytes(&[0; Entropy::BYTES]);
        let context = |if_match| {
            Context::new(Actor::system("test"), UnixMillis::from_millis(0), entropy.clone()).with_if_match(if_match)
        };
        let (planned, other) = ([1; 8], [2; 8]);
        let seen = |seen| context(Some(IfMatch::Seen(vec![seen])));
        let previewed = seen(Seen { version: 3, plan: Some(planned) });
        assert!(previewed.check_plan(3, planned).is_ok() && previewed.check_version(3).is_ok());
        assert!(previewed.check_plan(3, other).is_err() && previewed.check_plan(4, planned).is_err());
        assert!(previewed.is_of_preview() && !context(None).is_of_preview());
        assert!(!context(Some(IfMatch::Any)).is_of_preview());
        let either = vec![Seen::version(3), Seen { version: 3, plan: Some(planned) }];
        assert!(!context(Some(IfMatch::Seen(either))).is_of_preview());
        let read = seen(Seen::version(3));
        assert!(read.check_plan(3, planned).is_ok() && read.check_plan(4, planned).is_err());
        assert!(context(None).check_plan(3, planned).is_ok());
    }
}
