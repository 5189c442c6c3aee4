//! Whose secret it is, and why a request was judged so.

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use keyward_tests::Stack;
use keyward_tests::stack::{Admin, NewKey, basic, generation};
use serde_json::json;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("an_explanation_says_what_the_edge_says", agrees),
        Test::shared("a_credential_that_the_edge_cannot_read_is_explained_by_its_mistake", mistaken),
        Test::shared("a_secret_leads_to_its_key_after_it_was_refused", leads),
    ]
}

/// A request, and the word that explains its answer.
struct Ask {
    method: &'static str,
    path: String,
    authorization: Option<String>,
    reason: &'static str,
}

fn agrees(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (asks, last) = asks(&admin)?;
    stack.applied(last)?;
    for Ask { method, path, authorization, reason } in asks {
        let mut request = stack.edge(&path).method(method);
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.send()?;
        let question = json!({"authorization": authorization, "method": method, "path": path});
        let told = admin.post("/v1/explain", &question)?.must_be(200)?.json()?;
        let shown = format!("{method} {path}: {reason}; the edge says {}, told is {told}", answer.status);
        ensure!(told["reason"] == reason, "{shown}");
        if answer.status == 200 {
            ensure!(told["verdict"] == "allow" && told["code"].is_null(), "{shown}");
        } else {
            let refusal = answer.json()?;
            ensure!(told["verdict"] == "deny" && told["code"] == refusal["code"], "{shown}");
            ensure!(told["status"] == answer.status, "{shown}");
        }
        if let Some(authorization) = &authorization {
            ensure!(!repeats(&told.to_string(), authorization), "the credential is repeated");
        }
    }
    Ok(())
}

/// One request for each reason there is, and the generation from which they all hold.
fn asks(admin: &Admin) -> Result<(Vec<Ask>, u64)> {
    let name = admin.fresh_name("explained");
    let (api, open) = (format!("/{name}"), format!("/{name}/open"));
    admin.api(&name, &json!([{"path_prefix": api}, {"path_prefix": open, "access": "public"}]))?;
    let key = admin.key("explained")?;
    let reads = admin.key_with("explained", json!({"access": "read-only", "apis": [name]}))?;
    let bound = admin.key_with("explained", json!({"restrictions": {"referrers": ["example.com"]}}))?;
    let done = |stem: &str, verb: &str| -> Result<NewKey> {
        let key = admin.key(stem)?;
        admin.act(&key, verb, &json!({}))?;
        Ok(key)
    };
    let (disabled, archived) = (done("disabled", "disable")?, done("archived", "archive")?);
    let deleted = admin.key("deleted")?;
    admin.delete(&deleted.path())?.must_be(200)?;
    let (retired, paused) = (admin.key("retired")?, admin.key("paused")?);
    admin.rotate(&retired, 0)?;
    admin.rotate(&paused, 600)?;
    admin.act(&paused, "rotation/pause", &json!({}))?;
    let suspended = admin.key("suspended")?;
    let path = format!("/v1/workspaces/{}", suspended.workspace);
    let last = admin.patch(&path, &json!({"status": "suspended"}))?.must_be(200)?.json()?;

    let ask = |method, path: &str, authorization: Option<String>, reason| Ask {
        method,
        path: path.to_owned(),
        authorization,
        reason,
    };
    let of = |key: &NewKey| Some(basic(&key.secret, ""));
    let asks = vec![
        ask("GET", "/v1/ping", of(&key), "usable"),
        ask("GET", &api, of(&reads), "usable"),
        ask("GET", &open, None, "public"),
        ask("GET", &open, Some("anything".to_owned()), "public"),
        ask("POST", &api, of(&reads), "read_only_key"),
        ask("GET", "/elsewhere", of(&reads), "api_not_granted"),
        ask("GET", &api, of(&bound), "restricted"),
        ask("GET", "/a//b", of(&key), "bad_path"),
        ask("GET", "/v1/ping", of(&disabled), "disabled"),
        ask("GET", "/v1/ping", of(&archived), "archived"),
        ask("GET", "/v1/ping", of(&deleted), "deleted"),
        ask("GET", "/v1/ping", of(&retired), "retired"),
        ask("GET", "/v1/ping", of(&paused), "paused"),
        ask("GET", "/v1/ping", of(&suspended), "suspended"),
        ask("GET", "/v1/ping", Some(basic("somebody-else", &key.secret)), "wrong_user"),
        ask("GET", "/v1/ping", Some(basic("nobody-ever-had-this-secret", "")), "unknown"),
        ask("GET", "/v1/ping", None, "no_credentials"),
    ];
    Ok((asks, generation(&last)?))
}

/// None of these reached a fingerprint; what was meant is found all the same where it can be.
fn mistaken(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("mistaken")?;
    let NewKey { secret, .. } = &key;
    let encoded = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let right = basic(secret, "");
    let token = right.strip_prefix("Basic ").context("no token")?;
    let (most, last) = secret.split_at(secret.len() - 1);
    let mistyped = format!("{most}{}", if last == "x" { "y" } else { "x" });
    // The one user that the two alphabets of base64 write differently.
    let two_alphabets = encoded(&format!(">>>???:{secret}")).replace('+', "-").replace('/', "_");
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").header("authorization", &right).send()?.must_be(200)?;
    // What is sent, its mistake, and whether the key is found.
    for (authorization, reason, is_found) in [
        (format!("Authorization: {right}"), "header_name", true),
        (token.to_owned(), "no_scheme", true),
        (format!("Bearer {secret}"), "bearer_scheme", true),
        (format!("Digest {secret}"), "scheme", false),
        (format!("Basic {secret}:"), "not_encoded", true),
        (format!("Basic {} {}", &token[..20], &token[20..]), "base64_white_space", true),
        (two_alphabets, "base64_alphabet", true),
        (right.trim_end_matches('=').to_owned(), "base64_padding", true),
        ("Basic ****".to_owned(), "base64", false),
        (encoded(token), "encoded_twice", true),
        (basic(secret, "\n"), "trailing_newline", true),
        (encoded(&format!("{secret}\n")), "trailing_newline", true),
        (basic(&format!(" {secret}"), ""), "white_space", true),
        (basic(&format!("'{secret}'"), ""), "quotes", true),
        (encoded(&format!("{secret}%3A")), "percent_encoded", true),
        (encoded(secret), "no_colon", true),
        (encoded("nobody"), "form", false),
        (basic("short", ""), "no_key", false),
        (basic(&mistyped, ""), "check_digits", false),
        (basic(most, ""), "check_digits", false),
        (encoded(&"x".repeat(2_000)), "too_long", false),
    ] {
        let refusal = stack.edge("/v1/ping").header("authorization", &authorization).send()?;
        ensure!(refusal.status == 401, "{reason}: the edge says {}", refusal.status);
        let question = json!({"authorization": authorization, "path": "/v1/ping"});
        let told = admin.post("/v1/explain", &question)?.must_be(200)?.json()?;
        ensure!(told["reason"] == reason && told["verdict"] == "deny", "{reason}: told is {told}");
        ensure!(told["code"] == refusal.json()?["code"] && told["status"] == 401, "{reason}: told is {told}");
        ensure!(told["key"]["id"].as_str() == is_found.then_some(key.id.as_str()), "{reason}: {}", told["key"]);
        ensure!(!told.to_string().contains(secret.as_str()), "{reason}: the secret is repeated");
    }
    Ok(())
}

fn leads(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("leaked")?;
    let disabled = admin.act(&key, "disable", &json!({"reason": "leaked"}))?;
    stack.applied(generation(&disabled)?)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    let found = admin.post("/v1/keys/lookup", &json!({"secret": key.secret}))?.must_be(200)?.json()?;
    ensure!(found["key"]["id"] == key.id && found["status"] == "disabled", "{found}");
    let question = json!({"authorization": basic(&key.secret, ""), "path": "/v1/ping"});
    let told = admin.post("/v1/explain", &question)?.must_be(200)?.json()?;
    let latest = told["changes"].as_array().and_then(|changes| changes.first()).context("no changes")?;
    ensure!(latest["operation"] == "disable" && latest["reason"] == "leaked", "{latest}");
    ensure!(latest["generation"] == disabled["generation"], "{latest}");
    let unknown = admin.post("/v1/keys/lookup", &json!({"secret": "nobody-ever-had-this-secret"}))?;
    ensure!(unknown.must_be(404)?.json()?["code"] == "not_found", "another code");
    Ok(())
}

/// Whether an answer holds a credential, or a key of ours that is in it.
fn repeats(told: &str, authorization: &str) -> bool {
    const PREFIX: &str = "kw_";
    let token = authorization.rsplit(' ').next().unwrap_or_default();
    let decoded = BASE64_STANDARD.decode(token).unwrap_or_default();
    let texts = [authorization.to_owned(), String::from_utf8_lossy(&decoded).into_owned()];
    // All but the prefix and the last characters, which are its hint.
    let mut bodies = texts.iter().filter_map(|text| text.split_once(PREFIX)?.1.get(..20));
    told.contains(authorization) || bodies.any(|body| told.contains(body))
}
