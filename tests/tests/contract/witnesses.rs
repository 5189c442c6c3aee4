//! Checkpoints of the audit log in the hands of others: an edge's, which a public implementation of
//! transparency logs verifies, and the one that lies in Workers KV, which convicts a database.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::clients::{node, run};
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, NewKey, eventually};
use keyward_tests::{Options, Stack};
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::ports;

use crate::Test;
use crate::commands::{rearranged, told};
use crate::turns::alone;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::alone("sigstores_verifier_takes_an_edges_checkpoint_and_every_events_proof", || {
            alone(&often(), by_sigstore)
        }),
        Test::alone("the_head_in_kv_holds_a_checkpoint_that_convicts_a_log_that_was_cut_off", || {
            alone(&often(), in_kv)
        }),
    ]
}

/// A checkpoint each second in which events come.
fn often() -> Options {
    Options::default().setting("KEYWARD_AUDIT_CHECKPOINT_SECONDS", "1")
}

/// The log of a deployment whose name nobody gave.
const LOG: &str = "keyward/keyward/audit/1";

/// How long a witness may take to see a checkpoint: each head carries the newest.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until a witness holds a checkpoint that covers an event, which changes bring: each is another head.
pub(crate) fn covering(
    admin: &Admin,
    key: &NewKey,
    seq: u64,
    witness: impl Fn() -> Result<Option<String>>,
) -> Result<String> {
    let mut note = None;
    eventually(PATIENCE, || {
        note = witness()?.filter(|note| size(note) >= Some(seq));
        if note.is_none() {
            admin.act(key, "disable", &json!({}))?;
            admin.act(key, "enable", &json!({}))?;
            thread::sleep(Duration::from_secs(1));
        }
        ensure!(note.is_some(), "no checkpoint of {seq} events");
        Ok(())
    })?;
    note.context("no checkpoint")
}

/// The newest checkpoint that the edge has seen.
pub(crate) fn of_edge(stack: &Stack) -> Result<Option<String>> {
    Ok(stack.edge_status()?["audit_checkpoint"].as_str().map(str::to_owned))
}

/// The events of a checkpoint.
fn size(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// The newest event.
pub(crate) fn newest(stack: &Stack) -> Result<u64> {
    Ok(Database::of(stack.control_plane()).count("SELECT max(seq) FROM audit_event")?.cast_unsigned())
}

/// The public key that edges and auditors pin.
fn public_key(stack: &Stack) -> Result<String> {
    let variables = fs::read_to_string(stack.control_plane().secret("edge.env"))?;
    let key = variables.lines().find_map(|line| line.strip_prefix("KEYWARD_PUBLIC_KEYS="));
    Ok(key.context("no public key")?.trim_matches('"').to_owned())
}

fn by_sigstore(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key =
        admin.key_with("proved", json!({"metadata": {"10": 1.5, "9": "é 😀 \u{2028}", "list": [null, -0.25e-7]}}))?;
    for name in ["\"quoted\" and \\", "€ 😀 \u{fb33} \u{2028}", "</=1+1>"] {
        admin.act(&key, "disable", &json!({"reason": name}))?;
        admin.act(&key, "enable", &json!({"reason": name}))?;
    }
    let note = covering(&admin, &key, newest(stack)?, || of_edge(stack))?;
    let size = size(&note).context("no size")?;
    let asked = json!({"name": LOG, "public_key": public_key(stack)?, "checkpoint": note});
    let mut lines = Vec::new();
    for seq in 1..=size {
        let proof = admin.get(&format!("/v1/audit/proof?seq={seq}&size={size}"))?.must_be(200)?.json()?;
        // The very one that the edge has seen.
        ensure!(proof["checkpoint"] == asked["checkpoint"], "{proof}");
        lines.push(with(&asked, &[("seq", seq.into()), ("proof", proof["proof"].clone())]));
    }
    let events = admin.get("/v1/audit/events?limit=200")?.must_be(200)?.json()?;
    for event in events["items"].as_array().context("no events")? {
        let line = event["seq"].as_u64().and_then(|seq| lines.get_mut(usize::try_from(seq).ok()? - 1));
        if let Some(line) = line {
            *line = with(line, &[("event", event.clone())]);
        }
    }
    let answers = sigstore(&lines)?;
    let proved = json!({"origin": LOG, "size": size});
    ensure!(answers.iter().all(|answer| *answer == proved), "{answers:?}");

    // A refusal each: any character of the checkpoint, any hash of the proof, the event, its place.
    let whole = &lines[2];
    let mut wrong = Vec::new();
    for (at, character) in note.char_indices() {
        let (before, behind) = (&note[..at], &note[at + character.len_utf8()..]);
        wrong.push(with(whole, &[("checkpoint", format!("{before}{}{behind}", flipped(character)).into())]));
    }
    let steps = whole["proof"].as_array().context("no proof")?;
    ensure!(steps.len() > 2, "{whole}");
    for (at, step) in steps.iter().enumerate() {
        let mut hash = hex::decode(step.as_str().context("no hash")?)?;
        hash[at % 32] ^= 1;
        let mut proof = steps.clone();
        proof[at] = hex::encode(hash).into();
        wrong.push(with(whole, &[("proof", proof.into())]));
    }
    wrong.push(with(whole, &[("proof", steps[1..].into())]));
    wrong.push(with(whole, &[("seq", lines[3]["seq"].clone())]));
    wrong.push(with(whole, &[("event", lines[3]["event"].clone())]));
    let answers = sigstore(&wrong)?;
    for (line, answer) in wrong.iter().zip(&answers) {
        ensure!(answer["refused"].is_string(), "{answer} to {line}");
    }
    Ok(())
}

/// The same with other members.
fn with(line: &Value, members: &[(&str, Value)]) -> Value {
    let mut line = line.clone();
    for (name, value) in members {
        line[*name] = value.clone();
    }
    line
}

/// Another character in its place, which in base64 stands for other bits at the front: the last of the six
/// may be nobody's.
fn flipped(character: char) -> char {
    match character.to_digit(10) {
        Some(digit) => char::from_digit((digit + 5) % 10, 10).unwrap_or('A'),
        None if character.is_ascii_uppercase() => character.to_ascii_lowercase(),
        None if character.is_ascii_lowercase() => character.to_ascii_uppercase(),
        None => 'A',
    }
}

/// What Sigstore's verifier says of each.
fn sigstore(lines: &[Value]) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("lines");
    fs::write(&input, lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"))?;
    let said = run(node().arg("tests/node/checkpoint.mjs").stdin(File::open(input)?))?;
    let answers: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(answers.len() == lines.len(), "{} answers to {} lines", answers.len(), lines.len());
    Ok(answers)
}

/// The end is cut off, and all that could tell is made right, or taken away: two events remain.
pub(crate) fn cut_off(database: &Database) -> Result<()> {
    for statement in [
        "DELETE FROM audit_event WHERE seq > 2",
        "DELETE FROM audit_node WHERE place > 2",
        "DELETE FROM audit_checkpoint WHERE size > 2",
        "UPDATE audit_log SET size = 2",
        "UPDATE counter SET audit_seq = 2",
    ] {
        database.change(statement)?;
    }
    Ok(())
}

/// Somebody who has the public key, what KV holds, and a database: nothing else of the deployment.
struct Auditor {
    keyward: ControlPlane,
    public_key: String,
    folder: TempDir,
}

impl Auditor {
    fn of(stack: &Stack) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let keyward = ControlPlane {
            program: stack.control_plane().program.clone(),
            data_dir: folder.path().join("nothing"),
            listen: ports::free()?,
            database: None,
            kv_url: None,
            settings: Vec::new(),
        };
        Ok(Self { keyward, public_key: public_key(stack)?, folder })
    }

    fn keyward(&self, command: &str, verb: &str) -> Command {
        let mut command = rearranged(&self.keyward.command(command), verb);
        command.args(["--public-key", &self.public_key]);
        command
    }

    /// The checkpoint in a head, as the command prints it.
    fn inspect(&self, head: &[u8]) -> Result<Output> {
        let file = self.folder.path().join("head");
        fs::write(&file, head)?;
        Ok(self.keyward("snapshot", "inspect").arg("--checkpoint").arg("--head").arg(file).output()?)
    }

    fn verify(&self, stack: &Stack, checkpoint: Option<&Path>) -> Result<Output> {
        let mut verify = self.keyward("audit", "verify");
        verify.arg(stack.control_plane().data_dir.join("keyward.db"));
        verify.args(checkpoint.iter().flat_map(|file| [Path::new("--checkpoint"), file]));
        Ok(verify.output()?)
    }
}

fn in_kv(stack: &Stack) -> Result<()> {
    let (admin, auditor) = (stack.admin()?, Auditor::of(stack)?);
    let key = admin.key("kept-in-kv")?;
    let seq = newest(stack)?;
    let kv = stack.kv_namespace()?;
    let note = covering(&admin, &key, seq, || {
        let printed = auditor.inspect(&kv.get("/values/head")?.must_be(200)?.body)?;
        ensure!(printed.status.success() || told(&printed).contains("carries no checkpoint"), "{}", told(&printed));
        Ok(printed.status.success().then(|| String::from_utf8(printed.stdout)).transpose()?)
    })?;
    ensure!(note.starts_with(LOG) && note.ends_with('\n'), "{note}");
    let mut head = kv.get("/values/head")?.must_be(200)?.body;
    let middle = head.len() / 2;
    head[middle] ^= 1;
    let altered = auditor.inspect(&head)?;
    ensure!(!altered.status.success() && altered.stdout.is_empty(), "{}", told(&altered));

    stack.stop_control_plane()?;
    let file = auditor.folder.path().join("kept.txt");
    fs::write(&file, &note)?;
    let whole = auditor.verify(stack, Some(&file))?;
    ensure!(whole.status.success(), "{}", told(&whole));
    cut_off(&Database::of(stack.control_plane()))?;
    let alone = auditor.verify(stack, None)?;
    ensure!(alone.status.success() && told(&alone).contains("nothing from outside was given"), "{}", told(&alone));
    let found = auditor.verify(stack, Some(&file))?;
    ensure!(found.status.code() == Some(1), "{}", told(&found));
    let last = size(&note).context("no size")?;
    ensure!(told(&found).contains(&format!("WRONG: events 3 to {last}")), "{}", told(&found));
    ensure!(told(&found).contains("kept.txt"), "{}", told(&found));
    Ok(())
}
