//! What is true: every secret at every generation, and the keys that people change.
//!
//! Knows no head and no tree, and judges by rules of its own.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};

use crate::chance::Chance;

/// The pepper of the deployment.
pub(crate) const PEPPER: [u8; 32] = [1; 32];
/// Secrets there can be in one story.
pub(crate) const SECRETS: usize = 3_000;

/// A secret as it is shown to an edge.
pub(crate) struct Secret {
    pub(crate) authorization: String,
    pub(crate) fingerprint: Fingerprint,
}

/// The secrets of all stories, which are the same.
pub(crate) fn secrets() -> &'static [Secret] {
    static ALL: OnceLock<Vec<Secret>> = OnceLock::new();
    ALL.get_or_init(|| {
        let (mut chance, pepper) = (Chance::new(0), Pepper::new(PEPPER));
        let mut made = Vec::with_capacity(SECRETS);
        while made.len() < SECRETS {
            let random: [u8; 64] = std::array::from_fn(|_| u8::try_from(chance.below(256)).unwrap_or(0));
            if let Some(key) = ApiKey::generate("kw", &random) {
                let authorization = format!("Basic {}", STANDARD.encode(format!(":{}", key.expose())));
                made.push(Secret { authorization, fingerprint: pepper.fingerprint(&Digest::of(&key)) });
            }
        }
        made
    })
}

/// What a secret is: its record and its policy, or nothing.
pub(crate) type State = Option<(Record, Policy)>;

/// A key as people see it.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) workspace: usize,
    pub(crate) current: usize,
    /// The retiring secret and until when it holds, in seconds.
    pub(crate) retiring: Option<(usize, u32)>,
    pub(crate) disabled: bool,
    pub(crate) paused: bool,
    pub(crate) expires_at: Option<u32>,
    pub(crate) access: Access,
}

impl Key {
    /// What its secrets are.
    pub(crate) fn states(&self, suspended: bool) -> Vec<(usize, State)> {
        let expires = self.expires_at.unwrap_or(u32::MAX);
        let record = |deadline: u32, slot| Record {
            key: self.id,
            member: MemberId::from_u64(self.id.as_u64() + 1),
            deadline: Deadline::at_seconds(deadline),
            slot,
            disabled: self.disabled,
            paused: self.paused && slot == Slot::Retiring,
            suspended,
        };
        let workspace = u64::try_from(self.workspace).unwrap_or(0);
        let policy = Policy {
            workspace: WorkspaceId::from_u64(workspace),
            slug: SlugHash::of(&workspace.to_string()),
            access: self.access,
            apis: Apis::All,
            restrictions: Restrictions::default(),
        };
        let mut states = vec![(self.current, Some((record(expires, Slot::Current), policy.clone())))];
        if let Some((secret, until)) = self.retiring {
            states.push((secret, Some((record(expires.min(until), Slot::Retiring), policy))));
        }
        states
    }
}

/// What a request may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passes, by that key's secret.
    Allowed(KeyId, Slot),
    /// The key is refused, for that reason.
    Refused(&'static str),
    /// Nothing can be told: 503.
    Unavailable(&'static str),
}

/// What a secret's state makes of a request, by the edge's clock.
pub(crate) fn verdict(state: &State, writes: bool, now_ms: u64) -> Verdict {
    let Some((record, policy)) = state else {
        return Verdict::Refused("unknown");
    };
    let is_past = record.deadline.seconds().is_some_and(|second| now_ms >= u64::from(second) * 1_000);
    match record {
        Record { suspended: true, .. } => Verdict::Refused("suspended"),
        Record { disabled: true, .. } => Verdict::Refused("disabled"),
        Record { paused: true, .. } => Verdict::Refused("paused"),
        _ if is_past => Verdict::Refused("expired"),
        _ if writes && policy.access == Access::ReadOnly => Verdict::Refused("read_only_key"),
        _ => Verdict::Allowed(record.key, record.slot),
    }
}

/// A change of one secret.
#[derive(Debug, Clone)]
struct Change {
    generation: u64,
    at: u64,
    /// Its mutation narrows something, and touches no more secrets than one key has.
    urgent: bool,
    state: State,
}

/// Every secret at every generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(BTreeMap<Fingerprint, Vec<Change>>);

impl History {
    pub(crate) fn change(&mut self, fingerprint: Fingerprint, generation: u64, at: u64, urgent: bool, state: State) {
        self.0.entry(fingerprint).or_default().push(Change { generation, at, urgent, state });
    }

    /// What a secret was at `from`, and at each later generation up to `to` that changed it, each with
    /// that generation.
    pub(crate) fn states(&self, fingerprint: &Fingerprint, from: u64, to: u64) -> Vec<(u64, &State)> {
        let all = self.0.get(fingerprint).map(Vec::as_slice).unwrap_or_default();
        let first = all.partition_point(|change| change.generation <= from);
        let before = first.checked_sub(1).and_then(|at| all.get(at));
        let begin = before.map_or((0, &None), |change| (change.generation, &change.state));
        let later = all.iter().skip(first).take_while(|change| change.generation <= to);
        std::iter::once(begin).chain(later.map(|change| (change.generation, &change.state))).collect()
    }

    /// The secrets that were changed last.
    pub(crate) fn newest(&self, count: usize) -> Vec<Fingerprint> {
        let newest = |(fingerprint, all): (&Fingerprint, &Vec<Change>)| Some((all.last()?.generation, *fingerprint));
        let mut all: Vec<_> = self.0.iter().filter_map(newest).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.into_iter().take(count).map(|(_, fingerprint)| fingerprint).collect()
    }

    /// The newest change of a secret that was acknowledged at `at` or before.
    pub(crate) fn acknowledged(&self, fingerprint: &Fingerprint, at: u64, urgent_alone: bool) -> u64 {
        let all = self.0.get(fingerprint).map(Vec::as_slice).unwrap_or_default();
        let known = all.iter().filter(|change| change.at <= at && (change.urgent || !urgent_alone));
        known.map(|change| change.generation).max().unwrap_or(0)
    }
}
