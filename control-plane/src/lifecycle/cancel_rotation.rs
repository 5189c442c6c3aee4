//! Cancel a rotation: back to the old secret, the new one ends.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Goes back to the old secret of a rotation.
pub struct CancelRotation {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for CancelRotation {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyStart)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let operation = Operation { action: Action::Update, name: "cancel_rotation" };
        key_support::transition(tx, call, self.target, Permission::KeyStart, operation, Key::cancel_rotation).await
    }
}
