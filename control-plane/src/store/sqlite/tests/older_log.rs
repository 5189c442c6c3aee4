//! Databases whose events were written before the log was a tree.

use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::url;
use crate::domain::actor::Actor;
use crate::domain::audit::merkle::{Edge, leaf};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target, canonical};
use crate::domain::time::UnixMillis;
use crate::store::sqlite::{MIGRATIONS, SqliteStore};
use crate::store::{AuditStore as _, StoreError};

/// The last schema without a tree.
const OLDER: i64 = 8;
/// More than one piece of what is caught up with.
const EVENTS: u64 = 5_050;

fn event(number: u64) -> AuditEvent {
    let after = serde_json::json!({ "z": number, "a": [0.1, 1e-7, "é\u{2028}"] });
    AuditEvent {
        at: UnixMillis::from_millis(1_800_000_000_000 + number.cast_signed() * 1_000),
        actor: Actor::system("test"),
        action: Action::Create,
        entity: Entity::Settings,
        target: Target { id: "settings".to_owned(), name: format!("Settings {number}") },
        workspace_id: None,
        team_id: None,
        reason: None,
        details: Details::new("edit", None, Some(&after)),
    }
}

/// A database as an older version left it, with so many events.
async fn older(dir: &tempfile::TempDir, events: u64) -> SqliteConnection {
    let options: SqliteConnectOptions = url(dir).parse().expect("a URL");
    let mut database = options.create_if_missing(true).connect().await.expect("a connection");
    MIGRATIONS.run_to(OLDER, &mut database).await.expect("an older schema");
    let mut transaction = database.begin().await.expect("a transaction");
    for seq in 1..=events {
        let event = event(seq);
        let document = event.document(seq, seq);
        let hash = Sha256::digest(canonical(&document).expect("canonical"));
        sqlx::query(
            "INSERT INTO audit_event (seq, at, actor_kind, actor_name, action, entity, target_id, target_name,
                actor_team_ids, details, request_id, generation, hash)
             VALUES (?1, ?2, 'system', 'test', 'Create', 'Settings', 'settings', ?3, '[]', ?4, '', ?1, ?5)",
        )
        .bind(seq.cast_signed())
        .bind(event.at.as_millis())
        .bind(event.target.name)
        // As it was spelled then: with spaces, in the order in which it was put together.
        .bind(format!("{:#}", event.details.as_value()))
        .bind(&hash[..])
        .execute(&mut *transaction)
        .await
        .expect("an event");
    }
    let counter = sqlx::query("UPDATE counter SET audit_seq = ?1, generation = ?1").bind(events.cast_signed());
    counter.execute(&mut *transaction).await.expect("a counter");
    transaction.commit().await.expect("committed");
    database
}

#[tokio::test]
async fn events_that_an_older_version_wrote_are_taken_into_the_tree_as_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    older(&dir, EVENTS).await.close().await.expect("closed");
    let store = SqliteStore::open(&url(&dir)).await.expect("a store");
    let mut edge = Edge::empty();
    for seq in 1..=EVENTS {
        let document = event(seq).document(seq, seq);
        edge.push(leaf(&canonical(&document).expect("canonical")), |_, _| {});
        if seq % 1_000 == 1 {
            let logged = store.event(seq).await.expect("the database").expect("an event");
            assert_eq!(logged.document, document);
        }
    }
    assert_eq!(store.tree().await.expect("the tree").edge, edge);
    // It goes on from there, and there is nothing to be caught up with again.
    assert_eq!(store.tell(vec![event(0)]).await.expect("told"), EVENTS + 1);
    store.close().await;
    let store = SqliteStore::open(&url(&dir)).await.expect("a store");
    assert_eq!(store.tree().await.expect("the tree").edge.size(), EVENTS + 1);
    let spelled: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM audit_event WHERE details LIKE '% %')
              + (SELECT count(*) FROM audit_search WHERE audit_search MATCH 'words : \"5050\"') * 1000",
    )
    .fetch_one(&store.readers)
    .await
    .expect("a number");
    assert_eq!(spelled, 1_000, "canonical text everywhere, and the event is found by its words");
}

#[tokio::test]
async fn an_event_that_was_changed_before_the_tree_is_not_taken_into_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut database = older(&dir, 20).await;
    sqlx::raw_sql("UPDATE audit_event SET target_name = 'other' WHERE seq = 7")
        .execute(&mut database)
        .await
        .expect("done");
    database.close().await.expect("closed");
    let Err(refused) = SqliteStore::open(&url(&dir)).await else { panic!("opened") };
    assert!(matches!(refused, StoreError::Corrupt { what: "audit_event.hash", .. }), "{refused}");
}
