//! The data directory's lock: one process at a time owns the database and publishes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::CliError;

/// Held for as long as the process may write; the system gives it back when the process ends.
pub(super) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the lock at once or says who may have it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, CliError> {
        crate::secrets::file::create_dir(data_dir)
            .map_err(|source| CliError::Io { path: data_dir.to_owned(), source })?;
        let path = data_dir.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|source| CliError::Io { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(CliError::Locked { data_dir: data_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(CliError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_until_the_first_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(dir.path()).unwrap();
        assert!(matches!(DataDirLock::take(dir.path()), Err(CliError::Locked { .. })));
        drop(first);
        assert!(DataDirLock::take(dir.path()).is_ok());
    }
}
