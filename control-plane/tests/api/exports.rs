//! `GET /v1/audit/export`: the log as a file that is verified without its database.

use std::collections::BTreeMap;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::export::{COLUMNS, undone};
use keyward_control_plane::domain::audit::merkle::{Edge, Hash, verify_inclusion};
use keyward_control_plane::domain::audit::{canonical, merkle, note};
use serde_json::{Value, json};

use crate::service::{Reply, Service};

/// The lines of an export.
fn lines(export: &Reply) -> Vec<Value> {
    export.bytes.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// What a note says, if the deployment signed it.
fn signed(service: &Service, note: &Value) -> Checkpoint {
    Checkpoint::parse(note::open(note.as_str().unwrap(), &[service.verifier()]).unwrap()).unwrap()
}

/// The hash of an event, of all that its line says of it.
fn leaf(line: &Value) -> Hash {
    let mut event = line.clone();
    let members = event.as_object_mut().unwrap();
    let told = members.remove("hash").unwrap();
    members.remove("proof");
    let leaf = merkle::leaf(&canonical(&event).unwrap());
    assert_eq!(told, hex::encode(leaf), "{line}");
    leaf
}

async fn some_changes(service: &Service) -> String {
    let workspace = service.workspace("Acme \"é\", =1+1 😀").await;
    let key = service.key(&workspace, "nightly").await;
    service.patch(&key, json!({ "name": "=2+2", "reason": "+ticket, \"7\"" })).await.is(200);
    workspace
}

#[tokio::test]
async fn an_export_of_everything_is_the_tree_that_was_signed() {
    let service = Service::start().await;
    some_changes(&service).await;
    let (before, generation) = (service.audit_events().await, service.generation().await);
    let export = service.get("/v1/audit/export?format=jsonl").await.is(200);
    assert_eq!(service.generation().await, generation, "nothing is published of it");
    let size = u64::try_from(before).unwrap() + 1;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    assert_eq!(export.header("cache-control"), "no-store");
    let disposition = format!("attachment; filename=\"keyward-audit-{size}.jsonl\"");
    assert_eq!(export.header("content-disposition"), disposition);
    assert_eq!(export.header("keyward-audit-size"), size.to_string());
    assert_eq!(export.header("keyward-audit-filtered"), "false");

    let lines = lines(&export);
    let (preface, rest) = lines.split_first().unwrap();
    let checkpoint = signed(&service, &preface["checkpoint"]);
    let expected = json!({
        "keyward_audit_export": 1, "deployment": "test", "size": size, "pruned": 0, "edge": [],
        "filtered": false, "filter": null, "checkpoint": preface["checkpoint"],
    });
    assert_eq!(*preface, expected);
    assert_eq!(export.header("keyward-audit-checkpoint"), STANDARD.encode(preface["checkpoint"].as_str().unwrap()));
    let (end, rest) = rest.split_last().unwrap();
    assert_eq!(*end, json!({ "end": true, "events": size }));
    let mut edge = Edge::empty();
    for line in rest {
        if line["seq"].is_null() {
            let signed = signed(&service, &line["checkpoint"]);
            assert_eq!((signed.size, signed.root), (edge.size(), edge.root()));
        } else {
            assert_eq!(line["seq"], edge.size() + 1);
            edge.push(leaf(line), |_, _| {});
        }
    }
    assert_eq!((edge.size(), edge.root()), (checkpoint.size, checkpoint.root));
    // It tells of itself.
    let own = &rest[rest.len() - 2];
    assert_eq!((&own["action"], &own["entity"]), (&json!("Export"), &json!("Audit Log")));
    assert_eq!(own["request_id"], export.header("x-request-id"));
    assert_eq!((&own["details"]["format"], &own["details"]["by"]), (&json!("jsonl"), &json!("stream")));

    // The checkpoint that was signed for it stands in the next one.
    service.pass_seconds(100);
    let next = self::lines(&service.get("/v1/audit/export?format=jsonl").await.is(200));
    assert!(next.contains(&json!({ "checkpoint": preface["checkpoint"] })));
}

#[tokio::test]
async fn each_event_of_a_filtered_export_is_proven() {
    let service = Service::start().await;
    some_changes(&service).await;
    for (query, filter, events) in [
        ("action=Create&entity=API%20Keys", json!({ "action": "Create", "entity": "API Keys" }), 1),
        ("q=nightly", json!({ "words": ["nightly"] }), 2),
        ("q=nothing_of_it", json!({ "words": ["nothing_of_it"] }), 0),
    ] {
        let export = service.get(&format!("/v1/audit/export?format=jsonl&{query}")).await.is(200);
        assert_eq!(export.header("keyward-audit-filtered"), "true");
        let lines = lines(&export);
        let preface = &lines[0];
        assert_eq!(preface["filtered"], true);
        for (name, value) in filter.as_object().unwrap() {
            assert_eq!(&preface["filter"][name], value);
        }
        let checkpoint = signed(&service, &preface["checkpoint"]);
        let found = &lines[1..lines.len() - 1];
        // The export's own event holds the words that it looks for.
        let found: Vec<&Value> = found.iter().filter(|event| event["action"] != "Export").collect();
        assert_eq!(found.len(), events, "{query}");
        for event in found {
            let proof = event["proof"].as_array().unwrap();
            let proof: Vec<Hash> =
                proof.iter().map(|hash| hex::decode(hash.as_str().unwrap()).unwrap().try_into().unwrap()).collect();
            let index = event["seq"].as_u64().unwrap() - 1;
            assert!(verify_inclusion(index, checkpoint.size, &leaf(event), &proof, &checkpoint.root), "{event}");
        }
    }
}

#[tokio::test]
async fn rows_say_what_lines_say() {
    let service = Service::start().await;
    some_changes(&service).await;
    let export = service.get("/v1/audit/export?format=csv").await.is(200);
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8; header=present");
    let note = STANDARD.decode(export.header("keyward-audit-checkpoint")).unwrap();
    let checkpoint = signed(&service, &json!(String::from_utf8(note).unwrap()));
    let lines = lines(&service.get("/v1/audit/export?format=jsonl").await.is(200));
    let lines: BTreeMap<u64, &Value> = lines.iter().filter_map(|line| Some((line["seq"].as_u64()?, line))).collect();
    let text = String::from_utf8(export.bytes).unwrap();
    assert!(text.ends_with("\r\n"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(COLUMNS.to_vec()));
    let mut edge = Edge::empty();
    for row in reader.records() {
        let row = row.unwrap();
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
        let cell = |name: &str| undone(&row[COLUMNS.iter().position(|column| *column == name).unwrap()]).to_owned();
        let nullable = |name: &str| Some(cell(name)).filter(|text| !text.is_empty());
        let document = json!({
            "seq": cell("seq").parse::<u64>().unwrap(),
            "at": cell("at"),
            "actor": {
                "kind": cell("actor_kind"), "id": nullable("actor_id"), "name": cell("actor_name"),
                "ip": nullable("actor_ip"), "on_behalf_of": nullable("actor_on_behalf_of"),
            },
            "action": cell("action"),
            "entity": cell("entity"),
            "target": { "id": cell("target_id"), "name": cell("target_name") },
            "workspace_id": nullable("workspace_id"),
            "team_id": nullable("team_id"),
            "actor_team_ids": serde_json::from_str::<Value>(&cell("actor_team_ids")).unwrap(),
            "reason": nullable("reason"),
            "details": serde_json::from_str::<Value>(&cell("details")).unwrap(),
            "request_id": cell("request_id"),
            "generation": cell("generation").parse::<u64>().unwrap(),
            "hash": cell("hash"),
        });
        assert_eq!(document, *lines[&(edge.size() + 1)]);
        assert_eq!(cell("proof"), "");
        edge.push(leaf(&document), |_, _| {});
    }
    assert_eq!((edge.size(), edge.root()), (checkpoint.size, checkpoint.root));
}

#[tokio::test]
async fn a_member_exports_their_own_workspace_and_only_who_may_read_the_log() {
    let service = Service::start().await;
    let (own, other) = (some_changes(&service).await, some_changes(&service).await);
    let (_, admin) = service.somebody(&own, "admin").await;
    let (_, staff) = service.somebody(&own, "staff").await;
    let export = |token: String, query: String| {
        let call = service.request(Method::GET, &format!("/v1/audit/export?format=jsonl{query}")).bearer(&token);
        async move { call.send().await }
    };
    let id = own.rsplit('/').next().unwrap();
    for query in [String::new(), format!("&workspace={id}")] {
        let lines = lines(&export(admin.clone(), query).await.is(200));
        assert_eq!(lines[0]["filter"]["workspace"], *id);
        let events = &lines[1..lines.len() - 1];
        assert!(events.len() > 3);
        assert!(events.iter().all(|event| event["workspace_id"] == *id && event["proof"].is_array()));
        assert_eq!(events.last().unwrap()["action"], "Export", "also of itself");
    }
    let events = service.audit_events().await;
    let other = format!("&workspace={}", other.rsplit('/').next().unwrap());
    export(admin, other).await.is_problem(404, "not_found", None);
    export(staff, String::new()).await.is_problem(403, "forbidden", None);
    assert_eq!(service.audit_events().await, events, "what is refused is no export");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_before_anything_is_told() {
    let service = Service::start().await;
    let events = service.audit_events().await;
    for (query, code, field) in [
        ("", "bad_parameter", Some("format")),
        ("format=xml", "bad_parameter", Some("format")),
        ("format=csv&format=csv", "bad_parameter", Some("format")),
        ("format=csv&limit=3", "unknown_parameter", Some("limit")),
        ("format=csv&action=Invent", "bad_parameter", Some("action")),
        ("format=csv&q=*", "bad_parameter", Some("q")),
    ] {
        service.get(&format!("/v1/audit/export?{query}")).await.is_problem(400, code, field);
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn to_look_whether_there_is_an_export_makes_none() {
    let service = Service::start().await;
    let workspace = some_changes(&service).await;
    let (_, staff) = service.somebody(&workspace, "staff").await;
    let events = service.audit_events().await;
    let looked = service.request(Method::HEAD, "/v1/audit/export?format=csv").send().await;
    assert_eq!((looked.status.as_u16(), looked.bytes.len()), (200, 0));
    assert_eq!(looked.header("content-type"), "text/csv; charset=utf-8; header=present");
    let refused = service.request(Method::HEAD, "/v1/audit/export?format=csv").bearer(&staff).send().await;
    assert_eq!(refused.status, 403);
    assert_eq!(service.audit_events().await, events);
}
