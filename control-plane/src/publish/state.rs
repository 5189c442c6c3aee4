//! What the publisher knows of what it published, and its steps: take in what was committed, serve a
//! head, build a tree beside it, make a built tree the one that heads name.

use std::sync::Arc;
use std::time::Duration;

use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{HeadOrder, MAX_CLOCK_AHEAD_MS, ObjectName, Stamp, decode_settings, encode_settings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::builder::{self, BuildFor, BuiltTree, Wanted};
use super::error::PublishError;
use super::growth::{Making, Next, Trees};
use super::heads::HeadParts;
use super::pepper;
use super::recent::{Recent, SINGLE_ENTRIES, SecretChange, Span};
use super::restore;
use super::run::Publisher;
use crate::domain::audit::checkpoint::Checkpoint;
use crate::domain::audit::note;
use crate::domain::time::UnixMillis;
use crate::lifecycle::notary::NotaryError;
use crate::store::audit::StoredCheckpoint;
use crate::store::publication::{NewHead, OutboxRow};

/// How long changes may stay in `recent` alone before the tree takes them up.
const TREE_IDLE: Duration = Duration::from_secs(10);
/// Rows of the outbox that are read at once, and of one mutation at most.
const BATCH: u32 = 2_048;
/// Entries of the largest mutation that `recent` carries.
const LARGEST_CARRIED: u32 = 448;
/// Rows of narrowing changes that are looked for beyond a full batch.
const AHEAD: u32 = 512;
/// A clock further behind than this was set back. Until then heads are issued ahead of it: by a tenth of
/// what edges let a head be ahead of their own.
const SET_BACK_MS: u64 = MAX_CLOCK_AHEAD_MS / 10;
/// A checkpoint that is younger is old enough for a head that is made for something else.
const CHECKPOINT_LEAST_MS: i64 = 5_000;
/// How long a head waits for its checkpoint before it goes with the one before.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(1);
/// Entries that no tree holds from which on one takes them up without waiting.
const HALF_FULL: usize = 256;

/// Why a head is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Only if there is something new to say.
    News,
    /// The last one is as old as one may get.
    Heartbeat,
    /// Events of the audit log wait to be witnessed.
    Checkpoint,
}

type Signing = JoinHandle<Result<Option<StoredCheckpoint>, NotaryError>>;

/// How the audit log stood when it was signed last.
#[derive(Default)]
pub(super) struct SignedLog {
    note: String,
    pub(super) events: u64,
    /// At the last look it was signed as it was then.
    pub(super) is_of_then: bool,
    /// At the last look it could not be signed.
    pub(super) is_refused: bool,
    /// A signature that no head waits for any more.
    signing: Option<Signing>,
}

impl SignedLog {
    /// As the head on record says. Until the log is signed again, heads carry that one on: with none, edges and
    /// Workers KV would forget what they are witnesses of.
    fn of(note: Option<String>) -> Self {
        let signed = note.as_deref().and_then(|note| Checkpoint::parse(note::read(note).ok()?.0).ok());
        let events = signed.map_or(0, |signed| signed.size);
        Self { note: note.unwrap_or_default(), events, ..Self::default() }
    }
}

/// What the publisher knows of what it published.
pub(super) struct State<'a> {
    publisher: &'a Publisher,
    built_for: BuildFor,
    recent: Recent,
    /// What the newest head says is in the tree or in `recent`.
    generation: u64,
    trees: Trees,
    settings: (Settings, ObjectName),
    order: HeadOrder,
    /// The newest head that said something new beside a checkpoint, or was a heartbeat.
    news: HeadOrder,
    pub(super) log: SignedLog,
    /// To be named and retired by the next head.
    named: Vec<ObjectName>,
    retired: Vec<ObjectName>,
    /// The next head names a tree of everything: whatever older heads named is to be retired.
    afresh: bool,
    /// Rows of the outbox up to here are of no more use once the next head is recorded, and not before:
    /// until then they are all that a successor would know of those changes.
    outbox_done: Option<u64>,
    pub(super) building: Option<JoinHandle<Result<BuiltTree, PublishError>>>,
    /// When the tree should take up what only `recent` holds.
    tree_due: Option<Instant>,
    /// More was committed than one step takes.
    pub(super) behind: bool,
    /// Only a new tree makes room for what was committed.
    pub(super) waits_for_tree: bool,
    /// What the build makes, and when it was begun.
    making: Option<(Making, Instant)>,
    /// Trees are built no more than half of the time, so that changes find the database free, unless
    /// one waits that narrows something.
    rest_until: Option<Instant>,
}

impl<'a> State<'a> {
    /// Takes up where the last publisher stopped, or starts with a tree of everything.
    pub(super) async fn resume(publisher: &'a Publisher, built_for: BuildFor) -> Result<Self, PublishError> {
        let store = &publisher.shared.store;
        // What another has staged who took the lease meanwhile is not to be forgotten.
        publisher.keep_lease().await?;
        store.forget_staged().await?;
        let recorded = store.recorded_head().await?;
        pepper::must_be_known(&publisher.shared, built_for.pepper, recorded.as_ref()).await?;
        let floor = recorded.as_ref().map_or(HeadOrder { epoch: 0, generation: 0, issued_at: 0 }, |head| head.order);
        let served = publisher.shared.head.borrow().clone().filter(|head| head.order == floor);
        let resumed =
            restore::last_published(store.as_ref(), &publisher.shared.signer, &built_for, recorded.as_ref()).await?;
        let mut named = Vec::new();
        let afresh = resumed.is_none();
        let last = if let Some(last) = resumed {
            tracing::info!(generation = last.generation, epoch = built_for.epoch, "publishing is resumed");
            last
        } else {
            tracing::info!(epoch = built_for.epoch, "publishing starts with a tree of every key");
            let built = builder::build(store.as_ref(), store.view().await?, &built_for, Wanted::Fitting).await?;
            named.clone_from(&built.new);
            restore::LastPublished::fresh(built)
        };
        let mut state = Self {
            publisher,
            recent: last.recent,
            generation: last.generation,
            trees: Trees {
                generation: last.tree_generation,
                wanted_depth: last.tree.shape.depth(),
                current: last.tree,
                next: last.next.map(|(names, generation)| Next::new(names, generation)),
                given_up_in: None,
            },
            settings: (Settings::default(), ObjectName::from_bytes([0; ObjectName::LEN])),
            order: floor,
            news: served.map_or(floor, |head| head.news),
            log: SignedLog::of(publisher.shared.signer.checkpoint_of(recorded.as_ref())),
            named,
            retired: Vec::new(),
            afresh,
            outbox_done: None,
            building: None,
            tree_due: None,
            behind: false,
            waits_for_tree: false,
            making: None,
            rest_until: None,
            built_for,
        };
        if let Some(settings) = last.settings {
            state.settings = settings;
        } else {
            let mut view = store.view().await?;
            let settings = view.settings().await?;
            state.make_settings(settings, view.generation()).await?;
        }
        // What is in `recent` alone is taken up by the tree in time.
        if state.recent.newer_than(state.trees.generation) > 0 {
            state.tree_due = Some(Instant::now() + TREE_IDLE);
        }
        Ok(state)
    }

    /// Takes in what was committed and serves a head of it, where there is something new to say or the
    /// occasion asks for one anyway. Says whether it did.
    pub(super) async fn step(&mut self, occasion: Occasion) -> Result<bool, PublishError> {
        let store = &self.publisher.shared.store;
        let mut view = store.view().await?;
        let batch = view.changes_after(self.generation, LARGEST_CARRIED, BATCH).await?;
        let touches_settings = batch.rows.iter().any(|row| row.fingerprint.is_none());
        let settings = if touches_settings { Some(view.settings().await?) } else { None };
        let committed = view.generation();
        let changes = of_secrets(batch.rows);
        let before = self.recent.clone();
        let span = Span { after: self.generation, through: batch.through, first_too_large: batch.first_too_large };
        let admitted = self.recent.admit(&changes, span, self.trees.generation)?;
        let mut narrowing_waits = !self.recent.carries_narrowing(&changes);
        if admitted.blocked && batch.through < committed {
            let beyond = view.narrowing_after(batch.through, LARGEST_CARRIED, SINGLE_ENTRIES, AHEAD).await?;
            let beyond = of_secrets(beyond);
            self.recent.admit_ahead(&beyond, self.trees.generation)?;
            narrowing_waits |= !self.recent.carries_narrowing(&beyond);
        }
        narrowing_waits |= batch.too_large_narrows;
        drop(view);
        let through = admitted.through.max(self.generation);
        let new_settings = match settings.filter(|settings| *settings != self.settings.0) {
            Some(settings) => {
                self.make_settings(settings, committed).await?;
                true
            }
            None => false,
        };
        let other_objects = !self.named.is_empty() || !self.retired.is_empty();
        let news = through > self.generation || self.recent != before || new_settings || other_objects;
        self.generation = through;
        self.behind = !admitted.blocked && through < committed;
        self.waits_for_tree = admitted.blocked;
        // What the tree holds too makes room when it is wanted. A tree for each change would be written to Workers KV
        // before its head, and the next head be there before that: it would never be written.
        let owed = self.recent.newer_than(self.trees.generation);
        if admitted.blocked || owed >= HALF_FULL {
            let now = Instant::now();
            self.tree_due = Some(self.rest_until.filter(|_| !narrowing_waits).map_or(now, |until| until.max(now)));
        } else if owed > 0 && self.tree_due.is_none() {
            self.tree_due = Some(Instant::now() + TREE_IDLE);
        }
        if !news && occasion == Occasion::News || self.publisher.shared.is_halted() {
            return Ok(false);
        }
        let is_witnessed = !self.look_for_checkpoint(occasion).await;
        if !news && occasion == Occasion::Checkpoint && is_witnessed {
            return Ok(false);
        }
        self.serve(news || occasion != Occasion::Checkpoint).await?;
        Ok(true)
    }

    /// Whether the head on record is the one that is served.
    pub(super) fn is_served(&self) -> bool {
        self.publisher.shared.head.borrow().as_ref().is_some_and(|head| head.order == self.order)
    }

    /// Changes wait to be taken up by a tree.
    pub(super) const fn owes_tree(&self) -> bool {
        self.tree_due.is_some() || self.building.is_some()
    }

    /// Whether the newest head was made for more than a checkpoint.
    pub(super) fn newest_is_news(&self) -> bool {
        self.news == self.order
    }

    /// The log's newest checkpoint, for edges to bear witness to; says whether it is another than before. What
    /// stands in its way stops no head.
    async fn look_for_checkpoint(&mut self, occasion: Occasion) -> bool {
        let shared = &self.publisher.shared;
        let least = if occasion == Occasion::Checkpoint { 0 } else { CHECKPOINT_LEAST_MS };
        self.log.is_of_then = false;
        // One that was slow already is looked at and not waited for.
        let slow = self.log.signing.take();
        let patience = if slow.is_some() { Duration::ZERO } else { CHECKPOINT_PATIENCE };
        let mut signing = slow.unwrap_or_else(|| {
            let (witness, now) = (Arc::clone(&shared.witness), shared.now());
            tokio::spawn(async move { witness.checkpoint(now, least).await })
        });
        let error = match timeout(patience, &mut signing).await {
            Ok(Ok(Ok(signed))) => {
                shared.note_log(None);
                // What was slow may have been begun before the newest events came.
                self.log.is_of_then = patience > Duration::ZERO;
                self.log.is_refused = false;
                let (events, note) = signed.map(|signed| (signed.size, signed.note)).unwrap_or_default();
                let is_another = note != self.log.note;
                (self.log.events, self.log.note) = (events, note);
                return is_another;
            }
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.log.signing = Some(signing);
                "it takes long to sign the audit log".to_owned()
            }
        };
        tracing::error!(error, "the audit log is not signed");
        self.log.is_refused = true;
        shared.note_log(Some(error));
        false
    }

    async fn serve(&mut self, is_news: bool) -> Result<(), PublishError> {
        let shared = &self.publisher.shared;
        let now = u64::try_from(shared.now().as_millis()).unwrap_or(0);
        // The epoch comes first in the order, so that a successor goes by its own clock: one that was
        // once ahead must not put the heads of all times ahead.
        let least = if self.order.epoch == self.built_for.epoch { self.order.issued_at + 1 } else { 0 };
        if now.saturating_add(SET_BACK_MS) < least {
            return Err(PublishError::ClockSetBack { behind_ms: least - now });
        }
        let mut signed = shared.signer.sign(HeadParts {
            epoch: self.built_for.epoch,
            generation: self.generation,
            issued_at: now.max(least),
            ttl_ms: u64::try_from(self.publisher.options.head_ttl.as_millis()).unwrap_or(u64::MAX),
            tree_generation: self.trees.generation,
            settings: self.settings.1,
            tree: self.trees.current.to_tree(),
            next: self.trees.next.as_ref().map(|next| next.names.to_tree()),
            ack_wanted: shared.receipts.is_wanted(),
            checkpoint: &self.log.note,
            recent: &self.recent,
        })?;
        if is_news {
            self.news = signed.order;
        }
        signed.news = self.news;
        let record = NewHead {
            bytes: &signed.bytes,
            order: signed.order,
            expires_at: UnixMillis::from_millis(i64::try_from(signed.expires_at).unwrap_or(i64::MAX)),
            tree_generation: self.trees.generation,
            named: &self.named,
            retired: &self.retired,
            afresh: self.afresh,
            compared: shared.is_compared(),
        };
        if !shared.store.record_head(&self.publisher.options.holder, &record).await? {
            return Err(PublishError::Superseded);
        }
        self.named.clear();
        self.retired.clear();
        self.afresh = false;
        self.order = signed.order;
        if let Some(next) = &mut self.trees.next {
            next.named_in.get_or_insert(signed.order);
        }
        if let Some(through) = self.outbox_done.take() {
            shared.store.forget_outbox(through).await?;
        }
        tracing::debug!(generation = self.generation, bytes = signed.bytes.len(), "head served");
        shared.serve(signed);
        Ok(())
    }

    /// Makes these settings, which are as of a view of `generation`, the ones that heads name. That one, for
    /// other settings are of another: what heads say everything is published up to may stand still, and
    /// settings that come back would have the name that was given up.
    async fn make_settings(&mut self, settings: Settings, generation: u64) -> Result<(), PublishError> {
        let stamp = Stamp { epoch: self.built_for.epoch, generation };
        let bytes = encode_settings(self.built_for.origin(), stamp, &settings)?;
        if decode_settings(&bytes, self.built_for.origin())? != settings {
            return Err(PublishError::Mismatch { what: "settings" });
        }
        let name = ObjectName::of(&bytes);
        self.publisher.shared.store.stage_objects(&[(name, bytes)]).await?;
        if name != self.settings.1 {
            // They may be as they were two changes ago.
            self.retired.retain(|retired| *retired != name);
            self.retired.push(self.settings.1);
            self.named.push(name);
        }
        self.settings = (settings, name);
        Ok(())
    }

    pub(super) fn start_building_where_due(&mut self) {
        let now = Instant::now();
        let (shared, options) = (&self.publisher.shared, &self.publisher.options);
        self.trees.count_time(shared.readable(), now, options.warm_up);
        let changes_wait = self.tree_due.is_some_and(|due| now >= due);
        let Some(making) = self.trees.making(self.generation, changes_wait, now).filter(|_| self.building.is_none())
        else {
            return;
        };
        if making != Making::Next {
            self.tree_due = None;
        }
        self.making = Some((making, now));
        let (store, built_for) = (Arc::clone(&shared.store), self.built_for.clone());
        let wanted = self.trees.wanted(making);
        self.building = Some(tokio::spawn(async move {
            let view = store.view().await?;
            builder::build(store.as_ref(), view, &built_for, wanted).await
        }));
    }

    /// When something should be built although nothing happens; while a tree is being built, its end is
    /// what wakes.
    pub(super) fn build_at(&self) -> Option<Instant> {
        let at = self.tree_due.into_iter().chain(self.trees.look_at(Instant::now())).min();
        at.filter(|_| self.building.is_none())
    }

    /// Takes a built tree: as the next one, which heads name beside the running one, or as the one that
    /// they name from now on.
    pub(super) async fn adopt(&mut self, built: BuiltTree) -> Result<(), PublishError> {
        let (making, began) = self.making.take().ok_or(PublishError::Mismatch { what: "tree builder" })?;
        // Changes have waited for a next tree already.
        self.rest_until = (making != Making::Next).then(|| Instant::now() + began.elapsed());
        let depth = built.names.shape.depth();
        tracing::info!(?making, generation = built.generation, objects = built.new.len(), depth, "tree built");
        if making == Making::Next {
            self.named.extend(built.new);
            self.trees.next = Some(Next::new(built.names, built.generation));
            return Ok(());
        }
        self.replace_tree(if built.of_deeper { Making::Switch } else { making }, built).await
    }

    /// Makes a built tree the one that heads name: what it holds and `recent` does not carry raises
    /// the floors.
    async fn replace_tree(&mut self, making: Making, built: BuiltTree) -> Result<(), PublishError> {
        let store = &self.publisher.shared.store;
        let mut view = store.view().await?;
        for mark in view.marks_after(self.trees.generation).await? {
            if mark.generation <= built.generation {
                self.recent.in_tree(mark.generation, &mark.fingerprint, mark.narrowing);
            }
        }
        let (settings, committed) = (view.settings().await?, view.generation());
        drop(view);
        self.generation = self.generation.max(built.generation);
        self.named.extend(built.new);
        self.retired.extend(built.given_up);
        self.retired.extend(self.trees.replace(making, built.names, built.generation, built.wanted_depth));
        if settings != self.settings.0 {
            self.make_settings(settings, committed).await?;
        }
        let kept_from = self.recent.oldest().unwrap_or(u64::MAX);
        self.outbox_done = Some(self.trees.oldest().min(kept_from.saturating_sub(1)));
        Ok(())
    }
}

fn of_secrets(rows: Vec<OutboxRow>) -> Vec<SecretChange> {
    let change = |row: OutboxRow| {
        Some(SecretChange {
            fingerprint: row.fingerprint?,
            generation: row.generation,
            narrowing: row.narrowing,
            entries_of_mutation: row.entries_of_mutation,
            state: row.state,
        })
    };
    rows.into_iter().filter_map(change).collect()
}

impl Drop for State<'_> {
    /// A build that nobody waits for must not go on staging objects.
    fn drop(&mut self) {
        if let Some(building) = &self.building {
            building.abort();
        }
    }
}

/// The tree that is being built, or nothing ever.
pub(super) async fn finished(
    building: &mut Option<JoinHandle<Result<BuiltTree, PublishError>>>,
) -> Result<BuiltTree, PublishError> {
    match building {
        Some(task) => {
            let built = task.await.unwrap_or(Err(PublishError::Mismatch { what: "tree builder" }));
            *building = None;
            built
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
