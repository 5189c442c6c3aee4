//! Edges as they were last heard from: rows of `edge`.

use async_trait::async_trait;
use keyward_shared::report::{Lanes, State};
use sqlx::FromRow;

use super::error::failed;
use super::json;
use super::{SqliteStore, receipts, refusals, reports};
use crate::domain::time::UnixMillis;
use crate::domain::usage::UsageBounds;
use crate::store::StoreError;
use crate::store::edges::{Edge, EdgePosition, EdgeStore, HeldHead, Receipt, ReceiptQuery, Received, Taken};
use crate::store::refusals::{MostRefused, RefusalSample, RefusedQuery};

const PAGE: &str = include_str!("sql/edges/page.sql");

/// In `edge.lanes`: it reads from Workers KV.
pub(super) const LANE_KV: i64 = 1;
/// In `edge.lanes`: it reads over http.
pub(super) const LANE_HTTP: i64 = 2;

#[derive(FromRow)]
struct Row {
    id: i64,
    instance: Vec<u8>,
    location: String,
    software: String,
    lanes: i64,
    state: String,
    peppers: String,
    epoch: Option<i64>,
    generation: Option<i64>,
    applied_at: Option<i64>,
    first_seen_at: i64,
    seen_at: i64,
    counters: String,
}

impl Row {
    fn read(self) -> Result<Edge, StoreError> {
        let state = State::ALL.into_iter().find(|state| state.as_str() == self.state);
        let held = self.epoch.zip(self.generation).map(|(epoch, generation)| HeldHead {
            epoch: epoch.cast_unsigned(),
            generation: generation.cast_unsigned(),
            applied_at: self.applied_at.map(UnixMillis::from_millis),
        });
        Ok(Edge {
            id: self.id.cast_unsigned(),
            instance: self.instance.try_into().map_err(|_| StoreError::corrupt("edge.instance"))?,
            location: self.location,
            software: self.software,
            lanes: Lanes { kv: self.lanes & LANE_KV != 0, http: self.lanes & LANE_HTTP != 0 },
            state: state.ok_or(StoreError::corrupt("edge.state"))?,
            peppers: json::read(&self.peppers, "edge.peppers")?,
            held,
            first_seen_at: UnixMillis::from_millis(self.first_seen_at),
            seen_at: UnixMillis::from_millis(self.seen_at),
            counters: json::read(&self.counters, "edge.counters")?,
        })
    }
}

#[async_trait]
impl EdgeStore for SqliteStore {
    async fn take_report(&self, received: &Received, at: UnixMillis) -> Result<Taken, StoreError> {
        reports::take(&self.writer, received, at).await
    }

    async fn edges(&self, since: UnixMillis, after: Option<EdgePosition>, limit: u16) -> Result<Vec<Edge>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(PAGE)
            .bind(since.as_millis())
            .bind(after.map(|place| place.seen_at.as_millis()))
            .bind(after.map(|place| place.id.cast_signed()))
            .bind(limit)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed)?;
        rows.into_iter().map(Row::read).collect()
    }

    async fn applied_by_live(&self, now: UnixMillis) -> Result<Option<u64>, StoreError> {
        receipts::applied_by_live(&mut *self.reader().await?, now).await
    }

    async fn receipt(&self, query: &ReceiptQuery) -> Result<Option<Receipt>, StoreError> {
        receipts::receipt(self, query).await
    }

    async fn usage_bounds(&self, now: UnixMillis) -> Result<Option<UsageBounds>, StoreError> {
        receipts::usage_bounds(&mut *self.reader().await?, now).await
    }

    async fn sample(&self, instance: [u8; 10], ordinal: u32) -> Result<Option<RefusalSample>, StoreError> {
        refusals::sample(&mut *self.reader().await?, instance, ordinal).await
    }

    async fn most_refused(&self, query: &RefusedQuery) -> Result<MostRefused, StoreError> {
        refusals::most(&mut *self.reader().await?, query).await
    }

    async fn forget_edges(&self, now: UnixMillis) -> Result<u64, StoreError> {
        receipts::forget(self, now).await
    }
}
