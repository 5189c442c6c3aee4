//! One view of the database in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_control_plane::store::StoreError;
use keyward_control_plane::store::live::LiveSecrets;
use keyward_control_plane::store::publication::{LiveSecret, OutboxBatch, OutboxMark, OutboxRow, PublicationView};
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::settings::Settings;

use crate::database::{Committed, Row};
use crate::sim::Sim;

/// What is committed as it was at one moment.
pub(crate) struct View {
    pub(crate) committed: Committed,
    /// The last row of a mutation that has many is not there.
    pub(crate) cut: bool,
    pub(crate) sim: Arc<Sim>,
    /// The longest that a read of live secrets takes, in milliseconds.
    pub(crate) read_ms: u64,
}

impl View {
    fn rows_after(&self, generation: u64) -> &[Row] {
        let first = self.committed.outbox.partition_point(|row| row.generation <= generation);
        self.committed.outbox.get(first..).unwrap_or_default()
    }

    fn with_state(&self, row: &Row) -> OutboxRow {
        OutboxRow {
            generation: row.generation,
            fingerprint: row.fingerprint,
            narrowing: row.narrowing,
            entries_of_mutation: row.entries,
            state: row.fingerprint.and_then(|fingerprint| self.committed.live.get(&fingerprint).cloned()),
        }
    }
}

/// At most `limit` rows, of whole mutations only; whether some were cut.
fn whole(mut rows: Vec<Row>, limit: u32) -> (Vec<Row>, bool) {
    let Some(cut) = rows.get(limit as usize).map(|row| row.generation) else {
        return (rows, false);
    };
    rows.truncate(limit as usize + 1);
    rows.retain(|row| row.generation != cut);
    (rows, true)
}

#[async_trait]
impl PublicationView for View {
    fn generation(&self) -> u64 {
        self.committed.generation
    }

    async fn changes_after(&mut self, generation: u64, largest: u32, limit: u32) -> Result<OutboxBatch, StoreError> {
        let after = self.rows_after(generation);
        let is_too_large = |row: &&Row| row.entries > u64::from(largest);
        let first_too_large = after.iter().find(is_too_large).map(|row| row.generation);
        let too_large_narrows = after.iter().filter(is_too_large).any(|row| row.narrowing);
        let mut small: Vec<Row> = after.iter().filter(|row| !is_too_large(row)).copied().collect();
        if self.cut {
            let last = |mutation: &[Row]| mutation.iter().take(mutation.len().max(2) - 1).copied().collect::<Vec<_>>();
            small = small.chunk_by(|a, b| a.generation == b.generation).flat_map(last).collect();
        }
        let (rows, cut) = whole(small, limit);
        let through =
            if cut { rows.last().map_or(generation, |row| row.generation) } else { self.committed.generation };
        let rows = rows.iter().map(|row| self.with_state(row)).collect();
        Ok(OutboxBatch { rows, through, first_too_large, too_large_narrows })
    }

    async fn narrowing_after(
        &mut self,
        generation: u64,
        largest: u32,
        single: u32,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let after = self.rows_after(generation);
        let narrows = after.iter().filter(|row| row.narrowing && row.fingerprint.is_some());
        let narrowing: BTreeSet<u64> = narrows.map(|row| row.generation).collect();
        let wanted = |row: &&Row| row.entries <= u64::from(largest) && narrowing.contains(&row.generation);
        let mut rows: Vec<Row> = after.iter().filter(wanted).copied().collect();
        rows.sort_by_key(|row| (row.entries > u64::from(single), row.generation, row.fingerprint));
        Ok(whole(rows, limit).0.iter().map(|row| self.with_state(row)).collect())
    }

    async fn touched_after(&mut self, generation: u64) -> Result<(Vec<Fingerprint>, bool), StoreError> {
        let after = self.rows_after(generation);
        let touched: BTreeSet<Fingerprint> = after.iter().filter_map(|row| row.fingerprint).collect();
        Ok((touched.into_iter().collect(), after.iter().any(|row| row.fingerprint.is_none())))
    }

    async fn marks_after(&mut self, generation: u64) -> Result<Vec<OutboxMark>, StoreError> {
        Ok(self.rows_after(generation).iter().filter_map(Row::mark).collect())
    }

    async fn live_between(&mut self, from: Fingerprint, to: Fingerprint) -> Result<Vec<LiveSecret>, StoreError> {
        self.sim.pass(0, self.read_ms).await;
        let between = self.committed.live.range(from..=to);
        Ok(between.map(|(fingerprint, (record, policy))| (*fingerprint, *record, policy.clone())).collect())
    }

    async fn live_in(&mut self, ranges: &[(Fingerprint, Fingerprint)]) -> Result<Option<LiveSecrets>, StoreError> {
        self.sim.pass(0, self.read_ms).await;
        let (mut records, mut ends, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for (from, to) in ranges {
            for (fingerprint, (record, policy)) in self.committed.live.range(*from..=*to) {
                let known = policies.iter().position(|known| known == policy);
                let at = known.unwrap_or_else(|| {
                    policies.push(policy.clone());
                    policies.len() - 1
                });
                records.push((*fingerprint, *record, u32::try_from(at).unwrap_or(u32::MAX)));
            }
            ends.push(records.len());
        }
        Ok(LiveSecrets::new(records, ends, policies))
    }

    async fn live_count(&mut self) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.committed.live.len()).unwrap_or(u64::MAX))
    }

    async fn settings(&mut self) -> Result<Settings, StoreError> {
        Ok(self.committed.settings.clone())
    }
}
