//! Keys that are brought, a line each.

use std::fs;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use keyward_tests::Stack;
use keyward_tests::clients::{python, run};
use keyward_tests::database::Database;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("an_imported_key_works_at_the_edge", at_the_edge),
        Test::shared("an_imported_key_may_do_what_its_line_says", bound),
        Test::shared("what_a_line_changes_the_edge_hears_of", changed),
        Test::in_turn("an_import_that_was_interrupted_is_run_again", &QUIET, interrupted).slow(),
        Test::shared("a_client_that_reads_nothing_until_it_has_sent_all_is_answered", deaf).slow(),
        Test::shared("keyward_import_brings_a_file", command),
        Test::shared("keyward_import_shows_a_bar_on_a_terminal", bar),
    ]
}

fn line(workspace: &str, external_id: &str, secret: Value) -> Value {
    let line = json!({
        "external_id": external_id, "workspace": workspace, "name": external_id, "access": "read-write", "apis": ["*"],
    });
    with(line, secret)
}

/// A line with further members, or others in place of its own.
fn with(mut line: Value, members: Value) -> Value {
    if let (Some(line), Value::Object(members)) = (line.as_object_mut(), members) {
        line.extend(members);
    }
    line
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

fn newest(results: &[Value]) -> Result<u64> {
    results.iter().filter_map(|result| result["generation"].as_u64()).max().context("nothing changed")
}

fn at_the_edge(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.fresh_name("import");
    admin.post("/v1/workspaces", &json!({"name": workspace, "slug": workspace}))?.must_be(201)?;
    let secrets: Vec<String> = (0..3).map(|number| format!("{workspace}-of-an-older-system-{number}")).collect();
    let digest = |number: usize| Sha256::digest(&secrets[number]);
    let lines = [
        line(&workspace, "clear", json!({"secret": secrets[0]})),
        line(&workspace, "hexadecimal", json!({"sha256": hex::encode(digest(1))})),
        line(&workspace, "base64", json!({"sha256": BASE64_STANDARD.encode(digest(2))})),
    ];
    let results = admin.import(&lines)?;
    ensure!(results.iter().all(|result| result["outcome"] == "created"), "{results:?}");
    stack.applied(newest(&results)?)?;
    for secret in &secrets {
        stack.edge("/v1/ping").key(secret).send()?.must_be(200)?;
        stack.edge("/v1/ping").basic(&workspace, secret).send()?.must_be(200)?;
    }
    Ok(())
}

/// Each line twice: for a key that it makes, and for one that was made by the line before.
fn bound(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("bound")?["id"].as_str().context("no id")?.to_owned();
    let (one, other) = (admin.fresh_name("bound"), admin.fresh_name("bound"));
    for api in [&one, &other] {
        admin.api(api, &json!([{"path_prefix": format!("/{api}")}]))?;
    }
    let secret = |id: &str| format!("{one}-{id}-of-an-older-system");
    let (apis, referrers) = (json!([one]), json!({"referrers": ["app.example.com"]}));
    let (reads, ungranted, restricted) = (Some("read_only_key"), Some("api_not_granted"), Some("restricted"));
    // The line, and the refusal to a read and a write of one API, a read of the other, and a read of the
    // first from another site; the others come from the site that is named.
    for (id, members, refusals) in [
        ("free", json!({}), [None, None, None, None]),
        ("reads", json!({"access": "read-only"}), [None, reads, None, None]),
        ("one", json!({"apis": apis}), [None, None, ungranted, None]),
        ("site", json!({"restrictions": referrers}), [None, None, None, restricted]),
        (
            "all",
            json!({"access": "read-only", "apis": apis, "restrictions": referrers}),
            [None, reads, ungranted, restricted],
        ),
        ("free again", json!({}), [None, None, None, None]),
    ] {
        let id_of_new = id.replace(' ', "-");
        let lines = [id_of_new.as_str(), "lasting"].map(|id| {
            let usual = json!({"secret": secret(id), "restrictions": null});
            with(line(&workspace, id, usual), members.clone())
        });
        let results = admin.import(&lines)?;
        ensure!(results.iter().all(|result| result["outcome"] != "refused"), "{results:?}");
        stack.applied(newest(&results)?)?;
        let site = "https://app.example.com/";
        let asks =
            [("GET", &one, site), ("POST", &one, site), ("GET", &other, site), ("GET", &one, "https://evil.test/")];
        for key in [id_of_new.as_str(), "lasting"] {
            for ((method, api, referrer), refusal) in asks.into_iter().zip(refusals) {
                let request = stack.edge(&format!("/{api}/a")).method(method).key(&secret(key));
                let answer = request.header("referer", referrer).send()?;
                let shown = format!("{key} as {id}: {method} {api} from {referrer}");
                let status = if refusal.is_some() { 403 } else { 200 };
                ensure!(answer.status == status, "{shown} is answered with {}", answer.status);
                ensure!(
                    refusal.is_none() || answer.header("x-keyward-code") == refusal,
                    "{shown}: {:?}",
                    answer.headers
                );
            }
        }
    }
    Ok(())
}

fn changed(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.fresh_name("import");
    admin.post("/v1/workspaces", &json!({"name": workspace, "slug": workspace}))?.must_be(201)?;
    let secret = format!("{workspace}-of-an-older-system");
    for (members, status) in [
        (json!({"status": "disabled"}), 401),
        (json!({"status": "active"}), 200),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), 401),
        (json!({"expires_at": null}), 200),
    ] {
        let results = admin.import(&[with(line(&workspace, "1", json!({"secret": secret})), members.clone())])?;
        stack.applied(newest(&results)?)?;
        let answer = stack.edge("/v1/ping").key(&secret).send()?;
        ensure!(answer.status == status, "{members}: {} instead of {status}", answer.status);
    }
    Ok(())
}

fn interrupted(stack: &Stack) -> Result<()> {
    const LINES: i64 = 20_000;
    let admin = stack.admin()?;
    let workspace = admin.fresh_name("interrupted");
    admin.post("/v1/workspaces", &json!({"name": workspace, "slug": workspace}))?.must_be(201)?;
    let lines: Vec<Value> = (0..LINES)
        .map(|number| {
            let digest = hex::encode(Sha256::digest(format!("{workspace} {number}")));
            line(&workspace, &number.to_string(), json!({"sha256": digest}))
        })
        .collect();
    let database = Database::of(stack.control_plane());
    let keys = || database.count("SELECT count(*) FROM key WHERE external_id IS NOT NULL");
    let before = keys()?;
    thread::scope(|scope| {
        let sending = scope.spawn(|| admin.import(&lines));
        let began = Instant::now();
        while keys()? < before + LINES / 4 {
            ensure!(began.elapsed() < Duration::from_mins(1), "the import does not begin");
            thread::sleep(Duration::from_millis(10));
        }
        stack.kill_control_plane()?;
        let broken = sending.join().map_err(|_| anyhow!("broke off"))?;
        ensure!(broken.is_err(), "a whole answer to an import that was killed");
        Ok(())
    })?;
    stack.start_control_plane()?;
    let there = keys()? - before;
    ensure!(there > 0 && there < LINES && there % 1_000 == 0, "{there} keys are there: no whole batches");
    let (mut created, mut unchanged) = (0, 0);
    for part in lines.chunks(5_000) {
        for result in stack.admin()?.import(part)? {
            match result["outcome"].as_str() {
                Some("created") => created += 1,
                Some("unchanged") => unchanged += 1,
                _ => return Err(anyhow!("{result}")),
            }
        }
    }
    ensure!((created, unchanged) == (LINES - there, there), "{created} created, {unchanged} unchanged of {there}");
    ensure!(keys()? == before + LINES, "a key is there twice");
    Ok(())
}

fn deaf(stack: &Stack) -> Result<()> {
    const LINES: usize = 200_000;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lines");
    fs::write(
        &file,
        (0..LINES).map(|number| format!("{{\"external_id\":\"{number}\"}}\n")).collect::<Vec<_>>().concat(),
    )?;
    let mut client = python()?;
    let admin = stack.admin()?;
    client.env("API_URL", stack.control_plane_url()).env("API_TOKEN", admin.token().context("no token")?);
    let said = run(client.arg("tests/python/requests_import.py").arg(&file))?;
    ensure!(said.trim() == format!("200 {LINES}"), "{said}");
    Ok(())
}

fn command(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.fresh_name("import");
    admin.post("/v1/workspaces", &json!({"name": workspace, "slug": workspace}))?.must_be(201)?;
    let secret = |number: usize| format!("{workspace}-of-an-older-system-{number}");
    let lines: Vec<Value> =
        (0..2_500).map(|number| line(&workspace, &number.to_string(), json!({"secret": secret(number)}))).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("keys.ndjson");
    fs::write(&file, text(&lines))?;
    let import = |arguments: &[&str]| -> Result<Output> {
        let mut command = Command::new(&stack.control_plane().program);
        command.arg("import").arg(&file).args(["--control-plane", &stack.control_plane_url(), "--token-file"]);
        Ok(command.arg(stack.control_plane().secret("operator-token")).args(arguments).output()?)
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    for (arguments, wanted) in [
        (&["--dry-run"][..], "2500 created, 0 updated, 0 unchanged, 0 refused; a dry run, nothing was changed\n"),
        (&[], "2500 created, 0 updated, 0 unchanged, 0 refused\n"),
        (&[], "0 created, 0 updated, 2500 unchanged, 0 refused\n"),
    ] {
        let output = import(arguments)?;
        ensure!(output.status.success() && said(&output) == wanted, "{output:?}");
        // Where nobody looks at a bar, a line says how far it is.
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(told.lines().count() == 1 && wanted.starts_with(told.trim_end()), "{output:?}");
    }
    let generation = admin.snapshot()?["generation"].as_u64().context("no generation")?;
    stack.applied(generation)?;
    stack.edge("/v1/ping").key(&secret(2_499)).send()?.must_be(200)?;

    let clash = line(&workspace, "clash", json!({"secret": secret(0)}));
    fs::write(&file, format!("{}\n{clash}\n", lines[0]))?;
    let results = folder.path().join("results");
    let output = import(&["--results", results.to_str().context("a path")?])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(said(&output).contains("line 2 (clash): secret_exists"), "{output:?}");
    ensure!(!said(&output).contains(&secret(0)), "a secret is printed");
    ensure!(fs::read_to_string(&results)?.lines().count() == 2, "not a result for every line");
    Ok(())
}

/// On a terminal that `script` makes: the bar grows to its end, with what has become of the lines beside
/// it, and is gone when all is said.
fn bar(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.fresh_name("bar");
    admin.post("/v1/workspaces", &json!({"name": workspace, "slug": workspace}))?.must_be(201)?;
    let secret = |number: usize| format!("{workspace}-of-an-older-system-{number}");
    let lines: Vec<Value> =
        (0..4_000).map(|number| line(&workspace, &number.to_string(), json!({"secret": secret(number)}))).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("keys.ndjson");
    fs::write(&file, text(&lines))?;
    let command =
        r#"stty rows 24 cols 120; "$PROGRAM" import "$FILE" --dry-run --control-plane "$URL" --token-file "$TOKEN""#;
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm");
    terminal.env("PROGRAM", &stack.control_plane().program).env("FILE", &file).env("URL", stack.control_plane_url());
    terminal.env("TOKEN", stack.control_plane().secret("operator-token"));
    let shown = run(&mut terminal)?;
    let (bars, last) = shown.rsplit_once("\u{1b}[2K").with_context(|| format!("no bar, or one that stays: {shown}"))?;
    let done: Vec<u32> = bars.split(" % ").filter_map(|before| before.rsplit(' ').next()?.parse().ok()).collect();
    ensure!(done.is_sorted() && done.iter().any(|percent| (1..100).contains(percent)), "{done:?}: {shown}");
    ensure!(bars.contains('█') && bars.contains(" created, 0 updated") && bars.contains(" left"), "{shown}");
    let wanted = "4000 created, 0 updated, 0 unchanged, 0 refused; a dry run, nothing was changed";
    ensure!(last.trim() == wanted, "{shown}");
    Ok(())
}
