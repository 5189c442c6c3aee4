//! Opening: the file before the database, the schema, and whose database it is.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use keyward_shared::fingerprint::PepperId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;

use super::error::failed;
use super::{MIGRATIONS, SqliteStore, log};
use crate::store::{Identity, StoreError};

const SCHEMA_VERSION: &str = include_str!("sql/schema_version.sql");
const IDENTITY_CLAIM: &str = include_str!("sql/identity_claim.sql");
const IDENTITY_GET: &str = include_str!("sql/identity_get.sql");

/// What becomes of a schema that is older than this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It is brought up to date.
    Migrate,
    /// It is left alone, and the database refused: another process may be using it.
    Keep,
}

/// Which file was opened, and where it lay.
///
/// SQLite goes on writing to a file that was moved or removed, as long as it has it open
/// (<https://www.sqlite.org/howtocorrupt.html>, section 4.5): what was acknowledged would be gone with the
/// process.
#[derive(Debug)]
pub(super) struct Lies {
    path: PathBuf,
    /// The device and the file's number on it; none where the database is no file.
    file: Option<(u64, u64)>,
}

impl Lies {
    /// The file that lies there.
    pub(super) fn now(path: &Path) -> Self {
        Self { path: path.to_owned(), file: file_at(path).ok() }
    }

    /// Refuses where it does not lie there any more.
    pub(super) fn still(&self) -> Result<(), StoreError> {
        let Some(opened) = self.file else { return Ok(()) };
        match file_at(&self.path) {
            Ok(found) if found == opened => Ok(()),
            Ok(_) => Err(StoreError::Unavailable("another file lies in the place of the database's".into())),
            Err(error) => Err(StoreError::Unavailable(Box::new(error))),
        }
    }
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

impl SqliteStore {
    /// The file of the database at `url`.
    pub fn file(url: &str) -> Result<PathBuf, StoreError> {
        Ok(SqliteConnectOptions::from_str(url).map_err(failed)?.get_filename().to_owned())
    }

    /// Makes this database that of `ours` unless it has an identity, and tells whose it is.
    pub async fn claim(&self, ours: &Identity) -> Result<Identity, StoreError> {
        let mut writer = self.writer.alone().await?;
        let claim = sqlx::query(IDENTITY_CLAIM).bind(&ours.deployment);
        let claim = claim.bind(ours.pepper.as_u64().cast_signed()).bind(i64::from(ours.kek));
        claim.execute(&mut *writer).await.map_err(failed)?;
        let (deployment, pepper, kek): (String, i64, i64) =
            sqlx::query_as(IDENTITY_GET).fetch_one(&mut *writer).await.map_err(failed)?;
        let kek = u32::try_from(kek).map_err(|_| StoreError::corrupt("identity.kek"))?;
        Ok(Identity { deployment, pepper: PepperId::from_u64(pepper.cast_unsigned()), kek })
    }
}

/// Makes an empty database's file its owner's alone. SQLite gives its journal the file's own mode.
///
/// A file that is there is not opened: closing it would drop the locks of this process's connections
/// (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(Box::new(error))),
    }
}

/// Brings the schema to this version's, or refuses any other.
pub(super) async fn settle(schema: Schema, writer: &mut SqliteConnection) -> Result<(), StoreError> {
    match schema {
        Schema::Migrate => {
            MIGRATIONS.run(&mut *writer).await.map_err(|error| StoreError::Migration(Box::new(error)))?;
            log::catch_up(writer).await
        }
        Schema::Keep => same_schema(writer).await,
    }
}

/// Refuses another schema than this version's.
pub(super) async fn same_schema(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let wanted = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found: i64 = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(connection).await.map_err(failed)?;
    if found == wanted { Ok(()) } else { Err(StoreError::OtherSchema { found, wanted }) }
}
