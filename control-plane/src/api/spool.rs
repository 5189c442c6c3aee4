//! A long answer on its way: kept in a file until the client reads it, so that neither waits for the
//! other and neither fills the memory. The file has no name, and what was read of it is given back to the
//! disk as soon as the reader has caught up.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Bytes that are read at once.
const PIECE: u64 = 64 * 1024;

/// The end that writes. Dropped before [`Writer::end`] it tells the reader that the answer is cut off.
pub(super) struct Writer {
    spool: Arc<Spool>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Bytes that were written in all.
    written: u64,
    ended: bool,
}

struct Spool {
    file: File,
    /// Bytes that the file may have, most.
    room: u64,
    /// What of the file is to be read still.
    unread: Mutex<Unread>,
}

#[derive(Clone, Copy, Default)]
struct Unread {
    from: u64,
    to: u64,
}

/// A spool in this directory, of a file that grows to as many bytes: where to write, and what is read.
pub(super) fn spool(
    directory: &Path,
    room: u64,
) -> io::Result<(Writer, impl Stream<Item = io::Result<Bytes>> + use<>)> {
    let spool = Arc::new(Spool { file: tempfile::tempfile_in(directory)?, room, unread: Mutex::default() });
    let (progress, told) = watch::channel(Progress::default());
    let reader = Reader { spool: Arc::clone(&spool), told, taken: 0 };
    Ok((Writer { spool, progress }, stream::try_unfold(reader, Reader::next)))
}

impl Writer {
    /// Adds to the answer. Nobody's reading is waited for: where there is no room left, it fails.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        let added = bytes.len() as u64;
        let spool = Arc::clone(&self.spool);
        blocking(move || spool.append(&bytes)).await?;
        self.progress.send_modify(|progress| progress.written += added);
        Ok(())
    }

    /// The answer is whole.
    pub(super) fn end(self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }
}

impl Spool {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read is given back only when nothing is left to read.
        if unread.to + bytes.len() as u64 > self.room {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the client does not keep up with its answer"));
        }
        self.file.write_all_at(bytes, unread.to)?;
        unread.to += bytes.len() as u64;
        Ok(())
    }

    fn take(&self) -> io::Result<Vec<u8>> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let length = PIECE.min(unread.to - unread.from);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, unread.from)?;
        unread.from += length;
        if unread.from == unread.to {
            self.file.set_len(0)?;
            *unread = Unread::default();
        }
        Ok(bytes)
    }
}

struct Reader {
    spool: Arc<Spool>,
    told: watch::Receiver<Progress>,
    /// Bytes that were read in all.
    taken: u64,
}

impl Reader {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let Progress { written, ended } = *self.told.borrow_and_update();
            if written > self.taken {
                let spool = Arc::clone(&self.spool);
                let bytes = blocking(move || spool.take()).await?;
                self.taken += bytes.len() as u64;
                return Ok(Some((Bytes::from(bytes), self)));
            }
            if ended {
                return Ok(None);
            }
            if self.told.changed().await.is_err() && !self.told.borrow().ended {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was not finished"));
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    const ROOM: u64 = 1 << 20;

    #[tokio::test]
    async fn an_answer_that_nobody_reads_does_not_fill_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, reader) = spool(directory.path(), 1_000).unwrap();
        let mut reader = Box::pin(reader);
        writer.write(vec![1; 600]).await.unwrap();
        assert_eq!(writer.write(vec![2; 600]).await.unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(reader.next().await.unwrap().unwrap(), vec![1; 600]);
        writer.write(vec![2; 600]).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_is_read_too_slowly_does_not_fill_the_disk_either() {
        let directory = tempfile::tempdir().unwrap();
        let room = 2 * PIECE;
        let (writer, reader) = spool(directory.path(), room).unwrap();
        let mut reader = Box::pin(reader);
        let piece = vec![0; usize::try_from(PIECE).unwrap()];
        writer.write(piece.clone()).await.unwrap();
        writer.write(vec![0]).await.unwrap();
        let mut refused = None;
        for _ in 0..10 {
            reader.next().await.unwrap().unwrap();
            assert!(writer.spool.file.metadata().unwrap().len() <= room);
            refused = refused.or(writer.write(piece.clone()).await.err());
        }
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::QuotaExceeded));
    }

    #[tokio::test]
    async fn what_is_written_before_anybody_reads_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, reader) = spool(directory.path(), ROOM).unwrap();
        let mut wanted = Vec::new();
        for byte in 0..100 {
            writer.write(vec![byte; 5_000]).await.unwrap();
            wanted.extend(vec![byte; 5_000]);
        }
        writer.end();
        let read: Vec<Bytes> = reader.try_collect().await.unwrap();
        assert!(read.concat() == wanted);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the file has a name");
    }

    #[tokio::test]
    async fn what_was_read_takes_no_room() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, reader) = spool(directory.path(), ROOM).unwrap();
        let mut reader = Box::pin(reader);
        let spool = Arc::clone(&writer.spool);
        for round in 0..10 {
            writer.write(vec![round; 1_000]).await.unwrap();
            assert_eq!(reader.next().await.unwrap().unwrap(), vec![round; 1_000]);
            assert_eq!(spool.file.metadata().unwrap().len(), 0);
        }
        writer.end();
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_was_not_finished_is_told_from_a_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, reader) = spool(directory.path(), ROOM).unwrap();
        writer.write(b"half".to_vec()).await.unwrap();
        drop(writer);
        let mut reader = Box::pin(reader);
        assert_eq!(reader.next().await.unwrap().unwrap(), "half");
        assert!(reader.next().await.unwrap().is_err());
    }
}
