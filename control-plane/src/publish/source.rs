//! What the publisher shares with those who ask it: the newest head, objects, how publishing stands.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_shared::snapshot::{HeadOrder, ObjectName};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::PublishError;
use super::heads::{HeadSigner, SignedBytes};
use crate::api::snapshot::{HeadBytes, SnapshotError, SnapshotSource, SnapshotStatus};
use crate::clock::Clock;
use crate::domain::change::Generation;
use crate::domain::time::UnixMillis;
use crate::lifecycle::notary::Witness;
use crate::receipts::Receipts;
use crate::store::publication::{Publication, RecordedHead};
use crate::store::{AuditStore, Store, StoreError, TreeState};

/// What the publisher is told of changes: that some were committed, and how far the audit log has come.
#[async_trait]
pub trait Commits: Send + Sync {
    /// The newest generation that this process committed; changes when one commits.
    fn committed(&self) -> watch::Receiver<Generation>;

    /// The number of the newest event that this process logged; changes when one is.
    fn logged(&self) -> watch::Receiver<u64>;

    /// The newest generation that is committed.
    async fn generation(&self) -> Result<Generation, StoreError>;

    /// The audit log's tree, with the events of other processes.
    async fn tree(&self) -> Result<TreeState, StoreError>;
}

#[async_trait]
impl<T: Store> Commits for T {
    fn committed(&self) -> watch::Receiver<Generation> {
        Store::committed(self)
    }

    fn logged(&self) -> watch::Receiver<u64> {
        AuditStore::logged(self)
    }

    async fn generation(&self) -> Result<Generation, StoreError> {
        Store::generation(self).await
    }

    async fn tree(&self) -> Result<TreeState, StoreError> {
        AuditStore::tree(self).await
    }
}

/// A database that the publisher reads from: both of its sides.
pub trait PublicationStore: Commits + Publication {}

impl<T: Commits + Publication> PublicationStore for T {}

#[derive(Default)]
struct Condition {
    halted: Option<String>,
    building: Option<String>,
    kv: Option<String>,
    /// Why the audit log is not signed.
    log: Option<String>,
    /// How often this process has taken the lease.
    tenures: u64,
    /// In which of those times KV's head was found to stand no higher than the record.
    compared_in: Option<u64>,
    sent: Option<(HeadOrder, UnixMillis)>,
    served_at: Option<UnixMillis>,
    /// Until when nobody else can have taken the lease.
    leased_until: Option<Instant>,
}

/// What the publisher's tasks and its handle share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn PublicationStore>,
    pub(super) signer: HeadSigner,
    pub(super) witness: Arc<dyn Witness>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) has_kv: bool,
    pub(super) head: watch::Sender<Option<Arc<SignedBytes>>>,
    condition: Mutex<Condition>,
}

impl Shared {
    pub(super) fn new(
        store: Arc<dyn PublicationStore>,
        signer: HeadSigner,
        (witness, receipts): (Arc<dyn Witness>, Arc<Receipts>),
        clock: Arc<dyn Clock>,
        has_kv: bool,
    ) -> Self {
        if has_kv {
            witness.hold();
        }
        Self {
            store,
            signer,
            witness,
            receipts,
            clock,
            has_kv,
            head: watch::Sender::new(None),
            condition: Mutex::default(),
        }
    }

    /// Knows what is on record.
    pub(super) fn inherit(&self, recorded: Option<&RecordedHead>) {
        self.with(|condition| condition.sent = recorded.and_then(|recorded| recorded.sent));
    }

    /// The lease was taken. Others may have published in the meantime, and the database may be an older
    /// one of itself by now: KV is compared again before anything is written to it.
    pub(super) fn take_over(&self, recorded: Option<&RecordedHead>) {
        self.inherit(recorded);
        self.with(|condition| {
            condition.tenures += 1;
            if self.has_kv {
                self.witness.hold();
            }
        });
    }

    /// The how manieth time it is that this process has the lease.
    pub(super) fn tenure(&self) -> u64 {
        self.with(|condition| condition.tenures)
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Serves a head from now on. It does nothing once publishing has stopped, which it may have while the head
    /// was made.
    pub(super) fn serve(&self, head: SignedBytes) {
        let now = self.now();
        self.with(|condition| {
            if condition.halted.is_none() {
                condition.served_at = Some(now);
                self.head.send_replace(Some(Arc::new(head)));
            }
        });
    }

    /// Nobody else can take the lease until then.
    pub(super) fn note_lease(&self, until: Instant) {
        self.with(|condition| condition.leased_until = Some(until));
    }

    /// Another may publish by now: the lease could not be lengthened for as long as it lasts, and who would
    /// have taken it could not tell. Where no other process can, it does not matter.
    pub(super) fn may_be_superseded(&self) -> bool {
        let until = self.with(|condition| condition.leased_until);
        !self.store.is_alone() && until.is_none_or(|until| Instant::now() >= until)
    }

    /// Serves no head any more: another publishes now, and an edge that asks here would take an old head
    /// for the newest.
    pub(super) fn withdraw(&self) {
        self.head.send_replace(None);
        self.with(|condition| condition.served_at = None);
    }

    /// Stops publishing, until an operator has decided.
    pub(super) fn halt(&self, why: &PublishError) {
        tracing::error!(%why, "publishing stops");
        self.with(|condition| {
            condition.halted = Some(why.to_string());
            self.head.send_replace(None);
        });
    }

    /// Notes that KV's head does not stand above the record, in the record too: for what was served in
    /// the meantime, and for every head from now on. What was looked at before the lease was lost and
    /// taken again tells nothing. Where the record cannot be had, KV is compared again.
    pub(super) async fn note_compared(&self, tenure: u64) -> Result<(), StoreError> {
        if self.tenure() != tenure {
            return Ok(());
        }
        self.store.mark_head_compared().await?;
        self.with(|condition| {
            if condition.tenures == tenure {
                condition.compared_in = Some(tenure);
                self.witness.let_go();
            }
        });
        Ok(())
    }

    pub(super) fn is_compared(&self) -> bool {
        self.with(|condition| condition.compared_in == Some(condition.tenures))
    }

    pub(super) fn is_halted(&self) -> bool {
        self.with(|condition| condition.halted.is_some())
    }

    pub(super) fn note_build(&self, error: Option<String>) {
        self.with(|condition| condition.building = error);
    }

    pub(super) fn note_kv(&self, error: Option<String>) {
        self.with(|condition| condition.kv = error);
    }

    pub(super) fn note_log(&self, error: Option<String>) {
        self.with(|condition| condition.log = error);
    }

    pub(super) fn note_sent(&self, order: HeadOrder) {
        let now = self.now();
        self.with(|condition| {
            // A write from before the lease was lost and taken again may be acknowledged late.
            if condition.sent.is_none_or(|(sent, _)| sent <= order) {
                condition.sent = Some((order, now));
            }
        });
    }

    /// The newest head that every edge can read: where some read it from Workers KV, the newest there.
    pub(super) fn readable(&self) -> Option<HeadOrder> {
        if self.has_kv {
            self.with(|condition| condition.sent).map(|(order, _)| order)
        } else {
            self.head.borrow().as_ref().map(|head| head.order)
        }
    }

    fn with<T>(&self, step: impl FnOnce(&mut Condition) -> T) -> T {
        step(&mut self.condition.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SnapshotSource for Shared {
    async fn head(&self) -> Option<Arc<HeadBytes>> {
        if self.may_be_superseded() {
            // An edge would take it for the newest.
            return None;
        }
        let head = self.head.borrow().clone()?;
        Some(Arc::new(HeadBytes { bytes: head.bytes.clone(), etag: head.etag.clone() }))
    }

    async fn object(&self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        let Ok(name) = name.parse::<ObjectName>() else {
            return Ok(None);
        };
        self.store.object(&name).await.map_err(|error| SnapshotError(Box::new(error)))
    }

    fn halted(&self) -> Option<String> {
        self.with(|condition| condition.halted.clone())
    }

    async fn status(&self) -> Result<SnapshotStatus, SnapshotError> {
        let failed = |error| SnapshotError(Box::new(error));
        let generation = self.store.generation().await.map_err(failed)?.0;
        let totals = self.store.object_totals().await.map_err(failed)?;
        let head = self.head.borrow().clone();
        let (published, last_error) = self.with(|condition| {
            let served = head.as_ref().map(|head| head.order).zip(condition.served_at);
            let published = if self.has_kv { condition.sent } else { served };
            (
                published,
                [&condition.halted, &condition.building, &condition.kv, &condition.log]
                    .into_iter()
                    .find_map(Clone::clone),
            )
        });
        Ok(SnapshotStatus {
            generation,
            published_generation: published.map_or(0, |(order, _)| order.generation),
            published_at: published.map(|(_, at)| at),
            tree_generation: head.map_or(0, |head| head.tree_generation),
            objects: totals.objects,
            bytes: totals.bytes,
            last_error,
        })
    }
}
