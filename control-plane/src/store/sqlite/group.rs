//! Changes that are committed together: what a commit costs is the wait for the disk, whatever it holds.
//!
//! A group is one transaction, a change in it is what its savepoint holds: refused or dropped it is
//! undone alone. Nobody is told of a change before the group is durable; if it can't be, nobody's is.
//!
//! A group is committed when nobody waits to join it, and never held open for somebody who might.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::failed;
use super::log::Appended;
use super::writer::{COMMIT, Open, ROLL_BACK, Turn};
use super::{audit, log};
use crate::domain::api::Catalogue;
use crate::domain::change::{Change, Generation};
use crate::domain::settings::SettingsDocument;
use crate::store::{KeptAnswer, StoreError};

const FIRST: &str = concat!(include_str!("sql/group_begin.sql"), include_str!("sql/begin.sql"));
const NEXT: &str = concat!(include_str!("sql/group_next.sql"), include_str!("sql/begin.sql"));

/// When a group takes nobody else in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most changes that are committed together.
    pub(super) most: usize,
    /// How long the first of a group waits for others that are there.
    pub(super) longest: Duration,
}

impl Bounds {
    /// On a busy machine the wait is about as long as the one for the disk that they share.
    pub(super) const USUAL: Self = Self { most: 64, longest: Duration::from_millis(20) };
}

/// What the changes of a group read again and again. No other process can change it before the group's
/// end.
#[derive(Default)]
pub(super) struct Known {
    pub(super) settings: Option<SettingsDocument>,
    pub(super) catalogue: Option<Catalogue>,
}

/// Changes that wait for their commit.
pub(super) struct Group {
    since: Instant,
    bounds: Bounds,
    pub(super) known: Known,
    newest: Generation,
    /// Events that are to be taken into the log's tree.
    appended: Vec<Appended>,
    told: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Group {
    fn new(bounds: Bounds) -> Self {
        Self {
            since: Instant::now(),
            bounds,
            known: Known::default(),
            newest: Generation(0),
            appended: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Whether it waits no longer, whoever might join.
    pub(super) fn is_due(&self) -> bool {
        let Bounds { most, longest } = self.bounds;
        self.told.len() >= most || (!self.told.is_empty() && self.since.elapsed() >= longest)
    }
}

/// A change that began.
pub(super) struct Begun {
    pub(super) turn: Turn,
    pub(super) generation: Generation,
    pub(super) last_seq: u64,
}

impl Turn {
    /// Begins a change, in the group that is open or in a new one.
    pub(super) async fn begin_change(mut self) -> Result<Begun, StoreError> {
        self.tidy_up().await;
        let sql = if self.group.is_some() { NEXT } else { FIRST };
        let bounds = self.line().bounds;
        self.group.get_or_insert_with(|| Group::new(bounds));
        self.open = Open::Change;
        let (generation, last_seq): (i64, i64) =
            sqlx::query_as(sql).fetch_one(&mut self.connection).await.map_err(failed)?;
        let generation = Generation(generation.cast_unsigned());
        Ok(Begun { turn: self, generation, last_seq: last_seq.cast_unsigned() })
    }

    /// Commits the changes before this one, then begins it again: for one that has written nothing.
    pub(super) async fn begin_behind(mut self) -> Result<Begun, StoreError> {
        self.tidy_up().await;
        // Those whose changes could not be made durable are told; they aren't seen any more.
        let _ = self.commit_group().await;
        self.begin_change().await
    }

    /// Undoes the change and makes those before it durable, for the refusal may rest on them.
    pub(super) async fn abandon_change(mut self) -> Result<(), StoreError> {
        self.tidy_up().await;
        let durable = self.commit_group().await;
        self.end().await;
        durable
    }

    /// Whether the change that is open sees others that are not durable.
    pub(super) fn is_behind_others(&self) -> bool {
        self.group.as_ref().is_some_and(|group| !group.told.is_empty())
    }

    /// Writes what every change ends with and ends the turn. `told` learns how it ended, as soon as the
    /// group is durable or isn't going to be.
    pub(super) async fn finish_change(
        mut self,
        change: Change,
        last_seq: u64,
        answer: Option<KeptAnswer>,
        told: oneshot::Sender<Result<(), StoreError>>,
    ) {
        match audit::record(&mut self.connection, &change, last_seq, answer.as_ref()).await {
            Ok(appended) => {
                self.open = Open::Nothing;
                if let Some(group) = &mut self.group {
                    group.newest = change.generation();
                    group.appended.extend(appended);
                    group.told.push(told);
                }
            }
            Err(error) => {
                self.tidy_up().await;
                let _ = told.send(Err(error));
            }
        }
        self.end().await;
    }

    /// Makes the group's changes durable and tells whose they are. Not to be given up halfway.
    pub(super) async fn commit_group(&mut self) -> Result<(), StoreError> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        if group.told.is_empty() {
            let _ = self.run(ROLL_BACK).await;
            return Ok(());
        }
        let appended = core::mem::take(&mut group.appended);
        let logged = appended.last().map(|event| event.seq);
        let written = match log::append(&mut self.connection, &appended).await {
            Ok(()) => self.run(COMMIT).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            let _ = self.run(ROLL_BACK).await;
            return Err(tell_all(group, error));
        }
        self.count_commit();
        if let Some(logged) = logged {
            self.line().logged.send_replace(logged);
        }
        self.line().committed.send_if_modified(|newest| {
            let newer = *newest < group.newest;
            *newest = (*newest).max(group.newest);
            newer
        });
        for told in group.told {
            // Who has gone away needs no answer.
            let _ = told.send(Ok(()));
        }
        Ok(())
    }

    /// Gives up a group whose transaction SQLite has ended.
    pub(super) async fn lose_group(&mut self) {
        let _ = self.run(ROLL_BACK).await;
        if let Some(group) = self.group.take() {
            let _ = tell_all(group, StoreError::Unavailable("the database ended the transaction".into()));
        }
    }
}

fn tell_all(group: Group, error: StoreError) -> StoreError {
    let error = Arc::new(error);
    for told in group.told {
        let _ = told.send(Err(shared(&error)));
    }
    shared(&error)
}

/// One failure as each of many callers gets it.
fn shared(error: &Arc<StoreError>) -> StoreError {
    let source = || Box::new(Shared(Arc::clone(error)));
    match &**error {
        StoreError::Unavailable(_) => StoreError::Unavailable(source()),
        StoreError::Corrupt { what, .. } => StoreError::Corrupt { what, source: Some(source()) },
        _ => StoreError::Misused(source()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Shared(Arc<StoreError>);
