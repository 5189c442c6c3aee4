//! A member's tokens that can be used, without their texts.

use keyward_shared::id::{MemberId, TokenId, WorkspaceId};

use super::cursor::{ListTag, Position};
use super::refusal::Missing;
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::key::query::SortValue;
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::domain::token::Token;
use crate::store::TokenPosition;

impl Lifecycle {
    /// One page of the member's tokens, newest first.
    pub async fn list_tokens(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        member: MemberId,
        page: &Page,
        now: UnixMillis,
    ) -> Result<Listed<Token>, Refusal> {
        self.admit_to_tokens(actor, workspace, member).await?;
        let limit = page.limit()?;
        let tag = ListTag::new("tokens", &member)?;
        let after = match page.position(&tag)? {
            Some(Position { value: SortValue::Millis(millis), id }) => {
                Some(TokenPosition { created_at: UnixMillis::from_millis(millis), id: TokenId::from_u64(id) })
            }
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        let tokens = self.store.tokens(member, now, after, limit + 1).await?;
        Listed::new(tokens, limit, &tag, |token| Position {
            value: SortValue::Millis(token.created_at.as_millis()),
            id: token.id.as_u64(),
        })
    }

    /// One of the member's tokens.
    pub async fn get_token(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        member: MemberId,
        token: TokenId,
        now: UnixMillis,
    ) -> Result<Token, Refusal> {
        self.admit_to_tokens(actor, workspace, member).await?;
        let token = self.store.token(token).await?;
        let token = token.filter(|token| token.member == Some(member) && token.usable_at(now));
        token.ok_or(Refusal::NotFound(Missing::Token))
    }

    async fn admit_to_tokens(&self, actor: &Actor, workspace: WorkspaceId, member: MemberId) -> Result<(), Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::Member(workspace, member, Permission::TokenRead))?;
        let standing = self.store.standing(member).await?.filter(|member| member.workspace_id == workspace);
        let standing = standing.ok_or(Refusal::NotFound(Missing::Member))?;
        rights.tokens_of(member, standing.role)
    }
}
