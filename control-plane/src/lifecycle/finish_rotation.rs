//! Finish a rotation: the old secret ends now.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Ends the old secret of a rotation now.
pub struct FinishRotation {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for FinishRotation {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyStop)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let operation = Operation { action: Action::Update, name: "finish_rotation" };
        key_support::transition(tx, call, self.target, Permission::KeyStop, operation, Key::finish_rotation).await
    }
}
