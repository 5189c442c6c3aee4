//! What was signed last of the audit log, kept beside the database: one that is restored, or that somebody
//! rewrites, does not take it back with it. Knows nothing of signing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::domain::audit::checkpoint::{Checkpoint, incarnation_of, origin};
use crate::domain::audit::merkle::{Edge, Hash};
use crate::domain::time::UnixMillis;

/// The file's name in the data directory.
const FILE: &str = "audit-checkpoint";

/// Of which log the last signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The log's incarnation.
    pub incarnation: u32,
    /// Events in it; 0 where nothing of this incarnation was signed yet.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Signed {
    /// An incarnation of which nothing was signed yet.
    pub fn nothing_of(incarnation: u32) -> Self {
        Self { incarnation, size: 0, root: Edge::empty().root() }
    }
}

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LastSignedError {
    /// It cannot be read, or not be written.
    #[error("what was signed last of the audit log is kept in {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{} should say what was signed last of the audit log, and does not: restore it, or remove it and run \
         `keyward raise-epoch`",
        .path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
}

/// The file of one deployment.
#[derive(Debug, Clone)]
pub struct LastSigned {
    deployment: String,
    path: PathBuf,
}

impl LastSigned {
    /// That of a deployment, in its data directory.
    pub fn of(deployment: &str, data_dir: &Path) -> Self {
        Self { deployment: deployment.to_owned(), path: data_dir.join(FILE) }
    }

    /// Where it lies, if anything was ever signed: then there was a database.
    pub fn lies(&self) -> Option<&Path> {
        self.path.exists().then_some(self.path.as_path())
    }

    /// What it says; nothing where it was never written.
    pub fn read(&self) -> Result<Option<Signed>, LastSignedError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(self.unreadable()),
            Err(source) => return Err(self.failed(source)),
        };
        let Checkpoint { origin, size, root, .. } = Checkpoint::parse(&text).map_err(|_| self.unreadable())?;
        let incarnation = incarnation_of(&self.deployment, &origin).ok_or_else(|| self.unreadable())?;
        Ok(Some(Signed { incarnation, size, root }))
    }

    /// Has it say this. Durable when it comes back; until then it says what it said.
    pub fn replace(&self, signed: &Signed, at: UnixMillis) -> Result<(), LastSignedError> {
        let Signed { incarnation, size, root } = *signed;
        let text = Checkpoint { origin: origin(&self.deployment, incarnation), size, root, at }.text();
        self.write(&text).map_err(|source| self.failed(source))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let written = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&written)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&written, &self.path)?;
        // The name too must outlast the machine.
        self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }

    fn unreadable(&self) -> LastSignedError {
        LastSignedError::Unreadable { path: self.path.clone() }
    }

    fn failed(&self, source: io::Error) -> LastSignedError {
        LastSignedError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

    #[test]
    fn it_says_what_it_was_given_last_and_only_of_its_own_log() {
        let dir = tempfile::tempdir().unwrap();
        let file = LastSigned::of("test", dir.path());
        assert_eq!((file.read().unwrap(), file.lies()), (None, None));
        for signed in [Signed { incarnation: 1, size: 7, root: [9; 32] }, Signed::nothing_of(2)] {
            file.replace(&signed, NOW).unwrap();
            assert_eq!(file.read().unwrap(), Some(signed));
            assert_eq!(file.lies(), Some(&*dir.path().join(FILE)));
        }
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [FILE]);
        let others = LastSigned::of("another", dir.path()).read();
        assert!(matches!(others, Err(LastSignedError::Unreadable { .. })));
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = LastSigned::of("test", dir.path());
        for bytes in [&b""[..], b"keyward/test/audit/1\n", &[0xff]] {
            fs::write(dir.path().join(FILE), bytes).unwrap();
            assert!(matches!(file.read(), Err(LastSignedError::Unreadable { .. })), "{bytes:?}");
        }
    }
}
