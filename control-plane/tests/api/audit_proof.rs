//! Checkpoints and proofs, as an auditor takes them who believes nothing but a public key.

use axum::http::Method;
use keyward_control_plane::domain::audit;
use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::merkle::{Hash, verify_consistency, verify_inclusion};
use keyward_control_plane::domain::audit::note;
use serde_json::Value;

use crate::service::{Reply, Service};

fn hash(text: &Value) -> Hash {
    hex::decode(text.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(hash).collect()
}

fn opened(service: &Service, note: &str) -> Checkpoint {
    Checkpoint::parse(note::open(note, &[service.verifier()]).unwrap()).unwrap()
}

fn sizes(reply: &Reply) -> Vec<u64> {
    reply.body["items"].as_array().unwrap().iter().map(|item| item["size"].as_u64().unwrap()).collect()
}

async fn newest(service: &Service) -> Checkpoint {
    let reply = service.get("/v1/audit/checkpoint").await.is(200);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    opened(service, core::str::from_utf8(&reply.bytes).unwrap())
}

#[tokio::test]
async fn the_checkpoint_is_of_the_log_as_it_is() {
    let service = Service::start().await;
    let first = newest(&service).await;
    assert_eq!(first.size, service.audit_events().await.cast_unsigned());
    assert_eq!(first.origin, "keyward/test/audit/1");
    service.workspace("Acme").await;
    service.pass_seconds(1);
    let second = newest(&service).await;
    assert_eq!(second.size, service.audit_events().await.cast_unsigned());
    assert!(second.size > first.size && second.at > first.at);

    let again = service.request(Method::GET, "/v1/audit/checkpoint");
    let etag = service.get("/v1/audit/checkpoint").await.header("etag").to_owned();
    again.header("if-none-match", &etag).send().await.is(304);
}

#[tokio::test]
async fn every_event_is_proved_to_be_in_the_log() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for number in 0..9 {
        service.key(&workspace, &format!("key {number}")).await;
    }
    let all = service.get("/v1/audit/events?limit=200").await.is(200);
    for event in all.body["items"].as_array().unwrap() {
        let seq = event["seq"].as_u64().unwrap();
        let proof = service.get(&format!("/v1/audit/proof?seq={seq}")).await.is(200).body;
        let checkpoint = opened(&service, proof["checkpoint"].as_str().unwrap());
        assert_eq!((proof["size"].as_u64(), hash(&proof["root"])), (Some(checkpoint.size), checkpoint.root));
        let mut document = event.clone();
        document.as_object_mut().unwrap().remove("hash");
        let leaf = audit::hash(&document).unwrap();
        assert_eq!(hash(&proof["hash"]), leaf);
        let path = hashes(&proof["proof"]);
        assert!(verify_inclusion(seq - 1, checkpoint.size, &leaf, &path, &checkpoint.root), "{seq}");
        // In each smaller tree that has it, too.
        for size in seq..=checkpoint.size {
            let proof = service.get(&format!("/v1/audit/proof?seq={seq}&size={size}")).await.is(200).body;
            let (path, root) = (hashes(&proof["proof"]), hash(&proof["root"]));
            assert!(verify_inclusion(seq - 1, size, &leaf, &path, &root), "{seq} in {size}");
            assert_eq!(proof["checkpoint"].is_string(), size == checkpoint.size);
        }
    }
}

#[tokio::test]
async fn an_event_that_no_checkpoint_has_yet_gets_one() {
    let service = Service::start().await;
    let before = newest(&service).await;
    service.workspace("Acme").await;
    let seq = service.audit_events().await;
    let proof = service.get(&format!("/v1/audit/proof?seq={seq}")).await.is(200).body;
    assert!(opened(&service, proof["checkpoint"].as_str().unwrap()).size > before.size);
    assert_eq!(proof["size"], seq);
}

#[tokio::test]
async fn the_log_is_proved_to_have_only_grown() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for number in 0..9 {
        service.key(&workspace, &format!("key {number}")).await;
    }
    let whole = newest(&service).await;
    for from_size in 1..=whole.size {
        for size in from_size..=whole.size {
            let path = format!("/v1/audit/proof?from_size={from_size}&size={size}");
            let proof = service.get(&path).await.is(200).body;
            let (old, new) = (hash(&proof["from_root"]), hash(&proof["root"]));
            assert!(verify_consistency(from_size, size, &old, &new, &hashes(&proof["proof"])), "{path}");
        }
        let proof = service.get(&format!("/v1/audit/proof?from_size={from_size}")).await.is(200).body;
        assert_eq!(opened(&service, proof["checkpoint"].as_str().unwrap()), whole);
        assert_eq!((proof["size"].as_u64(), hash(&proof["root"])), (Some(whole.size), whole.root));
    }
}

#[tokio::test]
async fn a_member_is_proved_no_event_of_another_workspace() {
    let service = Service::start().await;
    let own = service.workspace("Acme").await;
    let last_of_own = service.audit_events().await;
    service.workspace("Umbrella").await;
    let last = service.audit_events().await;
    let (_, token) = service.somebody(&own, "admin").await;
    let ask = async |path: String| service.request(Method::GET, &path).bearer(&token).send().await;
    ask(format!("/v1/audit/proof?seq={last_of_own}")).await.is(200);
    for unseen in [1, last, last + 1, 0, i64::MAX] {
        ask(format!("/v1/audit/proof?seq={unseen}")).await.is_problem(404, "not_found", None);
    }
    service.get(&format!("/v1/audit/proof?seq={last}")).await.is(200);
}

#[tokio::test]
async fn what_cannot_be_proved_is_said() {
    let service = Service::start().await;
    service.workspace("Acme").await;
    let size = newest(&service).await.size;
    for (query, field) in [
        (String::new(), "seq"),
        ("seq=1&from_size=1".to_owned(), "from_size"),
        ("seq=x".to_owned(), "seq"),
        ("seq=-1".to_owned(), "seq"),
        ("seq=18446744073709551616".to_owned(), "seq"),
        ("from_size=0".to_owned(), "from_size"),
        (format!("from_size={}", size + 1), "from_size"),
        ("from_size=18446744073709551615".to_owned(), "from_size"),
        (format!("seq=1&size={}", size + 1), "size"),
        ("seq=1&size=18446744073709551615".to_owned(), "size"),
        (format!("seq={size}&size={}", size - 1), "size"),
        ("seq=1&size=0".to_owned(), "size"),
        (format!("from_size={size}&size=1"), "size"),
    ] {
        service.get(&format!("/v1/audit/proof?{query}")).await.is_problem(400, "bad_parameter", Some(field));
    }
    service.get("/v1/audit/proof?seq=0").await.is_problem(404, "not_found", None);
    service.get("/v1/audit/proof?seq=18446744073709551615").await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_log_that_was_changed_is_not_signed_again() {
    let service = Service::start().await;
    newest(&service).await;
    service.workspace("Acme").await;
    service.behind("UPDATE audit_node SET hash = zeroblob(32) WHERE place = 0").await;
    service.behind("UPDATE audit_node SET hash = zeroblob(32) WHERE place = 1").await;
    service.pass_seconds(2);
    service.get("/v1/audit/checkpoint").await.is_problem(500, "internal", None);
}

#[tokio::test]
async fn every_moment_of_a_range_lies_between_two_checkpoints() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let mut signed = Vec::new();
    for number in 0..6 {
        service.pass_seconds(60);
        service.key(&workspace, &format!("key {number}")).await;
        signed.push(newest(&service).await.size);
    }
    let minute = |minute: i64| jiff::Timestamp::from_second(1_767_225_600 + minute * 60).unwrap().to_string();
    let ask = async |query: String| service.get(&format!("/v1/audit/checkpoints?{query}")).await.is(200);
    assert_eq!(sizes(&ask(String::new()).await), signed);
    assert_eq!(sizes(&ask(format!("from={}&to={}", minute(3), minute(4))).await), signed[1..4]);
    let between = jiff::Timestamp::from_second(1_767_225_600 + 150).unwrap().to_string();
    assert_eq!(sizes(&ask(format!("from={between}&to={between}")).await), signed[1..3]);
    assert_eq!(sizes(&ask(format!("to={}", minute(1))).await), signed[..1]);
    assert_eq!(sizes(&ask(format!("from={}", minute(7))).await), signed[5..]);

    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(format!("limit=4&from={}{cursor}", minute(2))).await;
        found.extend(sizes(&page));
        for item in page.body["items"].as_array().unwrap() {
            let checkpoint = opened(&service, item["note"].as_str().unwrap());
            assert_eq!(item["origin"], checkpoint.origin);
            assert_eq!(item["size"], checkpoint.size);
            assert_eq!(item["at"], checkpoint.at.to_string());
            assert_eq!(hash(&item["root"]), checkpoint.root);
        }
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, signed);
    let wrong = service.get(&format!("/v1/audit/checkpoints?from={}&to={}", minute(2), minute(1))).await;
    wrong.is_problem(400, "bad_parameter", Some("to"));
}
