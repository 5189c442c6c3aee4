//! Reads of one thing, and of the deployment's state.

use keyward_shared::id::WorkspaceId;

use super::key_support::KeyRef;
use super::refusal::Missing;
use super::{KeyView, Lifecycle, Needs, Refusal};
use crate::domain::actor::Actor;
use crate::domain::change::Generation;
use crate::domain::permission::Permission;
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;

impl Lifecycle {
    /// A workspace.
    pub async fn get_workspace(&self, actor: &Actor, id: WorkspaceId) -> Result<Workspace, Refusal> {
        self.admit(actor, Needs::In(id, Permission::WorkspaceRead)).await?;
        self.store.workspace(id).await?.ok_or(Refusal::NotFound(Missing::Workspace))
    }

    /// A key, as it is at `now`.
    pub async fn get_key(&self, actor: &Actor, target: KeyRef, now: UnixMillis) -> Result<KeyView, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::In(target.workspace, Permission::KeyRead))?;
        self.store.workspace(target.workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        let stored = self.store.key(target.workspace, target.key).await?;
        let stored = stored.ok_or(Refusal::NotFound(Missing::Key))?;
        rights.key(&stored.key, Permission::KeyRead)?;
        let reported = self.reported(now).await?;
        Ok(KeyView::new(stored, &self.store.catalogue().await?, reported, now))
    }

    /// The deployment's settings.
    pub async fn get_settings(&self, actor: &Actor) -> Result<SettingsDocument, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::SettingsRead)).await?;
        Ok(self.store.settings().await?)
    }

    /// The newest generation.
    pub async fn generation(&self) -> Result<Generation, Refusal> {
        Ok(self.store.generation().await?)
    }

    /// Whether the database answers.
    pub async fn ready(&self) -> Result<(), Refusal> {
        Ok(self.store.ready().await?)
    }
}
