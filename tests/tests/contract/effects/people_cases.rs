//! What is done to members, and how the edge judges their keys before and after.

use anyhow::{Context, Result};
use keyward_tests::stack::{Admin, NewKey};
use serde_json::{Value, json};

use super::cases::{Case, Probe, case};

/// Every case, each with a workspace of its own.
pub(super) fn people(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    // What staff may have, what is done to an admin who has a read-only key and a read-write one, and
    // what both are good for afterwards.
    for (name, staff_max_access, method, change, reads, writes) in [
        ("role to lite", "read-write", "PATCH", json!({"role": "lite"}), 401, 401),
        ("role to read-only", "read-write", "PATCH", json!({"role": "read-only"}), 200, 401),
        ("role to staff", "read-write", "PATCH", json!({"role": "staff"}), 200, 200),
        ("role to staff, who only read", "read-only", "PATCH", json!({"role": "staff"}), 200, 401),
        ("role to owner, where staff only read", "read-only", "PATCH", json!({"role": "owner"}), 200, 200),
        ("member removed", "read-write", "DELETE", json!({}), 401, 401),
    ] {
        let (member, read_only, read_write) = with_keys(admin, staff_max_access)?;
        let probes =
            move |reads, writes| vec![Probe::ping(&read_only.secret, reads), Probe::ping(&read_write.secret, writes)];
        cases.push(case(name, probes(200, 200), move |admin| {
            admin.send(method, &member, &[], Some(&change))?.must_be(200)?;
            Ok(probes(reads, writes))
        }));
    }
    let (member, read_only, read_write) = with_keys(admin, "read-write")?;
    let workspace = &read_write.workspace;
    let heir = admin.post(&format!("/v1/workspaces/{workspace}/members"), &json!({"name": "heir", "role": "staff"}))?;
    let heir = heir.must_be(201)?.json()?["id"].clone();
    let body = json!({"reassign": {read_write.id.as_str(): heir}});
    let before = vec![Probe::ping(&read_only.secret, 200), Probe::ping(&read_write.secret, 200)];
    cases.push(case("member removed, a key reassigned", before, move |admin| {
        admin.send("DELETE", &member, &[], Some(&body))?.must_be(200)?;
        Ok(vec![Probe::ping(&read_only.secret, 401), Probe::ping(&read_write.secret, 200)])
    }));
    Ok(())
}

/// Makes an admin with a read-only key and a read-write one, in a workspace of this policy; tells the
/// member's path.
fn with_keys(admin: &Admin, staff_max_access: &str) -> Result<(String, NewKey, NewKey)> {
    let workspace = admin.workspace("people")?["id"].as_str().context("no id")?.to_owned();
    let policy = json!({"staff_max_access": staff_max_access});
    admin.patch(&format!("/v1/workspaces/{workspace}"), &policy)?.must_be(200)?;
    let members = format!("/v1/workspaces/{workspace}/members");
    let made = admin.post(&members, &json!({"name": "Ada", "role": "admin"}))?.must_be(201)?.json()?;
    let key = |access: &str| {
        let members: Value = json!({"access": access, "member_id": made["id"]});
        admin.key_in(&workspace, access, members)
    };
    let id = made["id"].as_str().context("no id")?;
    Ok((format!("{members}/{id}"), key("read-only")?, key("read-write")?))
}
