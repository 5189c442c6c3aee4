//! The malformed `Authorization` headers of `tests/data`: each is refused before anything is loaded.
//! The tests of the running edge send the same ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_shared::decision::{Decision, Reason, Refusal, decide};
use serde_json::Value;

use crate::decide::{Scene, request};
use crate::fixtures::{NOW_MS, basic};

const CASES: &str = include_str!("../../tests/data/malformed_authorization.json");

struct Case {
    name: String,
    /// The bytes of each header line's value.
    lines: Vec<Vec<u8>>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("a list");
    cases.iter().map(read).collect()
}

fn read(case: &Value) -> Case {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let name = text(&case["name"]);
    assert!(["worker", "400"].contains(&text(&case["runtime"]).as_str()), "{name}: runtime");
    let lines = match case.get("raw_base64") {
        Some(raw) => vec![STANDARD.decode(text(raw)).expect("base64")],
        None => {
            case["headers_latin1"].as_array().expect("a list").iter().map(|line| latin1_bytes(&text(line))).collect()
        }
    };
    Case { name, lines }
}

fn latin1_bytes(text: &str) -> Vec<u8> {
    let byte = |character| u8::try_from(u32::from(character)).expect("Latin-1");
    text.chars().map(byte).collect()
}

/// What a Worker may see of the lines: joined as the Fetch standard does (section 2.2.2, "get"), each
/// byte a character as it says, or read as UTF-8 as workerd does.
fn readings(lines: &[Vec<u8>]) -> [String; 2] {
    let joined = lines.join(&b", "[..]);
    [joined.iter().copied().map(char::from).collect(), String::from_utf8_lossy(&joined).into_owned()]
}

#[test]
fn each_is_refused_before_anything_is_loaded() {
    let (mut replica, _) = Scene::new().cold();
    for Case { name, lines } in cases() {
        for authorization in readings(&lines) {
            for path in ["/v1/data", "/v1/ping", "/a/../b"] {
                let decision = decide(&mut replica, &request("GET", path, &authorization), NOW_MS);
                assert!(
                    matches!(decision, Decision::Deny(Refusal::Unauthorized(Reason::Credential(_)))),
                    "{name}: {decision:?}"
                );
            }
        }
    }
}

#[test]
fn there_are_many_and_each_has_its_name() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    assert!(names.len() >= 60);
    names.sort();
    assert!(names.is_sorted_by(|a, b| a < b), "a name twice");
}

/// Were these not credentials, the cases above would prove nothing.
#[test]
fn the_keys_that_they_garble_are_credentials() {
    let (mut replica, _) = Scene::new().cold();
    for key in ["d41d8cd98f00b204e9800998ecf8427e", "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L", "~~~~????>>>>~~~~"] {
        for user_pass in [format!("{key}:"), format!(":{key}"), format!("{key}:{key}")] {
            let authorization = basic(&user_pass);
            let decision = decide(&mut replica, &request("GET", "/", &authorization), NOW_MS);
            assert!(matches!(decision, Decision::Need(_)), "{user_pass}");
        }
    }
}
