//! The database that publishers share, in memory: what its rows hold, and what becomes of them in one
//! transaction. It never fails by itself and it never waits; its handles do both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyward_control_plane::store::publication::{NewHead, OutboxMark, RecordedHead};
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{Head, HeadOrder, ObjectName};

use crate::truth::{History, State};

/// A row of the outbox; of the settings, where it has no fingerprint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) generation: u64,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) narrowing: bool,
    pub(crate) entries: u64,
}

impl Row {
    pub(crate) fn mark(&self) -> Option<OutboxMark> {
        Some(OutboxMark {
            generation: self.generation,
            fingerprint: self.fingerprint?,
            narrowing: self.narrowing,
            entries_of_mutation: self.entries,
        })
    }
}

/// What a view sees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Committed {
    pub(crate) generation: u64,
    pub(crate) live: Arc<BTreeMap<Fingerprint, (Record, Policy)>>,
    pub(crate) outbox: Arc<Vec<Row>>,
    pub(crate) settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Staged,
    Named,
    /// Since the last head that named it expires.
    Retired(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) standing: Standing,
    pub(crate) sent: bool,
}

/// What is known of a head that was recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadFacts {
    /// What was committed then: no head knows more.
    pub(crate) committed: u64,
    /// The number of the machine that made it.
    pub(crate) holder: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Database {
    pub(crate) committed: Committed,
    /// Views before the newest commit, for who sees commits out of their order.
    pub(crate) before: Committed,
    pub(crate) committed_at: u64,
    pub(crate) epoch: u64,
    /// Of the audit log.
    pub(crate) events: u64,
    /// Who has the lease, and until when.
    pub(crate) lease: Option<(String, i64)>,
    /// When machines lost the lease to another.
    pub(crate) lease_lost_at: BTreeMap<String, u64>,
    pub(crate) head: Option<RecordedHead>,
    /// When the last of all heads expires.
    pub(crate) heads_expire_at: i64,
    pub(crate) objects: BTreeMap<ObjectName, Object>,
    /// Staged objects that were dropped by who woke between lengthening its lease and dropping what nobody
    /// named: another has staged them since.
    pub(crate) dropped: BTreeSet<ObjectName>,
    /// Every head there ever was on record.
    pub(crate) heads: BTreeMap<HeadOrder, HeadFacts>,
    /// Since when heads in KV have named a next tree, by its top.
    pub(crate) next_since: BTreeMap<Vec<ObjectName>, u64>,
    /// What they say, by the hashes of their bytes.
    pub(crate) recorded: BTreeMap<ObjectName, Arc<Head>>,
    pub(crate) history: History,
}

impl Database {
    /// One mutation: what it made of these secrets. Gives its generation.
    pub(crate) fn commit(&mut self, changes: &[(Fingerprint, State)], narrowing: bool, at: u64) -> u64 {
        let generation = self.begin(at);
        let committed = &mut self.committed;
        let entries = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let (live, outbox) = (Arc::make_mut(&mut committed.live), Arc::make_mut(&mut committed.outbox));
        for (fingerprint, state) in changes {
            match state {
                Some(state) => drop(live.insert(*fingerprint, state.clone())),
                None => drop(live.remove(fingerprint)),
            }
            outbox.push(Row { generation, fingerprint: Some(*fingerprint), narrowing, entries });
            self.history.change(*fingerprint, generation, at, narrowing && entries <= 3, state.clone());
        }
        generation
    }

    /// One mutation of the settings.
    pub(crate) fn set(&mut self, settings: Settings, at: u64) -> u64 {
        let generation = self.begin(at);
        self.committed.settings = settings;
        let row = Row { generation, fingerprint: None, narrowing: true, entries: 1 };
        Arc::make_mut(&mut self.committed.outbox).push(row);
        generation
    }

    fn begin(&mut self, at: u64) -> u64 {
        self.before = self.committed.clone();
        self.committed_at = at;
        self.events += 1;
        self.committed.generation += 1;
        self.committed.generation
    }

    pub(crate) fn holds_lease(&self, holder: &str) -> bool {
        self.lease.as_ref().is_some_and(|(held_by, _)| held_by == holder)
    }

    /// The head that was recorded last.
    pub(crate) fn newest(&self) -> Option<&Arc<Head>> {
        self.recorded.get(&ObjectName::of(&self.head.as_ref()?.bytes))
    }

    /// Records a head, what it says, and what it names.
    pub(crate) fn record(&mut self, head: &NewHead<'_>, says: Option<Head>, holder: usize) {
        let expired = self.heads_expire_at;
        if head.afresh {
            for object in self.objects.values_mut().filter(|object| object.standing == Standing::Named) {
                object.standing = Standing::Retired(expired);
            }
        }
        let all = head.named.iter().map(|name| (name, Standing::Named));
        for (name, standing) in all.chain(head.retired.iter().map(|name| (name, Standing::Retired(expired)))) {
            if let Some(object) = self.objects.get_mut(name) {
                object.standing = standing;
            }
        }
        self.heads_expire_at = expired.max(head.expires_at.as_millis());
        let (sent, compared) = self.head.take().map_or((None, None), |before| (before.sent, before.compared));
        let compared = if head.compared { Some(head.order) } else { compared };
        self.head = Some(RecordedHead { bytes: head.bytes.to_vec(), order: head.order, sent, compared });
        if let Some(says) = says {
            self.recorded.insert(ObjectName::of(head.bytes), Arc::new(says));
        }
        self.heads.insert(head.order, HeadFacts { committed: self.committed.generation, holder });
    }
}
