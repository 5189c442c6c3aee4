//! Reads of one thing, and of the deployment's state.

use keyward_shared::id::WorkspaceId;

use super::key_support::KeyRef;
use super::refusal::Missing;
use super::{KeyView, Lifecycle, Refusal};
use crate::domain::change::Generation;
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;

impl Lifecycle {
    /// A workspace.
    pub async fn get_workspace(&self, id: WorkspaceId) -> Result<Workspace, Refusal> {
        self.store.workspace(id).await?.ok_or(Refusal::NotFound(Missing::Workspace))
    }

    /// A key, as it is at `now`.
    pub async fn get_key(&self, target: KeyRef, now: UnixMillis) -> Result<KeyView, Refusal> {
        self.get_workspace(target.workspace).await?;
        let stored = self.store.key(target.workspace, target.key).await?;
        let stored = stored.ok_or(Refusal::NotFound(Missing::Key))?;
        Ok(KeyView::new(stored, &self.store.catalogue().await?, now))
    }

    /// The deployment's settings.
    pub async fn get_settings(&self) -> Result<SettingsDocument, Refusal> {
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
