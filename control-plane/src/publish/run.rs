//! The publisher itself: wakes when something commits, makes heads at once and trees beside them.
//!
//! One task makes heads. A tree is built in a task of its own, so that a revocation never queues
//! behind it. What a head says is recorded before the head is served.

use std::sync::Arc;
use std::time::Duration;

use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::SigningKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zeroize::Zeroizing;

use super::builder::BuildFor;
use super::collect::Collector;
use super::error::PublishError;
use super::heads::HeadSigner;
use super::history;
use super::kv::KvApi;
use super::pace::Paced;
use super::source::{PublicationStore, Shared};
use super::state::{Occasion, State, finished};
use super::upload::{LANDED_BY, Uploader};
use crate::api::snapshot::SnapshotSource;
use crate::clock::Clock;
use crate::domain::time::UnixMillis;
use crate::lifecycle::notary::Witness;
use crate::receipts::Receipts;

/// Between two heads: four a second.
const BETWEEN_HEADS: Duration = Duration::from_millis(250);
const LEASE: Duration = Duration::from_secs(30);
const LEASE_RENEWAL: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
/// Until the audit log is signed again after that went wrong, or took too long.
const SIGN_AGAIN: Duration = Duration::from_secs(5);
/// How long a signature is waited for where no head takes it along.
const SIGNING: Duration = Duration::from_secs(2);
/// A start waits for KV's answer no longer than this: edges wait for its first head.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// How the publisher is set up.
pub struct PublishOptions {
    /// Name of the deployment.
    pub deployment: String,
    /// Seed of the Ed25519 key that heads are signed with.
    pub signing_seed: Zeroizing<[u8; 32]>,
    /// The pepper that fingerprints were made with.
    pub pepper: PepperId,
    /// The KV namespace, or nothing for the http lane alone.
    pub kv: Option<Arc<dyn KvApi>>,
    /// How long a head may be used.
    pub head_ttl: Duration,
    /// How often the head is signed anew when nothing changes.
    pub heartbeat: Duration,
    /// How long an event of the audit log may go without a checkpoint that holds it.
    pub checkpoint_every: Duration,
    /// Between two heads written to KV.
    pub kv_min_interval: Duration,
    /// How long edges have to load what they use of a tree of another depth before heads name it.
    pub warm_up: Duration,
    /// How many records a leaf is aimed at, for the whole of it to be of a size that edges like to load.
    pub leaf_records: u64,
    /// How often objects are collected that no usable head names.
    pub collect_every: Duration,
    /// Names this process in the lease.
    pub holder: String,
}

/// The publisher, ready to run.
pub struct Publisher {
    pub(super) shared: Arc<Shared>,
    pub(super) options: PublishOptions,
    kv: Option<Arc<dyn KvApi>>,
}

/// What outlasts an interruption.
#[derive(Default)]
struct Kept {
    epoch: Option<u64>,
    /// When events of the audit log will have gone without a checkpoint for as long as they may.
    checkpoint_due: Option<Instant>,
    /// When a head is made though it says nothing new; at once where there is none of this epoch.
    heartbeat: Option<Instant>,
    /// When that is, for who has just taken over: a superseded publisher's write may have come late.
    second_write: Option<Instant>,
}

/// A running publisher.
pub struct PublisherHandle {
    shared: Arc<Shared>,
    holder: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl PublisherHandle {
    /// What the API asks of it.
    pub fn source(&self) -> Arc<dyn SnapshotSource> {
        Arc::clone(&self.shared) as Arc<dyn SnapshotSource>
    }

    /// Stops publishing and gives the lease back. What is not published yet is on the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the publisher did not stop cleanly");
        }
        if let Err(error) = self.shared.store.release_lease(&self.holder).await {
            tracing::warn!(%error, "the lease was not given back; it runs out by itself");
        }
    }
}

impl Publisher {
    /// A publisher over `store`, whose heads carry what `witness` signs of the audit log and say whether
    /// somebody waits for `receipts`. Reads what was published last; takes nothing yet.
    pub async fn new(
        store: Arc<dyn PublicationStore>,
        (witness, receipts): (Arc<dyn Witness>, Arc<Receipts>),
        clock: Arc<dyn Clock>,
        options: PublishOptions,
    ) -> Result<Self, PublishError> {
        let key = SigningKey::from_seed(&options.signing_seed);
        let signer = HeadSigner::new(options.deployment.clone(), key).ok_or(PublishError::Mismatch { what: "key" })?;
        let kv = options.kv.clone().map(|kv| Arc::new(Paced::new(kv)) as Arc<dyn KvApi>);
        let recorded = store.recorded_head().await?;
        let shared = Shared::new(store, signer, (witness, receipts), clock, kv.is_some());
        shared.inherit(recorded.as_ref());
        Ok(Self { shared: Arc::new(shared), options, kv })
    }

    /// Starts publishing.
    pub fn spawn(self) -> PublisherHandle {
        let (stop, stopped) = watch::channel(false);
        let (shared, holder) = (Arc::clone(&self.shared), self.options.holder.clone());
        let task = tokio::spawn(self.run(stopped));
        PublisherHandle { shared, holder, stop, task }
    }

    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let collector = Collector {
            shared: Arc::clone(&self.shared),
            kv: self.kv.clone(),
            holder: self.options.holder.clone(),
            every: self.options.collect_every,
        };
        let collector = tokio::spawn(collector.run());
        let uploader = self.kv.clone().map(|kv| {
            let between_heads = self.options.kv_min_interval;
            // Whoever published before may have written one just now.
            let uploader = Uploader::new(kv, &self.shared, between_heads, Instant::now() + between_heads);
            tokio::spawn(uploader.run(self.shared.head.subscribe()))
        });
        let mut kept = Kept::default();
        loop {
            let error = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                result = self.publish(&mut kept) => match result {
                    Ok(never) => match never {},
                    Err(error) => error,
                },
            };
            if matches!(error, PublishError::ClockSetBack { .. }) {
                // Heads of a new epoch go by the clock as it is now.
                kept.epoch = None;
            }
            if matches!(error, PublishError::Superseded) {
                self.shared.withdraw();
            }
            tracing::error!(%error, "publishing is interrupted; it starts again from what is recorded");
            self.shared.note_build(Some(error.to_string()));
            // What goes wrong with heads is nothing to the log.
            self.sign_log(self.options.checkpoint_every).await;
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                () = sleep(RETRY) => {}
            }
        }
        collector.abort();
        if let Some(uploader) = uploader {
            uploader.abort();
        }
        // What came since the last head, for whoever looks at the database meanwhile.
        self.sign_log(Duration::ZERO).await;
    }

    /// Signs the audit log where no head does, unless it was signed more lately than that.
    async fn sign_log(&self, least: Duration) {
        let signing = self.shared.witness.checkpoint(self.shared.now(), millis(least));
        let error = match timeout(SIGNING, signing).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it takes long".to_owned(),
        };
        tracing::warn!(error, "the audit log is not signed");
    }

    /// Publishes until something goes wrong.
    async fn publish(&self, kept: &mut Kept) -> Result<core::convert::Infallible, PublishError> {
        let shared = &self.shared;
        let now = shared.now();
        // Before the epoch changes, for that is an event.
        let mut logged = shared.store.logged();
        let epoch = match kept.epoch {
            // A new one for each time that something goes wrong would fill the audit log.
            Some(epoch) if self.renew_lease().await? => epoch,
            lost => {
                if lost.is_some() {
                    // Another has had the lease, and may have published.
                    shared.withdraw();
                }
                // Nor is the old epoch used again where the answer to this is lost: the lease would be renewed then.
                kept.epoch = None;
                let began = Instant::now();
                let acquired = shared.store.acquire_lease(&self.options.holder, now, lease_until(now)).await?;
                let epoch = acquired.ok_or(PublishError::Superseded)?;
                shared.note_lease(began + LEASE);
                (kept.heartbeat, kept.second_write) = (None, Some(Instant::now() + LANDED_BY));
                shared.take_over(shared.store.recorded_head().await?.as_ref());
                epoch
            }
        };
        kept.epoch = Some(epoch);
        let built_for = BuildFor {
            deployment: self.options.deployment.clone(),
            pepper: self.options.pepper,
            epoch,
            leaf_records: self.options.leaf_records,
        };
        let resuming = async {
            self.look_at_kv_first().await?;
            State::resume(self, built_for).await
        };
        let mut state = self.holding_lease(resuming).await?;
        if !state.is_served() {
            kept.heartbeat = None;
        }
        let mut committed = shared.store.committed();
        let mut renewal = tokio::time::interval(LEASE_RENEWAL);
        let mut next_head = Instant::now();
        let Kept { checkpoint_due, heartbeat, second_write, .. } = kept;
        // Not at each resumption: where trees fail for good, Workers KV would take a write for each attempt.
        let heartbeat = heartbeat.get_or_insert_with(Instant::now);
        loop {
            if shared.is_halted() {
                // Until it is stopped: what an operator runs then needs this process gone.
                return std::future::pending().await;
            }
            committed.mark_unchanged();
            let occasion = match Instant::now() {
                now if now >= *heartbeat => Occasion::Heartbeat,
                now if checkpoint_due.is_some_and(|due| now >= due) => Occasion::Checkpoint,
                _ => Occasion::News,
            };
            if occasion == Occasion::Checkpoint {
                logged.mark_unchanged();
            }
            let published = state.step(occasion).await?;
            if occasion == Occasion::Checkpoint {
                *checkpoint_due = (!state.log.is_of_then).then(|| Instant::now() + SIGN_AGAIN);
            } else if state.log.is_refused {
                checkpoint_due.get_or_insert_with(|| Instant::now() + SIGN_AGAIN);
            }
            if published || state.waits_for_tree {
                // Also where nothing could be said: otherwise each commit would have everything that
                // waits looked at again.
                next_head = Instant::now() + BETWEEN_HEADS;
            }
            if published && state.newest_is_news() {
                // Another is not written to KV, whose head must be signed anew before it expires.
                *heartbeat = Instant::now() + self.options.heartbeat;
            }
            if published || !state.owes_tree() {
                shared.note_build(None);
            }
            if second_write.is_some_and(|at| Instant::now() >= at) {
                *second_write = None;
                *heartbeat = Instant::now();
            }
            state.start_building_where_due();
            let others = [*second_write, *checkpoint_due, state.build_at()];
            let wake = others.into_iter().flatten().fold(*heartbeat, Instant::min);
            tokio::select! {
                biased;
                _ = renewal.tick() => {
                    self.keep_lease().await?;
                    // Other processes log too, and wake nobody here.
                    if checkpoint_due.is_none() && shared.store.tree().await?.edge.size() > state.log.events {
                        let since = self.options.checkpoint_every.saturating_sub(LEASE_RENEWAL);
                        *checkpoint_due = Some(Instant::now() + since);
                    }
                }
                built = finished(&mut state.building) => state.adopt(built?).await?,
                _ = committed.changed(), if !state.behind => {}
                _ = logged.changed(), if checkpoint_due.is_none() => {
                    *checkpoint_due = Some(Instant::now() + self.options.checkpoint_every);
                }
                () = sleep_until(wake) => {}
                () = sleep(Duration::ZERO), if state.behind => {}
            }
            sleep_until(next_head).await;
        }
    }
}

impl Publisher {
    /// Lengthens the lease; says whether this is still who has it.
    async fn renew_lease(&self) -> Result<bool, PublishError> {
        let (shared, began) = (&self.shared, Instant::now());
        let renewed = shared.store.renew_lease(&self.options.holder, lease_until(shared.now())).await?;
        if renewed {
            shared.note_lease(began + LEASE);
        }
        Ok(renewed)
    }

    /// Lengthens the lease, which nobody else may have taken.
    pub(super) async fn keep_lease(&self) -> Result<(), PublishError> {
        if self.renew_lease().await? { Ok(()) } else { Err(PublishError::Superseded) }
    }

    /// Does what may take longer than the lease lasts, and keeps the lease meanwhile.
    async fn holding_lease<T>(&self, does: impl Future<Output = Result<T, PublishError>>) -> Result<T, PublishError> {
        let renewals = async {
            loop {
                sleep(LEASE_RENEWAL).await;
                if let Err(error) = self.keep_lease().await {
                    break error;
                }
            }
        };
        tokio::select! {
            biased;
            error = renewals => Err(error),
            done = does => done,
        }
    }

    /// Compares KV's head with the record before anything is served, for a head that edges take over
    /// http is as hard to take back. Where KV does not answer, http is served all the same: the
    /// uploader compares before it writes.
    async fn look_at_kv_first(&self) -> Result<(), PublishError> {
        let shared = &self.shared;
        let Some(kv) = self.kv.as_deref().filter(|_| !shared.is_compared() && !shared.is_halted()) else {
            return Ok(());
        };
        match timeout(FIRST_LOOK, history::compare(kv, shared)).await {
            Ok(Ok(())) => {}
            Ok(Err(error @ PublishError::AheadOfRecord(_))) => shared.halt(&error),
            Err(_) => {
                tracing::warn!("Workers KV takes long to answer; its head is compared before the first write to it");
                shared.note_kv(Some("Workers KV takes long to answer".to_owned()));
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the head in Workers KV cannot be compared yet");
                shared.note_kv(Some(error.to_string()));
            }
        }
        Ok(())
    }
}

fn lease_until(now: UnixMillis) -> UnixMillis {
    UnixMillis::from_millis(now.as_millis() + millis(LEASE))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
