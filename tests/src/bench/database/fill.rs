//! Writing the rows: in the order in which the database keeps them, many to a statement, without
//! indexes, which are made afterwards from the schema's own text.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use keyward_shared::fingerprint::Pepper;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Sqlite, query::Query};

use super::{Filled, at, fingerprint};

/// Rows of one statement.
const ROWS: u64 = 500;
/// Statements of one transaction.
const STATEMENTS: u64 = 400;
/// Bytes of a sealed digest: form, key-encryption key's id, nonce, digest, tag.
const SEALED_BYTES: u64 = 1 + 4 + 24 + 32 + 16;

/// Fast above all: nobody else has the file, and one that is not filled to its end is made anew.
const UNSAFE_AND_FAST: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
     PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -1500000; PRAGMA temp_store = FILE;";
const BACK_TO_NORMAL: &str = "PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL;";

/// Fills the database in `file`.
pub(super) async fn fill(file: &Path, filled: &Filled, pepper: &Pepper) -> Result<()> {
    let mut database = SqliteConnectOptions::new().filename(file).connect().await?;
    sqlx::raw_sql(UNSAFE_AND_FAST).execute(&mut database).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
         AND tbl_name IN ('workspace', 'member', 'key', 'secret')",
    )
    .fetch_all(&mut database)
    .await?;
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut database).await?;
    }
    workspaces(&mut database, filled).await?;
    keys(&mut database, filled).await?;
    secrets(&mut database, filled, pepper).await?;
    sqlx::query("UPDATE counter SET generation = ?1 WHERE id = 1")
        .bind(signed(filled.population.total() + filled.population.workspaces()))
        .execute(&mut database)
        .await?;
    for (name, sql) in indexes {
        let made = sqlx::query(AssertSqlSafe(sql)).execute(&mut database).await;
        made.with_context(|| format!("cannot make the index {name}"))?;
    }
    sqlx::raw_sql(BACK_TO_NORMAL).execute(&mut database).await?;
    Ok(database.close().await?)
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Inserts `count` rows that `row` binds, each worded as `values` with `{0}`, `{1}`, … for what is bound.
async fn insert(
    database: &mut SqliteConnection,
    into: &str,
    (values, bound): (&str, usize),
    count: u64,
    mut row: impl FnMut(Insert<'static>, u64) -> Result<Insert<'static>>,
) -> Result<()> {
    let statement = |rows: u64| -> Result<String> {
        let mut sql = format!("INSERT INTO {into} VALUES ");
        for number in 0..usize::try_from(rows)? {
            let mut worded = values.to_owned();
            for parameter in (0..bound).rev() {
                worded = worded.replace(&format!("{{{parameter}}}"), &format!("?{}", number * bound + parameter + 1));
            }
            write!(sql, "{}({worded})", if number == 0 { "" } else { ", " })?;
        }
        Ok(sql)
    };
    let whole = statement(ROWS)?;
    let mut next = 0;
    while next < count {
        let mut transaction = database.begin().await?;
        for _ in 0..STATEMENTS {
            let rows = ROWS.min(count - next);
            if rows == 0 {
                break;
            }
            let sql = if rows == ROWS { whole.clone() } else { statement(rows)? };
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for number in next..next + rows {
                query = row(query, number)?;
            }
            query.execute(&mut *transaction).await?;
            next += rows;
        }
        transaction.commit().await?;
    }
    Ok(())
}

async fn workspaces(database: &mut SqliteConnection, filled: &Filled) -> Result<()> {
    let into = "workspace (id, name, slug, status, staff_max_access, reveal, metadata, created_at, version)";
    let values = "{0}, {1}, {2}, 'active', 'read-write', 'once', '{}', {3}, 1";
    let count = filled.population.workspaces();
    insert(database, into, (values, 4), count, |query, number| {
        Ok(query
            .bind(signed(at(&filled.workspace_ids, number)))
            .bind(format!("Workspace {number}"))
            .bind(format!("workspace-{number}"))
            .bind(signed(super::FIRST_MS + number)))
    })
    .await?;
    // The member's id is the workspace's: they are told apart by their type.
    let into = "member (id, workspace_id, kind, name, role, is_default, created_at, version)";
    let values = "{0}, {0}, 'machine', 'default', 'owner', 1, {1}, 1";
    insert(database, into, (values, 2), count, |query, number| {
        Ok(query.bind(signed(at(&filled.workspace_ids, number))).bind(signed(super::FIRST_MS + number)))
    })
    .await
}

async fn keys(database: &mut SqliteConnection, filled: &Filled) -> Result<()> {
    let into = "key (id, workspace_id, member_id, name, hint, access, apis, environment, status, paused, \
                restrictions, metadata, created_at, rotated_at, version)";
    let values = "{0}, {1}, {1}, {2}, {3}, 'read-write', '[\"*\"]', 'live', 'active', 0, '{}', '{}', {4}, {4}, 1";
    insert(database, into, (values, 5), filled.population.total(), |query, number| {
        Ok(query
            .bind(signed(at(&filled.key_ids, number)))
            .bind(signed(at(&filled.workspace_ids, filled.workspace_of(number))))
            .bind(format!("Key {number}"))
            .bind(super::key(number)?.hint())
            .bind(signed(filled.made_at_ms(number))))
    })
    .await
}

async fn secrets(database: &mut SqliteConnection, filled: &Filled, pepper: &Pepper) -> Result<()> {
    let into = "secret (key_id, slot, fingerprint, sealed_digest, hint, live, created_at)";
    let values = format!("{{0}}, 0, {{1}}, zeroblob({SEALED_BYTES}), {{2}}, 1, {{3}}");
    insert(database, into, (&values, 4), filled.population.total(), |query, nth| {
        let number = filled.nth_made(nth);
        let (key, fingerprint) = fingerprint(pepper, number)?;
        Ok(query
            .bind(signed(at(&filled.key_ids, number)))
            .bind(fingerprint.to_vec())
            .bind(key.hint())
            .bind(signed(filled.made_at_ms(number))))
    })
    .await
}

fn signed(number: u64) -> i64 {
    number.cast_signed()
}
