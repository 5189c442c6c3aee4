//! Members: the people and machines that keys belong to, and their roles.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::Access;
use serde::Serialize;

use super::text::{ExternalId, Name};
use super::time::UnixMillis;

/// What kind of member it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// Somebody who signs in.
    Person,
    /// A service, or the workspace itself.
    Machine,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, and the last one stays.
    Owner,
    /// Everything but owners.
    Admin,
    /// Their own keys, as the workspace allows.
    Staff,
    /// Their own keys, read-only ones.
    ReadOnly,
    /// No keys.
    Lite,
}

impl MemberKind {
    /// The kind as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Machine => "machine",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Person, Self::Machine].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Role {
    /// Every role, highest first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Staff, Self::ReadOnly, Self::Lite];

    /// The role as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Staff => "staff",
            Self::ReadOnly => "read-only",
            Self::Lite => "lite",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A member of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's identifier.
    pub id: MemberId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Person or machine.
    pub kind: MemberKind,
    /// A person's address.
    pub email: Option<String>,
    /// The name.
    pub name: Name,
    /// The role.
    pub role: Role,
    /// What another system calls the member.
    pub external_id: Option<ExternalId>,
    /// When the member was added.
    pub created_at: UnixMillis,
    /// Counts the member's changes, from 1.
    pub version: u64,
}

/// Name of the machine member that every workspace is made with; keys that name no member are its.
pub const DEFAULT_MEMBER_NAME: &str = "default";

/// What an answer says of the member that a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSummary {
    /// The member's identifier.
    pub id: MemberId,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
}

impl From<&Member> for MemberSummary {
    fn from(member: &Member) -> Self {
        Self { id: member.id, name: member.name.as_str().to_owned(), role: member.role }
    }
}

/// What a member's rights rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStanding {
    /// The member's identifier.
    pub id: MemberId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The teams the member is in.
    pub team_ids: Vec<TeamId>,
    /// The most that a key of the workspace's staff may do.
    pub staff_max_access: Access,
}
