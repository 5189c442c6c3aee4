//! Tokens: operators' and members'.

use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::lifecycle::{
    Authenticated, Context, CreateMemberToken, CreateToken, Missing, Refusal, RevokeMemberToken, RevokeMemberTokens,
    RevokeToken,
};
use keyward_shared::id::{MemberId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::audit::{all_told, told};
use crate::house::House;

fn token(name: &str) -> CreateToken {
    CreateToken { name: name.to_owned(), expires_at: None }
}

async fn authenticates(house: &House, text: &str) -> bool {
    matches!(house.lifecycle.authenticate(text, house.now()).await, Ok(Authenticated::Operator(_)))
}

#[tokio::test]
async fn a_token_authenticates_until_it_expires_or_is_revoked() {
    let house = House::new().await;
    let created = house.run(token("deploy")).await.expect("a token");
    assert_eq!((created.text.len(), &created.text[..4]), (47, "kwt_"));
    assert!(authenticates(&house, &created.text).await);
    assert!(!authenticates(&house, &created.text[..46]).await);
    assert!(!authenticates(&house, "").await);
    let disk = house.disk();
    assert!(!disk.windows(47).any(|window| window == created.text.as_bytes()));

    let expires_at = Some(house.now().plus_seconds(10));
    let short = house.run(CreateToken { expires_at, ..token("short") }).await.expect("a token");
    house.pass(9);
    assert!(authenticates(&house, &short.text).await);
    house.pass(1);
    assert!(!authenticates(&house, &short.text).await);
    let late = house.run(CreateToken { expires_at, ..token("late") }).await.err();
    assert!(matches!(late, Some(Refusal::Invalid(invalid)) if invalid.field == "expires_at"));

    let revoke = || RevokeToken { token: created.token.id };
    house.run(revoke()).await.expect("revoked");
    assert!(!authenticates(&house, &created.text).await);
    assert!(matches!(house.run(revoke()).await, Err(Refusal::NotFound(Missing::Token))));
}

#[tokio::test]
async fn the_token_of_set_up_is_registered_once() {
    let house = House::new().await;
    let text = format!("kwt_{}", "a".repeat(43));
    let register = || async {
        house.lifecycle.ensure_operator_token(&house.context(), &text, "operator").await.expect("registered")
    };
    assert!(register().await);
    let events = house.events().await;
    assert!(!register().await);
    assert_eq!(house.events().await, events);
    assert!(authenticates(&house, &text).await);
}

fn of_member(workspace: WorkspaceId, member: MemberId, name: &str) -> CreateMemberToken {
    CreateMemberToken { workspace, member, name: name.to_owned(), scopes: Vec::new(), expires_at: None }
}

#[tokio::test]
async fn of_a_members_token_the_database_has_the_hash_only() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await.id;
    let member = house.member(workspace, Role::Staff).await;
    let created = house.run(of_member(workspace, member, "laptop")).await.expect("a token");
    let found = house.lifecycle.authenticate(&created.text, house.now()).await.expect("an answer");
    assert!(matches!(found, Authenticated::Member(token, standing)
        if token.id == created.token.id && standing.id == member && standing.role == Role::Staff));
    let random = &created.text.as_bytes()[4..];
    assert!(!house.disk().windows(random.len()).any(|window| window == random));
    let sql = format!("UPDATE member SET deleted_at = 1 WHERE id = {}", member.as_u64().cast_signed());
    house.rows(&sql).await;
    let found = house.lifecycle.authenticate(&created.text, house.now()).await;
    assert!(matches!(found, Ok(Authenticated::Nobody)));
}

#[tokio::test]
async fn what_happens_to_a_members_tokens_is_told_in_their_workspace() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await.id;
    let member = house.member(workspace, Role::Staff).await;
    let narrowed = CreateMemberToken { scopes: vec!["keys:read".to_owned()], ..of_member(workspace, member, "one") };
    assert_eq!(told(&house, narrowed).await, "Create Tokens: create");
    let created = house.run(of_member(workspace, member, "two")).await.expect("a token").token.id;
    let third = house.run(of_member(workspace, member, "three")).await.expect("a token").token.id;
    let events = house.events().await;
    assert_eq!(told(&house, RevokeMemberToken { workspace, member, token: created }).await, "Delete Tokens: revoke");
    // As whoever has the machine.
    assert_eq!(told(&house, RevokeToken { token: third }).await, "Delete Tokens: revoke");
    house.run(of_member(workspace, member, "four")).await.expect("a token");
    let all = || RevokeMemberTokens { workspace, member };
    let expected = ["Delete Tokens: revoke_all", "Delete Tokens: revoke", "Delete Tokens: revoke"];
    assert_eq!(all_told(&house, all()).await, expected);
    assert_eq!(told(&house, all()).await, "Delete Tokens: revoke_all");

    let sql = "SELECT workspace_id, target_name, details FROM audit_event WHERE entity = 'Tokens' ORDER BY seq";
    let rows = house.rows(sql).await;
    for row in &rows {
        assert_eq!(row.get::<i64, _>(0), workspace.as_u64().cast_signed());
    }
    let details: Value = serde_json::from_str(rows[0].get(2)).expect("JSON");
    let after = json!({ "name": "one", "member_id": member, "scopes": ["keys:read"], "expires_at": null });
    assert_eq!(details, json!({ "operation": "create", "before": null, "after": after }));
    assert_eq!(rows.len(), 10);
    assert_eq!(house.events().await, events + 7);
}

#[tokio::test]
async fn a_token_that_is_revoked_while_its_request_comes_opens_nothing() {
    let house = House::new().await;
    let created = house.run(token("deploy")).await.expect("a token");
    let Ok(Authenticated::Operator(read)) = house.lifecycle.authenticate(&created.text, house.now()).await else {
        panic!("an operator");
    };
    let actor = Actor::of_operator(&read, None, "req".to_owned());
    let late = async |name: &str| {
        let context = Context { actor: actor.clone(), ..house.context() };
        house.lifecycle.execute(&context, token(name)).await.map(drop)
    };
    late("in time").await.expect("a token");
    house.run(RevokeToken { token: read.id }).await.expect("revoked");
    assert!(matches!(late("too late").await, Err(Refusal::Unauthenticated)));
}
