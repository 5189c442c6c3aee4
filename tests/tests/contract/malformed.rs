//! Every malformed credential of tests/data, against running edges: none passes, and all that reach the
//! Worker are refused with the same bytes.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use keyward_tests::raw::{self, RawAnswer};
use keyward_tests::stack::basic;
use keyward_tests::{Stack, Workerd};
use serde_json::Value;
use xtask::workspace;

use crate::Test;

/// What a lenient reader would find in most cases; tests/data/README.md has them.
const KEYS: [&str; 3] =
    ["d41d8cd98f00b204e9800998ecf8427e", "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L", "~~~~????>>>>~~~~"];
const BODY: &str = r#"{"type":"urn:keyward:problem:unauthorized","title":"A usable API key is needed","status":401,"code":"unauthorized"}"#;
const CHALLENGE: &str = r#"Basic realm="API", charset="UTF-8""#;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::shared("every_malformed_credential_is_refused_alike", every_malformed_credential_is_refused_alike)]
}

struct Case {
    name: String,
    lines: Vec<Vec<u8>>,
    /// Whether the runtime itself answers 400 before a Worker is asked.
    runtime_refuses: bool,
}

fn cases() -> Result<Vec<Case>> {
    let path = workspace::root().join("tests/data/malformed_authorization.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let cases: Vec<Value> = serde_json::from_str(&text)?;
    cases.iter().map(case).collect()
}

fn case(value: &Value) -> Result<Case> {
    let name = value["name"].as_str().context("a case without a name")?.to_owned();
    let values = match (value["headers_latin1"].as_array(), value["raw_base64"].as_str()) {
        (Some(values), None) => values.iter().map(latin1).collect::<Result<_>>()?,
        (None, Some(bytes)) => vec![BASE64_STANDARD.decode(bytes)?],
        _ => bail!("{name} has neither headers nor bytes, or both"),
    };
    let runtime_refuses = match value["runtime"].as_str() {
        Some("worker") => false,
        Some("400") => true,
        other => bail!("{name}: {other:?} is no runtime"),
    };
    let lines = values.into_iter().map(|value| [b"Authorization: ".to_vec(), value].concat()).collect();
    Ok(Case { name, lines, runtime_refuses })
}

fn latin1(value: &Value) -> Result<Vec<u8>> {
    let text = value.as_str().context("a header that is no text")?;
    text.chars().map(|char| u8::try_from(u32::from(char)).context("not Latin-1")).collect()
}

fn every_malformed_credential_is_refused_alike(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("malformed")?;
    let workspace = workspace["id"].as_str().context("a workspace without id")?;
    for key in KEYS {
        stack.applied(admin.bring(workspace, "malformed", key)?.generation)?;
    }
    let cases = cases()?;
    ensure!(cases.len() >= 60, "only {} cases", cases.len());
    let plain = Workerd::start(stack, &[])?;
    for (edge, address) in [("wrangler", stack.edge_address()), ("workerd", plain.address())] {
        for key in KEYS {
            let line = format!("Authorization: {}", basic(key, ""));
            let answer = ask(address, "/malformed/not", &[line.into_bytes()])?;
            ensure!(answer.status == 200, "{edge}: {key} is answered with {}", answer.status);
        }
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                let error = is_refused(address, case).err()?;
                Some(format!("{edge}: {}: {error:#}", case.name))
            })
            .collect();
        ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }
    let forwarded = stack.origin().seen_at("/malformed");
    ensure!(forwarded.is_empty(), "the origin saw {forwarded:?}");
    Ok(())
}

fn is_refused(address: SocketAddr, case: &Case) -> Result<()> {
    let answer = ask(address, "/malformed", &case.lines)?;
    if case.runtime_refuses {
        ensure!(answer.status == 400, "the runtime answers {}", answer.status);
        return Ok(());
    }
    ensure!(answer.status == 401, "answered with {}: {}", answer.status, shown(&answer));
    ensure!(answer.content() == BODY.as_bytes(), "another body: {}", shown(&answer));
    let challenges: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
    ensure!(challenges.len() == 1 && challenges[0].1 == CHALLENGE, "the challenge is {challenges:?}");
    ensure!(answer.header("content-type") == Some("application/problem+json"));
    ensure!(answer.header("cache-control") == Some("no-store"));
    ensure!(answer.header("x-keyward-request-id").is_some(), "no request id");
    Ok(())
}

fn ask(address: SocketAddr, path: &str, lines: &[Vec<u8>]) -> Result<RawAnswer> {
    raw::send(address, &raw::request("GET", path, lines))
}

fn shown(answer: &RawAnswer) -> String {
    String::from_utf8_lossy(&answer.content()).into_owned()
}
