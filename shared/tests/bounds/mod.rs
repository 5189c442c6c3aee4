//! The limits of every format, each just kept and just passed, by who writes and by who reads; and
//! what belongs to another deployment, place or pepper.

mod absurd_counts;
mod heads;
mod leaves;
mod objects;
mod policies;
mod settings;
mod trees;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::{MAX_RESTRICTION_BYTES, Policy};
use keyward_shared::snapshot::RecentEntry;

use crate::fixtures::policy;

/// A policy that takes so many bytes.
fn sized_policy(bytes: usize) -> Policy {
    let mut policy = policy();
    let mut missing = bytes - policy.encode().expect("small").len();
    while missing > 0 {
        let length = (missing - 1).min(MAX_RESTRICTION_BYTES);
        policy.restrictions.referrers.push("r".repeat(length));
        missing -= 1 + length;
    }
    policy
}

/// Entries of `recent` that take the fewest bytes, 25 each.
fn tombstones(count: usize) -> Vec<RecentEntry> {
    (0..count)
        .map(|number| {
            let mut bytes = [0; Fingerprint::LEN];
            bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
            RecentEntry { fingerprint: Fingerprint::from_bytes(bytes), generation: 120, state: None }
        })
        .collect()
}
