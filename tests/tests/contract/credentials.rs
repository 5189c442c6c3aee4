//! The forms in which a key may be presented, as curl sends them, and those that the settings add.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::clients::{curl, run};
use keyward_tests::stack::{NewKey, basic, eventually, generation};
use keyward_tests::{Stack, raw};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("every_form_of_a_basic_credential_counts", every_form_counts),
        Test::shared("another_user_is_refused", another_user_is_refused),
        Test::shared("the_scheme_is_read_in_any_case", the_scheme_is_read_in_any_case),
        Test::in_turn("any_user_counts_where_the_settings_say_so", &QUIET, any_user_counts),
        Test::in_turn("a_bearer_counts_where_the_settings_accept_it", &QUIET, a_bearer_counts),
        Test::in_turn("a_header_counts_where_the_settings_name_it", &QUIET, a_header_counts),
        Test::in_turn("check_digits_count_unless_the_settings_say_otherwise", &QUIET, check_digits_count),
        Test::in_turn("realm_and_ping_path_are_settings", &QUIET, realm_and_ping_path),
    ]
}

/// Two keys of one workspace, one of another, and the slugs of both.
struct Keys {
    key: NewKey,
    slug: String,
    sibling: NewKey,
    stranger: NewKey,
    strange_slug: String,
}

fn keys(stack: &Stack) -> Result<Keys> {
    let admin = stack.admin()?;
    let workspace = |stem: &str| -> Result<(String, String)> {
        let workspace = admin.workspace(stem)?;
        let text = |name: &str| workspace[name].as_str().map(str::to_owned).context("a member is missing");
        Ok((text("id")?, text("slug")?))
    };
    let (own, slug) = workspace("own")?;
    let (other, strange_slug) = workspace("other")?;
    let key = admin.key_in(&own, "form", json!({}))?;
    let sibling = admin.key_in(&own, "sibling", json!({}))?;
    let stranger = admin.key_in(&other, "stranger", json!({}))?;
    stack.applied(stranger.generation)?;
    Ok(Keys { key, slug, sibling, stranger, strange_slug })
}

/// The status that curl gets for a user and a password.
fn curl_status(stack: &Stack, user: &str, password: &str, path: &str) -> Result<String> {
    let mut curl = curl();
    curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
    run(curl.arg("--user").arg(format!("{user}:{password}")).arg(format!("{}{path}", stack.edge_url())))
}

fn every_form_counts(stack: &Stack) -> Result<()> {
    let Keys { key, slug, .. } = keys(stack)?;
    let secret = key.secret.as_str();
    for (form, user, password) in [
        ("K:", secret, ""),
        ("K:K", secret, secret),
        (":K", "", secret),
        ("WORKSPACE_ID:K", &key.workspace, secret),
        ("WORKSPACE_SLUG:K", &slug, secret),
        ("KEY_ID:K", &key.id, secret),
    ] {
        let path = format!("/forms/{}", key.id);
        let before = stack.origin().seen_at(&path).len();
        ensure!(curl_status(stack, user, password, "/v1/ping")? == "200", "{form} got no pong");
        ensure!(curl_status(stack, user, password, &path)? == "200", "{form} did not pass");
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == before + 1, "{form}: the origin saw {} more", seen.len() - before);
        ensure!(seen.iter().all(|seen| seen.header("authorization").is_empty()), "{form} was forwarded");
    }
    Ok(())
}

fn another_user_is_refused(stack: &Stack) -> Result<()> {
    let Keys { key, slug, sibling, stranger, strange_slug } = keys(stack)?;
    let secret = key.secret.as_str();
    let shouted = slug.to_uppercase();
    let path = format!("/other-users/{}", key.id);
    for (form, user, password) in [
        ("another workspace's id", stranger.workspace.as_str(), secret),
        ("another workspace's slug", strange_slug.as_str(), secret),
        ("the slug in capitals", shouted.as_str(), secret),
        ("a sibling's id", sibling.id.as_str(), secret),
        ("a stranger's key id", stranger.id.as_str(), secret),
        ("a sibling's key", sibling.secret.as_str(), secret),
        ("a user of no meaning", "admin", secret),
        ("the key with a space", &format!("{secret} "), secret),
        ("the member's form", "api", secret),
        ("another password", secret, "password"),
        ("an unknown key", "", "0123456789abcdef0123456789abcdef"),
        ("nothing", "", ""),
    ] {
        ensure!(curl_status(stack, user, password, "/v1/ping")? == "401", "{form} got a pong");
        ensure!(curl_status(stack, user, password, &path)? == "401", "{form} passed");
    }
    ensure!(stack.origin().seen_at(&path).is_empty(), "the origin saw {:?}", stack.origin().seen_at(&path));
    Ok(())
}

fn the_scheme_is_read_in_any_case(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("scheme")?;
    stack.applied(key.generation)?;
    let value = basic(&key.secret, "");
    let token = value.trim_start_matches("Basic ");
    for scheme in ["Basic ", "basic ", "BASIC ", "bAsIc ", "Basic   "] {
        let line = format!("Authorization: {scheme}{token}");
        let answer = stack.raw(&raw::request("GET", "/v1/ping", &[line]))?;
        ensure!(answer.status == 200, "`{scheme}` is answered with {}", answer.status);
    }
    Ok(())
}

/// Changes the settings, waits for the edge, runs the test, and sets back what was changed. A test that
/// fails leaves a stack that nobody takes again.
fn with_settings(stack: &Stack, changes: &Value, test: impl FnOnce() -> Result<()>) -> Result<()> {
    let admin = stack.admin()?;
    let before = admin.get("/v1/settings")?.must_be(200)?.json()?;
    let set = |members: &Value| -> Result<()> {
        let answer = admin.patch("/v1/settings", members)?.must_be(200)?.json()?;
        stack.applied(generation(&answer)?)
    };
    set(changes)?;
    test()?;
    let names = changes.as_object().context("not an object")?.keys();
    set(&names.map(|name| (name.clone(), before[name].clone())).collect())
}

fn ping(stack: &Stack, user: &str, password: &str, status: u16) -> Result<()> {
    stack.edge("/v1/ping").basic(user, password).send()?.must_be(status).map(drop)
}

fn any_user_counts(stack: &Stack) -> Result<()> {
    let Keys { key, stranger, .. } = keys(stack)?;
    let users = ["admin", "api", "x", stranger.workspace.as_str(), stranger.id.as_str(), "Ünïcode"];
    for user in users {
        ping(stack, user, &key.secret, 401)?;
    }
    with_settings(stack, &json!({"basic_user": "any"}), || {
        for user in users {
            ping(stack, user, &key.secret, 200).context(user.to_owned())?;
        }
        ping(stack, &key.secret, "", 200)?;
        ping(stack, &key.secret, "password", 401).context("the password alone counts")
    })?;
    ping(stack, "admin", &key.secret, 401)
}

fn a_bearer_counts(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("bearer")?;
    stack.applied(key.generation)?;
    let path = format!("/bearer/{}", key.id);
    let bearer = |scheme: &str, status: u16| -> Result<()> {
        let value = format!("{scheme} {}", key.secret);
        stack.edge(&path).header("authorization", &value).send()?.must_be(status).map(drop)
    };
    bearer("Bearer", 401)?;
    with_settings(stack, &json!({"accept": ["basic", "bearer"]}), || {
        bearer("Bearer", 200)?;
        bearer("bearer", 200)?;
        bearer("Token", 401)?;
        ping(stack, &key.secret, "", 200)
    })?;
    with_settings(stack, &json!({"accept": ["bearer"]}), || {
        bearer("Bearer", 200)?;
        ping(stack, &key.secret, "", 401)
    })?;
    bearer("Bearer", 401)?;
    let seen = stack.origin().seen_at(&path);
    ensure!(seen.len() == 3, "the origin saw {} requests", seen.len());
    ensure!(seen.iter().all(|seen| seen.header("authorization").is_empty()), "a bearer was forwarded");
    Ok(())
}

fn a_header_counts(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("header")?;
    stack.applied(key.generation)?;
    let path = format!("/header/{}", key.id);
    let header = |name: &str, status: u16| -> Result<()> {
        stack.edge(&path).header(name, &key.secret).send()?.must_be(status).map(drop)
    };
    header("x-api-key", 401)?;
    with_settings(stack, &json!({"accept": ["basic", "header:X-Api-Key"]}), || {
        header("x-api-key", 200)?;
        header("X-API-KEY", 200)?;
        header("x-other-key", 401)?;
        ping(stack, &key.secret, "", 200)?;
        let both = stack.edge(&path).header("x-api-key", &key.secret).key(&key.secret);
        both.send()?.must_be(401).context("a key in two places")?;
        let twice = stack.edge(&path).header("x-api-key", &key.secret).header("x-api-key", &key.secret);
        twice.send()?.must_be(401).context("the header twice")?;
        let empty = stack.edge(&path).header("x-api-key", "");
        empty.send()?.must_be(401).map(drop)
    })?;
    header("x-api-key", 401)?;
    eventually(Duration::from_secs(5), || {
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == 2, "the origin saw {} requests", seen.len());
        ensure!(seen.iter().all(|seen| seen.header("x-api-key").is_empty()), "the key was forwarded");
        Ok(())
    })
}

fn check_digits_count(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("digits")?;
    // The last of them is another one.
    let (body, last) = key.secret.split_at(key.secret.len() - 1);
    let wrong = format!("{body}{}", if last == "0" { "1" } else { "0" });
    let brought = admin.bring(&key.workspace, "wrong-digits", &wrong)?;
    stack.applied(brought.generation)?;
    ping(stack, &key.secret, "", 200)?;
    ping(stack, &wrong, "", 401)?;
    with_settings(stack, &json!({"check_digits": "off"}), || {
        ping(stack, &key.secret, "", 200)?;
        ping(stack, &wrong, "", 200)
    })?;
    with_settings(stack, &json!({"key_prefix": "acme"}), || {
        let new = admin.key("prefix")?;
        ensure!(new.secret.starts_with("acme_"), "a new key begins otherwise");
        stack.applied(new.generation)?;
        ping(stack, &new.secret, "", 200)?;
        ping(stack, &key.secret, "", 200).context("a key of the former prefix")?;
        ping(stack, &wrong, "", 200).context("its check digits mean nothing to this prefix")
    })?;
    ping(stack, &wrong, "", 401)
}

fn realm_and_ping_path(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("realm")?;
    stack.applied(key.generation)?;
    let challenge = |realm: &str| -> Result<()> {
        let answer = stack.edge("/v1/ping").send()?.must_be(401)?;
        let wanted = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        ensure!(answer.header("www-authenticate") == Some(&wanted), "{:?}", answer.headers);
        Ok(())
    };
    challenge("API")?;
    with_settings(stack, &json!({"realm": "Acme API", "ping_path": "/up"}), || {
        challenge("Acme API")?;
        let pong = stack.edge("/up").key(&key.secret).send()?.must_be(200)?;
        ensure!(pong.text() == r#"{"data":"pong!"}"#, "{}", pong.text());
        stack.edge("/up").send()?.must_be(401)?;
        let forwarded = stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
        ensure!(forwarded.json()?["path"] == "/v1/ping", "{}", forwarded.text());
        Ok(())
    })?;
    challenge("API")
}
