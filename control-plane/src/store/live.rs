//! Live secrets as a build of the tree reads them: many at once, the policies that they share each once.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;

/// Live secrets of some ranges of fingerprints.
#[derive(Debug, Clone, Default)]
pub struct LiveSecrets {
    records: Vec<(Fingerprint, Record, u32)>,
    ends: Vec<usize>,
    policies: Vec<Policy>,
}

impl LiveSecrets {
    /// These secrets, each with the index of its policy: those of the first range up to the first end,
    /// and so on. `None` where an index or an end points nowhere.
    pub fn new(records: Vec<(Fingerprint, Record, u32)>, ends: Vec<usize>, policies: Vec<Policy>) -> Option<Self> {
        let sound = records.iter().all(|(_, _, policy)| (*policy as usize) < policies.len())
            && ends.is_sorted()
            && ends.last().copied().unwrap_or(0) == records.len();
        sound.then_some(Self { records, ends, policies })
    }

    /// The secrets of each range, in the order in which ranges were asked for.
    pub fn ranges(&self) -> impl Iterator<Item = LiveRange<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| LiveRange {
            records: self.records.get(start..end).unwrap_or_default(),
            policies: &self.policies,
        })
    }
}

/// Live secrets of one range of fingerprints.
#[derive(Debug, Clone, Copy)]
pub struct LiveRange<'a> {
    records: &'a [(Fingerprint, Record, u32)],
    policies: &'a [Policy],
}

impl<'a> LiveRange<'a> {
    /// The secrets in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, Record, &'a Policy)> + use<'a> {
        let policies = self.policies;
        self.records.iter().filter_map(move |(fingerprint, record, policy)| {
            Some((*fingerprint, *record, policies.get(*policy as usize)?))
        })
    }
}
