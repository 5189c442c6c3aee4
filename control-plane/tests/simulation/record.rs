//! What is looked at when a head comes on record: its place in the order, what it says of itself, and
//! whether it may name another tree than the one before.

use std::collections::{BTreeMap, BTreeSet};

use keyward_control_plane::store::publication::NewHead;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::snapshot::{Head, HeadOrder, ObjectName, SigningKey, TrustedKeys};

use crate::database::{Database, HeadFacts, Row, Standing};
use crate::judge::SIGNING_SEED;
use crate::kv::DEPLOYMENT;
use crate::sim::{Invariant, Sim};
use crate::world::WARM_UP;

/// Looks at a head that the machine `holder` records, before it is on record. Gives what it says.
pub(crate) fn look(sim: &Sim, database: &Database, new: &NewHead<'_>, holder: usize) -> Option<Head> {
    look_at_order(sim, database, new.order, holder);
    let Some(head) = read(new.bytes) else {
        sim.violate(Invariant::Record, format_args!("{:?} does not verify", new.order));
        return None;
    };
    if new.afresh && database.head.is_some() {
        sim.violate(Invariant::Record, format_args!("{:?} begins anew, and there is one on record", new.order));
    }
    let is_given_up = |name| database.objects.get(name).is_some_and(|object| object.standing != Standing::Staged);
    if let Some(name) = new.named.iter().find(|name| is_given_up(name)) {
        sim.violate(Invariant::Objects, format_args!("{name} was given up, and is named again"));
    }
    let is_lost = |name: &ObjectName| !database.objects.contains_key(name) && !database.dropped.contains(name);
    if let Some(name) = new.named.iter().find(|name| is_lost(name)) {
        sim.violate(Invariant::Objects, format_args!("{name} is named and not there"));
    }
    look_at_changes(sim, &database.committed.outbox, &head);
    if let Some(before) = database.newest().filter(|before| before.tree.shape != head.tree.shape) {
        look_at_switch(sim, database, before, &head);
    }
    Some(head)
}

fn read(bytes: &[u8]) -> Option<Head> {
    let trusted = TrustedKeys::new(vec![SigningKey::from_seed(&SIGNING_SEED).public()])?;
    Head::verify(bytes, DEPLOYMENT, &trusted).ok()
}

fn look_at_order(sim: &Sim, database: &Database, order: HeadOrder, holder: usize) {
    let newest = database.heads.last_key_value().map(|(order, _)| *order);
    if newest.is_some_and(|newest| newest >= order) {
        sim.violate(Invariant::Record, format_args!("{order:?} is recorded after {newest:?}"));
    }
    let of_another = |(_, facts): (&HeadOrder, &HeadFacts)| facts.holder != holder;
    if database.heads.iter().filter(|(known, _)| known.epoch == order.epoch).any(of_another) {
        sim.violate(Invariant::Record, format_args!("two holders make heads of epoch {}", order.epoch));
    }
    if order.generation > database.committed.generation {
        sim.violate(Invariant::Record, format_args!("{order:?} is of a generation that is not committed"));
    }
}

/// Every change that the tree lacks is carried, every one after a floor as well, and what goes ahead of the
/// generation goes whole.
fn look_at_changes(sim: &Sim, outbox: &[Row], head: &Head) {
    let carried: BTreeMap<Fingerprint, u64> =
        head.recent.iter().map(|entry| (entry.fingerprint, entry.generation)).collect();
    let is_carried = |row: &Row| {
        let entry = row.fingerprint.and_then(|fingerprint| carried.get(&fingerprint));
        row.fingerprint.is_none() || entry.is_some_and(|generation| *generation >= row.generation)
    };
    let floor = |row: &Row| if row.narrowing { head.narrowed_since } else { head.recent_since };
    let ahead: BTreeSet<u64> = carried.values().copied().filter(|generation| *generation > head.generation).collect();
    let must_be = |row: &&Row| {
        if row.generation <= head.generation {
            row.generation > floor(row).min(head.tree_generation)
        } else {
            ahead.contains(&row.generation)
        }
    };
    if let Some(row) = outbox.iter().find(|row| ahead.contains(&row.generation) && !row.narrowing) {
        sim.violate(Invariant::Whole, format_args!("{row:?} narrows nothing, and goes ahead of {:?}", head.order()));
    }
    if let Some(row) = outbox.iter().filter(must_be).find(|row| !is_carried(row)) {
        let (order, tree) = (head.order(), head.tree_generation);
        sim.violate(Invariant::Whole, format_args!("{order:?} over a tree of {tree} does not carry {row:?}"));
    }
}

/// Another tree takes over only when edges had the time to load what they use of it.
fn look_at_switch(sim: &Sim, database: &Database, before: &Head, head: &Head) {
    let (from, to) = (before.tree.shape.levels(), head.tree.shape.levels());
    sim.note(format_args!("the tree goes from {from:?} to {to:?}"));
    let next = before.next.as_ref().filter(|next| next.shape == head.tree.shape);
    let since = next.and_then(|next| database.next_since.get(&next.top)).copied();
    let warm_up = u64::try_from(WARM_UP.as_millis()).unwrap_or(u64::MAX);
    if since.is_none_or(|since| sim.now() < since + warm_up) {
        sim.violate(Invariant::Switch, format_args!("from {from:?} to {to:?} at once; readable since {since:?}"));
    }
}
