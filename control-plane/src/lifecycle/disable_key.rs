//! Disable a key: both of its secrets stop, reversibly.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Stops a key, reversibly.
pub struct DisableKey {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for DisableKey {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyStop)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let operation = Operation { action: Action::Disable, name: "disable" };
        key_support::transition(tx, call, self.target, Permission::KeyStop, operation, Key::disable).await
    }
}
