//! Precedence, secrets and refusals, without touching the process's own environment.

#![allow(clippy::redundant_closure_for_method_calls, reason = "the methods' own lifetimes are not general enough")]

use std::collections::BTreeMap;
use std::ffi::OsString;

use zeroize::Zeroizing;

use super::*;
use crate::secrets::SecretKey;

struct Given {
    flags: BTreeMap<String, String>,
    variables: BTreeMap<String, OsString>,
    dir: tempfile::TempDir,
}

impl Given {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Self { flags: BTreeMap::new(), variables: BTreeMap::new(), dir };
        let data_dir = given.dir.path().display().to_string();
        given.flags.insert("data_dir".to_owned(), data_dir);
        given
    }

    fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.insert(name.to_owned(), value.to_owned());
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn file(self, text: &str) -> Self {
        let path = self.dir.path().join("keyward.toml");
        std::fs::write(&path, text).unwrap();
        self.flag("config", &path.display().to_string())
    }

    fn secret(self, name: &str, text: &str) -> Self {
        let dir = secrets_dir(self.dir.path());
        crate::secrets::file::create_dir(&dir).unwrap();
        crate::secrets::file::replace(&dir.join(name), text).unwrap();
        self
    }

    fn read<T>(&self, get: impl FnOnce(&Layers<'_>) -> Result<T, ConfigError>) -> Result<T, String> {
        let environment = |name: &str| self.variables.get(name).cloned();
        Layers::new(self.flags.clone(), &environment).and_then(|layers| get(&layers)).map_err(|error| error.to_string())
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file_and_that_over_the_default() {
    let port = |given: &Given| given.read(|l| l.listen()).unwrap().port();
    let given = Given::new();
    assert_eq!(port(&given), 8080);
    let given = given.file("listen = '127.0.0.1:1'");
    assert_eq!(port(&given), 1);
    let given = given.variable("KEYWARD_LISTEN", "127.0.0.1:2");
    assert_eq!(port(&given), 2);
    let given = given.flag("listen", "127.0.0.1:3");
    assert_eq!(port(&given), 3);
}

#[test]
fn a_wrong_value_is_reported_with_the_place_it_came_from() {
    let given = Given::new().variable("KEYWARD_HEARTBEAT_SECONDS", "often");
    let error = given.read(|l| l.cadence()).unwrap_err();
    assert_eq!(error, "KEYWARD_HEARTBEAT_SECONDS is `often`, but must be a number from 10 to 3600");
}

#[test]
fn a_heartbeat_slower_than_half_of_a_heads_life_is_refused() {
    let given = Given::new().flag("head_ttl_seconds", "600").flag("heartbeat_seconds", "301");
    assert!(given.read(|l| l.cadence()).is_err());
}

#[test]
fn an_unknown_member_of_the_file_is_named() {
    let given = Given::new().file("lisen = '127.0.0.1:1'");
    let error = given.read(|l| l.listen()).unwrap_err();
    assert!(error.contains("unknown setting `lisen`"), "{error}");
}

#[test]
fn a_syntax_error_names_the_line_and_quotes_nothing() {
    let given = Given::new().file("log = 'info'\npepper = 'hunter2\n");
    let error = given.read(|l| l.listen()).unwrap_err();
    assert!(error.contains("line 2"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_empty_variable_says_nothing() {
    let given = Given::new().variable("KEYWARD_LISTEN", "");
    assert_eq!(given.read(|l| l.listen()).unwrap().port(), 8080);
}

#[test]
fn a_secret_is_taken_from_its_variable_or_file_or_the_data_directory() {
    let text = |byte: u8| {
        let key = SecretKey::from_random(Zeroizing::new([byte; 32]));
        key.to_text().expose().to_owned()
    };
    let pepper = |given: &Given| given.read(|l| l.pepper()).map(|key| key.expose()[0]);
    let given = Given::new();
    let missing = pepper(&given).unwrap_err();
    assert!(missing.contains("keyward init"), "{missing}");

    let given = given.secret("pepper", &text(1)).secret("other", &text(3));
    assert_eq!(pepper(&given), Ok(1));
    let other = secrets_dir(given.dir.path()).join("other");
    let given = given.variable("KEYWARD_PEPPER", &text(2));
    assert_eq!(pepper(&given), Ok(2));
    let given = given.flag("pepper_file", &other.display().to_string());
    assert_eq!(pepper(&given), Ok(3));
}

#[test]
fn a_secret_and_its_file_in_one_place_are_one_too_many() {
    let given = Given::new().variable("KEYWARD_KEK", "x").variable("KEYWARD_KEK_FILE", "y");
    let error = given.read(|l| l.kek().map(|_| ())).unwrap_err();
    assert!(error.contains("KEYWARD_KEK_FILE"), "{error}");
}

#[test]
fn any_number_of_key_encryption_keys_may_have_been_replaced() {
    let text = |byte: u8| SecretKey::from_random(Zeroizing::new([byte; 32])).to_text().expose().to_owned();
    let older = |given: &Given| {
        given.read(|l| l.older_keks()).map(|keys| keys.iter().map(|key| key.expose()[0]).collect::<Vec<_>>())
    };
    assert_eq!(older(&Given::new()), Ok(vec![]));
    assert_eq!(older(&Given::new().variable("KEYWARD_KEK_OLDER", &text(1))), Ok(vec![1]));
    let both = format!("{}\n{}\n", text(2), text(1));
    assert_eq!(older(&Given::new().secret("kek-older", &both)), Ok(vec![2, 1]));
    let error = older(&Given::new().variable("KEYWARD_KEK_OLDER", &format!("{} correct-horse", text(1)))).unwrap_err();
    assert!(!error.contains("correct-horse") && error.contains("kek_older"), "{error}");
}

#[test]
fn the_lanes_token_is_optional_and_never_the_edges_credential() {
    let (credential, token) = ("c".repeat(32), "t".repeat(32));
    let given = || Given::new().secret("edge-credential", &credential);
    let read = |given: &Given| given.read(|l| l.lane_token()).map(|token| token.map(|token| token.expose().to_owned()));
    assert_eq!(read(&given()), Ok(None));
    assert_eq!(read(&given().secret("lane-token", &token)), Ok(Some(token.clone())));
    for unfit in [credential.as_str(), "correct-horse", &"é".repeat(32), &"t".repeat(257)] {
        let error = read(&given().variable("KEYWARD_LANE_TOKEN", unfit)).unwrap_err();
        assert!(error.contains("lane_token") && !error.contains(unfit), "{error}");
    }
}

#[test]
fn a_malformed_secret_is_refused_without_being_shown() {
    let given = Given::new().variable("KEYWARD_KEK", "correct-horse");
    let error = given.read(|l| l.kek().map(|_| ())).unwrap_err();
    assert!(!error.contains("correct-horse"), "{error}");
}

#[test]
fn a_named_secret_file_must_be_there() {
    let given = Given::new().variable("KEYWARD_KV_TOKEN_FILE", "/nonexistent/token");
    let given = given.flag("kv_url", "https://kv.example/namespaces/n");
    let error = given.read(|l| l.kv().map(|_| ())).unwrap_err();
    assert!(error.contains("/nonexistent/token"), "{error}");
}

#[test]
fn every_name_is_there_once() {
    let mut names: Vec<String> = table::SETTINGS
        .iter()
        .map(|setting| setting.name.to_owned())
        .chain(table::SECRETS.iter().flat_map(|secret| [secret.name.to_owned(), table::file_of(secret.name)]))
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn mail_needs_a_server_a_sender_and_a_place_for_links() {
    let given = || Given::new().variable("KEYWARD_SMTP_URL", "smtps://ada:hunter2@mail.example.com");
    let from = |given: Given| given.variable("KEYWARD_SMTP_FROM", "Keyward <audit@example.com>");
    let whole = from(given()).variable("KEYWARD_PUBLIC_URL", "https://keyward.example.com/");
    let mail = whole.read(|l| l.mail()).unwrap().unwrap();
    assert_eq!((mail.public_url.as_str(), mail.attached_bytes), ("https://keyward.example.com", 5_000_000));
    assert!(Given::new().read(|l| l.mail()).unwrap().is_none());
    for (given, named) in [
        (given(), "smtp_from"),
        (from(given()), "public_url"),
        (from(given()).variable("KEYWARD_PUBLIC_URL", "https://a.example/?b"), "public_url"),
        (from(given()).variable("KEYWARD_SMTP_URL", "http://ada:hunter2@mail.example.com"), "smtp_url"),
        (whole.variable("KEYWARD_MAIL_ATTACHED_BYTES", "20000001"), "mail_attached_bytes"),
    ] {
        let refused = given.read(|l| l.mail().map(drop)).unwrap_err();
        let named = [named.to_owned(), table::variable_of(named), table::flag_of(named)];
        assert!(named.iter().any(|name| refused.contains(name)), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
