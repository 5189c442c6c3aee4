//! What is done to a workspace, and how the edge judges all of its keys before and after.

use anyhow::{Context, Result};
use keyward_tests::stack::{Admin, NewKey};
use serde_json::{Value, json};

use super::cases::{Case, Probe, case};

/// Every case, each with a workspace of its own.
pub(super) fn workspaces(admin: &Admin, cases: &mut Vec<Case>) -> Result<()> {
    let keys = Keys::new(admin, "suspend")?;
    cases.push(case("workspace suspended", keys.while_active(), move |admin| {
        set(admin, &keys.workspace, &json!({"status": "suspended"}))?;
        Ok(keys.all_refused())
    }));
    let keys = Keys::new(admin, "activate")?;
    set(admin, &keys.workspace, &json!({"status": "suspended"}))?;
    cases.push(case("workspace activated", keys.all_refused(), move |admin| {
        set(admin, &keys.workspace, &json!({"status": "active"}))?;
        Ok(keys.while_active())
    }));
    let keys = Keys::new(admin, "dissolve")?;
    cases.push(case("workspace deleted", keys.while_active(), move |admin| {
        set(admin, &keys.workspace, &json!({"status": "suspended"}))?;
        admin.delete(&format!("/v1/workspaces/{}", keys.workspace))?.must_be(200)?;
        Ok(keys.all_refused())
    }));
    let NewKey { workspace, secret, .. } = admin.key("slug")?;
    let (old, new) = (admin.fresh_name("old-slug"), admin.fresh_name("new-slug"));
    set(admin, &workspace, &json!({"slug": old}))?;
    cases.push(case("workspace's slug", vec![Probe::of_user(&old, &secret, 200)], move |admin| {
        set(admin, &workspace, &json!({"slug": new}))?;
        Ok(vec![Probe::of_user(&old, &secret, 401), Probe::of_user(&new, &secret, 200)])
    }));
    Ok(())
}

fn set(admin: &Admin, workspace: &str, change: &Value) -> Result<()> {
    admin.patch(&format!("/v1/workspaces/{workspace}"), change)?.must_be(200).map(drop)
}

/// Keys in every state that a key of a workspace can be in.
struct Keys {
    workspace: String,
    /// Each secret, and how it is answered while the workspace is active.
    secrets: Vec<(String, u16)>,
    /// Of another workspace, which nobody touches.
    bystander: NewKey,
}

impl Keys {
    fn new(admin: &Admin, stem: &str) -> Result<Self> {
        let plain = admin.key(stem)?;
        let workspace = plain.workspace.clone();
        let made =
            admin.post(&format!("/v1/workspaces/{workspace}/members"), &json!({"name": "Ada", "role": "staff"}))?;
        let member = made.must_be(201)?.json()?["id"].clone();
        let of_member = admin.key_in(&workspace, stem, json!({"access": "read-only", "member_id": member}))?;
        let mut secrets = vec![(plain.secret, 200), (of_member.secret, 200)];
        for (verb, older) in [(None, 200), (Some("rotation/pause"), 401), (Some("rotation/finish"), 401)] {
            let key = admin.key_in(&workspace, stem, json!({}))?;
            let new = admin.rotate(&key, 600)?;
            if let Some(verb) = verb {
                admin.act(&key, verb, &json!({})).context(verb)?;
            }
            secrets.extend([(key.secret, older), (new.secret, 200)]);
        }
        for verb in ["disable", "archive"] {
            let key = admin.key_in(&workspace, stem, json!({}))?;
            admin.act(&key, verb, &json!({}))?;
            secrets.push((key.secret, 401));
        }
        Ok(Self { workspace, secrets, bystander: admin.key(stem)? })
    }

    fn while_active(&self) -> Vec<Probe> {
        self.probes(|status| status)
    }

    fn all_refused(&self) -> Vec<Probe> {
        self.probes(|_| 401)
    }

    fn probes(&self, status: impl Fn(u16) -> u16) -> Vec<Probe> {
        let ours = self.secrets.iter().map(|(secret, while_active)| Probe::ping(secret, status(*while_active)));
        ours.chain([Probe::ping(&self.bystander.secret, 200)]).collect()
    }
}
