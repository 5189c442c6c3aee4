//! A secret that somebody holds, and its key.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Policy;
use keyward_shared::record::{Record, Slot};
use sqlx::FromRow;

use super::error::failed;
use super::{SqliteStore, publication_view};
use crate::domain::time::UnixMillis;
use crate::store::lookup::{PastEvent, SecretOwner};
use crate::store::{LookupStore, StoreError};

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

#[async_trait]
impl LookupStore for SqliteStore {
    async fn secret_owner(&self, fingerprint: &Fingerprint) -> Result<Option<SecretOwner>, StoreError> {
        let query = sqlx::query_as(OWNER).bind(&fingerprint.as_bytes()[..]);
        let row: Option<(i64, i64, String, Option<i64>)> =
            query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
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

    async fn live_secret(&self, fingerprint: &Fingerprint) -> Result<Option<(Record, Policy)>, StoreError> {
        publication_view::live_secret(&mut *self.reader().await?, fingerprint).await
    }

    async fn events_about(&self, key: KeyId, workspace: WorkspaceId, most: u16) -> Result<Vec<PastEvent>, StoreError> {
        let query = sqlx::query_as(EVENTS_ABOUT).bind(key.to_string()).bind(workspace.to_string()).bind(most);
        let rows: Vec<EventRow> = query.fetch_all(&mut *self.reader().await?).await.map_err(failed)?;
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
