//! The publisher's side of the store on SQLite.

use std::collections::BTreeSet;

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::snapshot::{HeadOrder, ObjectName};
use sqlx::FromRow;

use super::error::failed;
use super::publication_view::SqliteView;
use super::{SqliteStore, json, log, secret};
use crate::domain::audit::publishing::epoch_acquired;
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::publication::{LiveKey, NewHead, ObjectTotals, Publication, PublicationView, Raise, RecordedHead};

macro_rules! sql {
    ($($name:ident = $file:literal;)*) => {
        $(const $name: &str = include_str!(concat!("sql/publication/", $file));)*
    };
}

sql! {
    LIVE_KEYS = "live_keys.sql";
    LEASE_ACQUIRE = "lease_acquire.sql";
    LEASE_RENEW = "lease_renew.sql";
    LEASE_RELEASE = "lease_release.sql";
    LEASE_HELD = "lease_held.sql";
    EPOCH_SET = "epoch_set.sql";
    HEAD_GET = "head_get.sql";
    HEAD_PUT = "head_put.sql";
    HEAD_SENT = "head_sent.sql";
    HEAD_COMPARED = "head_compared.sql";
    HEAD_EXPIRY = "head_expiry.sql";
    HEAD_FORGET = "head_forget.sql";
    PUBLISHED_PUT = "published_put.sql";
    PUBLISHED_SENT = "published_sent.sql";
    OBJECT_STAGE = "object_stage.sql";
    BYTES_STAGE = "bytes_stage.sql";
    BYTES_FORGET = "bytes_forget.sql";
    OBJECTS_NAME = "objects_name.sql";
    OBJECTS_RETIRE = "objects_retire.sql";
    OBJECT_GET = "object_get.sql";
    OBJECTS_SENT = "objects_sent.sql";
    OBJECTS_FORGET = "objects_forget.sql";
    OBJECTS_UNSENT = "objects_unsent.sql";
    OBJECTS_RETIRE_ALL = "objects_retire_all.sql";
    OBJECTS_COLLECTABLE = "objects_collectable.sql";
    OBJECT_TOTALS = "object_totals.sql";
    OBJECTS_STAGED = "objects_staged.sql";
    OUTBOX_FORGET = "outbox_forget.sql";
    COUNTERS_RAISE = "counters_raise.sql";
    INCARNATION_RAISE = "incarnation_raise.sql";
}

/// Bytes that one transaction stages. A change that waits for the writer waits for no more.
const STAGED_AT_ONCE: usize = 1 << 20;
/// Objects that one transaction forgets, for the same reason: about as many bytes.
const FORGOTTEN_AT_ONCE: usize = 32;

fn name(bytes: Vec<u8>) -> Result<ObjectName, StoreError> {
    bytes.try_into().map(ObjectName::from_bytes).map_err(|_| StoreError::corrupt("snapshot_object.name"))
}

pub(super) const fn number(stored: i64) -> u64 {
    stored.cast_unsigned()
}

pub(super) const fn stored(number: u64) -> i64 {
    number.cast_signed()
}

#[async_trait]
impl Publication for SqliteStore {
    fn is_alone(&self) -> bool {
        // One process at a time has the data directory's lock.
        true
    }

    async fn view(&self) -> Result<Box<dyn PublicationView>, StoreError> {
        Ok(Box::new(SqliteView::begin(self).await?))
    }

    async fn acquire_lease(&self, holder: &str, now: UnixMillis, until: UnixMillis) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.writer.transaction().await?;
        let epoch: Option<i64> = sqlx::query_scalar(LEASE_ACQUIRE)
            .bind(holder)
            .bind(until.as_millis())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let Some(epoch) = epoch else {
            transaction.roll_back().await?;
            return Ok(None);
        };
        sqlx::query(EPOCH_SET).bind(epoch).execute(&mut *transaction).await.map_err(failed)?;
        let event = epoch_acquired(now, holder, number(epoch) - 1, number(epoch));
        let logged = log::tell(&mut transaction, &[event]).await?;
        transaction.commit().await?;
        self.writer.line.logged.send_replace(logged);
        Ok(Some(number(epoch)))
    }

    async fn renew_lease(&self, holder: &str, until: UnixMillis) -> Result<bool, StoreError> {
        let renewed = sqlx::query(LEASE_RENEW).bind(holder).bind(until.as_millis());
        Ok(renewed.execute(&mut *self.writer.alone().await?).await.map_err(failed)?.rows_affected() == 1)
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        sqlx::query(LEASE_RELEASE)
            .bind(holder)
            .execute(&mut *self.writer.alone().await?)
            .await
            .map(drop)
            .map_err(failed)
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
            compared_epoch: Option<i64>,
            compared_generation: Option<i64>,
            compared_issued_at: Option<i64>,
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
            compared: match (row.compared_epoch, row.compared_generation, row.compared_issued_at) {
                (Some(epoch), Some(generation), Some(issued_at)) => Some(order(epoch, generation, issued_at)),
                _ => None,
            },
        }))
    }

    async fn stage_objects(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StoreError> {
        let mut objects = objects.iter().peekable();
        while objects.peek().is_some() {
            let mut transaction = self.writer.transaction().await?;
            let mut staged_bytes = 0;
            while staged_bytes < STAGED_AT_ONCE
                && let Some((name, bytes)) = objects.next()
            {
                staged_bytes += bytes.len();
                let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                let staged = sqlx::query(OBJECT_STAGE).bind(name.as_bytes().as_slice()).bind(size);
                staged.execute(&mut *transaction).await.map_err(failed)?;
                let staged = sqlx::query(BYTES_STAGE).bind(name.as_bytes().as_slice()).bind(bytes.as_slice());
                staged.execute(&mut *transaction).await.map_err(failed)?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn record_head(&self, holder: &str, head: &NewHead<'_>) -> Result<bool, StoreError> {
        let mut transaction = self.writer.transaction().await?;
        let held: Option<i64> =
            sqlx::query_scalar(LEASE_HELD).bind(holder).fetch_optional(&mut *transaction).await.map_err(failed)?;
        if held.is_none() {
            return Ok(false);
        }
        let before: Option<i64> =
            sqlx::query_scalar(HEAD_EXPIRY).fetch_optional(&mut *transaction).await.map_err(failed)?;
        if head.afresh {
            let retired = sqlx::query(OBJECTS_RETIRE_ALL).bind(before);
            retired.execute(&mut *transaction).await.map_err(failed)?;
        }
        let named = sqlx::query(OBJECTS_NAME).bind(list(head.named)?);
        let named = named.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
        let distinct: BTreeSet<_> = head.named.iter().collect();
        if named != u64::try_from(distinct.len()).unwrap_or(u64::MAX) {
            return Err(StoreError::Misused("an object that the head names is not there".into()));
        }
        let retired = sqlx::query(OBJECTS_RETIRE).bind(list(head.retired)?).bind(before);
        retired.execute(&mut *transaction).await.map_err(failed)?;
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
        sqlx::query(PUBLISHED_PUT)
            .bind(stored(head.order.generation))
            .bind(stored(head.order.epoch))
            .bind(stored(head.order.issued_at))
            .bind(before)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        if head.compared {
            sqlx::query(HEAD_COMPARED).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn mark_head_compared(&self) -> Result<(), StoreError> {
        sqlx::query(HEAD_COMPARED).execute(&mut *self.writer.alone().await?).await.map(drop).map_err(failed)
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
        let sent = sqlx::query(OBJECTS_SENT).bind(list(names)?).bind(at.as_millis());
        sent.execute(&mut *self.writer.alone().await?).await.map(drop).map_err(failed)
    }

    async fn mark_head_sent(&self, order: HeadOrder, at: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.writer.transaction().await?;
        sqlx::query(HEAD_SENT)
            .bind(stored(order.epoch))
            .bind(stored(order.generation))
            .bind(stored(order.issued_at))
            .bind(at.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let sent = sqlx::query(PUBLISHED_SENT).bind(stored(order.generation)).bind(at.as_millis());
        sent.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await
    }

    async fn object_totals(&self) -> Result<ObjectTotals, StoreError> {
        let (objects, bytes): (i64, i64) =
            sqlx::query_as(OBJECT_TOTALS).fetch_one(&self.readers).await.map_err(failed)?;
        Ok(ObjectTotals { objects: number(objects), bytes: number(bytes) })
    }

    async fn forget_staged(&self) -> Result<u64, StoreError> {
        let staged: Vec<Vec<u8>> = sqlx::query_scalar(OBJECTS_STAGED).fetch_all(&self.readers).await.map_err(failed)?;
        let staged = staged.into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
        self.forget(&staged, "staged").await
    }

    async fn forget_outbox(&self, through: u64) -> Result<(), StoreError> {
        sqlx::query(OUTBOX_FORGET)
            .bind(stored(through))
            .execute(&mut *self.writer.alone().await?)
            .await
            .map(drop)
            .map_err(failed)
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
        self.forget(names, "retired").await.map(drop)
    }

    async fn raise_counters(&self, raise: &Raise) -> Result<(), StoreError> {
        let Raise { epoch, generation, expiry, incarnation, event } = raise;
        let mut transaction = self.writer.transaction().await?;
        let raised = sqlx::query(COUNTERS_RAISE).bind(stored(*epoch)).bind(stored(*generation));
        raised.execute(&mut *transaction).await.map_err(failed)?;
        let lifted = sqlx::query(HEAD_FORGET).bind(stored(*epoch)).bind(stored(*generation)).bind(expiry.as_millis());
        lifted.execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query(HEAD_COMPARED).execute(&mut *transaction).await.map_err(failed)?;
        let expiry: Option<i64> =
            sqlx::query_scalar(HEAD_EXPIRY).fetch_optional(&mut *transaction).await.map_err(failed)?;
        sqlx::query(OBJECTS_RETIRE_ALL).bind(expiry).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query(INCARNATION_RAISE).bind(incarnation).execute(&mut *transaction).await.map_err(failed)?;
        let logged = log::tell(&mut transaction, core::slice::from_ref(event)).await?;
        transaction.commit().await?;
        self.writer.line.logged.send_replace(logged);
        Ok(())
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

impl SqliteStore {
    /// Forgets those of the objects that are in `state`; says how many.
    async fn forget(&self, names: &[ObjectName], state: &str) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for names in names.chunks(FORGOTTEN_AT_ONCE) {
            let names = list(names)?;
            let mut transaction = self.writer.transaction().await?;
            let objects = sqlx::query(OBJECTS_FORGET).bind(&names).bind(state);
            forgotten += objects.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
            sqlx::query(BYTES_FORGET).bind(&names).execute(&mut *transaction).await.map_err(failed)?;
            transaction.commit().await?;
        }
        Ok(forgotten)
    }
}

/// Names as statements take them: a JSON array of hexadecimal texts.
fn list(names: &[ObjectName]) -> Result<String, StoreError> {
    let names: Vec<String> = names.iter().map(|name| hex::encode(name.as_bytes())).collect();
    json::write(&names, "snapshot_object.name")
}
