//! Both formats, held and read back.

use ::csv::ReaderBuilder;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::audit::{canonical, hash};

fn exported(name: &str) -> Exported {
    let document = json!({
        "seq": 7, "at": "2023-11-14T22:13:20Z", "action": "Update", "entity": "API Keys",
        "actor": { "kind": "operator", "id": "tok_1", "name": name, "ip": null, "on_behalf_of": null },
        "target": { "id": "key_9", "name": "a,\"b\"\r\nc" }, "workspace_id": "ws_1", "team_id": null,
        "actor_team_ids": ["team_1"], "reason": null, "request_id": "req_1", "generation": 3,
        "details": { "operation": "edit", "before": null, "after": { "z": 1.5, "a": "é" } },
    });
    let hash = hash(&document).expect("hash");
    Exported { event: LoggedEvent { seq: 7, document, hash }, proof: None, checkpoint: None }
}

fn preface() -> Preface {
    let (deployment, checkpoint) = ("acme".to_owned(), "note\n".to_owned());
    Preface { deployment, size: 9, pruned: 4, edge: vec![[0xab; 32]], filter: None, checkpoint }
}

fn text(bytes: Result<Vec<u8>, WriteError>) -> String {
    String::from_utf8(bytes.expect("written")).expect("text")
}

#[test]
fn the_lines_are_held() {
    let format = Format::JsonLines;
    assert_eq!(
        text(format.preface(&preface())),
        format!(
            "{{\"checkpoint\":\"note\\n\",\"deployment\":\"acme\",\"edge\":[\"{}\"],\"filter\":null,\
             \"filtered\":false,\"keyward_audit_export\":1,\"pruned\":4,\"size\":9}}\n",
            "ab".repeat(32)
        )
    );
    assert_eq!(text(format.end(5)), "{\"end\":true,\"events\":5}\n");
    let filtered = Preface { filter: Some(json!({ "action": "Create" })), ..preface() };
    assert!(text(format.preface(&filtered)).contains("\"filter\":{\"action\":\"Create\"},\"filtered\":true"));
    // What was pruned is told where it can be shown to be so.
    assert!(text(format.preface(&filtered)).contains("\"edge\":[],"));
    assert!(text(format.preface(&filtered)).contains("\"pruned\":0,"));
}

#[test]
fn a_line_less_its_hash_and_proof_is_what_is_hashed() {
    let with_proof =
        Exported { proof: Some(vec![[1; 32], [2; 32]]), checkpoint: Some("n\n".to_owned()), ..exported("x") };
    for event in [exported("x"), with_proof] {
        let written = text(Format::JsonLines.events(std::slice::from_ref(&event)));
        let mut lines = written.lines();
        let mut line: Value = serde_json::from_str(lines.next().expect("a line")).expect("JSON");
        let members = line.as_object_mut().expect("object");
        assert_eq!(members.remove("hash"), Some(hex::encode(event.event.hash).into()));
        assert_eq!(members.remove("proof").is_some(), event.proof.is_some());
        assert_eq!(canonical(&line).expect("canonical"), canonical(&event.event.document).expect("canonical"));
        let checkpoint = event.checkpoint.map(|note| json!({ "checkpoint": note }));
        assert_eq!(lines.next().map(|line| serde_json::from_str::<Value>(line).expect("JSON")), checkpoint);
    }
}

#[test]
fn the_rows_are_held() {
    assert_eq!(text(Format::Csv.preface(&preface())), format!("{}\r\n", COLUMNS.join(",")));
    assert_eq!(text(Format::Csv.end(5)), "");
    let event = Exported { proof: Some(vec![[1; 32], [2; 32]]), ..exported("=1+1") };
    assert_eq!(
        text(Format::Csv.events(std::slice::from_ref(&event))),
        format!(
            "7,2023-11-14T22:13:20Z,operator,tok_1,'=1+1,,,Update,API Keys,key_9,\"a,\"\"b\"\"\r\nc\",ws_1,,\
             \"[\"\"team_1\"\"]\",,\"{{\"\"after\"\":{{\"\"a\"\":\"\"é\"\",\"\"z\"\":1.5}},\"\"before\"\":null,\
             \"\"operation\"\":\"\"edit\"\"}}\",req_1,3,{},{} {}\r\n",
            hex::encode(event.event.hash),
            "01".repeat(32),
            "02".repeat(32)
        )
    );
}

#[test]
fn what_a_spreadsheet_would_run_is_defused_and_undone() {
    for cell in ["=1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "'", "''x"] {
        assert_eq!(defused(cell), format!("'{cell}"));
        assert_eq!(undone(&defused(cell)), cell);
    }
    for cell in ["", "a", "1-1", " =1", "\n"] {
        assert_eq!(defused(cell), cell);
    }
}

proptest! {
    #[test]
    fn every_cell_is_read_back_and_none_begins_a_formula(name in any::<String>()) {
        let written = Format::Csv.events(&[exported(&name)]).expect("written");
        let mut reader = ReaderBuilder::new().has_headers(false).from_reader(&written[..]);
        let row = reader.records().next().expect("a row").expect("a row");
        prop_assert_eq!(row.len(), COLUMNS.len());
        prop_assert_eq!(undone(&row[4]), name);
        prop_assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])));
    }
}
