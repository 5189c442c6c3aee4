//! Writing to Workers KV: the objects a head names first, the head last.
//!
//! Heads come faster than KV takes them (one write a second per key), so only the newest is written.
//! Nothing is written before KV's own head was compared with the record.

use std::sync::Arc;
use std::time::Duration;

use keyward_shared::snapshot::{HeadOrder, ObjectName};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::PublishError;
use super::heads::SignedBytes;
use super::history;
use super::kv::KvApi;
use super::source::Shared;

/// Key of the head in KV.
pub(super) const HEAD_KEY: &str = "head";
/// Bytes of objects in one bulk write, before base64; the API takes 100 MB.
const BULK_BYTES: usize = 16 << 20;
/// Objects in one bulk write: what the API takes.
const BULK_PAIRS: usize = 10_000;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// Until then a write may land that had no answer, or that a superseded publisher began: then the newest head is
/// written once more.
pub(super) const LANDED_BY: Duration = Duration::from_secs(15);

pub(super) struct Uploader {
    kv: Arc<dyn KvApi>,
    shared: Arc<Shared>,
    between_heads: Duration,
    next_head: Instant,
    /// The head that was written last.
    written: Option<HeadOrder>,
    /// When the newest head is written once more: an older one that had no answer may have landed after it.
    again_at: Option<Instant>,
}

impl Uploader {
    /// Writes heads to `kv` from `first` on, each no sooner than `between_heads` after the one before.
    pub(super) fn new(kv: Arc<dyn KvApi>, shared: &Arc<Shared>, between_heads: Duration, first: Instant) -> Self {
        Self { kv, shared: Arc::clone(shared), between_heads, next_head: first, written: None, again_at: None }
    }

    /// Writes every newest head until the publisher stops.
    pub(super) async fn run(mut self, mut heads: watch::Receiver<Option<Arc<SignedBytes>>>) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            if heads.borrow().is_none() && heads.changed().await.is_err() {
                return;
            }
            match self.write_newest(&mut heads).await {
                Ok(()) => {
                    backoff = FIRST_BACKOFF;
                    self.shared.note_kv(None);
                    tokio::select! {
                        changed = heads.changed() => if changed.is_err() {
                            return;
                        },
                        () = at(self.again_at) => {}
                    }
                }
                Err(error @ PublishError::AheadOfRecord(_)) => {
                    self.shared.halt(&error);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, retry_in_ms = backoff.as_millis(), "not written to Workers KV yet");
                    self.shared.note_kv(Some(error.to_string()));
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    async fn write_newest(
        &mut self,
        heads: &mut watch::Receiver<Option<Arc<SignedBytes>>>,
    ) -> Result<(), PublishError> {
        loop {
            let head = heads.borrow_and_update().clone();
            let Some(head) = head else {
                return Ok(());
            };
            let is_again = self.again_at.is_some_and(|at| Instant::now() >= at);
            if self.written.is_some_and(|written| written >= head.news) && !is_again {
                // Workers KV counts each write. Edges that read it get the checkpoint with the next news.
                return Ok(());
            }
            if !self.shared.is_compared() {
                history::compare(self.kv.as_ref(), &self.shared).await?;
            }
            self.write_objects().await?;
            if heads.has_changed().unwrap_or(false) && Instant::now() < self.next_head {
                // A newer one has come while the objects were written, and it is not time yet.
                continue;
            }
            sleep_until(self.next_head).await;
            // The lease may have been lost and taken again meanwhile.
            if heads.has_changed().unwrap_or(false) || !self.shared.is_compared() {
                continue;
            }
            // A newer head on record may have retired objects of this one before they were written, and it may be
            // another's, who publishes by now. So the record is read last.
            let store = &self.shared.store;
            let Some(recorded) = store.recorded_head().await?.filter(|recorded| recorded.order == head.order) else {
                heads.changed().await.map_err(|_| PublishError::Superseded)?;
                continue;
            };
            if recorded.compared < Some(head.order) {
                // It was recorded while KV was being compared. In KV, a successor would take it for one of a
                // history that is lost.
                store.mark_head_compared().await?;
            }
            if self.shared.may_be_superseded() {
                return Err(PublishError::Superseded);
            }
            let began = Instant::now();
            if let Err(error) = self.kv.put(HEAD_KEY, head.bytes.clone()).await {
                if error.may_be_done() {
                    // What KV has now, nobody knows.
                    self.written = None;
                    self.again_at = Some(Instant::now() + LANDED_BY);
                }
                return Err(error.into());
            }
            self.again_at.take_if(|at| began >= *at);
            self.next_head = Instant::now() + self.between_heads;
            store.mark_head_sent(head.order, self.shared.now()).await?;
            self.shared.note_sent(head.order);
            self.written = Some(head.order);
            return Ok(());
        }
    }

    async fn write_objects(&mut self) -> Result<(), PublishError> {
        loop {
            let mut unsent = self.shared.store.unsent_objects(BULK_BYTES).await?;
            if unsent.is_empty() {
                return Ok(());
            }
            unsent.truncate(BULK_PAIRS);
            let pairs: Vec<_> = unsent.into_iter().map(|(name, bytes)| (name, (name.kv_key(), bytes))).collect();
            let (names, pairs): (Vec<ObjectName>, Vec<_>) = pairs.into_iter().unzip();
            let refused = self.kv.put_bulk(&pairs).await?;
            let sent: Vec<_> = names.into_iter().filter(|name| !refused.contains(&name.kv_key())).collect();
            self.shared.store.mark_objects_sent(&sent, self.shared.now()).await?;
            if !refused.is_empty() {
                return Err(PublishError::PartlyRefused { refused: refused.len() });
            }
        }
    }
}

/// Until then, or for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
