//! `/.keyward/verify` for proxies that ask before they forward, and `/.keyward/status`.

use anyhow::{Context, Result, ensure};
use keyward_tests::stack::{EdgeRequest, NewKey, basic};
use keyward_tests::{Answer, Stack, Workerd};
use serde_json::json;

use crate::Test;

const SECRET: &str = "a proxy's own secret";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("verify_is_for_a_proxy_with_the_secret", verify_asks_for_the_secret),
        Test::shared("verify_judges_what_a_proxy_forwards", verify_judges_what_a_proxy_forwards),
        Test::shared("verify_wants_each_forwarded_header_exactly_once", verify_wants_each_header_once),
        Test::shared("verify_judges_a_path_behind_it", verify_judges_a_path_behind_it),
        Test::shared("verify_takes_the_address_from_the_proxy", verify_takes_the_address_from_the_proxy),
        Test::shared("status_tells_what_the_edge_holds", status_tells_what_the_edge_holds),
        Test::shared("an_unknown_endpoint_of_its_own_is_not_found", an_unknown_endpoint_is_not_found),
        Test::shared("without_a_configuration_no_keys_are_published", without_a_configuration_no_keys_are_published),
    ]
}

fn start(stack: &Stack) -> Result<Workerd> {
    Workerd::start(stack, &[("KEYWARD_PROXY_SECRET", SECRET), ("KEYWARD_CLIENT_ADDRESS", "xff:1")])
}

/// As Traefik, Caddy and nginx ask.
fn forwarded<'a>(edge: &'a Workerd, method: &str, uri: &str) -> EdgeRequest<'a> {
    edge.edge("/.keyward/verify")
        .header("x-keyward-proxy", SECRET)
        .header("x-forwarded-method", method)
        .header("x-forwarded-uri", uri)
        .header("x-forwarded-host", "api.example.com")
}

fn must(request: EdgeRequest<'_>, what: &str, status: u16, code: &str) -> Result<Answer> {
    let answer = request.send()?;
    ensure!(answer.status == status, "{what} is answered with {}: {}", answer.status, answer.text());
    ensure!(answer.header("x-keyward-code") == Some(code), "{what}: {:?}", answer.headers);
    ensure!(answer.header("x-keyward-request-id").is_some(), "{what} has no request id");
    ensure!(answer.header("cache-control") == Some("no-store"), "{what} may be stored");
    Ok(answer)
}

fn names_the_key(answer: &Answer, key: &NewKey) -> Result<()> {
    ensure!(answer.body.is_empty(), "the body is {}", answer.text());
    for (name, value) in [
        ("x-keyward-key-id", key.id.as_str()),
        ("x-keyward-workspace-id", &key.workspace),
        ("x-keyward-access", "read-only"),
    ] {
        ensure!(answer.header(name) == Some(value), "{name} of {:?}", answer.headers);
    }
    for name in ["x-keyward-member-id", "x-keyward-generation", "x-keyward-assertion"] {
        ensure!(answer.header(name).is_some(), "no {name} in {:?}", answer.headers);
    }
    Ok(())
}

fn names_nobody(answer: &Answer) -> Result<()> {
    let named = ["x-keyward-key-id", "x-keyward-workspace-id", "x-keyward-assertion"];
    ensure!(named.iter().all(|name| answer.header(name).is_none()), "{:?}", answer.headers);
    Ok(())
}

fn verify_asks_for_the_secret(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("proxied")?;
    let edge = start(stack)?;
    let without_secret = Workerd::start(stack, &[])?;
    edge.applied(key.generation)?;
    without_secret.applied(key.generation)?;
    let ask = |edge: &Workerd, path: &str, secret: Option<&str>| -> Result<()> {
        let mut request = edge.edge(path).key(&key.secret);
        for name in ["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host"] {
            request = request.header(name, if name.ends_with("method") { "GET" } else { "/a" });
        }
        if let Some(secret) = secret {
            request = request.header("x-keyward-proxy", secret);
        }
        names_nobody(&must(request, path, 403, "proxy_secret")?)
    };
    for path in ["/.keyward/verify", "/.keyward/verify/v1/data", "/.keyward/verify/"] {
        for secret in [None, Some(""), Some("a proxy's own secre"), Some("another"), Some("a proxy's own secret!")] {
            ask(&edge, path, secret)?;
        }
        for secret in [None, Some(""), Some(SECRET)] {
            ask(&without_secret, path, secret)?;
        }
    }
    Ok(())
}

fn verify_judges_what_a_proxy_forwards(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("verified");
    let path = format!("/{api}/a");
    let open = format!("/{api}/open");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}, {"path_prefix": open, "access": "public"}]))?;
    let key = admin.key_with("verified", json!({"access": "read-only", "apis": [api]}))?;
    let edge = start(stack)?;
    edge.applied(key.generation)?;
    for uri in [path.clone(), format!("{path}?a=b&c=/../d"), "/v1/ping".to_owned()] {
        let answer = must(forwarded(&edge, "GET", &uri).key(&key.secret), &uri, 200, "allowed")?;
        names_the_key(&answer, &key)?;
    }
    let public = must(forwarded(&edge, "POST", &open), "a public route", 200, "public")?;
    names_nobody(&public)?;
    ensure!(public.body.is_empty(), "the body is {}", public.text());
    for (what, request, status, code) in [
        ("a write", forwarded(&edge, "POST", &path).key(&key.secret), 403, "read_only_key"),
        ("another API", forwarded(&edge, "GET", "/elsewhere").key(&key.secret), 403, "api_not_granted"),
        ("dot segments", forwarded(&edge, "GET", &format!("{path}/../b")).key(&key.secret), 403, "bad_path"),
        ("an encoded slash", forwarded(&edge, "GET", &format!("{path}%2fb")).key(&key.secret), 403, "bad_path"),
        ("a whole URL", forwarded(&edge, "GET", "https://x.test/a").key(&key.secret), 403, "bad_path"),
        ("a fragment", forwarded(&edge, "GET", &format!("{path}#b")).key(&key.secret), 403, "bad_path"),
        ("nobody", forwarded(&edge, "GET", &path), 401, "unauthorized"),
        ("an unknown key", forwarded(&edge, "GET", &path).key("0123456789abcdef0123456789abcdef"), 401, "unauthorized"),
    ] {
        let answer = must(request, what, status, code)?;
        names_nobody(&answer)?;
        ensure!(answer.json()?["code"] == code, "{what}: {}", answer.text());
        ensure!(answer.header("www-authenticate").is_some() == (status == 401), "{what}: {:?}", answer.headers);
    }
    // The proxy's own method is not what is judged, and the origin is not asked.
    let posted = forwarded(&edge, "GET", &path).method("POST").key(&key.secret);
    must(posted, "a proxy that posts", 200, "allowed")?;
    ensure!(stack.origin().seen_at(&path).is_empty(), "the origin saw {:?}", stack.origin().seen_at(&path));
    Ok(())
}

fn verify_wants_each_header_once(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("once")?;
    let edge = start(stack)?;
    edge.applied(key.generation)?;
    let names = ["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host"];
    let values = ["GET", "/v1/data", "api.example.com"];
    let ask = |times: [usize; 3]| {
        let mut request = edge.edge("/.keyward/verify").header("x-keyward-proxy", SECRET).key(&key.secret);
        for ((name, value), times) in names.into_iter().zip(values).zip(times) {
            for _ in 0..times {
                request = request.header(name, value);
            }
        }
        request
    };
    must(ask([1, 1, 1]), "each once", 200, "allowed")?;
    for times in [[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0], [2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 2, 2]] {
        let answer = must(ask(times), &format!("{times:?} times"), 400, "forwarded_headers")?;
        names_nobody(&answer)?;
    }
    Ok(())
}

/// As Envoy asks: with the request's own method, its path behind the endpoint's.
fn verify_judges_a_path_behind_it(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("envoy");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}]))?;
    let key = admin.key_with("envoy", json!({"access": "read-only", "apis": [api]}))?;
    let edge = start(stack)?;
    edge.applied(key.generation)?;
    let ask = |method: &str, path: &str| {
        let request = edge.edge(&format!("/.keyward/verify{path}")).method(method);
        request.header("x-keyward-proxy", SECRET).header("authorization", &basic(&key.secret, ""))
    };
    let path = format!("/{api}/a");
    names_the_key(&must(ask("GET", &path), "GET", 200, "allowed")?, &key)?;
    names_the_key(&must(ask("GET", &format!("{path}?x=y")), "with a query", 200, "allowed")?, &key)?;
    names_the_key(&must(ask("GET", "/v1/ping"), "the ping path", 200, "allowed")?, &key)?;
    must(ask("DELETE", &path), "DELETE", 403, "read_only_key")?;
    must(ask("GET", "/elsewhere"), "elsewhere", 403, "api_not_granted")?;
    must(ask("GET", &format!("/{api}//a")), "an empty segment", 403, "bad_path")?;
    // What a proxy of the other kind would say counts for nothing here.
    let told = ask("DELETE", &path).header("x-forwarded-method", "GET").header("x-forwarded-uri", "/v1/ping");
    must(told, "DELETE that is said to be GET", 403, "read_only_key").map(drop)
}

fn verify_takes_the_address_from_the_proxy(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key =
        admin.key_with("addressed", json!({"access": "read-only", "restrictions": {"ips": ["203.0.113.0/24"]}}))?;
    let edge = start(stack)?;
    edge.applied(key.generation)?;
    let ask = |forwarded_for: Option<&str>| {
        let request = forwarded(&edge, "GET", "/v1/data").key(&key.secret);
        match forwarded_for {
            Some(value) => request.header("x-forwarded-for", value),
            None => request,
        }
    };
    must(ask(Some("203.0.113.9")), "from inside", 200, "allowed")?;
    must(ask(Some("198.51.100.1, 203.0.113.9")), "the last from inside", 200, "allowed")?;
    must(ask(Some("203.0.113.9, 198.51.100.1")), "the last from outside", 403, "restricted")?;
    must(ask(Some("198.51.100.1")), "from outside", 403, "restricted")?;
    must(ask(Some("unknown")), "from nowhere", 403, "restricted")?;
    must(ask(None), "not told", 403, "restricted").map(drop)
}

fn status_tells_what_the_edge_holds(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("status")?;
    stack.applied(key.generation)?;
    let plain = Workerd::start(stack, &[])?;
    plain.applied(key.generation)?;
    for request in [stack.edge("/.keyward/status"), plain.edge("/.keyward/status")] {
        let answer = request.send()?.must_be(200)?;
        ensure!(answer.header("content-type") == Some("application/json"), "{:?}", answer.headers);
        ensure!(answer.header("cache-control") == Some("no-store"), "{:?}", answer.headers);
        let status = answer.json()?;
        ensure!(status["generation"].as_u64() >= Some(key.generation), "{status}");
        let issued_at = keyward_tests::clock::ms_of(&status["issued_at"])?;
        let expires_at = keyward_tests::clock::ms_of(&status["expires_at"])?;
        ensure!(expires_at - issued_at == 86_400_000, "the head of {status} is not good for a day");
        let age = i64::try_from(status["age_seconds"].as_u64().context("no age")?)?;
        let real = (keyward_tests::clock::now_ms() - issued_at) / 1000;
        ensure!((real - 2..=real).contains(&age), "{status} is {real} s old");
        ensure!(status["state"] == "fresh", "{status}");
        ensure!(status["version"].as_str().is_some_and(|version| version.split('.').count() == 3), "{status}");
        let checkpoint = &status["audit_checkpoint"];
        ensure!(checkpoint.is_null() || checkpoint.is_string(), "{status}");
    }
    let blind = Workerd::start_unready(stack, &[("KEYWARD_LANE_URL", "http://127.0.0.1:9/v1/snapshot")])?;
    let status = blind.edge("/.keyward/status").send()?.must_be(200)?.json()?;
    ensure!(status["state"] == "none", "{status}");
    for name in ["generation", "issued_at", "expires_at", "age_seconds", "audit_checkpoint"] {
        ensure!(status[name].is_null() && status.get(name).is_some(), "{name} of {status}");
    }
    let refused = blind.edge("/v1/ping").key(&key.secret).send()?.must_be(503)?;
    ensure!(refused.header("x-keyward-code") == Some("no_snapshot"), "{:?}", refused.headers);
    ensure!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    Ok(())
}

/// An origin that took an empty set for an answer would refuse what other edges have signed.
fn without_a_configuration_no_keys_are_published(stack: &Stack) -> Result<()> {
    let broken = [("KEYWARD_ASSERTION", "eddsa"), ("KEYWARD_ASSERTION_KEY", "too-short")];
    let edge = Workerd::start_unready(stack, &broken)?;
    let refused = edge.edge("/.keyward/jwks").send()?.must_be(503)?;
    ensure!(refused.header("x-keyward-code") == Some("no_snapshot"), "{:?}", refused.headers);
    ensure!(edge.log()?.contains("KEYWARD_ASSERTION_KEY"), "the log does not say what is wrong");
    Ok(())
}

fn an_unknown_endpoint_is_not_found(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("endpoint")?;
    let edge = start(stack)?;
    edge.applied(key.generation)?;
    for path in ["/.keyward/", "/.keyward/other", "/.keyward/status/x", "/.keyward/verifyx", "/.keyward/verify%2fx"] {
        let answer = must(edge.edge(path).key(&key.secret), path, 404, "not_found")?;
        ensure!(answer.json()?["code"] == "not_found", "{}", answer.text());
    }
    ensure!(stack.origin().seen().iter().all(|seen| !seen.path.starts_with("/.keyward/")), "one was forwarded");
    Ok(())
}
