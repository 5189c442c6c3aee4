//! One line of an import, as it is sent and as far as it can be judged without the database: so that
//! nobody waits for the writer while texts are read and hashes are made.

use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Lifecycle, Refusal, key_input};
use crate::domain::edit::Edit;
use crate::domain::import::KeyLine;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::SHORT_SECRET_BYTES;
use crate::domain::restrictions::RestrictionsInput;
use crate::domain::text::{ExternalId, Metadata, Name};
use crate::domain::time::{UnixMillis, UnixSeconds};

/// A line as it is sent.
pub struct ImportFields {
    /// What the other system calls the key.
    pub external_id: String,
    /// The workspace, by its identifier or its slug.
    pub workspace: String,
    /// The name.
    pub name: String,
    /// Read-only or read-write.
    pub access: Access,
    /// Names of APIs, or `*` alone.
    pub apis: Vec<String>,
    /// The member it belongs to, by identifier or by what the other system calls them.
    pub member: Option<String>,
    /// Whether it is stopped.
    pub disabled: Option<bool>,
    /// When it was made.
    pub created_at: Option<UnixMillis>,
    /// From when it is refused.
    pub expires_at: Edit<UnixMillis>,
    /// From where it may be used.
    pub restrictions: Edit<RestrictionsInput>,
    /// Whatever a client keeps with it.
    pub metadata: Edit<Map<String, Value>>,
    /// Its secret.
    pub secret: ImportedSecret,
}

/// The secret of a key that is brought.
pub enum ImportedSecret {
    /// In the clear.
    Clear(Zeroizing<String>),
    /// Its SHA-256, 64 hexadecimal digits or base64.
    Sha256(String),
}

/// Random bytes for one line.
#[derive(Clone, Copy)]
pub struct LineEntropy {
    /// For the key's identifier.
    pub(super) id: KeyId,
    /// For sealing its digest.
    pub(super) digest_nonce: [u8; 24],
    /// For sealing its secret, under the same key.
    pub(super) secret_nonce: [u8; 24],
}

impl LineEntropy {
    /// How many bytes a line needs.
    pub const BYTES: usize = 56;

    /// Deals out freshly drawn bytes.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let part = |at: usize| core::array::from_fn(|index| bytes[at + index]);
        Self {
            id: KeyId::from_random(core::array::from_fn(|index| bytes[index])),
            digest_nonce: part(8),
            secret_nonce: part(32),
        }
    }
}

/// A line, judged as far as it can be without the database.
pub struct ImportLine {
    pub(super) workspace: WorkspaceName,
    pub(super) member: Option<MemberName>,
    pub(super) apis: Vec<String>,
    pub(super) says: KeyLine,
    /// The secret in the clear, where it was brought so.
    pub(super) secret: Option<ApiKey>,
    pub(super) digest: Digest,
    pub(super) fingerprint: Fingerprint,
    pub(super) entropy: LineEntropy,
}

/// How a line names a workspace. A slug never reads like an identifier.
pub(super) enum WorkspaceName {
    Id(WorkspaceId),
    Slug(String),
}

/// How a line names a member.
pub(super) enum MemberName {
    Id(MemberId),
    ExternalId(String),
}

impl ImportLine {
    /// Whether its secret may be guessed: then it is the pepper alone that keeps its fingerprint from
    /// being turned back.
    pub fn is_short(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORT_SECRET_BYTES)
    }
}

impl Lifecycle {
    /// Judges a line as far as it can be without the database. `entropy` belongs to this line alone.
    pub fn import_line(
        &self,
        fields: ImportFields,
        entropy: LineEntropy,
        now: UnixMillis,
    ) -> Result<ImportLine, Refusal> {
        let says = KeyLine {
            external_id: ExternalId::parse("external_id", &fields.external_id)?,
            name: Name::parse("name", &fields.name)?,
            access: fields.access,
            disabled: fields.disabled,
            created_at: fields.created_at.map(|at| made_at(at, now)).transpose()?,
            expires_at: fields.expires_at.try_map(deadline)?,
            restrictions: fields.restrictions.try_map(|input| input.parse())?,
            metadata: fields.metadata.try_map(|object| Metadata::parse("metadata", object))?,
        };
        let (secret, digest) = match fields.secret {
            ImportedSecret::Clear(text) => {
                let secret = ApiKey::parse(&text)
                    .map_err(|error| Invalid::new("secret", Fault::BadFormat, error.to_string()))?;
                let digest = Digest::of(&secret);
                (Some(secret), digest)
            }
            ImportedSecret::Sha256(text) => (None, key_input::digest(&text)?),
        };
        Ok(ImportLine {
            workspace: match fields.workspace.parse() {
                Ok(id) => WorkspaceName::Id(id),
                Err(_) => WorkspaceName::Slug(fields.workspace),
            },
            member: fields.member.map(|name| match name.parse() {
                Ok(id) => MemberName::Id(id),
                Err(_) => MemberName::ExternalId(name),
            }),
            apis: fields.apis,
            says,
            fingerprint: self.vault.fingerprint(&digest),
            secret,
            digest,
            entropy,
        })
    }
}

/// A deadline that a record can carry. It may have passed: such a key arrives expired.
fn deadline(at: UnixMillis) -> Result<UnixSeconds, Invalid> {
    let refuse = || Invalid::new("expires_at", Fault::OutOfRange, "must be after 1969 and before February 2106");
    UnixSeconds::floor(at).ok_or_else(refuse)
}

fn made_at(at: UnixMillis, now: UnixMillis) -> Result<UnixMillis, Invalid> {
    if (UnixMillis::from_millis(0)..=now).contains(&at) {
        Ok(at)
    } else {
        Err(Invalid::new("created_at", Fault::OutOfRange, format!("must be after 1969 and not after {now}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_line_is_dealt_out_once() {
        let bytes = core::array::from_fn(|index| u8::try_from(index).unwrap_or(0));
        let LineEntropy { id, digest_nonce, secret_nonce } = LineEntropy::from_bytes(&bytes);
        let dealt = [&id.as_u64().to_be_bytes()[..], &digest_nonce, &secret_nonce].concat();
        assert_eq!(dealt, bytes);
    }

    #[test]
    fn a_key_that_is_brought_was_made_before() {
        let now = UnixMillis::from_millis(1_800_000_000_000);
        assert_eq!(made_at(now, now), Ok(now));
        for wrong in [UnixMillis::from_millis(-1), now.plus_seconds(1)] {
            assert_eq!(made_at(wrong, now).map_err(|refused| refused.fault), Err(Fault::OutOfRange));
        }
    }

    #[test]
    fn a_key_that_is_brought_may_have_expired() {
        assert!(deadline(UnixMillis::from_millis(0)).is_ok());
        assert!(deadline(UnixMillis::from_millis(-1)).is_err());
        assert!(deadline(UnixMillis::from_millis(5_000_000_000_000)).is_err());
    }
}
