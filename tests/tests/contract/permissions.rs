//! Who may do what, as far as it decides over the use of a key.

use anyhow::{Context, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::stack::{Admin, NewKey, generation};
use serde_json::{Value, json};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("staff_of_a_read_only_policy_have_no_key_that_writes", staff_of_a_read_only_policy),
        Test::shared("a_key_of_a_read_only_member_is_raised_by_nobody", a_read_only_member),
        Test::shared("a_key_above_its_member_is_not_started_again", a_key_above_its_member),
    ]
}

/// Adds a member with this role and tells their id and a token of theirs.
pub(crate) fn somebody(admin: &Admin, workspace: &str, role: &str) -> Result<(String, String)> {
    let members = format!("/v1/workspaces/{workspace}/members");
    let made = admin.post(&members, &json!({"name": role, "role": role}))?.must_be(201)?.json()?;
    let member = made["id"].as_str().context("a member without id")?.to_owned();
    let made = admin.post(&format!("{members}/{member}/tokens"), &json!({"name": "test"}))?.must_be(201)?.json()?;
    let token = made["secret"].as_str().context("a token without text")?.to_owned();
    Ok((member, token))
}

/// A workspace with this `staff_max_access`.
fn workspace(admin: &Admin, staff_max_access: &str) -> Result<String> {
    let workspace = admin.workspace("people")?["id"].as_str().context("no id")?.to_owned();
    let policy = json!({"staff_max_access": staff_max_access});
    admin.patch(&format!("/v1/workspaces/{workspace}"), &policy)?.must_be(200)?;
    Ok(workspace)
}

/// What the edge says to a read and to a write with the key.
fn may(stack: &Stack, key: &NewKey, reads: u16, writes: u16) -> Result<()> {
    for (method, expected) in [("GET", reads), ("POST", writes)] {
        let answer = stack.edge("/anywhere").method(method).key(&key.secret).send()?;
        ensure!(answer.status == expected, "{method} is answered with {}: {}", answer.status, answer.text());
        if expected == 403 {
            ensure!(answer.header("x-keyward-code") == Some("read_only_key"), "{:?}", answer.headers);
        }
    }
    Ok(())
}

fn refused(admin: &Admin, key: &NewKey, edit: &Value, status: u16) -> Result<()> {
    admin.patch(&key.path(), edit)?.must_be(status).map(drop)
}

fn staff_of_a_read_only_policy(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "read-only")?;
    let (_, token) = somebody(&admin, &workspace, "staff")?;
    let staff = stack.admin_with(&token);
    let key = staff.key_in(&workspace, "theirs", json!({"access": "read-only"}))?;
    stack.applied(key.generation)?;
    may(stack, &key, 200, 403)?;
    refused(&staff, &key, &json!({"access": "read-write"}), 403)?;
    let body = json!({"name": "writes", "access": "read-write", "apis": ["*"]});
    staff.post(&format!("/v1/workspaces/{workspace}/keys"), &body)?.must_be(403)?;
    let renamed = staff.patch(&key.path(), &json!({"name": "renamed"}))?.must_be(200)?.json()?;
    stack.applied(generation(&renamed)?)?;
    may(stack, &key, 200, 403)?;

    let policy = json!({"staff_max_access": "read-write"});
    admin.patch(&format!("/v1/workspaces/{workspace}"), &policy)?.must_be(200)?;
    let raised = staff.patch(&key.path(), &json!({"access": "read-write"}))?.must_be(200)?.json()?;
    stack.applied(generation(&raised)?)?;
    may(stack, &key, 200, 200)
}

fn a_read_only_member(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "read-write")?;
    let (member, token) = somebody(&admin, &workspace, "read-only")?;
    let reader = stack.admin_with(&token);
    let key = reader.key_in(&workspace, "theirs", json!({"access": "read-only"}))?;
    stack.applied(key.generation)?;
    let raise = json!({"access": "read-write"});
    refused(&reader, &key, &raise, 403)?;
    refused(&admin, &key, &raise, 422)?;
    let writes = admin.key_in(&workspace, "writes", json!({}))?;
    refused(&admin, &writes, &json!({"member_id": member}), 422)?;
    stack.applied(writes.generation)?;
    may(stack, &key, 200, 403)?;
    may(stack, &writes, 200, 200)
}

fn a_key_above_its_member(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = workspace(&admin, "read-write")?;
    let (_, token) = somebody(&admin, &workspace, "staff")?;
    let key = stack.admin_with(&token).key_in(&workspace, "theirs", json!({}))?;
    let policy = json!({"staff_max_access": "read-only"});
    admin.patch(&format!("/v1/workspaces/{workspace}"), &policy)?.must_be(200)?;
    // What is there stays, until it is stopped.
    stack.applied(key.generation)?;
    may(stack, &key, 200, 200)?;
    let stopped = admin.act(&key, "disable", &json!({}))?;
    stack.applied(generation(&stopped)?)?;
    let answer = admin.try_act(&key, "enable", &json!({}))?.must_be(409)?.json()?;
    ensure!(answer["code"] == "above_member", "{answer}");
    may(stack, &key, 401, 401)?;
    admin.patch(&key.path(), &json!({"access": "read-only"}))?.must_be(200)?;
    let started = admin.act(&key, "enable", &json!({}))?;
    stack.applied(generation(&started)?)?;
    may(stack, &key, 200, 403)
}
