//! Objects in KV are cut, flipped, swapped, oversized or gone: what needs them cannot be judged and is
//! told so in time; what does not, is judged; and as soon as the right bytes are to be had, they count.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::snapshot::{MAX_OBJECT_BYTES, ObjectName};
use keyward_tests::heads::Heads;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Options, Stack, Times};
use serde_json::json;

use crate::Test;
use crate::turns::alone;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::alone("a_broken_object_is_a_503_never_a_401_and_heals_over_http", || alone(&Options::default(), broken))]
}

/// A load is given up after a second; the machine is busy with other tests.
const GIVEN_UP: Duration = Duration::from_millis(2_500);

fn broken(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let usable = admin.key("usable")?;
    let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
    let last = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    stack.applied(last)?;
    // What KV has not heard of yet would be taken for made after a backup.
    eventually(Duration::from_secs(10), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"] == json!(last), "{snapshot}");
        Ok(())
    })?;
    // With all keys in the tree and none beside it, an edge that starts anew needs the leaf.
    stack.stop_control_plane()?;
    let mut raise = stack.control_plane().command("raise-epoch");
    raise.args(stack.control_plane().kv_url.iter().flat_map(|url| ["--kv-url", url]));
    ensure!(raise.output()?.status.success(), "raise-epoch failed");
    stack.start_control_plane()?;
    let heads = Heads::of(stack.control_plane())?;
    let written = stack.kv()?.wait_for(0, |call| {
        call.is_done() && call.is_head() && heads.read(&call.value).is_ok_and(|head| head.generation > last)
    })?;
    let head = heads.read(&written.value)?;
    ensure!(head.recent.is_empty() && head.tree.top.len() == 1, "{head:?}");
    let leaf = format!("/values/{}", head.tree.top[0].kv_key());
    let settings = format!("/values/{}", head.settings.kv_key());
    let kv = stack.kv_namespace()?;
    let right = kv.get(&leaf)?.must_be(200)?.body;
    let put = |bytes: Vec<u8>| {
        let body = Some(("application/octet-stream", bytes));
        kv.send_bytes("PUT", &leaf, &[], body)?.must_be(200).map(drop)
    };

    stack.kill_control_plane()?;
    stack.stop_edge()?;
    stack.start_edge()?;
    eventually(Duration::from_secs(5), || {
        let status = stack.edge_status()?;
        ensure!(status["generation"] == json!(head.generation), "{status}");
        Ok(())
    })?;
    let mut flipped = right.clone();
    if let Some(byte) = flipped.last_mut() {
        *byte ^= 1;
    }
    let another = kv.get(&settings)?.must_be(200)?.body;
    let name = head.tree.top[0];
    let told = |since: usize, why: &str| {
        eventually(Duration::from_secs(5), || {
            let log = fs::read_to_string(stack.edge_log())?.split_off(since);
            ensure!(log.contains(&format!("object {name} from KV: {why}")), "it is not said that {why}: {log}");
            Ok(())
        })
    };
    let said = || anyhow::Ok(fs::metadata(stack.edge_log())?.len().try_into()?);
    for (kind, bytes) in [
        ("one bit flipped", flipped.clone()),
        ("cut in the middle", right[..right.len() / 2].to_vec()),
        ("cut to nothing", Vec::new()),
        ("another object's", another),
        ("larger than any", vec![0; 2 << 20]),
    ] {
        // Bytes that are read at all are refused by their own name; of too many the rest is not read.
        let why = match bytes.len() {
            ..=MAX_OBJECT_BYTES => format!("refused: the bytes are of {}, not of {name}", ObjectName::of(&bytes)),
            _ => format!("more than {MAX_OBJECT_BYTES} bytes"),
        };
        put(bytes)?;
        let since = said()?;
        cannot_be_judged(stack, [&usable, &disabled]).and_then(|()| told(since, &why)).context(kind)?;
    }
    kv.delete(&leaf)?.must_be(200)?;
    let since = said()?;
    cannot_be_judged(stack, [&usable, &disabled]).and_then(|()| told(since, "it is not there")).context("gone")?;
    ensure!(stack.origin().seen().is_empty(), "something was forwarded");
    put(right)?;
    stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200).context("the right bytes are back")?;
    stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;

    // With the http lane there is another source for the same name.
    put(flipped)?;
    stack.start_control_plane()?;
    stack.stop_edge()?;
    stack.start_edge()?;
    stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200).context("over http")?;
    stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
    Ok(())
}

fn cannot_be_judged(stack: &Stack, keys: [&NewKey; 2]) -> Result<()> {
    let unknown = format!("x{}", keys[0].secret);
    let (mut needing, mut others) = (Times::default(), Times::default());
    for secret in [&keys[0].secret, &keys[1].secret, &unknown] {
        let asked = Instant::now();
        let refusal = needing.of(|| stack.edge("/v1/ping").key(secret).send()?.must_be(503))?;
        ensure!(asked.elapsed() > Duration::from_millis(500), "it took {:?}", asked.elapsed());
        ensure!(refusal.json()?["code"] == "object_unavailable", "{}", refusal.text());
        ensure!(refusal.header("retry-after").is_some(), "{refusal:?}");
        others.of(|| stack.edge("/v1/ping").header("authorization", "Basic ?").send()?.must_be(401))?;
    }
    needing.all_but_one_below(GIVEN_UP)?;
    others.all_but_one_below(Duration::from_millis(500)).context("what needs no object")
}
