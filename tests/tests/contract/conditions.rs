//! Changes that are asked for twice, by two at once, or while somebody reads a list; and that every
//! change has its audit event.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use keyward_tests::Stack;
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, generation};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("an_idempotent_call_is_answered_again_after_a_restart", &QUIET, idempotent),
        Test::shared("of_two_changes_with_one_etag_the_second_is_refused", etags),
        Test::shared("a_list_of_250_keys_is_whole_while_keys_are_added", cursors),
        Test::in_turn("every_generation_has_its_audit_event", &QUIET, audit),
    ]
}

fn idempotent(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let database = Database::of(stack.control_plane());
    // A start takes over publishing, and the log has it.
    let events =
        || database.count("SELECT count(*) FROM audit_event WHERE entity <> 'Snapshots' AND action <> 'Login'");
    let workspace = admin.workspace("idempotent")?["id"].as_str().context("no id")?.to_owned();
    let keys = format!("/v1/workspaces/{workspace}/keys");
    let body = json!({"name": "once", "access": "read-only", "apis": ["*"]});
    let headers = [("idempotency-key", "order-1")];
    let first = admin.send("POST", &keys, &headers, Some(&body))?.must_be(201)?;
    let key = format!("{keys}/{}", first.json()?["key"]["id"].as_str().context("no id")?);
    let rotate = json!({"grace_seconds": 600});
    let rotated = admin.send("POST", &format!("{key}/rotate"), &headers[..0], Some(&rotate))?.must_be(200)?;
    let again = [("idempotency-key", "delete-1")];
    let gone = admin.send("DELETE", &key, &again, None)?.must_be(200)?;
    let before = (events()?, admin.snapshot()?["generation"].clone());

    for restart in [false, true] {
        if restart {
            stack.kill_control_plane()?;
            stack.start_control_plane()?;
        }
        let second = admin.send("POST", &keys, &headers, Some(&body))?.must_be(201)?;
        ensure!(second.body == first.body, "another answer: {}", second.text());
        ensure!(second.header("etag") == first.header("etag"), "another ETag");
        ensure!(second.header("idempotency-replayed") == Some("true"), "{second:?}");
        let second = admin.send("DELETE", &key, &again, None)?.must_be(200)?;
        ensure!(second.body == gone.body, "another answer: {}", second.text());
        let other = json!({"name": "twice", "access": "read-only", "apis": ["*"]});
        let refused = admin.send("POST", &keys, &headers, Some(&other))?.must_be(422)?.json()?;
        ensure!(refused["code"] == "idempotency_key_reused", "{refused}");
        ensure!((events()?, admin.snapshot()?["generation"].clone()) == before, "a second effect");
    }
    ensure!(rotated.json()?["secret"] != first.json()?["secret"], "a rotation makes another secret");
    admin.get(&key)?.must_be(404)?;
    Ok(())
}

fn etags(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("etag")?;
    let read = admin.get(&key.path())?.must_be(200)?;
    let tag = read.header("etag").context("no ETag")?.to_owned();
    ensure!(admin.send("GET", &key.path(), &[("if-none-match", &tag)], None)?.status == 304, "nothing is new");
    let if_match = [("if-match", tag.as_str())];
    let edit = |name: &str| admin.send("PATCH", &key.path(), &if_match, Some(&json!({"name": name})));
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| edit("one"));
        let two = edit("two");
        (one.join(), two)
    });
    let (one, two) = (one.map_err(|_| anyhow!("broke off"))??, two?);
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    ensure!(statuses == [200, 412], "{statuses:?}");
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    ensure!(lost.json()?["code"] == "precondition_failed", "{}", lost.text());
    let now = admin.get(&key.path())?.must_be(200)?;
    ensure!(now.header("etag") == won.header("etag"), "the answer's ETag is the new one");
    ensure!(now.json()?["version"].as_u64() == read.json()?["version"].as_u64().map(|version| version + 1));
    admin.send("DELETE", &key.path(), &if_match, None)?.must_be(412)?;
    let newest = now.header("etag").context("no ETag")?;
    admin.send("DELETE", &key.path(), &[("if-match", newest)], None)?.must_be(200)?;
    Ok(())
}

fn cursors(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("many")?["id"].as_str().context("no id")?.to_owned();
    let keys = format!("/v1/workspaces/{workspace}/keys");
    let make = |admin: &Admin| -> Result<String> { Ok(admin.key_in(&workspace, "many", json!({}))?.id) };
    let made: BTreeSet<String> = (0..250).map(|_| make(&admin)).collect::<Result<_>>()?;
    for sort in ["", "&sort=name", "&sort=-created_at"] {
        let over = AtomicBool::new(false);
        let (listed, added) = thread::scope(|scope| {
            let adding = scope.spawn(|| {
                let mut added = 0;
                while !over.load(Ordering::Relaxed) {
                    make(&admin)?;
                    added += 1;
                }
                anyhow::Ok(added)
            });
            let listed = walk(&admin, &format!("{keys}?limit=17{sort}"));
            over.store(true, Ordering::Relaxed);
            (listed, adding.join())
        });
        let (listed, added) = (listed?, added.map_err(|_| anyhow!("broke off"))??);
        ensure!(added > 0, "nothing was added meanwhile");
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        ensure!(once.len() == listed.len(), "{sort}: {} of {} are there twice", listed.len() - once.len(), once.len());
        let missing = made.difference(&once).count();
        ensure!(missing == 0, "{sort}: {missing} of 250 are missing");
    }
    Ok(())
}

/// The ids of all entries, page by page.
fn walk(admin: &Admin, list: &str) -> Result<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("{list}{cursor}"))?.must_be(200)?.json()?;
        for item in page["items"].as_array().context("no items")? {
            ids.push(item["id"].as_str().context("no id")?.to_owned());
        }
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return Ok(ids),
        }
    }
}

fn audit(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let database = Database::of(stack.control_plane());
    let key = admin.key("audited")?;
    let mut generations = Vec::new();
    for (verb, body) in [
        ("disable", json!({"reason": "looked odd"})),
        ("enable", json!({})),
        ("rotate", json!({"grace_seconds": 600})),
        ("rotation/pause", json!({})),
        ("rotation/resume", json!({})),
        ("rotation/extend", json!({"grace_seconds": 900})),
        ("rotation/finish", json!({})),
        ("archive", json!({})),
    ] {
        generations.push(generation(&admin.act(&key, verb, &body)?)?);
    }
    generations.push(generation(&admin.delete(&key.path())?.must_be(200)?.json()?)?);
    ensure!(generations.windows(2).all(|pair| pair[0] < pair[1]), "{generations:?}");
    let newest = admin.snapshot()?["generation"].as_i64().context("no generation")?;
    let with_event = database.count("SELECT count(DISTINCT generation) FROM audit_event")?;
    ensure!(with_event == newest, "{with_event} of {newest} generations have an audit event");
    let highest = database.count("SELECT max(generation) FROM audit_event")?;
    ensure!(highest == newest, "an event of generation {highest}, and {newest} is the newest");
    // One query each: a refused sign-in may be written down between two.
    let missing = database.count("SELECT max(seq) - count(*) FROM audit_event")?;
    ensure!(missing == 0, "{missing} events are missing before the last");
    let ahead = database.count("SELECT audit_seq - (SELECT max(seq) FROM audit_event) FROM counter")?;
    ensure!(ahead == 0, "the counter is {ahead} ahead of the last event");
    ensure!(database.count("SELECT count(*) FROM audit_event WHERE reason = 'looked odd'")? >= 1);
    Ok(())
}
