//! Members and teams.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};

use super::tx::SqliteTx;
use super::{SqliteStore, member, offboarding, team};
use crate::domain::member::{Member, MemberStanding};
use crate::domain::team::Team;
use crate::domain::text::{Email, Name};
use crate::domain::time::UnixMillis;
use crate::store::people::Released;
use crate::store::{MemberQuery, PeopleStore, PeopleTx, StoreError, StoredKey, TeamQuery};

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn standing(&self, member: MemberId) -> Result<Option<MemberStanding>, StoreError> {
        member::standing(&mut *self.reader().await?, member).await
    }

    async fn member(&self, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>, StoreError> {
        member::by_id(&mut *self.reader().await?, workspace, id).await
    }

    async fn members(&self, query: &MemberQuery) -> Result<Vec<Member>, StoreError> {
        member::page(&mut *self.reader().await?, query).await
    }

    async fn team(&self, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>, StoreError> {
        team::by_id(&mut *self.reader().await?, workspace, id).await
    }

    async fn teams(&self, query: &TeamQuery) -> Result<Vec<Team>, StoreError> {
        team::page(&mut *self.reader().await?, query).await
    }
}

#[async_trait]
impl PeopleTx for SqliteTx {
    async fn standing(&mut self, member: MemberId) -> Result<Option<MemberStanding>, StoreError> {
        member::standing(self.conn()?, member).await
    }

    async fn member(&mut self, workspace: WorkspaceId, id: MemberId) -> Result<Option<Member>, StoreError> {
        member::by_id(self.conn()?, workspace, id).await
    }

    async fn default_member(&mut self, workspace: WorkspaceId) -> Result<Option<Member>, StoreError> {
        member::default(self.conn()?, workspace).await
    }

    async fn insert_member(&mut self, member: &Member) -> Result<(), StoreError> {
        member::insert(self.conn()?, member).await
    }

    async fn update_member(&mut self, member: &Member) -> Result<(), StoreError> {
        member::update(self.conn()?, member).await
    }

    async fn remove_member(&mut self, id: MemberId, at: UnixMillis) -> Result<(), StoreError> {
        offboarding::remove_member(self.conn()?, id, at).await
    }

    async fn has_other_owner(&mut self, workspace: WorkspaceId, than: MemberId) -> Result<bool, StoreError> {
        member::has_other_owner(self.conn()?, workspace, than).await
    }

    async fn email_taken(
        &mut self,
        workspace: WorkspaceId,
        email: &Email,
        except: Option<MemberId>,
    ) -> Result<bool, StoreError> {
        member::email_taken(self.conn()?, workspace, email, except).await
    }

    async fn keys_of_member(
        &mut self,
        member: MemberId,
        after: Option<KeyId>,
        with_archived: bool,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError> {
        offboarding::keys_of_member(self.conn()?, member, after, with_archived, limit).await
    }

    async fn delete_keys(&mut self, keys: &[KeyId], at: UnixMillis) -> Result<(), StoreError> {
        offboarding::delete_keys(self.conn()?, keys, at).await
    }

    async fn team_exists(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<bool, StoreError> {
        team::exists(self.conn()?, workspace, id).await
    }

    async fn teams_among(&mut self, workspace: WorkspaceId, ids: &[TeamId]) -> Result<Vec<TeamId>, StoreError> {
        team::among(self.conn()?, workspace, ids).await
    }

    async fn team(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<Option<Team>, StoreError> {
        team::by_id(self.conn()?, workspace, id).await
    }

    async fn team_name_taken(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        except: Option<TeamId>,
    ) -> Result<bool, StoreError> {
        team::name_taken(self.conn()?, workspace, name, except).await
    }

    async fn insert_team(&mut self, team: &Team) -> Result<(), StoreError> {
        team::insert(self.conn()?, team).await
    }

    async fn update_team(&mut self, team: &Team) -> Result<(), StoreError> {
        team::update(self.conn()?, team).await
    }

    async fn delete_team(&mut self, id: TeamId, at: UnixMillis) -> Result<Released, StoreError> {
        team::delete(self.conn()?, id, at).await
    }
}
