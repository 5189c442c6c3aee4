//! The OpenAPI document is the one that was agreed: a change of it is seen in review.
//!
//! `KEYWARD_WRITE_DOCS=1` writes `openapi.json` anew instead of comparing it.

use keyward_control_plane::api::openapi::document;
use serde_json::Value;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_document_is_the_one_that_was_agreed() {
    if std::env::var_os("KEYWARD_WRITE_DOCS").is_some() {
        let text = serde_json::to_string_pretty(document()).expect("JSON");
        std::fs::write(SNAPSHOT, text + "\n").expect("the document can be written");
        return;
    }
    let text = std::fs::read_to_string(SNAPSHOT).expect("openapi.json");
    let agreed: Value = serde_json::from_str(&text).expect("JSON");
    let mut differing = Vec::new();
    differences("", &agreed, document(), &mut differing);
    assert!(
        differing.is_empty(),
        "the document changed:\n{}\n\
         KEYWARD_WRITE_DOCS=1 cargo test -p keyward-control-plane --test openapi writes it anew",
        differing.join("\n")
    );
}

/// The places at which two documents differ.
fn differences(place: &str, agreed: &Value, found: &Value, differing: &mut Vec<String>) {
    match (agreed, found) {
        (Value::Object(agreed), Value::Object(found)) => {
            let names: std::collections::BTreeSet<_> = agreed.keys().chain(found.keys()).collect();
            for name in names {
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                differences(&format!("{place}/{name}"), &of(agreed), &of(found), differing);
            }
        }
        _ if agreed == found => {}
        _ => differing.push(format!("{place}: {agreed} is now {found}")),
    }
}
