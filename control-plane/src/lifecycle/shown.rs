//! Whose secret a kept answer holds. It is asked again before the answer is given out a second time:
//! who may not have it any more is not told it again.

use keyward_shared::id::{KeyId, MemberId};
use serde::{Deserialize, Serialize};

use super::{Needs, Refusal, Rights};
use crate::store::Tx;

/// Whose secret it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// A key's.
    Key {
        /// Which.
        key: KeyId,
        /// The member it belonged to when it was shown.
        member: MemberId,
    },
    /// A token's that acts as this member.
    TokenOf(MemberId),
}

/// Refuses who could not have it shown now. What the verb needs is admitted already.
pub(super) async fn again(tx: &mut dyn Tx, rights: &Rights, needs: Needs, shown: Shown) -> Result<(), Refusal> {
    match (needs, shown) {
        (Needs::In(workspace, permission), Shown::Key { key, member }) => match tx.key(workspace, key).await? {
            Some(stored) => rights.key(&stored.key, permission),
            // Deleted: what it opened is refused for ever.
            None => rights.keys_of(member),
        },
        (Needs::Member(..), Shown::TokenOf(member)) => match tx.standing(member).await? {
            Some(standing) => rights.tokens_of(member, standing.role),
            // Removed, and their tokens with them.
            None => Ok(()),
        },
        (needs, _) => Err(Refusal::Forbidden(needs.permission())),
    }
}
