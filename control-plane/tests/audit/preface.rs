//! The lines of an export that are no events: what they say is held against what was signed.

use keyward_control_plane::domain::audit::canonical;
use keyward_control_plane::domain::audit::export::Format;
use keyward_control_plane::domain::audit::merkle::node;
use keyward_control_plane::verify::{Finding, Report};
use serde_json::{Value, json};

use crate::exports::{export_of, look};
use crate::kept_log::KeptLog;

/// Takes the events that the filter of filtered exports is of.
const WANTED: fn(u64) -> bool = |seq| seq % 3 == 2;

/// An export as JSON Lines.
fn export(log: &KeptLog, wanted: Option<fn(u64) -> bool>) -> Vec<Value> {
    let text = export_of(&log.events, &log.checkpoints, Format::JsonLines, wanted);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(lines: &[Value]) -> String {
    let line = |line| String::from_utf8(canonical(line).unwrap()).unwrap() + "\n";
    lines.iter().map(line).collect()
}

/// What is found where one line is another. Nobody kept a checkpoint.
async fn changed(lines: &[Value], at: usize, change: impl FnOnce(&mut Value)) -> Report {
    let mut lines = lines.to_vec();
    change(&mut lines[at]);
    look(&text(&lines), Vec::new()).await
}

#[tokio::test]
async fn no_member_of_the_first_line_is_changed_unnoticed() {
    let log = KeptLog::make(4, 9).await;
    let (first, older) = (hex::encode(log.events[0].hash), &log.checkpoints[2].note);
    for wanted in [None, Some(WANTED)] {
        let lines = export(&log, wanted);
        let report = look(&text(&lines), Vec::new()).await;
        assert!(report.verifies(), "{report}");
        for (member, other) in [
            ("deployment", json!("other")),
            ("deployment", json!("acme/audit/1")),
            ("size", json!(35)),
            ("size", json!(37)),
            ("filtered", json!(wanted.is_none())),
            ("filter", if wanted.is_none() { json!({ "action": "Update" }) } else { Value::Null }),
            ("checkpoint", json!(older)),
            ("checkpoint", json!(log.checkpoints[3].note.replace("\n36\n", "\n35\n"))),
            ("told", Value::Null),
        ] {
            let report = changed(&lines, 0, |line| line[member] = other.clone()).await;
            assert!(!report.verifies(), "{member} {other} of {wanted:?}: {report}");
        }
        // As if the first event had been pruned.
        let pruned = changed(&lines, 0, |line| (line["pruned"], line["edge"]) = (json!(1), json!([first]))).await;
        assert!(!pruned.verifies(), "{wanted:?}: {pruned}");
        let report = look(&text(&lines).replacen("\"size\"", " \"size\"", 1), Vec::new()).await;
        let what = "it is not spelled as Keyward writes it, so it was changed";
        assert_eq!(report.findings.kept, [Finding::Line { which: "first", what }], "{report}");
    }
    let named = changed(&export(&log, None), 0, |line| line["deployment"] = json!("other")).await;
    let what = "its `deployment` is not that of its checkpoint";
    assert_eq!(named.findings.kept, [Finding::Line { which: "first", what }], "{named}");
}

#[tokio::test]
async fn the_edge_over_what_was_pruned_is_held_against_what_was_signed() {
    let log = KeptLog::make(4, 8).await;
    let mut lines = export(&log, None);
    let mut leaves: Vec<_> = log.events[..8].iter().map(|event| event.hash).collect();
    while leaves.len() > 1 {
        leaves = leaves.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    (lines[0]["pruned"], lines[0]["edge"]) = (json!(8), json!([hex::encode(leaves[0])]));
    lines.drain(1..10);
    // The log of this test says nothing of it, which is all that is wrong.
    let end = lines.len() - 1;
    let report = changed(&lines, end, |line| line["events"] = json!(24)).await;
    assert_eq!(report.findings.kept, [Finding::PrunedUnsaid { through: 8 }], "{report}");
    lines[end]["events"] = json!(24);
    let report = changed(&lines, 0, |line| line["edge"] = json!([hex::encode(log.events[0].hash)])).await;
    assert!(matches!(report.findings.kept[0], Finding::Inconsistent { through: 16, by: None, .. }), "{report}");
}

#[tokio::test]
async fn no_member_of_the_last_line_is_changed_unnoticed() {
    let log = KeptLog::make(4, 9).await;
    for wanted in [None, Some(WANTED)] {
        let lines = export(&log, wanted);
        let end = lines.len() - 1;
        let count = lines[end]["events"].as_u64().unwrap();
        for (member, other) in [
            ("events", json!(count - 1)),
            ("events", json!(count + 1)),
            ("events", json!("many")),
            ("end", json!(false)),
            ("end", json!(1)),
            ("more", json!(1)),
        ] {
            let report = changed(&lines, end, |line| line[member] = other.clone()).await;
            assert!(!report.verifies(), "{member} {other} of {wanted:?}: {report}");
        }
        let text = text(&lines);
        let report = look(&text.replace("{\"end\"", "{ \"end\""), Vec::new()).await;
        assert!(matches!(report.findings.kept[..], [Finding::Line { which: "last", .. }]), "{report}");
        let report = look(&format!("{text}{{\"end\":true,\"events\":{count}}}\n"), Vec::new()).await;
        assert!(!report.verifies(), "{report}");
    }
}

#[tokio::test]
async fn lines_between_have_what_they_are_written_with_and_no_more() {
    let log = KeptLog::make(4, 9).await;
    let lines = export(&log, None);
    let note = lines.iter().rposition(|line| line.get("checkpoint").is_some()).unwrap();
    let report = changed(&lines, note, |line| line["more"] = json!(1)).await;
    assert_eq!(report.findings.kept, [Finding::Inexact { seq: 36, what: "checkpoint" }], "{report}");
    // A proof stands where a filter was on, and only there.
    let report = changed(&lines, 5, |line| line["proof"] = json!([])).await;
    assert_eq!(report.findings.kept, [Finding::Inexact { seq: 5, what: "line" }], "{report}");
    let one = KeptLog::make(1, 1).await;
    let lines = export(&one, Some(|_| true));
    let report = changed(&lines, 1, |line| drop(line.as_object_mut().unwrap().remove("proof"))).await;
    assert!(report.findings.kept.contains(&Finding::Inexact { seq: 1, what: "line" }), "{report}");
}
