//! Whom an earlier answer is given again: whoever could have what it shows now.

use axum::http::Method;
use serde_json::{Value, json};

use crate::service::{Reply, Service};
use crate::tokens;

/// One call that is made again and again.
struct Repeated<'a> {
    service: &'a Service,
    bearer: String,
    idempotency_key: &'static str,
    path: String,
    body: Value,
}

impl Repeated<'_> {
    async fn ask(&self) -> Reply {
        let call = self.service.request(Method::POST, &self.path).bearer(&self.bearer);
        call.header("idempotency-key", self.idempotency_key).json(&self.body).send().await
    }

    /// Asks, and checks that it is the answer that was given before.
    async fn is_told_again(&self, first: &Reply) {
        let again = self.ask().await;
        assert_eq!(again.header("idempotency-replayed"), "true", "{}: {}", self.path, again.body);
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{}", self.path);
    }
}

fn key(name: &str, access: &str) -> Value {
    json!({ "name": name, "access": access, "apis": ["*"] })
}

fn given(name: &str, member: &str) -> Value {
    json!({ "name": name, "access": "read-only", "apis": ["*"], "member_id": member })
}

#[tokio::test]
async fn an_idempotent_replay_needs_the_right_still() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, bearer) = service.somebody(&workspace, "staff").await;
    let path = format!("{workspace}/keys");
    let body = key("one", "read-only");
    let create = Repeated { service: &service, bearer, idempotency_key: "once", path, body };
    let first = create.ask().await.is(201);
    create.is_told_again(&first).await;
    service.change_role(&member, "lite").await;
    create.ask().await.is_problem(403, "forbidden", None);
    service.change_role(&member, "read-only").await;
    create.is_told_again(&first).await;
}

#[tokio::test]
async fn an_admin_who_became_staff_is_not_told_the_secrets_of_others_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let (admin, bearer) = service.somebody(&workspace, "admin").await;
    service.patch(&workspace, json!({ "reveal": "sealed" })).await.is(200);
    let other = service.member(&workspace, "staff").await;
    let others = service.key(&workspace, "another's").await;
    let mine = service.post(&keys, given("mine", &admin)).await.is(201).header("location").to_owned();
    let call = |idempotency_key, path: String, body| {
        let call = Repeated { service: &service, bearer: bearer.clone(), idempotency_key, path, body };
        async move {
            let first = call.ask().await;
            assert!(first.status.is_success() && first.body["secret"].is_string(), "{}", first.body);
            (call, first)
        }
    };
    let grace = json!({ "grace_seconds": 600 });
    let of_others = [
        call("1", keys.clone(), key("default's", "read-only")).await,
        call("2", keys.clone(), given("other's", &other)).await,
        call("3", format!("{others}/rotate"), grace.clone()).await,
        call("4", tokens::of(&workspace, &other), json!({ "name": "theirs" })).await,
        call("8", format!("{others}/reveal"), json!({})).await,
    ];
    let of_their_own = [
        call("5", keys.clone(), given("my own", &admin)).await,
        call("6", format!("{mine}/rotate"), grace).await,
        call("7", tokens::of(&workspace, &admin), json!({ "name": "my own" })).await,
        call("9", format!("{mine}/reveal"), json!({})).await,
    ];
    for role in ["staff", "read-only", "admin", "lite", "owner"] {
        service.change_role(&admin, role).await;
        for (call, first) in &of_others {
            match role {
                "admin" | "owner" => call.is_told_again(first).await,
                // Who may make no key at all is told that.
                "lite" => assert!([403, 404].contains(&call.ask().await.status.as_u16()), "{}", call.path),
                _ => call.ask().await.is_problem(404, "not_found", None),
            }
        }
        for (call, first) in &of_their_own {
            if role != "lite" || call.path.ends_with("/tokens") {
                call.is_told_again(first).await;
            } else {
                assert!([403, 404].contains(&call.ask().await.status.as_u16()), "{}", call.path);
            }
        }
    }
}

#[tokio::test]
async fn a_secret_of_a_key_that_was_given_away_is_not_told_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let (_, bearer) = service.somebody(&workspace, "staff").await;
    let (other, others) = service.somebody(&workspace, "staff").await;
    let body = key("one", "read-only");
    let create = Repeated { service: &service, bearer, idempotency_key: "once", path: keys, body };
    let first = create.ask().await.is(201);
    service.patch(first.header("location"), json!({ "member_id": other })).await.is(200);
    create.ask().await.is_problem(404, "not_found", None);
    let theirs = service.request(Method::GET, first.header("location")).bearer(&others);
    theirs.send().await.is(200);
}

#[tokio::test]
async fn a_secret_above_what_they_may_have_now_is_not_told_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let path = format!("{workspace}/keys");
    let (_, bearer) = service.somebody(&workspace, "staff").await;
    let body = key("one", "read-write");
    let create = Repeated { service: &service, bearer, idempotency_key: "once", path, body };
    let first = create.ask().await.is(201);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    create.ask().await.is_problem(403, "forbidden", None);
    service.patch(&workspace, json!({ "staff_max_access": "read-write" })).await.is(200);
    create.is_told_again(&first).await;
}

#[tokio::test]
async fn the_token_of_who_was_made_an_owner_is_not_told_to_an_admin_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, bearer) = service.somebody(&workspace, "admin").await;
    let other = service.member(&workspace, "staff").await;
    let (path, body) = (tokens::of(&workspace, &other), json!({ "name": "one" }));
    let create = Repeated { service: &service, bearer, idempotency_key: "once", path, body };
    let first = create.ask().await.is(201);
    service.change_role(&other, "owner").await;
    create.ask().await.is_problem(403, "forbidden", None);
    service.change_role(&other, "lite").await;
    create.is_told_again(&first).await;
}

#[tokio::test]
async fn an_answer_about_what_is_gone_is_still_given_to_whose_it_was() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let (member, bearer) = service.somebody(&workspace, "admin").await;
    let create = |idempotency_key, body| Repeated {
        service: &service,
        bearer: bearer.clone(),
        idempotency_key,
        path: keys.clone(),
        body,
    };
    let (own, others) = (create("1", given("own", &member)), create("2", key("another's", "read-only")));
    let (first_own, first_others) = (own.ask().await.is(201), others.ask().await.is(201));
    for first in [&first_own, &first_others] {
        service.delete(first.header("location")).await.is(200);
    }
    own.is_told_again(&first_own).await;
    others.is_told_again(&first_others).await;
    service.change_role(&member, "staff").await;
    own.is_told_again(&first_own).await;
    others.ask().await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_reveal_that_is_asked_again_is_told_to_the_log_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.patch(&workspace, json!({ "reveal": "sealed" })).await.is(200);
    let made = service.post(&format!("{workspace}/keys"), key("one", "read-only")).await.is(201);
    let path = format!("{}/reveal", made.header("location"));
    let reveal = async || {
        let call = service.request(Method::POST, &path).header("idempotency-key", "shown");
        call.json(&json!({})).send().await
    };
    for _ in 0..2 {
        let events = service.audit_events().await;
        assert_eq!(reveal().await.is(200).text("secret"), made.text("secret"));
        assert_eq!(service.audit_events().await, events + 1);
    }
    service.patch(&workspace, json!({ "reveal": "once" })).await.is(200);
    reveal().await.is_problem(409, "not_revealable", None);
}
