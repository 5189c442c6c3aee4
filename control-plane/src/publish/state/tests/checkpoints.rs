//! How the audit log's checkpoints travel: in every head, and what they never stand in the way of.

use std::collections::VecDeque;

use axum::Router;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::routing::{get, put};
use keyward_shared::snapshot::Head;
use tokio::sync::mpsc;

use super::*;
use crate::api::snapshot::SnapshotSource as _;
use crate::domain::audit::checkpoint::Checkpoint;
use crate::domain::audit::{AuditEvent, note};
use crate::lifecycle::last_signed::LastSigned;
use crate::publish::kv::{KvApi, KvClient};
use crate::publish::upload::Uploader;
use crate::store::AuditStore as _;

/// The head that is served.
fn served(publisher: &Publisher) -> Head {
    let head = publisher.shared.head.borrow().clone().expect("a head");
    publisher.shared.signer.read(&head.bytes).expect("a head that verifies")
}

/// The checkpoint that the house's head carries, as whoever has the public key reads it.
fn checkpoint(house: &House) -> Checkpoint {
    carried(house, &house.publisher)
}

fn carried(house: &House, publisher: &Publisher) -> Checkpoint {
    let note = String::from_utf8(served(publisher).checkpoint).expect("text");
    let notary = Notary::new(Arc::clone(&house.store) as Arc<_>, "test", &[3; 32]);
    let key = notary.verifier(1).expect("a key");
    Checkpoint::parse(note::open(&note, &[key]).expect("signed")).expect("a checkpoint")
}

/// An event that is no change.
fn event(at: UnixMillis) -> AuditEvent {
    crate::domain::audit::publishing::epoch_acquired(at, "somebody", 0, 1)
}

async fn size(house: &House) -> u64 {
    house.store.tree().await.expect("the tree").edge.size()
}

/// Does something to the database behind the store's back.
pub(super) async fn behind(house: &House, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(house.dir.path().join("keyward.db"));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("a connection");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("done");
}

#[tokio::test]
async fn a_head_carries_a_checkpoint_that_verifies_and_one_is_made_for_events_that_change_nothing() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let first = checkpoint(&house);
    assert_eq!(first.size, size(&house).await);
    let tree = house.store.tree().await.expect("the tree");
    assert_eq!(first.root, tree.edge.root());
    let (generation, news) = (served(&house.publisher).generation, state.news);

    let store = &house.store;
    store.tell(vec![event(house.publisher.shared.now())]).await.expect("told");
    assert!(!state.step(Occasion::News).await.expect("a step"), "nothing that edges decide by is new");
    assert!(state.step(Occasion::Checkpoint).await.expect("a step"));
    assert_eq!(checkpoint(&house).size, first.size + 1);
    assert_eq!((served(&house.publisher).generation, state.news), (generation, news));
    assert!(!state.step(Occasion::Checkpoint).await.expect("a step"), "all is witnessed");

    // What comes with something else is as old as five seconds at most, and no older where it is due.
    house.keys(1).await;
    assert!(state.step(Occasion::Checkpoint).await.expect("a step"));
    assert_eq!((checkpoint(&house).size, state.news), (size(&house).await, state.order));
    house.keys(1).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    assert_eq!(checkpoint(&house).size, size(&house).await - 1, "signed a moment ago");
}

#[tokio::test]
async fn a_log_that_cannot_be_signed_holds_up_no_head_and_is_told() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let before = checkpoint(&house);
    behind(&house, "UPDATE audit_node SET hash = zeroblob(32)").await;
    house.keys(1).await;
    assert!(state.step(Occasion::Heartbeat).await.expect("a step"), "a young checkpoint is good enough");
    assert!(!state.step(Occasion::Checkpoint).await.expect("a step"), "for nothing else");
    house.set(WorkspaceStatus::Suspended).await;
    assert!(state.step(Occasion::Checkpoint).await.expect("a step"));
    let generation = house.publisher.shared.store.generation().await.expect("the database").0;
    assert_eq!(served(&house.publisher).generation, generation);
    assert_eq!(checkpoint(&house), before);
    let told = house.publisher.shared.status().await.expect("a status").last_error.expect("an error");
    assert!(told.contains("audit log does not go on"), "{told}");
}

/// The URL of a namespace that answers with this head, if any, and tells of each that is written.
pub(super) async fn namespace(heads: mpsc::UnboundedSender<Vec<u8>>, head: Option<Vec<u8>>) -> String {
    async fn put_value(
        Path(key): Path<String>,
        Held(heads): Held<mpsc::UnboundedSender<Vec<u8>>>,
        body: axum::body::Bytes,
    ) {
        assert_eq!(key, "head");
        heads.send(body.to_vec()).expect("somebody listens");
    }
    let values = get(async move || head.ok_or(StatusCode::NOT_FOUND)).put(put_value);
    let bulk = put(async || axum::Json(serde_json::json!({ "result": {} })));
    let router = Router::new().route("/values/{key}", values).route("/bulk", bulk).with_state(heads);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

pub(super) fn client(url: &str) -> Arc<dyn KvApi> {
    Arc::new(KvClient::new(url, None).expect("a client"))
}

#[tokio::test]
async fn workers_kv_is_not_written_for_a_checkpoint_alone() {
    let house = House::new().await;
    let (heads, mut written) = mpsc::unbounded_channel();
    let mut state = resumed(&house.publisher).await;
    let shared = &house.publisher.shared;
    let uploader = Uploader::new(client(&namespace(heads, None).await), shared, Duration::ZERO, Instant::now());
    let uploading = tokio::spawn(uploader.run(shared.head.subscribe()));
    let mut expected = VecDeque::from([shared.head.borrow().clone().expect("a head").bytes.clone()]);
    assert_eq!(written.recv().await, expected.pop_front());
    for _ in 0..3 {
        house.store.tell(vec![event(shared.now())]).await.expect("told");
        assert!(state.step(Occasion::Checkpoint).await.expect("a step"));
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(written.try_recv().is_err(), "a write for a checkpoint alone");
    }
    house.keys(1).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    expected.push_back(shared.head.borrow().clone().expect("a head").bytes.clone());
    assert_eq!(written.recv().await, expected.pop_front());
    assert_eq!(checkpoint(&house).size + 1, size(&house).await, "with a checkpoint of a moment ago");
    uploading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_takes_long_holds_up_no_head() {
    let mut house = House::new().await;
    let pipe = house.dir.path().join("audit-checkpoint.new");
    let file = LastSigned::of("test", house.dir.path());
    let shared = Arc::get_mut(&mut house.publisher.shared).expect("nobody else has it");
    let notary = Notary::new(Arc::clone(&house.store) as Arc<_>, "test", &[3; 32]).keeping(file);
    shared.witness = Arc::new(notary);
    let mut state = resumed(&house.publisher).await;
    let before = checkpoint(&house);
    // Whoever writes it waits until it is read.
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    for (status, patience) in [(WorkspaceStatus::Suspended, 5), (WorkspaceStatus::Active, 1)] {
        house.set(status).await;
        let began = Instant::now();
        assert!(state.step(Occasion::Checkpoint).await.expect("a step"));
        assert!(began.elapsed() < Duration::from_secs(patience), "{:?}", began.elapsed());
        assert!(!state.log.is_of_then);
        assert_eq!(checkpoint(&house), before);
    }
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(pipe));
    assert!(read.await.expect("read").expect("text").starts_with("keyward/test/audit/1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_kv_has_its_heartbeat_however_many_checkpoints_there_are_between() {
    let house = House::new().await;
    let (heads, mut written) = mpsc::unbounded_channel();
    let kv = Some(client(&namespace(heads, None).await));
    let (heartbeat, checkpoint_every) = (Duration::from_secs(2), Duration::from_secs(1));
    let timing = PublishOptions { heartbeat, checkpoint_every, kv_min_interval: Duration::ZERO, ..options() };
    let store = &house.store;
    let publishing = publisher(store, PublishOptions { kv, ..timing }).await.spawn();
    let first = written.recv().await.expect("a head");
    let began = Instant::now();
    // Sooner than a successor's head is written a second time.
    while began.elapsed() < Duration::from_secs(9) {
        store.tell(vec![event(SystemClock.now())]).await.expect("told");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let issued_at = |bytes: &[u8]| house.publisher.shared.signer.read(bytes).expect("a head of ours").issued_at;
    let mut times = vec![issued_at(&first)];
    while let Ok(head) = written.try_recv() {
        times.push(issued_at(&head));
    }
    assert!((3..=6).contains(&times.len()), "{times:?}");
    for pair in times.windows(2) {
        assert!((1_500..4_000).contains(&(pair[1] - pair[0])), "{times:?}");
    }
    publishing.stop().await;
}

#[tokio::test]
async fn edges_keep_their_checkpoint_where_a_process_that_starts_cannot_sign() {
    let house = House::new().await;
    drop(resumed(&house.publisher).await);
    let before = checkpoint(&house);
    behind(&house, "UPDATE audit_node SET hash = zeroblob(32)").await;
    let restarted = publisher(&house.store, options()).await;
    let state = resumed(&restarted).await;
    assert!(state.log.is_refused && state.log.events == before.size);
    assert_eq!(carried(&house, &restarted), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_signed_that_workers_kv_may_show_to_be_an_older_database() {
    let later = House::new().await;
    drop(resumed(&later.publisher).await);
    let head = later.publisher.shared.head.borrow().clone().expect("a head").bytes.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let away = format!("http://{}", listener.local_addr().expect("an address"));
    let newer = namespace(mpsc::unbounded_channel().0, Some(head)).await;
    for (kv, says) in [(away, None), (newer, Some("raise-epoch"))] {
        let house = House::new().await;
        let options = PublishOptions { kv: Some(client(&kv)), ..options() };
        let publisher = publisher(&house.store, options).await;
        let shared = Arc::clone(&publisher.shared);
        let publishing = publisher.spawn();
        for _ in 0..10 {
            let signed = shared.witness.checkpoint(shared.now(), 0).await;
            assert!(matches!(signed, Err(NotaryError::NotCompared)), "{signed:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        match (says, shared.head.borrow().clone()) {
            // It is served all the same, and says nothing of the log.
            (None, Some(head)) => {
                assert!(shared.signer.read(&head.bytes).expect("a head of ours").checkpoint.is_empty());
            }
            (Some(says), None) => assert!(shared.halted().is_some_and(|why| why.contains(says))),
            (_, head) => panic!("{says:?}: {head:?}"),
        }
        publishing.stop().await;
    }
    drop(listener);
}
