//! How the database goes about it.

use sqlx::{AssertSqlSafe, Row as _};

use super::*;
use crate::domain::actor::Actor;
use crate::domain::audit::{AuditEvent, Details, Target};
use crate::store::AuditStore as _;
use crate::store::sqlite::SqliteStore;

async fn store() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
    let store = SqliteStore::open(&url).await.expect("a store");
    (dir, store)
}

/// Whether a step reads in the order of a key, from a place in it: of `audit_search`, where words stand.
fn is_a_search(step: &str) -> bool {
    step.starts_with("SEARCH ")
        || step.starts_with("SCALAR SUBQUERY")
        || step.starts_with("SCAN audit_search VIRTUAL TABLE INDEX") && step.contains(":M")
}

#[tokio::test]
async fn no_page_is_made_by_reading_all_or_by_sorting() {
    let (_dir, store) = store().await;
    for statement in [PRUNED, BOUNDS, READ, READ_UP, FOUND, FOUND_UP, CHECKPOINTS] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explain).fetch_all(&store.readers).await.expect("a plan");
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(steps.iter().all(|step| is_a_search(step)), "{statement}\n{steps:#?}");
        assert!(!steps.is_empty());
    }
}

fn event(at: i64) -> AuditEvent {
    AuditEvent {
        at: UnixMillis::from_millis(at),
        actor: Actor::system("test"),
        action: Action::Update,
        entity: Entity::Settings,
        target: Target { id: "settings".to_owned(), name: "settings".to_owned() },
        workspace_id: None,
        team_id: None,
        reason: None,
        details: Details::new("test", None, None),
    }
}

#[tokio::test]
async fn of_a_busy_hour_no_more_events_are_read_than_those_of_the_seconds_asked_for() {
    let (_dir, store) = store().await;
    // Ten a second in the hour before 1970 and in the one behind its begin, and one behind that.
    let times = (-HOUR..HOUR).step_by(100).chain([HOUR]);
    store.tell(times.clone().map(event).collect()).await.expect("told");
    let times: Vec<i64> = times.collect();
    let mut reader = store.reader().await.expect("a reader");
    let moments = [-HOUR, -HOUR + SECOND, -SECOND, 0, SECOND, 17 * SECOND, HOUR - SECOND, HOUR];
    let pairs = moments.iter().flat_map(|from| moments.iter().map(move |to| (Some(*from), Some(*to))));
    let open = moments.iter().flat_map(|at| [(Some(*at), None), (None, Some(*at))]);
    for (from, to) in pairs.chain(open).filter(|(from, to)| to.is_none() || from <= to) {
        let moment = |at: Option<i64>| at.map(UnixMillis::from_millis);
        let filter = EventFilter { from: moment(from), to: moment(to), ..EventFilter::default() };
        let found = bounded(&mut reader, &filter, &(1..u64::MAX)).await.expect("bounds");
        let is_within = |at: &&i64| from.is_none_or(|from| from <= **at) && to.is_none_or(|to| **at < to);
        let wanted = i64::try_from(times.iter().filter(is_within).count()).expect("few");
        assert_eq!((found.end - found.start).max(0), wanted, "{from:?} to {to:?}");
        let events = (found.start..found.end).map(|seq| &times[usize::try_from(seq - 1).expect("a number")]);
        assert!(events.clone().all(|at| is_within(&at)), "{from:?} to {to:?}");
    }
}

#[test]
fn a_range_of_years_is_of_few_times() {
    for (from, to) in [(0, 50 * 366 * 24 * HOUR), (-HOUR - 1, HOUR + 1), (SECOND, 2 * HOUR - 1), (7, 7), (7, 8)] {
        let spans = spans(Some(UnixMillis::from_millis(from)), Some(UnixMillis::from_millis(to)));
        let count = |of: i64| -> i64 {
            let numbers = spans.iter().filter(|(span, _)| *span == of).map(|(_, numbers)| numbers);
            numbers.map(|numbers| (numbers.end() - numbers.start() + 1).max(0)).sum()
        };
        assert!(count(SECOND) <= 2 * HOUR / SECOND, "{from} to {to}");
        let (whole, asked) = (count(SECOND) * SECOND + count(HOUR) * HOUR, to - from);
        assert!((asked..=asked + 2 * SECOND).contains(&whole), "{from} to {to}: {spans:?}");
    }
}
