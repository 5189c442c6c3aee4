//! What people do to keys, each change as the product's own verbs would commit it.

use keyward_shared::id::KeyId;
use keyward_shared::policy::Access;
use keyward_shared::settings::Settings;

use crate::sim::{Lane, lock};
use crate::truth::{Key, SECRETS, State, secrets};
use crate::world::World;

/// Workspaces there are.
const WORKSPACES: usize = 3;
/// Until bulk work has come to every edge, in milliseconds.
const CROWDED_MS: u64 = 60_000;

/// For so long KV caches near an edge that something is not there, in milliseconds.
const NOT_THERE_MS: u64 = 30_000;

/// Keys, workspaces, and the next secret that nobody has yet.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    all: Vec<Key>,
    suspended: [bool; WORKSPACES],
    next: usize,
}

impl Keys {
    /// Secrets that are or were in use, and one that never was.
    pub(crate) const fn seen(&self) -> usize {
        self.next + 1
    }

    /// How many keys of a workspace there are.
    pub(crate) fn of(&self, workspace: usize) -> usize {
        self.all.iter().filter(|key| key.workspace == workspace).count()
    }

    fn secret(&mut self) -> Option<usize> {
        let secret = self.next;
        self.next += 1;
        (self.next < SECRETS).then_some(secret)
    }
}

impl World {
    /// The true second of the day, as the API's own clock has it.
    fn second(&self) -> u32 {
        u32::try_from(self.sim.now() / 1_000).unwrap_or(u32::MAX)
    }

    fn commit(&mut self, what: &str, changes: &[(usize, State)], narrowing: bool) {
        let named: Vec<_> = changes
            .iter()
            .filter_map(|(secret, state)| Some((secrets().get(*secret)?.fingerprint, state.clone())))
            .collect();
        if named.len() > 3 {
            self.sim.crowd_until(self.sim.now() + CROWDED_MS);
        }
        let generation = lock(&self.database).commit(&named, narrowing, self.sim.now());
        let first = changes.first().map(|(secret, _)| *secret);
        self.sim.note(format_args!("{generation}: {what}, {} secrets from {first:?}", named.len()));
        self.tell(generation);
    }

    /// Makes so many keys in one mutation.
    pub(crate) fn create(&mut self, count: usize, workspace: Option<usize>) {
        let mut changes = Vec::new();
        for _ in 0..count {
            let id = KeyId::from_u64(u64::try_from(self.keys.next).unwrap_or(0) << 8);
            let Some(current) = self.keys.secret() else { break };
            let access = if self.sim.once_in(2) { Access::ReadOnly } else { Access::ReadWrite };
            let workspace = workspace.unwrap_or(current % WORKSPACES);
            let (retiring, expires_at) = (None, None);
            let key = Key { id, workspace, current, retiring, disabled: false, paused: false, expires_at, access };
            changes.extend(key.states(self.keys.suspended[workspace]));
            self.keys.all.push(key);
        }
        if !changes.is_empty() {
            self.commit("create", &changes, false);
        }
    }

    /// Does something to a key, and says what, and whether it narrows anything.
    fn change(&mut self, does: impl FnOnce(&World, &mut Key) -> Option<(&'static str, bool)>) {
        let count = u64::try_from(self.keys.all.len()).unwrap_or(0);
        if count == 0 {
            return;
        }
        let at = usize::try_from(self.sim.below(count)).unwrap_or(0);
        let Some(mut key) = self.keys.all.get(at).cloned() else { return };
        let suspended = self.keys.suspended[key.workspace];
        let before = key.states(suspended);
        let Some((what, narrowing)) = does(self, &mut key) else { return };
        let after = key.states(suspended);
        let gone = before.iter().filter(|(secret, _)| after.iter().all(|(kept, _)| kept != secret));
        let mut changes: Vec<_> = gone.map(|(secret, _)| (*secret, None)).collect();
        changes.extend(after.into_iter().filter(|state| !before.contains(state)));
        if changes.is_empty() {
            return;
        }
        if let Some(place) = self.keys.all.get_mut(at) {
            *place = key;
        }
        self.commit(what, &changes, narrowing);
    }

    /// Deletes a key: none of its secrets is ever used again.
    pub(crate) fn delete(&mut self) {
        let at = self.sim.index(self.keys.all.len());
        let of = self.keys.all.get(at).map(|key| key.workspace);
        if let Some(workspace) = of {
            self.remove("delete", |place, _| place == at, workspace);
        }
    }

    /// Deletes the keys of a workspace.
    pub(crate) fn delete_all(&mut self, workspace: usize) {
        self.remove("delete all", |_, key| key.workspace == workspace, workspace);
    }

    fn remove(&mut self, what: &str, is_gone: impl Fn(usize, &Key) -> bool, workspace: usize) {
        let (mut changes, mut kept) = (Vec::new(), Vec::new());
        for (place, key) in std::mem::take(&mut self.keys.all).into_iter().enumerate() {
            if is_gone(place, &key) {
                let states = key.states(self.keys.suspended[workspace]);
                changes.extend(states.into_iter().map(|(secret, _)| (secret, None)));
            } else {
                kept.push(key);
            }
        }
        self.keys.all = kept;
        if !changes.is_empty() {
            self.commit(what, &changes, true);
        }
    }

    pub(crate) fn disable(&mut self) {
        self.change(|_, key| {
            key.disabled = true;
            Some(("disable", true))
        });
    }

    pub(crate) fn enable(&mut self) {
        self.change(|_, key| {
            key.disabled = false;
            Some(("enable", false))
        });
    }

    pub(crate) fn rotate(&mut self, grace_s: u32) {
        let Some(secret) = self.keys.secret() else { return };
        self.change(|world, key| {
            let until = world.second() + grace_s;
            key.retiring = (grace_s > 0).then_some((key.current, until));
            (key.current, key.paused) = (secret, false);
            Some(("rotate", true))
        });
    }

    pub(crate) fn finish(&mut self) {
        self.change(|_, key| key.retiring.take().map(|_| ("finish", true)));
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        self.change(|_, key| {
            key.retiring?;
            key.paused = paused;
            Some((if paused { "pause" } else { "resume" }, paused))
        });
    }

    /// Has a key expire in so many seconds, or never.
    pub(crate) fn expire(&mut self, in_s: Option<u32>) {
        self.change(|world, key| {
            let expires_at = in_s.map(|seconds| world.second() + seconds);
            let narrows = expires_at.unwrap_or(u32::MAX) < key.expires_at.unwrap_or(u32::MAX);
            key.expires_at = expires_at;
            Some(("expire", narrows))
        });
    }

    pub(crate) fn set_access(&mut self, access: Access) {
        self.change(|_, key| {
            key.access = access;
            Some(("set access", access == Access::ReadOnly))
        });
    }

    /// Suspends a workspace, or ends that.
    pub(crate) fn suspend(&mut self, workspace: usize) {
        let suspended = !self.keys.suspended[workspace];
        self.keys.suspended[workspace] = suspended;
        let of_it = self.keys.all.iter().filter(|key| key.workspace == workspace);
        let changes: Vec<_> = of_it.flat_map(|key| key.states(suspended)).collect();
        if !changes.is_empty() {
            self.commit(if suspended { "suspend" } else { "activate" }, &changes, suspended);
        }
    }

    /// Sets something that verdicts do not rest on.
    pub(crate) fn set_realm(&mut self) {
        let now = self.sim.now();
        // Of few, so that what was comes back.
        let realm = format!("realm {}", self.sim.below(3));
        let generation = lock(&self.database).set(Settings { realm, ..Settings::default() }, now);
        self.sim.note(format_args!("{generation}: settings"));
        // A head that overtakes its settings in KV is taken when they show, and that they are not there
        // is cached. An edge that nobody has asked for a while judges by what it holds until then.
        self.sim.disturb_until(now + self.setting.kv_late_ms + NOT_THERE_MS, &[Lane::Kv]);
        self.tell(generation);
    }
}
