//! The program itself: what each command prints, makes and answers with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_control_plane::http_client;
use keyward_shared::snapshot::{Head, SigningKey, TrustedKeys};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRETS: [&str; 6] = ["pepper", "signing-key", "kek", "edge-credential", "origin-secret", "operator-token"];

struct Deployment {
    dir: TempDir,
}

impl Deployment {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Self { dir };
        let output = made.run(&["init"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        made
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.args(arguments).arg("--data-dir").arg(self.data_dir());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KEYWARD_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn secret(&self, name: &str) -> String {
        let path = self.data_dir().join("secrets").join(name);
        fs::read_to_string(path).unwrap().trim().to_owned()
    }
}

/// A running control plane, ended with the test.
struct Serving {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Serving {
    fn start(deployment: &Deployment) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let log = deployment.dir.path().join("log");
        let mut command = deployment.command(&["serve", "--log", "debug"]);
        command
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .stderr(fs::File::create(&log).unwrap())
            .stdout(Stdio::null());
        Self { child: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}"), log }
    }

    async fn ready(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        let client = http_client::builder().build().unwrap();
        while client.get(format!("{}/readyz", self.url)).send().await.is_err() {
            assert!(Instant::now() < until, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop and tells whether it ended well.
    async fn terminate(&mut self) -> bool {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let until = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < until, "still running: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Ended already where the test went as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_what_is_missing_and_shows_no_secret() {
    let deployment = Deployment::new();
    let secrets = deployment.data_dir().join("secrets");
    assert_eq!(mode(&deployment.data_dir()), 0o700);
    assert_eq!(mode(&secrets), 0o700);
    let values: Vec<String> = SECRETS.map(|name| deployment.secret(name)).to_vec();
    for name in SECRETS.iter().chain(&["edge.env"]) {
        assert_eq!(mode(&secrets.join(name)), 0o600, "{name}");
    }
    fs::remove_file(secrets.join("origin-secret")).unwrap();

    let again = deployment.run(&["init"]);
    let said = text(&again.stdout) + &text(&again.stderr);
    assert!(again.status.success(), "{said}");
    for (name, value) in SECRETS.iter().zip(&values) {
        assert!(!said.contains(value.as_str()), "{name} is shown");
        let is_same = deployment.secret(name) == *value;
        assert_eq!(is_same, *name != "origin-secret", "{name}");
    }
    assert!(said.contains("npx wrangler secret put KEYWARD_PEPPER <"), "{said}");
}

#[tokio::test]
async fn serve_answers_stops_when_asked_and_logs_no_secret() {
    let deployment = Deployment::new();
    let mut serving = Serving::start(&deployment);
    serving.ready().await;

    let second = deployment.run(&["serve"]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("in use by another keyward"));

    let client = http_client::builder().build().unwrap();
    let token = deployment.secret("operator-token");
    let post = |path: String, body: Value| {
        let request = client.post(format!("{}{path}", serving.url));
        request.bearer_auth(&token).json(&body).send()
    };
    let made = post("/v1/workspaces".to_owned(), json!({ "name": "Acme" })).await;
    let made: Value = made.unwrap().json().await.unwrap();
    let keys = format!("/v1/workspaces/{}/keys", made["id"].as_str().unwrap());
    let body = json!({ "name": "one", "access": "read-only", "apis": ["*"] });
    let made = post(keys, body).await.unwrap();
    let made: Value = made.json().await.unwrap();
    let secret = made["secret"].as_str().unwrap().to_owned();

    assert!(serving.terminate().await, "{}", serving.log());
    let log = serving.log();
    for name in SECRETS {
        assert!(!log.contains(&deployment.secret(name)), "{name} is logged");
    }
    assert!(!log.contains(&secret), "the key is logged");
    assert!(log.contains("stopped"), "{log}");
}

#[tokio::test]
async fn the_audit_log_is_verified_exported_and_pruned() {
    let deployment = Deployment::new();
    let mut serving = Serving::start(&deployment);
    serving.ready().await;
    let client = http_client::builder().build().unwrap();
    let token = deployment.secret("operator-token");
    let get = async |path: &str| {
        let request = client.get(format!("{}{path}", serving.url)).bearer_auth(&token);
        request.send().await.unwrap().text().await.unwrap()
    };
    for name in ["one", "two", "three"] {
        let request = client.post(format!("{}/v1/workspaces", serving.url)).bearer_auth(&token);
        assert!(request.json(&json!({ "name": name })).send().await.unwrap().status().is_success());
    }
    let file = |name: &str| deployment.dir.path().join(name).display().to_string();
    let (first, whole) = (file("first.jsonl"), file("whole.jsonl"));
    let database = deployment.data_dir().join("keyward.db").display().to_string();
    let part = get("/v1/audit/export?format=jsonl").await;
    fs::write(&first, &part).unwrap();
    let preface: Value = serde_json::from_str(part.lines().next().unwrap()).unwrap();
    let size = preface["size"].as_u64().unwrap();
    fs::write(&whole, get("/v1/audit/export?format=jsonl").await).unwrap();
    let note = file("checkpoint");
    fs::write(&note, get("/v1/audit/checkpoint").await).unwrap();

    let verified = |arguments: &[&str], wanted: &str| {
        let output = deployment.run(&[&["audit", "verify"], arguments].concat());
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.success(), wanted == "the log verifies", "{said}");
        assert!(said.contains(wanted), "{said}");
    };
    verified(&[&database, "--checkpoint", &note], "the log verifies");
    verified(&[&database, "--checkpoint", &note, "--words"], "the log verifies");
    verified(&[&whole, "--words"], "--words is for a database");
    verified(&[&whole, "--checkpoint", &note, "--deployment", "keyward"], "the log verifies");
    verified(&[&whole, "--deployment", "other"], "the log does NOT verify");
    verified(&[&whole, "--checkpoint", &whole], "not a signed note");
    verified(&[&note], "a log is a database of Keyward or an export");
    // The older export has not seen what was signed since.
    verified(&[&first, "--checkpoint", &note], "the log's end was cut off");
    let forged = file("forged.jsonl");
    fs::write(&forged, fs::read_to_string(&whole).unwrap().replace("\"two\"", "\"TWO\"")).unwrap();
    verified(&[&forged], "its content and its hash do not fit");

    let through = size.to_string();
    let prune = |until: [&str; 2], exported: &str| {
        let output = deployment.run(&[&["audit", "prune"], &until[..], &["--exported", exported]].concat());
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    for (through, exported) in [("1000000", &whole), (&through, &forged), (&through, &database), (&through, &note)] {
        let (is_well, said) = prune(["--through", through], exported);
        assert!(!is_well, "{said}");
    }
    // The time of the checkpoint that the first export ends with, and of the newest.
    let at = |note: &str| note.lines().find_map(|line| line.strip_prefix("time ")).unwrap().to_owned();
    let (signed, newest) = (at(preface["checkpoint"].as_str().unwrap()), at(&fs::read_to_string(&note).unwrap()));
    assert_ne!(signed, newest);
    for (before, exported, wanted) in [
        ("2026-13-01", &whole, "an RFC 3339 date or time"),
        ("2000-01-01", &whole, "no checkpoint was made by 2000-01-01T00:00:00Z; the oldest is of"),
        ("2000-01-01", &whole, "give that as --before, or later"),
        (&newest, &first, "export again, or give an earlier --before"),
        (&newest, &first, &format!("it ends with event {size}, and events up to")),
        (&signed, &forged, "it does not verify"),
    ] {
        let (is_well, said) = prune(["--before", before], exported);
        assert!(!is_well && said.contains(wanted), "{wanted}: {said}");
    }
    let neither = deployment.run(&["audit", "prune", "--exported", &whole]);
    let both = deployment.run(&["audit", "prune", "--through", "1", "--before", &signed, "--exported", &whole]);
    assert!(!neither.status.success() && !both.status.success());
    let (is_well, said) = prune(["--before", &signed], &whole);
    assert!(is_well && said.contains(&format!("dropped {size} events")), "{said}");
    for until in [["--before", &signed], ["--through", &through]] {
        let (is_well, said) = prune(until, &whole);
        assert!(is_well && said.contains(&format!("dropped 0 events; the log now begins with event {}", size + 1)));
    }
    verified(&[&database, "--checkpoint", &note], "the log verifies");
    let rest = get("/v1/audit/export?format=jsonl").await;
    fs::write(&first, &rest).unwrap();
    verified(&[&first], "the log verifies");
    let events: Vec<&str> = rest.lines().filter(|line| line.contains("\"seq\":")).collect();
    assert!(events[0].contains(&format!("\"seq\":{}", size + 1)), "{rest}");
    assert!(rest.contains("\"operation\":\"prune\"") && rest.contains("\"export_sha256\":"), "{rest}");
    assert!(serving.terminate().await, "{}", serving.log());
}

#[tokio::test]
async fn a_token_that_is_created_opens_the_api() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment);
    serving.ready().await;
    let output = deployment.run(&["token", "create", "--name", "ops", "--expires-in", "1h"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let token = text(&output.stdout);
    let client = http_client::builder().build().unwrap();
    let answer = client.get(format!("{}/v1/workspaces", serving.url)).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let said = text(&output.stderr);
    let id = said.split(' ').next().unwrap();
    let revoked = deployment.run(&["token", "revoke", id]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    let answer = client.get(format!("{}/v1/workspaces", serving.url)).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let again = deployment.run(&["token", "revoke", id]);
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("token"), "{}", text(&again.stderr));

    let wrong = deployment.run(&["token", "create", "--name", "ops", "--expires-in", "soon"]);
    assert!(!wrong.status.success());
    assert!(text(&wrong.stderr).contains("--expires-in is `soon`"));
}

#[tokio::test]
async fn a_published_head_is_shown_in_words() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment);
    serving.ready().await;
    let url = format!("{}/v1/snapshot/head", serving.url);
    let until = Instant::now() + Duration::from_secs(20);
    let shown = loop {
        let output = deployment.run(&["snapshot", "inspect", "--url", &url]);
        if output.status.success() {
            break text(&output.stdout);
        }
        assert!(Instant::now() < until, "{}", text(&output.stderr));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(shown.contains("\nepoch             1\n"), "{shown}");
    assert!(shown.contains("good until then"), "{shown}");

    let path = deployment.dir.path().join("head");
    fs::write(&path, b"not a head").unwrap();
    let file = path.display().to_string();
    let output = deployment.run(&["snapshot", "inspect", "--head", &file]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("would refuse this head"));
}

#[tokio::test]
async fn the_checkpoint_of_a_head_is_printed_as_it_was_signed() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment);
    serving.ready().await;
    let (url, client) = (format!("{}/v1/snapshot/head", serving.url), http_client::builder().build().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let published = loop {
        let answer = client.get(&url).bearer_auth(deployment.secret("edge-credential")).send().await.unwrap();
        if answer.status().is_success() {
            break answer.bytes().await.unwrap();
        }
        assert!(Instant::now() < until, "{}", answer.status());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let seed = URL_SAFE_NO_PAD.decode(deployment.secret("signing-key")).unwrap();
    let key = SigningKey::from_seed(&seed.try_into().unwrap());
    let head = Head::verify(&published, "keyward", &TrustedKeys::new(vec![key.public()]).unwrap()).unwrap();
    let inspect = |checkpoint: &str| {
        let head = Head { checkpoint: checkpoint.into(), ..head.clone() };
        let path = deployment.dir.path().join("head");
        fs::write(&path, head.sign("keyward", &key).unwrap().as_bytes()).unwrap();
        deployment.run(&["snapshot", "inspect", "--checkpoint", "--head", &path.display().to_string()])
    };
    let note = "a log\n1\nroot\n\n\u{2014} a log signature\n";
    let printed = inspect(note);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    assert_eq!(text(&printed.stdout), note);
    let none = inspect("");
    assert!(!none.status.success() && none.stdout.is_empty());
    assert!(text(&none.stderr).contains("carries no checkpoint"), "{}", text(&none.stderr));
}

#[test]
fn without_secrets_serve_says_what_to_do_and_makes_nothing() {
    let deployment = Deployment { dir: tempfile::tempdir().unwrap() };
    let output = deployment.run(&["serve"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("`keyward init` makes it"));
    assert!(!deployment.data_dir().exists());
}

#[test]
fn a_database_is_not_opened_with_other_secrets_or_for_another_deployment() {
    let deployment = Deployment::new();
    assert_eq!(mode(&deployment.data_dir().join("keyward.db")), 0o600);
    let create = ["token", "create", "--name", "ops"];
    let other = "A".repeat(43);
    for (variable, value, what) in [
        ("KEYWARD_PEPPER", other.as_str(), "pepper"),
        ("KEYWARD_KEK", &other, "kek"),
        ("KEYWARD_DEPLOYMENT", "other", "deployment"),
    ] {
        for arguments in [&create[..], &["serve"]] {
            let output = deployment.command(arguments).env(variable, value).output().unwrap();
            let said = text(&output.stderr);
            assert!(!output.status.success(), "{arguments:?} with another {what}");
            assert!(said.contains(&format!("was made with the {what} ")), "{said}");
            assert!(!said.contains(&other), "{said}");
        }
    }
    assert!(deployment.run(&create).status.success());
}

#[test]
fn a_key_encryption_key_that_was_replaced_is_named_beside_the_new_one() {
    let deployment = Deployment::new();
    let create = ["token", "create", "--name", "ops"];
    let with_new = |older: &str| {
        let mut command = deployment.command(&create);
        command.env("KEYWARD_KEK", "A".repeat(43)).env("KEYWARD_KEK_OLDER", older);
        command.output().unwrap()
    };
    let (first, another) = (deployment.secret("kek"), "B".repeat(42) + "A");
    assert!(!with_new("").status.success());
    assert!(!with_new(&another).status.success(), "what the first one sealed would not open");
    let both = with_new(&format!("{another} {first}"));
    assert!(both.status.success(), "{}", text(&both.stderr));
}

#[tokio::test]
async fn a_database_that_is_served_is_taken_from_another_data_directory_too() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment);
    serving.ready().await;
    let other = deployment.dir.path().join("other");
    let database = format!("sqlite:{}", deployment.data_dir().join("keyward.db").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(["migrate", "--database", &database, "--data-dir"]).arg(&other);
    for name in ["pepper", "kek"] {
        command.arg(format!("--{name}-file")).arg(deployment.data_dir().join("secrets").join(name));
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("in use by another keyward"), "{}", text(&output.stderr));
}

#[test]
fn migrate_says_that_it_is_done() {
    let deployment = Deployment::new();
    let output = deployment.run(&["migrate"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("up to date"));
}

#[test]
fn raise_epoch_without_kv_says_what_is_missing() {
    let deployment = Deployment::new();
    let output = deployment.run(&["raise-epoch"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--kv-url"));
}

#[test]
fn raise_epoch_gives_the_audit_log_a_new_name_also_without_kv() {
    let deployment = Deployment::new();
    for incarnation in ["2", "3"] {
        let output = deployment.run(&["raise-epoch", "--without-kv"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains(&format!("incarnation {incarnation}")), "{said}");
        let kept = std::fs::read_to_string(deployment.data_dir().join("audit-checkpoint")).unwrap();
        let deployment_and_number = kept.lines().next().unwrap();
        assert!(deployment_and_number.ends_with(&format!("/audit/{incarnation}")), "{kept}");
    }
}

#[tokio::test]
async fn doctor_says_what_does_not_answer() {
    let deployment = Deployment::new();
    let token = deployment.data_dir().join("secrets/operator-token");
    let output = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["doctor", "--edge", "http://127.0.0.1:9", "--control-plane"])
        .args(["http://127.0.0.1:9", "--token-file"])
        .arg(token)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("GET /v1/settings did not answer"), "{said}");
}

#[tokio::test]
async fn import_brings_a_file_and_can_be_run_again() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment);
    serving.ready().await;
    let token = deployment.data_dir().join("secrets/operator-token");
    let client = http_client::builder().build().unwrap();
    let made = client.post(format!("{}/v1/workspaces", serving.url)).bearer_auth(deployment.secret("operator-token"));
    let made = made.json(&json!({ "name": "Acme", "slug": "acme" })).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let line = |number: usize, secret: usize| {
        json!({
            "external_id": number.to_string(), "workspace": "acme", "name": format!("key {number}"),
            "access": "read-only", "apis": ["*"], "secret": format!("an-older-secret-{secret:04}"),
        })
    };
    let file = deployment.dir.path().join("keys.ndjson");
    let import = |lines: &[Value], arguments: &[&str]| {
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.arg("import").arg(&file).args(["--control-plane", &serving.url, "--token-file"]).arg(&token);
        command.args(arguments).output().unwrap()
    };
    let lines: Vec<Value> = (0..1_200).map(|number| line(number, number)).collect();
    for (arguments, said) in [
        (&["--dry-run"][..], "1200 created, 0 updated, 0 unchanged, 0 refused; a dry run, nothing was changed"),
        (&["--reason", "moving house"], "1200 created, 0 updated, 0 unchanged, 0 refused"),
        (&[], "0 created, 0 updated, 1200 unchanged, 0 refused"),
    ] {
        let output = import(&lines, arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().next(), Some(said));
        assert!(text(&output.stdout).contains("1200 secrets are so short"));
    }
    let results = deployment.dir.path().join("results");
    let output = import(&[line(0, 0), json!({}), line(2_000, 0)], &["--results", results.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("line 2 (-): invalid: ") && said.contains("line 3 (2000): secret_exists: "), "{said}");
    assert!(!said.contains("an-older-secret") && !serving.log().contains("an-older-secret"));
    let results = fs::read_to_string(results).unwrap();
    let numbers: Vec<Value> =
        results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);

    let mut refused = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let other = deployment.dir.path().join("other-token");
    fs::write(&other, "kwt_another").unwrap();
    refused.arg("import").arg(&file).args(["--control-plane", &serving.url, "--token-file"]).arg(&other);
    let output = refused.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("401 Unauthorized unauthorized"), "{}", text(&output.stderr));
}
