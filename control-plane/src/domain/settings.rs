//! The deployment's settings: what travels to every edge beside the routes.

use keyward_shared::api_key::MAX_PREFIX_BYTES;
use keyward_shared::settings::{Accept, BasicUser, CheckDigits, MAX_TOKEN_BYTES, Settings};
use serde_json::{Value, json};

use super::api::Catalogue;
use super::edit::Edit;
use super::invalid::{Fault, Invalid};
use super::limits;
use super::route;

/// The settings and how often they changed. `settings.routes` is empty here: routes belong to the
/// APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsDocument {
    /// The settings.
    pub settings: Settings,
    /// Counts their changes, from 1.
    pub version: u64,
}

impl Default for SettingsDocument {
    fn default() -> Self {
        Self { settings: Settings::default(), version: 1 }
    }
}

/// A partial change of the settings, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsEdit {
    /// The prefix of generated keys.
    pub key_prefix: Option<String>,
    /// What becomes of wrong check digits.
    pub check_digits: Option<CheckDigits>,
    /// Whether Basic credentials are read.
    pub accept_basic: Option<bool>,
    /// Whether Bearer credentials are read.
    pub accept_bearer: Option<bool>,
    /// The header of its own that a key may stand in.
    pub accept_header: Edit<String>,
    /// What the user of a Basic credential may be.
    pub basic_user: Option<BasicUser>,
    /// The realm of the challenge.
    pub realm: Option<String>,
    /// The path that answers pong.
    pub ping_path: Option<String>,
}

impl SettingsDocument {
    /// The settings with `edit` applied, or what is wrong with it.
    pub fn edited(&self, edit: SettingsEdit) -> Result<Self, Invalid> {
        let before = &self.settings;
        if let Some(prefix) = &edit.key_prefix {
            key_prefix(prefix)?;
        }
        if let Some(text) = &edit.realm {
            realm(text)?;
        }
        if let Some(path) = &edit.ping_path {
            ping_path(path)?;
        }
        let header = edit.accept_header.try_map(|name| accepted_header(&name))?;
        let accept = Accept {
            basic: edit.accept_basic.unwrap_or(before.accept.basic),
            bearer: edit.accept_bearer.unwrap_or(before.accept.bearer),
            header: header.apply(before.accept.header.clone()),
        };
        if !accept.basic && !accept.bearer && accept.header.is_none() {
            return Err(Invalid::new("accept", Fault::TooShort, "at least one form must be accepted"));
        }
        let settings = Settings {
            key_prefix: edit.key_prefix.unwrap_or_else(|| before.key_prefix.clone()),
            check_digits: edit.check_digits.unwrap_or(before.check_digits),
            accept,
            basic_user: edit.basic_user.unwrap_or(before.basic_user),
            realm: edit.realm.unwrap_or_else(|| before.realm.clone()),
            ping_path: edit.ping_path.unwrap_or_else(|| before.ping_path.clone()),
            routes: Vec::new(),
        };
        Ok(Self { settings, version: self.version })
    }

    /// What the snapshot's settings object holds: these settings and the catalogue's routes.
    pub fn travelling(&self, catalogue: &Catalogue) -> Settings {
        Settings { routes: catalogue.routes(), ..self.settings.clone() }
    }

    /// The fields, for the audit log.
    pub fn facts(&self) -> Value {
        let Settings { key_prefix, check_digits, accept, basic_user, realm, ping_path, routes: _ } = &self.settings;
        json!({
            "key_prefix": key_prefix,
            "check_digits": check_digits,
            "accept": { "basic": accept.basic, "bearer": accept.bearer, "header": accept.header },
            "basic_user": basic_user,
            "realm": realm,
            "ping_path": ping_path,
        })
    }
}

/// Letters, digits and single underscores, beginning with a letter: what a secret scanner can find.
fn key_prefix(prefix: &str) -> Result<(), Invalid> {
    const FIELD: &str = "key_prefix";
    if prefix.len() > MAX_PREFIX_BYTES {
        let detail = format!("{} characters, at most {MAX_PREFIX_BYTES}", prefix.len());
        return Err(Invalid::new(FIELD, Fault::TooLong, detail));
    }
    let form = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if !begins || !prefix.bytes().all(form) || prefix.ends_with('_') || prefix.contains("__") {
        let detail = "letters, digits and single underscores, beginning with a letter, ending without underscore";
        return Err(Invalid::new(FIELD, Fault::BadFormat, detail));
    }
    // Keys of the test environment read `<prefix>_test_…`: such a prefix would make the two alike.
    if prefix.ends_with(keyward_shared::api_key::TEST_SUFFIX) {
        return Err(Invalid::new(FIELD, Fault::Conflicting, "must not end like the prefix of test keys"));
    }
    Ok(())
}

/// A quoted string of the challenge (RFC 9110, section 11.5) that needs no escaping.
fn realm(text: &str) -> Result<(), Invalid> {
    const FIELD: &str = "realm";
    if text.is_empty() {
        return Err(Invalid::new(FIELD, Fault::TooShort, "must not be empty"));
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        return Err(Invalid::new(FIELD, Fault::BadFormat, "printable ASCII without quotes and backslashes"));
    }
    if text.len() > limits::REALM_CHARS {
        let detail = format!("{} characters, at most {}", text.len(), limits::REALM_CHARS);
        return Err(Invalid::new(FIELD, Fault::TooLong, detail));
    }
    Ok(())
}

fn ping_path(path: &str) -> Result<(), Invalid> {
    const FIELD: &str = "ping_path";
    route::path(FIELD, path)?;
    if path == "/.keyward" || path.starts_with("/.keyward/") {
        return Err(Invalid::new(FIELD, Fault::Conflicting, "`/.keyward` is the edge's own"));
    }
    Ok(())
}

/// Headers that HTTP gives a meaning.
const TAKEN: [&str; 16] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header that may carry a key: a token (RFC 9110, section 5.6.2) in lower case, none that HTTP,
/// the CDN or Keyward itself gives a meaning.
fn accepted_header(name: &str) -> Result<String, Invalid> {
    const FIELD: &str = "accept.header";
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        return Err(Invalid::new(FIELD, Fault::TooShort, "must not be empty"));
    }
    if name.len() > MAX_TOKEN_BYTES {
        return Err(Invalid::new(FIELD, Fault::TooLong, format!("{} bytes, at most {MAX_TOKEN_BYTES}", name.len())));
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err(Invalid::new(FIELD, Fault::BadFormat, "letters, digits and hyphens"));
    }
    let taken = ["x-keyward-", "cf-", "sec-", "x-forwarded-"].iter().any(|prefix| name.starts_with(prefix));
    if taken || TAKEN.contains(&name.as_str()) {
        return Err(Invalid::new(FIELD, Fault::Conflicting, "this header has a meaning of its own"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: SettingsEdit) -> Result<SettingsDocument, Invalid> {
        SettingsDocument::default().edited(edit)
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_is_not_named_stays() {
        let after = edited(SettingsEdit { realm: Some(text("Acme API")), ..SettingsEdit::default() }).expect("edited");
        assert_eq!(after.settings.realm, "Acme API");
        assert_eq!(after.settings.key_prefix, "kw");
        assert!(after.settings.accept.basic);
    }

    #[test]
    fn a_prefix_reads_like_one() {
        for (prefix, reads) in [
            ("acme", true),
            ("acme_live", true),
            ("", false),
            ("_a", false),
            ("a_", false),
            ("a__b", false),
            ("1a", false),
            ("a-b", false),
            ("acme_test", false),
            ("é", false),
        ] {
            let edit = SettingsEdit { key_prefix: Some(text(prefix)), ..SettingsEdit::default() };
            assert_eq!(edited(edit).is_ok(), reads, "{prefix}");
        }
    }

    #[test]
    fn a_realm_needs_no_escaping() {
        for (words, reads) in
            [("My API", true), ("", false), ("a\"b", false), ("a\\b", false), ("é", false), ("a\tb", false)]
        {
            let edit = SettingsEdit { realm: Some(text(words)), ..SettingsEdit::default() };
            assert_eq!(edited(edit).is_ok(), reads, "{words}");
        }
        let edit = SettingsEdit { realm: Some("a".repeat(65)), ..SettingsEdit::default() };
        assert_eq!(edited(edit).expect_err("refused").fault, Fault::TooLong);
    }

    #[test]
    fn a_header_with_a_meaning_carries_no_key() {
        for (name, reads) in [
            ("X-Api-Key", true),
            ("Authorization", false),
            ("X-Keyward-Key-Id", false),
            ("cf-connecting-ip", false),
            ("a b", false),
            ("", false),
            ("x_api_key", false),
        ] {
            let edit = SettingsEdit { accept_header: Edit::Set(name.to_owned()), ..SettingsEdit::default() };
            assert_eq!(edited(edit).is_ok(), reads, "{name}");
        }
    }

    #[test]
    fn some_form_of_credential_is_always_accepted() {
        let edit = SettingsEdit { accept_basic: Some(false), ..SettingsEdit::default() };
        assert_eq!(edited(edit).expect_err("refused").field, "accept");
        let edit = SettingsEdit {
            accept_basic: Some(false),
            accept_header: Edit::Set("X-Api-Key".to_owned()),
            ..SettingsEdit::default()
        };
        assert_eq!(edited(edit).expect("edited").settings.accept.header.as_deref(), Some("x-api-key"));
    }
}
