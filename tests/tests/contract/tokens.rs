//! Members' tokens, and acting on behalf of a member.

use anyhow::{Context, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::database::Database;
use keyward_tests::stack::{NewKey, generation};
use serde_json::{Value, json};

use crate::Test;
use crate::commands::kept_as_a_hash;
use crate::permissions::somebody;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_members_token_has_that_members_rights_and_ends_with_them", rights),
        Test::shared("a_members_token_is_shown_once_and_kept_as_a_hash", shown_once),
        Test::shared("a_product_manages_keys_on_behalf_of_a_member", on_behalf_of),
    ]
}

fn rights(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("tokens")?["id"].as_str().context("no id")?.to_owned();
    let home = format!("/v1/workspaces/{workspace}");
    let (member, token) = somebody(&admin, &workspace, "admin")?;
    let theirs = stack.admin_with(&token);
    let key = theirs.key_in(&workspace, "another's", json!({}))?;
    let rename = json!({"name": "Renamed"});
    theirs.patch(&home, &rename)?.must_be(200)?;
    admin.patch(&format!("{home}/members/{member}"), &json!({"role": "staff"}))?.must_be(200)?;
    theirs.patch(&home, &rename)?.must_be(403)?;
    theirs.get(&key.path())?.must_be(404)?;
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let own = theirs.key_in(&workspace, "their own", json!({}))?;
    admin.delete(&format!("{home}/members/{member}"))?.must_be(200)?;
    theirs.get(&home)?.must_be(401)?;
    admin.get(&own.path())?.must_be(404).map(drop)
}

fn shown_once(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("shown-once")?["id"].as_str().context("no id")?.to_owned();
    let (member, token) = somebody(&admin, &workspace, "staff")?;
    let tokens = format!("/v1/workspaces/{workspace}/members/{member}/tokens");
    // An answer that is kept to be given again is kept as well.
    let kept = [("idempotency-key", "shown-once-1")];
    let made = admin.send("POST", &tokens, &kept, Some(&json!({"name": "kept"})))?.must_be(201)?.json()?;
    let second = made["secret"].as_str().context("no secret")?;
    let again = admin.send("POST", &tokens, &kept, Some(&json!({"name": "kept"})))?.must_be(201)?.json()?;
    ensure!(again == made, "another answer to the same call");
    for token in [&token, second] {
        let key = stack.admin_with(token).key_in(&workspace, "theirs", json!({}))?;
        let answers =
            [admin.get(&tokens)?, admin.get(&key.path())?, admin.get(&format!("/v1/workspaces/{workspace}"))?];
        ensure!(!answers.iter().any(|answer| answer.text().contains(token)), "it is shown again");
        kept_as_a_hash(stack, token)?;
    }
    Ok(())
}

fn on_behalf_of(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("product")?["id"].as_str().context("no id")?.to_owned();
    let keys = format!("/v1/workspaces/{workspace}/keys");
    let (member, token) = somebody(&admin, &workspace, "staff")?;
    let other = admin.key_in(&workspace, "another's", json!({}))?;
    let acting = [("keyward-on-behalf-of", member.as_str())];
    let body = json!({"name": "theirs", "access": "read-only", "apis": ["*"]});
    let made = admin.send("POST", &keys, &acting, Some(&body))?.must_be(201)?.json()?;
    ensure!(made["key"]["member"]["id"] == json!(member), "{}", made["key"]);
    let key = NewKey {
        workspace: workspace.clone(),
        id: made["key"]["id"].as_str().context("no id")?.to_owned(),
        secret: made["secret"].as_str().context("no secret")?.to_owned(),
        generation: generation(&made)?,
    };
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let listed: Value = admin.send("GET", &keys, &acting, None)?.must_be(200)?.json()?;
    ensure!(listed["items"].as_array().is_some_and(|items| items.len() == 1), "{listed}");
    admin.send("DELETE", &other.path(), &acting, None)?.must_be(404)?;
    stack.admin_with(&token).send("GET", &keys, &acting, None)?.must_be(403)?;
    let both = format!(
        "SELECT count(*) FROM audit_event WHERE actor_kind = 'operator' AND on_behalf_of = '{member}' AND target_id = '{}'",
        key.id
    );
    let told = Database::of(stack.control_plane()).count(both.leak())?;
    ensure!(told == 1, "the audit log names both {told} times");
    Ok(())
}
