//! Single refusals, so that a request that was refused can be explained by its id: the first few of each
//! secret, then ever fewer, in a ring of which the oldest are overwritten. Secrets that the replica knows
//! have one to themselves, or strangers, of whom there can be any number, would leave no room for them.

use keyward_shared::report::{MAX_SAMPLES, Sample};

/// How many of a secret are all kept.
const ALL_OF: u32 = 8;
/// In each of the two rings.
const PLACES: usize = MAX_SAMPLES / 2;

/// Refusals, the newest.
#[derive(Debug)]
pub(super) struct Samples {
    /// Of secrets that the replica knows, and of strangers.
    rings: [Ring; 2],
}

/// But for their time, and that; and where the next goes.
#[derive(Debug)]
struct Ring(Vec<(Sample, u64)>, usize);

impl Samples {
    pub(super) fn new() -> Self {
        Self { rings: [PLACES; 2].map(|places| Ring(Vec::with_capacity(places), 0)) }
    }

    /// Keeps a refusal, the how manieth of its secret `count` says, if it is one of the first or its number a
    /// power of two.
    pub(super) fn offer(&mut self, count: u32, is_known: bool, sample: Sample, now: u64) {
        if count > ALL_OF && !count.is_power_of_two() {
            return;
        }
        let Ring(ring, next) = &mut self.rings[usize::from(!is_known)];
        if ring.len() < PLACES {
            ring.push((sample, now));
        } else {
            ring[*next] = (sample, now);
            *next = (*next + 1) % PLACES;
        }
    }

    /// Gives what was kept until now, and begins anew.
    pub(super) fn take(&mut self, until: u64) -> Vec<Sample> {
        let mut taken = Vec::new();
        for Ring(ring, next) in &mut self.rings {
            *next = 0;
            taken.extend(ring.drain(..).map(|(sample, at)| Sample { ago: until.saturating_sub(at), ..sample }));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use keyward_shared::report::RefusalKind;

    use super::*;

    const UNTIL: u64 = 1_700_000_000_000;

    fn ordinals(samples: &mut Samples) -> Vec<u32> {
        samples.take(UNTIL).iter().map(|sample| sample.ordinal).collect()
    }

    fn offer(samples: &mut Samples, count: u32, ordinal: u32) {
        let malformed = RefusalKind::from_code(2).expect("a reason");
        let sample = Sample { ordinal, refusal: malformed, fingerprint: None, ago: 0 };
        samples.offer(count, false, sample, UNTIL - u64::from(ordinal));
    }

    #[test]
    fn the_first_of_a_secret_are_kept_then_ever_fewer() {
        let mut samples = Samples::new();
        for count in 1..=100 {
            offer(&mut samples, count, 1_000 + count);
        }
        assert_eq!(ordinals(&mut samples), [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64].map(|count| 1_000 + count));
    }

    #[test]
    fn the_newest_overwrite_the_oldest() {
        let mut samples = Samples::new();
        for round in 1..3 {
            for ordinal in 0..300 * round {
                offer(&mut samples, 1, ordinal);
            }
            let mut kept = samples.take(UNTIL);
            kept.sort_unstable_by_key(|sample| sample.ordinal);
            assert!(kept.iter().all(|sample| sample.ago == u64::from(sample.ordinal)));
            let kept: Vec<u32> = kept.iter().map(|sample| sample.ordinal).collect();
            assert_eq!(kept, (300 * round - 64..300 * round).collect::<Vec<_>>());
        }
    }
}
