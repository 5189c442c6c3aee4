//! The floor plan, held: who may name whom. Each rule greps the sources, comments and tests left
//! out, so that a wall that is broken through is noticed the same day.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyward_shared::report::Counter;
use xtask::workspace;

/// What must not be named in some folder.
struct Rule {
    /// Why, for whoever meets it.
    because: &'static str,
    /// Folders or files, from the checkout's top.
    within: &'static [&'static str],
    /// Folders or files among them where it is right.
    except: &'static [&'static str],
    /// What must not be named there.
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        because: "edge and control plane never meet; what both need is in shared",
        within: &["edge"],
        except: &[],
        never: &["keyward_control_plane", "keyward-control-plane", "control-plane/", "sqlx", "axum"],
    },
    Rule {
        because: "edge and control plane never meet; what both need is in shared",
        within: &["control-plane"],
        except: &[],
        never: &["keyward_edge", "keyward-edge", "../edge", "worker::"],
    },
    Rule {
        because: "shared is handed bytes and a time and returns a value: no I/O, clock, randomness or async",
        within: &["shared/src"],
        except: &[],
        never: &[
            "async ",
            ".await",
            "tokio",
            "std::time",
            "SystemTime",
            "Instant",
            "std::fs",
            "std::io",
            "std::env",
            "std::thread",
            "std::process",
            "TcpStream",
            "getrandom",
            "rand::",
            "jiff",
            "worker::",
            "wasm_bindgen",
            "js_sys",
            "sqlx",
            "axum",
            "println!",
        ],
    },
    Rule {
        because: "shared depends on neither side, nor on a platform",
        within: &["shared/Cargo.toml"],
        except: &[],
        never: &["keyward-edge", "keyward-control-plane", "tokio", "getrandom", "worker", "wasm-bindgen", "sqlx"],
    },
    Rule {
        because: "only the edge's rim knows the platform",
        within: &["edge/src"],
        except: &["edge/src/rim", "edge/src/lib.rs"],
        never: &["worker::", "js_sys", "wasm_bindgen"],
    },
    Rule {
        because: "only the store knows the database, and main wires it",
        within: &["control-plane/src"],
        except: &["control-plane/src/store", "control-plane/src/main.rs"],
        never: &["sqlx"],
    },
    Rule {
        because: "SQL is written in the store's own files",
        within: &["control-plane/src"],
        except: &["control-plane/src/store"],
        never: &["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE "],
    },
    Rule {
        because: "the domain is pure: it knows shared only",
        within: &["control-plane/src/domain"],
        except: &[],
        never: &[
            "crate::lifecycle",
            "crate::store",
            "crate::api",
            "crate::publish",
            "crate::console",
            "crate::config",
            "crate::secrets",
            "crate::cli",
            "crate::clock",
            "crate::entropy",
            "axum",
            "tokio",
            "reqwest",
            "async ",
            ".await",
        ],
    },
    Rule {
        because: "the lifecycle knows the domain and the store's trait",
        within: &["control-plane/src/lifecycle"],
        except: &[],
        never: &[
            "crate::api",
            "crate::console",
            "crate::cli",
            "crate::store::sqlite",
            "crate::store::postgres",
            "axum",
            "reqwest",
        ],
    },
    Rule {
        because: "the API knows the lifecycle, never the store",
        within: &["control-plane/src/api", "control-plane/src/console"],
        except: &[],
        never: &["crate::store"],
    },
    Rule {
        because: "the store is asked, it asks nobody",
        within: &["control-plane/src/store"],
        except: &[],
        never: &["crate::api", "crate::console", "crate::cli", "crate::lifecycle", "axum"],
    },
    Rule {
        because: "whoever verifies the audit log trusts nothing that wrote it: it knows the domain and what it is handed",
        within: &["control-plane/src/verify"],
        except: &[],
        never: &["crate::lifecycle", "crate::api", "crate::publish", "crate::cli", "crate::config", "axum", "reqwest"],
    },
    Rule {
        because: "only what sends mail knows how",
        within: &["control-plane/src"],
        except: &["control-plane/src/mail"],
        never: &["lettre"],
    },
    Rule {
        because: "what sends mail knows the use cases, never the store, and is asked by no handler",
        within: &["control-plane/src/mail", "control-plane/src/api"],
        except: &[],
        never: &["crate::store", "crate::mail"],
    },
    Rule {
        because: "the tests see what a user sees",
        within: &["tests/src"],
        except: &[],
        never: &["keyward_control_plane", "keyward_edge"],
    },
];

/// Names that gather what nobody placed.
const DRAWERS: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];
/// The most lines that a source file may have; most should have far fewer.
const MOST_LINES: usize = 500;
const MEMBERS: &[&str] = &["shared", "edge", "control-plane", "tests", "xtask"];

#[test]
fn every_wall_stands() -> Result<()> {
    let mut broken = Vec::new();
    for rule in RULES {
        for folder in rule.within {
            for file in sources(folder)? {
                if rule.except.iter().any(|except| file.starts_with(except)) {
                    continue;
                }
                for (number, line) in code(&file)? {
                    for name in rule.never.iter().filter(|name| line.contains(**name)) {
                        broken.push(format!("{}:{number} names `{name}`: {}", file.display(), rule.because));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn no_file_is_a_drawer_or_a_novel() -> Result<()> {
    let mut wrong = Vec::new();
    for member in MEMBERS {
        for file in sources(member)? {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            if DRAWERS.contains(&&*stem) || DRAWERS.contains(&&*folder) {
                wrong.push(format!("{} says nothing of its subject", file.display()));
            }
            let lines = fs::read_to_string(workspace::root().join(&file))?.lines().count();
            if lines > MOST_LINES {
                wrong.push(format!("{} has {lines} lines, more than {MOST_LINES}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_module_says_what_it_is_for() -> Result<()> {
    let mut silent = Vec::new();
    for member in MEMBERS {
        for file in
            sources(member)?.iter().filter(|file| file.extension().is_some_and(|end| end == "rs") && !is_test(file))
        {
            let text = fs::read_to_string(workspace::root().join(file))?;
            if !text.starts_with("//!") {
                silent.push(file.display().to_string());
            }
        }
    }
    assert!(silent.is_empty(), "no opening words in\n{}", silent.join("\n"));
    Ok(())
}

#[test]
fn every_guarantee_names_tests_that_there_are() -> Result<()> {
    let page = fs::read_to_string(workspace::root().join("docs/guarantees.md"))?;
    let api = fs::read_to_string(workspace::root().join("control-plane/openapi.json"))?;
    let tests = names_of_tests()?;
    assert!(tests.len() > 500, "{} tests were found", tests.len());
    let is_word = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    // The names of tests are sentences; codes are shorter, members of answers are in the API.
    let is_counter = |name: &str| (0..).map_while(Counter::at).any(|counter| counter.as_str() == name);
    let is_known = |name: &str| api.contains(&format!("\"{name}\":")) || is_counter(name);
    let mut wrong = Vec::new();
    for line in page.lines() {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).filter(is_word).collect();
        for name in quoted.iter().filter(|name| name.matches('_').count() > 1) {
            if !tests.contains(*name) && !is_known(name) {
                wrong.push(format!("there is no test `{name}`"));
            }
        }
        if !line.starts_with("| ") || line.contains(" | test |") {
            continue;
        }
        // All that is quoted in the last column is the name of a test, but for commands and flags.
        let last = line.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).filter(is_word).collect();
        if named.is_empty() {
            wrong.push(format!("no test is named: {line}"));
        }
        let missing = named.into_iter().filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("there is no test `{name}`")));
    }
    assert!(page.lines().filter(|line| line.starts_with("| ")).count() > 20, "the tables are gone");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What each test of the workspace is called: a function that is marked as one, or what `contract` registers.
fn names_of_tests() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for member in MEMBERS {
        for file in sources(member)?.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let text = fs::read_to_string(workspace::root().join(file))?;
            let mut is_marked = false;
            for line in text.lines().map(str::trim_start) {
                is_marked = line.starts_with("#[test]") || line.starts_with("#[tokio::test") || is_marked;
                let Some((before, name)) = line.split_once("fn ").filter(|_| !line.starts_with(['#', '/'])) else {
                    continue;
                };
                if is_marked && matches!(before.trim_end(), "" | "async" | "pub" | "pub(super)") {
                    names.extend(name.split(['(', '<']).next().map(str::to_owned));
                }
                is_marked = false;
            }
            for registered in ["Test::shared(", "Test::in_turn(", "Test::alone("] {
                let behind = text.split(registered).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                names.extend(behind.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// The Rust files and manifests under a path, from the checkout's top.
fn sources(path: &str) -> Result<Vec<PathBuf>> {
    let path = workspace::root().join(path);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let files = workspace::files_under(&path)?;
    Ok(files
        .iter()
        .filter(|file| {
            let name = file.file_name().unwrap_or_default();
            file.extension().is_some_and(|end| end == "rs") || name == "Cargo.toml"
        })
        .filter_map(|file| file.strip_prefix(workspace::root()).ok())
        .filter(|file| !file.components().any(|part| part.as_os_str() == "node_modules" || part.as_os_str() == "build"))
        .map(Path::to_owned)
        .collect())
}

/// A file's lines of code with their numbers: no comments, no unit tests.
fn code(file: &Path) -> Result<Vec<(usize, String)>> {
    if is_test(file) {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(workspace::root().join(file)).with_context(|| format!("cannot read {}", file.display()))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut code = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        // A test module that is written out here ends the file; one in a file of its own does not.
        if line.trim() == "#[cfg(test)]" && next.trim_end().ends_with('{') {
            break;
        }
        if !line.trim_start().starts_with("//") && !line.trim_start().starts_with('#') {
            code.push((index + 1, (*line).to_owned()));
        }
    }
    Ok(code)
}

fn is_test(file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let in_tests = file.components().skip(1).any(|part| part.as_os_str() == "tests");
    stem == "tests" || stem.ends_with("_tests") || in_tests
}
