//! Keys and rows that end with a member, set by set.

use keyward_shared::id::{KeyId, MemberId};
use sqlx::SqliteConnection;

use super::error::{failed, one_row};
use super::{json, key};
use crate::domain::time::UnixMillis;
use crate::store::{StoreError, StoredKey};

const LIVE_KEYS: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/member_keys.sql"));
const KEYS: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/member_keys_archived.sql"));
const DELETE_SECRETS: &str = include_str!("sql/keys_delete_secrets.sql");
const DELETE_KEYS: &str = include_str!("sql/keys_delete.sql");
const LEAVE: &str = include_str!("sql/member_leave.sql");
const REMOVE: &str = include_str!("sql/member_remove.sql");

pub(super) async fn keys_of_member(
    conn: &mut SqliteConnection,
    member: MemberId,
    after: Option<KeyId>,
    with_archived: bool,
    limit: u16,
) -> Result<Vec<StoredKey>, StoreError> {
    let first = match after {
        None => Some(i64::MIN),
        Some(after) => after.as_u64().cast_signed().checked_add(1),
    };
    let Some(first) = first else {
        return Ok(Vec::new());
    };
    let rows: Vec<key::Row> = sqlx::query_as(if with_archived { KEYS } else { LIVE_KEYS })
        .bind(member.as_u64().cast_signed())
        .bind(first)
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(key::Row::read).collect()
}

pub(super) async fn delete_keys(conn: &mut SqliteConnection, keys: &[KeyId], at: UnixMillis) -> Result<(), StoreError> {
    let ids: Vec<i64> = keys.iter().map(|id| id.as_u64().cast_signed()).collect();
    let ids = json::write(&ids, "key.id")?;
    let mut deleted = 0;
    for sql in [DELETE_SECRETS, DELETE_KEYS] {
        let query = sqlx::query(sql).bind(ids.as_str()).bind(at.as_millis());
        deleted = query.execute(&mut *conn).await.map_err(failed)?.rows_affected();
    }
    if deleted == keys.len() as u64 {
        return Ok(());
    }
    Err(StoreError::Misused(format!("{deleted} keys deleted instead of {}", keys.len()).into()))
}

pub(super) async fn remove_member(conn: &mut SqliteConnection, id: MemberId, at: UnixMillis) -> Result<(), StoreError> {
    let id = id.as_u64().cast_signed();
    sqlx::query(LEAVE).bind(id).execute(&mut *conn).await.map_err(failed)?;
    let done = sqlx::query(REMOVE).bind(id).bind(at.as_millis()).execute(conn).await.map_err(failed)?;
    one_row(done.rows_affected(), "member")
}
