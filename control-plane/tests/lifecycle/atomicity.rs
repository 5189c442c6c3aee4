//! All or nothing: drops, faults, and writers that meet.

use std::sync::Arc;

use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::lifecycle::{
    IfMatch, KeyPatch, PatchKey, PatchWorkspace, Refusal, Seen, Verb, WorkspaceFields,
};
use keyward_control_plane::store::{Store as _, StoreError};
use sqlx::{Connection as _, Executor as _};

use crate::house::{House, create, system};

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let before = (house.generation().await, house.events().await);
    let mut tx = house.store.begin().await.expect("a transaction");
    assert_eq!(tx.generation(), Generation(before.0 + 1));
    tx.delete_workspace(workspace.id, house.now()).await.expect("deleted");
    assert!(tx.workspace(workspace.id).await.expect("an answer").is_none());
    drop(tx);
    assert_eq!((house.generation().await, house.events().await), before);
    assert!(house.lifecycle.get_workspace(&system(), workspace.id).await.is_ok());
    // The number that was not committed is given again.
    assert_eq!(house.store.begin().await.expect("a transaction").generation(), Generation(before.0 + 1));
}

#[tokio::test]
async fn a_call_that_is_given_up_changes_everything_or_nothing() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    for polls in 0..60 {
        let name = format!("key {polls}");
        let before = house.number("SELECT COUNT(*) FROM key").await;
        let context = house.context();
        let mut call = Box::pin(house.lifecycle.execute(&context, create(workspace.id, &name)));
        let mut left = polls;
        std::future::poll_fn(|task| {
            left -= 1;
            match call.as_mut().poll(task) {
                std::task::Poll::Pending if left > 0 => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        })
        .await;
        drop(call);
        // Waits for whatever of it is still under way, and commits it.
        house.store.ready().await.expect("nothing is held");
        let made = house.number("SELECT COUNT(*) FROM key").await - before;
        let whole = format!(
            "SELECT (SELECT COUNT(*) FROM secret) - (SELECT COUNT(*) FROM key)
                + (SELECT COUNT(*) FROM audit_event) - (SELECT generation FROM counter)
                + (SELECT COUNT(*) FROM audit_event WHERE target_name = '{name}') - {made}"
        );
        assert_eq!(house.number(&whole).await, 0, "after {polls} polls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_at_once_get_eight_numbers_in_the_order_of_their_commits() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let house = Arc::new(House::new().await);
    let workspace = house.workspace("Acme").await;
    let first = house.generation().await;
    let mut committed = house.store.committed();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let mut generations = Vec::new();
                for number in 0..EACH {
                    let verb = create(workspace.id, &format!("{writer} {number}"));
                    let (_, generation) = house.lifecycle.execute(&house.context(), verb).await.expect("a key");
                    generations.push(generation.0);
                    // What was acknowledged is visible to every reader at once.
                    assert!(house.generation().await >= generation.0);
                }
                generations
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        let generations = writer.await.expect("a writer");
        assert!(generations.is_sorted(), "each writer sees its own in order");
        all.extend(generations);
    }
    all.sort_unstable();
    let last = first + u64::try_from(WRITERS * EACH).expect("small");
    assert_eq!(all, (first + 1..=last).collect::<Vec<_>>());
    assert_eq!(*committed.borrow_and_update(), Generation(last));
    let out_of_order = "SELECT COUNT(*) FROM audit_event AS a JOIN audit_event AS b
        ON b.seq = a.seq + 1 WHERE b.generation <= a.generation";
    assert_eq!(house.number(out_of_order).await, 0);
}

/// Runs both at once with the same precondition, and says which won: one did.
async fn one_wins<V: Verb>(house: &House, version: u64, one: V, other: V) -> usize {
    let run = |verb| async move {
        let seen = IfMatch::Seen(vec![Seen::version(version)]);
        let context = house.context().with_if_match(Some(seen));
        house.lifecycle.execute(&context, verb).await.map(|_| ()).err()
    };
    let newer = version + 1;
    match tokio::join!(run(one), run(other)) {
        (None, Some(Refusal::PreconditionFailed { version })) if version == newer => 0,
        (Some(Refusal::PreconditionFailed { version }), None) if version == newer => 1,
        (one, other) => panic!("{one:?}, {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_patches_with_one_if_match_one_wins() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await.id;
    let (target, _) = house.key(workspace, "build").await;
    for version in 1..20 {
        let names = ["one", "other"].map(|by| format!("{by} {version}"));
        let [one, other] = names.clone().map(|name| {
            let patch = KeyPatch { name: Some(name), ..KeyPatch::default() };
            PatchKey { target, patch }
        });
        let won = one_wins(&house, version, one, other).await;
        assert_eq!(house.view(target).await.key.name.as_str(), names[won]);

        let [one, other] = names.clone().map(|name| {
            let fields = WorkspaceFields { name: Some(name), ..WorkspaceFields::default() };
            PatchWorkspace { workspace, fields }
        });
        let won = one_wins(&house, version, one, other).await;
        let after = house.lifecycle.get_workspace(&system(), workspace).await.expect("a workspace");
        assert_eq!(after.name.as_str(), names[won]);
    }
}

#[tokio::test]
async fn a_database_that_another_process_locks_refuses_and_recovers() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let before = (house.generation().await, house.events().await);
    let mut other = house.connection().await;
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let refused = house.run(create(workspace.id, "build")).await.err();
    assert!(refused.as_ref().is_some_and(Refusal::is_unavailable), "{refused:?}");
    assert!(house.lifecycle.get_workspace(&system(), workspace.id).await.is_ok(), "readers go on");
    other.execute("ROLLBACK").await.expect("the lock is given back");
    assert_eq!((house.generation().await, house.events().await), before);
    house.key(workspace.id, "build").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_not_guessed() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let good = house.rows("SELECT apis, restrictions, metadata FROM key").await;
    for spoil in ["apis = '[\"data\"]'", "restrictions = '{'", "metadata = '[]'", "expires_at = -1"] {
        let mut other = house.connection().await;
        let sql = format!("UPDATE key SET {spoil}");
        other.execute(sqlx::AssertSqlSafe(sql)).await.expect("spoiled");
        other.close().await.expect("closed");
        let refused = house.lifecycle.get_key(&system(), target, house.now()).await.err();
        assert!(matches!(refused, Some(Refusal::Store(StoreError::Corrupt { .. }))), "{spoil}: {refused:?}");
    }
    assert_eq!(good.len(), 1);
}
