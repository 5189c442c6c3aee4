//! A secret that somebody holds, and its key.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Policy;
use keyward_shared::record::{Record, Slot};
use sqlx::{FromRow, Sqlite, Transaction};

use super::error::failed;
use super::{SqliteStore, api, key, publication_view, receipts, settings};
use crate::domain::api::{ApiName, Catalogue};
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::usage::UsageBounds;
use crate::store::lookup::{About, LookupView, PastEvent, SecretOwner};
use crate::store::{LookupStore, StoreError, StoredKey};

const OWNER: &str = include_str!("sql/secret_owner.sql");
const EVENTS_ABOUT: &str = include_str!("sql/events_about.sql");

#[derive(FromRow)]
struct EventRow {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor_id: Option<String>,
    actor_name: String,
    on_behalf_of: Option<String>,
    action: String,
    entity: String,
    operation: Option<String>,
    reason: Option<String>,
    generation: i64,
}

/// A read transaction, which write-ahead logging keeps as it began.
struct SqliteLookup(Transaction<'static, Sqlite>);

#[async_trait]
impl LookupStore for SqliteStore {
    async fn look(&self) -> Result<Box<dyn LookupView>, StoreError> {
        Ok(Box::new(SqliteLookup(self.readers.begin().await.map_err(failed)?)))
    }
}

#[async_trait]
impl LookupView for SqliteLookup {
    async fn catalogue(&mut self) -> Result<Catalogue, StoreError> {
        api::catalogue(&mut self.0).await
    }

    async fn settings(&mut self) -> Result<SettingsDocument, StoreError> {
        settings::get(&mut self.0).await
    }

    async fn key(&mut self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        key::by_id(&mut self.0, workspace, id).await
    }

    async fn secret_owner(&mut self, fingerprint: &Fingerprint) -> Result<Option<SecretOwner>, StoreError> {
        let query = sqlx::query_as(OWNER).bind(&fingerprint.as_bytes()[..]);
        let row: Option<(i64, i64, String, Option<i64>)> = query.fetch_optional(&mut *self.0).await.map_err(failed)?;
        let read = |(workspace, key, key_name, slot): (i64, i64, String, Option<i64>)| {
            let slot = match slot {
                None => None,
                Some(0) => Some(Slot::Current),
                Some(1) => Some(Slot::Retiring),
                Some(_) => return Err(StoreError::corrupt("secret.slot")),
            };
            Ok(SecretOwner {
                workspace_id: WorkspaceId::from_u64(workspace.cast_unsigned()),
                key_id: KeyId::from_u64(key.cast_unsigned()),
                key_name,
                slot,
            })
        };
        row.map(read).transpose()
    }

    async fn live_secret(&mut self, fingerprint: &Fingerprint) -> Result<Option<(Record, Policy)>, StoreError> {
        publication_view::live_secret(&mut self.0, fingerprint).await
    }

    async fn usage_bounds(&mut self, now: UnixMillis) -> Result<Option<UsageBounds>, StoreError> {
        receipts::usage_bounds(&mut self.0, now).await
    }

    async fn events_about(&mut self, about: About<'_>, most: u16) -> Result<Vec<PastEvent>, StoreError> {
        let (key, workspace) = about.key.map(|(key, workspace)| (key.to_string(), workspace.to_string())).unzip();
        let query = sqlx::query_as(EVENTS_ABOUT)
            .bind(key)
            .bind(workspace)
            .bind(most)
            .bind(about.api.map(ApiName::as_str))
            .bind(about.settings);
        let rows: Vec<EventRow> = query.fetch_all(&mut *self.0).await.map_err(failed)?;
        Ok(rows.into_iter().map(PastEvent::from).collect())
    }
}

impl From<EventRow> for PastEvent {
    fn from(row: EventRow) -> Self {
        Self {
            seq: row.seq.cast_unsigned(),
            at: UnixMillis::from_millis(row.at),
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            on_behalf_of: row.on_behalf_of,
            action: row.action,
            entity: row.entity,
            operation: row.operation,
            reason: row.reason,
            generation: row.generation.cast_unsigned(),
        }
    }
}
