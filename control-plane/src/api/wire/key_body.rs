//! A key as the contract words it.

use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::{Access, App};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::api::Coverage;
use crate::domain::key::{Environment, KeyStatus, Rotation};
use crate::domain::member::Role;
use crate::domain::text::ExternalId;
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::lifecycle::KeyView;

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
            member: MemberBody { id: view.member.id, name: view.member.name.as_str(), role: view.member.role },
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
