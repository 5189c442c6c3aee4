//! Locks: one process at a time owns a data directory and a database, and publishes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::CliError;
use crate::config::Layers;
use crate::secrets::file::create_dir;
use crate::store::sqlite::SqliteStore;

/// Held for as long as the process may write; the system gives it back when the process ends.
pub(super) struct Ownership {
    _locks: Vec<File>,
}

impl Ownership {
    /// Takes the locks of the data directory and of the database, which need not lie in it, at once
    /// or says what is taken.
    pub(super) fn take(layers: &Layers<'_>) -> Result<Self, CliError> {
        let data_dir = layers.data_dir()?;
        let database = SqliteStore::file(layers.database()?.expose())
            .map_err(|source| CliError::Store { data_dir: data_dir.clone(), source })?;
        Self::of(&data_dir, &database)
    }

    fn of(data_dir: &Path, database: &Path) -> Result<Self, CliError> {
        create_dir(data_dir).map_err(|source| CliError::Io { path: data_dir.to_owned(), source })?;
        let locks = vec![lock(data_dir, &data_dir.join("lock"))?, lock(database, &beside(database))?];
        Ok(Self { _locks: locks })
    }
}

/// The lock's file of a database, by the database's own place where a link leads to it.
fn beside(database: &Path) -> PathBuf {
    let mut name = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}

fn lock(owned: &Path, path: &Path) -> Result<File, CliError> {
    let failed = |source: io::Error| CliError::Io { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::Locked { owned: owned.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_until_the_first_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("keyward.db");
        let first = Ownership::of(dir.path(), &database).unwrap();
        assert!(matches!(Ownership::of(dir.path(), &database), Err(CliError::Locked { .. })));
        drop(first);
        assert!(Ownership::of(dir.path(), &database).is_ok());
    }

    #[test]
    fn one_database_has_one_owner_also_from_two_data_directories() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("keyward.db");
        std::fs::write(&database, b"").unwrap();
        let link = dir.path().join("link.db");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let _first = Ownership::of(&dir.path().join("one"), &database).unwrap();
        let second = Ownership::of(&dir.path().join("two"), &link);
        assert!(matches!(second, Err(CliError::Locked { owned }) if owned == link));
    }
}
