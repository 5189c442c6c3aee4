//! An import as newline-delimited JSON: a key a line, and a result a line.

use keyward_shared::id::KeyId;
use keyward_shared::policy::Access;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::instant;
use super::keys::WireRestrictions;
use super::options::Flag;
use super::schema;
use crate::domain::edit::Edit;
use crate::domain::import::ImportOutcome;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::EXTERNAL_ID_CHARS;
use crate::domain::restrictions::RestrictionsInput;
use crate::lifecycle::{ImportFields, ImportedSecret};

/// Characters of a result line's sentence, most: it may quote what was sent.
const DETAIL_CHARS: usize = 300;

/// The query of `POST /v1/keys/import`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    dry_run: Flag,
    /// Why, for the audit log.
    #[param(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

impl ImportQuery {
    /// Whether nothing is to be changed.
    pub const fn is_dry_run(&self) -> bool {
        matches!(self.dry_run, Flag::True)
    }
}

/// A line of the request. What is absent stays where the key is there already; `null` clears what can be
/// empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportLine {
    /// What the other system calls the key.
    pub external_id: String,
    /// The workspace's id or slug.
    pub workspace: String,
    /// The name.
    pub name: String,
    /// Read-only or read-write.
    pub access: Access,
    /// Names of APIs, or `*` alone.
    pub apis: Vec<String>,
    /// The member it belongs to: an id, or what the other system calls them.
    pub member: Option<String>,
    /// Whether it is stopped.
    pub status: Option<ImportStatus>,
    /// When it was made.
    pub created_at: Option<String>,
    /// From when it is refused; may have passed.
    #[serde(default, deserialize_with = "super::nullable")]
    pub expires_at: Option<Option<String>>,
    /// From where it may be used; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    pub restrictions: Option<Option<WireRestrictions>>,
    /// Whatever a client keeps with it; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    pub metadata: Option<Option<Map<String, Value>>>,
    /// The secret in the clear.
    pub secret: Option<Zeroizing<String>>,
    /// Its SHA-256, as 64 hexadecimal digits or base64.
    pub sha256: Option<String>,
}

/// `status` of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// Its secret is accepted.
    Active,
    /// It is stopped, reversibly.
    Disabled,
}

impl ImportLine {
    /// The member that the secret stands in.
    pub const fn secret_field(&self) -> &'static str {
        if self.secret.is_some() { "secret" } else { "sha256" }
    }

    /// The fields, times read.
    pub fn into_fields(self) -> Result<ImportFields, Invalid> {
        let secret = match (self.secret, self.sha256) {
            (Some(text), None) => ImportedSecret::Clear(text),
            (None, Some(text)) => ImportedSecret::Sha256(text),
            (None, None) => return Err(Invalid::new("secret", Fault::Missing, "give this or `sha256`")),
            (Some(_), Some(_)) => return Err(Invalid::new("sha256", Fault::Conflicting, "give this or `secret`")),
        };
        Ok(ImportFields {
            external_id: self.external_id,
            workspace: self.workspace,
            name: self.name,
            access: self.access,
            apis: self.apis,
            member: self.member,
            disabled: self.status.map(|status| status == ImportStatus::Disabled),
            created_at: self.created_at.map(|text| instant("created_at", &text)).transpose()?,
            expires_at: Edit::from_nested(self.expires_at).try_map(|text| instant("expires_at", &text))?,
            restrictions: Edit::from_nested(
                self.restrictions.map(|restrictions| restrictions.map(RestrictionsInput::from)),
            ),
            metadata: Edit::from_nested(self.metadata),
            secret,
        })
    }
}

/// What a line that is refused is still known by.
#[derive(Deserialize)]
struct Called {
    external_id: Option<String>,
}

/// The external id of a line that may be wrong in other ways.
pub fn external_id(line: &[u8]) -> Option<String> {
    let Called { external_id } = serde_json::from_slice(line).ok()?;
    known_by(&external_id?)
}

/// An external id as it is told again, where it is not too long to be one.
pub fn known_by(external_id: &str) -> Option<String> {
    (external_id.chars().count() <= EXTERNAL_ID_CHARS).then(|| external_id.to_owned())
}

/// What became of a line, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WireOutcome {
    /// There was no such key.
    Created,
    /// There was, and something of it was otherwise.
    Updated,
    /// There was, just like that.
    Unchanged,
    /// Nothing; `code` says why.
    Refused,
}

impl From<ImportOutcome> for WireOutcome {
    fn from(outcome: ImportOutcome) -> Self {
        match outcome {
            ImportOutcome::Created => Self::Created,
            ImportOutcome::Updated => Self::Updated,
            ImportOutcome::Unchanged => Self::Unchanged,
        }
    }
}

/// What a line is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportWarning {
    /// Its secret is so short that it may be guessed.
    ShortSecret,
}

/// A line of the answer. Never holds a secret.
#[derive(Serialize, ToSchema)]
pub struct ResultLine<'a> {
    /// Which line of the request, counted from 1, blank ones too.
    pub line: u64,
    /// What the other system calls the key, where that could be read.
    #[schema(required)]
    pub external_id: Option<&'a str>,
    /// What became of it.
    #[schema(value_type = schema::ImportOutcome)]
    pub outcome: WireOutcome,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::KeyId>)]
    pub key_id: Option<KeyId>,
    /// The first generation that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The member of the line that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What kind of fault it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to look at all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub warnings: Option<&'static [ImportWarning]>,
}

/// A text that may quote what was sent, at a length that stays readable.
pub fn cut(text: &str) -> String {
    text.chars().take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_still_known_by_its_external_id() {
        assert_eq!(external_id(br#"{"external_id":"17","nmae":1}"#).as_deref(), Some("17"));
        assert_eq!(external_id(format!(r#"{{"external_id":"{}"}}"#, "x".repeat(256)).as_bytes()), None);
        for line in ["", "{", "[]", r#"{"external_id":17}"#] {
            assert_eq!(external_id(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_line_brings_one_secret() {
        let read = |members: &str| {
            let line = format!(
                r#"{{"external_id":"1","workspace":"w","name":"n","access":"read-only","apis":["*"]{members}}}"#
            );
            let line: ImportLine = serde_json::from_str(&line).unwrap();
            line.into_fields().map_err(|refused| (refused.field, refused.fault)).map(|fields| fields.disabled)
        };
        assert_eq!(read(r#","sha256":"x","status":"disabled""#), Ok(Some(true)));
        assert_eq!(read(r#","secret":"x","expires_at":null"#), Ok(None));
        assert_eq!(read(""), Err(("secret".to_owned(), Fault::Missing)));
        assert_eq!(read(r#","secret":"x","sha256":"y""#), Err(("sha256".to_owned(), Fault::Conflicting)));
    }
}
