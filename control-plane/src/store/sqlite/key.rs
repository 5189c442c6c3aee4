//! Rows of `key`, with their live secrets and what is said of their members.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::record::Slot;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite, SqliteConnection};

use super::error::{failed, one_row};
use super::{json, secret};
use crate::domain::key::{Environment, Key, Life, Live, Rotation, Secret};
use crate::domain::member::{MemberSummary, Role};
use crate::domain::text::{ExternalId, Name};
use crate::domain::time::{UnixMillis, UnixSeconds};
use crate::domain::usage::{KeyUsage, SecretUsage};
use crate::store::{Clash, NewSecret, StoreError, StoredKey};

const BY_ID: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/key_by_id.sql"));
const AFTER: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/key_after.sql"));
const BY_IDS: &str = concat!(include_str!("sql/key_select.sql"), include_str!("sql/key_by_ids.sql"));
const COUNT: &str = include_str!("sql/key_count.sql");
const NAME_TAKEN: &str = include_str!("sql/key_name_taken.sql");
const CLASH: &str = include_str!("sql/key_clash.sql");
const INSERT: &str = include_str!("sql/key_insert.sql");
const INSERT_WITH_FIRST: &str =
    concat!(include_str!("sql/key_insert.sql"), ";\n", include_str!("sql/secret_insert_first.sql"));
const UPDATE: &str = include_str!("sql/key_update.sql");

#[derive(FromRow)]
pub(super) struct Row {
    id: i64,
    workspace_id: i64,
    member_id: i64,
    team_id: Option<i64>,
    name: String,
    hint: Option<String>,
    access: String,
    apis: String,
    environment: String,
    status: String,
    expires_at: Option<i64>,
    rotate_every_days: Option<u16>,
    previous_valid_until: Option<i64>,
    rotation_started_at: Option<i64>,
    paused: bool,
    restrictions: String,
    external_id: Option<String>,
    metadata: String,
    created_at: i64,
    rotated_at: i64,
    last_used_at: Option<i64>,
    archived_at: Option<i64>,
    version: i64,
    member_name: String,
    member_role: String,
    current_fingerprint: Option<Vec<u8>>,
    current_hint: Option<String>,
    current_created_at: Option<i64>,
    retiring_fingerprint: Option<Vec<u8>>,
    retiring_hint: Option<String>,
    retiring_created_at: Option<i64>,
    current_last_used_at: Option<i64>,
    current_last_denied_at: Option<i64>,
    current_denied_since: Option<i64>,
    retiring_last_used_at: Option<i64>,
    retiring_last_denied_at: Option<i64>,
    retiring_denied_since: Option<i64>,
    suspended: bool,
}

impl Row {
    pub(super) fn read(mut self) -> Result<StoredKey, StoreError> {
        let life = self.life()?;
        let usage = self.usage(&life);
        let member = MemberSummary {
            id: MemberId::from_u64(self.member_id.cast_unsigned()),
            name: self.member_name,
            role: Role::parse(&self.member_role).ok_or(StoreError::corrupt("member.role"))?,
        };
        let key = Key {
            id: KeyId::from_u64(self.id.cast_unsigned()),
            workspace_id: WorkspaceId::from_u64(self.workspace_id.cast_unsigned()),
            member_id: member.id,
            team_id: self.team_id.map(|id| TeamId::from_u64(id.cast_unsigned())),
            name: Name::stored(self.name),
            hint: self.hint,
            access: json::access(&self.access)?,
            apis: json::read_apis(&self.apis)?,
            environment: Environment::parse(&self.environment).ok_or(StoreError::corrupt("key.environment"))?,
            life,
            expires_at: self.expires_at.map(|at| seconds(at, "key.expires_at")).transpose()?,
            rotate_every_days: self.rotate_every_days,
            restrictions: json::read_restrictions(&self.restrictions)?,
            external_id: self.external_id.map(ExternalId::stored),
            metadata: json::read_metadata(&self.metadata)?,
            created_at: UnixMillis::from_millis(self.created_at),
            rotated_at: UnixMillis::from_millis(self.rotated_at),
            last_used_at: self.last_used_at.map(UnixMillis::from_millis),
            version: self.version.cast_unsigned(),
        };
        Ok(StoredKey { key, member, usage })
    }

    fn usage(&self, life: &Life) -> KeyUsage {
        let mut usage = KeyUsage { secrets: Vec::new(), suspended: self.suspended };
        let told = |last_used_at: Option<i64>, last_denied_at: Option<i64>, denied_since: Option<i64>| SecretUsage {
            last_used_at: last_used_at.map(UnixMillis::from_millis),
            last_denied_at: last_denied_at.map(UnixMillis::from_millis),
            denied_since: denied_since.map(UnixMillis::from_millis),
        };
        if let Life::Live(live) = life {
            let current = told(self.current_last_used_at, self.current_last_denied_at, self.current_denied_since);
            usage.secrets.push((live.current.fingerprint, current));
            if let Some(rotation) = &live.rotation {
                let retiring =
                    told(self.retiring_last_used_at, self.retiring_last_denied_at, self.retiring_denied_since);
                usage.secrets.push((rotation.retiring.fingerprint, retiring));
            }
        }
        usage
    }

    fn life(&mut self) -> Result<Life, StoreError> {
        let disabled = match self.status.as_str() {
            "active" => false,
            "disabled" => true,
            "archived" => {
                let at = self.archived_at.ok_or(StoreError::corrupt("key.archived_at"))?;
                return Ok(Life::Archived { at: UnixMillis::from_millis(at) });
            }
            _ => return Err(StoreError::corrupt("key.status")),
        };
        let secret = |fingerprint: Option<Vec<u8>>, hint, created_at: Option<i64>, what| {
            let fingerprint = secret::read_fingerprint(fingerprint.ok_or(StoreError::corrupt(what))?)?;
            let created_at = UnixMillis::from_millis(created_at.ok_or(StoreError::corrupt(what))?);
            Ok(Secret { fingerprint, hint, created_at })
        };
        let current = secret(
            self.current_fingerprint.take(),
            self.current_hint.take(),
            self.current_created_at,
            "a key without its current secret",
        )?;
        let rotation = match (self.previous_valid_until, self.rotation_started_at) {
            (Some(until), Some(started_at)) => Some(Rotation {
                retiring: secret(
                    self.retiring_fingerprint.take(),
                    self.retiring_hint.take(),
                    self.retiring_created_at,
                    "a rotation without its retiring secret",
                )?,
                started_at: UnixMillis::from_millis(started_at),
                previous_valid_until: seconds(until, "key.previous_valid_until")?,
                paused: self.paused,
            }),
            _ => None,
        };
        Ok(Life::Live(Live { disabled, current, rotation }))
    }
}

pub(super) async fn by_id(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    id: KeyId,
) -> Result<Option<StoredKey>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID)
        .bind(workspace.as_u64().cast_signed())
        .bind(id.as_u64().cast_signed())
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.map(Row::read).transpose()
}

pub(super) async fn after(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    after: Option<KeyId>,
    limit: u16,
) -> Result<Vec<StoredKey>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(AFTER)
        .bind(workspace.as_u64().cast_signed())
        .bind(after.map(|id| id.as_u64().cast_signed()))
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(Row::read).collect()
}

pub(super) async fn by_ids(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    ids: &[KeyId],
) -> Result<Vec<StoredKey>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.as_u64().cast_signed()).collect();
    let rows: Vec<Row> = sqlx::query_as(BY_IDS)
        .bind(workspace.as_u64().cast_signed())
        .bind(json::write(&ids, "key.id")?)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(Row::read).collect()
}

pub(super) async fn count(conn: &mut SqliteConnection, workspace: WorkspaceId) -> Result<u64, StoreError> {
    let count: i64 =
        sqlx::query_scalar(COUNT).bind(workspace.as_u64().cast_signed()).fetch_one(conn).await.map_err(failed)?;
    Ok(count.cast_unsigned())
}

pub(super) async fn clash(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    name: &Name,
    fingerprint: &Fingerprint,
) -> Result<Clash, StoreError> {
    let (name, secret) = sqlx::query_as(CLASH)
        .bind(workspace.as_u64().cast_signed())
        .bind(name.as_str())
        .bind(&fingerprint.as_bytes()[..])
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    Ok(Clash { name, secret })
}

pub(super) async fn name_taken(
    conn: &mut SqliteConnection,
    workspace: WorkspaceId,
    name: &Name,
    except: Option<KeyId>,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(NAME_TAKEN)
        .bind(workspace.as_u64().cast_signed())
        .bind(name.as_str())
        .bind(except.map(|id| id.as_u64().cast_signed()))
        .fetch_one(conn)
        .await
        .map_err(failed)
}

pub(super) async fn insert(conn: &mut SqliteConnection, key: &Key, first: NewSecret<'_>) -> Result<(), StoreError> {
    let mut effects = key.effects();
    if let (Some(only), None) = (effects.next(), effects.next())
        && only.slot == Slot::Current
        && only.fingerprint == first.secret.fingerprint
    {
        let both = secret::bind_first(bound(INSERT_WITH_FIRST, key)?, &first, only.deadline);
        return match both.execute(conn).await.map_err(failed)?.rows_affected() {
            2 => Ok(()),
            _ => Err(StoreError::corrupt("key")),
        };
    }
    drop(effects);
    write(conn, INSERT, key).await?;
    secret::insert(conn, first).await?;
    secret::place(conn, key, key.created_at).await
}

pub(super) async fn update(conn: &mut SqliteConnection, key: &Key, at: UnixMillis) -> Result<(), StoreError> {
    write(conn, UPDATE, key).await?;
    secret::place(conn, key, at).await
}

async fn write(conn: &mut SqliteConnection, sql: &'static str, key: &Key) -> Result<(), StoreError> {
    let done = bound(sql, key)?.execute(conn).await.map_err(failed)?;
    one_row(done.rows_affected(), "key")
}

fn bound(sql: &'static str, key: &Key) -> Result<Query<'static, Sqlite, SqliteArguments>, StoreError> {
    let (status, rotation, archived_at, deleted_at) = match &key.life {
        Life::Live(live) if live.disabled => ("disabled", live.rotation.as_ref(), None, None),
        Life::Live(live) => ("active", live.rotation.as_ref(), None, None),
        Life::Archived { at } => ("archived", None, Some(*at), None),
        Life::Deleted { at } => ("deleted", None, None, Some(*at)),
    };
    let millis = |deadline: UnixSeconds| deadline.instant().as_millis();
    let query = sqlx::query(sql)
        .bind(key.id.as_u64().cast_signed())
        .bind(key.workspace_id.as_u64().cast_signed())
        .bind(key.member_id.as_u64().cast_signed())
        .bind(key.team_id.map(|id| id.as_u64().cast_signed()))
        .bind(key.name.as_str())
        .bind(key.hint.as_deref())
        .bind(key.access.as_str())
        .bind(json::write_apis(&key.apis)?)
        .bind(key.environment.as_str())
        .bind(status)
        .bind(key.expires_at.map(millis))
        .bind(key.rotate_every_days)
        .bind(rotation.map(|rotation| millis(rotation.previous_valid_until)))
        .bind(rotation.map(|rotation| rotation.started_at.as_millis()))
        .bind(rotation.is_some_and(|rotation| rotation.paused))
        .bind(json::write_restrictions(&key.restrictions)?)
        .bind(key.external_id.as_ref().map(ExternalId::as_str))
        .bind(json::write(&key.metadata, "key.metadata")?)
        .bind(key.created_at.as_millis())
        .bind(key.rotated_at.as_millis())
        .bind(key.last_used_at.map(UnixMillis::as_millis))
        .bind(archived_at.map(UnixMillis::as_millis))
        .bind(deleted_at.map(UnixMillis::as_millis))
        .bind(key.version.cast_signed());
    Ok(query)
}

fn seconds(millis: i64, what: &'static str) -> Result<UnixSeconds, StoreError> {
    UnixSeconds::floor(UnixMillis::from_millis(millis)).ok_or(StoreError::corrupt(what))
}
