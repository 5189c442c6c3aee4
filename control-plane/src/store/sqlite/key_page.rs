//! Pages of a workspace's keys, in any order.

use keyward_shared::policy::Access;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::failed;
use super::key;
use crate::domain::key::query::{KeyQuery, KeySort, SortBy, SortValue};
use crate::domain::key::{Environment, KeyStatus};
use crate::domain::limits::ARCHIVED_LISTED;
use crate::domain::time::UnixMillis;
use crate::store::{StoreError, StoredKey};

const PAGE: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/key_page.sql"));

pub(super) async fn page(conn: &mut SqliteConnection, query: &KeyQuery) -> Result<Vec<StoredKey>, StoreError> {
    let filter = &query.filter;
    // Only constants are filled into the text; every value is bound.
    let statement = sqlx::query_as(AssertSqlSafe(sorted(query.sort, query.after.is_some())))
        .bind(query.workspace_id.as_u64().cast_signed())
        .bind(filter.status.map(KeyStatus::as_str))
        .bind(query.now.as_millis())
        .bind(ARCHIVED_LISTED)
        .bind(filter.name.as_deref())
        .bind(filter.member.map(|id| id.as_u64().cast_signed()))
        .bind(filter.team.map(|id| id.as_u64().cast_signed()))
        .bind(filter.access.map(Access::as_str))
        .bind(filter.api)
        .bind(filter.environment.map(Environment::as_str))
        .bind(filter.last_used_before.map(UnixMillis::as_millis))
        .bind(filter.expires_before.map(UnixMillis::as_millis))
        .bind(filter.rotation_due)
        .bind(filter.external_id.as_deref());
    let statement = match query.after.as_ref().map(|place| &place.value) {
        None => statement.bind(None::<i64>),
        Some(SortValue::Millis(millis)) => statement.bind(*millis),
        Some(SortValue::Text(text)) => statement.bind(text.as_str()),
    };
    let rows: Vec<key::Row> = statement
        .bind(query.after.as_ref().map(|place| place.id.as_u64().cast_signed()))
        .bind(query.limit)
        .bind(filter.disabled)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(key::Row::read).collect()
}

fn sorted(sort: KeySort, is_after: bool) -> String {
    let by = match sort.by {
        SortBy::CreatedAt => "key.created_at",
        SortBy::Name => "key.name",
        SortBy::ExpiresAt => "COALESCE(key.expires_at, 9223372036854775807)",
        SortBy::LastUsedAt => "COALESCE(key.last_used_at, -1)",
    };
    let (order, comparison) = if sort.descending { ("DESC", "<") } else { ("ASC", ">") };
    let beyond = if is_after { format!("AND ({by}, key.id) {comparison} (?15, ?16)") } else { String::new() };
    // The comment of the text names the places too, where anything but a line's end is harmless.
    PAGE.replace("{sort}", by).replace("{order}", order).replace("{beyond}", &beyond)
}
