//! Members' tokens as JSON.

use keyward_shared::id::{MemberId, TokenId, WorkspaceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{instant, reasoned, schema};
use crate::domain::invalid::Invalid;
use crate::domain::time::UnixMillis;
use crate::domain::token::Token;
use crate::lifecycle::CreateMemberToken;

/// The body of `POST …/tokens`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// The name.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// What it is narrowed to; all of the member's rights when absent or empty.
    #[schema(value_type = Option<schema::Scopes>)]
    pub scopes: Option<Vec<String>>,
    /// From when it is refused.
    #[schema(value_type = Option<schema::Deadline>)]
    pub expires_at: Option<String>,
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

reasoned!(CreateToken);

impl CreateToken {
    /// The verb, times read.
    pub fn into_verb(self, workspace: WorkspaceId, member: MemberId) -> Result<CreateMemberToken, Invalid> {
        let expires_at = self.expires_at.map(|text| instant("expires_at", &text)).transpose()?;
        Ok(CreateMemberToken {
            workspace,
            member,
            name: self.name,
            scopes: self.scopes.unwrap_or_default(),
            expires_at,
        })
    }
}

/// A token as it is read, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenBody<'a> {
    #[schema(value_type = schema::TokenId)]
    id: TokenId,
    name: &'a str,
    scopes: &'a [String],
    created_at: UnixMillis,
    #[schema(required)]
    expires_at: Option<UnixMillis>,
}

impl<'a> From<&'a Token> for TokenBody<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            id: token.id,
            name: token.name.as_str(),
            scopes: token.scopes.words(),
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}
