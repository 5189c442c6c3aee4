//! What is asked of a database about members and teams.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};

use super::{StoreError, StoredKey};
use crate::domain::member::{Member, MemberFilter, MemberStanding};
use crate::domain::team::{Team, TeamFilter};
use crate::domain::text::{Email, Name};
use crate::domain::time::UnixMillis;

/// A place in a list of members or teams, newest first: behind the one made then with this identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeoplePosition<Id> {
    /// When it was made.
    pub created_at: UnixMillis,
    /// Its identifier.
    pub id: Id,
}

/// One page of a workspace's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberQuery {
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// Which members.
    pub filter: MemberFilter,
    /// From where on.
    pub after: Option<PeoplePosition<MemberId>>,
    /// How many.
    pub limit: u16,
}

/// One page of a workspace's teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamQuery {
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// Which teams.
    pub filter: TeamFilter,
    /// From where on.
    pub after: Option<PeoplePosition<TeamId>>,
    /// How many.
    pub limit: u16,
}

/// A key that was left without its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedKey {
    /// The key's identifier.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
}

/// Who and what was left without a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its members.
    pub members: Vec<MemberId>,
    /// Its keys, in the order of their identifiers.
    pub keys: Vec<ReleasedKey>,
}

/// Members and teams, read.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// What a member's rights rest on, of members and workspaces that are not deleted.
    async fn standing(&self, member: MemberId) -> Result<Option<MemberStanding>, StoreError>;

    /// A member of that workspace.
    async fn member(&self, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>, StoreError>;

    /// One page of a workspace's members, newest first.
    async fn members(&self, query: &MemberQuery) -> Result<Vec<Member>, StoreError>;

    /// A team of that workspace.
    async fn team(&self, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>, StoreError>;

    /// One page of a workspace's teams, newest first.
    async fn teams(&self, query: &TeamQuery) -> Result<Vec<Team>, StoreError>;
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

    /// Replaces a member.
    async fn update_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// Removes a member, who is in no team from then on. Keys and tokens are left as they are.
    async fn remove_member(&mut self, id: MemberId, at: UnixMillis) -> Result<(), StoreError>;

    /// Whether the workspace has an owner other than this member and its default member.
    async fn has_other_owner(&mut self, workspace: WorkspaceId, than: MemberId) -> Result<bool, StoreError>;

    /// Whether a member of the workspace other than `except` has the address, in capitals or not.
    async fn email_taken(
        &mut self,
        workspace: WorkspaceId,
        email: &Email,
        except: Option<MemberId>,
    ) -> Result<bool, StoreError>;

    /// The keys of a member from this one on, in an order that stays; archived ones too, if asked for,
    /// and never deleted ones.
    async fn keys_of_member(
        &mut self,
        member: MemberId,
        after: Option<KeyId>,
        with_archived: bool,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Deletes these keys, none of which is deleted yet, and ends their secrets.
    async fn delete_keys(&mut self, keys: &[KeyId], at: UnixMillis) -> Result<(), StoreError>;

    /// Whether the workspace has such a team.
    async fn team_exists(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<bool, StoreError>;

    /// Which of these are teams of the workspace, in no order.
    async fn teams_among(&mut self, workspace: WorkspaceId, ids: &[TeamId]) -> Result<Vec<TeamId>, StoreError>;

    /// A team of that workspace.
    async fn team(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>, StoreError>;

    /// Whether a team of the workspace other than `except` has the name.
    async fn team_name_taken(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        except: Option<TeamId>,
    ) -> Result<bool, StoreError>;

    /// Adds a team.
    async fn insert_team(&mut self, team: &Team) -> Result<(), StoreError>;

    /// Replaces a team.
    async fn update_team(&mut self, team: &Team) -> Result<(), StoreError>;

    /// Deletes a team: its members leave it, its keys belong to none from then on.
    async fn delete_team(&mut self, id: TeamId, at: UnixMillis) -> Result<Released, StoreError>;
}
