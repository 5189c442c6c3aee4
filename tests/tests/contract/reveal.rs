//! Secrets shown again, and as QR codes.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use keyward_shared::api_key::MAX_KEY_BYTES;
use keyward_tests::Stack;
use keyward_tests::stack::{Admin, NewKey, generation};
use serde_json::{Value, json};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_revealed_secret_is_the_one_that_passes", passes),
        Test::shared("a_real_decoder_reads_the_secret_from_the_qr_code", decoded),
        Test::shared("from_sealed_to_once_erases_secrets_and_stops_no_key", erased),
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
