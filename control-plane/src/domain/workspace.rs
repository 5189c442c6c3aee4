//! Workspaces: the tenants that keys belong to.

use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;
use serde::Serialize;
use serde_json::{Value, json};

use super::text::{ExternalId, Metadata, Name, Slug};
use super::time::UnixMillis;

/// Whether a workspace's keys are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceStatus {
    /// They are, each by its own state.
    Active,
    /// None is.
    Suspended,
}

/// Whether a secret can be shown again after it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// Never again.
    Once,
    /// Yes: it is kept sealed.
    Sealed,
}

impl WorkspaceStatus {
    /// The status as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.as_str() == text)
    }
}

impl Reveal {
    /// The policy as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Sealed => "sealed",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Once, Self::Sealed].into_iter().find(|reveal| reveal.as_str() == text)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The workspace's identifier.
    pub id: WorkspaceId,
    /// The name, for people.
    pub name: Name,
    /// The short name, for credentials; unique in the deployment.
    pub slug: Slug,
    /// Whether its keys are accepted.
    pub status: WorkspaceStatus,
    /// The most that a key of a staff member may do.
    pub staff_max_access: Access,
    /// Whether secrets can be shown again.
    pub reveal: Reveal,
    /// The most keys that are neither archived nor deleted; none is no limit.
    pub max_keys: Option<u32>,
    /// What another system calls it.
    pub external_id: Option<ExternalId>,
    /// Whatever a client keeps with it.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Counts the workspace's changes, from 1.
    pub version: u64,
}

impl Workspace {
    /// The fields that can change, for the audit log.
    pub fn facts(&self) -> Value {
        json!({
            "name": self.name,
            "slug": self.slug,
            "status": self.status,
            "staff_max_access": self.staff_max_access,
            "reveal": self.reveal,
            "max_keys": self.max_keys,
            "external_id": self.external_id,
            "metadata": self.metadata,
        })
    }
}
