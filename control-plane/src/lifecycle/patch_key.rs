//! Edit a key: name, member, access, APIs, expiry, reminder, restrictions, team, external id, metadata.

use async_trait::async_trait;

use super::key_input::KeyPatch;
use super::key_support::{self, KeyRef, Operation};
use super::{Call, KeyView, Needs, Refusal, Verb};
use crate::domain::audit::Action;
use crate::domain::change::Change;
use crate::domain::permission::{Permission, is_below};
use crate::store::Tx;

/// Changes the fields that are named.
pub struct PatchKey {
    /// Which.
    pub target: KeyRef,
    /// The fields.
    pub patch: KeyPatch,
}

#[async_trait]
impl Verb for PatchKey {
    type Answer = KeyView;

    fn needs(&self) -> Needs {
        Needs::In(self.target.workspace, Permission::KeyEdit)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(KeyView, Change), Refusal> {
        let now = call.context.now;
        let (workspace, before) = key_support::key(tx, call, self.target, Permission::KeyEdit).await?;
        let catalogue = tx.catalogue().await?;
        let after = before.key.clone().edit(self.patch.judge(&catalogue, now)?, now)?;
        // A key above what they may make now is theirs to lower, and no more.
        call.rights.access(after.access, Permission::KeyEdit)?;
        let moves = after.member_id != before.key.member_id;
        let raises = !is_below(after.access, Some(before.key.access));
        let prolongs = after.outlives(&before.key);
        if moves {
            call.rights.holder(Some(after.member_id))?;
            let member = key_support::holder(tx, workspace.id, after.member_id).await?;
            key_support::check_holder(&workspace, member.role, after.access)?;
        } else if raises || prolongs {
            key_support::check_holder(&workspace, before.member.role, after.access)?;
        }
        key_support::check_policy(&workspace, &after)?;
        if after.team_id != before.key.team_id {
            key_support::check_team(tx, call, &after).await?;
        }
        if after.name != before.key.name {
            key_support::check_name(tx, &after, Some(after.id)).await?;
        }
        let operation = Operation { action: Action::Update, name: "edit" };
        key_support::replace(tx, call, before, after, operation).await
    }
}
