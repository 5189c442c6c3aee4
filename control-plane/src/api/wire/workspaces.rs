//! Workspaces as JSON.

use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{reasoned, schema};
use crate::domain::edit::Edit;
use crate::domain::text::ExternalId;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::{Reveal, Workspace, WorkspaceStatus};
use crate::lifecycle::{CreateWorkspace as Create, WorkspaceFields};

/// The body of `POST /v1/workspaces`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    /// The name.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// The short name; made from the name when absent.
    #[schema(value_type = Option<schema::Slug>)]
    pub slug: Option<String>,
    /// The most that a key of a staff member may do.
    #[schema(value_type = Option<schema::Access>)]
    pub staff_max_access: Option<Access>,
    /// Whether secrets can be shown again.
    #[schema(value_type = Option<Reveal>)]
    pub reveal: Option<WireReveal>,
    /// The most keys; `null` is no limit.
    #[schema(value_type = Option<schema::MaxKeys>)]
    pub max_keys: Option<u64>,
    /// What another system calls it.
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<String>,
    /// Whatever a client keeps with it.
    #[schema(value_type = Option<schema::Metadata>)]
    pub metadata: Option<Map<String, Value>>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// The body of `PATCH /v1/workspaces/{ws}`: what is absent stays, `null` clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchWorkspace {
    /// A new name.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Name)]
    pub name: Option<String>,
    /// A new short name.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Slug)]
    pub slug: Option<String>,
    /// Whether its keys are accepted.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = WorkspaceStatus)]
    pub status: Option<WireStatus>,
    /// The most that a key of a staff member may do.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = schema::Access)]
    pub staff_max_access: Option<Access>,
    /// Whether secrets can be shown again.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = Reveal)]
    pub reveal: Option<WireReveal>,
    /// The most keys.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::MaxKeys>)]
    pub max_keys: Option<Option<u64>>,
    /// What another system calls it.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::ExternalId>)]
    pub external_id: Option<Option<String>>,
    /// Whatever a client keeps with it; replaced as a whole.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<schema::Metadata>)]
    pub metadata: Option<Option<Map<String, Value>>>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(CreateWorkspace, PatchWorkspace);

impl From<CreateWorkspace> for Create {
    fn from(body: CreateWorkspace) -> Self {
        Self {
            name: body.name,
            slug: body.slug,
            staff_max_access: body.staff_max_access,
            reveal: body.reveal.map(Reveal::from),
            max_keys: body.max_keys,
            external_id: body.external_id,
            metadata: body.metadata.unwrap_or_default(),
        }
    }
}

impl From<PatchWorkspace> for WorkspaceFields {
    fn from(body: PatchWorkspace) -> Self {
        Self {
            name: body.name,
            slug: body.slug,
            status: body.status.map(WorkspaceStatus::from),
            staff_max_access: body.staff_max_access,
            reveal: body.reveal.map(Reveal::from),
            max_keys: Edit::from_nested(body.max_keys),
            external_id: Edit::from_nested(body.external_id),
            metadata: Edit::from_nested(body.metadata),
        }
    }
}

/// `status` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireStatus {
    /// Its keys are accepted.
    Active,
    /// None is.
    Suspended,
}

impl From<WireStatus> for WorkspaceStatus {
    fn from(status: WireStatus) -> Self {
        match status {
            WireStatus::Active => Self::Active,
            WireStatus::Suspended => Self::Suspended,
        }
    }
}

/// `reveal` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireReveal {
    /// Shown once.
    Once,
    /// Kept sealed.
    Sealed,
}

impl From<WireReveal> for Reveal {
    fn from(reveal: WireReveal) -> Self {
        match reveal {
            WireReveal::Once => Self::Once,
            WireReveal::Sealed => Self::Sealed,
        }
    }
}

/// A workspace as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceBody<'a> {
    #[schema(value_type = schema::WorkspaceId)]
    id: WorkspaceId,
    name: &'a str,
    slug: &'a str,
    status: WorkspaceStatus,
    #[schema(value_type = schema::Access)]
    staff_max_access: Access,
    reveal: Reveal,
    #[schema(required)]
    max_keys: Option<u32>,
    #[schema(required)]
    external_id: Option<&'a str>,
    #[schema(value_type = schema::Metadata)]
    metadata: &'a Map<String, Value>,
    created_at: UnixMillis,
    version: u64,
}

impl<'a> From<&'a Workspace> for WorkspaceBody<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        Self {
            id: workspace.id,
            name: workspace.name.as_str(),
            slug: workspace.slug.as_str(),
            status: workspace.status,
            staff_max_access: workspace.staff_max_access,
            reveal: workspace.reveal,
            max_keys: workspace.max_keys,
            external_id: workspace.external_id.as_ref().map(ExternalId::as_str),
            metadata: workspace.metadata.as_map(),
            created_at: workspace.created_at,
            version: workspace.version,
        }
    }
}
