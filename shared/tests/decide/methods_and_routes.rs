//! APIs, access, the ping path, and preflight.

use keyward_shared::credentials::CredentialError;
use keyward_shared::decision::{Client, Decision, Reason, Refusal, Request};
use keyward_shared::policy::{Access, Apis};

use super::{Scene, malformed, request, unauthorized, with_key};

fn read_only() -> Scene {
    let mut scene = Scene::new();
    scene.policy.access = Access::ReadOnly;
    scene
}

fn decided(scene: &Scene, method: &str, path: &str) -> Decision {
    scene.decide(&request(method, path, &with_key()))
}

#[test]
fn a_read_only_key_is_stopped_on_methods_that_are_not_safe() {
    let scene = read_only();
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        for path in ["/v1/data", "/elsewhere"] {
            assert_eq!(decided(&scene, method, path), Decision::Allow(scene.grant()), "{method} {path}");
        }
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE", "PROPFIND", "QUERY", "get", "Get", ""] {
        for path in ["/v1/data", "/elsewhere"] {
            assert_eq!(decided(&scene, method, path), Decision::Deny(Refusal::ReadOnlyKey), "{method} {path}");
        }
    }
}

#[test]
fn a_route_may_say_what_it_asks_whatever_the_method() {
    let scene = read_only();
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(decided(&scene, method, "/v1/report"), Decision::Allow(scene.grant()));
        assert_eq!(decided(&scene, method, "/v1/push"), Decision::Deny(Refusal::ReadOnlyKey));
    }
}

#[test]
fn an_api_is_granted_by_number_and_segment_by_segment() {
    let mut scene = Scene::new();
    scene.policy.apis = Apis::Only(vec![1, 3]);
    for (path, granted) in [
        ("/v1/data", true),
        ("/v1/data/", true),
        ("/v1/data/7/x", true),
        ("/v1/%64ata", true),
        ("/v1/push", true),
        ("/v1/database", false),
        ("/v1/dat", false),
        ("/v1/Data", false),
        ("/v1", false),
        ("/", false),
        ("/v1/report", false),
        ("/other", false),
    ] {
        let expected = if granted { Decision::Allow(scene.grant()) } else { Decision::Deny(Refusal::ApiNotGranted) };
        assert_eq!(decided(&scene, "GET", path), expected, "{path}");
    }
    scene.policy.apis = Apis::Only(Vec::new());
    assert_eq!(decided(&scene, "GET", "/v1/data"), Decision::Deny(Refusal::ApiNotGranted));
}

#[test]
fn a_path_without_a_route_is_for_keys_of_every_api_only() {
    let mut scene = Scene::new();
    assert_eq!(decided(&scene, "POST", "/other"), Decision::Allow(scene.grant()));
    scene.policy.apis = Apis::Only((0..256).collect());
    assert_eq!(decided(&scene, "POST", "/other"), Decision::Deny(Refusal::ApiNotGranted));
}

#[test]
fn every_usable_key_may_ping() {
    let mut scene = read_only();
    scene.policy.apis = Apis::Only(Vec::new());
    assert_eq!(decided(&scene, "GET", "/v1/ping"), Decision::Pong(scene.grant()));
    for (method, path) in
        [("HEAD", "/v1/ping"), ("POST", "/v1/ping"), ("GET", "/v1/ping/"), ("GET", "/v1/pin%67"), ("GET", "/v1/Ping")]
    {
        assert_eq!(decided(&scene, method, path), Decision::Deny(Refusal::ApiNotGranted), "{method} {path}");
    }
    "/health".clone_into(&mut scene.settings.ping_path);
    assert_eq!(decided(&scene, "GET", "/health"), Decision::Pong(scene.grant()));
    scene.record.disabled = true;
    assert_eq!(decided(&scene, "GET", "/health"), unauthorized(Reason::Disabled));
}

#[test]
fn a_ping_from_elsewhere_than_allowed_is_restricted() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips = vec!["192.0.2.0/24".parse().expect("a range")];
    let authorization = with_key();
    let from = |address: &str| Request {
        client: Some(Client { address: Some(address.parse().expect("an address")), ..Client::default() }),
        ..request("GET", "/v1/ping", &authorization)
    };
    assert_eq!(scene.decide(&from("192.0.2.7")), Decision::Pong(scene.grant()));
    assert_eq!(scene.decide(&from("198.51.100.7")), Decision::Deny(Refusal::Restricted));
}

#[test]
fn a_preflight_is_public_unless_a_route_says_otherwise() {
    let scene = Scene::new();
    let preflight = |method, path| scene.decide(&Request { method, path, preflight: true, ..Request::default() });
    assert_eq!(preflight("OPTIONS", "/v1/data"), Decision::Public);
    assert_eq!(preflight("OPTIONS", "/other"), Decision::Public);
    let asked = malformed(CredentialError::Missing);
    assert_eq!(preflight("OPTIONS", "/cors"), asked);
    assert_eq!(preflight("OPTIONS", "/v1/report"), asked);
    assert_eq!(preflight("OPTIONS", "/v1/push"), asked);
    assert_eq!(preflight("OPTIONS", "/v1/../x"), asked);
    // The header alone makes no preflight.
    for method in ["GET", "POST", "options"] {
        assert_eq!(preflight(method, "/v1/data"), asked, "{method}");
    }
    let plain = scene.decide(&Request { method: "OPTIONS", path: "/v1/data", ..Request::default() });
    assert_eq!(plain, asked);
}
