//! The row of `setting`.

use keyward_shared::settings::{Accept, BasicUser, CheckDigits, Settings};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::error::{failed, one_row};
use super::json;
use crate::domain::settings::SettingsDocument;
use crate::store::StoreError;

const GET: &str = include_str!("sql/setting_get.sql");
const PUT: &str = include_str!("sql/setting_put.sql");

#[derive(Serialize, Deserialize)]
struct Stored {
    key_prefix: String,
    check_digits: CheckDigits,
    accept_basic: bool,
    accept_bearer: bool,
    accept_header: Option<String>,
    basic_user: BasicUser,
    realm: String,
    ping_path: String,
}

pub(super) async fn get(conn: &mut SqliteConnection) -> Result<SettingsDocument, StoreError> {
    let row: Option<(String, i64)> = sqlx::query_as(GET).fetch_optional(conn).await.map_err(failed)?;
    let Some((value, version)) = row else {
        return Ok(SettingsDocument::default());
    };
    let stored: Stored = json::read(&value, "setting.value")?;
    let settings = Settings {
        key_prefix: stored.key_prefix,
        check_digits: stored.check_digits,
        accept: Accept { basic: stored.accept_basic, bearer: stored.accept_bearer, header: stored.accept_header },
        basic_user: stored.basic_user,
        realm: stored.realm,
        ping_path: stored.ping_path,
        routes: Vec::new(),
    };
    Ok(SettingsDocument { settings, version: version.cast_unsigned() })
}

pub(super) async fn put(conn: &mut SqliteConnection, document: &SettingsDocument) -> Result<(), StoreError> {
    let settings = document.settings.clone();
    let stored = Stored {
        key_prefix: settings.key_prefix,
        check_digits: settings.check_digits,
        accept_basic: settings.accept.basic,
        accept_bearer: settings.accept.bearer,
        accept_header: settings.accept.header,
        basic_user: settings.basic_user,
        realm: settings.realm,
        ping_path: settings.ping_path,
    };
    let query = sqlx::query(PUT).bind(json::write(&stored, "setting.value")?).bind(document.version.cast_signed());
    one_row(query.execute(conn).await.map_err(failed)?.rows_affected(), "setting")
}
