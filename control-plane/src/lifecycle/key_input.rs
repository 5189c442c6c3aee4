//! A key's fields as they are sent, and how they are judged.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use keyward_shared::fingerprint::Digest;
use keyward_shared::id::{MemberId, TeamId};
use keyward_shared::policy::Access;
use serde_json::{Map, Value};

use crate::domain::api::Catalogue;
use crate::domain::edit::Edit;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::Environment;
use crate::domain::key::transition::KeyEdit;
use crate::domain::limits::ROTATE_EVERY_DAYS;
use crate::domain::restrictions::RestrictionsInput;
use crate::domain::text::{ExternalId, Metadata, Name};
use crate::domain::time::{UnixMillis, UnixSeconds};

/// The fields of a new key, not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFields {
    /// The name.
    pub name: String,
    /// Read-only or read-write.
    pub access: Access,
    /// Names of APIs, or `*` alone.
    pub apis: Vec<String>,
    /// What it is for.
    pub environment: Environment,
    /// The member it is to belong to; the workspace's own when none is named.
    pub member_id: Option<MemberId>,
    /// The team it is to belong to.
    pub team_id: Option<TeamId>,
    /// From when it is refused.
    pub expires_at: Option<UnixMillis>,
    /// After how many days a rotation is due.
    pub rotate_every_days: Option<u64>,
    /// From where it may be used.
    pub restrictions: RestrictionsInput,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Whatever a client keeps with it.
    pub metadata: Map<String, Value>,
}

/// A partial change of a key, not yet judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyPatch {
    /// A new name.
    pub name: Option<String>,
    /// Another member.
    pub member_id: Option<MemberId>,
    /// Another access.
    pub access: Option<Access>,
    /// Other APIs.
    pub apis: Option<Vec<String>>,
    /// Another expiry.
    pub expires_at: Edit<UnixMillis>,
    /// Another reminder.
    pub rotate_every_days: Edit<u64>,
    /// Other restrictions, replaced as a whole.
    pub restrictions: Edit<RestrictionsInput>,
    /// Another team.
    pub team_id: Edit<TeamId>,
    /// Another external id.
    pub external_id: Edit<String>,
    /// Other metadata, replaced as a whole.
    pub metadata: Edit<Map<String, Value>>,
}

impl KeyPatch {
    /// Judges every field that is named.
    pub(super) fn judge(self, catalogue: &Catalogue, now: UnixMillis) -> Result<KeyEdit, Invalid> {
        Ok(KeyEdit {
            name: self.name.map(|name| Name::parse("name", &name)).transpose()?,
            member_id: self.member_id,
            access: self.access,
            apis: self.apis.map(|names| catalogue.grant("apis", &names)).transpose()?,
            expires_at: self.expires_at.try_map(|at| deadline("expires_at", at, now))?,
            rotate_every_days: self.rotate_every_days.try_map(days)?,
            restrictions: self.restrictions.try_map(|input| input.parse())?,
            team_id: self.team_id,
            external_id: self.external_id.try_map(|id| ExternalId::parse("external_id", &id))?,
            metadata: self.metadata.try_map(|object| Metadata::parse("metadata", object))?,
        })
    }
}

/// A deadline at least one whole second ahead, and one that a record can carry.
pub(super) fn deadline(field: &str, at: UnixMillis, now: UnixMillis) -> Result<UnixSeconds, Invalid> {
    if at < now.plus_seconds(1) {
        return Err(Invalid::new(field, Fault::InThePast, format!("must be after {now}")));
    }
    match UnixSeconds::floor(at) {
        Some(deadline) if !deadline.passed(now) => Ok(deadline),
        Some(_) => Err(Invalid::new(field, Fault::InThePast, format!("must be after {now}"))),
        None => Err(Invalid::new(field, Fault::OutOfRange, "must be before February 2106")),
    }
}

/// The days between two rotations.
pub(super) fn days(days: u64) -> Result<u16, Invalid> {
    u16::try_from(days)
        .ok()
        .filter(|days| (1..=ROTATE_EVERY_DAYS).contains(days))
        .ok_or_else(|| Invalid::new("rotate_every_days", Fault::OutOfRange, format!("1 to {ROTATE_EVERY_DAYS}")))
}

/// A digest as 64 hexadecimal digits or as base64 of 32 bytes, in either alphabet, padded or not.
pub(super) fn digest(text: &str) -> Result<Digest, Invalid> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    let bytes = match text.len() {
        64 => hex::decode(text).ok(),
        43 | 44 => STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok(),
        _ => None,
    };
    bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Digest::from_bytes).ok_or_else(|| {
        Invalid::new("sha256", Fault::BadFormat, "the SHA-256 of a key, as 64 hexadecimal digits or as base64")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_as_hex_or_base64() {
        let bytes = [0xfb; 32];
        for text in [
            "fb".repeat(32),
            "FB".repeat(32),
            STANDARD_PADDED.to_owned(),
            STANDARD_PADDED.trim_end_matches('=').to_owned(),
            STANDARD_PADDED.replace('+', "-").replace('/', "_"),
        ] {
            assert!(digest(&text).is_ok_and(|digest| *digest.as_bytes() == bytes), "{text}");
        }
        for text in ["", "fb", &"zz".repeat(32), &"f".repeat(63), &"=".repeat(44)] {
            assert_eq!(digest(text).err().map(|refused| refused.field), Some("sha256".to_owned()), "{text}");
        }
    }

    const STANDARD_PADDED: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

    #[test]
    fn a_deadline_is_ahead_and_can_be_carried() {
        let now = UnixMillis::from_millis(1_700_000_000_500);
        let fault =
            |millis| deadline("expires_at", UnixMillis::from_millis(millis), now).map_err(|refused| refused.fault);
        assert_eq!(fault(1_700_000_000_000), Err(Fault::InThePast));
        assert_eq!(fault(1_700_000_001_499), Err(Fault::InThePast));
        assert_eq!(fault(1_700_000_001_500).map(UnixSeconds::as_seconds), Ok(1_700_000_001));
        assert_eq!(fault(5_000_000_000_000), Err(Fault::OutOfRange));
    }

    #[test]
    fn a_reminder_is_at_least_a_day() {
        assert_eq!(days(1), Ok(1));
        assert!(days(0).is_err());
        assert!(days(3651).is_err());
        assert!(days(u64::MAX).is_err());
    }
}
