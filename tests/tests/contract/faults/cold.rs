//! An edge that was started before anything was published: it refuses to judge, says so, and works
//! as soon as there is something, though a part of the first objects was refused by KV. One that has a head
//! goes on judging by it while a part of the next one's objects is refused.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::bench::cold::{self, Reads};
use keyward_tests::heads::Heads;
use keyward_tests::kv::{Asked, Call, Fault};
use keyward_tests::stack::{eventually, generation};
use keyward_tests::{Lanes, Options, Stack};
use serde_json::json;

use crate::Test;
use crate::turns::alone;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("before_the_first_publish_nothing_is_judged_and_then_it_works", || {
            alone(&unpublished(), before_the_first_publish)
        }),
        Test::alone("an_object_that_kv_refused_comes_before_the_head_all_the_same", || {
            alone(&unpublished(), some_objects_refused)
        }),
        Test::alone("while_kv_refuses_a_part_of_a_write_an_edge_judges_by_the_old_generation", || {
            alone(&Options { lanes: Lanes::Kv, ..Options::default() }, some_refused_later)
        }),
        Test::alone("a_fresh_isolate_reads_three_times_in_a_row_and_then_no_more", || {
            // A tree of two levels, as that of millions is.
            let reads = cold::reads(200_000)?;
            ensure!(reads == Reads { first: 4, in_a_row: 3, next: 0 }, "{reads:?}");
            Ok(())
        }),
    ]
}

/// Longer than the longest pause between two attempts of an edge without a head.
const NEXT_ATTEMPT: Duration = Duration::from_secs(12);

fn unpublished() -> Options {
    Options { control_plane_at_once: false, ..Options::default() }
}

fn before_the_first_publish(stack: &Stack) -> Result<()> {
    for request in [
        stack.edge("/v1/ping").key("kw_0123456789abcdefghijklmnopqrstuvw"),
        stack.edge("/v1/ping"),
        stack.edge("/v1/ping").header("authorization", "Basic ?"),
        stack.edge("/anything").method("POST").key("kw_0123456789abcdefghijklmnopqrstuvw"),
        stack.edge("/any%2fthing"),
        stack.edge("/").method("OPTIONS").header("access-control-request-method", "GET"),
    ] {
        let refusal = request.send()?.must_be(503)?;
        ensure!(refusal.json()?["code"] == "no_snapshot", "{}", refusal.text());
        ensure!(refusal.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{refusal:?}");
        ensure!(refusal.header("content-type") == Some("application/problem+json"), "{refusal:?}");
        ensure!(refusal.header("www-authenticate").is_none(), "a fault of ours asks for no credentials");
    }
    ensure!(stack.origin().seen().is_empty(), "something was forwarded");
    let status = stack.edge_status()?;
    ensure!(status["state"] == "none" && status["generation"].is_null(), "{status}");
    stack.edge("/.keyward/jwks").send()?.must_be(200)?;

    stack.start_control_plane()?;
    let key = stack.admin()?.key("first")?;
    eventually(NEXT_ATTEMPT, || stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200).map(drop))?;
    stack.edge("/v1/ping").send()?.must_be(401)?;
    let status = stack.edge_status()?;
    ensure!(status["state"] == "fresh", "{status}");
    Ok(())
}

fn some_objects_refused(stack: &Stack) -> Result<()> {
    let kv = stack.kv()?;
    kv.fail(|asked| if matches!(asked, Asked::PutBulk(_)) { Fault::RefuseSome } else { Fault::None });
    stack.start_control_plane()?;
    let key = stack.admin()?.key("refused")?;
    // A leaf and the settings: one is taken at once, the other alone at the next try, where the front
    // refuses the first of one again.
    kv.wait_for(0, |call| matches!(&call.asked, Asked::PutBulk(taken) if taken.len() == 1))?;
    kv.wait_for(0, |call| matches!(&call.asked, Asked::PutBulk(taken) if taken.is_empty()))?;
    ensure!(!kv.calls().iter().any(Call::is_head), "the head came before its objects");
    let snapshot = stack.admin()?.snapshot()?;
    ensure!(snapshot["published_generation"] == 0, "{snapshot}");
    ensure!(snapshot["last_error"].as_str().is_some_and(|error| error.contains("refused 1 object")), "{snapshot}");
    // Over http there is a whole snapshot meanwhile.
    eventually(NEXT_ATTEMPT, || stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200).map(drop))?;
    kv.work();
    let head = kv.wait_for(0, |call| call.is_head() && call.is_done())?;
    ensure!(Heads::of(stack.control_plane())?.in_order(&kv.calls())?.len() == 1, "{head:?}");
    Ok(())
}

fn some_refused_later(stack: &Stack) -> Result<()> {
    let (admin, kv) = (stack.admin()?, stack.kv()?);
    let usable = admin.key("usable")?;
    let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
    let old = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    stack.applied(old)?;
    eventually(NEXT_ATTEMPT, || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"] == json!(old), "{snapshot}");
        Ok(())
    })?;
    // Under a higher epoch it begins anew, with all keys in the tree: a leaf and the settings in one write.
    stack.stop_control_plane()?;
    let mut raise = stack.control_plane().command("raise-epoch");
    raise.args(stack.control_plane().kv_url.iter().flat_map(|url| ["--kv-url", url]));
    ensure!(raise.output()?.status.success(), "raise-epoch failed");
    let seen = kv.calls().len();
    kv.fail(|asked| if matches!(asked, Asked::PutBulk(_)) { Fault::RefuseSome } else { Fault::None });
    stack.start_control_plane()?;
    admin.patch("/v1/settings", &json!({"realm": "Refused"}))?.must_be(200)?;
    let new = generation(&admin.act(&usable, "disable", &json!({}))?)?;
    kv.wait_for(seen, |call| matches!(&call.asked, Asked::PutBulk(taken) if !taken.is_empty()))
        .context("no part of a write was taken")?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        let refusal = stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
        let challenge = refusal.header("www-authenticate").unwrap_or_default();
        ensure!(!challenge.contains("Refused"), "{challenge}");
        let status = stack.edge_status()?;
        ensure!(status["generation"] == json!(old), "{status}");
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(!kv.calls().split_off(seen).iter().any(Call::is_head), "the head came before its objects");
    let snapshot = admin.snapshot()?;
    ensure!(snapshot["last_error"].as_str().is_some_and(|error| error.contains("refused 1 object")), "{snapshot}");
    kv.work();
    stack.applied(new)?;
    let refusal = stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(401)?;
    ensure!(refusal.header("www-authenticate").is_some_and(|said| said.contains("Refused")), "{refusal:?}");
    Heads::of(stack.control_plane())?.in_order(&kv.calls()).map(drop)
}
