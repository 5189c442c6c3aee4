//! Keys as JSON: what the verbs take.

use keyward_shared::id::{MemberId, TeamId};
use keyward_shared::policy::{Access, App};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{instant, reasoned, schema};
use crate::domain::edit::Edit;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::Environment;
use crate::domain::restrictions::RestrictionsInput;
use crate::lifecycle::{ExtendTo, KeyFields, KeyPatch, KeySource};

/// The body of `POST …/keys`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// The name.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Read-only or read-write.
    #[schema(value_type = schema::Access)]
    pub access: Access,
    /// Names of APIs, or `*` alone.
    #[schema(value_type = schema::Apis)]
    pub apis: Vec<String>,
    /// What it is for.
    #[schema(value_type = Option<Environment>)]
    pub environment: Option<WireEnvironment>,
    /// The member it belongs to.
    #[schema(value_type = Option<schema::MemberId>)]
    pub member_id: Option<MemberId>,
    /// The team it belongs to.
    #[schema(value_type = Option<schema::TeamId>)]
    pub team_id: Option<TeamId>,
    /// From when it is refused.
    #[schema(value_type = Option<schema::Deadline>)]
    pub expires_at: Option<String>,
    /// After how many days a rotation is due.
    #[schema(value_type = Option<schema::RotateEveryDays>)]
    pub rotate_every_days: Option<u64>,
    /// From where it may be used.
    pub restrictions: Option<WireRestrictions>,
    /// What another system calls it.
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<String>,
    /// Whatever a client keeps with it.
    #[schema(value_type = Option<schema::Metadata>)]
    pub metadata: Option<Map<String, Value>>,
    /// SHA-256 of a key that exists already, as 64 hexadecimal digits or base64.
    #[schema(value_type = Option<schema::Digest>)]
    pub sha256: Option<String>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `PATCH …/keys/{key}`: what is absent stays, `null` clears.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchKey {
    /// A new name.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Name)]
    pub name: Option<String>,
    /// Another member.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::MemberId)]
    pub member_id: Option<MemberId>,
    /// Another access.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Access)]
    pub access: Option<Access>,
    /// Other APIs.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Apis)]
    pub apis: Option<Vec<String>>,
    /// Another team.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::TeamId>)]
    pub team_id: Option<Option<TeamId>>,
    /// Another expiry.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::Deadline>)]
    pub expires_at: Option<Option<String>>,
    /// Another reminder.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::RotateEveryDays>)]
    pub rotate_every_days: Option<Option<u64>>,
    /// Other restrictions; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<WireRestrictions>)]
    pub restrictions: Option<Option<WireRestrictions>>,
    /// Another external id.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<Option<String>>,
    /// Other metadata; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::Metadata>)]
    pub metadata: Option<Option<Map<String, Value>>>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `POST …/rotate`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// For how long the old secret stays; 0 ends every older secret at once.
    #[schema(value_type = schema::GraceSeconds)]
    pub grace_seconds: u64,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `POST …/rotation/extend`: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendRotation {
    /// The new deadline of the old secret.
    pub previous_valid_until: Option<String>,
    /// The new deadline, from now.
    pub grace_seconds: Option<u64>,
    /// Why, for the audit log.
    pub reason: Option<String>,
}

reasoned!(CreateKey, PatchKey, RotateKey, ExtendRotation);

impl CreateKey {
    /// The fields and the source of the secret, times read.
    pub fn into_input(self) -> Result<(KeyFields, KeySource), Invalid> {
        let expires_at = self.expires_at.map(|text| instant("expires_at", &text)).transpose()?;
        let fields = KeyFields {
            name: self.name,
            access: self.access,
            apis: self.apis,
            environment: self.environment.map(Environment::from).unwrap_or_default(),
            member_id: self.member_id,
            team_id: self.team_id,
            expires_at,
            rotate_every_days: self.rotate_every_days,
            restrictions: self.restrictions.map(RestrictionsInput::from).unwrap_or_default(),
            external_id: self.external_id,
            metadata: self.metadata.unwrap_or_default(),
        };
        let source = match self.sha256 {
            Some(digest) => KeySource::Sha256(digest),
            None => KeySource::Generate,
        };
        Ok((fields, source))
    }
}

impl PatchKey {
    /// The fields that are named, times read.
    pub fn into_patch(self) -> Result<KeyPatch, Invalid> {
        Ok(KeyPatch {
            name: self.name,
            member_id: self.member_id,
            access: self.access,
            apis: self.apis,
            expires_at: Edit::from_nested(self.expires_at).try_map(|text| instant("expires_at", &text))?,
            rotate_every_days: Edit::from_nested(self.rotate_every_days),
            restrictions: Edit::from_nested(
                self.restrictions.map(|restrictions| restrictions.map(RestrictionsInput::from)),
            ),
            team_id: Edit::from_nested(self.team_id),
            external_id: Edit::from_nested(self.external_id),
            metadata: Edit::from_nested(self.metadata),
        })
    }
}

impl ExtendRotation {
    /// Where to, by the one of the two members that is given.
    pub fn into_target(self) -> Result<ExtendTo, Invalid> {
        const FIELD: &str = "previous_valid_until";
        match (self.previous_valid_until, self.grace_seconds) {
            (Some(text), None) => Ok(ExtendTo::PreviousValidUntil(instant(FIELD, &text)?)),
            (None, Some(seconds)) => Ok(ExtendTo::GraceSeconds(seconds)),
            (None, None) => Err(Invalid::new(FIELD, Fault::Missing, "give this or `grace_seconds`")),
            (Some(_), Some(_)) => {
                Err(Invalid::new("grace_seconds", Fault::Conflicting, "give this or `previous_valid_until`"))
            }
        }
    }
}

/// `environment` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireEnvironment {
    /// Real traffic.
    Live,
    /// Trying things out.
    Test,
}

impl From<WireEnvironment> for Environment {
    fn from(environment: WireEnvironment) -> Self {
        match environment {
            WireEnvironment::Live => Self::Live,
            WireEnvironment::Test => Self::Test,
        }
    }
}

/// `restrictions` as they are sent.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RestrictionsInput)]
#[serde(deny_unknown_fields)]
pub struct WireRestrictions {
    #[serde(default)]
    #[schema(value_type = schema::IpRanges)]
    ips: Vec<String>,
    #[serde(default)]
    #[schema(value_type = schema::Referrers)]
    referrers: Vec<String>,
    #[serde(default)]
    #[schema(value_type = schema::Apps)]
    apps: Vec<App>,
}

impl From<WireRestrictions> for RestrictionsInput {
    fn from(restrictions: WireRestrictions) -> Self {
        Self { ips: restrictions.ips, referrers: restrictions.referrers, apps: restrictions.apps }
    }
}
