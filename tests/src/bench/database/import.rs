//! An import, as rows: keys, secrets, an audit event and the outbox, with the next generation, a
//! thousand keys in a transaction. Filler stands in the event's hash as in the sealed digests.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use keyward_shared::fingerprint::Pepper;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::{Filled, drawn, fingerprint};

/// Keys of one transaction.
const KEYS: u64 = 1_000;
/// Between two transactions: SQLite lets no one in line, so whoever else writes must find a gap. It looks
/// for one every 100 ms at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Of a JSON array of [id, workspace, name, hint, fingerprint in hexadecimal].
const ROWS: [&str; 3] = [
    "INSERT INTO key (id, workspace_id, member_id, name, hint, access, apis, environment, status, paused, \
     restrictions, metadata, created_at, rotated_at, version) \
     SELECT value ->> 0, value ->> 1, value ->> 1, value ->> 2, value ->> 3, 'read-write', '[\"*\"]', 'live', \
     'active', 0, '{}', '{}', ?2, ?2, 1 FROM json_each(?1)",
    "INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, hint, live, created_at) \
     SELECT value ->> 0, 0, unhex(value ->> 4), zeroblob(77), value ->> 3, 1, ?2 FROM json_each(?1)",
    "INSERT INTO outbox (generation, fingerprint, narrowing, entries_of_mutation) \
     SELECT ?2, unhex(value ->> 4), 0, json_array_length(?1) FROM json_each(?1)",
];
const EVENT: &str = "INSERT INTO audit_event (seq, at, actor_kind, actor_name, action, entity, target_id, \
     target_name, actor_team_ids, details, request_id, generation, hash) \
     VALUES (?1, ?2, 'operator', 'import', 'key.import', 'key', '', '', '[]', '{}', '', ?3, zeroblob(32))";

/// Imports `count` keys into the database in `file`, which others use meanwhile.
pub(super) async fn import(file: &Path, filled: &Filled, pepper: &Pepper, count: u64) -> Result<()> {
    let first = filled.population.total();
    let options = SqliteConnectOptions::new().filename(file).synchronous(SqliteSynchronous::Full);
    let mut database = options.busy_timeout(Duration::from_secs(30)).connect().await?;
    let mut from = first;
    while from < first + count {
        let to = (from + KEYS).min(first + count);
        let rows = (from..to).map(|number| row(filled, pepper, number)).collect::<Result<Vec<_>>>()?;
        transaction(&mut database, &Value::from(rows).to_string(), super::FIRST_MS + from).await?;
        from = to;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(database.close().await?)
}

fn row(filled: &Filled, pepper: &Pepper, number: u64) -> Result<Value> {
    let id = *drawn(b"imported key", number).first_chunk::<8>().context("eight bytes of an id")?;
    let workspace = filled.workspace_ids[usize::try_from(number)? % filled.workspace_ids.len()];
    let (key, fingerprint) = fingerprint(pepper, number)?;
    let name = format!("Imported key {number}");
    Ok(json!([i64::from_be_bytes(id), workspace.cast_signed(), name, key.hint(), hex::encode(fingerprint)]))
}

async fn transaction(database: &mut SqliteConnection, rows: &str, at_ms: u64) -> Result<()> {
    let mut transaction = database.begin_with("BEGIN IMMEDIATE").await?;
    let (generation, seq): (i64, i64) = sqlx::query_as(
        "UPDATE counter SET generation = generation + 1, audit_seq = audit_seq + 1 WHERE id = 1 \
         RETURNING generation, audit_seq",
    )
    .fetch_one(&mut *transaction)
    .await?;
    let at = at_ms.cast_signed();
    for (sql, second) in ROWS.into_iter().zip([at, at, generation]) {
        sqlx::query(AssertSqlSafe(sql)).bind(rows).bind(second).execute(&mut *transaction).await?;
    }
    sqlx::query(EVENT).bind(seq).bind(at).bind(generation).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
