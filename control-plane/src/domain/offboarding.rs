//! What becomes of a member's keys when the member's role changes or the member goes.

use keyward_shared::policy::Access;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::key::Key;
use super::member::Role;
use super::permission::{ceiling, is_below};

/// What is done to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing that ends a key: the role stays what it was.
    Stays,
    /// The member gets another role, this one.
    Becomes(Role),
    /// The member is removed.
    Goes,
}

/// What becomes of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ends.
    Deleted,
    /// It goes on.
    Kept,
}

impl Step {
    /// What becomes of a key with this access that stays with the member, in a workspace with this
    /// policy for staff: what is above the new role's ceiling ends.
    pub const fn outcome(self, access: Access, staff_max_access: Access) -> Outcome {
        match self {
            Self::Stays => Outcome::Kept,
            Self::Becomes(role) if is_below(access, ceiling(role, staff_max_access)) => Outcome::Kept,
            Self::Becomes(_) | Self::Goes => Outcome::Deleted,
        }
    }

    /// Whether archived keys end with it too: nobody is left to whom they could belong.
    pub const fn ends_archived(self) -> bool {
        matches!(self, Self::Goes)
    }

    /// The operation as the audit log tells of it with each key that ends.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Stays => "edit",
            Self::Becomes(_) => "change_role",
            Self::Goes => "remove",
        }
    }
}

/// A digest over what a step means to every key that the member has. Keys that are given to others in
/// the same step count as if they were not, so that whoever was shown the consequences can choose who
/// gets what.
pub struct PlanHash(Sha256);

impl PlanHash {
    /// The digest of a step that meets no key yet.
    pub fn new(step: Step) -> Self {
        let role = match step {
            Step::Becomes(role) => role.as_str(),
            Step::Stays | Step::Goes => "",
        };
        Self(Sha256::new().chain_update(step.operation()).chain_update([0]).chain_update(role).chain_update([0]))
    }

    /// The same with one more key; always in the same order.
    pub fn add(&mut self, key: &Key, outcome: Outcome) {
        self.0.update(key.id.as_u64().to_be_bytes());
        self.0.update(key.version.to_be_bytes());
        self.0.update([u8::from(outcome == Outcome::Kept)]);
    }

    /// The first bytes of the digest.
    pub fn finish(self) -> [u8; 8] {
        let digest: [u8; 32] = self.0.finalize().into();
        core::array::from_fn(|byte| digest[byte])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_above_the_new_roles_ceiling_end() {
        use Access::{ReadOnly, ReadWrite};
        use Outcome::{Deleted, Kept};

        let outcomes = |step: Step, staff_max| [ReadOnly, ReadWrite].map(|access| step.outcome(access, staff_max));
        for (step, under_read_write, under_read_only) in [
            (Step::Stays, [Kept, Kept], [Kept, Kept]),
            (Step::Becomes(Role::Owner), [Kept, Kept], [Kept, Kept]),
            (Step::Becomes(Role::Admin), [Kept, Kept], [Kept, Kept]),
            (Step::Becomes(Role::Staff), [Kept, Kept], [Kept, Deleted]),
            (Step::Becomes(Role::ReadOnly), [Kept, Deleted], [Kept, Deleted]),
            (Step::Becomes(Role::Lite), [Deleted, Deleted], [Deleted, Deleted]),
            (Step::Goes, [Deleted, Deleted], [Deleted, Deleted]),
        ] {
            assert_eq!(outcomes(step, ReadWrite), under_read_write, "{step:?}");
            assert_eq!(outcomes(step, ReadOnly), under_read_only, "{step:?}");
        }
    }

    #[test]
    fn what_is_asked_counts_in_the_digest() {
        let steps = [Step::Stays, Step::Goes, Step::Becomes(Role::Lite), Step::Becomes(Role::ReadOnly)];
        let digests = steps.map(|step| PlanHash::new(step).finish());
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{:?}", steps[index]);
        }
    }
}
