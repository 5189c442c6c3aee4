//! Tokens: rows of `token`.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId};
use sqlx::{FromRow, SqliteConnection};

use super::error::{failed, one_row};
use super::tx::SqliteTx;
use super::{SqliteStore, json};
use crate::domain::scope::Scopes;
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::domain::token::{Token, TokenHash};
use crate::store::{StoreError, TokenPosition, TokenSet, TokenStore, TokenTx};

const BY_HASH: &str = concat!(include_str!("sql/token_select.sql"), include_str!("sql/token_by_hash.sql"));
const BY_ID: &str = concat!(include_str!("sql/token_select.sql"), include_str!("sql/token_by_id.sql"));
const INSERT: &str = include_str!("sql/token_insert.sql");
const PAGE: &str = concat!(include_str!("sql/token_select.sql"), include_str!("sql/token_page.sql"));
const COUNT: &str = include_str!("sql/token_count.sql");
const REVOKE: &str = include_str!("sql/token_revoke.sql");
const REVOKE_OF: &str = include_str!("sql/token_revoke_of.sql");
const REVOKE_FOR_OTHERS: &str = include_str!("sql/token_revoke_for_others.sql");
const REVOKE_BY_OTHERS: &str = include_str!("sql/token_revoke_by_others.sql");

#[async_trait]
impl TokenStore for SqliteStore {
    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>, StoreError> {
        by_hash(&mut *self.reader().await?, hash).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError> {
        by_id(&mut *self.reader().await?, id).await
    }

    async fn tokens(
        &self,
        member: MemberId,
        now: UnixMillis,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<Token>, StoreError> {
        page(&mut *self.reader().await?, member, now, after, limit).await
    }
}

#[async_trait]
impl TokenTx for SqliteTx {
    async fn token_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Token>, StoreError> {
        by_hash(self.conn()?, hash).await
    }

    async fn token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError> {
        by_id(self.conn()?, id).await
    }

    async fn usable_tokens(&mut self, member: MemberId, now: UnixMillis) -> Result<u64, StoreError> {
        count(self.conn()?, member, now).await
    }

    async fn insert_token(&mut self, token: &Token, hash: &TokenHash) -> Result<(), StoreError> {
        insert(self.conn()?, token, hash).await
    }

    async fn revoke_token(&mut self, id: TokenId, at: UnixMillis) -> Result<(), StoreError> {
        revoke(self.conn()?, id, at).await
    }

    async fn revoke_tokens(&mut self, set: TokenSet, at: UnixMillis) -> Result<Vec<Token>, StoreError> {
        revoke_set(self.conn()?, set, at).await
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    member_id: Option<i64>,
    name: String,
    scopes: String,
    made_by: Option<i64>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<Token, StoreError> {
        Ok(Token {
            id: TokenId::from_u64(self.id.cast_unsigned()),
            member: self.member_id.map(|id| MemberId::from_u64(id.cast_unsigned())),
            name: Name::stored(self.name),
            scopes: Scopes::stored(json::read(&self.scopes, "token.scopes")?),
            made_by: self.made_by.map(|id| MemberId::from_u64(id.cast_unsigned())),
            created_at: UnixMillis::from_millis(self.created_at),
            expires_at: self.expires_at.map(UnixMillis::from_millis),
            revoked_at: self.revoked_at.map(UnixMillis::from_millis),
        })
    }
}

async fn by_hash(conn: &mut SqliteConnection, hash: &TokenHash) -> Result<Option<Token>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_HASH).bind(&hash.0[..]).fetch_optional(conn).await.map_err(failed)?;
    row.map(Row::read).transpose()
}

async fn by_id(conn: &mut SqliteConnection, id: TokenId) -> Result<Option<Token>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as(BY_ID).bind(id.as_u64().cast_signed()).fetch_optional(conn).await.map_err(failed)?;
    row.map(Row::read).transpose()
}

async fn insert(conn: &mut SqliteConnection, token: &Token, hash: &TokenHash) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT)
        .bind(token.id.as_u64().cast_signed())
        .bind(token.member.map(|id| id.as_u64().cast_signed()))
        .bind(token.name.as_str())
        .bind(&hash.0[..])
        .bind(json::write(&token.scopes.words(), "token.scopes")?)
        .bind(token.made_by.map(|id| id.as_u64().cast_signed()))
        .bind(token.created_at.as_millis())
        .bind(token.expires_at.map(UnixMillis::as_millis))
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "token")
}

async fn revoke(conn: &mut SqliteConnection, id: TokenId, at: UnixMillis) -> Result<(), StoreError> {
    let query = sqlx::query(REVOKE).bind(id.as_u64().cast_signed()).bind(at.as_millis());
    one_row(query.execute(conn).await.map_err(failed)?.rows_affected(), "token")
}

async fn page(
    conn: &mut SqliteConnection,
    member: MemberId,
    now: UnixMillis,
    after: Option<TokenPosition>,
    limit: u16,
) -> Result<Vec<Token>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(member.as_u64().cast_signed())
        .bind(now.as_millis())
        .bind(after.map(|place| place.created_at.as_millis()))
        .bind(after.map(|place| place.id.as_u64().cast_signed()))
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(Row::read).collect()
}

async fn count(conn: &mut SqliteConnection, member: MemberId, now: UnixMillis) -> Result<u64, StoreError> {
    let query = sqlx::query_scalar(COUNT).bind(member.as_u64().cast_signed()).bind(now.as_millis());
    let count: i64 = query.fetch_one(conn).await.map_err(failed)?;
    Ok(count.cast_unsigned())
}

async fn revoke_set(conn: &mut SqliteConnection, set: TokenSet, at: UnixMillis) -> Result<Vec<Token>, StoreError> {
    let (sql, member) = match set {
        TokenSet::Of(member) => (REVOKE_OF, member),
        TokenSet::MadeForOthersBy(member) => (REVOKE_FOR_OTHERS, member),
        TokenSet::OfMadeByOthers(member) => (REVOKE_BY_OTHERS, member),
    };
    let query = sqlx::query_as(sql).bind(member.as_u64().cast_signed()).bind(at.as_millis());
    let rows: Vec<Row> = query.fetch_all(conn).await.map_err(failed)?;
    let mut tokens = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    tokens.sort_unstable_by_key(|token| (token.created_at, token.id.as_u64()));
    Ok(tokens)
}
