//! A key as the contract words it.

use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::{Access, App};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schema;
use crate::domain::api::Coverage;
use crate::domain::key::{Environment, KeyStatus};
use crate::domain::member::Role;
use crate::domain::text::ExternalId;
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::lifecycle::{KeyView, RotationView};

/// A key as it is read. Every member is always there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyBody<'a> {
    #[schema(value_type = schema::KeyId)]
    id: KeyId,
    #[schema(value_type = schema::WorkspaceId)]
    workspace_id: WorkspaceId,
    name: &'a str,
    #[schema(required)]
    hint: Option<&'a str>,
    #[schema(value_type = schema::Access)]
    access: Access,
    #[schema(value_type = schema::GrantedApis)]
    apis: &'a [String],
    coverage: Coverage,
    environment: Environment,
    member: MemberBody<'a>,
    #[schema(value_type = Option<schema::TeamId>, required)]
    team_id: Option<TeamId>,
    status: KeyStatus,
    created_at: UnixMillis,
    #[schema(required)]
    expires_at: Option<UnixSeconds>,
    #[schema(required)]
    rotation_due_at: Option<UnixMillis>,
    #[schema(required)]
    last_used_at: Option<UnixMillis>,
    /// Up to when every live edge has told what it counted. What was lost before it was told shows in
    /// `usage_complete` of a bulk change, and as `safe_to_finish` of `null`.
    #[schema(required)]
    usage_known_until: Option<UnixMillis>,
    #[schema(required)]
    denied_since: Option<UnixMillis>,
    restrictions: RestrictionsBody<'a>,
    #[schema(required)]
    rotation: Option<RotationBody>,
    #[schema(required)]
    external_id: Option<&'a str>,
    #[schema(value_type = schema::Metadata)]
    metadata: &'a Map<String, Value>,
    version: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyMember)]
struct MemberBody<'a> {
    #[schema(value_type = schema::MemberId)]
    id: MemberId,
    name: &'a str,
    role: Role,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Restrictions)]
struct RestrictionsBody<'a> {
    #[schema(value_type = schema::IpRanges)]
    ips: Vec<String>,
    #[schema(value_type = schema::Referrers)]
    referrers: &'a [String],
    #[schema(value_type = schema::Apps)]
    apps: &'a [App],
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rotation)]
struct RotationBody {
    previous_valid_until: UnixSeconds,
    #[schema(required)]
    previous_last_used_at: Option<UnixMillis>,
    #[schema(required)]
    safe_to_finish: Option<bool>,
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
            member: MemberBody { id: view.member.id, name: view.member.name.as_str(), role: view.member.role },
            team_id: key.team_id,
            status: view.status,
            created_at: key.created_at,
            expires_at: key.expires_at,
            rotation_due_at: view.rotation_due_at,
            last_used_at: key.last_used_at,
            usage_known_until: view.usage_known_until,
            denied_since: view.denied_since,
            restrictions: RestrictionsBody {
                ips: key.restrictions.ips.iter().map(ToString::to_string).collect(),
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

impl From<&RotationView> for RotationBody {
    fn from(running: &RotationView) -> Self {
        Self {
            previous_valid_until: running.rotation.previous_valid_until,
            previous_last_used_at: running.previous_last_used_at,
            safe_to_finish: running.safe_to_finish,
            started_at: running.rotation.started_at,
            paused: running.rotation.paused,
        }
    }
}
