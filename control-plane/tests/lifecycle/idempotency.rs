//! Calls that carry an `Idempotency-Key`.

use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::lifecycle::{Context, CreatedKey, Done, IdempotentCall, Refusal, StoredAnswer};
use keyward_shared::id::WorkspaceId;
use zeroize::Zeroizing;

use crate::house::{House, create};

fn call(house: &House, context: &Context, key: &str, body: &str) -> Result<IdempotentCall, Refusal> {
    house.lifecycle.idempotent_call(context, key, "POST", "/v1/keys", body.as_bytes())
}

fn render(created: CreatedKey, generation: Generation) -> StoredAnswer {
    let secret = created.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
    StoredAnswer {
        status: 201,
        headers: vec![("x-generation".to_owned(), generation.0.to_string())],
        body: Zeroizing::new(secret),
    }
}

async fn create_once(
    house: &House,
    workspace: WorkspaceId,
    name: &str,
    idempotency_key: &str,
    body: &str,
) -> Result<Done, Refusal> {
    let context = house.context();
    let call = call(house, &context, idempotency_key, body)?;
    house.lifecycle.run(&context, create(workspace, name), Some(&call), render).await
}

#[tokio::test]
async fn the_same_call_gives_the_same_answer_and_no_second_effect_over_a_restart() {
    const HEADER: &str = "5f0c1c6e-one-call";
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let first = create_once(&house, workspace.id, "build", HEADER, "{}").await.expect("done");
    assert!(!first.replayed && first.answer.body.starts_with("kw_"));
    let (events, generation) = (house.events().await, house.generation().await);
    assert_eq!(first.generation, Generation(generation));
    let house = house.restarted().await;
    let second = create_once(&house, workspace.id, "build", HEADER, "{}").await.expect("done");
    assert!(second.replayed);
    assert!(second.answer == first.answer);
    assert_eq!(second.generation, first.generation);
    assert_eq!((house.events().await, house.generation().await), (events, generation));
    let disk = house.disk();
    let holds = |needle: &[u8]| disk.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(first.answer.body.as_bytes()), "the answer is sealed");
    assert!(!holds(HEADER.as_bytes()), "the header is not stored");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    create_once(&house, workspace.id, "build", "once", "{}").await.expect("done");
    let refused = create_once(&house, workspace.id, "build", "once", "{ }").await.err();
    assert!(matches!(refused, Some(Refusal::IdempotencyMismatch)));
    create_once(&house, workspace.id, "deploy", "twice", "{}").await.expect("done");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (taken, _) = house.key(workspace.id, "build").await;
    let refused = create_once(&house, workspace.id, "build", "once", "{}").await.err();
    assert!(matches!(refused, Some(Refusal::NameTaken)));
    house.run(keyward_control_plane::lifecycle::DeleteKey { target: taken }).await.expect("deleted");
    let done = create_once(&house, workspace.id, "build", "once", "{}").await.expect("done");
    assert!(!done.replayed);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    create_once(&house, workspace.id, "build", "once", "{}").await.expect("done");
    house.pass(86_399);
    assert!(create_once(&house, workspace.id, "build", "once", "{}").await.expect("done").replayed);
    house.pass(1);
    let done = create_once(&house, workspace.id, "deploy", "once", "{}").await.expect("done");
    assert!(!done.replayed);
    house.pass(86_400);
    assert_eq!(house.lifecycle.forget_answers(house.now()).await.expect("forgotten"), 1);
}

#[tokio::test]
async fn of_two_at_once_one_has_its_effect() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let calls = (0..8).map(|_| create_once(&house, workspace.id, "build", "once", "{}"));
    let mut effects = 0;
    for outcome in join_all(calls).await {
        match outcome {
            Ok(done) => effects += u32::from(!done.replayed),
            Err(refusal) => assert!(matches!(refusal, Refusal::IdempotencyRunning)),
        }
    }
    assert_eq!(effects, 1);
    assert_eq!(house.number("SELECT COUNT(*) FROM key").await, 1);
}

/// Polls all of them together.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|task| {
        let mut pending = false;
        for (future, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(task) {
                std::task::Poll::Ready(output) => *done = Some(output),
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn only_visible_ascii_is_an_idempotency_key() {
    let house = House::new().await;
    let context = house.context();
    for (key, reads) in [("a", true), ("", false), ("a b", false), ("é", false)] {
        assert_eq!(call(&house, &context, key, "").is_ok(), reads, "{key}");
    }
    assert!(call(&house, &context, &"k".repeat(255), "").is_ok());
    assert!(call(&house, &context, &"k".repeat(256), "").is_err());
}
