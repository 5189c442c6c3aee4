//! Changes that are committed together: all of them, or those that are not refused, or none.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{context, create, lifecycle, url, verb};
use crate::lifecycle::{Lifecycle, Refusal, StoredAnswer};
use crate::store::sqlite::group::Bounds;
use crate::store::sqlite::writer::Open;
use crate::store::sqlite::{Schema, SqliteStore};
use crate::store::{Store as _, StoreError};

struct House {
    dir: TempDir,
    store: SqliteStore,
    lifecycle: Arc<Lifecycle>,
}

impl House {
    async fn new() -> Self {
        // As long as it takes on a slow machine.
        Self::with(Bounds { most: 64, longest: Duration::from_mins(1) }).await
    }

    async fn with(bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open_bounded(&url(&dir), Schema::Migrate, bounds).await.expect("a store");
        let lifecycle = Arc::new(lifecycle(&store));
        // Read before, so that each change asks for its turn at once and they come in the order of a test.
        lifecycle.reported(context(1).now).await.expect("what is known of usage");
        Self { dir, store, lifecycle }
    }

    fn spawn(&self, number: u8) -> JoinHandle<Result<(), Refusal>> {
        let lifecycle = Arc::clone(&self.lifecycle);
        tokio::spawn(async move { create(&lifecycle, number).await })
    }

    async fn number(&self, sql: &'static str) -> u64 {
        let number: i64 = sqlx::query_scalar(sql).fetch_one(&self.store.readers).await.expect("a number");
        number.cast_unsigned()
    }

    /// Lets so many changes come while another is on its way, and says how many commits they made.
    async fn commits_of(&self, changes: u8) -> u64 {
        let held = self.hold().await;
        let waiting: Vec<_> = (0..changes).map(|number| self.spawn(number)).collect();
        settle().await;
        let before = self.store.writer.commits();
        drop(held);
        for outcome in waiting {
            soon(outcome).await.expect("no panic").expect("a workspace");
        }
        self.store.writer.commits() - before
    }

    async fn workspaces(&self) -> u64 {
        self.number("SELECT COUNT(*) FROM workspace").await
    }

    /// One workspace, one event and one generation for each change, and nothing between them.
    async fn is_whole(&self) -> u64 {
        let workspaces = self.workspaces().await;
        for sql in [
            "SELECT generation FROM counter",
            "SELECT audit_seq FROM counter",
            "SELECT COUNT(DISTINCT generation) FROM audit_event",
            "SELECT COALESCE(MAX(generation), 0) FROM audit_event",
            "SELECT COUNT(*) FROM audit_event",
            "SELECT COALESCE(MAX(seq), 0) FROM audit_event",
            "SELECT COUNT(*) FROM member",
        ] {
            assert_eq!(self.number(sql).await, workspaces, "{sql}");
        }
        assert_eq!(self.store.committed().borrow().0, workspaces);
        workspaces
    }

    /// What everybody else waits for until it is dropped.
    async fn hold(&self) -> Box<dyn crate::store::Tx> {
        self.store.begin().await.expect("a transaction")
    }
}

/// Lets everything that was spawned get as far as it can by itself.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Asks for a turn, and doesn't take it yet.
async fn wait_in_line<T>(mut turn: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) {
    std::future::poll_fn(|task| {
        assert!(turn.as_mut().poll(task).is_pending());
        Poll::Ready(())
    })
    .await;
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(4), work).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_meet_are_all_there_and_share_their_commits() {
    let house = House::new().await;
    let before = house.store.writer.commits();
    for outcome in join_all((0..160).map(|number| house.spawn(number))).await {
        outcome.expect("no panic").expect("a workspace");
    }
    assert_eq!(house.is_whole().await, 160);
    let commits = house.store.writer.commits() - before;
    assert!(commits <= 20, "{commits} commits for 160 changes");
}

#[tokio::test]
async fn a_group_that_is_full_or_has_waited_long_takes_nobody_else_in() {
    let long = Duration::from_mins(1);
    assert_eq!(House::with(Bounds { most: 4, longest: long }).await.commits_of(12).await, 3);
    assert_eq!(House::with(Bounds { most: 64, longest: long }).await.commits_of(12).await, 1);
    assert_eq!(House::with(Bounds { most: 64, longest: Duration::ZERO }).await.commits_of(12).await, 12);
}

#[tokio::test]
async fn nobodys_change_waits_for_the_end_of_one_that_takes_long() {
    let house = House::new().await;
    let held = house.hold().await;
    let first = house.spawn(1);
    settle().await;
    let long = house.store.begin_apart();
    let (long, ()) = tokio::join!(soon(long), async {
        settle().await;
        drop(held);
    });
    let mut long = long.expect("a transaction");
    soon(first).await.expect("no panic").expect("a workspace");
    assert_eq!(house.workspaces().await, 1);
    assert_eq!(long.take_api_number().await.expect("an answer"), Some(1));
    drop(long);
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test]
async fn a_refusal_is_told_only_when_what_it_rests_on_is_durable() {
    let house = House::new().await;
    let held = house.hold().await;
    let made = house.spawn(1);
    settle().await;
    let refused = house.spawn(1);
    settle().await;
    let mut waits = house.store.begin();
    wait_in_line(waits.as_mut()).await;
    drop(held);
    assert!(matches!(soon(refused).await.expect("no panic"), Err(Refusal::SlugTaken | Refusal::Store(_))));
    assert_eq!(house.workspaces().await, 1, "it is durable");
    drop(waits);
    soon(made).await.expect("no panic").expect("a workspace");
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test]
async fn one_that_comes_alone_waits_for_nobody() {
    let house = House::new().await;
    for number in 1..=3 {
        let before = house.store.writer.commits();
        soon(create(&house.lifecycle, number)).await.expect("a workspace");
        assert_eq!(house.store.writer.commits(), before + 1);
    }
    assert_eq!(house.is_whole().await, 3);
}

#[tokio::test]
async fn what_is_refused_or_dropped_in_a_group_leaves_the_others() {
    let house = House::new().await;
    let held = house.hold().await;
    let first = house.spawn(1);
    let refused = tokio::spawn({
        let lifecycle = Arc::clone(&house.lifecycle);
        async move {
            // Refused when its rows are partly there: the identifiers are another's.
            let again = crate::lifecycle::CreateWorkspace { slug: Some("another".to_owned()), ..verb(2) };
            lifecycle.execute(&context(1), again).await.map(drop)
        }
    });
    let dropped = tokio::spawn({
        let store = house.store.clone();
        async move {
            let mut tx = store.begin().await.expect("a transaction");
            assert_eq!(tx.take_api_number().await.expect("an answer"), Some(1));
        }
    });
    let last = house.spawn(3);
    settle().await;
    let before = house.store.writer.commits();
    drop(held);
    soon(first).await.expect("no panic").expect("a workspace");
    assert!(soon(refused).await.expect("no panic").is_err());
    soon(dropped).await.expect("no panic");
    soon(last).await.expect("no panic").expect("a workspace");
    assert_eq!(house.store.writer.commits(), before + 2, "a refusal is told when those before it are durable");
    assert_eq!(house.is_whole().await, 2);
    assert_eq!(house.hold().await.take_api_number().await.expect("an answer"), Some(1), "it was given back");
}

#[tokio::test]
async fn a_commit_that_fails_fails_every_change_of_its_group_and_no_other() {
    let house = House::new().await;
    create(&house.lifecycle, 1).await.expect("a workspace");
    let mut begun = house.store.writer.turn().await.expect("a turn").begin_change().await.expect("a change");
    let waiting = [house.spawn(2), house.spawn(3), house.spawn(4)];
    settle().await;
    // What only the commit checks, and nobody undoes before it.
    let orphan = "PRAGMA defer_foreign_keys = ON;
        INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, deadline_s, live, created_at)
        VALUES (77, 0, zeroblob(16), x'00', NULL, 1, 0)";
    sqlx::raw_sql(orphan).execute(&mut begun.turn.connection).await.expect("an orphan");
    begun.turn.open = Open::Nothing;
    drop(begun);
    for outcome in waiting {
        let refused = soon(outcome).await.expect("no panic").err();
        assert!(matches!(refused, Some(Refusal::Store(StoreError::Misused(_)))), "{refused:?}");
    }
    assert_eq!(house.is_whole().await, 1);
    soon(create(&house.lifecycle, 5)).await.expect("a workspace");
    assert_eq!(house.is_whole().await, 2);
}

#[tokio::test]
async fn a_transaction_that_sqlite_ends_is_lost_to_all_who_were_in_it() {
    let house = House::new().await;
    let held = house.hold().await;
    let first = house.spawn(1);
    let ends = tokio::spawn({
        let writer = house.store.writer.clone();
        async move {
            let mut begun = writer.turn().await.expect("a turn").begin_change().await.expect("a change");
            sqlx::query("ROLLBACK").execute(&mut begun.turn.connection).await.expect("rolled back");
        }
    });
    let last = house.spawn(2);
    settle().await;
    drop(held);
    soon(ends).await.expect("no panic");
    let lost = soon(first).await.expect("no panic").err();
    assert!(matches!(lost, Some(Refusal::Store(StoreError::Unavailable(_)))), "{lost:?}");
    soon(last).await.expect("no panic").expect("a workspace");
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_acknowledges_nothing_that_is_not_there() {
    let house = House::new().await;
    let limit = async |spare: i64| {
        let mut alone = house.store.writer.alone().await.expect("a turn");
        let count: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *alone).await.expect("a value");
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", count + spare));
        sqlx::query(limit).execute(&mut *alone).await.expect("a limit");
    };
    limit(20).await;
    let outcomes = join_all((0..80).map(|number| house.spawn(number))).await;
    let made = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(())))).count() as u64;
    assert!(made < 80);
    for outcome in outcomes {
        let refused = outcome.expect("no panic").err();
        assert!(matches!(refused, None | Some(Refusal::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }
    assert_eq!(house.is_whole().await, made);
    limit(1_000).await;
    create(&house.lifecycle, 200).await.expect("a workspace");
    assert_eq!(house.is_whole().await, made + 1);
}

#[tokio::test]
async fn a_group_left_open_for_one_that_gives_up_is_committed() {
    let house = House::new().await;
    let held = house.hold().await;
    let made = house.spawn(1);
    settle().await;
    let mut waits = house.store.begin();
    wait_in_line(waits.as_mut()).await;
    drop(held);
    settle().await;
    assert!(!made.is_finished() && house.workspaces().await == 0, "it waits for the other");
    drop(waits);
    soon(made).await.expect("no panic").expect("a workspace");
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test]
async fn a_group_left_open_is_refused_at_once_where_the_file_is_moved_and_is_not_there_when_it_is_back() {
    let house = House::new().await;
    let held = house.hold().await;
    let made = house.spawn(1);
    settle().await;
    let mut waits = house.store.begin();
    wait_in_line(waits.as_mut()).await;
    drop(held);
    settle().await;
    assert!(!made.is_finished(), "it waits for the other");
    let (file, away) = (house.dir.path().join("keyward.db"), house.dir.path().join("away.db"));
    std::fs::rename(&file, &away).expect("moved");
    assert!(matches!(waits.await.err(), Some(StoreError::Unavailable(_))));
    let refused = soon(made).await.expect("no panic").err();
    assert!(matches!(refused, Some(Refusal::Store(StoreError::Unavailable(_)))), "{refused:?}");
    std::fs::rename(&away, &file).expect("moved back");
    create(&house.lifecycle, 2).await.expect("a workspace");
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test]
async fn callers_that_give_up_lose_no_other_changes() {
    let house = House::new().await;
    for number in 0..60_u8 {
        let mut given_up = Box::pin(create(&house.lifecycle, 3 * number));
        let others = [house.spawn(3 * number + 1), house.spawn(3 * number + 2)];
        let mut polls = number;
        std::future::poll_fn(|task| {
            let done = given_up.as_mut().poll(task).is_ready() || polls == 0;
            polls = polls.saturating_sub(1);
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(given_up);
        for other in others {
            soon(other).await.expect("no panic").expect("a workspace");
        }
        house.store.ready().await.expect("nothing is held");
        house.is_whole().await;
    }
}

#[tokio::test]
async fn an_answer_is_told_only_when_it_is_durable() {
    let house = House::new().await;
    let context = context(1);
    let call = house.lifecycle.idempotent_call(&context, "once", "POST", "/", b"{}").expect("a call");
    let id = *call.id();
    let held = house.hold().await;
    let first = tokio::spawn({
        let lifecycle = Arc::clone(&house.lifecycle);
        async move {
            let render = |_, _| StoredAnswer { status: 201, headers: Vec::new(), body: String::new().into() };
            lifecycle.run(&super::context(1), verb(1), Some(&call), render).await.map(drop)
        }
    });
    settle().await;
    let mut waits = house.store.begin();
    wait_in_line(waits.as_mut()).await;
    drop(held);
    settle().await;
    assert_eq!(house.workspaces().await, 0, "it is not durable");
    let mut behind = waits.await.expect("a transaction");
    let generation = behind.generation();
    assert!(behind.kept_answer(&id, context.now).await.expect("an answer").is_some());
    assert_eq!(house.workspaces().await, 1, "it is durable");
    assert_eq!(behind.generation(), generation);
    soon(first).await.expect("no panic").expect("a workspace");
    drop(behind);
    house.store.ready().await.expect("nothing is held");
    assert_eq!(house.is_whole().await, 1);
}

#[tokio::test]
async fn whoever_is_busy_is_ready() {
    let house = House::with(Bounds { most: 1, longest: Duration::ZERO }).await;
    let held = house.hold().await;
    let waiting = [house.spawn(1), house.spawn(2)];
    assert!(house.store.ready().await.is_err(), "nothing moves");
    drop(held);
    for outcome in waiting {
        soon(outcome).await.expect("no panic").expect("a workspace");
    }
    house.store.ready().await.expect("it moves");
    // Both keep the next from a turn for longer than a probe waits; between them something is done.
    let (first, between) = (house.hold().await, house.spawn(3));
    settle().await;
    let second = house.store.begin();
    let moving = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        drop(first);
        let second = second.await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        drop(second);
    };
    let (probed, ()) = tokio::join!(
        async {
            settle().await;
            house.store.ready().await
        },
        moving
    );
    probed.expect("many wait, and they are served");
    soon(between).await.expect("no panic").expect("a workspace");
    house.store.close().await;
    assert!(matches!(house.store.begin().await.err(), Some(StoreError::Unavailable(_))));
}
