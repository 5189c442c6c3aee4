//! Where generations have arrived, what all reports tell together, and for how long both are kept.

use sqlx::{FromRow, SqliteConnection};

use super::SqliteStore;
use super::error::failed;
use super::publication::number;
use crate::domain::time::UnixMillis;
use crate::domain::usage::UsageBounds;
use crate::store::StoreError;
use crate::store::edges::{
    AppliedBy, HTTP_LIVE_MS, KEPT_MS, KV_LIVE_MS, MAX_EDGES, MAX_STEPS, Published, Receipt, ReceiptQuery, Unconfirmed,
};
use crate::store::refusals::{HITTER_KEPT_MS, SAMPLE_KEPT_MS};

const FACTS: &str = include_str!("sql/edges/receipt_facts.sql");
const PUBLISHED: &str = include_str!("sql/edges/published.sql");
const APPLIED: &str = include_str!("sql/edges/applied.sql");
const UNCONFIRMED: &str = include_str!("sql/edges/unconfirmed.sql");
const LIVE: &str = include_str!("sql/edges/live.sql");
const BOUNDS: &str = include_str!("sql/edges/bounds.sql");
const FORGET_PUBLISHED: &str = include_str!("sql/edges/forget_published.sql");
const FORGET_APPLIED: &str = include_str!("sql/edges/forget_applied.sql");
const FORGET_EDGES: &str = include_str!("sql/edges/forget_edges.sql");
const FORGET_SAMPLES: &str = include_str!("sql/edges/forget_samples.sql");
const FORGET_HITTERS: &str = include_str!("sql/edges/forget_hitters.sql");
const FORGET_UNTOLD: &str = include_str!("sql/edges/forget_untold.sql");
const OLDEST_KEPT: &str = include_str!("sql/edges/oldest_kept.sql");
const OLDEST_APPLIED_KEPT: &str = include_str!("sql/edges/oldest_applied_kept.sql");

/// Rows that one transaction drops. A change that waits for the writer waits for no more.
const FORGOTTEN_AT_ONCE: u32 = 2_000;

#[derive(FromRow)]
struct BoundsRow {
    first_report_at: i64,
    newest_until: i64,
    gap_at: Option<i64>,
    unnamed_at: Option<i64>,
    oldest_live_until: Option<i64>,
}

pub(super) async fn applied_by_live(conn: &mut SqliteConnection, now: UnixMillis) -> Result<Option<u64>, StoreError> {
    let lowest: Option<i64> = sqlx::query_scalar(LIVE)
        .bind(now.as_millis() - HTTP_LIVE_MS)
        .bind(now.as_millis() - KV_LIVE_MS)
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    Ok(lowest.map(number))
}

pub(super) async fn receipt(store: &SqliteStore, query: &ReceiptQuery) -> Result<Option<Receipt>, StoreError> {
    let Ok(generation) = i64::try_from(query.generation) else { return Ok(None) };
    // One moment for all that a receipt says.
    let mut conn = store.readers.begin().await.map_err(failed)?;
    let (was_committed, committed_at): (bool, Option<i64>) =
        sqlx::query_as(FACTS).bind(generation).fetch_one(&mut *conn).await.map_err(failed)?;
    if !was_committed {
        return Ok(None);
    }
    let published: Option<(i64, Option<i64>, Option<i64>)> =
        sqlx::query_as(PUBLISHED).bind(generation).fetch_optional(&mut *conn).await.map_err(failed)?;
    let published = published.map(|(at, sent_at, older_expire_at)| Published {
        at: UnixMillis::from_millis(at),
        sent_at: sent_at.map(UnixMillis::from_millis),
        older_expire_at: older_expire_at.map(UnixMillis::from_millis),
    });
    let since = committed_at.or(published.map(|head| head.at.as_millis())).unwrap_or(i64::MAX);
    let applied: Vec<(Vec<u8>, i64, i64)> = sqlx::query_as(APPLIED)
        .bind(generation)
        .bind(since)
        .bind(published.and_then(|head| head.older_edges_until(query.clock_ms)).map(UnixMillis::as_millis))
        .bind(query.limit)
        .fetch_all(&mut *conn)
        .await
        .map_err(failed)?;
    let unconfirmed: Vec<(Vec<u8>, i64)> = sqlx::query_as(UNCONFIRMED)
        .bind(generation)
        .bind(query.unconfirmed_since.as_millis())
        .bind(query.limit)
        .fetch_all(&mut *conn)
        .await
        .map_err(failed)?;
    let applied = applied.into_iter().map(|(edge, at, told_at)| {
        let (at, told_at) = (UnixMillis::from_millis(at), UnixMillis::from_millis(told_at));
        Ok(AppliedBy { instance: instance(edge)?, at, told_at })
    });
    let unconfirmed = unconfirmed.into_iter().map(|(edge, seen_at)| {
        Ok(Unconfirmed { instance: instance(edge)?, seen_at: UnixMillis::from_millis(seen_at) })
    });
    Ok(Some(Receipt {
        committed_at: committed_at.map(UnixMillis::from_millis),
        published,
        applied: applied.collect::<Result<_, StoreError>>()?,
        unconfirmed: unconfirmed.collect::<Result<_, StoreError>>()?,
    }))
}

pub(super) async fn usage_bounds(
    conn: &mut SqliteConnection,
    now: UnixMillis,
) -> Result<Option<UsageBounds>, StoreError> {
    let row: Option<BoundsRow> = sqlx::query_as(BOUNDS)
        .bind(now.as_millis() - HTTP_LIVE_MS)
        .bind(now.as_millis() - KV_LIVE_MS)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    Ok(row.map(|row| UsageBounds {
        first_report_at: UnixMillis::from_millis(row.first_report_at),
        newest_until: UnixMillis::from_millis(row.newest_until),
        oldest_live_until: row.oldest_live_until.map(UnixMillis::from_millis),
        gap_at: row.gap_at.map(UnixMillis::from_millis),
        unnamed_at: row.unnamed_at.map(UnixMillis::from_millis),
    }))
}

pub(super) async fn forget(store: &SqliteStore, now: UnixMillis) -> Result<u64, StoreError> {
    let kept_from = now.as_millis() - KEPT_MS;
    let oldest = async |sql: &'static str, most: u32| {
        let oldest: Option<i64> =
            sqlx::query_scalar(sql).bind(most - 1).fetch_optional(&store.readers).await.map_err(failed)?;
        Ok::<_, StoreError>(oldest.unwrap_or(i64::MIN).max(kept_from))
    };
    let steps_from = oldest(OLDEST_APPLIED_KEPT, MAX_STEPS).await?;
    let edges_from = oldest(OLDEST_KEPT, MAX_EDGES).await?;
    if edges_from > kept_from {
        tracing::warn!(
            edges = MAX_EDGES,
            "as many edges are known as may be: those unheard from longest are forgotten"
        );
    }
    let mut forgotten = 0;
    let kinds = [
        (FORGET_APPLIED, steps_from),
        (FORGET_SAMPLES, now.as_millis() - SAMPLE_KEPT_MS),
        (FORGET_HITTERS, now.as_millis() - HITTER_KEPT_MS),
        (FORGET_UNTOLD, now.as_millis() - HITTER_KEPT_MS),
        (FORGET_EDGES, edges_from),
        (FORGET_PUBLISHED, kept_from),
    ];
    for (sql, before) in kinds {
        loop {
            let dropped = sqlx::query(sql).bind(before).bind(FORGOTTEN_AT_ONCE);
            let dropped = dropped.execute(&mut *store.writer.alone().await?).await.map_err(failed)?.rows_affected();
            forgotten += dropped;
            if dropped < u64::from(FORGOTTEN_AT_ONCE) {
                break;
            }
        }
    }
    Ok(forgotten)
}

fn instance(bytes: Vec<u8>) -> Result<[u8; 10], StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt("edge.instance"))
}
