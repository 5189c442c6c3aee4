//! What only shows from inside: how the connections are set, and what a full disk does.

mod group;
mod older_log;

use std::sync::Arc;

use keyward_shared::fingerprint::Pepper;
use serde_json::{Map, Value};

use super::SqliteStore;
use crate::domain::actor::Actor;
use crate::domain::settings::SettingsEdit;
use crate::domain::time::UnixMillis;
use crate::lifecycle::vault::Kek;
use crate::lifecycle::{Context, CreateWorkspace, Entropy, Lifecycle, PatchSettings, Refusal, Vault};
use crate::store::{LookupStore as _, StoreError};

fn url(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("keyward.db").display())
}

fn lifecycle(store: &SqliteStore) -> Lifecycle {
    Lifecycle::new(Arc::new(store.clone()), Arc::new(Vault::new(Pepper::new([1; 32]), Kek::new([2; 32]))))
}

fn verb(number: u8) -> CreateWorkspace {
    CreateWorkspace {
        name: format!("Workspace {number}"),
        slug: None,
        staff_max_access: None,
        reveal: None,
        max_keys: None,
        external_id: None,
        metadata: Map::from_iter([("k".to_owned(), Value::from("v".repeat(4_000)))]),
    }
}

fn context(number: u8) -> Context {
    // Both identifiers of this draw are the same number, which different tables may share.
    let entropy = Entropy::from_bytes(&[number; Entropy::BYTES]);
    Context::new(Actor::system("test"), UnixMillis::from_millis(1_800_000_000_000), entropy)
}

async fn create(lifecycle: &Lifecycle, number: u8) -> Result<(), Refusal> {
    lifecycle.execute(&context(number), verb(number)).await.map(drop)
}

#[tokio::test]
async fn commits_are_synced_and_readers_only_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&url(&dir)).await.expect("a store");
    for (pragma, expected) in [("PRAGMA synchronous", 2_i64), ("PRAGMA foreign_keys", 1), ("PRAGMA secure_delete", 1)] {
        let value: i64 = sqlx::query_scalar(pragma)
            .fetch_one(&mut *store.writer.alone().await.expect("a turn"))
            .await
            .expect("a value");
        assert_eq!(value, expected, "{pragma}");
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *store.writer.alone().await.expect("a turn"))
        .await
        .expect("a value");
    assert_eq!(mode, "wal");
    assert!(sqlx::query("DELETE FROM counter").execute(&store.readers).await.is_err());
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_whole_and_says_that_it_may_pass() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&url(&dir)).await.expect("a store");
    let lifecycle = lifecycle(&store);
    create(&lifecycle, 1).await.expect("a workspace");
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut *store.writer.alone().await.expect("a turn"))
        .await
        .expect("a value");
    let limit = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit(pages)).execute(&mut *store.writer.alone().await.expect("a turn")).await.expect("a limit");
    let before = lifecycle.generation().await.expect("a generation");
    let mut refused = None;
    for number in 2..20 {
        refused = create(&lifecycle, number).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(Refusal::Store(StoreError::Unavailable(_)))), "{refused:?}");
    let after = lifecycle.generation().await.expect("a generation");
    sqlx::query(limit(pages + 1_000))
        .execute(&mut *store.writer.alone().await.expect("a turn"))
        .await
        .expect("a limit");
    create(&lifecycle, 20).await.expect("a workspace");
    assert!(after >= before);
    assert_eq!(lifecycle.generation().await.expect("a generation").0, after.0 + 1);
    let workspaces: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM workspace").fetch_one(&store.readers).await.expect("a value");
    assert_eq!(workspaces.cast_unsigned(), after.0 + 1, "one generation for each workspace there is");
}

#[tokio::test]
async fn the_schema_is_made_once() {
    let dir = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        let store = SqliteStore::open(&url(&dir)).await.expect("a store");
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("keyward.db"), "not a database, but long enough to look at. ".repeat(40))
        .expect("written");
    let refused = SqliteStore::open(&url(&dir)).await.err();
    assert!(matches!(refused, Some(StoreError::Corrupt { .. } | StoreError::Migration(_))), "{refused:?}");
}

#[tokio::test]
async fn a_look_at_secrets_and_keys_is_of_one_moment() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&url(&dir)).await.expect("a store");
    let mut view = store.look().await.expect("a view");
    let before = view.settings().await.expect("settings");
    let edit = SettingsEdit { realm: Some("another".to_owned()), ..SettingsEdit::default() };
    lifecycle(&store).execute(&context(1), PatchSettings { edit }).await.expect("a change");
    assert_eq!(view.settings().await.expect("settings"), before);
    drop(view);
    let mut view = store.look().await.expect("a view");
    assert_ne!(view.settings().await.expect("settings"), before);
}
