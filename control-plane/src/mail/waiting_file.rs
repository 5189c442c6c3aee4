//! The file of an export that waits to be sent, or to be fetched. It has its name once it is whole.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// A file that is being written, for nobody else to read.
pub(super) struct WaitingFile {
    file: File,
    part: PathBuf,
    path: PathBuf,
    room: Room,
    bytes: u64,
}

/// How long a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes that are left for it now.
    pub(super) left: u64,
    /// Bytes that there ever are.
    pub(super) most: u64,
}

impl WaitingFile {
    /// Begins the file of this name.
    pub(super) async fn begin(directory: &Path, name: &str, room: Room) -> io::Result<Self> {
        fs::create_dir_all(directory).await?;
        let path = directory.join(name);
        // A link that was sent before leads to the file that is there, until this one is whole.
        let part = path.with_extension("part");
        Ok(Self { file: File::from(private(&part)?), part, path, room, bytes: 0 })
    }

    /// Goes on with these. What is too large for whatever room there is may be known by its error from what is so now.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.room.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.bytes > self.room.left {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(bytes).await
    }

    /// Gives the file its name, and tells how long it is.
    pub(super) async fn finish(mut self) -> io::Result<u64> {
        self.file.flush().await?;
        // A link says that the file is there and whole, also after a power cut.
        self.file.sync_all().await?;
        fs::rename(&self.part, &self.path).await?;
        if let Some(directory) = self.path.parent() {
            File::open(directory).await?.sync_all().await?;
        }
        Ok(self.bytes)
    }
}

impl Drop for WaitingFile {
    fn drop(&mut self) {
        // There is none of this name once it was finished.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_its_name_once_it_is_whole_and_an_end() {
        let room = |left, most| Room { left, most };
        let directory = tempfile::tempdir().expect("a directory");
        let (path, name) = (directory.path(), "abc");
        for content in [&b"one"[..], b"other"] {
            let before = std::fs::read(path.join(name)).ok();
            let mut file = WaitingFile::begin(path, name, room(5, 5)).await.expect("begun");
            file.write(content).await.expect("written");
            assert_eq!(std::fs::read(path.join(name)).ok(), before);
            assert_eq!(file.finish().await.expect("whole"), content.len() as u64);
            assert_eq!(std::fs::read(path.join(name)).expect("a file"), content);
        }
        for (room, kind) in [(room(3, 8), io::ErrorKind::StorageFull), (room(3, 3), io::ErrorKind::FileTooLarge)] {
            let mut file = WaitingFile::begin(path, "def", room).await.expect("begun");
            file.write(b"123").await.expect("written");
            assert_eq!(file.write(b"4").await.expect_err("full").kind(), kind);
        }
        assert_eq!(std::fs::read_dir(path).expect("a directory").count(), 1);
    }
}
