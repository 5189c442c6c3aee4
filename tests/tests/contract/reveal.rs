//! Secrets shown again, and as QR codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use keyward_shared::api_key::MAX_KEY_BYTES;
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, NewKey, generation};
use keyward_tests::{Options, Stack};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::alone;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_revealed_secret_is_the_one_that_passes", passes),
        Test::shared("a_real_decoder_reads_the_secret_from_the_qr_code", decoded),
        Test::shared("from_sealed_to_once_erases_secrets_and_stops_no_key", erased),
        Test::alone("a_key_encryption_key_is_replaced_and_what_it_sealed_is_shown_still", || {
            alone(&Options::default(), another_key_encryption_key)
        }),
    ]
}

/// A key in a workspace that keeps secrets sealed.
fn sealed(admin: &Admin, stem: &str) -> Result<NewKey> {
    let workspace = admin.workspace(stem)?["id"].as_str().context("no id")?.to_owned();
    admin.patch(&format!("/v1/workspaces/{workspace}"), &json!({"reveal": "sealed"}))?.must_be(200)?;
    admin.key_in(&workspace, stem, json!({}))
}

fn passes(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = sealed(&admin, "revealed")?;
    let shown = admin.act(&key, "reveal", &json!({"reason": "lost"}))?;
    ensure!(shown["secret"] == key.secret, "another secret");
    stack.applied(generation(&shown)?)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let new = admin.rotate(&key, 0)?;
    let shown = admin.act(&key, "reveal", &json!({}))?;
    ensure!(shown["secret"] == new.secret, "not the newest secret");
    stack.applied(generation(&shown)?)?;
    stack.edge("/v1/ping").key(&new.secret).send()?.must_be(200)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    Ok(())
}

fn erased(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = sealed(&admin, "erased")?;
    let workspace = format!("/v1/workspaces/{}", key.workspace);
    let once = admin.patch(&workspace, &json!({"reveal": "once"}))?.must_be(200)?.json()?;
    for policy in ["once", "sealed"] {
        admin.patch(&workspace, &json!({"reveal": policy}))?.must_be(200)?;
        let refused = admin.try_act(&key, "reveal", &json!({}))?.must_be(409)?.json()?;
        ensure!(refused["code"] == "not_revealable", "{refused}");
    }
    stack.applied(generation(&once)?)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    Ok(())
}

fn another_key_encryption_key(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = sealed(&admin, "older")?;
    let rotates = admin.key_in(&key.workspace, "rotates", json!({}))?;
    let (keys, once) = (format!("/v1/workspaces/{}/keys", key.workspace), [("idempotency-key", "older-1")]);
    let body = json!({"name": "kept answer", "access": "read-only", "apis": ["*"]});
    let first = admin.send("POST", &keys, &once, Some(&body))?.must_be(201)?;
    // The identifier of what sealed it stands in front of each sealed secret.
    let sealed_under = || {
        let query = "SELECT count(DISTINCT substr(sealed_secret, 2, 4)) FROM secret WHERE sealed_secret IS NOT NULL";
        Database::of(stack.control_plane()).count(query)
    };
    ensure!(sealed_under()? == 1);

    stack.stop_control_plane()?;
    let (newest, older) = (stack.control_plane().secret("kek"), stack.control_plane().secret("kek-older"));
    fs::rename(&newest, &older)?;
    fs::write(&newest, BASE64_URL_SAFE_NO_PAD.encode([7; 32]))?;
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o600))?;
    stack.start_control_plane()?;

    let again = admin.send("POST", &keys, &once, Some(&body))?.must_be(201)?;
    ensure!(again.body == first.body && again.header("idempotency-replayed") == Some("true"), "{again:?}");
    let rotated = admin.rotate(&rotates, 0)?;
    let made = admin.key_in(&key.workspace, "newer", json!({}))?;
    let mut last = 0;
    for key in [&key, &rotated, &made] {
        let shown = admin.act(key, "reveal", &json!({}))?;
        ensure!(shown["secret"] == key.secret, "another secret");
        last = generation(&shown)?;
    }
    ensure!(sealed_under()? == 2, "what is sealed now is not sealed under the newer one");
    stack.applied(last)?;
    for (secret, status) in [(&key.secret, 200), (&rotates.secret, 401), (&rotated.secret, 200), (&made.secret, 200)] {
        stack.edge("/v1/ping").key(secret).send()?.must_be(status)?;
    }
    Ok(())
}

fn decoded(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = sealed(&admin, "drawn")?.workspace;
    let body = json!({"name": admin.fresh_name("drawn"), "access": "read-only", "apis": ["*"]});
    let made = admin.post(&format!("/v1/workspaces/{workspace}/keys?qr=svg"), &body)?.must_be(201)?.json()?;
    let path = format!("/v1/workspaces/{workspace}/keys/{}", made["key"]["id"].as_str().context("no id")?);
    let rotated = admin.post(&format!("{path}/rotate?qr=svg"), &json!({"grace_seconds": 60}))?.must_be(200)?.json()?;
    let shown = admin.post(&format!("{path}/reveal?qr=svg"), &json!({}))?.must_be(200)?.json()?;
    for (verb, answer) in [("create", &made), ("rotate", &rotated), ("reveal", &shown)] {
        reads(answer).context(verb)?;
    }
    ensure!(made["secret"] != rotated["secret"] && rotated["secret"] == shown["secret"], "which secret is drawn");
    // The longest that there may be, with characters of every kind.
    let longest: String = ('!'..='~').chain('0'..='9').cycle().filter(|c| *c != ':').take(MAX_KEY_BYTES).collect();
    let line = json!({"external_id": "longest", "workspace": workspace, "name": "longest", "access": "read-only",
        "apis": ["*"], "secret": longest});
    let brought = admin.import(&[line])?;
    let key = brought[0]["key_id"].as_str().with_context(|| format!("not brought: {brought:?}"))?;
    let path = format!("/v1/workspaces/{workspace}/keys/{key}/reveal?qr=svg");
    let shown = admin.post(&path, &json!({}))?.must_be(200)?.json()?;
    ensure!(shown["secret"] == longest.as_str(), "another secret");
    reads(&shown).context("the longest key")
}

/// The drawing, read by programs that know nothing of how it was made, is the secret and no more.
fn reads(answer: &Value) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (svg, png) = (folder.path().join("code.svg"), folder.path().join("code.png"));
    fs::write(&svg, answer["qr_svg"].as_str().context("no drawing")?)?;
    let drawn = Command::new("rsvg-convert").arg("-o").arg(&png).arg(&svg).output().context("no rsvg-convert")?;
    ensure!(drawn.status.success(), "not drawn: {}", String::from_utf8_lossy(&drawn.stderr));
    let read = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&png).output().context("no zbarimg")?;
    ensure!(read.status.success(), "not read: {}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8(read.stdout)?;
    ensure!(Some(text.trim_end_matches('\n')) == answer["secret"].as_str(), "another text was read");
    Ok(())
}
