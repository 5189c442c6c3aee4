//! What is asked of a database about members and teams.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TeamId, WorkspaceId};

use super::StoreError;
use crate::domain::member::{Member, MemberStanding};

/// Members and teams, read.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// What a member's rights rest on, of members and workspaces that are not deleted.
    async fn standing(&self, member: MemberId) -> Result<Option<MemberStanding>, StoreError>;
}

/// Members and teams, within a transaction.
#[async_trait]
pub trait PeopleTx: Send {
    /// What a member's rights rest on, of members and workspaces that are not deleted.
    async fn standing(&mut self, member: MemberId) -> Result<Option<MemberStanding>, StoreError>;

    /// A member of that workspace.
    async fn member(&mut self, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>, StoreError>;

    /// The member that keys belong to which name none.
    async fn default_member(&mut self, workspace: WorkspaceId) -> Result<Option<Member>, StoreError>;

    /// Adds a member.
    async fn insert_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// Whether the workspace has such a team.
    async fn team_exists(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<bool, StoreError>;
}
