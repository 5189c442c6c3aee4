//! Refusals that reports tell of: single ones, found by the id of their request, and who is refused most.
//!
//! Both stay within bounds whatever strangers do. Sums over edges are those of mergeable summaries (Agarwal
//! and others, "Mergeable Summaries", 2012): what a full report may have left out is summed up beside them.

use std::net::IpAddr;

use keyward_shared::report::{MAX_ADDRESSES, MAX_HITTERS, RefusalKind, Report, Sample};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::error::failed;
use super::json;
use super::publication::{number, stored};
use super::secret::read_fingerprint;
use crate::domain::time::{UnixDay, UnixMillis};
use crate::store::StoreError;
use crate::store::refusals::{
    HITTERS_A_DAY, MAX_SAMPLES, MostRefused, RefusalSample, Refused, RefusedBy, RefusedQuery, Who,
};

const SAMPLE_PUT: &str = include_str!("sql/edges/sample_put.sql");
const SAMPLE_GET: &str = include_str!("sql/edges/sample_get.sql");
const HITTER_FLOOR: &str = include_str!("sql/edges/hitter_floor.sql");
const HITTER_PUT: &str = include_str!("sql/edges/hitter_put.sql");
const HITTER_DROP: &str = include_str!("sql/edges/hitter_drop.sql");
const UNTOLD_PUT: &str = include_str!("sql/edges/untold_put.sql");
const MOST_REFUSED: &str = include_str!("sql/edges/most_refused.sql");
const UNTOLD: &str = include_str!("sql/edges/untold.sql");

#[derive(Serialize)]
struct SampleRow {
    place: i64,
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

/// What a report tells of those who were refused most.
struct Told {
    by: RefusedBy,
    rows: Vec<HitterRow>,
    /// How often, at most, somebody was refused whom it does not tell of.
    untold: u32,
}

/// How many samples came, of known secrets and of strangers. Each have a ring to themselves: there can be any number
/// of strangers, and they would leave no room for the others.
pub(super) struct Places {
    pub(super) known: i64,
    pub(super) strangers: i64,
}

impl Places {
    /// How many these are.
    pub(super) fn taken_by(samples: &[Sample]) -> Self {
        let mut taken = Self { known: 0, strangers: 0 };
        for sample in samples {
            taken.next(sample);
        }
        taken
    }

    /// How many came before these, where so many have come with them.
    pub(super) fn before(&self, (known, strangers): (i64, i64)) -> Self {
        Self { known: known - self.known, strangers: strangers - self.strangers }
    }

    /// The place of the next one.
    fn next(&mut self, sample: &Sample) -> i64 {
        let (is_known, ring) = (sample.refusal.is_of_known_secret(), i64::from(MAX_SAMPLES));
        let count = if is_known { &mut self.known } else { &mut self.strangers };
        let place = *count % ring;
        *count += 1;
        if is_known { place } else { -1 - place }
    }
}

/// Takes the samples of a report, before which so many had come.
pub(super) async fn take_samples(
    conn: &mut SqliteConnection,
    edge: i64,
    mut places: Places,
    report: &Report,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let body = &report.body;
    let rows = body.samples.iter().map(|sample| SampleRow {
        place: places.next(sample),
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
    let put = sqlx::query(SAMPLE_PUT).bind(edge).bind(rows);
    put.execute(conn).await.map(drop).map_err(failed)
}

/// Takes who was refused most.
pub(super) async fn take_hitters(
    conn: &mut SqliteConnection,
    report: &Report,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let day = UnixDay::of(at).number();
    for Told { by, rows, untold } in [told_of_keys(report, at), told_of_addresses(report, at)] {
        let kind = kind(by);
        if untold > 0 {
            let put = sqlx::query(UNTOLD_PUT).bind(day).bind(kind).bind(untold);
            put.execute(&mut *conn).await.map_err(failed)?;
        }
        if rows.is_empty() {
            continue;
        }
        let floor = sqlx::query_scalar(HITTER_FLOOR).bind(day).bind(kind).bind(HITTERS_A_DAY);
        let floor: i64 = floor.fetch_one(&mut *conn).await.map_err(failed)?;
        let put = sqlx::query(HITTER_PUT).bind(day).bind(kind).bind(json::write(&rows, "refusal_hitter")?).bind(floor);
        put.execute(&mut *conn).await.map_err(failed)?;
        let drop = sqlx::query(HITTER_DROP).bind(day).bind(kind).bind(HITTERS_A_DAY);
        drop.execute(&mut *conn).await.map_err(failed)?;
    }
    Ok(())
}

fn told_of_keys(report: &Report, at: UnixMillis) -> Told {
    let body = &report.body;
    let rows = body.hitters.iter().map(|hitter| HitterRow {
        who: hex::encode(hitter.fingerprint.as_bytes()),
        reason: hitter.refusal.as_str(),
        count: hitter.count,
        error: hitter.error,
        last_at: time(body.until, hitter.last_ago, at),
    });
    Told {
        by: RefusedBy::Key,
        rows: rows.collect(),
        untold: least(MAX_HITTERS, body.hitters.iter().map(|hitter| hitter.count)),
    }
}

/// An address in the one spelling of it. Whatever is none was made up by a client, and is nobody's.
fn told_of_addresses(report: &Report, at: UnixMillis) -> Told {
    let addresses = &report.envelope.addresses;
    let untold = least(MAX_ADDRESSES, addresses.iter().map(|address| address.count));
    let rows = addresses.iter().filter_map(|told| {
        Some(HitterRow {
            who: hex::encode(told.address.parse::<IpAddr>().ok()?.to_canonical().to_string()),
            reason: "",
            count: told.count,
            error: told.error,
            last_at: time(report.body.until, 0, at),
        })
    });
    Told { by: RefusedBy::Address, rows: rows.collect(), untold }
}

/// The least count where as many are told of as can be: another may have had as many. Else nobody is left out.
fn least(most: usize, counts: impl ExactSizeIterator<Item = u32>) -> u32 {
    if counts.len() < most { 0 } else { counts.min().unwrap_or_default() }
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
        Ok(RefusalSample { at: UnixMillis::from_millis(at), kind: read_kind(&reason)?, fingerprint })
    })
    .transpose()
}

pub(super) async fn most(conn: &mut SqliteConnection, query: &RefusedQuery) -> Result<MostRefused, StoreError> {
    let (kind, from, to) = (kind(query.by), query.from.number(), query.to.number());
    let rows: Vec<(Vec<u8>, String, i64, i64, i64)> = sqlx::query_as(MOST_REFUSED)
        .bind(kind)
        .bind(from)
        .bind(to)
        .bind(query.limit)
        .bind(query.after)
        .fetch_all(&mut *conn)
        .await
        .map_err(failed)?;
    let untold = sqlx::query_scalar(UNTOLD).bind(kind).bind(from).bind(to).bind(HITTERS_A_DAY);
    let untold: i64 = untold.fetch_one(conn).await.map_err(failed)?;
    let read = |(who, reason, count, error, last_at): (Vec<u8>, String, i64, i64, i64)| {
        let who = match query.by {
            RefusedBy::Key => Who::Key(read_fingerprint(who)?, read_kind(&reason)?),
            RefusedBy::Address => Who::Address(read_address(&who)?),
        };
        Ok(Refused { who, count: number(count), error: number(error), last_at: UnixMillis::from_millis(last_at) })
    };
    Ok(MostRefused { refused: rows.into_iter().map(read).collect::<Result<_, StoreError>>()?, untold: number(untold) })
}

/// In `refusal_hitter.kind`.
const fn kind(by: RefusedBy) -> i64 {
    match by {
        RefusedBy::Key => 0,
        RefusedBy::Address => 1,
    }
}

fn read_kind(word: &str) -> Result<RefusalKind, StoreError> {
    RefusalKind::from_word(word).ok_or(StoreError::corrupt("refusal reason"))
}

fn read_address(who: &[u8]) -> Result<IpAddr, StoreError> {
    let address = str::from_utf8(who).ok().and_then(|text| text.parse().ok());
    address.ok_or(StoreError::corrupt("refusal_hitter.who"))
}

/// A time before a report's end. No edge's clock makes it later than the report came.
fn time(until: u64, ago: u64, at: UnixMillis) -> i64 {
    stored(until.saturating_sub(ago)).clamp(0, at.as_millis())
}
