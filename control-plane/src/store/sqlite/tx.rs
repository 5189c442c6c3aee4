//! A change, from its beginning to its commit.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::group::{Begun, Known};
use super::writer::{Turn, Writer, in_task};
use super::{api, idempotency, key, settings, workspace};
use crate::domain::api::{Api, ApiName, Catalogue};
use crate::domain::change::{Change, Generation};
use crate::domain::key::Key;
use crate::domain::settings::SettingsDocument;
use crate::domain::text::{Name, Slug};
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;
use crate::store::{Clash, Deleted, KeptAnswer, NewSecret, StoreError, StoredKey, Tx};

/// A change in a group. Dropped it is undone.
pub(super) struct SqliteTx {
    /// Gone where a caller gave up while it was on its way.
    turn: Option<Turn>,
    generation: Generation,
    last_seq: u64,
    /// Whether nothing was asked of it yet.
    untouched: bool,
}

impl SqliteTx {
    pub(super) async fn begin(writer: &Writer) -> Result<Self, StoreError> {
        let turn = writer.turn().await?;
        // Given up halfway, the first of a group loses nobody's changes.
        let begun =
            if turn.is_behind_others() { in_task(turn.begin_change()).await? } else { turn.begin_change().await };
        let Begun { turn, generation, last_seq } = begun?;
        Ok(Self { turn: Some(turn), generation, last_seq, untouched: true })
    }

    /// Begins with nothing before it that is not durable.
    pub(super) async fn begin_apart(writer: &Writer) -> Result<Self, StoreError> {
        let turn = writer.turn().await?;
        let Begun { turn, generation, last_seq } = in_task(turn.begin_behind()).await??;
        Ok(Self { turn: Some(turn), generation, last_seq, untouched: true })
    }

    pub(super) fn conn(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.untouched = false;
        self.turn.as_mut().map(|turn| &mut turn.connection).ok_or_else(given_up)
    }

    /// What changes of this group have read already.
    fn known(&mut self) -> Result<&mut Known, StoreError> {
        self.turn.as_mut().and_then(|turn| turn.group.as_mut()).map(|group| &mut group.known).ok_or_else(given_up)
    }

    /// Makes the changes before this one durable.
    async fn begin_behind(&mut self) -> Result<&mut Turn, StoreError> {
        if !self.untouched {
            return Err(StoreError::Misused("a kept answer is asked for first".into()));
        }
        let turn = self.turn.take().ok_or_else(given_up)?;
        let Begun { turn, generation, last_seq } = in_task(turn.begin_behind()).await??;
        (self.generation, self.last_seq) = (generation, last_seq);
        Ok(self.turn.insert(turn))
    }
}

fn given_up() -> StoreError {
    StoreError::Misused("a transaction that was given up".into())
}

#[async_trait]
impl Tx for SqliteTx {
    fn generation(&self) -> Generation {
        self.generation
    }

    async fn workspace(&mut self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        workspace::by_id(self.conn()?, id).await
    }

    async fn slug_taken(&mut self, slug: &Slug, except: Option<WorkspaceId>) -> Result<bool, StoreError> {
        workspace::slug_taken(self.conn()?, slug, except).await
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError> {
        workspace::insert(self.conn()?, workspace).await
    }

    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError> {
        workspace::update(self.conn()?, workspace).await
    }

    async fn delete_workspace(&mut self, id: WorkspaceId, at: UnixMillis) -> Result<Deleted, StoreError> {
        workspace::delete(self.conn()?, id, at).await
    }

    async fn key(&mut self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        key::by_id(self.conn()?, workspace, id).await
    }

    async fn key_count(&mut self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        key::count(self.conn()?, workspace).await
    }

    async fn clash(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        fingerprint: &Fingerprint,
    ) -> Result<Clash, StoreError> {
        key::clash(self.conn()?, workspace, name, fingerprint).await
    }

    async fn key_name_taken(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        except: Option<KeyId>,
    ) -> Result<bool, StoreError> {
        key::name_taken(self.conn()?, workspace, name, except).await
    }

    async fn insert_key(&mut self, key: &Key, secret: NewSecret<'_>) -> Result<(), StoreError> {
        key::insert(self.conn()?, key, secret).await
    }

    async fn update_key(&mut self, key: &Key, at: UnixMillis) -> Result<(), StoreError> {
        key::update(self.conn()?, key, at).await
    }

    async fn catalogue(&mut self) -> Result<Catalogue, StoreError> {
        if let Some(known) = self.known()?.catalogue.clone() {
            return Ok(known);
        }
        let catalogue = api::catalogue(self.conn()?).await?;
        Ok(self.known()?.catalogue.insert(catalogue).clone())
    }

    async fn take_api_number(&mut self) -> Result<Option<u16>, StoreError> {
        api::take_number(self.conn()?).await
    }

    async fn insert_api(&mut self, api: &Api) -> Result<(), StoreError> {
        self.known()?.catalogue = None;
        api::insert(self.conn()?, api).await
    }

    async fn update_api(&mut self, api: &Api) -> Result<(), StoreError> {
        self.known()?.catalogue = None;
        api::update(self.conn()?, api).await
    }

    async fn delete_api(&mut self, name: &ApiName, at: UnixMillis) -> Result<(), StoreError> {
        self.known()?.catalogue = None;
        api::delete(self.conn()?, name, at).await
    }

    async fn settings(&mut self) -> Result<SettingsDocument, StoreError> {
        if let Some(known) = self.known()?.settings.clone() {
            return Ok(known);
        }
        let settings = settings::get(self.conn()?).await?;
        Ok(self.known()?.settings.insert(settings).clone())
    }

    async fn update_settings(&mut self, settings: &SettingsDocument) -> Result<(), StoreError> {
        self.known()?.settings = None;
        settings::put(self.conn()?, settings).await
    }

    async fn kept_answer(&mut self, id: &[u8; 32], now: UnixMillis) -> Result<Option<KeptAnswer>, StoreError> {
        let turn = self.turn.as_mut().ok_or_else(given_up)?;
        let kept = idempotency::get(&mut turn.connection, id, now).await?;
        if kept.is_none() || !turn.is_behind_others() {
            return Ok(kept);
        }
        // It may be the answer of a change that is not durable yet, and may never be.
        let turn = self.begin_behind().await?;
        idempotency::get(&mut turn.connection, id, now).await
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), StoreError> {
        let turn = self.turn.take().ok_or_else(given_up)?;
        in_task(turn.abandon_change()).await?
    }

    async fn commit(mut self: Box<Self>, change: Change, answer: Option<KeptAnswer>) -> Result<Generation, StoreError> {
        let generation = self.generation;
        if change.generation() != generation {
            return Err(StoreError::Misused("a change of another transaction".into()));
        }
        let turn = self.turn.take().ok_or_else(given_up)?;
        let (told, durable) = oneshot::channel();
        tokio::spawn(turn.finish_change(change, self.last_seq, answer, told));
        durable.await.map_err(|error| StoreError::Unavailable(Box::new(error)))??;
        Ok(generation)
    }
}
