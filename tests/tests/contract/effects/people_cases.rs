//! What is done to members, and how the edge judges their keys before and after.

use anyhow::{Context, Result};
use keyward_tests::stack::{Admin, NewKey};
use serde_json::{Value, json};

use super::cases::{Case, Probe, case};

/// Every case, each with a workspace of its own.
pub(super) fn people(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    // What is done to an admin who has a read-only key and a read-write one, and what both are good for
    // afterwards.
    for (name, method, change, reads, writes) in [
        ("role to lite", "PATCH", json!({"role": "lite"}), 401, 401),
        ("role to read-only", "PATCH", json!({"role": "read-only"}), 200, 401),
        ("role to staff", "PATCH", json!({"role": "staff"}), 200, 200),
        ("member removed", "DELETE", json!({}), 401, 401),
    ] {
        let (member, read_only, read_write) = with_keys(admin)?;
        let probes =
            move |reads, writes| vec![Probe::ping(&read_only.secret, reads), Probe::ping(&read_write.secret, writes)];
        cases.push(case(name, probes(200, 200), move |admin| {
            admin.send(method, &member, &[], Some(&change))?.must_be(200)?;
            Ok(probes(reads, writes))
        }));
    }
    let (member, read_only, read_write) = with_keys(admin)?;
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

/// Makes an admin with a read-only key and a read-write one; tells the member's path.
fn with_keys(admin: &Admin) -> Result<(String, NewKey, NewKey)> {
    let workspace = admin.workspace("people")?["id"].as_str().context("no id")?.to_owned();
    let members = format!("/v1/workspaces/{workspace}/members");
    let made = admin.post(&members, &json!({"name": "Ada", "role": "admin"}))?.must_be(201)?.json()?;
    let key = |access: &str| {
        let members: Value = json!({"access": access, "member_id": made["id"]});
        admin.key_in(&workspace, access, members)
    };
    let id = made["id"].as_str().context("no id")?;
    Ok((format!("{members}/{id}"), key("read-only")?, key("read-write")?))
}
