//! Exports of the audit log that go by mail: rows of `audit_export`.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId, WorkspaceId};
use sqlx::FromRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use super::error::{failed, one_row};
use super::json::write;
use super::member;
use super::tx::SqliteTx;
use super::{SqliteStore, audit_read};
use crate::domain::audit::export::Format;
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::search::Wanted;
use crate::domain::text::Email;
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;
use crate::store::StoreError;
use crate::store::exports::{
    Asker, DueExport, ExportLink, ExportStore, ExportTx, KeptExport, MailedCount, MailedExport,
};

const COUNT: &str = include_str!("sql/export_count.sql");
const INSERT: &str = include_str!("sql/export_insert.sql");
const DUE: &str = concat!(include_str!("sql/export_select.sql"), include_str!("sql/export_due.sql"));
const BY_ID: &str = concat!(include_str!("sql/export_select.sql"), include_str!("sql/export_by_id.sql"));
const LINK: &str = include_str!("sql/export_link.sql");
const TRY: &str = include_str!("sql/export_try.sql");
const POSTPONE: &str = include_str!("sql/export_postpone.sql");
const SETTLE: &str = include_str!("sql/export_settle.sql");
const DROP: &str = include_str!("sql/export_drop.sql");
const FORGET: &str = include_str!("sql/export_forget.sql");
const KEPT: &str = include_str!("sql/export_kept.sql");

#[derive(FromRow)]
struct Row {
    id: String,
    recipient: String,
    format: String,
    filter: String,
    workspace_id: Option<i64>,
    token_id: Option<i64>,
    member_id: Option<i64>,
    on_behalf_of: Option<i64>,
    created_at: i64,
    failures: u32,
    secret_hash: Option<Vec<u8>>,
    file_name: Option<String>,
    expires_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<(MailedExport, Option<ExportLink>), StoreError> {
        let filter = serde_json::from_str(&self.filter).ok().and_then(|value| EventFilter::read(&value));
        let export = MailedExport {
            id: self.id,
            recipient: Email::stored(self.recipient),
            format: Format::parse(&self.format).ok_or(StoreError::corrupt("audit_export.format"))?,
            filter: filter.ok_or(StoreError::corrupt("audit_export.filter"))?,
            sees: self.workspace_id.map(|id| WorkspaceId::from_u64(id.cast_unsigned())),
            asked_by: Asker {
                token: self.token_id.map(|id| TokenId::from_u64(id.cast_unsigned())),
                member: self.member_id.map(|id| MemberId::from_u64(id.cast_unsigned())),
                on_behalf_of: self.on_behalf_of.map(|id| MemberId::from_u64(id.cast_unsigned())),
            },
            created_at: UnixMillis::from_millis(self.created_at),
            failures: self.failures,
        };
        let link = match (self.secret_hash, self.file_name, self.expires_at) {
            (Some(secret), Some(file_name), Some(expires_at)) => {
                let secret = secret.try_into().map_err(|_| StoreError::corrupt("audit_export.secret_hash"))?;
                let expires_at = UnixMillis::from_millis(expires_at);
                Some(ExportLink { secret: TokenHash(secret), file_name, expires_at })
            }
            _ => None,
        };
        Ok((export, link))
    }
}

#[async_trait]
impl ExportTx for SqliteTx {
    async fn mailed_exports(
        &mut self,
        sees: Option<WorkspaceId>,
        now: UnixMillis,
        then: UnixMillis,
    ) -> Result<MailedCount, StoreError> {
        let query = sqlx::query_as(COUNT).bind(now.as_millis()).bind(sees.map(|id| id.as_u64().cast_signed()));
        let query = query.bind(then.as_millis());
        let (own, all, of_day): (i64, i64, i64) = query.fetch_one(self.conn()?).await.map_err(failed)?;
        Ok(MailedCount { own: own.cast_unsigned(), all: all.cast_unsigned(), of_day: of_day.cast_unsigned() })
    }

    async fn places(&mut self, words: &[Wanted], most: u32) -> Result<u32, StoreError> {
        audit_read::places(self.conn()?, words, most).await
    }

    async fn insert_mailed_export(&mut self, export: &MailedExport) -> Result<(), StoreError> {
        let done = sqlx::query(INSERT)
            .bind(&export.id)
            .bind(export.recipient.as_str())
            .bind(export.format.as_str())
            .bind(write(&export.filter, "audit_export.filter")?)
            .bind(export.sees.map(|id| id.as_u64().cast_signed()))
            .bind(export.asked_by.token.map(|id| id.as_u64().cast_signed()))
            .bind(export.asked_by.member.map(|id| id.as_u64().cast_signed()))
            .bind(export.asked_by.on_behalf_of.map(|id| id.as_u64().cast_signed()))
            .bind(export.created_at.as_millis())
            .execute(self.conn()?)
            .await
            .map_err(failed)?;
        one_row(done.rows_affected(), "audit_export")
    }
}

#[async_trait]
impl ExportStore for SqliteStore {
    async fn due_export(&self, now: UnixMillis) -> Result<Option<DueExport>, StoreError> {
        let query = sqlx::query_as(DUE).bind(now.as_millis());
        let row: Option<Row> = query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
        Ok(row.map(|row| {
            let id = row.id.clone();
            row.read().map_or(DueExport::Unreadable(id), |(export, _)| DueExport::Readable(Box::new(export)))
        }))
    }

    async fn try_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError> {
        let query = sqlx::query(TRY).bind(id).bind(due_at.as_millis());
        let tried = execute(&mut *self.writer.alone().await?, query).await?;
        one_row(tried, "audit_export")
    }

    async fn is_of_workspace(&self, workspace: WorkspaceId, email: &Email) -> Result<bool, StoreError> {
        member::email_taken(&mut *self.reader().await?, workspace, email, None).await
    }

    async fn link_export(&self, id: &str, link: &ExportLink) -> Result<(), StoreError> {
        let ExportLink { secret, file_name, expires_at } = link;
        let query = sqlx::query(LINK).bind(id).bind(&secret.0[..]).bind(file_name).bind(expires_at.as_millis());
        execute(&mut *self.writer.alone().await?, query).await.map(drop)
    }

    async fn postpone_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError> {
        let query = sqlx::query(POSTPONE).bind(id).bind(due_at.as_millis());
        execute(&mut *self.writer.alone().await?, query).await.map(drop)
    }

    async fn settle_export(&self, id: &str) -> Result<(), StoreError> {
        execute(&mut *self.writer.alone().await?, sqlx::query(SETTLE).bind(id)).await.map(drop)
    }

    async fn drop_export(&self, id: &str) -> Result<(), StoreError> {
        execute(&mut *self.writer.alone().await?, sqlx::query(DROP).bind(id)).await.map(drop)
    }

    async fn linked_export(&self, id: &str) -> Result<Option<(MailedExport, ExportLink)>, StoreError> {
        let query = sqlx::query_as(BY_ID).bind(id);
        let row: Option<Row> = query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
        let read = row.map(Row::read).transpose()?;
        Ok(read.and_then(|(export, link)| Some((export, link?))))
    }

    async fn forget_exports(&self, ended: UnixMillis, asked: UnixMillis) -> Result<u64, StoreError> {
        let query = sqlx::query(FORGET).bind(ended.as_millis()).bind(asked.as_millis());
        execute(&mut *self.writer.alone().await?, query).await
    }

    async fn kept_exports(&self, now: UnixMillis) -> Result<Vec<KeptExport>, StoreError> {
        let query = sqlx::query_as(KEPT).bind(now.as_millis());
        let rows: Vec<(String, Option<i64>)> = query.fetch_all(&mut *self.reader().await?).await.map_err(failed)?;
        let kept = |(id, sees): (String, Option<i64>)| {
            let sees = sees.map(|id| WorkspaceId::from_u64(id.cast_unsigned()));
            KeptExport { id, sees }
        };
        Ok(rows.into_iter().map(kept).collect())
    }
}

async fn execute(conn: &mut SqliteConnection, query: Query<'_, Sqlite, SqliteArguments>) -> Result<u64, StoreError> {
    query.execute(conn).await.map(|done| done.rows_affected()).map_err(failed)
}
