//! The Worker's tables of docs/reference.md, and the comments of wrangler.toml, say what the code says.
//!
//! `KEYWARD_WRITE_DOCS=1` writes the tables anew instead of comparing them.

use std::fmt::Write as _;

use keyward_edge::{CAUSES, CONFIG_TABLE, PROBLEMS, limits};
use keyward_shared::snapshot::{
    MAX_HEAD_BYTES, MAX_LEAF_BYTES, MAX_OBJECT_BYTES, MAX_RECENT_BYTES, MAX_RECENT_ENTRIES, MAX_SETTINGS_BYTES,
    MAX_TRUSTED_KEYS,
};
use keyward_shared::{api_key, credentials, policy};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference.md");
const WRANGLER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wrangler.toml");

#[test]
fn the_reference_says_what_the_worker_does() {
    let before = std::fs::read_to_string(REFERENCE).expect("docs/reference.md");
    let mut text = before.clone();
    for (name, table) in
        [("edge variables", variables()), ("edge problems", problems()), ("edge limits", limits_table())]
    {
        text = with_table(&text, name, &table);
    }
    if std::env::var_os("KEYWARD_WRITE_DOCS").is_some() {
        std::fs::write(REFERENCE, &text).expect("docs/reference.md can be written");
        return;
    }
    assert!(
        text == before,
        "docs/reference.md is behind the code; KEYWARD_WRITE_DOCS=1 cargo test -p keyward-edge --test reference"
    );
}

#[test]
fn wrangler_toml_tells_of_every_variable() {
    let wrangler = std::fs::read_to_string(WRANGLER).expect("wrangler.toml");
    for variable in CONFIG_TABLE {
        assert!(wrangler.contains(variable.name), "wrangler.toml does not mention {}", variable.name);
    }
}

fn variables() -> String {
    let mut text = String::from("| variable | default | secret | |\n|---|---|---|---|\n");
    for variable in CONFIG_TABLE {
        let secret = if variable.secret { "yes" } else { "" };
        let _ = writeln!(text, "| `{}` | {} | {secret} | {} |", variable.name, variable.default, variable.about);
    }
    text
}

fn problems() -> String {
    let mut text = String::from("| code | status | when |\n|---|---|---|\n");
    for (problem, when) in PROBLEMS.iter().zip(CAUSES) {
        let _ = writeln!(text, "| `{}` | {} | {when} |", problem.code, problem.status);
    }
    text
}

fn limits_table() -> String {
    let mut text = String::from("| what | limit | |\n|---|---|---|\n");
    for (what, limit, unit) in [
        ("API key, least", api_key::MIN_KEY_BYTES, "bytes"),
        ("API key, most", api_key::MAX_KEY_BYTES, "bytes"),
        ("key prefix", api_key::MAX_PREFIX_BYTES, "bytes"),
        ("`Authorization`", credentials::MAX_AUTHORIZATION_BYTES, "bytes"),
        ("`user:password`, decoded", credentials::MAX_CREDENTIAL_BYTES, "bytes"),
        ("a policy, encoded", policy::MAX_POLICY_BYTES, "bytes"),
        ("head", MAX_HEAD_BYTES, "bytes"),
        ("`recent`", MAX_RECENT_ENTRIES, "entries"),
        ("`recent`, encoded", MAX_RECENT_BYTES, "bytes"),
        ("leaf", MAX_LEAF_BYTES, "bytes"),
        ("settings", MAX_SETTINGS_BYTES, "bytes"),
        ("any object", MAX_OBJECT_BYTES, "bytes"),
        ("public keys trusted at once", MAX_TRUSTED_KEYS, "keys"),
        ("a header that restrictions ask for", limits::MAX_FACT_CHARS, "characters, the rest is cut"),
        ("a wait for a newer head", milliseconds(limits::HEAD_WAIT_MS), "milliseconds"),
        ("a wait for the first head", milliseconds(limits::FIRST_HEAD_WAIT_MS), "milliseconds"),
        ("a wait for objects, all of them together", milliseconds(limits::LOAD_MS), "milliseconds"),
        ("loads at once in one isolate", limits::MAX_LOADS, "objects"),
        ("loads ahead of a next tree at once, in the background", limits::MAX_WARMED_AT_ONCE, "objects"),
        ("the same in one invocation", limits::MAX_WARMED_IN_A_RUN, "objects"),
        (
            "method and URL, with the headers that restrictions ask for",
            limits::BUFFER_BYTES - credentials::MAX_AUTHORIZATION_BYTES,
            "characters of ASCII; more, or others, are judged as well, but slower",
        ),
    ] {
        let _ = writeln!(text, "| {what} | {limit} | {unit} |");
    }
    text
}

fn milliseconds(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[test]
fn the_entry_cuts_and_bounds_where_the_code_says() {
    let entry = include_str!("../entry.mjs");
    assert!(entry.contains(&format!("const MAX_AUTHORIZATION = {};", credentials::MAX_AUTHORIZATION_BYTES)));
    assert!(entry.contains(&format!("const BUFFER_BYTES = {};", limits::BUFFER_BYTES)));
    assert!(entry.contains(&format!("const MAX_FACT = {};", limits::MAX_FACT_CHARS)));
}

/// The text with what stands between the table's mark and the next end replaced.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- table: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("docs/reference.md has no `{}`", mark.trim()));
    let (_, after) = rest.split_once("<!-- end -->").expect("an end mark");
    format!("{before}{mark}{table}<!-- end -->{after}")
}
