//! Register an operator's token that was made elsewhere: the one that set-up writes to a file.

use async_trait::async_trait;

use super::create_token::{created, insert, operator_token};
use super::{Call, Context, Lifecycle, Needs, Refusal, Verb};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::domain::text::Name;
use crate::domain::token::{Token, TokenHash};
use crate::store::Tx;

/// Registers a token by its hash. Refused with [`Refusal::TokenExists`] when it is registered.
pub struct RegisterToken {
    /// The name it is to have.
    pub name: String,
    /// Its hash.
    pub hash: TokenHash,
}

#[async_trait]
impl Verb for RegisterToken {
    type Answer = Token;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::OperatorManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Token, Change), Refusal> {
        let token = operator_token(call, Name::parse("name", &self.name)?, None);
        insert(tx, &token, &self.hash).await?;
        let change = Change::new(tx.generation(), created(call, &token));
        Ok((token, change))
    }
}

impl Lifecycle {
    /// Registers the operator's token with this text unless it is registered already; says whether
    /// it was new. A token that was revoked stays revoked.
    pub async fn ensure_operator_token(&self, context: &Context, text: &str, name: &str) -> Result<bool, Refusal> {
        let hash = TokenHash::of(text);
        if self.store.token_by_hash(&hash).await?.is_some() {
            return Ok(false);
        }
        match self.execute(context, RegisterToken { name: name.to_owned(), hash }).await {
            Ok(_) => Ok(true),
            Err(Refusal::TokenExists) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}
