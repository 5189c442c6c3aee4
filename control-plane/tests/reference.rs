//! The tables of docs/reference.md and docs/keys.md say what the code says.
//!
//! `KEYWARD_WRITE_DOCS=1` writes them anew instead of comparing them.

use std::fmt::Write as _;
use std::path::Path;

use keyward_control_plane::api::{limits as api_limits, problem};
use keyward_control_plane::config::table;
use keyward_control_plane::domain::invalid::Fault;
use keyward_control_plane::domain::limits;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::permission::{Permission, Reach, Standing};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

#[test]
fn the_reference_says_what_the_code_says() {
    let tables = [
        ("settings", table::markdown()),
        ("problems", problem::markdown()),
        ("faults", faults()),
        ("limits", limits_table()),
    ];
    compare("reference.md", &tables);
}

#[test]
fn the_page_on_people_says_what_roles_may_do() {
    compare("keys.md", &[("roles", roles())]);
}

/// Compares the tables of a page with these, or writes them into it.
fn compare(page: &str, tables: &[(&str, String)]) {
    let path = Path::new(DOCS).join(page);
    let mut text = std::fs::read_to_string(&path).expect(page);
    let before = text.clone();
    for (name, table) in tables {
        text = with_table(&text, name, table);
    }
    if std::env::var_os("KEYWARD_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect("the page can be written");
        return;
    }
    assert!(
        text == before,
        "docs/{page} is behind the code; \
         KEYWARD_WRITE_DOCS=1 cargo test -p keyward-control-plane --test reference"
    );
}

/// The text with what stands between the table's mark and the next end replaced.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- table: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("the page has no `{}`", mark.trim()));
    let (_, after) = rest.split_once("<!-- end -->").expect("an end mark");
    format!("{before}{mark}{table}<!-- end -->{after}")
}

fn roles() -> String {
    let standings: Vec<_> =
        std::iter::once(Standing::Operator).chain(Role::ALL.into_iter().map(Standing::Member)).collect();
    let mut text = String::from("| to | operator |");
    for role in Role::ALL {
        let _ = write!(text, " {} |", role.as_str());
    }
    let _ = writeln!(text, " scope |\n|---|---|{}---|", "---|".repeat(Role::ALL.len()));
    for permission in Permission::ALL {
        let _ = write!(text, "| {} |", permission.words());
        for standing in &standings {
            let word = match permission.reach(*standing) {
                Reach::Never => "–",
                Reach::Own => "own",
                Reach::All => "all",
            };
            let _ = write!(text, " {word} |");
        }
        let scope = permission.scope().map_or_else(|| "any".to_owned(), |scope| format!("`{}`", scope.as_str()));
        let _ = writeln!(text, " {scope} |");
    }
    text
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
