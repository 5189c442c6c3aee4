//! Rows of `member`.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite, SqliteConnection};

use super::error::{failed, one_row};
use super::json;
use crate::domain::member::{Member, MemberKind, MemberStanding, Role};
use crate::domain::text::{Email, ExternalId, Name};
use crate::domain::time::UnixMillis;
use crate::store::{MemberQuery, StoreError};

const BY_ID: &str = concat!(include_str!("sql/member_select.sql"), include_str!("sql/member_by_id.sql"));
const DEFAULT: &str = concat!(include_str!("sql/member_select.sql"), include_str!("sql/member_default.sql"));
const PAGE: &str = concat!(include_str!("sql/member_select.sql"), include_str!("sql/member_page.sql"));
const STANDING: &str = include_str!("sql/member_standing.sql");
const INSERT: &str = include_str!("sql/member_insert.sql");
const UPDATE: &str = include_str!("sql/member_update.sql");
const PLACE: &str = include_str!("sql/member_place.sql");
const OTHER_OWNER: &str = include_str!("sql/member_other_owner.sql");
const EMAIL_TAKEN: &str = include_str!("sql/member_email_taken.sql");

#[derive(FromRow)]
struct Row {
    id: i64,
    workspace_id: i64,
    kind: String,
    email: Option<String>,
    name: String,
    role: String,
    is_default: bool,
    external_id: Option<String>,
    created_at: i64,
    version: i64,
    team_ids: String,
}

impl Row {
    fn read(self) -> Result<Member, StoreError> {
        Ok(Member {
            id: MemberId::from_u64(self.id.cast_unsigned()),
            workspace_id: WorkspaceId::from_u64(self.workspace_id.cast_unsigned()),
            kind: MemberKind::parse(&self.kind).ok_or(StoreError::corrupt("member.kind"))?,
            email: self.email.map(Email::stored),
            name: Name::stored(self.name),
            role: Role::parse(&self.role).ok_or(StoreError::corrupt("member.role"))?,
            is_default: self.is_default,
            team_ids: read_teams(&self.team_ids)?,
            external_id: self.external_id.map(ExternalId::stored),
            created_at: UnixMillis::from_millis(self.created_at),
            version: self.version.cast_unsigned(),
        })
    }
}

pub(super) async fn by_id(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    id: MemberId,
) -> Result<Option<Member>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID)
        .bind(workspace.as_u64().cast_signed())
        .bind(id.as_u64().cast_signed())
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.map(Row::read).transpose()
}

pub(super) async fn default(conn: &mut SqliteConnection, workspace: WorkspaceId) -> Result<Option<Member>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as(DEFAULT).bind(workspace.as_u64().cast_signed()).fetch_optional(conn).await.map_err(failed)?;
    row.map(Row::read).transpose()
}

#[derive(FromRow)]
struct StandingRow {
    workspace_id: i64,
    name: String,
    role: String,
    team_ids: String,
    staff_max_access: String,
}

pub(super) async fn standing(conn: &mut SqliteConnection, id: MemberId) -> Result<Option<MemberStanding>, StoreError> {
    let query = sqlx::query_as(STANDING).bind(id.as_u64().cast_signed());
    let row: Option<StandingRow> = query.fetch_optional(conn).await.map_err(failed)?;
    let Some(row) = row else {
        return Ok(None);
    };
    Ok(Some(MemberStanding {
        id,
        workspace_id: WorkspaceId::from_u64(row.workspace_id.cast_unsigned()),
        name: row.name,
        role: Role::parse(&row.role).ok_or(StoreError::corrupt("member.role"))?,
        team_ids: read_teams(&row.team_ids)?,
        staff_max_access: json::access(&row.staff_max_access)?,
    }))
}

pub(super) async fn page(conn: &mut SqliteConnection, query: &MemberQuery) -> Result<Vec<Member>, StoreError> {
    let filter = &query.filter;
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(query.workspace_id.as_u64().cast_signed())
        .bind(query.after.map(|place| place.created_at.as_millis()))
        .bind(query.after.map(|place| place.id.as_u64().cast_signed()))
        .bind(filter.member.map(|id| id.as_u64().cast_signed()))
        .bind(filter.kind.map(MemberKind::as_str))
        .bind(filter.role.map(Role::as_str))
        .bind(filter.team.map(|id| id.as_u64().cast_signed()))
        .bind(filter.email.as_deref())
        .bind(filter.external_id.as_deref())
        .bind(query.limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(Row::read).collect()
}

pub(super) async fn insert(conn: &mut SqliteConnection, member: &Member) -> Result<(), StoreError> {
    let done = bound(INSERT, member).bind(member.is_default).execute(&mut *conn).await.map_err(failed)?;
    one_row(done.rows_affected(), "member")?;
    if member.team_ids.is_empty() { Ok(()) } else { place(conn, member).await }
}

pub(super) async fn update(conn: &mut SqliteConnection, member: &Member) -> Result<(), StoreError> {
    let done = bound(UPDATE, member).execute(&mut *conn).await.map_err(failed)?;
    one_row(done.rows_affected(), "member")?;
    place(conn, member).await
}

pub(super) async fn has_other_owner(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    than: MemberId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(OTHER_OWNER)
        .bind(workspace.as_u64().cast_signed())
        .bind(than.as_u64().cast_signed())
        .fetch_one(conn)
        .await
        .map_err(failed)
}

pub(super) async fn email_taken(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    email: &Email,
    except: Option<MemberId>,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(EMAIL_TAKEN)
        .bind(workspace.as_u64().cast_signed())
        .bind(email.as_str())
        .bind(except.map(|id| id.as_u64().cast_signed()))
        .fetch_one(conn)
        .await
        .map_err(failed)
}

/// Puts the member into the teams that it names, and into no other.
async fn place(conn: &mut SqliteConnection, member: &Member) -> Result<(), StoreError> {
    let ids: Vec<i64> = member.team_ids.iter().map(|id| id.as_u64().cast_signed()).collect();
    sqlx::query(PLACE)
        .bind(member.id.as_u64().cast_signed())
        .bind(json::write(&ids, "member_team")?)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

fn bound(sql: &'static str, member: &Member) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(sql)
        .bind(member.id.as_u64().cast_signed())
        .bind(member.workspace_id.as_u64().cast_signed())
        .bind(member.kind.as_str())
        .bind(member.email.as_ref().map(Email::as_str))
        .bind(member.name.as_str())
        .bind(member.role.as_str())
        .bind(member.external_id.as_ref().map(ExternalId::as_str))
        .bind(member.created_at.as_millis())
        .bind(member.version.cast_signed())
}

fn read_teams(text: &str) -> Result<Vec<TeamId>, StoreError> {
    let ids: Vec<i64> = json::read(text, "member_team")?;
    let mut ids: Vec<TeamId> = ids.into_iter().map(|id| TeamId::from_u64(id.cast_unsigned())).collect();
    ids.sort_unstable();
    Ok(ids)
}
