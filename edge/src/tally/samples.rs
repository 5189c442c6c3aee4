//! Single refusals, so that a request that was refused can be explained by its id: the first few of each
//! kind, then ever fewer, in a ring of which the oldest are overwritten.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::{MAX_SAMPLES, RefusalKind, Sample};

/// How many of a kind are all kept.
const ALL_OF: u32 = 8;

/// Refusals, the newest.
#[derive(Debug)]
pub(super) struct Samples {
    /// But for their time, and that.
    ring: Vec<(Sample, u64)>,
    next: usize,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { ring: Vec::with_capacity(MAX_SAMPLES), next: 0 }
    }

    /// Keeps a refusal, the how manieth of its kind `count` says, if it is one of the first or its number a
    /// power of two.
    pub(super) fn offer(
        &mut self,
        count: u32,
        refusal: RefusalKind,
        fingerprint: Option<Fingerprint>,
        ordinal: u32,
        now: u64,
    ) {
        if count > ALL_OF && !count.is_power_of_two() {
            return;
        }
        let sample = (Sample { ordinal, refusal, fingerprint, ago: 0 }, now);
        if self.ring.len() < MAX_SAMPLES {
            self.ring.push(sample);
        } else {
            self.ring[self.next] = sample;
            self.next = (self.next + 1) % MAX_SAMPLES;
        }
    }

    /// Gives what was kept until now, and begins anew.
    pub(super) fn take(&mut self, until: u64) -> Vec<Sample> {
        self.next = 0;
        self.ring.drain(..).map(|(sample, at)| Sample { ago: until.saturating_sub(at), ..sample }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: u64 = 1_700_000_000_000;

    fn ordinals(samples: &mut Samples) -> Vec<u32> {
        samples.take(UNTIL).iter().map(|sample| sample.ordinal).collect()
    }

    fn offer(samples: &mut Samples, count: u32, ordinal: u32) {
        let malformed = RefusalKind::from_code(2).expect("a reason");
        samples.offer(count, malformed, None, ordinal, UNTIL - u64::from(ordinal));
    }

    #[test]
    fn the_first_of_a_kind_are_kept_then_ever_fewer() {
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
            assert_eq!(kept, (300 * round - 128..300 * round).collect::<Vec<_>>());
        }
    }
}
