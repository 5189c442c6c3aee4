//! How the database goes about it.

use sqlx::{AssertSqlSafe, Row as _};

use super::*;
use crate::store::sqlite::SqliteStore;

/// Whether a step reads in the order of a key, from a place in it: of `audit_search`, where words stand.
fn is_a_search(step: &str) -> bool {
    step.starts_with("SEARCH ")
        || step.starts_with("SCALAR SUBQUERY")
        || step.starts_with("SCAN audit_search VIRTUAL TABLE INDEX") && step.contains(":M")
}

#[tokio::test]
async fn no_page_is_made_by_reading_all_or_by_sorting() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
    let store = SqliteStore::open(&url).await.expect("a store");
    for statement in [BOUNDS, READ, READ_UP, FOUND, FOUND_UP, CHECKPOINTS] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explain).fetch_all(&store.readers).await.expect("a plan");
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(steps.iter().all(|step| is_a_search(step)), "{statement}\n{steps:#?}");
        assert!(!steps.is_empty());
    }
}
