//! Who does something: the principal behind a mutation, as the audit log names it.

use std::net::IpAddr;

use keyward_shared::id::{MemberId, TeamId, TokenId};
use serde::Serialize;

use super::member::MemberStanding;
use super::scope::Scopes;
use super::token::Token;

/// What kind of principal acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The holder of an operator's token, who may do everything in the deployment.
    Operator,
    /// A member of a workspace.
    Member,
    /// Keyward's own commands, run by whoever has the machine.
    System,
}

impl ActorKind {
    /// The kind as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Member => "member",
            Self::System => "system",
        }
    }
}

/// Who does something, from where, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What kind of principal acts.
    pub kind: ActorKind,
    /// The token that authenticated it; none for [`ActorKind::System`].
    pub token: Option<TokenId>,
    /// The member that acts, for [`ActorKind::Member`].
    pub member: Option<MemberId>,
    /// The principal's name at the time.
    pub name: String,
    /// The address the request came from.
    pub ip: Option<IpAddr>,
    /// The member for whom an operator's token acts.
    pub on_behalf_of: Option<MemberId>,
    /// The teams of the member that acts or is acted for.
    pub team_ids: Vec<TeamId>,
    /// What its token is narrowed to.
    pub scopes: Scopes,
    /// The request, as its answer named it.
    pub request_id: String,
}

impl Actor {
    /// One of Keyward's own commands.
    pub fn system(command: &str) -> Self {
        Self {
            kind: ActorKind::System,
            token: None,
            member: None,
            name: command.to_owned(),
            ip: None,
            on_behalf_of: None,
            team_ids: Vec::new(),
            scopes: Scopes::all(),
            request_id: String::new(),
        }
    }

    /// Whoever holds `token`, an operator's, asking from `ip` with the request `request_id`.
    pub fn of_operator(token: &Token, ip: Option<IpAddr>, request_id: String) -> Self {
        Self {
            kind: ActorKind::Operator,
            token: Some(token.id),
            // None, or nobody has a right by it.
            member: token.member,
            name: token.name.as_str().to_owned(),
            ip,
            on_behalf_of: None,
            team_ids: Vec::new(),
            scopes: token.scopes.clone(),
            request_id,
        }
    }

    /// The same operator, acting for a member and with that member's rights.
    #[must_use]
    pub fn acting_for(self, member: &MemberStanding) -> Self {
        Self { on_behalf_of: Some(member.id), team_ids: member.team_ids.clone(), ..self }
    }

    /// The member whose token it is.
    pub fn of_member(token: &Token, member: &MemberStanding, ip: Option<IpAddr>, request_id: String) -> Self {
        Self {
            kind: ActorKind::Member,
            token: Some(token.id),
            member: Some(member.id),
            name: member.name.clone(),
            ip,
            on_behalf_of: None,
            team_ids: member.team_ids.clone(),
            scopes: token.scopes.clone(),
            request_id,
        }
    }

    /// The principal's identifier as text: the member's, else the token's.
    pub fn id(&self) -> Option<String> {
        self.member.map(|member| member.to_string()).or_else(|| self.token.map(|token| token.to_string()))
    }
}
