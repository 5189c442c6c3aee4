//! Exports of the audit log as other programs read them, and as they come by mail.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::clients::{python, run};
use keyward_tests::stack::eventually;
use keyward_tests::{Options, Stack};
use serde_json::{Value, json};
use xtask::parts::{Part, ports};

use crate::Test;
use crate::witnesses::is_signed;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("python_reads_every_field_of_an_export_back", read_by_python),
        Test::alone("an_export_comes_by_mail_attached_or_as_a_link", mailed).slow(),
    ]
}

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn read_by_python(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    is_signed(&admin)?;
    let workspace = admin.workspace("export")?["id"].as_str().context("no id")?.to_owned();
    let path = format!("/v1/workspaces/{workspace}");
    let names = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "\"quoted\", and more", "é 😀", "plain"];
    for name in names {
        let reason = format!("{name}; \"why\", so");
        admin.patch(&path, &json!({"name": name, "reason": reason}))?.must_be(200)?;
    }
    let filter = format!("workspace={workspace}");
    let export = admin.get(&format!("/v1/audit/export?format=csv&{filter}"))?.must_be(200)?;
    let events = admin.get(&format!("/v1/audit/events?limit=200&{filter}"))?.must_be(200)?.json()?;
    let folder = tempfile::tempdir()?;
    let (csv, json) = (folder.path().join("export.csv"), folder.path().join("events.json"));
    fs::write(&csv, &export.body)?;
    fs::write(&json, events["items"].to_string())?;
    let rows = run(python()?.arg("tests/python/audit_csv.py").arg(&csv).arg(&json))?;
    // That it was made, each new name, and the export itself.
    ensure!(rows.trim() == (names.len() + 2).to_string(), "{rows} rows of {}", events["items"]);
    Ok(())
}

/// The mail of this number, once it is there.
fn mail(folder: &Path, number: usize) -> Result<Value> {
    let mut mail = Value::Null;
    eventually(PATIENCE, || {
        mail = serde_json::from_slice(&fs::read(folder.join(format!("{number}.json")))?)?;
        Ok(())
    })?;
    Ok(mail)
}

fn mailed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ports::free()?;
    let mut sink = python()?;
    sink.arg("tests/python/smtp_sink.py").arg(server.port().to_string()).arg(folder.path());
    let _sink = Part::start("the mail server", &sink, &folder.path().join("log"))?;
    eventually(PATIENCE, || Ok(std::net::TcpStream::connect(server).map(drop)?))?;
    let options = Options::default()
        .setting("KEYWARD_SMTP_URL", format!("smtp://{server}"))
        .setting("KEYWARD_SMTP_FROM", "Keyward <audit@example.com>")
        .setting("KEYWARD_PUBLIC_URL", "http://keyward.example/")
        .setting("KEYWARD_MAIL_ATTACHED_BYTES", "5000");
    let stack = Stack::start(&options)?;
    let admin = stack.admin()?;
    is_signed(&admin)?;
    let key = admin.key("mailed")?;
    let ask = |body: Value| admin.post("/v1/audit/export", &body)?.must_be(202).map(drop);

    ask(json!({"email": "ada@example.com", "format": "jsonl", "filter": {"entity": "Workspaces"}}))?;
    let first = mail(folder.path(), 0)?;
    ensure!(first["to"] == json!(["ada@example.com"]) && first["from"] == "Keyward <audit@example.com>", "{first}");
    ensure!(first["subject"] == "Audit log of keyward", "{first}");
    ensure!(first["text"].as_str().is_some_and(|text| text.contains("A filter was on")), "{first}");
    let files = first["files"].as_object().context("no files")?;
    let name = files.keys().find(|name| Path::new(name).extension() == Some("jsonl".as_ref())).context("no export")?;
    let lines: Vec<Value> = fs::read_to_string(folder.path().join("0").join(name))?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let note = fs::read_to_string(folder.path().join("0").join(format!("{name}.checkpoint")))?;
    ensure!(lines[0]["checkpoint"] == note && lines[0]["filtered"] == true, "{}", lines[0]);
    let found = &lines[1..lines.len() - 1];
    ensure!(found.iter().any(|event| event["target"]["id"] == key.workspace), "{found:?}");
    ensure!(lines.last().is_some_and(|end| end["end"] == true), "cut off");

    for _ in 0..20 {
        admin.act(&key, "disable", &json!({}))?;
        admin.act(&key, "enable", &json!({}))?;
    }
    ask(json!({"email": "ada@example.com", "format": "csv"}))?;
    let second = mail(folder.path(), 1)?;
    let text = second["text"].as_str().context("no text")?;
    let link = text.lines().find(|line| line.starts_with("http://keyward.example/")).context("no link")?;
    let path = link.trim_end().strip_prefix("http://keyward.example").context("another place")?;
    let stranger = stack.stranger();
    let file = stranger.get(path)?.must_be(200)?;
    ensure!(file.body.len() > 5_000 && file.body.starts_with(b"seq,at,"), "{} bytes", file.body.len());
    let wrong = format!("{}x", &path[..path.len() - 1]);
    stranger.get(&wrong)?.must_be(404)?;
    let events = admin.get("/v1/audit/events?action=Export&limit=3")?.must_be(200)?.json()?;
    let told: Vec<&Value> =
        events["items"].as_array().into_iter().flatten().map(|event| &event["details"]["operation"]).collect();
    ensure!(told == ["download", "export", "export"], "{events}");
    let log = fs::read_to_string(stack.control_plane_log())?;
    ensure!(!log.contains(path.rsplit('/').next().context("no secret")?), "the link is in the log");
    Ok(())
}
