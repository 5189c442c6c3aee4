//! What the origin is told of a caller: by the edge alone, whatever the client says of itself.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keyward_tests::origin::Seen;
use keyward_tests::stack::{NewKey, basic};
use keyward_tests::{Stack, Workerd, clock, raw};
use serde_json::Value;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("no_imitation_of_an_identity_header_reaches_the_origin", imitations),
        Test::shared("headers_that_would_change_a_later_hop_are_dropped", dropped_headers),
        Test::shared("authorization_travels_only_where_it_is_kept", authorization_is_kept_where_told),
        Test::shared("the_assertion_binds_the_request_for_a_minute", the_assertion_binds_the_request),
        Test::shared("an_eddsa_assertion_is_verified_by_the_published_key", the_published_key_verifies),
        Test::shared("no_assertion_where_it_is_off", no_assertion_where_it_is_off),
    ]
}

const IDENTITY: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-member-id",
    "x-keyward-access",
    "x-keyward-generation",
    "x-keyward-request-id",
];
const EVIL: &str = "evil";

/// Header lines of one request each; `evil` in any of them is what must not arrive.
const IMITATIONS: [&[&str]; 17] = [
    &["X-Keyward-Key-Id: evil"],
    &["x-keyward-key-id: evil"],
    &["X-KEYWARD-KEY-ID: evil"],
    &["x-KeYwArD-aCcEsS: evil"],
    &["X_Keyward_Key_Id: evil"],
    &["X.Keyward.Key.Id: evil"],
    &["X-Keyward_Workspace.Id: evil"],
    &["X_KEYWARD-ACCESS: evil"],
    &["X-Keyward-Key-Id: evil", "X-Keyward-Key-Id: evil"],
    &["X-Keyward-Member-Id: evil", "x_keyward_member_id: evil", "X.KEYWARD.MEMBER.ID: evil"],
    &["X-Keyward-Key-Id: evil", "Connection: X-Keyward-Key-Id"],
    &["Connection: keep-alive, x-keyward-workspace-id, x-keyward-assertion", "X-Keyward-Assertion: evil"],
    &["X-Keyward-Request-Id: evil", "X-Keyward-Generation: evil"],
    &["X-Keyward-: evil", "X-Keyward-Anything-New: evil", "X-Keyward--Key-Id: evil"],
    &["X-Keyward-Proxy: evil", "X-Keyward-Code: evil"],
    &["X-Keyward-Key-Id:evil", "X-Keyward-Access:\tevil\t", "X-Keyward-Member-Id:   evil   "],
    &["Trailer: X-Keyward-Key-Id", "TE: trailers", "X-Keyward-Key-Id: evil"],
];

/// The runtime itself refuses these.
const NO_HEADERS: [&str; 4] =
    ["X-Keyward-Key-Id : evil", "X-Keyward-Key-Id\t: evil", " X-Keyward-Key-Id: evil", "X-Keyward-Key-\u{130}d: evil"];

fn ready(stack: &Stack, stem: &str) -> Result<(NewKey, String)> {
    let admin = stack.admin()?;
    let key = admin.key(stem)?;
    stack.applied(key.generation)?;
    Ok((key, format!("/{}", admin.fresh_name(stem))))
}

/// Sends a request with a key and these lines, and returns what reached the origin.
fn arrived(stack: &Stack, edge: SocketAddr, key: &NewKey, path: &str, lines: &[&str]) -> Result<Seen> {
    let before = stack.origin().seen_at(path).len();
    let credential = format!("Authorization: {}", basic(&key.secret, ""));
    let lines: Vec<_> = lines.iter().copied().chain([credential.as_str()]).collect();
    let answer = raw::send(edge, &raw::request("POST", path, &lines))?;
    ensure!(answer.status == 200, "{lines:?} is answered with {}", answer.status);
    let mut seen = stack.origin().seen_at(path);
    ensure!(seen.len() == before + 1, "the origin saw {} more requests", seen.len() - before);
    seen.pop().context("the origin saw nothing")
}

fn imitations(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "imitation")?;
    let plain = Workerd::start(stack, &[])?;
    for edge in [stack.edge_address(), plain.address()] {
        for lines in IMITATIONS {
            let seen = arrived(stack, edge, &key, &path, lines)?;
            is_told_the_truth(&seen, &key).with_context(|| format!("{lines:?}"))?;
        }
        for line in NO_HEADERS {
            let credential = format!("Authorization: {}", basic(&key.secret, ""));
            let answer = raw::send(edge, &raw::request("GET", "/imitation/none", &[line, &credential]))?;
            ensure!(answer.status == 400, "`{line}` is answered with {}", answer.status);
        }
    }
    ensure!(stack.origin().seen_at("/imitation/none").is_empty());
    Ok(())
}

fn is_told_the_truth(seen: &Seen, key: &NewKey) -> Result<()> {
    ensure!(!seen.headers.iter().any(|(_, value)| value.contains(EVIL)), "the origin was told {seen:?}");
    for name in IDENTITY {
        ensure!(seen.header(name).len() == 1, "{name} arrived {} times: {seen:?}", seen.header(name).len());
    }
    ensure!(seen.header("x-keyward-key-id") == [key.id.as_str()], "{seen:?}");
    ensure!(seen.header("x-keyward-workspace-id") == [key.workspace.as_str()], "{seen:?}");
    ensure!(seen.header("x-keyward-access") == ["read-write"], "{seen:?}");
    ensure!(seen.header("x-keyward-assertion").len() == 1, "{seen:?}");
    let ours = |name: &str| name.replace(['_', '.'], "-").starts_with("x-keyward-");
    let known = |name: &str| IDENTITY.contains(&name) || name == "x-keyward-assertion";
    let others: Vec<_> = seen.headers.iter().filter(|(name, _)| ours(name) && !known(name)).collect();
    ensure!(others.is_empty(), "also {others:?}");
    Ok(())
}

fn dropped_headers(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "dropped")?;
    let plain = Workerd::start(stack, &[])?;
    for edge in [stack.edge_address(), plain.address()] {
        let lines = [
            "X-HTTP-Method-Override: DELETE",
            "X-HTTP-Method: DELETE",
            "X-Method-Override: DELETE",
            "X_HTTP_METHOD_OVERRIDE: DELETE",
            "x.http.method: DELETE",
            "X-Original-URL: /DELETE",
            "X_Rewrite_Url: /DELETE",
            "Connection: X-Kept, X-Forwarded-For",
            "X-Kept: kept",
            "X-Keyward: kept",
            "Cookie: a=b",
            "User-Agent: a client",
        ];
        let seen = arrived(stack, edge, &key, &path, &lines)?;
        ensure!(seen.method == "POST", "{seen:?}");
        ensure!(!seen.headers.iter().any(|(_, value)| value.ends_with("DELETE")), "an override arrived: {seen:?}");
        let connection = seen.header("connection").concat().to_ascii_lowercase();
        ensure!(!connection.contains("x-kept"), "the client's Connection arrived: {seen:?}");
        ensure!(seen.header("authorization").is_empty(), "the credential arrived: {seen:?}");
        for (name, value) in [("x-kept", "kept"), ("x-keyward", "kept"), ("cookie", "a=b"), ("user-agent", "a client")]
        {
            ensure!(seen.header(name) == [value], "{name} is missing: {seen:?}");
        }
    }
    Ok(())
}

fn authorization_is_kept_where_told(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "kept")?;
    for (kept, times) in [("true", 1), ("false", 0), ("", 0)] {
        let edge = Workerd::start(stack, &[("KEYWARD_KEEP_AUTHORIZATION", kept)])?;
        let seen = arrived(stack, edge.address(), &key, &path, &[])?;
        ensure!(seen.header("authorization").len() == times, "kept is `{kept}`, the origin saw {seen:?}");
        is_told_the_truth(&seen, &key)?;
    }
    Ok(())
}

fn claims(token: &str, secret: &[u8]) -> Result<Value> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.set_required_spec_claims(&["exp", "sub", "iss"]);
    validation.set_issuer(&["keyward"]);
    Ok(decode::<Value>(token, &DecodingKey::from_secret(secret), &validation)?.claims)
}

fn the_assertion_binds_the_request(stack: &Stack) -> Result<()> {
    let secret = std::fs::read_to_string(stack.control_plane().secret("origin-secret"))?;
    let secret = secret.trim().as_bytes();
    let (key, path) = ready(stack, "assertion")?;
    let plain = Workerd::start(stack, &[])?;
    for edge in [stack.edge_address(), plain.address()] {
        let before = clock::now_ms() / 1000;
        let seen = arrived(stack, edge, &key, &path, &[])?;
        let after = clock::now_ms() / 1000;
        let token = *seen.header("x-keyward-assertion").first().context("no assertion")?;
        ensure!(decode_header(token)?.alg == Algorithm::HS256, "{token}");
        let claims = claims(token, secret)?;
        for (name, wanted) in [
            ("sub", key.id.as_str()),
            ("workspace_id", &key.workspace),
            ("member_id", seen.header("x-keyward-member-id")[0]),
            ("access", "read-write"),
            ("method", "POST"),
            ("path", &path),
        ] {
            ensure!(claims[name] == wanted, "{name} of {claims}");
        }
        let host = if edge == plain.address() { "edge.test".to_owned() } else { stack.edge_address().to_string() };
        ensure!(claims["host"] == host || claims["host"] == "edge.test", "host of {claims}");
        let at = |name: &str| claims[name].as_i64().with_context(|| format!("no {name} in {claims}"));
        let (issued_at, expires_at) = (at("iat")?, at("exp")?);
        ensure!((before..=after).contains(&issued_at), "iat of {claims}, asked between {before} and {after}");
        ensure!(expires_at > issued_at && expires_at - issued_at <= 60, "exp of {claims}");
        must_not_pass(token, secret)?;
    }
    Ok(())
}

/// No other secret opens it, nor anything but its own bytes.
fn must_not_pass(token: &str, secret: &[u8]) -> Result<()> {
    for wrong in [&b""[..], &secret[1..], b"keyward"] {
        ensure!(claims(token, wrong).is_err(), "a wrong secret opens it");
    }
    let parts: Vec<_> = token.split('.').collect();
    ensure!(parts.len() == 3, "{token}");
    for spoiled in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
    ] {
        ensure!(claims(&spoiled, secret).is_err(), "{spoiled} is taken");
    }
    Ok(())
}

fn the_published_key_verifies(stack: &Stack) -> Result<()> {
    let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let edge = Workerd::start(stack, &[("KEYWARD_ASSERTION", "eddsa"), ("KEYWARD_ASSERTION_KEY", seed)])?;
    let (key, path) = ready(stack, "eddsa")?;
    edge.applied(key.generation)?;
    let seen = arrived(stack, edge.address(), &key, &path, &[])?;
    let token = *seen.header("x-keyward-assertion").first().context("no assertion")?;
    let jwks: JwkSet = serde_json::from_str(&edge.edge("/.keyward/jwks").send()?.must_be(200)?.text())?;
    ensure!(!serde_json::to_string(&jwks)?.contains(seed), "the seed is published");
    let kid = decode_header(token)?.kid.context("no kid")?;
    let jwk = jwks.find(&kid).context("the key is not published")?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&["keyward"]);
    let claims = decode::<Value>(token, &DecodingKey::from_jwk(jwk)?, &validation)?.claims;
    ensure!(claims["sub"] == key.id.as_str() && claims["path"] == path.as_str(), "{claims}");
    let shared = stack.edge("/.keyward/jwks").send()?.must_be(200)?.json()?;
    ensure!(shared["keys"].as_array().is_some_and(Vec::is_empty), "a shared secret is published: {shared}");
    Ok(())
}

fn no_assertion_where_it_is_off(stack: &Stack) -> Result<()> {
    let (key, path) = ready(stack, "unasserted")?;
    for variables in [[("KEYWARD_ASSERTION", "off")], [("KEYWARD_ORIGIN_SECRET", "")]] {
        let edge = Workerd::start(stack, &variables)?;
        let seen = arrived(stack, edge.address(), &key, &path, &["X-Keyward-Assertion: evil"])?;
        ensure!(seen.header("x-keyward-assertion").is_empty(), "{variables:?}: {seen:?}");
        ensure!(seen.header("x-keyward-key-id") == [key.id.as_str()], "{seen:?}");
    }
    Ok(())
}
