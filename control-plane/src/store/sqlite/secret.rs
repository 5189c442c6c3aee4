//! Secrets: rows of `secret`.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::record::{Deadline, Slot};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use super::error::{failed, one_row};
use super::tx::SqliteTx;
use crate::domain::key::Key;
use crate::domain::time::UnixMillis;
use crate::store::{NewSecret, SecretTx, StoreError};

const KNOWN: &str = include_str!("sql/secret_known.sql");
const INSERT: &str = include_str!("sql/secret_insert.sql");
const UNPLACE: &str = include_str!("sql/secret_unplace.sql");
const PLACE: &str = include_str!("sql/secret_place.sql");
const END: &str = include_str!("sql/secret_end.sql");
const SEALED: &str = include_str!("sql/secret_sealed.sql");
const ERASE: &str = include_str!("sql/secret_erase.sql");
const FORGET_SEALED: &str = include_str!("sql/secret_forget_sealed.sql");
const FORGET_DENIALS: &str = include_str!("sql/secret_forget_denials.sql");
const FORGET_DENIALS_IN: &str = include_str!("sql/secret_forget_denials_in.sql");
const LIVE_OF_WORKSPACE: &str = include_str!("sql/secret_live_of_workspace.sql");

#[async_trait]
impl SecretTx for SqliteTx {
    async fn secret_known(&mut self, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
        known(self.conn()?, fingerprint).await
    }

    async fn insert_secret(&mut self, secret: NewSecret<'_>) -> Result<(), StoreError> {
        insert(self.conn()?, secret).await
    }

    async fn sealed_secret(&mut self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, StoreError> {
        sealed(self.conn()?, fingerprint).await
    }

    async fn erase_sealed_secrets(&mut self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        erase_sealed(self.conn()?, workspace).await
    }

    async fn live_fingerprints(&mut self, workspace: WorkspaceId) -> Result<Vec<Fingerprint>, StoreError> {
        live_of_workspace(self.conn()?, workspace).await
    }

    async fn forget_denials(&mut self, key: KeyId, at: UnixMillis) -> Result<(), StoreError> {
        let query = sqlx::query(FORGET_DENIALS).bind(key.as_u64().cast_signed()).bind(at.as_millis());
        query.execute(self.conn()?).await.map(drop).map_err(failed)
    }

    async fn forget_denials_in(&mut self, workspace: WorkspaceId, at: UnixMillis) -> Result<(), StoreError> {
        let query = sqlx::query(FORGET_DENIALS_IN).bind(workspace.as_u64().cast_signed()).bind(at.as_millis());
        query.execute(self.conn()?).await.map(drop).map_err(failed)
    }
}

pub(super) async fn known(conn: &mut SqliteConnection, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
    sqlx::query_scalar(KNOWN).bind(&fingerprint.as_bytes()[..]).fetch_one(conn).await.map_err(failed)
}

pub(super) async fn insert(conn: &mut SqliteConnection, new: NewSecret<'_>) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT)
        .bind(new.key_id.as_u64().cast_signed())
        .bind(&new.secret.fingerprint.as_bytes()[..])
        .bind(new.sealed_digest)
        .bind(new.sealed_secret)
        .bind(new.secret.hint.as_deref())
        .bind(new.secret.created_at.as_millis())
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "secret")
}

/// Adds to a new key's values those of its secret, in its place.
pub(super) fn bind_first(
    key: Query<'static, Sqlite, SqliteArguments>,
    new: &NewSecret<'_>,
    deadline: Deadline,
) -> Query<'static, Sqlite, SqliteArguments> {
    key.bind(new.secret.fingerprint.as_bytes().to_vec())
        .bind(new.sealed_digest.to_vec())
        .bind(new.sealed_secret.map(<[u8]>::to_vec))
        .bind(new.secret.hint.clone())
        .bind(deadline.seconds())
        .bind(new.secret.created_at.as_millis())
}

/// Gives the key's secrets their slots and deadlines; whatever the key no longer names is final
/// from `at` on.
pub(super) async fn place(conn: &mut SqliteConnection, key: &Key, at: UnixMillis) -> Result<(), StoreError> {
    let id = key.id.as_u64().cast_signed();
    sqlx::query(UNPLACE).bind(id).execute(&mut *conn).await.map_err(failed)?;
    for effect in key.effects() {
        let done = sqlx::query(PLACE)
            .bind(id)
            .bind(&effect.fingerprint.as_bytes()[..])
            .bind(match effect.slot {
                Slot::Current => 0,
                Slot::Retiring => 1,
            })
            .bind(effect.deadline.seconds())
            .execute(&mut *conn)
            .await
            .map_err(failed)?;
        one_row(done.rows_affected(), "secret")?;
    }
    sqlx::query(END).bind(id).bind(at.as_millis()).execute(conn).await.map_err(failed)?;
    Ok(())
}

async fn sealed(conn: &mut SqliteConnection, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sqlx::query_scalar(SEALED).bind(&fingerprint.as_bytes()[..]);
    query.fetch_optional(conn).await.map_err(failed)
}

async fn erase_sealed(conn: &mut SqliteConnection, workspace: WorkspaceId) -> Result<u64, StoreError> {
    let query = sqlx::query(ERASE).bind(workspace.as_u64().cast_signed());
    Ok(query.execute(conn).await.map_err(failed)?.rows_affected())
}

pub(super) async fn forget(conn: &mut SqliteConnection, now: UnixMillis) -> Result<u64, StoreError> {
    let query = sqlx::query(FORGET_SEALED).bind(now.as_millis());
    Ok(query.execute(conn).await.map_err(failed)?.rows_affected())
}

pub(super) async fn live_of_workspace(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
) -> Result<Vec<Fingerprint>, StoreError> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(LIVE_OF_WORKSPACE)
        .bind(workspace.as_u64().cast_signed())
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(read_fingerprint).collect()
}

pub(super) fn read_fingerprint(bytes: Vec<u8>) -> Result<Fingerprint, StoreError> {
    let bytes = <[u8; Fingerprint::LEN]>::try_from(bytes);
    bytes.map(Fingerprint::from_bytes).map_err(|_| StoreError::corrupt("secret.fingerprint"))
}
