//! What the publisher asks of a database: one consistent view of what was committed, and a record of
//! what it published.
//!
//! Apart from [`super::Store`], because the two have nothing in common but the database: no use case
//! publishes, and the publisher changes no key.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{HeadOrder, ObjectName};

use super::StoreError;
use super::live::LiveSecrets;
use crate::domain::audit::AuditEvent;
use crate::domain::time::UnixMillis;

/// A secret and what a snapshot says of it.
pub type LiveSecret = (Fingerprint, Record, Policy);

/// A row of the outbox with what became of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The mutation.
    pub generation: u64,
    /// The secret it touched, or `None` for the settings.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it may have turned an allow into a refusal.
    pub narrowing: bool,
    /// How many rows the mutation has.
    pub entries_of_mutation: u64,
    /// What the secret is as of the view, or `None` where it is final.
    pub state: Option<(Record, Policy)>,
}

/// A row of the outbox by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxMark {
    /// The mutation.
    pub generation: u64,
    /// The secret it touched.
    pub fingerprint: Fingerprint,
    /// Whether it may have turned an allow into a refusal.
    pub narrowing: bool,
    /// How many rows the mutation has.
    pub entries_of_mutation: u64,
}

/// Some rows of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBatch {
    /// The rows.
    pub rows: Vec<OutboxRow>,
    /// Up to where they are complete, mutations that were too large apart.
    pub through: u64,
    /// The first mutation that was too large.
    pub first_too_large: Option<u64>,
    /// Whether it or a later one that was too large narrows something.
    pub too_large_narrows: bool,
}

/// A head as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedHead {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its place in the order.
    pub order: HeadOrder,
    /// The newest that Workers KV acknowledged, and when.
    pub sent: Option<(HeadOrder, UnixMillis)>,
    /// The newest of which it was known that Workers KV held none above it.
    pub compared: Option<HeadOrder>,
}

/// A head on its way into the record.
pub struct NewHead<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its place in the order.
    pub order: HeadOrder,
    /// When it expires.
    pub expires_at: UnixMillis,
    /// Everything up to here is in its tree.
    pub tree_generation: u64,
    /// Objects it is the first to name.
    pub named: &'a [ObjectName],
    /// Objects that it names no more.
    pub retired: &'a [ObjectName],
    /// Whether it names nothing that an earlier head named.
    pub afresh: bool,
    /// Whether it is known that Workers KV holds none above it.
    pub compared: bool,
}

/// Counters that are raised above a lost history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// The epoch.
    pub epoch: u64,
    /// The generation.
    pub generation: u64,
    /// When the last of the older heads expires: what they named is kept until then at least.
    pub expiry: UnixMillis,
    /// The incarnation of the audit log from here on.
    pub incarnation: u32,
    /// What the audit log is told of it.
    pub event: AuditEvent,
}

/// Objects there are, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectTotals {
    /// How many the newest head names, directly or not.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The publisher's side of the database.
#[async_trait]
pub trait Publication: Send + Sync {
    /// Whether no other process can publish from this database while this one does. Else whoever cannot reach it
    /// for as long as the lease lasts has to take itself for superseded.
    fn is_alone(&self) -> bool {
        false
    }

    /// A view of everything that is committed now, unchanged by what commits later.
    async fn view(&self) -> Result<Box<dyn PublicationView>, StoreError>;

    /// Takes the lease until `until`, raising the epoch, which the audit log is told. `None` while another
    /// holds it; where a lock on the data directory says that there is no other, it is taken at once.
    async fn acquire_lease(&self, holder: &str, now: UnixMillis, until: UnixMillis) -> Result<Option<u64>, StoreError>;

    /// Lengthens the lease; `false` where another has taken it.
    async fn renew_lease(&self, holder: &str, until: UnixMillis) -> Result<bool, StoreError>;

    /// Gives the lease back.
    async fn release_lease(&self, holder: &str) -> Result<(), StoreError>;

    /// The newest head on record.
    async fn recorded_head(&self) -> Result<Option<RecordedHead>, StoreError>;

    /// Records objects that a head will name. One that is there already stays as it is.
    async fn stage_objects(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StoreError>;

    /// Records a head and what it names, if `holder` still has the lease; `false` otherwise. An error where an
    /// object that it names was never staged, or is forgotten.
    async fn record_head(&self, holder: &str, head: &NewHead<'_>) -> Result<bool, StoreError>;

    /// Notes of the head on record that Workers KV holds none above it.
    async fn mark_head_compared(&self) -> Result<(), StoreError>;

    /// An object's bytes.
    async fn object(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError>;

    /// Named objects that Workers KV has not acknowledged, up to about `bytes` of them.
    async fn unsent_objects(&self, bytes: usize) -> Result<Vec<(ObjectName, Vec<u8>)>, StoreError>;

    /// Notes that Workers KV acknowledged these objects.
    async fn mark_objects_sent(&self, names: &[ObjectName], at: UnixMillis) -> Result<(), StoreError>;

    /// Notes that Workers KV acknowledged this head, unless it did a newer one.
    async fn mark_head_sent(&self, order: HeadOrder, at: UnixMillis) -> Result<(), StoreError>;

    /// What the newest head names.
    async fn object_totals(&self) -> Result<ObjectTotals, StoreError>;

    /// Drops objects that no head ever named: what a publisher that died had staged.
    async fn forget_staged(&self) -> Result<u64, StoreError>;

    /// Drops rows of the outbox up to this generation.
    async fn forget_outbox(&self, through: u64) -> Result<(), StoreError>;

    /// Objects whose last head expired before `expired_before`, at most `limit`.
    async fn collectable(&self, expired_before: UnixMillis, limit: u32) -> Result<Vec<ObjectName>, StoreError>;

    /// Drops collected objects.
    async fn forget_objects(&self, names: &[ObjectName]) -> Result<(), StoreError>;

    /// Lifts epoch and generation to at least these, and records them in place of the newest head,
    /// so that the next one names a tree of everything, above them.
    async fn raise_counters(&self, raise: &Raise) -> Result<(), StoreError>;

    /// Every secret that is not final, with the key it belongs to, in the order of fingerprints.
    async fn live_keys(&self) -> Result<Vec<LiveKey>, StoreError>;
}

/// A key that has a secret which is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveKey {
    /// The secret.
    pub fingerprint: Fingerprint,
    /// The key.
    pub key: keyward_shared::id::KeyId,
    /// Its workspace.
    pub workspace: keyward_shared::id::WorkspaceId,
    /// Its name.
    pub name: String,
    /// Whether it is disabled already.
    pub disabled: bool,
}

/// One consistent view of what is committed.
#[async_trait]
pub trait PublicationView: Send {
    /// The newest generation of the view.
    fn generation(&self) -> u64;

    /// Rows of the outbox after `generation`, in order, of mutations with at most `largest` rows: at
    /// most `limit` rows, and of whole mutations only.
    async fn changes_after(&mut self, generation: u64, largest: u32, limit: u32) -> Result<OutboxBatch, StoreError>;

    /// Rows after `generation` of mutations that narrow something and have at most `largest` rows, at most
    /// `limit` and of whole mutations only; those with at most `single` rows come first.
    async fn narrowing_after(
        &mut self,
        generation: u64,
        largest: u32,
        single: u32,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError>;

    /// Every fingerprint touched after `generation`, each once; whether the settings were.
    async fn touched_after(&mut self, generation: u64) -> Result<(Vec<Fingerprint>, bool), StoreError>;

    /// What the outbox still has after `generation`, without what became of the secrets.
    async fn marks_after(&mut self, generation: u64) -> Result<Vec<OutboxMark>, StoreError>;

    /// Live secrets from `from` to `to`, both included, in order.
    async fn live_between(&mut self, from: Fingerprint, to: Fingerprint) -> Result<Vec<LiveSecret>, StoreError>;

    /// The same for many ranges at once, or `None` where they would take more memory than a build may
    /// use: then for fewer. One range alone is always given.
    async fn live_in(&mut self, ranges: &[(Fingerprint, Fingerprint)]) -> Result<Option<LiveSecrets>, StoreError>;

    /// How many live secrets there are.
    async fn live_count(&mut self) -> Result<u64, StoreError>;

    /// The settings, routes included.
    async fn settings(&mut self) -> Result<Settings, StoreError>;
}
