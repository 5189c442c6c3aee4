//! A writing transaction.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, TeamId, TokenId, WorkspaceId};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::watch;

use super::error::failed;
use super::{api, audit, idempotency, key, member, secret, settings, token, workspace};
use crate::domain::api::{Api, ApiName, Catalogue};
use crate::domain::change::{Change, Generation};
use crate::domain::key::Key;
use crate::domain::member::Member;
use crate::domain::settings::SettingsDocument;
use crate::domain::text::{Name, Slug};
use crate::domain::time::UnixMillis;
use crate::domain::token::{Token, TokenHash};
use crate::domain::workspace::Workspace;
use crate::store::{KeptAnswer, NewSecret, StoreError, StoredKey, Tx};

const BEGIN: &str = include_str!("sql/begin.sql");

/// Rolls back when it is dropped.
pub(super) struct SqliteTx {
    tx: Transaction<'static, Sqlite>,
    generation: Generation,
    last_seq: u64,
    committed: Arc<watch::Sender<Generation>>,
}

impl SqliteTx {
    pub(super) async fn begin(
        writer: &SqlitePool,
        committed: Arc<watch::Sender<Generation>>,
    ) -> Result<Self, StoreError> {
        // Taking the write lock at once leaves no room for two that read and then both want to write.
        let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let (generation, last_seq): (i64, i64) = sqlx::query_as(BEGIN).fetch_one(&mut *tx).await.map_err(failed)?;
        let generation = Generation(generation.cast_unsigned());
        Ok(Self { tx, generation, last_seq: last_seq.cast_unsigned(), committed })
    }
}

#[async_trait]
impl Tx for SqliteTx {
    fn generation(&self) -> Generation {
        self.generation
    }

    async fn workspace(&mut self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        workspace::by_id(&mut self.tx, id).await
    }

    async fn slug_taken(&mut self, slug: &Slug, except: Option<WorkspaceId>) -> Result<bool, StoreError> {
        workspace::slug_taken(&mut self.tx, slug, except).await
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError> {
        workspace::insert(&mut self.tx, workspace).await
    }

    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError> {
        workspace::update(&mut self.tx, workspace).await
    }

    async fn delete_workspace(&mut self, id: WorkspaceId, at: UnixMillis) -> Result<(), StoreError> {
        workspace::delete(&mut self.tx, id, at).await
    }

    async fn member(&mut self, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>, StoreError> {
        member::by_id(&mut self.tx, workspace, id).await
    }

    async fn default_member(&mut self, workspace: WorkspaceId) -> Result<Option<Member>, StoreError> {
        member::default(&mut self.tx, workspace).await
    }

    async fn insert_member(&mut self, member: &Member) -> Result<(), StoreError> {
        member::insert(&mut self.tx, member).await
    }

    async fn team_exists(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<bool, StoreError> {
        member::team_exists(&mut self.tx, workspace, id).await
    }

    async fn key(&mut self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        key::by_id(&mut self.tx, workspace, id).await
    }

    async fn keys_after(
        &mut self,
        workspace: WorkspaceId,
        after: Option<KeyId>,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError> {
        key::after(&mut self.tx, workspace, after, limit).await
    }

    async fn key_count(&mut self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        key::count(&mut self.tx, workspace).await
    }

    async fn key_name_taken(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        except: Option<KeyId>,
    ) -> Result<bool, StoreError> {
        key::name_taken(&mut self.tx, workspace, name, except).await
    }

    async fn insert_key(&mut self, key: &Key, secret: NewSecret<'_>) -> Result<(), StoreError> {
        key::insert(&mut self.tx, key, secret).await
    }

    async fn update_key(&mut self, key: &Key, at: UnixMillis) -> Result<(), StoreError> {
        key::update(&mut self.tx, key, at).await
    }

    async fn secret_known(&mut self, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
        secret::known(&mut self.tx, fingerprint).await
    }

    async fn insert_secret(&mut self, secret: NewSecret<'_>) -> Result<(), StoreError> {
        secret::insert(&mut self.tx, secret).await
    }

    async fn live_fingerprints(&mut self, workspace: WorkspaceId) -> Result<Vec<Fingerprint>, StoreError> {
        secret::live_of_workspace(&mut self.tx, workspace).await
    }

    async fn catalogue(&mut self) -> Result<Catalogue, StoreError> {
        api::catalogue(&mut self.tx).await
    }

    async fn take_api_number(&mut self) -> Result<Option<u16>, StoreError> {
        api::take_number(&mut self.tx).await
    }

    async fn insert_api(&mut self, api: &Api) -> Result<(), StoreError> {
        api::insert(&mut self.tx, api).await
    }

    async fn update_api(&mut self, api: &Api) -> Result<(), StoreError> {
        api::update(&mut self.tx, api).await
    }

    async fn delete_api(&mut self, name: &ApiName, at: UnixMillis) -> Result<(), StoreError> {
        api::delete(&mut self.tx, name, at).await
    }

    async fn settings(&mut self) -> Result<SettingsDocument, StoreError> {
        settings::get(&mut self.tx).await
    }

    async fn update_settings(&mut self, settings: &SettingsDocument) -> Result<(), StoreError> {
        settings::put(&mut self.tx, settings).await
    }

    async fn token_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Token>, StoreError> {
        token::by_hash(&mut self.tx, hash).await
    }

    async fn token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError> {
        token::by_id(&mut self.tx, id).await
    }

    async fn insert_token(&mut self, token: &Token, hash: &TokenHash) -> Result<(), StoreError> {
        token::insert(&mut self.tx, token, hash).await
    }

    async fn revoke_token(&mut self, id: TokenId, at: UnixMillis) -> Result<(), StoreError> {
        token::revoke(&mut self.tx, id, at).await
    }

    async fn kept_answer(&mut self, id: &[u8; 32], now: UnixMillis) -> Result<Option<KeptAnswer>, StoreError> {
        idempotency::get(&mut self.tx, id, now).await
    }

    async fn commit(mut self: Box<Self>, change: Change, answer: Option<KeptAnswer>) -> Result<Generation, StoreError> {
        let generation = self.generation;
        if change.generation() != generation {
            return Err(StoreError::Misused("a change of another transaction".into()));
        }
        audit::record(&mut self.tx, &change, self.last_seq, answer.as_ref()).await?;
        self.tx.commit().await.map_err(failed)?;
        self.committed.send_if_modified(|newest| {
            let newer = *newest < generation;
            *newest = (*newest).max(generation);
            newer
        });
        Ok(generation)
    }
}
