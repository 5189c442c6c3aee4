//! Look-ups on the wire.

use keyward_shared::id::{KeyId, WorkspaceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::key_body::KeyBody;
use super::schema;
use crate::domain::invalid::{Fault, Invalid};
use crate::lifecycle::{Found, FoundKey, LookupBy, SecretSlot};

/// The body of `POST /v1/keys/lookup`: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupKey {
    /// The secret itself.
    pub secret: Option<Zeroizing<String>>,
    /// Its SHA-256, as 64 hexadecimal digits or base64.
    pub sha256: Option<String>,
}

impl LookupKey {
    /// What is looked up by.
    pub fn into_input(self) -> Result<LookupBy, Invalid> {
        match (self.secret, self.sha256) {
            (Some(secret), None) => Ok(LookupBy::Secret(secret)),
            (None, Some(digest)) => Ok(LookupBy::Sha256(digest)),
            (None, None) => Err(Invalid::new("secret", Fault::Missing, "give this or `sha256`")),
            (Some(_), Some(_)) => Err(Invalid::new("sha256", Fault::Conflicting, "give this or `secret`")),
        }
    }
}

/// Whose secret it is, as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Found)]
pub struct FoundBody<'a> {
    #[schema(value_type = schema::AnyKey)]
    key: FoundKeyBody<'a>,
    #[schema(value_type = schema::SecretSlot)]
    slot: SecretSlot,
    #[schema(value_type = schema::FoundStatus)]
    status: &'static str,
}

/// A key that can be read, or what is left of one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FoundKeyBody<'a> {
    /// All of it.
    Readable(Box<KeyBody<'a>>),
    /// A deleted one.
    Deleted {
        /// Its identifier.
        id: KeyId,
        /// Its workspace.
        workspace_id: WorkspaceId,
        /// The name that it had.
        name: &'a str,
    },
}

impl<'a> From<&'a Found> for FoundBody<'a> {
    fn from(found: &'a Found) -> Self {
        Self { key: FoundKeyBody::from(&found.key), slot: found.slot, status: found.status() }
    }
}

impl<'a> From<&'a FoundKey> for FoundKeyBody<'a> {
    fn from(key: &'a FoundKey) -> Self {
        match key {
            FoundKey::Readable(view) => Self::Readable(Box::new(KeyBody::from(&**view))),
            FoundKey::Deleted { id, workspace_id, name } => {
                Self::Deleted { id: *id, workspace_id: *workspace_id, name }
            }
        }
    }
}
