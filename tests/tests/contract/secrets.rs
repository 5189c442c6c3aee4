//! No secret is anywhere but in its own file: after a run that uses everything, all that the parts
//! have written is looked through.

use std::fs;
use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::Digest;
use keyward_tests::database::Database;
use keyward_tests::stack::{basic, eventually};
use keyward_tests::{Stack, clock};
use serde_json::json;
use std::time::Duration;
use xtask::workspace;

use crate::Test;
use crate::permissions::somebody;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::in_turn("no_secret_is_in_a_log_the_database_or_kv", &QUIET, nowhere)]
}

fn nowhere(stack: &Stack) -> Result<()> {
    let began = clock::now_ms();
    let (kept, token) = use_everything(stack)?;
    let admin = stack.admin()?;
    // What edges report of refusals is looked through too, so it must have arrived.
    eventually(Duration::from_mins(1), || {
        stack.edge("/v1/ping").send()?.must_be(401)?;
        let database = Database::of(stack.control_plane());
        let sampled = database.number("SELECT max(at) FROM refusal_sample WHERE fingerprint IS NOT NULL")?;
        let summed = database.number("SELECT max(last_at) FROM refusal_hitter WHERE kind = 0")?;
        ensure!(sampled >= Some(began) && summed >= Some(began), "{sampled:?} and {summed:?}, it began at {began}");
        Ok(())
    })?;
    eventually(Duration::from_secs(30), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"] == snapshot["generation"], "{snapshot}");
        ensure!(snapshot["tree_generation"].as_u64() > Some(1), "the tree holds nothing yet: {snapshot}");
        Ok(())
    })?;
    let mut sought = sought(stack, admin.secrets().into_iter().chain(kept))?;
    sought.push(("a member's token".to_owned(), token.into_bytes()));
    ensure!(sought.len() > 40, "only {} things are looked for", sought.len());
    let any = AhoCorasick::new(sought.iter().map(|(_, needle)| needle))?;
    ensure!(any.is_match(&fs::read(stack.control_plane().secret("pepper"))?), "nothing is found where it is");
    let (mut files, mut bytes) = (0, 0);
    for path in workspace::files_under(stack.folder())? {
        if is_their_own_place(stack.folder(), &path) {
            continue;
        }
        // What a running part removes meanwhile was temporary.
        let Ok(content) = fs::read(&path) else { continue };
        (files, bytes) = (files + 1, bytes + content.len());
        if let Some(found) = any.find(&content) {
            let (name, _) = &sought[found.pattern().as_usize()];
            bail!("{name} is in {}", path.strip_prefix(stack.folder())?.display());
        }
    }
    ensure!(files > 5 && bytes > 100_000, "{files} files with {bytes} bytes were looked through");
    Ok(())
}

/// The files that are made to hold secrets, with a mode that keeps others out.
fn is_their_own_place(folder: &Path, path: &Path) -> bool {
    path.starts_with(folder.join("control-plane/secrets")) || path == folder.join("edge/variables.env")
}

/// Keys in every place where somebody may put one, right and wrong, and calls whose answers are kept.
/// Returns the secrets that no other list has, and a member's token.
fn use_everything(stack: &Stack) -> Result<([String; 3], String)> {
    let admin = stack.admin()?;
    let key = admin.key("sought")?;
    let new = admin.rotate(&key, 600)?;
    stack.applied(new.generation)?;
    for secret in [&key.secret, &new.secret] {
        stack.edge("/v1/ping").key(secret).send()?.must_be(200)?;
        stack.edge("/v1/ping").basic(secret, secret).send()?.must_be(200)?;
        stack.edge("/v1/ping").basic("", secret).send()?.must_be(200)?;
        stack.edge("/v1/ping").basic(&key.workspace, secret).send()?.must_be(200)?;
        stack.edge("/v1/ping").basic("nobody", secret).send()?.must_be(401)?;
        stack.edge("/sought").key(secret).send()?.must_be(200)?;
        stack.edge("//sought").key(secret).send()?.must_be(403)?;
        stack.edge("/v1/ping").header("authorization", secret).send()?.must_be(401)?;
        stack.edge("/v1/ping").header("authorization", &format!("Bearer {secret}")).send()?.must_be(401)?;
        // A key where the control plane takes something else.
        let stranger = [("authorization", format!("Bearer {secret}"))];
        let headers: Vec<_> = stranger.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stack.stranger().send("GET", "/v1/workspaces", &headers, None)?.must_be(401)?;
        admin.get(&format!("/v1/workspaces/{secret}"))?.must_be(404)?;
        admin.get(&format!("/v1/workspaces?cursor={secret}"))?.must_be(400)?;
        let body = json!({"name": 1, "access": secret, "apis": [secret]});
        admin.post(&format!("/v1/workspaces/{}/keys", key.workspace), &body)?.must_be(422)?;
    }
    for secret in [&key.secret, &new.secret] {
        admin.post("/v1/keys/lookup", &json!({"secret": secret}))?.must_be(200)?;
        admin.post("/v1/keys/lookup", &json!({"secret": format!("{secret}\n")}))?.must_be(404)?;
        for authorization in [basic(secret, ""), basic(secret, "\n"), format!("Bearer {secret}"), secret.clone()] {
            let question = json!({"authorization": authorization, "path": format!("/{secret}")});
            admin.post("/v1/explain", &question)?.must_be(200)?;
        }
    }
    let brought = format!("{}-brought-from-elsewhere", admin.fresh_name("sought"));
    let line = |id: &str, name: &str| {
        json!({"external_id": id, "workspace": key.workspace, "name": name, "access": "read-only", "apis": ["*"],
            "secret": brought})
    };
    let taken = admin.import(&[line("brought", "brought")])?;
    ensure!(taken[0]["outcome"] == "created", "{taken:?}");
    for line in
        [line("clash", "clash"), json!({"external_id": brought, "workspace": brought, "secret": {"is": brought}})]
    {
        for body in [format!("{line}\n"), format!("{line},{line}\n"), line.to_string().replace('}', "")] {
            let lines = Some(("application/x-ndjson", body.into_bytes()));
            let answer = admin.send_bytes("POST", "/v1/keys/import", &[], lines)?.must_be(200)?.text();
            ensure!(answer.contains("refused"), "{answer}");
        }
    }
    let workspace = format!("/v1/workspaces/{}", key.workspace);
    admin.patch(&workspace, &json!({"reveal": "sealed"}))?.must_be(200)?;
    let shown = admin.rotate(&key, 0)?;
    let again = admin.act(&key, "reveal", &json!({}))?;
    ensure!(again["secret"] == shown.secret, "another secret is shown");
    let body = json!({"name": "kept answer", "access": "read-only", "apis": ["*"]});
    let headers = [("idempotency-key", "sought-1")];
    let keys = format!("/v1/workspaces/{}/keys", key.workspace);
    let first = admin.send("POST", &keys, &headers, Some(&body))?.must_be(201)?;
    let second = admin.send("POST", &keys, &headers, Some(&body))?.must_be(201)?;
    ensure!(first.body == second.body, "the kept answer holds the secret, sealed");
    let kept = first.json()?["secret"].as_str().context("no secret")?.to_owned();
    for secret in [&kept, &brought] {
        stack.edge("/v1/ping").key(secret).send()?;
    }
    // Nobody's, as a stranger would try it.
    let unknown = format!("{}-that-nobody-has", admin.fresh_name("sought"));
    for _ in 0..3 {
        stack.edge("/v1/ping").key(&unknown).send()?.must_be(401)?;
        stack.edge("/v1/ping").basic(&unknown, &unknown).send()?.must_be(401)?;
    }
    let (_, token) = somebody(&admin, &key.workspace, "staff")?;
    let theirs = stack.admin_with(&token);
    theirs.get(&keys)?.must_be(200)?;
    theirs.get(&format!("{keys}/{token}"))?.must_be(404)?;
    theirs.post("/v1/workspaces", &json!({"name": token}))?.must_be(403)?;
    for authorization in [format!("Bearer {token}"), basic(&token, "")] {
        stack.edge("/v1/ping").header("authorization", &authorization).send()?.must_be(401)?;
    }
    Ok(([kept, brought, unknown], token))
}

/// Every secret of the run in each form in which it could be written.
fn sought(stack: &Stack, keys: impl Iterator<Item = String>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut sought = Vec::new();
    for (at, secret) in keys.enumerate() {
        let key = ApiKey::parse(&secret).ok().context("not a key")?;
        let digest = Digest::of(&key);
        let name = |form: &str| format!("key {at} as {form}");
        sought.push((name("it is"), secret.clone().into_bytes()));
        // At any place within a credential, the middle of the key encodes to the same characters for
        // one of three offsets.
        for offset in 0..3 {
            let padded = format!("{}{secret}", "x".repeat(offset));
            let text = BASE64_STANDARD.encode(padded);
            sought.push((name("base64"), text.as_bytes()[4..text.len() - 4].to_vec()));
        }
        sought.push((name("its digest"), digest.as_bytes().to_vec()));
        sought.push((name("its digest's digits"), hex::encode(digest.as_bytes()).into_bytes()));
    }
    for name in ["pepper", "signing-key", "kek", "edge-credential", "origin-secret", "operator-token"] {
        let text = fs::read_to_string(stack.control_plane().secret(name))?.trim().to_owned();
        if let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(&text) {
            sought.push((format!("{name}, its bytes"), bytes.clone()));
            sought.push((format!("{name}, its digits"), hex::encode(&bytes).into_bytes()));
            sought.push((format!("{name}, base64"), BASE64_STANDARD.encode(&bytes).into_bytes()));
        }
        sought.push((name.to_owned(), text.into_bytes()));
    }
    Ok(sought)
}
