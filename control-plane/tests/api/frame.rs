//! Tokens, paths, methods, probes: what is around every route.

use axum::http::Method;

use crate::service::{EDGE_CREDENTIAL, Service};

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let service = Service::start().await;
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer kwt_wrong",
        "Basic a3d0Og==",
        "kwt_operatoroperatoroperatoroperatoroperatorope",
    ] {
        let call = service.request(Method::GET, "/v1/workspaces");
        let call = if header.is_empty() { call.without("authorization") } else { call.header("authorization", header) };
        let refused = call.send().await;
        refused.is_problem(401, "unauthorized", None);
        assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"keyward\"");
    }
}

#[tokio::test]
async fn who_has_no_token_does_not_learn_what_exists() {
    let service = Service::start().await;
    for path in ["/v1/workspaces/nonsense", "/v1/workspaces/ws_00000000001/keys/x"] {
        let call = service.request(Method::GET, path).without("authorization");
        call.send().await.is_problem(401, "unauthorized", None);
    }
}

#[tokio::test]
async fn the_edges_credential_opens_the_lane_and_nothing_else() {
    let service = Service::start().await;
    let bearer = format!("Bearer {EDGE_CREDENTIAL}");
    for path in ["/v1/workspaces", "/v1/settings", "/v1/snapshot"] {
        let call = service.request(Method::GET, path);
        let refused = call.header("authorization", &bearer).send().await;
        refused.is_problem(403, "forbidden", None);
    }
    for path in ["/v1/snapshot/head", "/v1/snapshot/objects/0a"] {
        let call = service.request(Method::GET, path);
        call.header("authorization", &bearer).send().await.is(200);
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found_and_an_id_that_is_none_too() {
    let service = Service::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/workspaces/nonsense",
        "/v1/workspaces/ws_00000000001",
        "/v1/workspaces/ws_00000000001/keys",
        "/v1/workspaces/ws_00000000001/members",
        "/v1/apis/none",
        "/v1/snapshot/objects/0b",
        "/v1/snapshot/objects/..%2F0a",
    ] {
        service.get(path).await.is_problem(404, "not_found", None);
    }
}

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    let service = Service::start().await;
    for (method, path, allowed) in [
        (Method::PUT, "/v1/workspaces", "GET,HEAD,POST"),
        (Method::POST, "/v1/settings", "GET,HEAD,PATCH"),
        (Method::GET, "/v1/workspaces/ws_00000000001/keys/key_00000000001/rotate", "POST"),
        (Method::DELETE, "/v1/snapshot/head", "GET,HEAD"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let refused = service.request(method, path).send().await;
        refused.is_problem(405, "method_not_allowed", None);
        assert_eq!(refused.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn probes_and_figures_need_no_token() {
    let service = Service::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let call = service.request(Method::GET, path).without("authorization");
        call.send().await.is(200);
    }
    let figures = service.get("/metrics").await;
    let text = String::from_utf8(figures.bytes).unwrap();
    assert!(text.contains("keyward_published_generation 1"), "{text}");
    assert!(text.contains("route=\"/healthz\""), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn figures_have_routes_for_labels_and_no_ids() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    service.get(&key).await.is(200);
    let call = service.request(Method::from_bytes(b"BREW").unwrap(), "/v1/coffee");
    call.send().await;
    let text = String::from_utf8(service.get("/metrics").await.bytes).unwrap();
    assert!(!text.contains("ws_") && !text.contains("key_0"), "{text}");
    assert!(!text.contains("BREW") && !text.contains("coffee"), "{text}");
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own() {
    let service = Service::start().await;
    let one = service.get("/healthz").await;
    let two = service.get("/nothing").await;
    assert!(one.header("x-request-id").starts_with("req_"));
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}
