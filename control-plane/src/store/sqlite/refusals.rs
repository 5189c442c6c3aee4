//! Refusals that reports tell of: single ones, found by the id of their request, and who is refused most.

use keyward_shared::report::Report;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::error::failed;
use super::json;
use super::publication::stored;
use super::secret::read_fingerprint;
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::edges::{MAX_SAMPLES, RefusalSample};

const SAMPLE_PUT: &str = include_str!("sql/edges/sample_put.sql");
const SAMPLE_GET: &str = include_str!("sql/edges/sample_get.sql");
const HITTER_FLOOR: &str = include_str!("sql/edges/hitter_floor.sql");
const HITTER_PUT: &str = include_str!("sql/edges/hitter_put.sql");
const HITTER_DROP: &str = include_str!("sql/edges/hitter_drop.sql");

/// Most of a kind that are kept of a day.
const HITTERS_A_DAY: i64 = 1_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// In `refusal_hitter.kind`: whose key it was.
const BY_KEY: i64 = 0;
/// In `refusal_hitter.kind`: from where it came.
const BY_ADDRESS: i64 = 1;

#[derive(Serialize)]
struct SampleRow {
    ordinal: u32,
    at: i64,
    reason: &'static str,
    fingerprint: Option<String>,
}

#[derive(Serialize)]
struct HitterRow {
    /// In hexadecimal digits.
    who: String,
    reason: &'static str,
    count: u32,
    error: u32,
    last_at: i64,
}

/// Takes the samples of a report, the first of which has this place.
pub(super) async fn take_samples(
    conn: &mut SqliteConnection,
    (edge, first): (i64, i64),
    report: &Report,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let body = &report.body;
    let rows = body.samples.iter().map(|sample| SampleRow {
        ordinal: sample.ordinal,
        at: time(body.until, sample.ago, at),
        reason: sample.refusal.as_str(),
        fingerprint: sample.fingerprint.map(|fingerprint| hex::encode(fingerprint.as_bytes())),
    });
    let rows: Vec<SampleRow> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json::write(&rows, "refusal_sample")?;
    let put = sqlx::query(SAMPLE_PUT).bind(edge).bind(rows).bind(first).bind(i64::from(MAX_SAMPLES));
    put.execute(conn).await.map(drop).map_err(failed)
}

/// Takes who was refused most.
pub(super) async fn take_hitters(
    conn: &mut SqliteConnection,
    report: &Report,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let body = &report.body;
    let keys = body.hitters.iter().map(|hitter| HitterRow {
        who: hex::encode(hitter.fingerprint.as_bytes()),
        reason: hitter.refusal.as_str(),
        count: hitter.count,
        error: hitter.error,
        last_at: time(body.until, hitter.last_ago, at),
    });
    let addresses = report.envelope.addresses.iter().map(|address| HitterRow {
        who: hex::encode(&address.address),
        reason: "",
        count: address.count,
        error: address.error,
        last_at: time(body.until, 0, at),
    });
    for (kind, rows) in [(BY_KEY, keys.collect::<Vec<_>>()), (BY_ADDRESS, addresses.collect())] {
        if rows.is_empty() {
            continue;
        }
        let day = at.as_millis().div_euclid(DAY_MS);
        let floor = sqlx::query_scalar(HITTER_FLOOR).bind(day).bind(kind).bind(HITTERS_A_DAY);
        let floor: i64 = floor.fetch_one(&mut *conn).await.map_err(failed)?;
        let put = sqlx::query(HITTER_PUT).bind(day).bind(kind).bind(json::write(&rows, "refusal_hitter")?).bind(floor);
        put.execute(&mut *conn).await.map_err(failed)?;
        let drop = sqlx::query(HITTER_DROP).bind(day).bind(kind).bind(HITTERS_A_DAY);
        drop.execute(&mut *conn).await.map_err(failed)?;
    }
    Ok(())
}

pub(super) async fn sample(
    conn: &mut SqliteConnection,
    instance: [u8; 10],
    ordinal: u32,
) -> Result<Option<RefusalSample>, StoreError> {
    let row: Option<(i64, String, Option<Vec<u8>>)> =
        sqlx::query_as(SAMPLE_GET).bind(&instance[..]).bind(ordinal).fetch_optional(conn).await.map_err(failed)?;
    row.map(|(at, reason, fingerprint)| {
        let fingerprint = fingerprint.map(read_fingerprint).transpose()?;
        Ok(RefusalSample { at: UnixMillis::from_millis(at), reason, fingerprint })
    })
    .transpose()
}

/// A time before a report's end. No edge's clock makes it later than the report came.
fn time(until: u64, ago: u64, at: UnixMillis) -> i64 {
    stored(until.saturating_sub(ago)).clamp(0, at.as_millis())
}
