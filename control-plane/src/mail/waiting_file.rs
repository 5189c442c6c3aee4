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
    /// Bytes that the directory may still take.
    left: u64,
    bytes: u64,
}

impl WaitingFile {
    /// Begins the file of this name, in a directory that takes so many bytes in all.
    pub(super) async fn begin(directory: &Path, name: &str, most: u64) -> io::Result<Self> {
        fs::create_dir_all(directory).await?;
        let left = most.saturating_sub(taken(directory).await?);
        let path = directory.join(name);
        // A link that was sent before leads to the file that is there, until this one is whole.
        let part = path.with_extension("part");
        Ok(Self { file: File::from(private(&part)?), part, path, left, bytes: 0 })
    }

    /// Goes on with these.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = bytes.len() as u64;
        self.left = self.left.checked_sub(count).ok_or(io::ErrorKind::StorageFull)?;
        self.bytes += count;
        self.file.write_all(bytes).await
    }

    /// Gives the file its name, and tells how long it is.
    pub(super) async fn finish(mut self) -> io::Result<u64> {
        self.file.flush().await?;
        fs::rename(&self.part, &self.path).await?;
        Ok(self.bytes)
    }
}

impl Drop for WaitingFile {
    fn drop(&mut self) {
        // There is none of this name once it was finished.
        let _ = std::fs::remove_file(&self.part);
    }
}

async fn taken(directory: &Path) -> io::Result<u64> {
    let (mut there, mut bytes) = (fs::read_dir(directory).await?, 0);
    while let Some(entry) = there.next_entry().await? {
        bytes += entry.metadata().await?.len();
    }
    Ok(bytes)
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_its_name_once_it_is_whole_and_the_directory_an_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, name) = (directory.path(), "abc");
        for content in [&b"one"[..], b"other"] {
            let before = std::fs::read(path.join(name)).ok();
            let mut file = WaitingFile::begin(path, name, 8).await.expect("begun");
            file.write(content).await.expect("written");
            assert_eq!(std::fs::read(path.join(name)).ok(), before);
            assert_eq!(file.finish().await.expect("whole"), content.len() as u64);
            assert_eq!(std::fs::read(path.join(name)).expect("a file"), content);
        }
        let mut file = WaitingFile::begin(path, "def", 8).await.expect("begun");
        file.write(b"123").await.expect("written");
        let refused = file.write(b"4").await.expect_err("full");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        drop(file);
        assert_eq!(std::fs::read_dir(path).expect("a directory").count(), 1);
    }
}
