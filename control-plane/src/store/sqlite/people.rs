//! Members and teams.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TeamId, WorkspaceId};

use super::tx::SqliteTx;
use super::{SqliteStore, member, team};
use crate::domain::member::{Member, MemberStanding};
use crate::store::{PeopleStore, PeopleTx, StoreError};

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn standing(&self, member: MemberId) -> Result<Option<MemberStanding>, StoreError> {
        member::standing(&mut *self.reader().await?, member).await
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

    async fn team_exists(&mut self, workspace: WorkspaceId, id: TeamId) -> Result<bool, StoreError> {
        team::exists(self.conn()?, workspace, id).await
    }
}
