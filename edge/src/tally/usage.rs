//! How often each secret was used since the last report.
//!
//! A table of a fixed size, made once: a call costs a look-up and never memory. Only secrets that the
//! replica knows have a place in it, and a place is found by bits of a fingerprint, which nobody can choose
//! without the pepper: so strangers can neither fill the table nor crowd a part of it. What finds it full is
//! summed up.

use keyward_shared::decision::Refusal;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::record::Slot;
use keyward_shared::report::{MAX_USAGE, OtherUsage, Usage};

/// Two places for each secret, as a power of two: few places are looked at in vain.
const PLACE_BITS: u8 = 13;
const PLACES: usize = 1 << PLACE_BITS;
/// How many decisive calls are remembered, so that they are decisive once.
const REMEMBERED: usize = 64;

const _: () = assert!(PLACES == 2 * MAX_USAGE && MAX_USAGE < u16::MAX as usize);

/// Usage by secret.
#[derive(Debug)]
pub(super) struct UsageTable {
    /// Where each secret's entry is: its index and one more, or 0 for a free place.
    places: Vec<u16>,
    entries: Vec<Entry>,
    others: OtherUsage,
    /// What was decisive last, and where the next goes.
    decisive: [Decisive; REMEMBERED],
    next: usize,
}

/// What a call came to.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    /// How many calls of the secret were refused.
    pub(super) refused: u32,
    /// Whether this one decides something: that a retiring secret is still used, or one that its status
    /// refuses. The first such call of a secret does.
    pub(super) is_decisive: bool,
}

/// The first eight bytes of a secret's fingerprint, and whether its status refused it.
type Decisive = ([u8; 8], bool);

/// Times are milliseconds since the Unix epoch.
#[derive(Debug)]
struct Entry {
    fingerprint: [u8; 8],
    retiring: bool,
    by_status: bool,
    calls: u32,
    refused: u32,
    last: u64,
    /// 0 without one.
    first_denied: u64,
}

impl UsageTable {
    pub(super) fn new() -> Self {
        Self {
            places: vec![0; PLACES],
            entries: Vec::with_capacity(MAX_USAGE),
            others: OtherUsage::default(),
            decisive: [([0; 8], false); REMEMBERED],
            next: 0,
        }
    }

    /// Counts a call with a secret that the replica knows, allowed unless there is a refusal. Gives what is
    /// known of that secret, where it has a place.
    pub(super) fn count(
        &mut self,
        fingerprint: &Fingerprint,
        slot: Slot,
        refusal: Option<Refusal>,
        now: u64,
    ) -> Option<Counted> {
        let by_status = matches!(refusal, Some(Refusal::Unauthorized(reason)) if reason.is_by_status());
        let retiring = slot == Slot::Retiring;
        let decides = by_status || retiring;
        let Some(entry) = self.entry(fingerprint) else {
            self.others.secrets = self.others.secrets.saturating_add(1);
            let sum = if refusal.is_some() { &mut self.others.refused } else { &mut self.others.calls };
            *sum += 1;
            self.others.retiring += u64::from(decides);
            self.others.last = now;
            return None;
        };
        if refusal.is_none() {
            entry.calls = entry.calls.saturating_add(1);
            entry.last = now;
        } else {
            entry.refused = entry.refused.saturating_add(1);
            if entry.calls == 0 {
                entry.last = now;
            }
        }
        if by_status && !entry.by_status {
            entry.first_denied = now;
        }
        let is_new = (retiring && !entry.retiring) || (by_status && !entry.by_status);
        entry.retiring |= retiring;
        entry.by_status |= by_status;
        let (fingerprint, refused) = (entry.fingerprint, entry.refused);
        Some(Counted { refused, is_decisive: is_new && self.remember((fingerprint, by_status)) })
    }

    /// The entry of a secret, made where there is room for another.
    fn entry(&mut self, fingerprint: &Fingerprint) -> Option<&mut Entry> {
        let prefix = prefix(fingerprint);
        let mut at = fingerprint.leading_bits(PLACE_BITS) as usize;
        loop {
            let place = self.places.get_mut(at)?;
            match self.entries.get(usize::from(*place).wrapping_sub(1)) {
                Some(entry) if entry.fingerprint == prefix => return self.entries.get_mut(usize::from(*place) - 1),
                Some(_) => at = (at + 1) % PLACES,
                None if self.entries.len() == MAX_USAGE => return None,
                None => {
                    self.entries.push(Entry {
                        fingerprint: prefix,
                        retiring: false,
                        by_status: false,
                        calls: 0,
                        refused: 0,
                        last: 0,
                        first_denied: 0,
                    });
                    *place = u16::try_from(self.entries.len()).unwrap_or(0);
                    return self.entries.last_mut();
                }
            }
        }
    }

    /// Remembers what was decisive, unless it was already.
    fn remember(&mut self, decisive: Decisive) -> bool {
        let is_new = !self.decisive.contains(&decisive);
        if is_new {
            self.decisive[self.next] = decisive;
            self.next = (self.next + 1) % REMEMBERED;
        }
        is_new
    }

    /// Gives what was counted until now, and begins anew.
    pub(super) fn take(&mut self, until: u64) -> (Vec<Usage>, OtherUsage) {
        self.places.fill(0);
        let usage = self.entries.drain(..).map(|entry| Usage {
            fingerprint: entry.fingerprint,
            retiring: entry.retiring,
            refused_by_status: entry.by_status,
            calls: entry.calls,
            refused: entry.refused,
            last_ago: until.saturating_sub(entry.last),
            first_denied_ago: entry.by_status.then(|| until.saturating_sub(entry.first_denied).max(1)),
        });
        (usage.collect(), core::mem::take(&mut self.others))
    }
}

fn prefix(fingerprint: &Fingerprint) -> [u8; 8] {
    fingerprint.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keyward_shared::decision::Reason;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::tests::fingerprint;
    use super::*;

    const UNTIL: u64 = 1_700_000_000_000;
    const REFUSALS: [Option<Refusal>; 4] = [
        None,
        Some(Refusal::ReadOnlyKey),
        Some(Refusal::Unauthorized(Reason::WrongUser)),
        Some(Refusal::Unauthorized(Reason::Expired)),
    ];

    /// What a plain map would know: every secret that came before there were too many, and a sum.
    #[derive(Default)]
    struct Model {
        usage: BTreeMap<[u8; 8], Usage>,
        others: OtherUsage,
    }

    impl Model {
        fn count(&mut self, fingerprint: [u8; 8], slot: Slot, refusal: Option<Refusal>, at: u64) {
            let (ago, denied) = (UNTIL - at, refusal == REFUSALS[3]);
            if self.usage.len() == MAX_USAGE && !self.usage.contains_key(&fingerprint) {
                let OtherUsage { secrets, calls, refused, last, retiring } = self.others;
                self.others = OtherUsage {
                    secrets: secrets + 1,
                    calls: calls + u64::from(refusal.is_none()),
                    refused: refused + u64::from(refusal.is_some()),
                    last: last.max(at),
                    retiring: retiring + u64::from(denied || slot == Slot::Retiring),
                };
                return;
            }
            let usage = self.usage.entry(fingerprint).or_insert(Usage {
                fingerprint,
                retiring: false,
                refused_by_status: false,
                calls: 0,
                refused: 0,
                last_ago: 0,
                first_denied_ago: None,
            });
            usage.retiring |= slot == Slot::Retiring;
            usage.refused_by_status |= denied;
            usage.calls += u32::from(refusal.is_none());
            usage.refused += u32::from(refusal.is_some());
            if refusal.is_none() || usage.calls == 0 {
                usage.last_ago = ago;
            }
            if denied && usage.first_denied_ago.is_none() {
                usage.first_denied_ago = Some(ago);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

        #[test]
        fn it_counts_as_a_plain_map_would(
            secrets in 1..6_000_u32,
            rounds in vec(vec((any::<u32>(), any::<bool>(), 0..REFUSALS.len()), 0..400), 1..4),
        ) {
            let mut table = UsageTable::new();
            for round in rounds {
                let mut model = Model::default();
                // Each of them once, which may be more than there is room for, and then as it comes.
                let all = (0..secrets).map(|secret| (secret, false, 0));
                let calls = all.chain(round.into_iter().map(|(secret, retiring, refusal)| (secret % secrets, retiring, refusal)));
                for (at, (secret, retiring, refusal)) in (UNTIL - 10_000..).zip(calls) {
                    let fingerprint = fingerprint(secret);
                    let slot = if retiring { Slot::Retiring } else { Slot::Current };
                    table.count(&fingerprint, slot, REFUSALS[refusal], at);
                    model.count(prefix(&fingerprint), slot, REFUSALS[refusal], at);
                }
                let (mut usage, others) = table.take(UNTIL);
                usage.sort_unstable_by_key(|usage| usage.fingerprint);
                prop_assert_eq!(usage, model.usage.into_values().collect::<Vec<_>>());
                prop_assert_eq!(others, model.others);
            }
        }
    }

    #[test]
    fn secrets_whose_places_are_the_same_are_told_apart() {
        let alike = |last: u8| {
            let mut bytes = [0xff; 16];
            bytes[7] = last;
            Fingerprint::from_bytes(bytes)
        };
        let mut table = UsageTable::new();
        for last in 0..=255 {
            for _ in 0..=last {
                table.count(&alike(last), Slot::Current, None, UNTIL);
            }
        }
        let (usage, _) = table.take(UNTIL);
        assert_eq!(usage.len(), 256);
        assert!(usage.iter().all(|usage| usage.calls == u32::from(usage.fingerprint[7]) + 1));
    }

    #[test]
    fn a_secret_is_decisive_again_once_many_others_were() {
        let mut table = UsageTable::new();
        let is_decisive = |table: &mut UsageTable, number| {
            table.count(&fingerprint(number), Slot::Retiring, None, UNTIL).is_some_and(|counted| counted.is_decisive)
        };
        assert!(is_decisive(&mut table, 0) && !is_decisive(&mut table, 0));
        assert!((1..=64).all(|number| is_decisive(&mut table, number)), "each for the first time");
        table.take(UNTIL);
        assert!(!is_decisive(&mut table, 64) && is_decisive(&mut table, 0));
    }
}
