//! Create a token that acts as a member. Its text is shown once; only its hash is kept.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId, WorkspaceId};

use super::create_token::{check_expiry, created, draw, insert};
use super::refusal::{Missing, TokenRefusal};
use super::{Call, CreatedToken, Needs, Refusal, Shown, Verb};
use crate::domain::audit::AuditEvent;
use crate::domain::change::Change;
use crate::domain::limits::TOKENS_OF_MEMBER;
use crate::domain::member::Member;
use crate::domain::permission::Permission;
use crate::domain::scope::Scopes;
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::domain::token::{Token, TokenHash};
use crate::store::Tx;

/// Creates a member's token. Fields are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateMemberToken {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// As whom it acts.
    pub member: MemberId,
    /// The name.
    pub name: String,
    /// What it is narrowed to; nothing narrows nothing.
    pub scopes: Vec<String>,
    /// From when it is refused.
    pub expires_at: Option<UnixMillis>,
}

#[async_trait]
impl Verb for CreateMemberToken {
    type Answer = CreatedToken;

    fn needs(&self) -> Needs {
        Needs::Member(self.workspace, self.member, Permission::TokenManage)
    }

    fn shows(created: &CreatedToken) -> Option<Shown> {
        created.token.member.map(Shown::TokenOf)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(CreatedToken, Change), Refusal> {
        let now = call.context.now;
        let member = holder(tx, call, self.workspace, self.member).await?;
        call.context.check_absent()?;
        check_expiry(self.expires_at, now)?;
        let acting = match call.context.actor.token {
            Some(id) => tx.token(id).await?,
            None => None,
        };
        let token = Token {
            id: TokenId::from_random(call.context.entropy.ids[0]),
            member: Some(member.id),
            name: Name::parse("name", &self.name)?,
            scopes: Scopes::parse("scopes", &self.scopes)?,
            made_by: maker(call, acting.as_ref()),
            created_at: now,
            expires_at: self.expires_at,
            revoked_at: None,
        };
        check_width(call, acting.as_ref(), &token)?;
        if tx.usable_tokens(member.id, now).await? >= u64::from(TOKENS_OF_MEMBER) {
            return Err(TokenRefusal::Limit { max: TOKENS_OF_MEMBER }.into());
        }
        let text = draw(call);
        insert(tx, &token, &TokenHash::of(&text)).await?;
        let event = AuditEvent { workspace_id: Some(self.workspace), ..created(call, &token) };
        Ok((CreatedToken { token, text }, Change::new(tx.generation(), event)))
    }
}

/// The member whose tokens they are, if whoever acts may have to do with them.
pub(super) async fn holder(
    tx: &mut dyn Tx,
    call: Call<'_>,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Member, Refusal> {
    let member = tx.member(workspace, member).await?.ok_or(Refusal::NotFound(Missing::Member))?;
    call.rights.tokens_of(member.id, member.role)?;
    Ok(member)
}

/// Who may know the text of a token that is made now: whoever made the token that acts, and else the
/// member as whom it acts. So what is made with a token ends with it.
fn maker(call: Call<'_>, acting: Option<&Token>) -> Option<MemberId> {
    acting.and_then(|acting| acting.made_by).or(call.rights.member())
}

/// Refuses a token that would do more, or last longer, than the one that makes it: to have a narrow
/// one, or one that ends, would mean nothing.
fn check_width(call: Call<'_>, acting: Option<&Token>, token: &Token) -> Result<(), Refusal> {
    let end = acting.and_then(|acting| acting.expires_at);
    let outlives = end.is_some_and(|end| token.expires_at.is_none_or(|at| at > end));
    if outlives || !call.rights.scopes().include(&token.scopes) {
        return Err(TokenRefusal::Wider.into());
    }
    Ok(())
}
