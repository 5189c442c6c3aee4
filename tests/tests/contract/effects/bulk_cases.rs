//! What is done to many keys at once, and how the edge judges them before and after.

use anyhow::Result;
use keyward_tests::stack::Admin;
use serde_json::{Value, json};

use super::cases::{Case, Probe, case};

pub(super) fn bulk(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    for (name, made, change, before, after) in [
        ("bulk disable", "enabled", json!({"action": "disable"}), 200, 401),
        ("bulk enable", "disabled", json!({"action": "enable"}), 401, 200),
        ("bulk delete", "enabled", json!({"action": "delete"}), 200, 401),
    ] {
        // By ids and by a filter, with a key beside them that neither names.
        for by_filter in [false, true] {
            let one = admin.key_with("bulk", json!({"external_id": "bulk"}))?;
            let two = admin.key_in(&one.workspace, "bulk", json!({"external_id": "bulk"}))?;
            let bystander = admin.key_in(&one.workspace, "bystander", json!({}))?;
            if made == "disabled" {
                admin.act(&one, "disable", &json!({}))?;
                admin.act(&two, "disable", &json!({}))?;
            }
            let (path, ids) = (format!("/v1/workspaces/{}/keys/bulk", one.workspace), json!([one.id, two.id]));
            let probes = move |status: u16| -> Vec<Probe> {
                let touched = [&one, &two].map(|key| Probe::ping(&key.secret, status));
                touched.into_iter().chain([Probe::ping(&bystander.secret, 200)]).collect()
            };
            let mut body: Value = change.clone();
            if by_filter {
                body["filter"] = json!({"external_id": "bulk"});
            } else {
                body["ids"] = ids;
            }
            cases.push(case(name, probes(before), move |admin| {
                let answer = admin.post(&path, &body)?.must_be(200)?.json()?;
                anyhow::ensure!(answer["changed"] == 2, "{answer}");
                Ok(probes(after))
            }));
        }
    }
    Ok(())
}
