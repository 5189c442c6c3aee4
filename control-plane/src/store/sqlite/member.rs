//! Rows of `member`.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use sqlx::{FromRow, SqliteConnection};

use super::error::{failed, one_row};
use super::json;
use crate::domain::member::{Member, MemberKind, MemberStanding, Role};
use crate::domain::text::{ExternalId, Name};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;

const BY_ID: &str = concat!(include_str!("sql/member_select.sql"), include_str!("sql/member_by_id.sql"));
const DEFAULT: &str = concat!(include_str!("sql/member_select.sql"), include_str!("sql/member_default.sql"));
const STANDING: &str = include_str!("sql/member_standing.sql");
const INSERT: &str = include_str!("sql/member_insert.sql");

#[derive(FromRow)]
struct Row {
    id: i64,
    workspace_id: i64,
    kind: String,
    email: Option<String>,
    name: String,
    role: String,
    external_id: Option<String>,
    created_at: i64,
    version: i64,
}

impl Row {
    fn read(self) -> Result<Member, StoreError> {
        Ok(Member {
            id: MemberId::from_u64(self.id.cast_unsigned()),
            workspace_id: WorkspaceId::from_u64(self.workspace_id.cast_unsigned()),
            kind: MemberKind::parse(&self.kind).ok_or(StoreError::corrupt("member.kind"))?,
            email: self.email,
            name: Name::stored(self.name),
            role: Role::parse(&self.role).ok_or(StoreError::corrupt("member.role"))?,
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
    let team_ids: Vec<i64> = json::read(&row.team_ids, "member_team")?;
    Ok(Some(MemberStanding {
        id,
        workspace_id: WorkspaceId::from_u64(row.workspace_id.cast_unsigned()),
        name: row.name,
        role: Role::parse(&row.role).ok_or(StoreError::corrupt("member.role"))?,
        team_ids: team_ids.into_iter().map(|id| TeamId::from_u64(id.cast_unsigned())).collect(),
        staff_max_access: json::access(&row.staff_max_access)?,
    }))
}

pub(super) async fn insert(conn: &mut SqliteConnection, member: &Member) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT)
        .bind(member.id.as_u64().cast_signed())
        .bind(member.workspace_id.as_u64().cast_signed())
        .bind(member.kind.as_str())
        .bind(member.email.as_deref())
        .bind(member.name.as_str())
        .bind(member.role.as_str())
        .bind(member.external_id.as_ref().map(ExternalId::as_str))
        .bind(member.created_at.as_millis())
        .bind(member.version.cast_signed())
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "member")
}
