//! Rows of `team`.

use keyward_shared::id::{TeamId, WorkspaceId};
use sqlx::SqliteConnection;

use super::error::failed;
use crate::store::StoreError;

const EXISTS: &str = include_str!("sql/team_exists.sql");

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
