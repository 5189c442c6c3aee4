//! `?qr=svg` on what shows a secret.

use axum::http::Method;
use serde_json::{Value, json};

use crate::service::Service;

async fn sealed_workspace(service: &Service) -> String {
    let made = service.post("/v1/workspaces", json!({ "name": "Sealed", "reveal": "sealed" })).await.is(201);
    format!("/v1/workspaces/{}", made.text("id"))
}

fn body(name: &str) -> Value {
    json!({ "name": name, "access": "read-only", "apis": ["*"] })
}

#[tokio::test]
async fn create_rotate_and_reveal_draw_the_secret_when_asked() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let made = service.post(&format!("{workspace}/keys?qr=svg"), body("one")).await.is(201);
    let path = made.header("location").to_owned();
    let rotated = service.post(&format!("{path}/rotate?qr=svg"), json!({ "grace_seconds": 0 })).await.is(200);
    let shown = service.post(&format!("{path}/reveal?qr=svg"), json!({})).await.is(200);
    for reply in [&made, &rotated, &shown] {
        let svg = reply.text("qr_svg");
        assert!(svg.contains("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>"), "{svg}");
        for active in ["<script", "<!", "href", "on"] {
            let attributes = svg.replace("version=", "").replace("standalone=", "");
            assert!(!attributes.contains(active), "{active}: {svg}");
        }
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert_eq!(rotated.text("secret"), shown.text("secret"));
    assert_eq!(rotated.text("qr_svg"), shown.text("qr_svg"), "one secret, one drawing");
    assert_ne!(made.text("qr_svg"), shown.text("qr_svg"));
    // The tag is of the key, which is no other for being drawn.
    assert_eq!(shown.header("etag"), service.get(&path).await.header("etag"));
}

#[tokio::test]
async fn nothing_is_drawn_that_was_not_asked_for_or_is_not_there() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let made = service.post(&format!("{workspace}/keys"), body("one")).await.is(201);
    let path = made.header("location").to_owned();
    let rotated = service.post(&format!("{path}/rotate"), json!({ "grace_seconds": 0 })).await.is(200);
    let shown = service.post(&format!("{path}/reveal"), json!({})).await.is(200);
    for reply in [&made, &rotated, &shown] {
        assert!(reply.body.get("qr_svg").is_none(), "{}", reply.body);
    }
    let mut brought = body("brought");
    brought["sha256"] = json!("5e".repeat(32));
    let brought = service.post(&format!("{workspace}/keys?qr=svg"), brought).await.is(201);
    assert_eq!(brought.body.get("qr_svg"), Some(&Value::Null));
}

#[tokio::test]
async fn other_forms_and_other_routes_draw_nothing() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let events = service.audit_events().await;
    for form in ["png", "SVG", ""] {
        let refused = service.post(&format!("{workspace}/keys?qr={form}"), body("two")).await;
        refused.is_problem(400, "bad_parameter", Some("qr"));
    }
    for route in [format!("{key}/disable?qr=svg"), format!("{key}/archive?qr=svg"), "/v1/keys/lookup?qr=svg".to_owned()]
    {
        service.post(&route, json!({})).await.is_problem(400, "unknown_parameter", Some("qr"));
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn a_drawing_is_part_of_an_idempotent_answer() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let ask = |query: &str| {
        let call = service.request(Method::POST, &format!("{workspace}/keys{query}")).header("idempotency-key", "a");
        call.json(&body("one")).send()
    };
    let first = ask("?qr=svg").await.is(201);
    let second = ask("?qr=svg").await.is(201);
    assert_eq!(first.bytes, second.bytes);
    assert!(second.text("qr_svg").contains("<svg"));
    ask("").await.is_problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
}
