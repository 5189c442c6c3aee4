//! Rows of `workspace`.

use keyward_shared::id::WorkspaceId;
use sqlx::{FromRow, SqliteConnection};

use super::error::{failed, one_row};
use super::json;
use crate::domain::text::{ExternalId, Name, Slug};
use crate::domain::time::UnixMillis;
use crate::domain::workspace::{Reveal, Workspace, WorkspaceStatus};
use crate::store::{Deleted, StoreError, WorkspacePosition};

const BY_ID: &str = concat!(include_str!("sql/workspace_select.sql"), include_str!("sql/workspace_by_id.sql"));
const PAGE: &str = concat!(include_str!("sql/workspace_select.sql"), include_str!("sql/workspace_page.sql"));
const SLUG_TAKEN: &str = include_str!("sql/workspace_slug_taken.sql");
const INSERT: &str = include_str!("sql/workspace_insert.sql");
const UPDATE: &str = include_str!("sql/workspace_update.sql");
const DELETE: [&str; 6] = [
    include_str!("sql/workspace_delete_secrets.sql"),
    include_str!("sql/workspace_delete_keys.sql"),
    include_str!("sql/workspace_delete_tokens.sql"),
    include_str!("sql/workspace_delete_teams.sql"),
    include_str!("sql/workspace_delete_members.sql"),
    include_str!("sql/workspace_delete.sql"),
];

#[derive(FromRow)]
pub(super) struct Row {
    id: i64,
    name: String,
    slug: String,
    status: String,
    staff_max_access: String,
    reveal: String,
    max_keys: Option<u32>,
    external_id: Option<String>,
    metadata: String,
    created_at: i64,
    version: i64,
}

impl Row {
    pub(super) fn read(self) -> Result<Workspace, StoreError> {
        Ok(Workspace {
            id: WorkspaceId::from_u64(self.id.cast_unsigned()),
            name: Name::stored(self.name),
            slug: Slug::stored(self.slug),
            status: WorkspaceStatus::parse(&self.status).ok_or(StoreError::corrupt("workspace.status"))?,
            staff_max_access: json::access(&self.staff_max_access)?,
            reveal: Reveal::parse(&self.reveal).ok_or(StoreError::corrupt("workspace.reveal"))?,
            max_keys: self.max_keys,
            external_id: self.external_id.map(ExternalId::stored),
            metadata: json::read_metadata(&self.metadata)?,
            created_at: UnixMillis::from_millis(self.created_at),
            version: self.version.cast_unsigned(),
        })
    }
}

pub(super) async fn by_id(conn: &mut SqliteConnection, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as(BY_ID).bind(id.as_u64().cast_signed()).fetch_optional(conn).await.map_err(failed)?;
    row.map(Row::read).transpose()
}

pub(super) async fn page(
    conn: &mut SqliteConnection,
    after: Option<WorkspacePosition>,
    limit: u16,
) -> Result<Vec<Workspace>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(after.map(|place| place.created_at.as_millis()))
        .bind(after.map(|place| place.id.as_u64().cast_signed()))
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(Row::read).collect()
}

pub(super) async fn slug_taken(
    conn: &mut SqliteConnection,
    slug: &Slug,
    except: Option<WorkspaceId>,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(SLUG_TAKEN)
        .bind(slug.as_str())
        .bind(except.map(|id| id.as_u64().cast_signed()))
        .fetch_one(conn)
        .await
        .map_err(failed)
}

pub(super) async fn insert(conn: &mut SqliteConnection, workspace: &Workspace) -> Result<(), StoreError> {
    write(conn, INSERT, workspace).await
}

pub(super) async fn update(conn: &mut SqliteConnection, workspace: &Workspace) -> Result<(), StoreError> {
    write(conn, UPDATE, workspace).await
}

async fn write(conn: &mut SqliteConnection, sql: &'static str, workspace: &Workspace) -> Result<(), StoreError> {
    let done = sqlx::query(sql)
        .bind(workspace.id.as_u64().cast_signed())
        .bind(workspace.name.as_str())
        .bind(workspace.slug.as_str())
        .bind(workspace.status.as_str())
        .bind(workspace.staff_max_access.as_str())
        .bind(workspace.reveal.as_str())
        .bind(workspace.max_keys)
        .bind(workspace.external_id.as_ref().map(ExternalId::as_str))
        .bind(json::write(&workspace.metadata, "workspace.metadata")?)
        .bind(workspace.created_at.as_millis())
        .bind(workspace.version.cast_signed())
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "workspace")
}

/// Ends the workspace and everything in it, its secrets first.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    id: WorkspaceId,
    at: UnixMillis,
) -> Result<Deleted, StoreError> {
    let mut rows = [0; DELETE.len()];
    for (sql, rows) in DELETE.into_iter().zip(&mut rows) {
        let query = sqlx::query(sql).bind(id.as_u64().cast_signed()).bind(at.as_millis());
        *rows = query.execute(&mut *conn).await.map_err(failed)?.rows_affected();
    }
    let [_, _, tokens, teams, members, workspaces] = rows;
    one_row(workspaces, "workspace")?;
    Ok(Deleted { members, teams, tokens })
}
