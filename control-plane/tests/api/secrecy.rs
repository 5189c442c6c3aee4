//! Which answers hold a secret: those that make or show one, never kept by anybody on the way, and no other.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_shared::fingerprint::{Digest, Pepper};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::mutations::{self, Mutation};
use crate::service::{EDGE_CREDENTIAL, LANE_TOKEN, Reply, Service, TOKEN};

/// What secrets made here begin with, and how many characters follow: keys and tokens.
const MADE: [(&str, usize); 2] = [("kw_", 33), ("kwt_", 43)];

/// Whether something that reads like a key or a token stands in the answer, headers included.
fn holds_a_secret(reply: &Reply) -> bool {
    let text = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.bytes));
    MADE.into_iter().any(|(prefix, rest)| {
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        text.match_indices(prefix).any(|(at, _)| {
            let following = text.as_bytes().iter().skip(at + prefix.len());
            following.take_while(|byte| is_of_it(**byte)).count() >= rest
        })
    })
}

/// Whether a change makes or shows a secret: create and rotate, reveal, and a new token.
fn shows(method: &Method, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap();
    *method == Method::POST && matches!(last, "keys" | "rotate" | "reveal" | "tokens")
}

#[tokio::test]
async fn of_all_changes_those_that_make_or_show_a_secret_alone_hold_one_and_none_is_kept() {
    let service = Service::start().await;
    let mut showing = 0;
    for Mutation { method, path, body } in mutations::all(&service).await {
        let done = service.request(method.clone(), &path).json(&body).send().await;
        assert!(done.status.is_success(), "{method} {path}: {}", done.body);
        assert_eq!(holds_a_secret(&done), shows(&method, &path), "{method} {path}: {}", done.body);
        if shows(&method, &path) {
            assert_eq!(done.header("cache-control"), "no-store", "{method} {path}");
            showing += 1;
        }
        // Nor does what is refused tell one.
        let refused = service.request(method.clone(), &path).json(&json!({ "x": 1 })).send().await;
        assert!(refused.status.is_client_error() && !holds_a_secret(&refused), "{method} {path}: {}", refused.body);
    }
    assert!(showing >= 5, "create, rotate twice, reveal and a token, at least");
}

#[tokio::test]
async fn no_read_and_no_question_is_answered_with_a_secret() {
    let service = Service::start().await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    let made = service.post("/v1/workspaces", json!({ "name": "Acme", "reveal": "sealed" })).await.is(201);
    let workspace = format!("/v1/workspaces/{}", made.text("id"));
    let (member, _) = service.somebody(&workspace, "staff").await;
    let team = service.team_with(&workspace, Some(&member)).await;
    let body = json!({ "name": "one", "access": "read-only", "apis": ["*"], "member_id": member, "team_id": team });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let key = made.header("location").to_owned();
    let rotated = service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 3600 })).await.is(200);
    let token = service.post(&format!("{workspace}/members/{member}/tokens"), json!({ "name": "one" })).await.is(201);
    let brought = "a-secret-that-somebody-brings";
    let secrets = [made.text("secret"), rotated.text("secret"), token.text("secret"), brought];
    let holds_none = |reply: &Reply, asked: &str| {
        let text = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.bytes));
        for secret in secrets {
            for form in [secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(format!("{secret}:"))] {
                assert!(!text.contains(&form), "{asked}: {text}");
            }
        }
    };

    let names = [
        ("{ws}", workspace.rsplit('/').next().unwrap()),
        ("{key}", key.rsplit('/').next().unwrap()),
        ("{member}", member.as_str()),
        ("{team}", team.as_str()),
        ("{token}", token.header("location").rsplit('/').next().unwrap()),
        ("{api}", "data"),
        ("{name}", "0a"),
        ("{generation}", "1"),
    ];
    let document = service.get("/openapi.json").await.is(200).body;
    let mut reads = vec![format!("{workspace}/keys?status=active&sort=name")];
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_some() {
            let query = match path.as_str() {
                "/v1/audit/export" => "?format=jsonl",
                "/v1/audit/proof" => "?seq=1",
                _ => "",
            };
            reads.push(names.iter().fold(format!("{path}{query}"), |path, (name, id)| path.replace(name, id)));
        }
    }
    let preview = format!("{workspace}/members/{member}?dry_run=true");
    for path in reads {
        let read = service.get(&path).await;
        holds_none(&read, &path);
        // The http lane is for edges alone, and nothing was sent by mail.
        let is_elsewhere = path.starts_with("/v1/snapshot/") || path.starts_with("/v1/audit/exports/");
        assert!(read.status.is_success() || is_elsewhere, "{path}: {}", read.body);
    }
    holds_none(&service.delete(&preview).await.is(200), &preview);

    // What somebody asks with is not told back.
    for secret in secrets {
        for (path, body) in [
            ("/v1/keys/lookup", json!({ "secret": secret })),
            (
                "/v1/explain",
                json!({ "authorization": format!("Basic {}", STANDARD.encode(format!("{secret}:"))), "path": "/" }),
            ),
        ] {
            holds_none(&service.post(path, body).await, path);
        }
        let line = json!({
            "external_id": "1", "workspace": names[0].1, "name": "brought", "access": "read-only", "apis": ["*"],
            "secret": secret,
        });
        for query in ["?dry_run=true", ""] {
            let path = format!("/v1/keys/import{query}");
            let import = service.request(Method::POST, &path).raw("application/x-ndjson", format!("{line}\n"));
            holds_none(&import.send().await.is(200), &path);
        }
    }
}

/// Every form in which a secret could stand in a text, or what stands for it.
fn forms(secret: &str) -> Vec<String> {
    let digest = Sha256::digest(secret);
    let mut forms = vec![secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(format!("{secret}:"))];
    let fingerprint = Pepper::new([1; 32]).fingerprint(&Digest::from_bytes(digest.into()));
    let bytes = [digest.to_vec(), fingerprint.as_bytes().to_vec()];
    forms.extend(bytes.iter().flat_map(|bytes| [hex::encode(bytes), STANDARD.encode(bytes)]));
    forms
}

/// Every text in an answer that is a secret by its name.
fn secrets_of(body: &Value, found: &mut Vec<String>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(secret) if matches!(&**name, "secret" | "token") => found.push(secret.clone()),
                    _ => secrets_of(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets_of(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn no_event_of_any_change_holds_a_secret_or_what_stands_for_one() {
    let service = Service::start().await;
    let mut secrets = vec![TOKEN.to_owned(), EDGE_CREDENTIAL.to_owned(), LANE_TOKEN.to_owned()];
    for (number, Mutation { method, path, body }) in mutations::all(&service).await.into_iter().enumerate() {
        secrets_of(&body, &mut secrets);
        let call = service.request(method, &path).header("idempotency-key", &format!("{number}"));
        let done = call.json(&body).send().await;
        assert!(done.status.is_success(), "{path}: {}", done.body);
        secrets_of(&done.body, &mut secrets);
    }
    let brought = "a-secret-that-somebody-brings";
    let workspace = service.workspace("Brought").await;
    let line = json!({
        "external_id": "1", "workspace": workspace.rsplit('/').next().unwrap(), "name": "brought",
        "access": "read-only", "apis": ["*"], "secret": brought,
    });
    let import = service.request(Method::POST, "/v1/keys/import").raw("application/x-ndjson", format!("{line}\n"));
    import.send().await.is(200);
    secrets.push(brought.to_owned());
    let wrong = "kwt_wrongwrongwrongwrongwrongwrongwrongwrongwro";
    service.request(Method::GET, "/v1/settings").bearer(wrong).send().await.is(401);
    secrets.push(wrong.to_owned());
    service.pass_seconds(60);
    service.tell_waiting().await;
    assert!(secrets.len() >= 9, "made, shown and brought: {}", secrets.len());
    let log = service.audit_log().await;
    assert!(log.len() > 30, "{} events", log.len());
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        for event in &log {
            assert!(!event.contains(&form), "{form} in {event}");
        }
    }
}
