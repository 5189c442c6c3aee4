//! Whatever is wrong with a request is named by a problem; nothing is changed, and the audit log has
//! no event of it.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, NewKey};
use keyward_tests::{Stack, clock, raw};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("a_wrong_member_is_named_and_changes_nothing", &QUIET, wrong_members),
        Test::in_turn("a_body_that_is_not_what_it_should_be_changes_nothing", &QUIET, wrong_bodies),
        Test::in_turn("a_wrong_header_or_parameter_is_named_and_changes_nothing", &QUIET, wrong_headers),
        Test::in_turn("what_the_state_forbids_is_a_conflict_and_changes_nothing", &QUIET, conflicts),
        Test::in_turn("without_an_operators_token_nothing_is_told_or_changed", &QUIET, without_token),
    ]
}

/// What must be the same after a refusal as before it.
struct Unchanged<'a> {
    admin: Admin,
    key: &'a NewKey,
    database: Database,
    before: Seen,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    generation: Value,
    events: i64,
    key: Vec<u8>,
    tag: String,
    keys: Vec<u8>,
}

impl<'a> Unchanged<'a> {
    fn from(stack: &Stack, key: &'a NewKey) -> Result<Self> {
        let (admin, database) = (stack.admin()?, Database::of(stack.control_plane()));
        let before = Seen::now(&admin, &database, key)?;
        Ok(Self { admin, key, database, before })
    }

    fn holds(&self) -> Result<()> {
        let now = Seen::now(&self.admin, &self.database, self.key)?;
        ensure!(now == self.before, "something changed");
        Ok(())
    }
}

impl Seen {
    fn now(admin: &Admin, database: &Database, key: &NewKey) -> Result<Self> {
        let answer = admin.get(&key.path())?.must_be(200)?;
        let tag = answer.header("etag").context("a key without ETag")?.to_owned();
        let keys = admin.get(&format!("/v1/workspaces/{}/keys", key.workspace))?.must_be(200)?.body;
        Ok(Self {
            generation: admin.snapshot()?["generation"].clone(),
            // A refused sign-in is in the log, and changes nothing.
            events: database.count("SELECT count(*) FROM audit_event WHERE action <> 'Login'")?,
            key: answer.body,
            tag,
            keys,
        })
    }
}

/// Method, path, body, and the status, code and field of the refusal.
type Wrong<'a> = (&'a str, String, Value, u16, &'a str, &'a str);

fn refused(stack: &Stack, key: &NewKey, wrong: &[Wrong<'_>]) -> Result<()> {
    let admin = stack.admin()?;
    let unchanged = Unchanged::from(stack, key)?;
    for (method, path, body, status, code, field) in wrong {
        let shown = || format!("{method} {path} {body}");
        let answer = admin.send(method, path, &[], Some(body))?;
        let answer = answer.must_be(*status).with_context(shown)?;
        ensure!(answer.header("content-type") == Some("application/problem+json"), "{}: {answer:?}", shown());
        let problem = answer.json()?;
        ensure!(problem["code"] == *code && problem["status"] == *status, "{}: {problem}", shown());
        let named = problem["field"].as_str().unwrap_or_default();
        ensure!(named == *field, "{}: the field is {named}, not {field}: {problem}", shown());
        ensure!(problem["request_id"].as_str() == answer.header("x-request-id"), "{}: {problem}", shown());
        unchanged.holds().with_context(shown)?;
    }
    Ok(())
}

fn wrong_members(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("bad-input")?;
    let workspace = format!("/v1/workspaces/{}", key.workspace);
    let keys = format!("{workspace}/keys");
    let create = |change: Value| {
        let mut body = json!({"name": "new", "access": "read-only", "apis": ["*"]});
        for (name, value) in change.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    };
    let past = clock::rfc3339(clock::now_ms() - 60_000)?;
    let ranges: Vec<String> = (0..33).map(|index| format!("10.0.{index}.0/24")).collect();
    let long = "a".repeat(101);
    let invalid = |method, path: &str, body, field| (method, path.to_owned(), body, 422, "invalid", field);
    let rotate = format!("{}/rotate", key.path());
    let extend = format!("{}/rotation/extend", key.path());
    let bulk = format!("{keys}/bulk");
    let api = "/v1/apis/bad-input";
    let wrong = [
        invalid("POST", &keys, create(json!({"colour": "red"})), "colour"),
        invalid("POST", &keys, create(json!({"name": 7})), "name"),
        invalid("POST", &keys, create(json!({"name": ""})), "name"),
        invalid("POST", &keys, create(json!({"name": long})), "name"),
        invalid("POST", &keys, create(json!({"access": "admin"})), "access"),
        invalid("POST", &keys, create(json!({"apis": "*"})), "apis"),
        invalid("POST", &keys, create(json!({"apis": []})), "apis"),
        invalid("POST", &keys, create(json!({"apis": ["no-such-api"]})), "apis[0]"),
        invalid("POST", &keys, create(json!({"environment": "moon"})), "environment"),
        invalid("POST", &keys, create(json!({"expires_at": past})), "expires_at"),
        invalid("POST", &keys, create(json!({"expires_at": "2107-01-01T00:00:00Z"})), "expires_at"),
        invalid("POST", &keys, create(json!({"expires_at": 1_900_000_000})), "expires_at"),
        invalid("POST", &keys, create(json!({"rotate_every_days": 0})), "rotate_every_days"),
        invalid("POST", &keys, create(json!({"restrictions": {"ips": ranges}})), "restrictions.ips[32]"),
        invalid("POST", &keys, create(json!({"restrictions": {"ips": ["here"]}})), "restrictions.ips[0]"),
        invalid("POST", &keys, create(json!({"restrictions": {"countries": ["AT"]}})), "restrictions.countries"),
        invalid("POST", &keys, create(json!({"sha256": "short"})), "sha256"),
        invalid("POST", &keys, create(json!({"metadata": {"much": "x".repeat(5_000)}})), "metadata"),
        invalid("POST", &keys, create(json!({"reason": "x".repeat(501)})), "reason"),
        invalid("POST", &keys, json!({"name": "new", "apis": ["*"]}), "access"),
        invalid("PATCH", &key.path(), json!({"status": "disabled"}), "status"),
        invalid("PATCH", &key.path(), json!({"name": long}), "name"),
        invalid("PATCH", &key.path(), json!({"apis": ["no-such-api"]}), "apis[0]"),
        invalid("PATCH", &key.path(), json!({"expires_at": past}), "expires_at"),
        invalid("POST", &rotate, json!({}), "grace_seconds"),
        invalid("POST", &rotate, json!({"grace_seconds": -1}), "grace_seconds"),
        invalid("POST", &rotate, json!({"grace_seconds": 2_592_001}), "grace_seconds"),
        invalid("POST", &rotate, json!({"grace_seconds": "60"}), "grace_seconds"),
        invalid("POST", &extend, json!({}), "previous_valid_until"),
        invalid("POST", &format!("{}/disable", key.path()), json!({"until": past}), "until"),
        invalid("POST", &bulk, json!({"action": "delete"}), "ids"),
        invalid("POST", &bulk, json!({"action": "delete", "filter": {}}), "filter"),
        invalid("POST", &bulk, json!({"action": "delete", "ids": [key.id, key.id]}), "ids[1]"),
        invalid("PATCH", &workspace, json!({"slug": "Not A Slug"}), "slug"),
        invalid("PATCH", &workspace, json!({"max_keys": "many"}), "max_keys"),
        invalid("PATCH", "/v1/settings", json!({"ping_path": "/.keyward/ping"}), "ping_path"),
        invalid("PATCH", "/v1/settings", json!({"origin": "https://elsewhere.example"}), "origin"),
        invalid("PATCH", "/v1/settings", json!({"accept": []}), "accept"),
        invalid("PUT", api, json!({"routes": [{"path_prefix": "no-slash"}]}), "routes[0].path_prefix"),
        invalid("PUT", api, json!({"routes": [{"path_prefix": "/a", "access": "some"}]}), "routes[0].access"),
        invalid("PUT", api, json!({"name": "another"}), "name"),
    ];
    refused(stack, &key, &wrong)
}

fn conflicts(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("conflict")?;
    let taken = admin.get(&key.path())?.must_be(200)?.json()?["name"].clone();
    let other = admin.workspace("conflict")?;
    let archived = admin.key_in(&key.workspace, "archived", json!({}))?;
    admin.act(&archived, "archive", &json!({}))?;
    let keys = format!("/v1/workspaces/{}/keys", key.workspace);
    let workspace = format!("/v1/workspaces/{}", key.workspace);
    let fresh = admin.key_in(&key.workspace, "other", json!({}))?;
    let create = json!({"name": taken, "access": "read-only", "apis": ["*"]});
    let at = |key: &NewKey, verb: &str| format!("{}/{verb}", key.path());
    let wrong = [
        ("POST", keys, create, 409, "name_taken", "name"),
        ("PATCH", fresh.path(), json!({"name": taken}), 409, "name_taken", "name"),
        ("PATCH", workspace.clone(), json!({"slug": other["slug"]}), 409, "slug_taken", "slug"),
        ("DELETE", workspace, Value::Null, 409, "not_suspended", ""),
        ("POST", at(&key, "rotation/finish"), json!({}), 409, "no_rotation", ""),
        ("POST", at(&key, "rotation/cancel"), json!({}), 409, "no_rotation", ""),
        ("POST", at(&key, "rotation/pause"), json!({}), 409, "no_rotation", ""),
        ("POST", at(&archived, "enable"), json!({}), 409, "key_archived", ""),
        ("POST", at(&archived, "rotate"), json!({"grace_seconds": 0}), 409, "key_archived", ""),
        ("POST", "/v1/workspaces/ws_00000000001/keys".to_owned(), json!({}), 422, "invalid", "name"),
        ("GET", "/v1/workspaces/ws_00000000001".to_owned(), Value::Null, 404, "not_found", ""),
        ("POST", at(&key, "explode"), json!({}), 404, "not_found", ""),
        ("PUT", key.path(), json!({}), 405, "method_not_allowed", ""),
    ];
    let (without_body, with_body): (Vec<_>, Vec<_>) = wrong.into_iter().partition(|wrong| wrong.2.is_null());
    refused(stack, &key, &with_body)?;
    let unchanged = Unchanged::from(stack, &key)?;
    for (method, path, _, status, code, _) in without_body {
        let problem = admin.send(method, &path, &[], None)?.must_be(status)?.json()?;
        ensure!(problem["code"] == code, "{method} {path}: {problem}");
        unchanged.holds()?;
    }
    Ok(())
}

fn wrong_bodies(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("bad-body")?;
    let unchanged = Unchanged::from(stack, &key)?;
    let keys = format!("/v1/workspaces/{}/keys", key.workspace);
    let right = json!({"name": "new", "access": "read-only", "apis": ["*"]}).to_string();
    let large = format!("{right}{}", " ".repeat(256 << 10));
    for (kind, body, status, code) in [
        ("application/json", "{", 400, "bad_json"),
        ("application/json", "{\"name\":\"new\"", 400, "bad_json"),
        ("application/json", "name=new", 400, "bad_json"),
        ("application/json", "{} {}", 400, "bad_json"),
        ("application/json", "[]", 422, "invalid"),
        ("application/json", "null", 422, "invalid"),
        ("application/json", "{\"name\":\"a\",\"name\":\"b\"}", 422, "invalid"),
        ("text/plain", right.as_str(), 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", "name=new", 415, "unsupported_media_type"),
        ("application/json", large.as_str(), 413, "body_too_large"),
    ] {
        let shown = || format!("{kind}: {}", &body[..body.len().min(60)]);
        let answer = admin.send_bytes("POST", &keys, &[], Some((kind, body.as_bytes().to_vec())))?;
        let problem = answer.must_be(status).with_context(shown)?.json()?;
        ensure!(problem["code"] == code, "{}: {problem}", shown());
        unchanged.holds().with_context(shown)?;
    }
    // In pieces, without saying how long it is.
    let mut endless = head(&admin, &keys, "content-type: application/json\r\ntransfer-encoding: chunked")?;
    for _ in 0..300 {
        endless.extend_from_slice(b"400\r\n");
        endless.extend_from_slice(&[b' '; 1024]);
        endless.extend_from_slice(b"\r\n");
    }
    endless.extend_from_slice(b"0\r\n\r\n");
    let answer = raw::send(address(&admin)?, &endless)?;
    ensure!(answer.status == 413, "a body without a length: {answer:?}");
    unchanged.holds()
}

fn wrong_headers(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("bad-header")?;
    let unchanged = Unchanged::from(stack, &key)?;
    let disable = format!("{}/disable", key.path());
    let long = "k".repeat(256);
    for (name, value) in [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "two words"),
        ("Idempotency-Key", "caf\u{e9}"),
        ("Idempotency-Key", long.as_str()),
        ("If-Match", "3"),
        ("If-Match", "\"open"),
    ] {
        let mut request = head(&admin, &disable, &format!("content-length: 0\r\n{name}: "))?;
        request.truncate(request.len() - 4);
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        let answer = raw::send(address(&admin)?, &request)?;
        let problem: Value = serde_json::from_slice(&answer.body)?;
        ensure!(answer.status == 400 && problem["code"] == "bad_header", "{name}: {value}: {answer:?}");
        ensure!(problem["field"] == name, "{name}: {value}: {problem}");
        unchanged.holds().with_context(|| format!("{name}: {value}"))?;
    }
    let twice = head(&admin, &disable, "content-length: 0\r\nidempotency-key: a\r\nidempotency-key: b")?;
    let answer = raw::send(address(&admin)?, &twice)?;
    ensure!(answer.status == 400, "{answer:?}");
    for (path, code, field) in [
        ("?limit=0", "bad_parameter", "limit"),
        ("?limit=201", "bad_parameter", "limit"),
        ("?limit=ten", "bad_parameter", "limit"),
        ("?cursor=nonsense", "bad_parameter", "cursor"),
        ("?limit=1&limit=2", "bad_parameter", "limit"),
        ("?status=asleep", "bad_parameter", "status"),
        ("?sort=colour", "bad_parameter", "sort"),
        ("?page=2", "unknown_parameter", "page"),
    ] {
        let path = format!("/v1/workspaces/{}/keys{path}", key.workspace);
        let problem = admin.get(&path)?.must_be(400).with_context(|| path.clone())?.json()?;
        ensure!(problem["code"] == code && problem["field"] == field, "{path}: {problem}");
    }
    unchanged.holds()
}

fn without_token(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("no-token")?;
    let unchanged = Unchanged::from(stack, &key)?;
    let credential = std::fs::read_to_string(stack.control_plane().secret("edge-credential"))?;
    let stranger = stack.stranger();
    for (authorization, status, code) in [
        (None, 401, "unauthorized"),
        (Some("Bearer ".to_owned()), 401, "unauthorized"),
        (Some(format!("Bearer kwt_{}", "A".repeat(43))), 401, "unauthorized"),
        (Some(format!("Bearer {}", key.secret)), 401, "unauthorized"),
        (Some(format!("Bearer {}", credential.trim())), 403, "forbidden"),
    ] {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        for (method, path) in [
            ("GET", key.path()),
            ("POST", format!("{}/disable", key.path())),
            ("DELETE", key.path()),
            ("GET", "/v1/snapshot".to_owned()),
            ("GET", "/v1/workspaces/ws_00000000001".to_owned()),
        ] {
            let answer = stranger.send(method, &path, &headers, None)?;
            let answer = answer.must_be(status).with_context(|| format!("{method} {path}"))?;
            ensure!(answer.json()?["code"] == code, "{method} {path}: {}", answer.text());
            ensure!(status != 401 || answer.header("www-authenticate").is_some(), "{answer:?}");
            ensure!(!answer.text().contains(&key.secret), "the answer repeats a secret");
        }
    }
    unchanged.holds()
}

/// The head of a POST as bytes, with further header lines.
fn head(admin: &Admin, path: &str, lines: &str) -> Result<Vec<u8>> {
    let token = admin.token().context("an operator without a token")?;
    let host = admin.base().trim_start_matches("http://");
    let fixed = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {token}");
    Ok(format!("{fixed}\r\n{lines}\r\n\r\n").into_bytes())
}

fn address(admin: &Admin) -> Result<SocketAddr> {
    Ok(admin.base().trim_start_matches("http://").parse()?)
}
