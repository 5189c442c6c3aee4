//! Members' tokens: made, shown once, listed, narrowed, ended.

use axum::http::Method;
use keyward_control_plane::domain::limits::TOKENS_OF_MEMBER;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

/// Where a member's tokens are.
pub(crate) fn of(workspace: &str, member: &str) -> String {
    format!("{workspace}/members/{member}/tokens")
}

/// Makes a token as whoever holds `bearer`.
async fn make(service: &Service, bearer: &str, tokens: &str, body: &Value) -> Reply {
    service.request(Method::POST, tokens).bearer(bearer).json(body).send().await
}

async fn get_as(service: &Service, bearer: &str, path: &str) -> Reply {
    service.request(Method::GET, path).bearer(bearer).send().await
}

async fn delete_as(service: &Service, bearer: &str, path: &str) -> Reply {
    service.request(Method::DELETE, path).bearer(bearer).send().await
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let tokens = of(&workspace, &service.member(&workspace, "staff").await);
    let body = json!({
        "name": "laptop",
        "scopes": ["keys:write", "keys:read", "keys:read"],
        "expires_at": "2027-01-01T01:00:00+01:00",
        "reason": "a new laptop",
    });
    let made = service.post(&tokens, body).await.is(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let secret = made.text("secret").to_owned();
    assert!(secret.starts_with("kwt_") && secret.len() == 47);
    let id = made.body["token"]["id"].as_str().unwrap();
    assert!(id.starts_with("tok_"));
    let token = json!({
        "id": id,
        "name": "laptop",
        "scopes": ["keys:read", "keys:write"],
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2027-01-01T00:00:00Z",
    });
    let generation = &made.body["generation"];
    assert_eq!(made.body, json!({ "token": token, "secret": secret, "generation": generation }));
    let (action, entity, reason, _) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str(), reason.as_deref()), ("Create", "Tokens", Some("a new laptop")));

    assert_eq!(made.header("location"), format!("{tokens}/{id}"));
    let read = service.get(made.header("location")).await.is(200);
    assert_eq!((&read.body, read.header("etag")), (&token, made.header("etag")));
    let listed = service.get(&tokens).await.is(200);
    assert_eq!(listed.body, json!({ "items": [token], "next_cursor": null }));
    get_as(&service, &secret, &format!("{workspace}/keys")).await.is(200);
    get_as(&service, &secret, &workspace).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn a_revoked_or_expired_token_opens_nothing() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let tokens = of(&workspace, &service.member(&workspace, "staff").await);
    let (_, bystander) = service.somebody(&workspace, "staff").await;
    let mut texts = Vec::new();
    let mut paths = Vec::new();
    for expires_at in [Value::Null, json!("2026-01-01T00:01:00Z"), Value::Null] {
        let made = service.post(&tokens, json!({ "name": "one", "scopes": null, "expires_at": expires_at })).await;
        let made = made.is(201);
        texts.push(made.text("secret").to_owned());
        paths.push(made.header("location").to_owned());
    }
    for text in &texts {
        get_as(&service, text, &workspace).await.is(200);
    }
    let names = async || -> usize { service.get(&tokens).await.is(200).body["items"].as_array().unwrap().len() };
    assert_eq!(names().await, 3);

    service.delete(&paths[0]).await.is(200);
    get_as(&service, &texts[0], &workspace).await.is_problem(401, "unauthorized", None);
    for missing in [service.get(&paths[0]).await, service.delete(&paths[0]).await] {
        missing.is_problem(404, "not_found", None);
    }
    assert_eq!(names().await, 2);

    service.pass_seconds(59);
    get_as(&service, &texts[1], &workspace).await.is(200);
    service.pass_seconds(1);
    get_as(&service, &texts[1], &workspace).await.is_problem(401, "unauthorized", None);
    for missing in [service.get(&paths[1]).await, service.delete(&paths[1]).await] {
        missing.is_problem(404, "not_found", None);
    }
    assert_eq!(names().await, 1);

    get_as(&service, &texts[2], &workspace).await.is(200);
    service.delete(&tokens).await.is(200);
    get_as(&service, &texts[2], &workspace).await.is_problem(401, "unauthorized", None);
    assert_eq!(names().await, 0);
    service.delete(&tokens).await.is(200);
    get_as(&service, &bystander, &workspace).await.is(200);
}

#[tokio::test]
async fn an_operators_token_opens_the_deployment_until_it_expires() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let short = service.operator_token(60).await;
    let longer = service.operator_token(120).await;
    service.pass_seconds(59);
    for path in ["/v1/workspaces", &workspace, "/v1/snapshot"] {
        get_as(&service, &short, path).await.is(200);
    }
    service.pass_seconds(1);
    for path in ["/v1/workspaces", &workspace, "/v1/snapshot"] {
        get_as(&service, &short, path).await.is_problem(401, "unauthorized", None);
        get_as(&service, &longer, path).await.is(200);
    }
    let body = json!({ "name": "Other" });
    make(&service, &short, "/v1/workspaces", &body).await.is_problem(401, "unauthorized", None);
    make(&service, &longer, "/v1/workspaces", &body).await.is(201);
}

#[tokio::test]
async fn a_member_has_so_many_tokens_that_can_be_used_and_no_more() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = service.member(&workspace, "staff").await;
    let tokens = of(&workspace, &member);
    for number in 1..TOKENS_OF_MEMBER {
        service.post(&tokens, json!({ "name": number.to_string() })).await.is(201);
    }
    let short = json!({ "name": "short", "expires_at": "2026-01-01T00:01:00Z" });
    service.post(&tokens, short).await.is(201);
    service.post(&tokens, json!({ "name": "more" })).await.is_problem(409, "token_limit", None);
    let other = service.member(&workspace, "staff").await;
    service.post(&of(&workspace, &other), json!({ "name": "another's" })).await.is(201);
    service.pass_seconds(60);
    service.post(&tokens, json!({ "name": "more" })).await.is(201);
    service.post(&tokens, json!({ "name": "still more" })).await.is_problem(409, "token_limit", None);
    service.delete(&tokens).await.is(200);
    service.post(&tokens, json!({ "name": "more" })).await.is(201);
}

#[tokio::test]
async fn a_narrowed_token_makes_no_wider_one() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let admin = service.member(&workspace, "admin").await;
    let staff = service.member(&workspace, "staff").await;
    for holder in [Some(admin.as_str()), None] {
        let narrowed = service.token(holder, &["tokens:write", "keys:read"]).await;
        for member in [&admin, &staff] {
            let tokens = of(&workspace, member);
            for wider in [
                json!({ "name": "all" }),
                json!({ "name": "all", "scopes": [] }),
                json!({ "name": "more", "scopes": ["keys:read", "keys:write"] }),
                json!({ "name": "other", "scopes": ["tokens:read"] }),
            ] {
                make(&service, &narrowed, &tokens, &wider).await.is_problem(403, "forbidden", None);
            }
            for scopes in [&["keys:read"][..], &["keys:read", "tokens:write"]] {
                make(&service, &narrowed, &tokens, &json!({ "name": "less", "scopes": scopes })).await.is(201);
            }
        }
        let unfit = service.token(holder, &["keys:read", "tokens:read"]).await;
        let tokens = of(&workspace, &staff);
        let body = json!({ "name": "one", "scopes": ["keys:read"] });
        make(&service, &unfit, &tokens, &body).await.is_problem(403, "forbidden", None);
        delete_as(&service, &unfit, &tokens).await.is_problem(403, "forbidden", None);
        get_as(&service, &unfit, &tokens).await.is(200);
        get_as(&service, &narrowed, &tokens).await.is_problem(403, "forbidden", None);
    }
    // What the member may not do, no scope gives.
    let made = service.post(&of(&workspace, &staff), json!({ "name": "wide", "scopes": ["workspaces:write"] })).await;
    let edit = service.request(Method::PATCH, &workspace).bearer(made.text("secret"));
    edit.json(&json!({ "name": "B" })).send().await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn a_token_makes_none_that_outlives_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let tokens = of(&workspace, &service.member(&workspace, "staff").await);
    let until = |second: &str| json!({ "name": "short", "expires_at": format!("2026-01-01T00:01:{second}Z") });
    let short = service.post(&tokens, until("00")).await.is(201).text("secret").to_owned();
    for longer in [until("01"), json!({ "name": "for ever" })] {
        make(&service, &short, &tokens, &longer).await.is_problem(403, "forbidden", None);
    }
    make(&service, &short, &tokens, &until("00")).await.is(201);
}

#[tokio::test]
async fn an_owners_tokens_are_for_owners_and_operators() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let default = service.get(&key).await.body["member"]["id"].as_str().unwrap().to_owned();
    let (owner, owners) = service.somebody(&workspace, "owner").await;
    let (admin, admins) = service.somebody(&workspace, "admin").await;
    let (staff, staffs) = service.somebody(&workspace, "staff").await;
    let body = json!({ "name": "one" });
    // With one of these an admin would be an owner.
    for member in [&owner, &default] {
        let tokens = of(&workspace, member);
        let one = service.post(&tokens, body.clone()).await.is(201).header("location").to_owned();
        make(&service, &admins, &tokens, &body).await.is_problem(403, "forbidden", None);
        for path in [&tokens, &one] {
            get_as(&service, &admins, path).await.is_problem(403, "forbidden", None);
            delete_as(&service, &admins, path).await.is_problem(403, "forbidden", None);
            get_as(&service, &owners, path).await.is(200);
        }
        delete_as(&service, &owners, &one).await.is(200);
    }
    for (bearer, member) in [(&owners, &admin), (&admins, &admin), (&admins, &staff), (&staffs, &staff)] {
        let made = make(&service, bearer, &of(&workspace, member), &body).await.is(201);
        get_as(&service, made.text("secret"), &workspace).await.is(200);
    }
    for member in [&owner, &admin, &default] {
        let refused = make(&service, &staffs, &of(&workspace, member), &body).await;
        refused.is_problem(404, "not_found", None);
        let nobody = make(&service, &staffs, &of(&workspace, "mem_00000000001"), &body).await;
        assert_eq!(refused.text("detail"), nobody.text("detail"));
    }
}

#[tokio::test]
async fn who_becomes_an_owner_keeps_no_token_that_others_may_know() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, admins) = service.somebody(&workspace, "admin").await;
    let (staff, _) = service.somebody(&workspace, "staff").await;
    let made = make(&service, &admins, &of(&workspace, &staff), &json!({ "name": "kept by the admin" })).await.is(201);
    let kept = made.text("secret");
    let path = format!("{workspace}/members/{staff}");
    service.patch(&path, json!({ "role": "admin" })).await.is(200);
    get_as(&service, kept, &workspace).await.is(200);
    service.patch(&path, json!({ "role": "owner" })).await.is(200);
    get_as(&service, kept, &workspace).await.is_problem(401, "unauthorized", None);
    let (action, entity, ..) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str()), ("Delete", "Tokens"));
    // An owner's own tokens stay when the owner is edited.
    let owners = service.token(Some(&staff), &[]).await;
    service.patch(&path, json!({ "role": "owner", "name": "renamed" })).await.is(200);
    get_as(&service, &owners, &workspace).await.is(200);
}

#[tokio::test]
async fn a_token_ends_with_who_made_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({ "name": "kept" });
    for leaves in [true, false] {
        let (maker, makers) = service.somebody(&workspace, "admin").await;
        let [other, third] = [service.member(&workspace, "admin").await, service.member(&workspace, "staff").await];
        let kept = make(&service, &makers, &of(&workspace, &other), &body).await.is(201);
        // Made with a token that another made, and so known to that other.
        let further = make(&service, kept.text("secret"), &of(&workspace, &third), &body).await.is(201);
        let theirs = service.token(Some(&other), &[]).await;
        let own = make(&service, &theirs, &of(&workspace, &other), &body).await.is(201);
        let path = format!("{workspace}/members/{maker}");
        let events = service.audit_events().await;
        let changed =
            if leaves { service.delete(&path).await } else { service.patch(&path, json!({ "role": "staff" })).await };
        changed.is(200);
        for ended in [&kept, &further] {
            get_as(&service, ended.text("secret"), &workspace).await.is_problem(401, "unauthorized", None);
        }
        // One for the member, one for each token; of who left their own too.
        assert_eq!(service.audit_events().await, events + 3 + i64::from(leaves));
        for usable in [theirs.as_str(), own.text("secret")] {
            get_as(&service, usable, &workspace).await.is(200);
        }
    }
}

#[tokio::test]
async fn a_members_token_acts_for_nobody_else() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (owner, owners) = service.somebody(&workspace, "owner").await;
    let staff = service.member(&workspace, "staff").await;
    for member in [&owner, &staff] {
        for path in [workspace.as_str(), "/v1/apis", "/v1/snapshot/head"] {
            let call = service.request(Method::GET, path).bearer(&owners).header("keyward-on-behalf-of", member);
            call.send().await.is_problem(403, "forbidden", None);
        }
    }
}

#[tokio::test]
async fn for_whom_it_is_done_is_part_of_an_idempotent_call() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (one, other) = (service.member(&workspace, "staff").await, service.member(&workspace, "staff").await);
    let create = |member: String| {
        let call = service.request(Method::POST, &format!("{workspace}/keys")).header("idempotency-key", "once");
        let body = json!({ "name": "one", "access": "read-only", "apis": ["*"] });
        call.header("keyward-on-behalf-of", &member).json(&body).send()
    };
    let first = create(one.clone()).await.is(201);
    assert_eq!(create(one.clone()).await.is(201).bytes, first.bytes);
    create(other).await.is_problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    // A member acted for has the rights of now.
    service.change_role(&one, "lite").await;
    create(one).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_named() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let other = service.workspace("Other").await;
    let member = service.member(&workspace, "staff").await;
    let tokens = of(&workspace, &member);
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a".repeat(101) }), "name"),
        (json!({ "name": "one", "scopes": ["keys:read", "keys:everything"] }), "scopes[1]"),
        (json!({ "name": "one", "scopes": "keys:read" }), "scopes"),
        (json!({ "name": "one", "expires_at": "2026-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "name": "one", "expires_at": "tomorrow" }), "expires_at"),
        (json!({ "name": "one", "role": "owner" }), "role"),
    ] {
        service.post(&tokens, body).await.is_problem(422, "invalid", Some(field));
    }
    let one = service.post(&tokens, json!({ "name": "one" })).await.is(201).header("location").to_owned();
    let mine = service.member(&workspace, "admin").await;
    for missing in [
        of(&other, &member),
        of(&workspace, "mem_00000000001"),
        of(&workspace, "nobody"),
        one.replace(&workspace, &other),
        one.replace(&member, &mine),
        format!("{tokens}/tok_00000000001"),
        format!("{tokens}/one"),
    ] {
        service.get(&missing).await.is_problem(404, "not_found", None);
        service.delete(&missing).await.is_problem(404, "not_found", None);
    }
    service.get(&one).await.is(200);
}

#[tokio::test]
async fn tokens_are_listed_a_page_at_a_time() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let tokens = of(&workspace, &service.member(&workspace, "staff").await);
    for number in 0..5 {
        service.post(&tokens, json!({ "name": number.to_string() })).await.is(201);
        service.pass_seconds(i64::from(number % 2));
    }
    let mut names: Vec<u64> = Vec::new();
    let mut page = format!("{tokens}?limit=2");
    let cursor = loop {
        let reply = service.get(&page).await.is(200);
        let items = reply.body["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().parse::<u64>().unwrap()));
        match reply.body["next_cursor"].as_str() {
            Some(cursor) => page = format!("{tokens}?limit=2&cursor={cursor}"),
            None => break page.rsplit('=').next().unwrap().to_owned(),
        }
    };
    assert_eq!(names[0], 4);
    names.sort_unstable();
    assert_eq!(names, [0, 1, 2, 3, 4]);
    let others = of(&workspace, &service.member(&workspace, "staff").await);
    let strayed = service.get(&format!("{others}?cursor={cursor}")).await;
    strayed.is_problem(400, "bad_parameter", Some("cursor"));
    service.get(&format!("{tokens}?limit=0")).await.is_problem(400, "bad_parameter", Some("limit"));
    service.get(&format!("{tokens}?name=1")).await.is_problem(400, "unknown_parameter", Some("name"));
}

/// The mutations of this resource.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Tokens that change").await;
    let tokens = of(&workspace, &service.member(&workspace, "staff").await);
    let one = service.post(&tokens, json!({ "name": "one" })).await.is(201).header("location").to_owned();
    vec![
        Mutation::new(Method::POST, &tokens, json!({ "name": "two", "scopes": ["keys:read"] })),
        Mutation::new(Method::DELETE, one, json!({})),
        Mutation::new(Method::DELETE, tokens, json!({})),
    ]
}
