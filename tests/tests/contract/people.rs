//! Members, teams and roles, and what becomes of keys at the edge.

use anyhow::{Context, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, NewKey, generation};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_role_change_ends_the_keys_that_the_role_may_not_have", role_changes),
        Test::shared("a_member_who_is_removed_leaves_no_key_that_works", removal),
        Test::shared("a_reassigned_key_goes_on_and_the_origin_hears_its_new_member", reassigned),
        Test::shared("a_key_made_between_preview_and_act_is_not_swept_away", previewed),
        Test::in_turn("a_role_change_is_one_generation_with_its_events_or_nothing", &QUIET, as_one),
        Test::shared("a_team_that_is_deleted_leaves_its_keys_working", teams),
    ]
}

/// A workspace's path.
fn workspace(admin: &Admin, stem: &str) -> Result<String> {
    let workspace = admin.workspace(stem)?;
    Ok(format!("/v1/workspaces/{}", workspace["id"].as_str().context("no id")?))
}

/// Adds a member and tells the identifier.
fn member(admin: &Admin, workspace: &str, role: &str) -> Result<String> {
    let body = json!({"name": role, "role": role});
    let made = admin.post(&format!("{workspace}/members"), &body)?.must_be(201)?.json()?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

fn key_of(admin: &Admin, workspace: &str, member: &str, access: &str) -> Result<NewKey> {
    let id = workspace.rsplit('/').next().context("no id")?;
    admin.key_in(id, access, json!({"access": access, "member_id": member}))
}

/// Makes a change and waits until the edge has heard of it.
fn change(stack: &Stack, method: &str, path: &str, body: &Value) -> Result<()> {
    let answer = stack.admin()?.send(method, path, &[], Some(body))?.must_be(200)?.json()?;
    stack.applied(generation(&answer)?)
}

fn pings(stack: &Stack, key: &NewKey, status: u16) -> Result<()> {
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(status).map(drop)
}

fn role_changes(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "roles")?;
    let person = member(&admin, &workspace, "admin")?;
    let path = format!("{workspace}/members/{person}");
    let (reads, writes) =
        (key_of(&admin, &workspace, &person, "read-only")?, key_of(&admin, &workspace, &person, "read-write")?);
    stack.applied(writes.generation)?;
    pings(stack, &reads, 200)?;
    pings(stack, &writes, 200)?;
    change(stack, "PATCH", &path, &json!({"role": "staff"}))?;
    pings(stack, &reads, 200)?;
    pings(stack, &writes, 200)?;
    change(stack, "PATCH", &path, &json!({"role": "read-only"}))?;
    pings(stack, &reads, 200)?;
    pings(stack, &writes, 401)?;
    change(stack, "PATCH", &path, &json!({"role": "lite"}))?;
    pings(stack, &reads, 401)?;
    // Nothing brings them back.
    change(stack, "PATCH", &path, &json!({"role": "owner"}))?;
    pings(stack, &reads, 401)?;
    pings(stack, &writes, 401)
}

fn removal(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "removal")?;
    let person = member(&admin, &workspace, "staff")?;
    let key = key_of(&admin, &workspace, &person, "read-write")?;
    let renewed = admin.rotate(&key, 600)?;
    let stays = admin.key_in(&renewed.workspace, "stays", json!({}))?;
    stack.applied(stays.generation)?;
    for key in [&key, &renewed, &stays] {
        pings(stack, key, 200)?;
    }
    change(stack, "DELETE", &format!("{workspace}/members/{person}"), &json!({"reason": "left"}))?;
    pings(stack, &key, 401)?;
    pings(stack, &renewed, 401)?;
    pings(stack, &stays, 200)?;
    admin.get(&key.path())?.must_be(404).map(drop)
}

fn reassigned(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "heirs")?;
    let (leaves, heir) = (member(&admin, &workspace, "staff")?, member(&admin, &workspace, "staff")?);
    let key = key_of(&admin, &workspace, &leaves, "read-write")?;
    stack.applied(key.generation)?;
    let path = format!("/{}", admin.fresh_name("heirs"));
    let heard = || -> Result<String> {
        stack.edge(&path).key(&key.secret).send()?.must_be(200)?;
        let seen = stack.origin().seen_at(&path).pop().context("the origin saw nothing")?;
        Ok(seen.header("x-keyward-member-id").concat())
    };
    ensure!(heard()? == leaves);
    let body = json!({"reassign": {key.id.as_str(): heir}});
    change(stack, "DELETE", &format!("{workspace}/members/{leaves}"), &body)?;
    ensure!(heard()? == heir);
    let read = admin.get(&key.path())?.must_be(200)?.json()?;
    ensure!(read["member"]["id"] == json!(heir), "{read}");
    Ok(())
}

fn previewed(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "preview")?;
    let person = member(&admin, &workspace, "staff")?;
    let key = key_of(&admin, &workspace, &person, "read-only")?;
    let path = format!("{workspace}/members/{person}");
    let preview = || -> Result<String> {
        let plan = admin.send("DELETE", &format!("{path}?dry_run=true"), &[], None)?.must_be(200)?.json()?;
        Ok(plan["etag"].as_str().context("no etag")?.to_owned())
    };
    let tag = preview()?;
    let between = key_of(&admin, &workspace, &person, "read-only")?;
    let refused = admin.send("DELETE", &path, &[("if-match", &tag)], None)?.must_be(412)?.json()?;
    ensure!(refused["code"] == "precondition_failed", "{refused}");
    stack.applied(between.generation)?;
    pings(stack, &key, 200)?;
    pings(stack, &between, 200)?;
    let tag = preview()?;
    let done = admin.send("DELETE", &path, &[("if-match", &tag)], None)?.must_be(200)?.json()?;
    stack.applied(generation(&done)?)?;
    pings(stack, &key, 401)?;
    pings(stack, &between, 401)
}

/// What is only shown, and what is refused, leaves no trace.
fn as_one(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "as-one")?;
    let person = member(&admin, &workspace, "admin")?;
    let mut keys = Vec::new();
    for access in ["read-only", "read-write", "read-write"] {
        keys.push(key_of(&admin, &workspace, &person, access)?);
    }
    let path = format!("{workspace}/members/{person}");
    let count = |query| Database::of(stack.control_plane()).count(query);
    let now = || -> Result<(u64, i64)> {
        let newest = admin.snapshot()?["generation"].as_u64().context("no generation")?;
        // Others' refused sign-ins are written down a while after they were refused.
        Ok((newest, count("SELECT count(*) FROM audit_event WHERE action <> 'Login'")?))
    };
    let all_ping = |status| keys.iter().try_for_each(|key| pings(stack, key, status));
    let before = now()?;
    stack.applied(before.0)?;
    all_ping(200)?;

    let to_lite = json!({"role": "lite"});
    let mut tag = String::new();
    for (method, body) in [("DELETE", None), ("PATCH", Some(&to_lite))] {
        let plan = admin.send(method, &format!("{path}?dry_run=true"), &[], body)?.must_be(200)?.json()?;
        let ends = plan["keys"].as_array().context("no keys")?.iter().filter(|key| key["outcome"] == "deleted");
        ensure!(ends.count() == keys.len(), "{method}: {plan}");
        plan["etag"].as_str().context("no etag")?.clone_into(&mut tag);
    }
    let heir = json!({"role": "lite", "reassign": {keys[0].id.as_str(): "mem_nobody"}});
    for (headers, body, status) in [(&[("if-match", "\"another\"")][..], &to_lite, 412), (&[], &heir, 422)] {
        admin.send("PATCH", &path, headers, Some(body))?.must_be(status)?;
    }
    ensure!(now()? == before, "{:?} after {before:?}: what changes nothing is there", now()?);
    all_ping(200)?;

    let done = admin.send("PATCH", &path, &[("if-match", &tag)], Some(&to_lite))?.must_be(200)?.json()?;
    ensure!(generation(&done)? == before.0 + 1, "{done} after generation {}", before.0);
    ensure!(now()? == (before.0 + 1, before.1 + 4), "{:?} after {before:?}: not the member and three keys", now()?);
    let newest = "FROM audit_event WHERE generation = (SELECT max(generation) FROM audit_event)";
    for (action, entity, events) in [("Update", "Members", 1), ("Delete", "API Keys", 3)] {
        let query = format!("SELECT count(*) {newest} AND action = '{action}' AND entity = '{entity}'");
        ensure!(count(query.leak())? == events, "{action} {entity} is not there {events} times");
    }
    stack.applied(before.0 + 1)?;
    all_ping(401)
}

fn teams(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "teams")?;
    let team = admin.post(&format!("{workspace}/teams"), &json!({"name": "Support"}))?.must_be(201)?.json()?;
    let id = workspace.rsplit('/').next().context("no id")?;
    let key = admin.key_in(id, "teams", json!({"team_id": team["id"]}))?;
    stack.applied(key.generation)?;
    pings(stack, &key, 200)?;
    let path = format!("{workspace}/teams/{}", team["id"].as_str().context("no id")?);
    change(stack, "DELETE", &path, &json!({}))?;
    pings(stack, &key, 200)?;
    let read = admin.get(&key.path())?.must_be(200)?.json()?;
    ensure!(read["team_id"].is_null(), "{read}");
    Ok(())
}
