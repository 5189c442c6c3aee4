//! When to load ahead what the next tree will need, and what of it.
//!
//! Pure: told the time and what happened. A busy isolate warms run after run; an idle one does not.

use keyward_shared::snapshot::{Need, ObjectName, Replica};

use super::freshness::is_within;
use super::limits::MAX_WARMED_AT_ONCE;

/// How long a started run counts as running: what runs under `wait_until` can be cut off without a word.
const RUN_MS: u64 = 10_000;
/// After a run that found nothing more to load, or could not load it, the next one begins this much later.
const PAUSE_MS: u64 = 1_000;
/// So many objects that could not be had are asked beyond; more are an outage, and all are asked again.
const MAX_LACKING: usize = 64;

/// The times of warming, milliseconds since the Unix epoch, and what could not be had.
#[derive(Debug, Default)]
pub(crate) struct Warming {
    started_at: Option<u64>,
    /// The next run begins that long after that time.
    rests_from: u64,
    rest_ms: u64,
    lacking: Vec<ObjectName>,
}

impl Warming {
    /// Whether a run should be started, where there is a next tree.
    pub(crate) const fn is_due(&self, now: u64) -> bool {
        let is_running = matches!(self.started_at, Some(started) if is_within(now, started, RUN_MS));
        !is_within(now, self.rests_from, self.rest_ms) && !is_running
    }

    /// Notes that a run was started.
    pub(crate) const fn start(&mut self, now: u64) {
        self.started_at = Some(now);
    }

    /// What to load now of the next tree: nothing that could not be had lately, or one such object would
    /// stand before all others. Once there is nothing else, it may be asked for again.
    pub(crate) fn next(&mut self, replica: &Replica) -> Vec<Need> {
        let mut needs = replica.to_warm(MAX_WARMED_AT_ONCE + self.lacking.len());
        needs.retain(|need| !self.lacking.contains(&need.name));
        needs.truncate(MAX_WARMED_AT_ONCE);
        if needs.is_empty() || self.lacking.len() > MAX_LACKING {
            self.lacking.clear();
        }
        needs
    }

    /// Notes that an object could not be had.
    pub(crate) fn lack(&mut self, name: ObjectName) {
        self.lacking.push(name);
    }

    /// Notes that a run has ended, and whether there may be more to load at once.
    pub(crate) const fn finish(&mut self, now: u64, more: bool) {
        self.started_at = None;
        (self.rests_from, self.rest_ms) = (now, if more { 0 } else { PAUSE_MS });
    }
}

#[cfg(test)]
mod tests {
    use keyward_shared::fingerprint::{Fingerprint, Pepper};
    use keyward_shared::settings::Settings;
    use keyward_shared::snapshot::{Head, LeafBuilder, Lookup, Origin, Place, ReplicaOptions, Shape, Stamp, Tree};

    use super::*;

    #[test]
    fn one_run_at_a_time_and_the_next_at_once_while_there_is_more() {
        let mut warming = Warming::default();
        assert!(warming.is_due(5));
        warming.start(5);
        assert!(!warming.is_due(10_004) && warming.is_due(10_005), "it may have been cut off");
        warming.finish(20, true);
        assert!(warming.is_due(20));
        warming.finish(20, false);
        assert!(!warming.is_due(1_019) && warming.is_due(1_020));
        warming.start(60_000);
        assert!(warming.is_due(1_020), "the clock was set back");
    }

    /// A replica with one leaf in use, whose next tree has `1 << depth` empty leaves.
    fn replica(depth: u8) -> (Replica, Vec<Vec<u8>>) {
        let pepper = Pepper::new([7; 32]);
        let origin = Origin { deployment: "test", pepper: pepper.id() };
        let stamp = Stamp { epoch: 1, generation: 1 };
        let leaves = |depth: u8| -> Vec<_> {
            let leaf = |prefix| LeafBuilder::new(Place { depth, prefix }).finish(origin, stamp).expect("small");
            (0..1 << depth).map(leaf).collect()
        };
        let tree = |leaves: &[Vec<u8>], depth| Tree {
            shape: Shape::of_depth(depth),
            pepper: origin.pepper,
            top: leaves.iter().map(|leaf| ObjectName::of(leaf)).collect(),
        };
        let (now, next) = (leaves(0), leaves(depth));
        let head = Head {
            epoch: 1,
            generation: 1,
            issued_at: 1,
            expires_at: 1_000,
            tree_generation: 1,
            recent_since: 1,
            narrowed_since: 1,
            narrowed_through: 1,
            settings: ObjectName::of(&[]),
            ack_wanted: false,
            checkpoint: Vec::new(),
            tree: tree(&now, 0),
            next: Some(tree(&next, depth)),
            recent: Vec::new(),
        };
        let mut replica = Replica::new(ReplicaOptions {
            deployment: "test".to_owned(),
            peppers: vec![pepper],
            min_epoch: 0,
            cache_bytes: usize::MAX,
        });
        assert_eq!(replica.adopt(head, Settings::default(), 1), Ok(true));
        let any = Fingerprint::from_bytes([0; Fingerprint::LEN]);
        let Lookup::Need(need) = replica.lookup(&any, 1) else { panic!("nothing is held yet") };
        replica.insert(&need, now[0].clone()).expect("the leaf");
        replica.promote(&any);
        (replica, next)
    }

    #[test]
    fn what_cannot_be_had_does_not_stand_before_the_rest_and_is_asked_again_at_the_end() {
        let (mut replica, leaves) = replica(3);
        let is_missing = |name| leaves[..3].iter().any(|leaf| ObjectName::of(leaf) == name);
        let mut warming = Warming::default();
        let mut taken = 0;
        loop {
            let needs = warming.next(&replica);
            assert!(needs.len() <= MAX_WARMED_AT_ONCE);
            if needs.is_empty() {
                break;
            }
            for need in needs {
                if is_missing(need.name) {
                    warming.lack(need.name);
                } else {
                    replica.insert(&need, leaves[need.place.prefix as usize].clone()).expect("the leaf");
                    taken += 1;
                }
            }
        }
        assert_eq!(taken, 5);
        assert!(warming.next(&replica).iter().all(|need| is_missing(need.name)));
        assert!(!warming.next(&replica).is_empty());
    }
}
