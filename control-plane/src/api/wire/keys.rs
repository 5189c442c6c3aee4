//! Keys as JSON: what the verbs take, and a key as the contract words it.

use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::{Access, App};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::page::page;
use super::{instant, reasoned};
use crate::api::problem::Problem;
use crate::domain::api::Coverage;
use crate::domain::edit::Edit;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::{Environment, KeyStatus, Rotation};
use crate::domain::member::Role;
use crate::domain::restrictions::RestrictionsInput;
use crate::domain::text::ExternalId;
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::lifecycle::{
    ExtendTo, KeyFields, KeyListInput, KeyPatch, KeySource, KeyView, Page, Refusal,
};

/// The body of `POST …/keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// The name.
    pub name: String,
    /// Read-only or read-write.
    pub access: Access,
    /// Names of APIs, or `*` alone.
    pub apis: Vec<String>,
    /// What it is for.
    pub environment: Option<WireEnvironment>,
    /// The member it belongs to.
    pub member_id: Option<MemberId>,
    /// The team it belongs to.
    pub team_id: Option<TeamId>,
    /// From when it is refused.
    pub expires_at: Option<String>,
    /// After how many days a rotation is due.
    pub rotate_every_days: Option<u64>,
    /// From where it may be used.
    pub restrictions: Option<WireRestrictions>,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Whatever a client keeps with it.
    pub metadata: Option<Map<String, Value>>,
    /// SHA-256 of a key that exists already, as 64 hexadecimal digits or base64.
    pub sha256: Option<String>,
    /// Why, for the audit log.
    pub reason: Option<String>,
}

/// The body of `PATCH …/keys/{key}`: what is absent stays, `null` clears.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchKey {
    /// A new name.
    pub name: Option<String>,
    /// Another access.
    pub access: Option<Access>,
    /// Other APIs.
    pub apis: Option<Vec<String>>,
    /// Another team.
    #[serde(default, deserialize_with = "super::nullable")]
    pub team_id: Option<Option<TeamId>>,
    /// Another expiry.
    #[serde(default, deserialize_with = "super::nullable")]
    pub expires_at: Option<Option<String>>,
    /// Another reminder.
    #[serde(default, deserialize_with = "super::nullable")]
    pub rotate_every_days: Option<Option<u64>>,
    /// Other restrictions; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    pub restrictions: Option<Option<WireRestrictions>>,
    /// Another external id.
    #[serde(default, deserialize_with = "super::nullable")]
    pub external_id: Option<Option<String>>,
    /// Other metadata; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    pub metadata: Option<Option<Map<String, Value>>>,
    /// Why, for the audit log.
    pub reason: Option<String>,
}

/// The body of `POST …/rotate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// For how long the old secret stays; 0 ends every older secret at once.
    pub grace_seconds: u64,
    /// Why, for the audit log.
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
        let expires_at = self
            .expires_at
            .map(|text| instant("expires_at", &text))
            .transpose()?;
        let fields = KeyFields {
            name: self.name,
            access: self.access,
            apis: self.apis,
            environment: self.environment.map(Environment::from).unwrap_or_default(),
            member_id: self.member_id,
            team_id: self.team_id,
            expires_at,
            rotate_every_days: self.rotate_every_days,
            restrictions: self
                .restrictions
                .map(RestrictionsInput::from)
                .unwrap_or_default(),
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
            access: self.access,
            apis: self.apis,
            expires_at: Edit::from_nested(self.expires_at)
                .try_map(|text| instant("expires_at", &text))?,
            rotate_every_days: Edit::from_nested(self.rotate_every_days),
            restrictions: Edit::from_nested(
                self.restrictions
                    .map(|restrictions| restrictions.map(RestrictionsInput::from)),
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
            (None, None) => Err(Invalid::new(
                FIELD,
                Fault::Missing,
                "give this or `grace_seconds`",
            )),
            (Some(_), Some(_)) => Err(Invalid::new(
                "grace_seconds",
                Fault::Conflicting,
                "give this or `previous_valid_until`",
            )),
        }
    }
}

/// The query of `GET …/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyListQuery {
    limit: Option<String>,
    cursor: Option<String>,
    sort: Option<String>,
    status: Option<String>,
    name: Option<String>,
    member: Option<String>,
    team: Option<String>,
    access: Option<String>,
    api: Option<String>,
    environment: Option<String>,
    last_used_before: Option<String>,
    expires_before: Option<String>,
    rotation_due: Option<String>,
    external_id: Option<String>,
}

impl KeyListQuery {
    /// Filters and order, and which page of them, times and booleans read.
    pub fn into_input(self) -> Result<(KeyListInput, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        let at = |field: &'static str, text: Option<String>| {
            text.map(|text| instant(field, &text)).transpose()
        };
        let read = || {
            Ok(KeyListInput {
                status: self.status,
                name: self.name,
                member: self.member,
                team: self.team,
                access: self.access,
                api: self.api,
                environment: self.environment,
                last_used_before: at("last_used_before", self.last_used_before)?,
                expires_before: at("expires_before", self.expires_before)?,
                rotation_due: self.rotation_due.as_deref().map(rotation_due).transpose()?,
                external_id: self.external_id,
                sort: self.sort,
            })
        };
        let input = read().map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))?;
        Ok((input, page))
    }
}

fn rotation_due(text: &str) -> Result<bool, Invalid> {
    text.parse()
        .map_err(|_| Invalid::new("rotation_due", Fault::BadFormat, "must be true or false"))
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireRestrictions {
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default)]
    referrers: Vec<String>,
    #[serde(default)]
    apps: Vec<App>,
}

impl From<WireRestrictions> for RestrictionsInput {
    fn from(restrictions: WireRestrictions) -> Self {
        Self {
            ips: restrictions.ips,
            referrers: restrictions.referrers,
            apps: restrictions.apps,
        }
    }
}

/// A key as it is read. Every member is always there.
#[derive(Debug, Serialize)]
pub struct KeyBody<'a> {
    id: KeyId,
    workspace_id: WorkspaceId,
    name: &'a str,
    hint: Option<&'a str>,
    access: Access,
    apis: &'a [String],
    coverage: Coverage,
    environment: Environment,
    member: MemberBody<'a>,
    team_id: Option<TeamId>,
    status: KeyStatus,
    created_at: UnixMillis,
    expires_at: Option<UnixSeconds>,
    rotation_due_at: Option<UnixMillis>,
    last_used_at: Option<UnixMillis>,
    usage_known_until: Option<UnixMillis>,
    denied_since: Option<UnixMillis>,
    restrictions: RestrictionsBody<'a>,
    rotation: Option<RotationBody>,
    external_id: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    version: u64,
}

#[derive(Debug, Serialize)]
struct MemberBody<'a> {
    id: MemberId,
    name: &'a str,
    role: Role,
}

#[derive(Debug, Serialize)]
struct RestrictionsBody<'a> {
    ips: Vec<String>,
    referrers: &'a [String],
    apps: &'a [App],
}

#[derive(Debug, Serialize)]
struct RotationBody {
    previous_valid_until: UnixSeconds,
    previous_last_used_at: Option<UnixMillis>,
    safe_to_finish: bool,
    started_at: UnixMillis,
    paused: bool,
}

impl<'a> From<&'a KeyView> for KeyBody<'a> {
    fn from(view: &'a KeyView) -> Self {
        let key = &view.key;
        Self {
            id: key.id,
            workspace_id: key.workspace_id,
            name: key.name.as_str(),
            hint: key.hint.as_deref(),
            access: key.access,
            apis: &view.apis,
            coverage: view.coverage,
            environment: key.environment,
            member: MemberBody {
                id: view.member.id,
                name: view.member.name.as_str(),
                role: view.member.role,
            },
            team_id: key.team_id,
            status: view.status,
            created_at: key.created_at,
            expires_at: key.expires_at,
            rotation_due_at: view.rotation_due_at,
            last_used_at: key.last_used_at,
            // Nobody reports usage yet, so nothing is known up to any time.
            usage_known_until: None,
            denied_since: None,
            restrictions: RestrictionsBody {
                ips: key
                    .restrictions
                    .ips
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                referrers: &key.restrictions.referrers,
                apps: &key.restrictions.apps,
            },
            rotation: view.rotation.as_ref().map(RotationBody::from),
            external_id: key.external_id.as_ref().map(ExternalId::as_str),
            metadata: key.metadata.as_map(),
            version: key.version,
        }
    }
}

impl From<&Rotation> for RotationBody {
    fn from(rotation: &Rotation) -> Self {
        Self {
            previous_valid_until: rotation.previous_valid_until,
            previous_last_used_at: None,
            // Without usage nobody can say that the old secret is missed by no one.
            safe_to_finish: false,
            started_at: rotation.started_at,
            paused: rotation.paused,
        }
    }
}
