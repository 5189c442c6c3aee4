//! Lines that are refused: why, and that nobody else's are.

use serde_json::{Value, json};

use super::{import, line, outcome, outcomes, results, send, text, with, without};
use crate::service::Service;

#[tokio::test]
async fn a_refused_line_leaves_the_others_alone() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let good = line(&workspace, 1).to_string();
    let late = line(&workspace, 2).to_string();
    let body = format!(
        "{good}\n\n{{\n[]\n{{\"external_id\":\"x\"}}\n{}\n{}\n\u{0}\n{late}",
        with(line(&workspace, 3), json!({ "nmae": 1 })),
        with(line(&workspace, 4), json!({ "restrictions": { "ips": ["x"] } })),
    );
    let results = results(&send(&service, "", body).await);
    let lines: Vec<u64> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(
        outcomes(&results),
        [
            "created",
            "bad_json -",
            "invalid -",
            "invalid workspace",
            "invalid -",
            "invalid restrictions.ips[0]",
            "bad_json -",
            "created",
        ]
    );
    assert_eq!(results[3]["external_id"], "x");
    assert_eq!(results[3]["fault"], "missing");
}

#[tokio::test]
async fn a_secret_is_never_told_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "very-secret-0123456789";
    let base = without(line(&workspace, 1), "sha256");
    let lines = [
        with(base.clone(), json!({ "secret": secret })),
        with(base.clone(), json!({ "secret": [secret] })),
        with(base.clone(), json!({ "secret": format!("{secret} ") })),
        with(base.clone(), json!({ "secret": secret, "sha256": secret })),
        // In every other member but the one that is told again.
        with(base.clone(), json!({ "access": secret, "secret": secret })),
        with(base.clone(), json!({ "workspace": secret, "secret": secret })),
        with(base.clone(), json!({ "member": secret, "secret": secret })),
        with(base.clone(), json!({ "apis": [secret], "secret": secret })),
        with(base.clone(), json!({ "status": secret, "secret": secret })),
        with(base.clone(), json!({ "expires_at": secret, "secret": secret })),
        with(base.clone(), json!({ "created_at": secret, "secret": secret })),
        with(base.clone(), json!({ "restrictions": secret, "secret": secret })),
        with(base.clone(), json!({ "metadata": secret, "secret": secret })),
        with(base.clone(), json!({ "name": [secret], "secret": secret })),
        // As a member's name.
        with(base.clone(), json!({ secret: 1 })),
        with(base.clone(), json!({ "secret": secret, "restrictions": { secret: [] } })),
        with(base.clone(), json!({ "secret": secret, "restrictions": { "apps": [{ "platform": "ios", secret: 1 }] } })),
        with(base, json!({ "secret": secret, "restrictions": { "apps": [{ secret: "ios" }] } })),
        // Where no member is.
        json!([secret]),
        json!([secret, secret]),
        json!(secret),
        json!({ "external_id": [secret] }),
        json!({ "external_id": { "external_id": secret } }),
    ];
    let reply = send(&service, "", text(&lines)).await;
    let results = results(&reply);
    assert_eq!(results.len(), lines.len());
    assert!(results[1..].iter().all(|result| result["outcome"] == "refused"));
    assert!(!String::from_utf8(reply.bytes).unwrap().contains("very-secret"));
}

#[tokio::test]
async fn the_values_of_a_line_in_their_order_are_no_line() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let named = line(&workspace, 1);
    let members = ["external_id", "workspace", "name", "access", "apis"].map(|name| named[name].clone());
    let absent = [(); 7].map(|()| Value::Null);
    let values: Vec<Value> = members.into_iter().chain(absent).chain([named["sha256"].clone()]).collect();
    assert_eq!(outcome(&service, json!(values)).await, "invalid -");
}

#[tokio::test]
async fn a_secret_with_wrong_check_digits_is_refused_while_they_are_enforced() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let line =
        with(without(line(&workspace, 1), "sha256"), json!({ "secret": "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M" }));
    assert_eq!(outcome(&service, line.clone()).await, "check_digits secret");
    service.patch("/v1/settings", json!({ "check_digits": "off" })).await.is(200);
    assert_eq!(outcome(&service, line).await, "created");
}

#[tokio::test]
async fn nobody_is_brought_a_key_that_they_may_not_have() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let reader = service.member(&workspace, "read-only").await;
    let lite = service.member(&workspace, "lite").await;
    let staff = service.member(&workspace, "staff").await;
    let of = |number: usize, member: &str, access: &str| {
        with(line(&workspace, number), json!({"member": member, "access": access}))
    };
    let results = import(
        &service,
        &[
            of(1, &reader, "read-write"),
            of(2, &reader, "read-only"),
            of(3, &lite, "read-only"),
            of(4, &staff, "read-write"),
            of(2, &reader, "read-write"),
            of(4, &reader, "read-write"),
            of(2, "mem_00000000001", "read-only"),
        ],
    )
    .await;
    let refused = "invalid access";
    let wanted = [refused, "created", refused, "created", refused, refused, "invalid member"];
    assert_eq!(outcomes(&results), wanted);
    let ending = |at: &str| with(of(4, &staff, "read-write"), json!({ "expires_at": at }));
    assert_eq!(outcome(&service, ending("2090-01-01T00:00:00Z")).await, "updated");
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    // Nor is it made to last longer.
    assert_eq!(outcome(&service, ending("2091-01-01T00:00:00Z")).await, refused);
    assert_eq!(outcome(&service, ending("2089-01-01T00:00:00Z")).await, "updated");
    // The key stays as it was; it only gets no more than it has.
    let renamed = with(ending("2089-01-01T00:00:00Z"), json!({ "name": "renamed" }));
    assert_eq!(outcome(&service, renamed).await, "updated");
    assert_eq!(outcome(&service, of(5, &staff, "read-write")).await, refused);
}

#[tokio::test]
async fn a_secret_is_unique_over_the_deployment_and_a_clash_elsewhere_reads_like_one_here() {
    let service = Service::start().await;
    let (home, abroad) = (service.workspace("Acme").await, service.workspace("Other").await);
    let gone = import(&service, &[line(&home, 1), line(&abroad, 2), line(&abroad, 3)]).await;
    let gone = format!("{abroad}/keys/{}", gone[2]["key_id"].as_str().unwrap());
    service.delete(&gone).await.is(200);
    let digest = |number: usize| line(&home, number)["sha256"].clone();
    // Of a key of its own, of another workspace's, and of one of those that is no more.
    let clashing = |number: usize| with(line(&home, 10 + number), json!({ "sha256": digest(number) }));
    let refused = import(&service, &[clashing(1), clashing(2), clashing(3)]).await;
    assert_eq!(outcomes(&refused), ["secret_exists sha256"; 3]);
    let told = |result: &Value| without(without(result.clone(), "line"), "external_id");
    assert_eq!(told(&refused[1]), told(&refused[0]));
    assert_eq!(told(&refused[2]), told(&refused[0]));
    // So where one key is made.
    let mut problems = Vec::new();
    for number in 1..=3 {
        let body = json!({ "name": "one", "access": "read-only", "apis": ["*"], "sha256": digest(number) });
        let refused = service.post(&format!("{home}/keys"), body).await;
        refused.is_problem(409, "secret_exists", Some("sha256"));
        problems.push(without(refused.body, "request_id"));
    }
    assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
}

#[tokio::test]
async fn a_workspaces_limit_holds() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.patch(&workspace, json!({ "max_keys": 2 })).await.is(200);
    let lines: Vec<Value> = (1..=3).map(|number| line(&workspace, number)).collect();
    assert_eq!(outcomes(&import(&service, &lines).await), ["created", "created", "key_limit -"]);
    assert_eq!(outcomes(&import(&service, &lines).await), ["unchanged", "unchanged", "key_limit -"]);
}

#[tokio::test]
async fn which_key_is_meant_is_clear_or_it_is_refused() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let made = import(&service, &[line(&workspace, 1)]).await;
    let other = with(line(&workspace, 1), json!({ "sha256": "5e".repeat(32) }));
    assert_eq!(outcome(&service, other.clone()).await, "secret_differs sha256");
    let path = format!("{workspace}/keys/{}", made[0]["key_id"].as_str().unwrap());
    service.post(&format!("{path}/archive"), json!({})).await.is(200);
    assert_eq!(outcome(&service, line(&workspace, 1)).await, "key_archived -");
    for name in ["one", "two"] {
        let body = json!({ "name": name, "access": "read-only", "apis": ["*"], "external_id": "1" });
        service.post(&format!("{workspace}/keys"), body).await.is(201);
    }
    assert_eq!(outcome(&service, other).await, "ambiguous external_id");
    service.delete(&path).await.is(200);
    assert_eq!(
        outcome(&service, with(line(&workspace, 1), json!({ "external_id": "2" }))).await,
        "secret_exists sha256"
    );
}
