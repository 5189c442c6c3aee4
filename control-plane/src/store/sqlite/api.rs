//! Rows of `api`.

use sqlx::{FromRow, SqliteConnection};

use super::error::{failed, one_row};
use super::json;
use crate::domain::api::{Api, ApiName, Catalogue};
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::store::StoreError;

const SELECT: &str = include_str!("sql/api_select.sql");
const TAKE_NUMBER: &str = include_str!("sql/api_number_take.sql");
const INSERT: &str = include_str!("sql/api_insert.sql");
const UPDATE: &str = include_str!("sql/api_update.sql");
const DELETE: &str = include_str!("sql/api_delete.sql");

#[derive(FromRow)]
struct Row {
    number: u16,
    name: String,
    title: String,
    routes: String,
    created_at: i64,
    version: i64,
}

impl Row {
    fn read(self) -> Result<Api, StoreError> {
        Ok(Api {
            number: self.number,
            name: ApiName::stored(self.name),
            title: Name::stored(self.title),
            routes: json::read(&self.routes, "api.routes")?,
            created_at: UnixMillis::from_millis(self.created_at),
            version: self.version.cast_unsigned(),
        })
    }
}

pub(super) async fn catalogue(conn: &mut SqliteConnection) -> Result<Catalogue, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(SELECT).fetch_all(conn).await.map_err(failed)?;
    rows.into_iter().map(Row::read).collect::<Result<_, _>>().map(Catalogue::new)
}

pub(super) async fn take_number(conn: &mut SqliteConnection) -> Result<Option<u16>, StoreError> {
    sqlx::query_scalar(TAKE_NUMBER).fetch_optional(conn).await.map_err(failed)
}

pub(super) async fn insert(conn: &mut SqliteConnection, api: &Api) -> Result<(), StoreError> {
    write(conn, INSERT, api).await
}

pub(super) async fn update(conn: &mut SqliteConnection, api: &Api) -> Result<(), StoreError> {
    write(conn, UPDATE, api).await
}

async fn write(conn: &mut SqliteConnection, sql: &'static str, api: &Api) -> Result<(), StoreError> {
    let done = sqlx::query(sql)
        .bind(api.number)
        .bind(api.name.as_str())
        .bind(api.title.as_str())
        .bind(json::write(&api.routes, "api.routes")?)
        .bind(api.created_at.as_millis())
        .bind(api.version.cast_signed())
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "api")
}

pub(super) async fn delete(conn: &mut SqliteConnection, name: &ApiName, at: UnixMillis) -> Result<(), StoreError> {
    let query = sqlx::query(DELETE).bind(name.as_str()).bind(at.as_millis());
    one_row(query.execute(conn).await.map_err(failed)?.rows_affected(), "api")
}
