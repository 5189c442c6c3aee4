//! The command itself, by whoever verifies a log that is not theirs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_control_plane::domain::audit::export::Format;
use keyward_control_plane::store::sqlite::DatabaseSource;
use keyward_control_plane::verify::{Source as _, verify};

use crate::exports::export_of;
use crate::kept_log::{DEPLOYMENT, KeptLog, run, signing_key, trust};

fn keyward(data_dir: &Path, log: &Path, further: &[&str]) -> Output {
    command(data_dir, &[&["audit", "verify", &log.display().to_string()], further].concat())
}

fn command(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYWARD_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--data-dir").arg(data_dir).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn signatures_are_looked_at_unless_it_is_said_that_they_are_not() {
    let log = KeptLog::make(2, 3).await;
    let dir = tempfile::tempdir().unwrap();
    let look = |further: &[&str]| keyward(dir.path(), &log.path, &[&["--deployment", DEPLOYMENT], further].concat());
    let without = look(&[]);
    assert!(!without.status.success() && told(&without).contains("no public key is known"), "{}", told(&without));
    let unsigned = look(&["--unsigned"]);
    assert!(unsigned.status.success() && told(&unsigned).contains("who signed"), "{}", told(&unsigned));
    let key = URL_SAFE_NO_PAD.encode(signing_key().verifying_key().to_bytes());
    let signed = look(&["--public-key", &key]);
    assert!(signed.status.success(), "{}", told(&signed));
    // A key that cannot be read is not as good as none.
    fs::create_dir(dir.path().join("secrets")).unwrap();
    let file = dir.path().join("secrets/signing-key");
    fs::write(&file, "no key").unwrap();
    let unread = look(&[]);
    assert!(!unread.status.success() && told(&unread).contains("signing"), "{}", told(&unread));
    fs::write(&file, URL_SAFE_NO_PAD.encode(signing_key().to_bytes())).unwrap();
    let own = look(&[]);
    assert!(own.status.success(), "{}", told(&own));
    // Which deployment it must be of is known without being asked.
    let other = keyward(dir.path(), &log.path, &[]);
    assert!(!other.status.success() && told(&other).contains("another log"), "{}", told(&other));
}

#[tokio::test]
async fn a_database_is_not_read_without_its_write_ahead_log() {
    let log = KeptLog::make(2, 3).await;
    let mut connection = log.connect().await;
    run(&mut connection, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").await;
    run(&mut connection, "DELETE FROM audit_event WHERE seq = 2").await;
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("keyward.db");
    let beside = |end: &str| format!("{}{end}", log.path.display());
    fs::copy(&log.path, &copy).unwrap();
    fs::copy(beside("-wal"), dir.path().join("keyward.db-wal")).unwrap();
    // Nothing can be opened of that name, as where nothing can be written.
    std::os::unix::fs::symlink(dir.path().join("none/none"), dir.path().join("keyward.db-shm")).unwrap();
    assert!(DatabaseSource::open(&copy).await.is_err());
    fs::remove_file(dir.path().join("keyward.db-wal")).unwrap();
    let mut source = DatabaseSource::open(&copy).await.unwrap();
    assert_eq!(source.facts().size, Some(6));
    assert!(verify(&mut source, Vec::new(), &trust()).await.unwrap().verifies());
}

#[tokio::test]
async fn what_a_key_signed_that_was_replaced_is_pruned_with_its_public_key() {
    let log = KeptLog::make(2, 3).await;
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    // Has a signing key of its own.
    let made = command(&data_dir, &["init"]);
    assert!(made.status.success(), "{}", told(&made));
    for file in ["keyward.db", "keyward.db-wal", "keyward.db-shm"] {
        let _ = fs::remove_file(data_dir.join(file));
    }
    fs::copy(&log.path, data_dir.join("keyward.db")).unwrap();
    let exported = dir.path().join("audit.jsonl").display().to_string();
    fs::write(&exported, export_of(&log.events, &log.checkpoints, Format::JsonLines, None)).unwrap();
    let prune = |further: &[&str]| {
        let given = ["audit", "prune", "--through", "3", "--exported", &exported, "--deployment", DEPLOYMENT];
        command(&data_dir, &[&given, further].concat())
    };
    let refused = prune(&[]);
    assert!(!refused.status.success() && told(&refused).contains("no key that is known"), "{}", told(&refused));
    let key = URL_SAFE_NO_PAD.encode(signing_key().verifying_key().to_bytes());
    let pruned = prune(&["--public-key", &key]);
    assert!(pruned.status.success() && told(&pruned).contains("dropped 3 events"), "{}", told(&pruned));
}

#[test]
fn raise_epoch_gives_the_log_a_new_name_also_without_kv() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let made = command(&data_dir, &["init"]);
    assert!(made.status.success(), "{}", told(&made));
    let mut before = 1;
    for _ in 0..2 {
        let output = command(&data_dir, &["raise-epoch", "--without-kv"]);
        assert!(output.status.success(), "{}", told(&output));
        let said = told(&output);
        let number = said.lines().find_map(|line| line.strip_prefix("the audit log goes on as its incarnation "));
        let incarnation: u32 = number.and_then(|number| number.parse().ok()).expect(&said);
        assert!(incarnation > before, "{said}");
        before = incarnation;
        let kept = fs::read_to_string(data_dir.join("audit-checkpoint")).unwrap();
        assert!(kept.lines().next().unwrap().ends_with(&format!("/audit/{incarnation}")), "{kept}");
    }
}
