//! The publisher's side of the store on SQLite.
//!
//! A view is a read transaction: write-ahead logging keeps it as it began, whatever commits beside it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Policy, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{HeadOrder, ObjectName};
use sqlx::{FromRow, Sqlite, SqliteConnection, Transaction};

use super::error::failed;
use super::{SqliteStore, api, json, secret, settings};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::publication::{
    LiveKey, LiveSecret, NewHead, ObjectTotals, OutboxBatch, OutboxRow, Publication, PublicationView, RecordedHead,
};

macro_rules! sql {
    ($($name:ident = $file:literal;)*) => {
        $(const $name: &str = include_str!(concat!("sql/publication/", $file));)*
    };
}

sql! {
    CHANGES_AFTER = "changes_after.sql";
    FIRST_TOO_LARGE = "first_too_large.sql";
    TOUCHED_AFTER = "touched_after.sql";
    NARROWING_AFTER = "narrowing_after.sql";
    LIVE_COUNT = "live_count.sql";
    LIVE_KEYS = "live_keys.sql";
    LEASE_ACQUIRE = "lease_acquire.sql";
    LEASE_RENEW = "lease_renew.sql";
    LEASE_RELEASE = "lease_release.sql";
    LEASE_HELD = "lease_held.sql";
    EPOCH_SET = "epoch_set.sql";
    HEAD_GET = "head_get.sql";
    HEAD_PUT = "head_put.sql";
    HEAD_SENT = "head_sent.sql";
    HEAD_EXPIRY = "head_expiry.sql";
    HEAD_FORGET = "head_forget.sql";
    OBJECT_STAGE = "object_stage.sql";
    OBJECT_NAME = "object_name.sql";
    OBJECT_RETIRE = "object_retire.sql";
    OBJECT_GET = "object_get.sql";
    OBJECT_SENT = "object_sent.sql";
    OBJECT_FORGET = "object_forget.sql";
    OBJECTS_UNSENT = "objects_unsent.sql";
    OBJECTS_RETIRE_ALL = "objects_retire_all.sql";
    OBJECTS_COLLECTABLE = "objects_collectable.sql";
    OBJECT_TOTALS = "object_totals.sql";
    STAGED_FORGET = "staged_forget.sql";
    OUTBOX_FORGET = "outbox_forget.sql";
    COUNTERS_RAISE = "counters_raise.sql";
}
const LIVE_BETWEEN: &str =
    concat!(include_str!("sql/publication/live_select.sql"), include_str!("sql/publication/live_between.sql"));
const LIVE_ONE: &str =
    concat!(include_str!("sql/publication/live_select.sql"), include_str!("sql/publication/live_one.sql"));

#[derive(FromRow)]
struct LiveRow {
    fingerprint: Vec<u8>,
    slot: i64,
    deadline_s: Option<i64>,
    key_id: i64,
    member_id: i64,
    access: String,
    apis: String,
    restrictions: String,
    status: String,
    paused: bool,
    workspace_id: i64,
    slug: String,
    workspace_status: String,
}

/// Policies as the rows word them: most rows of a leaf word the same few.
type Policies = BTreeMap<(i64, String, String, String), Policy>;

impl LiveRow {
    fn read(self, policies: &mut Policies) -> Result<LiveSecret, StoreError> {
        let slot = match self.slot {
            0 => Slot::Current,
            1 => Slot::Retiring,
            _ => return Err(StoreError::corrupt("secret.slot")),
        };
        let deadline = match self.deadline_s {
            None => Deadline::NEVER,
            Some(seconds) => {
                Deadline::at_seconds(u32::try_from(seconds).map_err(|_| StoreError::corrupt("secret.deadline_s"))?)
            }
        };
        let record = Record {
            key: KeyId::from_u64(self.key_id.cast_unsigned()),
            member: MemberId::from_u64(self.member_id.cast_unsigned()),
            deadline,
            slot,
            disabled: self.status == "disabled",
            paused: self.paused && slot == Slot::Retiring,
            suspended: self.workspace_status == "suspended",
        };
        let fingerprint = secret::read_fingerprint(self.fingerprint)?;
        let worded = (self.workspace_id, self.access, self.apis, self.restrictions);
        if let Some(policy) = policies.get(&worded) {
            return Ok((fingerprint, record, policy.clone()));
        }
        let policy = Policy {
            workspace: WorkspaceId::from_u64(self.workspace_id.cast_unsigned()),
            slug: SlugHash::of(&self.slug),
            access: json::access(&worded.1)?,
            apis: json::read_apis(&worded.2)?,
            restrictions: json::read_restrictions(&worded.3)?,
        };
        policies.insert(worded, policy.clone());
        Ok((fingerprint, record, policy))
    }
}

fn name(bytes: Vec<u8>) -> Result<ObjectName, StoreError> {
    bytes.try_into().map(ObjectName::from_bytes).map_err(|_| StoreError::corrupt("snapshot_object.name"))
}

const fn number(stored: i64) -> u64 {
    stored.cast_unsigned()
}

const fn stored(number: u64) -> i64 {
    number.cast_signed()
}

#[async_trait]
impl Publication for SqliteStore {
    async fn view(&self) -> Result<Box<dyn PublicationView>, StoreError> {
        let mut transaction = self.readers.begin().await.map_err(failed)?;
        // The first read is what fixes the view.
        let generation: i64 =
            sqlx::query_scalar(super::GENERATION).fetch_one(&mut *transaction).await.map_err(failed)?;
        Ok(Box::new(SqliteView { transaction, generation: number(generation) }))
    }

    async fn acquire_lease(
        &self,
        holder: &str,
        _now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        let epoch: Option<i64> = sqlx::query_scalar(LEASE_ACQUIRE)
            .bind(holder)
            .bind(until.as_millis())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        if let Some(epoch) = epoch {
            sqlx::query(EPOCH_SET).bind(epoch).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(epoch.map(number))
    }

    async fn renew_lease(&self, holder: &str, until: UnixMillis) -> Result<bool, StoreError> {
        let renewed = sqlx::query(LEASE_RENEW).bind(holder).bind(until.as_millis());
        Ok(renewed.execute(&self.writer).await.map_err(failed)?.rows_affected() == 1)
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        sqlx::query(LEASE_RELEASE).bind(holder).execute(&self.writer).await.map(drop).map_err(failed)
    }

    async fn recorded_head(&self) -> Result<Option<RecordedHead>, StoreError> {
        #[derive(FromRow)]
        struct Row {
            bytes: Vec<u8>,
            epoch: i64,
            generation: i64,
            issued_at: i64,
            sent_epoch: Option<i64>,
            sent_generation: Option<i64>,
            sent_issued_at: Option<i64>,
            sent_at: Option<i64>,
        }
        let order = |epoch, generation, issued_at| HeadOrder {
            epoch: number(epoch),
            generation: number(generation),
            issued_at: number(issued_at),
        };
        let row: Option<Row> = sqlx::query_as(HEAD_GET).fetch_optional(&self.readers).await.map_err(failed)?;
        Ok(row.map(|row| RecordedHead {
            bytes: row.bytes,
            order: order(row.epoch, row.generation, row.issued_at),
            sent: match (row.sent_epoch, row.sent_generation, row.sent_issued_at, row.sent_at) {
                (Some(epoch), Some(generation), Some(issued_at), Some(at)) => {
                    Some((order(epoch, generation, issued_at), UnixMillis::from_millis(at)))
                }
                _ => None,
            },
        }))
    }

    async fn stage_objects(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        for (name, bytes) in objects {
            let staged = sqlx::query(OBJECT_STAGE).bind(name.as_bytes().as_slice()).bind(bytes.as_slice());
            staged.execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn record_head(&self, holder: &str, head: &NewHead<'_>) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        let held: Option<i64> =
            sqlx::query_scalar(LEASE_HELD).bind(holder).fetch_optional(&mut *transaction).await.map_err(failed)?;
        if held.is_none() {
            return Ok(false);
        }
        let before: Option<i64> =
            sqlx::query_scalar(HEAD_EXPIRY).fetch_optional(&mut *transaction).await.map_err(failed)?;
        for name in head.named {
            execute_on(&mut transaction, OBJECT_NAME, name).await?;
        }
        for name in head.retired {
            let retired = sqlx::query(OBJECT_RETIRE).bind(name.as_bytes().as_slice()).bind(before);
            retired.execute(&mut *transaction).await.map_err(failed)?;
        }
        sqlx::query(HEAD_PUT)
            .bind(stored(head.order.epoch))
            .bind(stored(head.order.generation))
            .bind(stored(head.order.issued_at))
            .bind(head.expires_at.as_millis())
            .bind(stored(head.tree_generation))
            .bind(head.bytes)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn object(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = sqlx::query_scalar(OBJECT_GET).bind(name.as_bytes().as_slice());
        bytes.fetch_optional(&self.readers).await.map_err(failed)
    }

    async fn unsent_objects(&self, bytes: usize) -> Result<Vec<(ObjectName, Vec<u8>)>, StoreError> {
        use futures_util::TryStreamExt as _;
        let mut reader = self.reader().await?;
        let mut rows = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(OBJECTS_UNSENT).fetch(&mut *reader);
        let (mut unsent, mut total) = (Vec::new(), 0);
        while let Some((named, object)) = rows.try_next().await.map_err(failed)? {
            total += object.len();
            unsent.push((name(named)?, object));
            if total >= bytes {
                break;
            }
        }
        Ok(unsent)
    }

    async fn mark_objects_sent(&self, names: &[ObjectName], at: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        for name in names {
            let sent = sqlx::query(OBJECT_SENT).bind(name.as_bytes().as_slice()).bind(at.as_millis());
            sent.execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn mark_head_sent(&self, order: HeadOrder, at: UnixMillis) -> Result<(), StoreError> {
        sqlx::query(HEAD_SENT)
            .bind(stored(order.epoch))
            .bind(stored(order.generation))
            .bind(stored(order.issued_at))
            .bind(at.as_millis())
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn object_totals(&self) -> Result<ObjectTotals, StoreError> {
        let (objects, bytes): (i64, i64) =
            sqlx::query_as(OBJECT_TOTALS).fetch_one(&self.readers).await.map_err(failed)?;
        Ok(ObjectTotals { objects: number(objects), bytes: number(bytes) })
    }

    async fn forget_staged(&self) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(STAGED_FORGET).execute(&self.writer).await.map_err(failed)?;
        Ok(forgotten.rows_affected())
    }

    async fn forget_outbox(&self, through: u64) -> Result<(), StoreError> {
        sqlx::query(OUTBOX_FORGET).bind(stored(through)).execute(&self.writer).await.map(drop).map_err(failed)
    }

    async fn collectable(&self, expired_before: UnixMillis, limit: u32) -> Result<Vec<ObjectName>, StoreError> {
        let names: Vec<Vec<u8>> = sqlx::query_scalar(OBJECTS_COLLECTABLE)
            .bind(expired_before.as_millis())
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        names.into_iter().map(name).collect()
    }

    async fn forget_objects(&self, names: &[ObjectName]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        for name in names {
            execute_on(&mut transaction, OBJECT_FORGET, name).await?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn raise_counters(&self, epoch: u64, generation: u64) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await.map_err(failed)?;
        let raised = sqlx::query(COUNTERS_RAISE).bind(stored(epoch)).bind(stored(generation));
        raised.execute(&mut *transaction).await.map_err(failed)?;
        let expiry: Option<i64> =
            sqlx::query_scalar(HEAD_EXPIRY).fetch_optional(&mut *transaction).await.map_err(failed)?;
        sqlx::query(OBJECTS_RETIRE_ALL).bind(expiry).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query(HEAD_FORGET).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn live_keys(&self) -> Result<Vec<LiveKey>, StoreError> {
        let rows: Vec<(Vec<u8>, i64, i64, String, bool)> =
            sqlx::query_as(LIVE_KEYS).fetch_all(&self.readers).await.map_err(failed)?;
        let read = |(fingerprint, key, workspace, name, disabled): (Vec<u8>, i64, i64, String, bool)| {
            Ok(LiveKey {
                fingerprint: secret::read_fingerprint(fingerprint)?,
                key: KeyId::from_u64(number(key)),
                workspace: WorkspaceId::from_u64(number(workspace)),
                name,
                disabled,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

async fn execute_on(
    transaction: &mut Transaction<'_, Sqlite>,
    sql: &'static str,
    name: &ObjectName,
) -> Result<(), StoreError> {
    let query = sqlx::query(sql).bind(name.as_bytes().as_slice());
    query.execute(&mut **transaction).await.map(drop).map_err(failed)
}

struct SqliteView {
    transaction: Transaction<'static, Sqlite>,
    generation: u64,
}

impl SqliteView {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

#[async_trait]
impl PublicationView for SqliteView {
    fn generation(&self) -> u64 {
        self.generation
    }

    async fn changes_after(&mut self, generation: u64, largest: u32, limit: u32) -> Result<OutboxBatch, StoreError> {
        let first_too_large: Option<i64> = sqlx::query_scalar(FIRST_TOO_LARGE)
            .bind(stored(generation))
            .bind(largest)
            .fetch_one(self.connection())
            .await
            .map_err(failed)?;
        let mut rows: Vec<(i64, Vec<u8>, bool, i64)> = sqlx::query_as(CHANGES_AFTER)
            .bind(stored(generation))
            .bind(largest)
            .bind(i64::from(limit) + 1)
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        let mut through = self.generation;
        if rows.len() > limit as usize {
            // The last mutation may be cut: it is read with the next batch.
            let cut = rows.last().map(|row| row.0);
            rows.retain(|row| Some(row.0) != cut);
            through = rows.last().map_or(generation, |row| number(row.0));
        }
        let mut policies = Policies::new();
        let mut changes = Vec::with_capacity(rows.len());
        for (generation, fingerprint, narrowing, entries) in rows {
            let settings = fingerprint.is_empty();
            let fingerprint = if settings { None } else { Some(secret::read_fingerprint(fingerprint)?) };
            let state = match &fingerprint {
                None => None,
                Some(fingerprint) => {
                    let row: Option<LiveRow> = sqlx::query_as(LIVE_ONE)
                        .bind(fingerprint.as_bytes().as_slice())
                        .fetch_optional(self.connection())
                        .await
                        .map_err(failed)?;
                    row.map(|row| row.read(&mut policies)).transpose()?
                }
            };
            changes.push(OutboxRow {
                generation: number(generation),
                fingerprint,
                narrowing,
                entries_of_mutation: number(entries),
                state: state.map(|(_, record, policy)| (record, policy)),
            });
        }
        Ok(OutboxBatch { rows: changes, through, first_too_large: first_too_large.map(number) })
    }

    async fn touched_after(&mut self, generation: u64) -> Result<(Vec<Fingerprint>, bool), StoreError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(TOUCHED_AFTER)
            .bind(stored(generation))
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        let settings = rows.iter().any(Vec::is_empty);
        let touched = rows.into_iter().filter(|bytes| !bytes.is_empty()).map(secret::read_fingerprint);
        Ok((touched.collect::<Result<_, _>>()?, settings))
    }

    async fn narrowing_after(&mut self, generation: u64) -> Result<Vec<(u64, Fingerprint, bool)>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(NARROWING_AFTER)
            .bind(stored(generation))
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        let read = |(generation, fingerprint, narrowing)| {
            Ok((number(generation), secret::read_fingerprint(fingerprint)?, narrowing))
        };
        rows.into_iter().map(read).collect()
    }

    async fn live_between(&mut self, from: Fingerprint, to: Fingerprint) -> Result<Vec<LiveSecret>, StoreError> {
        let rows: Vec<LiveRow> = sqlx::query_as(LIVE_BETWEEN)
            .bind(from.as_bytes().as_slice())
            .bind(to.as_bytes().as_slice())
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        let mut policies = Policies::new();
        rows.into_iter().map(|row| row.read(&mut policies)).collect()
    }

    async fn live_count(&mut self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(LIVE_COUNT).fetch_one(self.connection()).await.map_err(failed)?;
        Ok(number(count))
    }

    async fn settings(&mut self) -> Result<Settings, StoreError> {
        let mut settings = settings::get(self.connection()).await?.settings;
        settings.routes = api::catalogue(self.connection()).await?.routes();
        Ok(settings)
    }
}
