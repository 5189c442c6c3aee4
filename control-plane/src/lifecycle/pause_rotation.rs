//! Pause the old secret of a rotation, to see who misses it before it is gone.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Refuses the old secret of a rotation, reversibly.
pub struct PauseRotation {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for PauseRotation {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyStop)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let operation = Operation { action: Action::Update, name: "pause_rotation" };
        key_support::transition(tx, call, self.target, Permission::KeyStop, operation, Key::pause_rotation).await
    }
}
