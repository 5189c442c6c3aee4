//! One consistent view of what is committed: a read transaction, which write-ahead logging keeps as it
//! began, whatever commits beside it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::{Policy, SlugHash};
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use sqlx::{FromRow, Sqlite, SqliteConnection, Transaction};

use super::error::failed;
use super::publication::{number, stored};
use super::{SqliteStore, api, json, live, secret, settings};
use crate::store::StoreError;
use crate::store::live::LiveSecrets;
use crate::store::publication::{LiveSecret, OutboxBatch, OutboxMark, OutboxRow, PublicationView};

const CHANGES_AFTER: &str = include_str!("sql/publication/changes_after.sql");
const FIRST_TOO_LARGE: &str = include_str!("sql/publication/first_too_large.sql");
const TOO_LARGE_NARROWS: &str = include_str!("sql/publication/too_large_narrows.sql");
const TOUCHED_AFTER: &str = include_str!("sql/publication/touched_after.sql");
const MARKS_AFTER: &str = include_str!("sql/publication/marks_after.sql");
const NARROWING_AFTER: &str = include_str!("sql/publication/narrowing_after.sql");
const LIVE_COUNT: &str = include_str!("sql/publication/live_count.sql");
const LIVE_BETWEEN: &str =
    concat!(include_str!("sql/publication/live_select.sql"), include_str!("sql/publication/live_between.sql"));
const LIVE_SOME: &str =
    concat!(include_str!("sql/publication/live_select.sql"), include_str!("sql/publication/live_some.sql"));

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
        let mut record = live::record::of_secret(self.key_id, self.slot, self.deadline_s)?;
        live::record::hear_key(&mut record, self.member_id, &self.status, self.paused);
        record.suspended = live::record::is_suspended(&self.workspace_status);
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

/// One live secret as heads and leaves tell of it.
pub(super) async fn live_secret(
    conn: &mut SqliteConnection,
    fingerprint: &Fingerprint,
) -> Result<Option<(Record, Policy)>, StoreError> {
    let wanted = json::write(&[hex::encode(fingerprint.as_bytes())], "secret.fingerprint")?;
    let row: Option<LiveRow> = sqlx::query_as(LIVE_SOME).bind(wanted).fetch_optional(conn).await.map_err(failed)?;
    let read = row.map(|row| row.read(&mut Policies::new())).transpose()?;
    Ok(read.map(|(_, record, policy)| (record, policy)))
}

pub(super) struct SqliteView {
    transaction: Transaction<'static, Sqlite>,
    generation: u64,
}

impl SqliteView {
    pub(super) async fn begin(store: &SqliteStore) -> Result<Self, StoreError> {
        let mut transaction = store.readers.begin().await.map_err(failed)?;
        // The first read is what fixes the view.
        let generation: i64 =
            sqlx::query_scalar(super::GENERATION).fetch_one(&mut *transaction).await.map_err(failed)?;
        Ok(Self { transaction, generation: number(generation) })
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Rows of the outbox with what became of each secret.
    async fn with_states(&mut self, rows: Vec<(i64, Vec<u8>, bool, i64)>) -> Result<Vec<OutboxRow>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let touched: Vec<String> = rows.iter().map(|(_, fingerprint, ..)| hex::encode(fingerprint)).collect();
        let live: Vec<LiveRow> = sqlx::query_as(LIVE_SOME)
            .bind(json::write(&touched, "outbox")?)
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        let mut policies = Policies::new();
        let mut states = BTreeMap::new();
        for row in live {
            let (fingerprint, record, policy) = row.read(&mut policies)?;
            states.insert(fingerprint, (record, policy));
        }
        let read = |(generation, fingerprint, narrowing, entries): (i64, Vec<u8>, bool, i64)| {
            let settings = fingerprint.is_empty();
            let fingerprint = if settings { None } else { Some(secret::read_fingerprint(fingerprint)?) };
            Ok(OutboxRow {
                generation: number(generation),
                fingerprint,
                narrowing,
                entries_of_mutation: number(entries),
                state: fingerprint.and_then(|fingerprint| states.get(&fingerprint).cloned()),
            })
        };
        rows.into_iter().map(read).collect()
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
        let too_large_narrows = match first_too_large {
            Some(first) => sqlx::query_scalar(TOO_LARGE_NARROWS)
                .bind(first)
                .bind(largest)
                .fetch_one(self.connection())
                .await
                .map_err(failed)?,
            None => false,
        };
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
        let rows = self.with_states(rows).await?;
        Ok(OutboxBatch { rows, through, first_too_large: first_too_large.map(number), too_large_narrows })
    }

    async fn narrowing_after(
        &mut self,
        generation: u64,
        largest: u32,
        single: u32,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut rows: Vec<(i64, Vec<u8>, bool, i64)> = sqlx::query_as(NARROWING_AFTER)
            .bind(stored(generation))
            .bind(largest)
            .bind(single)
            .bind(i64::from(limit) + 1)
            .fetch_all(self.connection())
            .await
            .map_err(failed)?;
        if rows.len() > limit as usize {
            let cut = rows.last().map(|row| row.0);
            rows.retain(|row| Some(row.0) != cut);
        }
        self.with_states(rows).await
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

    async fn marks_after(&mut self, generation: u64) -> Result<Vec<OutboxMark>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, bool, i64)> =
            sqlx::query_as(MARKS_AFTER).bind(stored(generation)).fetch_all(self.connection()).await.map_err(failed)?;
        let read = |(generation, fingerprint, narrowing, entries)| {
            let fingerprint = secret::read_fingerprint(fingerprint)?;
            let (generation, entries_of_mutation) = (number(generation), number(entries));
            Ok(OutboxMark { generation, fingerprint, narrowing, entries_of_mutation })
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

    async fn live_in(&mut self, ranges: &[(Fingerprint, Fingerprint)]) -> Result<Option<LiveSecrets>, StoreError> {
        live::read(self.connection(), ranges).await
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
