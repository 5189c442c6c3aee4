//! A real database that can be away, that can keep objects waiting, and that says of itself whether it is shared.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::publish::Commits;
use keyward_control_plane::store::publication::{
    LiveKey, NewHead, ObjectTotals, Publication, PublicationView, Raise, RecordedHead,
};
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_control_plane::store::{AuditStore, Store, StoreError, TreeState};
use keyward_shared::snapshot::{HeadOrder, ObjectName};
use tokio::sync::{Semaphore, watch};

pub(super) struct SharedDatabase {
    store: SqliteStore,
    alone: bool,
    pub(super) is_away: AtomicBool,
    /// Whoever has its permit keeps objects waiting.
    pub(super) staging: Semaphore,
    pub(super) is_staging: AtomicBool,
    /// The next answer that tells of a lease that was taken does not arrive.
    pub(super) loses_an_answer: AtomicBool,
    /// How often the lease was renewed.
    pub(super) renewals: AtomicU64,
}

impl SharedDatabase {
    pub(super) fn over(store: &SqliteStore, alone: bool) -> Self {
        Self {
            store: store.clone(),
            alone,
            is_away: AtomicBool::new(false),
            staging: Semaphore::new(1),
            is_staging: AtomicBool::new(false),
            loses_an_answer: AtomicBool::new(false),
            renewals: AtomicU64::new(0),
        }
    }

    fn store(&self) -> Result<&SqliteStore, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the database is away".into()));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl Commits for SharedDatabase {
    fn committed(&self) -> watch::Receiver<Generation> {
        Store::committed(&self.store)
    }

    fn logged(&self) -> watch::Receiver<u64> {
        AuditStore::logged(&self.store)
    }

    async fn generation(&self) -> Result<Generation, StoreError> {
        Store::generation(self.store()?).await
    }

    async fn tree(&self) -> Result<TreeState, StoreError> {
        AuditStore::tree(self.store()?).await
    }
}

#[async_trait]
impl Publication for SharedDatabase {
    fn is_alone(&self) -> bool {
        self.alone
    }

    async fn view(&self) -> Result<Box<dyn PublicationView>, StoreError> {
        self.store()?.view().await
    }

    async fn acquire_lease(&self, holder: &str, now: UnixMillis, until: UnixMillis) -> Result<Option<u64>, StoreError> {
        let acquired = self.store()?.acquire_lease(holder, now, until).await?;
        if self.loses_an_answer.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the connection is gone".into()));
        }
        Ok(acquired)
    }

    async fn renew_lease(&self, holder: &str, until: UnixMillis) -> Result<bool, StoreError> {
        let renewed = self.store()?.renew_lease(holder, until).await?;
        self.renewals.fetch_add(1, Ordering::SeqCst);
        Ok(renewed)
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        self.store()?.release_lease(holder).await
    }

    async fn recorded_head(&self) -> Result<Option<RecordedHead>, StoreError> {
        self.store()?.recorded_head().await
    }

    async fn stage_objects(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StoreError> {
        self.is_staging.store(true, Ordering::SeqCst);
        let _room = self.staging.acquire().await.map_err(|error| StoreError::Unavailable(error.into()))?;
        self.store()?.stage_objects(objects).await
    }

    async fn record_head(&self, holder: &str, head: &NewHead<'_>) -> Result<bool, StoreError> {
        self.store()?.record_head(holder, head).await
    }

    async fn mark_head_compared(&self) -> Result<(), StoreError> {
        self.store()?.mark_head_compared().await
    }

    async fn object(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        self.store()?.object(name).await
    }

    async fn unsent_objects(&self, bytes: usize) -> Result<Vec<(ObjectName, Vec<u8>)>, StoreError> {
        self.store()?.unsent_objects(bytes).await
    }

    async fn mark_objects_sent(&self, names: &[ObjectName], at: UnixMillis) -> Result<(), StoreError> {
        self.store()?.mark_objects_sent(names, at).await
    }

    async fn mark_head_sent(&self, order: HeadOrder, at: UnixMillis) -> Result<(), StoreError> {
        self.store()?.mark_head_sent(order, at).await
    }

    async fn object_totals(&self) -> Result<ObjectTotals, StoreError> {
        self.store()?.object_totals().await
    }

    async fn forget_staged(&self) -> Result<u64, StoreError> {
        self.store()?.forget_staged().await
    }

    async fn forget_outbox(&self, through: u64) -> Result<(), StoreError> {
        self.store()?.forget_outbox(through).await
    }

    async fn collectable(&self, expired_before: UnixMillis, limit: u32) -> Result<Vec<ObjectName>, StoreError> {
        self.store()?.collectable(expired_before, limit).await
    }

    async fn forget_objects(&self, names: &[ObjectName]) -> Result<(), StoreError> {
        self.store()?.forget_objects(names).await
    }

    async fn raise_counters(&self, raise: &Raise) -> Result<(), StoreError> {
        self.store()?.raise_counters(raise).await
    }

    async fn live_keys(&self) -> Result<Vec<LiveKey>, StoreError> {
        self.store()?.live_keys().await
    }
}
