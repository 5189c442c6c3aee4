//! Archive a key: it stops for good and stays readable.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Stops a key for good; it stays readable.
pub struct ArchiveKey {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for ArchiveKey {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyEnd)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let operation = Operation { action: Action::Delete, name: "archive" };
        key_support::transition(tx, call, self.target, Permission::KeyEnd, operation, Key::archive).await
    }
}
