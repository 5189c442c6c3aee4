//! Extend a rotation: move the deadline of the old secret, counted from now.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::rotate_key::grace;
use super::{Call, KeyView, Needs, Refusal, Verb, key_input};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::transition::Grace;
use crate::domain::limits::GRACE_SECONDS;
use crate::domain::permission::Permission;
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::store::Tx;

/// Moves the deadline of the old secret of a rotation, in either direction.
pub struct ExtendRotation {
    /// Which.
    pub target: KeyRef,
    /// Where to.
    pub to: ExtendTo,
}

/// The new deadline of the old secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendTo {
    /// So many seconds from now, at least one.
    GraceSeconds(u64),
    /// This instant, rounded down to the second.
    PreviousValidUntil(UnixMillis),
}

#[async_trait]
impl Verb for ExtendRotation {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyStart)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let until = self.to.deadline(call.context.now)?;
        let operation = Operation { action: Action::Update, name: "extend_rotation" };
        key_support::transition(tx, call, self.target, Permission::KeyStart, operation, |key, now| {
            key.extend_rotation(until, now)
        })
        .await
    }
}

impl ExtendTo {
    fn deadline(self, now: UnixMillis) -> Result<UnixSeconds, Invalid> {
        match self {
            Self::GraceSeconds(seconds) => match grace("grace_seconds", seconds, now)? {
                Grace::Until(deadline) => Ok(deadline),
                Grace::None => Err(Invalid::new(
                    "grace_seconds",
                    Fault::OutOfRange,
                    format!("1 to {GRACE_SECONDS}; finish ends it now"),
                )),
            },
            Self::PreviousValidUntil(at) => {
                const FIELD: &str = "previous_valid_until";
                if at > now.plus_seconds(GRACE_SECONDS) {
                    let detail = format!("at most {GRACE_SECONDS} seconds from now");
                    return Err(Invalid::new(FIELD, Fault::OutOfRange, detail));
                }
                key_input::deadline(FIELD, at, now)
            }
        }
    }
}
