//! Delete a key: it stops for good and stays readable in the audit log only.

use async_trait::async_trait;

use super::key_support::{self, KeyRef, Operation};
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::key::Key;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Deletes a key.
pub struct DeleteKey {
    /// Which.
    pub target: KeyRef,
}

#[async_trait]
impl Verb for DeleteKey {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyEnd)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let operation = Operation { action: Action::Delete, name: "delete" };
        let (_, change) =
            key_support::transition(tx, call, self.target, Permission::KeyEnd, operation, Key::delete).await?;
        Ok(((), change))
    }
}
