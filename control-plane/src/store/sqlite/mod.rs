//! The store on SQLite: one writer, several readers, every commit synced.
//!
//! Changes that meet are committed together (`group.rs`). Write-ahead logging lets readers go on while
//! the writer writes; `synchronous = FULL` makes an acknowledged commit survive a power cut. The SQL is
//! in files of its own below `sql/`.

mod api;
mod audit;
mod audit_read;
mod bulk;
mod edges;
mod error;
mod event_row;
mod exports;
mod group;
mod idempotency;
mod import;
mod json;
mod key;
mod key_page;
mod live;
mod log;
mod lookup;
mod member;
mod offboarding;
mod open;
mod people;
mod prune;
mod publication;
mod publication_view;
mod secret;
mod settings;
mod team;
mod token;
mod tx;
mod verify_source;
mod verify_words;
mod workspace;
mod writer;

#[cfg(test)]
mod tests;

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};
use tokio::sync::watch;

use super::{Store, StoreError, StoredKey, Tx, WorkspacePosition};
use crate::domain::api::Catalogue;
use crate::domain::change::Generation;
use crate::domain::key::query::KeyQuery;
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;
use error::failed;
use group::Bounds;
use writer::Writer;

pub use open::Schema;
pub use verify_source::DatabaseSource;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

const GENERATION: &str = include_str!("sql/generation.sql");

/// How long a statement waits for a lock that another process holds, and a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a probe waits for the writer.
const READY_PATIENCE: Duration = Duration::from_secs(1);
const READERS: u32 = 4;
/// Prepared statements that a connection keeps: more than there are, so that none is prepared twice.
const STATEMENTS: usize = 256;

/// The store on one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    /// One connection: writes wait for each other here instead of in SQLite.
    pub(in crate::store) writer: Writer,
    /// Connections that only read.
    pub(in crate::store) readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database at `url` (`sqlite:PATH`), making it and its schema where they are missing.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, Schema::Migrate).await
    }

    /// Opens the database at `url` and does with an older schema as told.
    pub async fn open_with(url: &str, schema: Schema) -> Result<Self, StoreError> {
        Self::open_bounded(url, schema, Bounds::USUAL).await
    }

    async fn open_bounded(url: &str, schema: Schema, bounds: Bounds) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(failed)?
            .create_if_missing(schema == Schema::Migrate)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is erased is overwritten, in pages that become free too.
            .pragma("secure_delete", "ON")
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(STATEMENTS);
        if schema == Schema::Migrate {
            open::make_file(options.get_filename())?;
        }
        let writer = Writer::open(&options, bounds).await?;
        open::settle(schema, &mut *writer.alone().await?).await?;
        let reading = options.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool().max_connections(READERS).connect_with(reading).await.map_err(failed)?;
        let store = Self { writer, readers };
        store.writer.line.committed.send_replace(store.generation().await?);
        Ok(store)
    }

    /// Waits until every connection is closed. What was committed is durable without it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(failed)
    }
}

fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not go away as a server does; the test costs as much as a statement.
        .test_before_acquire(false)
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(tx::SqliteTx::begin(&self.writer).await?))
    }

    async fn begin_apart(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(tx::SqliteTx::begin_apart(&self.writer).await?))
    }

    fn committed(&self) -> watch::Receiver<Generation> {
        self.writer.line.committed.subscribe()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let commits = self.writer.commits();
        // Only the write lock tells whether a change would be taken.
        let probe = async { self.writer.transaction().await?.roll_back().await };
        match tokio::time::timeout(READY_PATIENCE, probe).await {
            Ok(answer) => answer,
            // Many wait, and they are served.
            Err(_) if self.writer.commits() != commits => Ok(()),
            Err(_) => Err(StoreError::Unavailable("the writer is busy".into())),
        }
    }

    async fn generation(&self) -> Result<Generation, StoreError> {
        let generation: i64 =
            sqlx::query_scalar(GENERATION).fetch_one(&mut *self.reader().await?).await.map_err(failed)?;
        Ok(Generation(generation.cast_unsigned()))
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        workspace::by_id(&mut *self.reader().await?, id).await
    }

    async fn workspaces(&self, after: Option<WorkspacePosition>, limit: u16) -> Result<Vec<Workspace>, StoreError> {
        workspace::page(&mut *self.reader().await?, after, limit).await
    }

    async fn key(&self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        key::by_id(&mut *self.reader().await?, workspace, id).await
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<StoredKey>, StoreError> {
        key_page::page(&mut *self.reader().await?, query).await
    }

    async fn catalogue(&self) -> Result<Catalogue, StoreError> {
        api::catalogue(&mut *self.reader().await?).await
    }

    async fn settings(&self) -> Result<SettingsDocument, StoreError> {
        settings::get(&mut *self.reader().await?).await
    }

    async fn forget_answers(&self, now: UnixMillis) -> Result<u64, StoreError> {
        idempotency::forget(&mut *self.writer.alone().await?, now).await
    }

    async fn forget_secrets(&self, now: UnixMillis) -> Result<u64, StoreError> {
        secret::forget(&mut *self.writer.alone().await?, now).await
    }
}
