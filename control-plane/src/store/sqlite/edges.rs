//! Edges and their reports: rows of `edge` and `edge_applied`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use keyward_shared::report::{Lanes, Report, State};
use serde::Serialize;
use sqlx::FromRow;

use super::SqliteStore;
use super::error::failed;
use super::json;
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::edges::{Edge, EdgePosition, EdgeStore, HeldHead, Taken};

const NEWEST: &str = include_str!("sql/edges/newest.sql");
const PUT: &str = include_str!("sql/edges/put.sql");
const APPLY: &str = include_str!("sql/edges/apply.sql");
const APPLIED_AT: &str = include_str!("sql/edges/applied_at.sql");
const PAGE: &str = include_str!("sql/edges/page.sql");

const LANE_KV: i64 = 1;
const LANE_HTTP: i64 = 2;

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

#[derive(Serialize)]
struct AppliedRow {
    generation: i64,
    epoch: i64,
    at: i64,
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
    async fn take_report(&self, report: &Report, at: UnixMillis) -> Result<Taken, StoreError> {
        let (envelope, body) = (&report.envelope, &report.body);
        let mut transaction = self.writer.transaction().await?;
        let newest: Option<(i64, i64, String)> = sqlx::query_as(NEWEST)
            .bind(&envelope.instance[..])
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let mut counters: BTreeMap<String, u64> = match &newest {
            Some((_, sequence, _)) if *sequence >= i64::from(envelope.sequence) => {
                transaction.roll_back().await?;
                return Ok(Taken::Repeated);
            }
            Some((_, _, counters)) => json::read(counters, "edge.counters")?,
            None => BTreeMap::new(),
        };
        for (counter, count) in &body.counters {
            let sum = counters.entry(counter.as_str().to_owned()).or_default();
            *sum = sum.saturating_add(u64::from(*count));
        }
        let peppers: Vec<String> = body.peppers.iter().map(ToString::to_string).collect();
        let lanes = (i64::from(body.lanes.kv) * LANE_KV) | (i64::from(body.lanes.http) * LANE_HTTP);
        let edge: i64 = sqlx::query_scalar(PUT)
            .bind(&envelope.instance[..])
            .bind(&envelope.location)
            .bind(&body.software)
            .bind(lanes)
            .bind(body.state.as_str())
            .bind(json::write(&peppers, "edge.peppers")?)
            .bind(body.held.map(|held| stored(held.epoch)))
            .bind(body.held.map(|held| stored(held.generation)))
            .bind(body.held.map(|held| stored(held.issued_at)))
            .bind(i64::from(envelope.sequence))
            .bind(at.as_millis())
            .bind(stored(body.since))
            .bind(stored(body.until))
            .bind(envelope.lost.then(|| at.as_millis()))
            .bind(json::write(&counters, "edge.counters")?)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        let applied: Vec<AppliedRow> = body
            .applied
            .iter()
            .map(|applied| AppliedRow {
                generation: stored(applied.generation),
                epoch: stored(applied.epoch),
                at: stored(applied.at),
            })
            .collect();
        if !applied.is_empty() {
            let applied = json::write(&applied, "edge_applied")?;
            sqlx::query(APPLY).bind(edge).bind(applied).execute(&mut *transaction).await.map_err(failed)?;
        }
        sqlx::query(APPLIED_AT).bind(edge).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await?;
        Ok(Taken::New)
    }

    async fn edges(&self, since: UnixMillis, after: Option<EdgePosition>, limit: u16) -> Result<Vec<Edge>, StoreError> {
        self.edge_page(since, after, i64::from(limit)).await
    }

    async fn live_edges(&self, now: UnixMillis) -> Result<Vec<Edge>, StoreError> {
        let mut edges = self.edge_page(Edge::live_since(now), None, NO_LIMIT).await?;
        edges.retain(|edge| edge.is_live(now));
        Ok(edges)
    }
}

/// In SQLite a negative limit is none.
const NO_LIMIT: i64 = -1;

impl SqliteStore {
    async fn edge_page(
        &self,
        since: UnixMillis,
        after: Option<EdgePosition>,
        limit: i64,
    ) -> Result<Vec<Edge>, StoreError> {
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
}

/// A number that an edge tells of, as far as a column holds it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
