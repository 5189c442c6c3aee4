//! Rows of `team`.

use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use sqlx::{FromRow, SqliteConnection};

use super::error::{failed, one_row};
use super::json;
use crate::domain::team::Team;
use crate::domain::text::{ExternalId, Name};
use crate::domain::time::UnixMillis;
use crate::store::people::{Released, ReleasedKey};
use crate::store::{StoreError, TeamQuery};

const EXISTS: &str = include_str!("sql/team_exists.sql");
const AMONG: &str = include_str!("sql/team_among.sql");
const BY_ID: &str = concat!(include_str!("sql/team_select.sql"), include_str!("sql/team_by_id.sql"));
const PAGE: &str = concat!(include_str!("sql/team_select.sql"), include_str!("sql/team_page.sql"));
const NAME_TAKEN: &str = include_str!("sql/team_name_taken.sql");
const INSERT: &str = include_str!("sql/team_insert.sql");
const UPDATE: &str = include_str!("sql/team_update.sql");
const RELEASE_KEYS: &str = include_str!("sql/team_release_keys.sql");
const RELEASE_MEMBERS: &str = include_str!("sql/team_release_members.sql");
const LEAVE: &str = include_str!("sql/team_leave.sql");
const DELETE: &str = include_str!("sql/team_delete.sql");

#[derive(FromRow)]
struct Row {
    id: i64,
    workspace_id: i64,
    name: String,
    external_id: Option<String>,
    created_at: i64,
    version: i64,
}

impl From<Row> for Team {
    fn from(row: Row) -> Self {
        Self {
            id: TeamId::from_u64(row.id.cast_unsigned()),
            workspace_id: WorkspaceId::from_u64(row.workspace_id.cast_unsigned()),
            name: Name::stored(row.name),
            external_id: row.external_id.map(ExternalId::stored),
            created_at: UnixMillis::from_millis(row.created_at),
            version: row.version.cast_unsigned(),
        }
    }
}

pub(super) async fn exists(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    id: TeamId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(EXISTS)
        .bind(workspace.as_u64().cast_signed())
        .bind(id.as_u64().cast_signed())
        .fetch_one(conn)
        .await
        .map_err(failed)
}

pub(super) async fn among(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    ids: &[TeamId],
) -> Result<Vec<TeamId>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.as_u64().cast_signed()).collect();
    let found: Vec<i64> = sqlx::query_scalar(AMONG)
        .bind(workspace.as_u64().cast_signed())
        .bind(json::write(&ids, "team.id")?)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    Ok(found.into_iter().map(|id| TeamId::from_u64(id.cast_unsigned())).collect())
}

pub(super) async fn by_id(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    id: TeamId,
) -> Result<Option<Team>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID)
        .bind(workspace.as_u64().cast_signed())
        .bind(id.as_u64().cast_signed())
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    Ok(row.map(Team::from))
}

pub(super) async fn page(conn: &mut SqliteConnection, query: &TeamQuery) -> Result<Vec<Team>, StoreError> {
    let filter = &query.filter;
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(query.workspace_id.as_u64().cast_signed())
        .bind(query.after.map(|place| place.created_at.as_millis()))
        .bind(query.after.map(|place| place.id.as_u64().cast_signed()))
        .bind(filter.member.map(|id| id.as_u64().cast_signed()))
        .bind(filter.name.as_deref())
        .bind(filter.external_id.as_deref())
        .bind(query.limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    Ok(rows.into_iter().map(Team::from).collect())
}

pub(super) async fn name_taken(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    name: &Name,
    except: Option<TeamId>,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(NAME_TAKEN)
        .bind(workspace.as_u64().cast_signed())
        .bind(name.as_str())
        .bind(except.map(|id| id.as_u64().cast_signed()))
        .fetch_one(conn)
        .await
        .map_err(failed)
}

pub(super) async fn insert(conn: &mut SqliteConnection, team: &Team) -> Result<(), StoreError> {
    write(conn, INSERT, team).await
}

pub(super) async fn update(conn: &mut SqliteConnection, team: &Team) -> Result<(), StoreError> {
    write(conn, UPDATE, team).await
}

async fn write(conn: &mut SqliteConnection, sql: &'static str, team: &Team) -> Result<(), StoreError> {
    let done = sqlx::query(sql)
        .bind(team.id.as_u64().cast_signed())
        .bind(team.workspace_id.as_u64().cast_signed())
        .bind(team.name.as_str())
        .bind(team.external_id.as_ref().map(ExternalId::as_str))
        .bind(team.created_at.as_millis())
        .bind(team.version.cast_signed())
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "team")
}

pub(super) async fn delete(conn: &mut SqliteConnection, id: TeamId, at: UnixMillis) -> Result<Released, StoreError> {
    let id = id.as_u64().cast_signed();
    let keys: Vec<(i64, String)> = sqlx::query_as(RELEASE_KEYS).bind(id).fetch_all(&mut *conn).await.map_err(failed)?;
    let mut members: Vec<i64> =
        sqlx::query_scalar(RELEASE_MEMBERS).bind(id).fetch_all(&mut *conn).await.map_err(failed)?;
    members.sort_unstable();
    sqlx::query(LEAVE).bind(id).execute(&mut *conn).await.map_err(failed)?;
    let done = sqlx::query(DELETE).bind(id).bind(at.as_millis()).execute(conn).await.map_err(failed)?;
    one_row(done.rows_affected(), "team")?;
    let mut keys: Vec<ReleasedKey> =
        keys.into_iter().map(|(id, name)| ReleasedKey { id: KeyId::from_u64(id.cast_unsigned()), name }).collect();
    keys.sort_unstable_by_key(|key| key.id);
    let members = members.into_iter().map(|id| MemberId::from_u64(id.cast_unsigned())).collect();
    Ok(Released { members, keys })
}
