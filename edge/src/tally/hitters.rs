//! What is refused most, in little room: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient Computation
//! of Frequent and Top-k Elements in Data Streams", 2005).
//!
//! Of `n` refusals, whatever was refused more than `n / 64` times for one reason is told, and for each that
//! is told `count - error <= truth <= count`. Strangers choose what is counted here, and how much of it;
//! they cannot make it grow.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::{Hitter, MAX_HITTERS, RefusalKind};

/// The refusals of some secrets, each by its reason.
#[derive(Debug)]
pub(super) struct Hitters {
    counted: Vec<Counted>,
    /// The least count there was, and where the next one with it may be: those before have more, and
    /// counts only rise. So a flood of strangers does not search for it each time.
    least: u32,
    from: usize,
}

#[derive(Debug)]
struct Counted {
    /// But for its time.
    hitter: Hitter,
    last_at: u64,
}

impl Hitters {
    pub(super) fn new() -> Self {
        Self { counted: Vec::with_capacity(MAX_HITTERS), least: 0, from: 0 }
    }

    /// Counts a refusal of the instance's request `ordinal`. Gives how often it was counted so far, at least.
    pub(super) fn count(&mut self, fingerprint: Fingerprint, refusal: RefusalKind, ordinal: u32, now: u64) -> u32 {
        // Of so many bytes a comparison is a call in WebAssembly, and of a number none.
        let number = |fingerprint: &Fingerprint| u128::from_ne_bytes(*fingerprint.as_bytes());
        let wanted = number(&fingerprint);
        let is_same =
            |Counted { hitter, .. }: &Counted| number(&hitter.fingerprint) == wanted && hitter.refusal == refusal;
        let at = match self.counted.iter().position(is_same) {
            Some(at) => at,
            None => self.place(fingerprint, refusal, ordinal, now),
        };
        let Counted { hitter, last_at } = &mut self.counted[at];
        hitter.count = hitter.count.saturating_add(1);
        hitter.last = ordinal;
        *last_at = now;
        hitter.count - hitter.error
    }

    /// Makes a place, that of the least one where there are enough: the new one may have been counted as
    /// often before.
    fn place(&mut self, fingerprint: Fingerprint, refusal: RefusalKind, ordinal: u32, now: u64) -> usize {
        let mut new = Counted {
            hitter: Hitter { fingerprint, refusal, count: 0, error: 0, first: ordinal, last: ordinal, last_ago: 0 },
            last_at: now,
        };
        if self.counted.len() < MAX_HITTERS {
            self.counted.push(new);
            return self.counted.len() - 1;
        }
        let at = self.least();
        let least = self.counted[at].hitter.count;
        (new.hitter.count, new.hitter.error) = (least, least);
        self.counted[at] = new;
        at
    }

    /// Where one is that was counted least.
    fn least(&mut self) -> usize {
        let has_least = |counted: &Counted| counted.hitter.count == self.least;
        let next = self.counted[self.from..].iter().position(has_least).map(|ahead| self.from + ahead);
        self.from = next.unwrap_or_else(|| {
            self.least = self.counted.iter().map(|counted| counted.hitter.count).min().unwrap_or_default();
            let least = self.least;
            self.counted.iter().position(|counted| counted.hitter.count == least).unwrap_or_default()
        });
        self.from
    }

    /// Gives what was counted until now, and begins anew.
    pub(super) fn take(&mut self, until: u64) -> Vec<Hitter> {
        (self.least, self.from) = (0, 0);
        let told = self.counted.drain(..);
        told.map(|Counted { hitter, last_at }| Hitter { last_ago: until.saturating_sub(last_at), ..hitter }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::tests::fingerprint;
    use super::*;

    const UNTIL: u64 = 1_700_000_000_000;

    /// Refusals of few secrets and of many, each for one of two reasons: a large number is halved as often
    /// as its second tells, so that some come far more often than others.
    fn refusals() -> impl Strategy<Value = Vec<(u32, u8)>> {
        vec(
            (0..4_096_u32, 0..12_u32, 3..5_u8).prop_map(|(secret, halved, reason)| (secret >> halved, reason)),
            0..3_000,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn the_bounds_of_space_saving_hold(refusals in refusals()) {
            let mut hitters = Hitters::new();
            let mut truth: BTreeMap<(Fingerprint, RefusalKind), Vec<u32>> = BTreeMap::new();
            for (ordinal, (secret, reason)) in (1..).zip(&refusals) {
                let refusal = RefusalKind::from_code(*reason).expect("a reason");
                let ordinals = truth.entry((fingerprint(*secret), refusal)).or_default();
                ordinals.push(ordinal);
                let count = hitters.count(fingerprint(*secret), refusal, ordinal, UNTIL - u64::from(ordinal));
                prop_assert!((1..=ordinals.len()).contains(&(count as usize)));
            }
            let told = hitters.take(UNTIL);
            prop_assert!(told.len() <= MAX_HITTERS);
            // Every refusal is counted somewhere, once.
            prop_assert_eq!(told.iter().map(|hitter| hitter.count as usize).sum::<usize>(), refusals.len());
            let least = told.iter().map(|hitter| hitter.count).min().unwrap_or_default();
            prop_assert!(told.iter().all(|hitter| hitter.error <= least), "another than the least gave way");
            for hitter in &told {
                let ordinals = &truth[&(hitter.fingerprint, hitter.refusal)];
                let true_count = u32::try_from(ordinals.len()).expect("few");
                prop_assert!((hitter.count - hitter.error..=hitter.count).contains(&true_count), "{:?}", hitter);
                prop_assert_eq!(Some(&hitter.last), ordinals.last());
                prop_assert!(ordinals.contains(&hitter.first));
                prop_assert_eq!(hitter.last_ago, u64::from(hitter.last));
            }
            for ((fingerprint, refusal), ordinals) in &truth {
                let is_told = told.iter().any(|hitter| hitter.fingerprint == *fingerprint && hitter.refusal == *refusal);
                prop_assert!(is_told || ordinals.len() * MAX_HITTERS <= refusals.len(), "{} are missing", ordinals.len());
            }
            prop_assert!(hitters.take(UNTIL).is_empty());
        }
    }
}
