//! Rows of `idempotency`, which a commit writes.

use sqlx::{FromRow, SqliteConnection};

use super::error::failed;
use crate::domain::time::UnixMillis;
use crate::store::{KeptAnswer, StoreError};

const GET: &str = include_str!("sql/idempotency_get.sql");
const FORGET: &str = include_str!("sql/idempotency_forget.sql");

#[derive(FromRow)]
struct Row {
    id: Vec<u8>,
    request_hash: Vec<u8>,
    sealed_answer: Vec<u8>,
    created_at: i64,
    expires_at: i64,
}

impl Row {
    fn read(self) -> Result<KeptAnswer, StoreError> {
        let hash = |bytes: Vec<u8>, what| <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::corrupt(what));
        Ok(KeptAnswer {
            id: hash(self.id, "idempotency.id")?,
            request_hash: hash(self.request_hash, "idempotency.request_hash")?,
            sealed: self.sealed_answer,
            created_at: UnixMillis::from_millis(self.created_at),
            expires_at: UnixMillis::from_millis(self.expires_at),
        })
    }
}

pub(super) async fn get(
    conn: &mut SqliteConnection,
    id: &[u8; 32],
    now: UnixMillis,
) -> Result<Option<KeptAnswer>, StoreError> {
    let query = sqlx::query_as(GET).bind(&id[..]).bind(now.as_millis());
    let row: Option<Row> = query.fetch_optional(conn).await.map_err(failed)?;
    row.map(Row::read).transpose()
}

pub(super) async fn forget(conn: &mut SqliteConnection, now: UnixMillis) -> Result<u64, StoreError> {
    let query = sqlx::query(FORGET).bind(now.as_millis());
    Ok(query.execute(conn).await.map_err(failed)?.rows_affected())
}
