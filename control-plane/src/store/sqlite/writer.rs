//! The one connection that writes: whose turn it is, and who waits.
//!
//! A turn is either one change's among others, which [`super::group`] commits together, or somebody's
//! [`Alone`]. Turns are given in the order in which they were asked for. Nothing here knows what is
//! written.
//!
//! A caller can give up at any await. So whatever would be left half done runs in a task of its own,
//! and a turn that is dropped with something open tidies up in one.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, watch};

use super::PATIENCE;
use super::error::failed;
use super::group::{Bounds, Group, Known};
use super::open::Lies;
use crate::domain::change::Generation;
use crate::store::StoreError;

const BEGIN: &str = include_str!("sql/alone_begin.sql");
const UNDO: &str = include_str!("sql/group_undo.sql");
/// Writes more pages than a change does and leaves everything as it was. The pages that become free are
/// overwritten, and so written: `secure_delete`.
const ROOM: [&str; 2] = [include_str!("sql/room_take.sql"), include_str!("sql/room_give.sql")];
pub(super) const COMMIT: &str = include_str!("sql/end.sql");
pub(super) const ROLL_BACK: &str = include_str!("sql/roll_back.sql");

/// The way to the connection that writes.
#[derive(Clone)]
pub(in crate::store) struct Writer {
    seat: Arc<Mutex<Option<Seat>>>,
    pub(super) line: Arc<Line>,
}

/// What can be known without a turn.
pub(super) struct Line {
    pub(super) bounds: Bounds,
    /// Where the file lay when it was opened.
    lies: Lies,
    /// Who has asked for a turn and not got it yet. Each of them commits a group that is left open, or
    /// sees to it that somebody does.
    waiting: AtomicUsize,
    /// Transactions that were committed.
    commits: AtomicU64,
    /// Whether a commit was refused, as on a full disk, and none that was large enough was taken since.
    refused: AtomicBool,
    /// The newest generation that is durable.
    pub(super) committed: watch::Sender<Generation>,
    /// The newest event that is durable.
    pub(super) logged: watch::Sender<u64>,
}

/// The connection and what is open on it.
pub(super) struct Seat {
    pub(super) connection: SqliteConnection,
    pub(super) open: Open,
    /// Changes that wait for their commit. While it is there, so is the savepoint `one`.
    pub(super) group: Option<Group>,
}

/// What whoever has the turn has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// Nothing, or nothing but a group's finished changes.
    Nothing,
    /// A change in a group.
    Change,
    /// A transaction of its own.
    Alone,
}

impl Writer {
    pub(super) async fn open(options: &SqliteConnectOptions, bounds: Bounds) -> Result<Self, StoreError> {
        let connection = options.connect().await.map_err(failed)?;
        let seat = Seat { connection, open: Open::Nothing, group: None };
        let committed = watch::Sender::new(Generation(0));
        let logged = watch::Sender::new(0);
        let line = Line {
            bounds,
            lies: Lies::now(options.get_filename()),
            waiting: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            committed,
            logged,
        };
        Ok(Self { seat: Arc::new(Mutex::new(Some(seat))), line: Arc::new(line) })
    }

    /// How many transactions were committed, each with one wait for the disk.
    pub(super) fn commits(&self) -> u64 {
        self.line.commits.load(Ordering::Relaxed)
    }

    /// Sees whether a change would be taken.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let mut alone = self.transaction().await?;
        if !self.line.refused.load(Ordering::Relaxed) {
            return alone.roll_back().await;
        }
        // A full disk gives the write lock and refuses the commit, so only another one tells more.
        for sql in ROOM {
            alone.0.run(sql).await?;
        }
        alone.commit().await?;
        self.line.refused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for a turn, with whatever the last one left open.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let place = Place::take(self);
        let seat = tokio::time::timeout(PATIENCE, Arc::clone(&self.seat).lock_owned())
            .await
            .map_err(|_| StoreError::Unavailable("the writer is busy".into()))?;
        place.leave();
        let turn = Turn::new(self, seat, true).ok_or_else(|| StoreError::Unavailable("the writer is closed".into()))?;
        // With a turn, so that a group that is left open is ended, and who waits for it told.
        self.line.lies.still()?;
        Ok(turn)
    }

    /// Waits for a turn with nothing open, to write outside of any group.
    pub(in crate::store) async fn alone(&self) -> Result<Alone, StoreError> {
        let turn = self.turn().await?;
        if turn.is_clear() {
            return Ok(Alone(turn));
        }
        let cleared = in_task(async move {
            let mut turn = turn;
            turn.tidy_up().await;
            let _ = turn.commit_group().await;
            turn
        });
        Ok(Alone(cleared.await?))
    }

    /// The same with a transaction begun.
    pub(super) async fn transaction(&self) -> Result<Alone, StoreError> {
        let mut alone = self.alone().await?;
        alone.begin().await?;
        Ok(alone)
    }

    /// Commits what is open and closes the connection.
    pub(super) async fn close(&self) {
        drop(self.alone().await);
        // Whoever waits behind finds nothing.
        if let Some(seat) = self.seat.lock().await.take() {
            let _ = seat.connection.close().await;
        }
    }

    /// Commits a group that nobody else will.
    fn see_to_it(&self) {
        let writer = self.clone();
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let seat = Arc::clone(&writer.seat).lock_owned().await;
            if let Some(turn) = Turn::new(&writer, seat, false) {
                turn.end().await;
            }
        });
    }
}

/// A place among those who wait.
struct Place<'a> {
    writer: &'a Writer,
    waits: bool,
}

impl<'a> Place<'a> {
    fn take(writer: &'a Writer) -> Self {
        writer.line.waiting.fetch_add(1, Ordering::SeqCst);
        Self { writer, waits: true }
    }

    /// It is this one's turn.
    fn leave(mut self) {
        self.waits = false;
        self.writer.line.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // A group may have been left open for this one alone.
        if self.waits && self.writer.line.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.writer.see_to_it();
        }
    }
}

/// The connection for as long as it is held.
pub(super) struct Turn {
    writer: Writer,
    seat: Option<OwnedMappedMutexGuard<Option<Seat>, Seat>>,
    /// Whether what is left open at its end is tidied up by another turn. Not for ever: where the
    /// runtime ends, so would every one of them.
    follow: bool,
}

impl Turn {
    fn new(writer: &Writer, seat: OwnedMutexGuard<Option<Seat>>, follow: bool) -> Option<Self> {
        let seat = OwnedMutexGuard::try_map(seat, Option::as_mut).ok()?;
        Some(Self { writer: writer.clone(), seat: Some(seat), follow })
    }

    pub(super) fn line(&self) -> &Line {
        &self.writer.line
    }

    /// Whether somebody waits who will commit what this turn leaves open.
    pub(super) fn somebody_waits(&self) -> bool {
        self.line().waiting.load(Ordering::SeqCst) > 0
    }

    fn is_clear(&self) -> bool {
        self.open == Open::Nothing && self.group.is_none()
    }

    /// Ends what a turn left half done: this one's, or one's before whose runtime had ended.
    pub(super) async fn tidy_up(&mut self) {
        match self.open {
            Open::Nothing => {}
            // Where SQLite has ended it there is none.
            Open::Alone => drop(self.run(ROLL_BACK).await),
            // On a full disk and some other faults SQLite itself ends the transaction, and with it
            // the group (<https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction>).
            Open::Change => {
                if self.run(UNDO).await.is_err() {
                    self.lose_group().await;
                }
                if let Some(group) = &mut self.group {
                    group.known = Known::default();
                }
            }
        }
        self.open = Open::Nothing;
    }

    /// Ends the turn: the group goes on with whoever waits, or is committed.
    pub(super) async fn end(mut self) {
        self.tidy_up().await;
        if self.group.as_ref().is_some_and(|group| group.is_due() || !self.somebody_waits()) {
            let _ = self.commit_group().await;
        }
    }

    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        if sql == COMMIT {
            self.line().lies.still()?;
        }
        let outcome = sqlx::query(sql).execute(&mut self.connection).await.map(drop).map_err(failed);
        if sql == COMMIT && outcome.is_err() {
            self.line().refused.store(true, Ordering::Relaxed);
        }
        outcome
    }

    pub(super) fn count_commit(&self) {
        self.line().commits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let left = seat.open != Open::Nothing || (seat.group.is_some() && !self.somebody_waits());
        if left
            && self.follow
            && let Ok(runtime) = Handle::try_current()
        {
            let turn = Self { writer: self.writer.clone(), seat: Some(seat), follow: false };
            runtime.spawn(turn.end());
        }
    }
}

impl Deref for Turn {
    type Target = Seat;

    fn deref(&self) -> &Seat {
        self.seat.as_ref().expect("a turn has its seat until it is dropped")
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Seat {
        self.seat.as_mut().expect("a turn has its seat until it is dropped")
    }
}

/// A turn outside of any group. A transaction that is not committed is rolled back.
pub(in crate::store) struct Alone(Turn);

impl Alone {
    /// Begins a transaction.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.0.open = Open::Alone;
        // Taking the write lock at once leaves no room for two that read and then both want to write.
        self.0.run(BEGIN).await
    }

    /// Commits it.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.0.run(COMMIT).await?;
        self.0.open = Open::Nothing;
        self.0.count_commit();
        Ok(())
    }

    /// Rolls it back.
    pub(super) async fn roll_back(mut self) -> Result<(), StoreError> {
        self.0.run(ROLL_BACK).await?;
        self.0.open = Open::Nothing;
        Ok(())
    }
}

impl Deref for Alone {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for Alone {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

/// Runs to its end whether or not the caller waits for it.
pub(super) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
}
