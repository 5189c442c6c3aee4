//! Members: the people and machines that keys belong to, and their roles.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::Access;
use serde::Serialize;
use serde_json::{Value, json};

use super::edit::Edit;
use super::text::{Email, ExternalId, Name};
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
    /// The address; no other member of the workspace has it.
    pub email: Option<Email>,
    /// The name.
    pub name: Name,
    /// The role.
    pub role: Role,
    /// Whether it is the machine that keys belong to which name no member. It counts as no owner.
    pub is_default: bool,
    /// The teams the member is in, in the order of their identifiers.
    pub team_ids: Vec<TeamId>,
    /// What another system calls the member.
    pub external_id: Option<ExternalId>,
    /// When the member was added.
    pub created_at: UnixMillis,
    /// Counts the member's changes, from 1.
    pub version: u64,
}

/// A partial change of a member, every value judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberEdit {
    /// Another kind.
    pub kind: Option<MemberKind>,
    /// Another address.
    pub email: Edit<Email>,
    /// A new name.
    pub name: Option<Name>,
    /// Another role.
    pub role: Option<Role>,
    /// Other teams, replaced as a whole.
    pub team_ids: Option<Vec<TeamId>>,
    /// Another external id.
    pub external_id: Edit<ExternalId>,
}

impl Member {
    /// Changes what is named in `edit`.
    #[must_use]
    pub fn edit(self, edit: MemberEdit) -> Self {
        Self {
            kind: edit.kind.unwrap_or(self.kind),
            email: edit.email.apply(self.email),
            name: edit.name.unwrap_or(self.name),
            role: edit.role.unwrap_or(self.role),
            team_ids: edit.team_ids.unwrap_or(self.team_ids),
            external_id: edit.external_id.apply(self.external_id),
            ..self
        }
    }

    /// Whether the member is one of those of whom a workspace keeps at least one.
    pub fn is_owner(&self) -> bool {
        self.role == Role::Owner && !self.is_default
    }

    /// The fields that can change, for the audit log.
    pub fn facts(&self) -> Value {
        json!({
            "kind": self.kind,
            "email": self.email,
            "name": self.name,
            "role": self.role,
            "team_ids": self.team_ids,
            "external_id": self.external_id,
        })
    }
}

/// Which members a list holds: conditions that all must hold; one that is absent holds for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MemberFilter {
    /// This one.
    pub member: Option<MemberId>,
    /// Person or machine.
    pub kind: Option<MemberKind>,
    /// The role.
    pub role: Option<Role>,
    /// A team that they are in.
    pub team: Option<TeamId>,
    /// The address, in capitals or not.
    pub email: Option<String>,
    /// What another system calls them.
    pub external_id: Option<String>,
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
