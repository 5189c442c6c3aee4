//! The control plane's own database, read beside it: for what no answer tells, such as how many events
//! were written. Nothing is ever written here.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use xtask::parts::control_plane::ControlPlane;

/// The database of one control plane.
pub struct Database {
    file: PathBuf,
}

impl Database {
    /// Of this control plane, which keeps it in its data folder.
    pub fn of(control_plane: &ControlPlane) -> Self {
        Self { file: control_plane.data_dir.join("keyward.db") }
    }

    /// The one number that a query gives; `None` where it gives NULL.
    pub fn number(&self, query: &'static str) -> Result<Option<i64>> {
        self.with(async |connection| Ok(sqlx::query_scalar(query).fetch_one(connection).await?))
            .with_context(|| query.to_owned())
    }

    /// The one number that a query gives, which is there.
    pub fn count(&self, query: &'static str) -> Result<i64> {
        self.number(query)?.with_context(|| format!("nothing was counted by {query}"))
    }

    /// Keeps everybody else from writing for as long as this takes.
    pub fn locked<T>(&self, meanwhile: impl FnOnce() -> Result<T>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connection = runtime.block_on(async {
            let mut connection = SqliteConnectOptions::new().filename(&self.file).connect().await?;
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await?;
            anyhow::Ok(connection)
        })?;
        let done = meanwhile();
        runtime.block_on(async {
            sqlx::query("ROLLBACK").execute(&mut connection).await?;
            anyhow::Ok(connection.close().await?)
        })?;
        done
    }

    /// Writes into it past all that guards it, for what a stranger may do. Nobody else has it open.
    pub fn change(&self, statement: &'static str) -> Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let mut connection = SqliteConnectOptions::new().filename(&self.file).connect().await?;
            sqlx::query(statement).execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    fn with<T>(&self, ask: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let options = SqliteConnectOptions::new().filename(&self.file).read_only(true);
            let mut connection = options.connect().await?;
            let answer = ask(&mut connection).await;
            connection.close().await?;
            answer
        })
    }
}
