//! When the audit log goes on under another name, and what it is told.

use ed25519_dalek::SigningKey as Ed25519;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::lifecycle::notary::Notary;
use crate::store::publication::{NewHead, Publication as _};
use crate::store::sqlite::SqliteStore;
use crate::store::{AuditStore as _, EdgeStore as _, ReceiptQuery, Store as _};

const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);
/// The name of a log that was raised then.
const RAISED: u32 = 1_800_000_000;
const SEED: [u8; 32] = [3; 32];
const HEAD_TTL: Duration = Duration::from_hours(24);

struct House {
    _dir: TempDir,
    store: Arc<SqliteStore>,
    raise: RaiseEpoch,
}

impl House {
    /// A database with so many events, each a publisher's epoch.
    async fn with(events: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
        let store = Arc::new(SqliteStore::open(&url).await.expect("a store"));
        let raise = RaiseEpoch {
            store: Arc::clone(&store) as Arc<_>,
            kv: None,
            last_signed: None,
            deployment: "test".to_owned(),
            public_key: PublicKey::from_bytes(Ed25519::from_bytes(&SEED).verifying_key().as_bytes()).expect("a key"),
            pepper: keyward_shared::fingerprint::Pepper::new([1; 32]).id(),
            head_ttl: HEAD_TTL,
        };
        for _ in 0..events {
            store.acquire_lease("test", NOW, NOW).await.expect("the database").expect("the lease");
        }
        Self { _dir: dir, store, raise }
    }

    /// A checkpoint of the log as it is, signed with this seed.
    async fn signed(&self, seed: [u8; 32]) -> String {
        let notary = Notary::new(Arc::clone(&self.store) as Arc<_>, "test", &seed);
        notary.sign(NOW).await.expect("signed").expect("a checkpoint").note
    }

    async fn raise(&self, kv: Option<HeadOrder>, checkpoint: Option<&str>) -> Raised {
        let comparison = Comparison {
            kv,
            carried: 7,
            expires_at: NOW,
            checkpoint: checkpoint.map(str::to_owned),
            orphans: Vec::new(),
        };
        self.raise.raise(&comparison, NOW).await.expect("raised")
    }

    /// Without KV.
    async fn raise_at(&self, now: UnixMillis) -> Raised {
        let comparison = self.raise.compare().await.expect("nothing to compare with");
        self.raise.raise(&comparison, now).await.expect("raised")
    }

    /// The newest event.
    async fn newest(&self) -> Value {
        let size = self.store.tree().await.expect("the tree").edge.size();
        self.store.event(size).await.expect("the database").expect("an event").document
    }

    async fn incarnation(&self) -> u32 {
        self.store.tree().await.expect("the tree").incarnation
    }
}

#[tokio::test]
async fn what_was_raised_is_told_with_what_kv_held() {
    let house = House::with(2).await;
    let note = house.signed(SEED).await;
    let order = HeadOrder { epoch: 5, generation: 40, issued_at: 1 };
    let raised = house.raise(Some(order), Some(&note)).await;
    assert_eq!(raised, Raised { epoch: 6, generation: 41, incarnation: RAISED });
    let event = house.newest().await;
    assert_eq!([&event["action"], &event["entity"], &event["actor"]["name"]], ["Update", "Snapshots", "raise-epoch"]);
    assert_eq!(event["generation"], 41);
    let details = json!({
        "operation": "raise_epoch",
        "before": { "epoch": 0, "generation": 0, "incarnation": 1 },
        "after": { "epoch": 6, "generation": 41, "incarnation": RAISED },
        "incarnation": RAISED,
        "kv": { "epoch": 5, "generation": 40, "checkpoint": note },
        "disabled_keys": 0,
    });
    assert_eq!(event["details"], details);
    assert_eq!(house.incarnation().await, RAISED);
    // What is signed from here on has another name, and goes on.
    assert!(house.signed(SEED).await.starts_with("keyward/test/audit/1800000000\n3\n"));
    assert_eq!(house.store.generation().await.expect("the database").0, 41);
}

#[tokio::test]
async fn a_log_gets_a_name_of_its_own_whatever_kv_knows_of_it() {
    // Edges may have seen more than KV has, and there may be no KV at all.
    let longer = House::with(9).await.signed(SEED).await;
    let forged = House::with(2).await.signed([4; 32]).await;
    let house = House::with(3).await;
    let its_own = house.signed(SEED).await;
    let mut incarnation = RAISED - 1;
    for note in [Some(&*its_own), None, Some(&*longer), Some(&*forged), Some("no note at all")] {
        incarnation += 1;
        assert_eq!(house.raise(None, note).await.incarnation, incarnation, "{note:?}");
        assert_eq!(house.newest().await["details"]["kv"], Value::Null);
    }
    assert_eq!(house.incarnation().await, incarnation);
}

#[tokio::test]
async fn without_kv_epoch_and_generation_go_further_than_they_can_have_come() {
    let house = House::with(3).await;
    let comparison = house.raise.compare().await.expect("nothing to compare with");
    let raised = house.raise.raise(&comparison, NOW).await.expect("raised");
    assert!(raised.epoch >= UNSEEN && raised.generation >= UNSEEN, "{raised:?}");
}

#[tokio::test]
async fn no_receipt_is_certain_while_a_head_of_the_lost_history_can_be_valid() {
    for kv in [None, Some(HeadOrder { epoch: 5, generation: 40, issued_at: 1 })] {
        let house = House::with(1).await;
        let raised = house.raise(kv, None).await;
        house.store.acquire_lease("next", NOW, NOW).await.expect("the database").expect("the lease");
        let order = HeadOrder { epoch: raised.epoch + 1, generation: raised.generation, issued_at: 1 };
        let head = NewHead {
            bytes: &[],
            order,
            expires_at: NOW,
            tree_generation: raised.generation,
            named: &[],
            retired: &[],
            afresh: true,
            compared: true,
        };
        assert!(house.store.record_head("next", &head).await.expect("recorded"));
        let query = ReceiptQuery { generation: raised.generation, unconfirmed_since: NOW, clock_ms: 0, limit: 1 };
        let published = house.store.receipt(&query).await.expect("the database").and_then(|receipt| receipt.published);
        let lost = published.expect("published").older_expire_at.expect("older heads").as_millis();
        // It was signed when the history was lost at the latest, and KV need not have had it.
        assert_eq!(lost, NOW.as_millis() + 24 * 3_600_000, "{kv:?}");
    }
}

#[tokio::test]
async fn of_one_backup_that_was_raised_twice_the_second_goes_above_what_the_first_came_to() {
    // Each on a machine of its own, of which nothing was left.
    let first = House::with(3).await.raise_at(NOW).await;
    let second = House::with(3).await.raise_at(UnixMillis::from_millis(NOW.as_millis() + 60_000)).await;
    assert!(second.incarnation > first.incarnation, "{first:?}, {second:?}");
    // The first took its lease again and again, and took changes.
    let went_on = |from: u64| from + 1_000;
    assert!(second.epoch > went_on(first.epoch) && second.generation > went_on(first.generation));
    assert!(second.epoch < 1 << 52 && second.generation < 1 << 52, "{second:?}");
}

#[tokio::test]
async fn a_clock_that_is_behind_takes_nothing_back() {
    let house = House::with(3).await;
    let first = house.raise_at(NOW).await;
    let second = house.raise_at(UnixMillis::from_millis(-1)).await;
    assert_eq!(second.incarnation, first.incarnation + 1);
    assert!(second.generation > first.generation, "{first:?}, {second:?}");
}

#[tokio::test]
async fn a_restored_database_signs_again_only_under_a_name_that_the_data_directory_knows_of() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let file = LastSigned::of("test", data_dir.path());
    let notary = |house: &House| Notary::new(Arc::clone(&house.store) as Arc<_>, "test", &SEED).keeping(file.clone());
    notary(&House::with(9).await).sign(NOW).await.expect("signed");
    let mut house = House::with(2).await;
    assert!(notary(&house).sign(NOW).await.is_err());
    // Whoever has the database can raise the number there, and gains nothing by it.
    house.raise(None, None).await;
    let refused = notary(&house).sign(NOW).await.expect_err("a name that the file does not know of");
    assert!(refused.to_string().contains("raise-epoch"), "{refused}");
    house.raise.last_signed = Some(file.clone());
    assert_eq!(house.raise(None, None).await.incarnation, RAISED + 1);
    let signed = notary(&house).sign(NOW).await.expect("signed").expect("a checkpoint");
    assert_eq!((signed.incarnation, signed.size), (RAISED + 1, 4));
    // Another copy of that old database must not take this name.
    let mut again = House::with(2).await;
    again.raise.last_signed = Some(file.clone());
    assert_eq!(again.raise(None, None).await.incarnation, RAISED + 2);
}

#[tokio::test]
async fn a_name_under_which_something_was_signed_is_not_used_again() {
    // A database from before the log was renamed, twice.
    let later = {
        let house = House::with(2).await;
        for _ in 0..2 {
            house.raise(None, Some("no note at all")).await;
        }
        house.signed(SEED).await
    };
    assert!(later.starts_with("keyward/test/audit/1800000001\n"));
    let house = House::with(2).await;
    assert_eq!(house.raise(None, Some(&later)).await.incarnation, RAISED + 2);
}
