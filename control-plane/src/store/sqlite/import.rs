//! A batch of keys that are brought. Each statement takes a JSON array: a way to the database's thread and
//! back costs more than a row.

use std::collections::HashSet;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::record::Slot;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection};

use super::error::failed;
use super::tx::SqliteTx;
use super::{json, key, secret, workspace};
use crate::domain::key::{Key, Life};
use crate::domain::member::Role;
use crate::domain::text::ExternalId;
use crate::domain::workspace::Workspace;
use crate::store::import::{Holder, ImportTx, NameTaken, Named, NewKey};
use crate::store::{StoreError, StoredKey};

const WORKSPACES: &str = concat!(include_str!("sql/workspace_select.sql"), include_str!("sql/import_workspaces.sql"));
const KEY_COUNTS: &str = include_str!("sql/import_key_counts.sql");
const HOLDERS: &str = include_str!("sql/import_holders.sql");
const KEYS: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/import_keys.sql"));
const SECRETS: &str = include_str!("sql/import_secrets.sql");
const NAMES: &str = include_str!("sql/import_names.sql");
const INSERT_KEYS: &str = include_str!("sql/import_insert_keys.sql");
const INSERT_SECRETS: &str = include_str!("sql/import_insert_secrets.sql");

#[async_trait]
impl ImportTx for SqliteTx {
    async fn workspaces_named(&mut self, ids: &[WorkspaceId], slugs: &[&str]) -> Result<Vec<Workspace>, StoreError> {
        let rows: Vec<workspace::Row> = sqlx::query_as(WORKSPACES)
            .bind(numbers(ids.iter().map(|id| id.as_u64()))?)
            .bind(array(&slugs)?)
            .fetch_all(self.conn()?)
            .await
            .map_err(failed)?;
        rows.into_iter().map(workspace::Row::read).collect()
    }

    async fn key_counts(&mut self, workspaces: &[WorkspaceId]) -> Result<Vec<(WorkspaceId, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(KEY_COUNTS)
            .bind(numbers(workspaces.iter().map(|id| id.as_u64()))?)
            .fetch_all(self.conn()?)
            .await
            .map_err(failed)?;
        Ok(rows.into_iter().map(|(id, count)| (workspace_id(id), count.cast_unsigned())).collect())
    }

    async fn holders(
        &mut self,
        workspaces: &[WorkspaceId],
        ids: &[MemberId],
        external_ids: &[Named<'_>],
    ) -> Result<Vec<Holder>, StoreError> {
        let rows: Vec<HolderRow> = sqlx::query_as(HOLDERS)
            .bind(numbers(workspaces.iter().map(|id| id.as_u64()))?)
            .bind(numbers(ids.iter().map(|id| id.as_u64()))?)
            .bind(pairs(external_ids)?)
            .fetch_all(self.conn()?)
            .await
            .map_err(failed)?;
        rows.into_iter().map(HolderRow::read).collect()
    }

    async fn keys_called(&mut self, external_ids: &[Named<'_>]) -> Result<Vec<StoredKey>, StoreError> {
        let rows: Vec<key::Row> =
            sqlx::query_as(KEYS).bind(pairs(external_ids)?).fetch_all(self.conn()?).await.map_err(failed)?;
        rows.into_iter().map(key::Row::read).collect()
    }

    async fn secrets_known(&mut self, fingerprints: &[Fingerprint]) -> Result<HashSet<Fingerprint>, StoreError> {
        let wanted: Vec<String> = fingerprints.iter().map(|one| hex::encode(one.as_bytes())).collect();
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar(SECRETS).bind(array(&wanted)?).fetch_all(self.conn()?).await.map_err(failed)?;
        rows.into_iter().map(secret::read_fingerprint).collect()
    }

    async fn names_taken(&mut self, names: &[Named<'_>]) -> Result<Vec<NameTaken>, StoreError> {
        let rows: Vec<(i64, String, i64)> =
            sqlx::query_as(NAMES).bind(pairs(names)?).fetch_all(self.conn()?).await.map_err(failed)?;
        let read = |(workspace, name, key): (i64, String, i64)| NameTaken {
            workspace_id: workspace_id(workspace),
            name,
            key_id: KeyId::from_u64(key.cast_unsigned()),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn insert_keys(&mut self, keys: &[NewKey]) -> Result<(), StoreError> {
        let conn = self.conn()?;
        let (key_rows, secret_rows): (Vec<Value>, Vec<Value>) =
            keys.iter().map(rows).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        insert(conn, INSERT_KEYS, &key_rows).await?;
        insert(conn, INSERT_SECRETS, &secret_rows).await
    }
}

#[derive(FromRow)]
struct HolderRow {
    id: i64,
    workspace_id: i64,
    external_id: Option<String>,
    name: String,
    role: String,
    is_default: bool,
}

impl HolderRow {
    fn read(self) -> Result<Holder, StoreError> {
        Ok(Holder {
            id: MemberId::from_u64(self.id.cast_unsigned()),
            workspace_id: workspace_id(self.workspace_id),
            external_id: self.external_id,
            name: self.name,
            role: Role::parse(&self.role).ok_or(StoreError::corrupt("member.role"))?,
            is_default: self.is_default,
        })
    }
}

async fn insert(conn: &mut SqliteConnection, sql: &'static str, rows: &[Value]) -> Result<(), StoreError> {
    let done = sqlx::query(sql).bind(array(&rows)?).execute(conn).await.map_err(failed)?.rows_affected();
    if done == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Misused(format!("{done} rows instead of {}", rows.len()).into()))
    }
}

/// The values of a key's row and of its secret's, in the order of `import_insert_keys.sql` and
/// `import_insert_secrets.sql`.
fn rows(new: &NewKey) -> Result<(Value, Value), StoreError> {
    let NewKey { key, sealed_digest, sealed_secret } = new;
    let Life::Live(live) = &key.life else {
        return Err(StoreError::Misused("a key that is brought is live".into()));
    };
    let mut effects = key.effects();
    let (Some(current), None) = (effects.next().filter(|effect| effect.slot == Slot::Current), effects.next()) else {
        return Err(StoreError::Misused("a key that is brought has one secret".into()));
    };
    let secret_row = json!([
        key.id.as_u64().cast_signed(),
        hex::encode(current.fingerprint.as_bytes()),
        hex::encode(sealed_digest),
        sealed_secret.as_ref().map(hex::encode),
        live.current.hint,
        current.deadline.seconds(),
        live.current.created_at.as_millis(),
    ]);
    Ok((key_row(key, live.disabled)?, secret_row))
}

fn key_row(key: &Key, disabled: bool) -> Result<Value, StoreError> {
    Ok(json!([
        key.id.as_u64().cast_signed(),
        key.workspace_id.as_u64().cast_signed(),
        key.member_id.as_u64().cast_signed(),
        key.team_id.map(|id| id.as_u64().cast_signed()),
        key.name.as_str(),
        key.hint,
        key.access.as_str(),
        json::write_apis(&key.apis)?,
        key.environment.as_str(),
        if disabled { "disabled" } else { "active" },
        key.expires_at.map(|at| at.instant().as_millis()),
        key.rotate_every_days,
        json::write_restrictions(&key.restrictions)?,
        key.external_id.as_ref().map(ExternalId::as_str),
        json::write(&key.metadata, "key.metadata")?,
        key.created_at.as_millis(),
        key.rotated_at.as_millis(),
        key.version.cast_signed(),
    ]))
}

fn array<T: Serialize>(values: &T) -> Result<String, StoreError> {
    json::write(values, "a batch")
}

fn numbers(bits: impl Iterator<Item = u64>) -> Result<String, StoreError> {
    array(&bits.map(u64::cast_signed).collect::<Vec<_>>())
}

fn pairs(named: &[Named<'_>]) -> Result<String, StoreError> {
    array(&named.iter().map(|(workspace, text)| (workspace.as_u64().cast_signed(), text)).collect::<Vec<_>>())
}

fn workspace_id(bits: i64) -> WorkspaceId {
    WorkspaceId::from_u64(bits.cast_unsigned())
}
