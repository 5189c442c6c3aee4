//! Create an operator's token. Its text is shown once; only its hash is kept.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_shared::id::{TokenId, WorkspaceId};
use zeroize::Zeroizing;

use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::permission::Permission;
use crate::domain::scope::Scopes;
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::domain::token::{TOKEN_PREFIX, Token, TokenHash};
use crate::store::Tx;

/// Creates an operator's token. Fields are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// The name.
    pub name: String,
    /// From when it is refused.
    pub expires_at: Option<UnixMillis>,
}

/// A token that was created. It does not print.
pub struct CreatedToken {
    /// The token as it is kept.
    pub token: Token,
    /// Its text.
    pub text: Zeroizing<String>,
}

#[async_trait]
impl Verb for CreateToken {
    type Answer = CreatedToken;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::OperatorManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(CreatedToken, Change), Refusal> {
        check_expiry(self.expires_at, call.context.now)?;
        let name = Name::parse("name", &self.name)?;
        let text = draw(call);
        let token = operator_token(call, name, self.expires_at);
        insert(tx, &token, &TokenHash::of(&text)).await?;
        let change = Change::new(tx.generation(), created(call, &token));
        Ok((CreatedToken { token, text }, change))
    }
}

/// An operator's token made now.
pub(super) fn operator_token(call: Call<'_>, name: Name, expires_at: Option<UnixMillis>) -> Token {
    Token {
        id: TokenId::from_random(call.context.entropy.ids[0]),
        member: None,
        name,
        scopes: Scopes::all(),
        made_by: None,
        created_at: call.context.now,
        expires_at,
        revoked_at: None,
    }
}

/// A token's text, from the call's random bytes.
pub(super) fn draw(call: Call<'_>) -> Zeroizing<String> {
    let (random, _) = call.context.entropy.secret.split_at(32);
    let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(random));
    Zeroizing::new([TOKEN_PREFIX, &*body].concat())
}

/// Refuses an expiry that has passed.
pub(super) fn check_expiry(expires_at: Option<UnixMillis>, now: UnixMillis) -> Result<(), Invalid> {
    match expires_at {
        Some(at) if at <= now => Err(Invalid::new("expires_at", Fault::InThePast, format!("must be after {now}"))),
        _ => Ok(()),
    }
}

/// Adds a token that nobody has yet.
pub(super) async fn insert(tx: &mut dyn Tx, token: &Token, hash: &TokenHash) -> Result<(), Refusal> {
    if tx.token_by_hash(hash).await?.is_some() {
        return Err(Refusal::TokenExists);
    }
    Ok(tx.insert_token(token, hash).await?)
}

/// That a token was made.
pub(super) fn created(call: Call<'_>, token: &Token) -> AuditEvent {
    event(call, token, Action::Create, Details::new("create", None, Some(&token.facts())))
}

/// That a token was revoked.
pub(super) fn revoked(call: Call<'_>, token: &Token) -> AuditEvent {
    event(call, token, Action::Delete, revocation(token))
}

/// That each of a workspace's tokens was revoked, because of another operation.
pub(super) fn revoked_because<'a>(
    call: Call<'a>,
    workspace: WorkspaceId,
    tokens: &'a [Token],
    operation: &'a str,
) -> impl Iterator<Item = AuditEvent> + 'a {
    tokens.iter().map(move |token| {
        let details = revocation(token).with("because", operation);
        AuditEvent { workspace_id: Some(workspace), ..event(call, token, Action::Delete, details) }
    })
}

fn revocation(token: &Token) -> Details {
    Details::new("revoke", Some(&token.facts()), None)
}

fn event(call: Call<'_>, token: &Token, action: Action, details: Details) -> AuditEvent {
    let target = Target { id: token.id.to_string(), name: token.name.as_str().to_owned() };
    call.context.event(action, Entity::Tokens, target, details)
}
