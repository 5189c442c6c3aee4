//! The tables of docs/reference.md say what the code says.
//!
//! `KEYWARD_WRITE_DOCS=1` writes them anew instead of comparing them.

use std::fmt::Write as _;
use std::path::Path;

use keyward_control_plane::api::{limits as api_limits, problem};
use keyward_control_plane::config::table;
use keyward_control_plane::domain::invalid::Fault;
use keyward_control_plane::domain::limits;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference.md");

#[test]
fn the_reference_says_what_the_code_says() {
    let path = Path::new(REFERENCE);
    let mut text = std::fs::read_to_string(path).expect("docs/reference.md");
    let before = text.clone();
    for (name, table) in [
        ("settings", table::markdown()),
        ("problems", problem::markdown()),
        ("faults", faults()),
        ("limits", limits_table()),
    ] {
        text = with_table(&text, name, &table);
    }
    if std::env::var_os("KEYWARD_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect("docs/reference.md can be written");
        return;
    }
    assert!(
        text == before,
        "docs/reference.md is behind the code; \
         KEYWARD_WRITE_DOCS=1 cargo test -p keyward-control-plane --test reference"
    );
}

/// The text with what stands between the table's mark and the next end replaced.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- table: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("docs/reference.md has no `{}`", mark.trim()));
    let (_, after) = rest.split_once("<!-- end -->").expect("an end mark");
    format!("{before}{mark}{table}<!-- end -->{after}")
}

fn faults() -> String {
    let mut text = String::from("| fault | |\n|---|---|\n");
    for fault in Fault::ALL {
        let words = match fault {
            Fault::Missing => "nothing is given where something is needed",
            Fault::TooShort => "fewer characters or entries than needed",
            Fault::TooLong => "more characters or bytes than allowed",
            Fault::TooMany => "more entries than allowed",
            Fault::OutOfRange => "a number or time outside its range",
            Fault::BadFormat => "not of the form or type it must have",
            Fault::InThePast => "a time that has passed",
            Fault::Unknown => "names something that does not exist",
            Fault::Duplicate => "the same entry twice",
            Fault::Conflicting => "does not go together with another field",
        };
        let _ = writeln!(text, "| `{}` | {words} |", fault.code());
    }
    text
}

fn limits_table() -> String {
    let mut text = String::from("| what | limit | |\n|---|---|---|\n");
    for (what, value, unit) in limits::TABLE.iter().chain(api_limits::TABLE) {
        let _ = writeln!(text, "| {what} | {value} | {unit} |");
    }
    text
}
