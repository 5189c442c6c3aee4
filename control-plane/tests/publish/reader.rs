//! An edge without its platform: follows heads, loads objects from the publisher, and is compared with
//! the database.

use std::sync::Arc;
use std::time::Duration;

use keyward_control_plane::api::snapshot::SnapshotSource;
use keyward_control_plane::clock::{Clock as _, SystemClock};
use keyward_control_plane::store::publication::Publication;
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_shared::fingerprint::{Fingerprint, Pepper};
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{
    Head, Lookup, ObjectName, Origin, Replica, ReplicaOptions, SigningKey, TrustedKeys, decode_settings,
};

/// How long anything may take to be published here, however busy the machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Reader {
    replica: Replica,
    trusted: TrustedKeys,
    /// Every fingerprint that was ever live.
    seen: Vec<Fingerprint>,
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().as_millis()).expect("after 1970")
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![SigningKey::from_seed(&[3; 32]).public()]).expect("one key")
}

/// The newest head, whatever a reader would say to it.
pub(crate) async fn newest(source: &Arc<dyn SnapshotSource>) -> Option<Head> {
    let bytes = source.head().await?;
    Some(Head::verify(&bytes.bytes, "test", &trusted()).expect("a head that verifies"))
}

impl Reader {
    pub(crate) fn new() -> Self {
        let options = ReplicaOptions {
            deployment: "test".to_owned(),
            peppers: vec![Pepper::new([1; 32])],
            min_epoch: 0,
            cache_bytes: 64 << 20,
        };
        Self { replica: Replica::new(options), trusted: trusted(), seen: Vec::new() }
    }

    pub(crate) fn head(&self) -> &Head {
        self.replica.head().expect("a head")
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.replica.settings()
    }

    /// Takes every newest head until one is of `generation`.
    pub(crate) async fn follow(&mut self, source: &Arc<dyn SnapshotSource>, generation: u64) {
        self.until(source, |head| head.generation >= generation).await;
    }

    /// Takes every newest head until one is as wanted.
    pub(crate) async fn until(&mut self, source: &Arc<dyn SnapshotSource>, wanted: impl Fn(&Head) -> bool) {
        let taken = async {
            loop {
                if let Some(bytes) = source.head().await {
                    let head = Head::verify(&bytes.bytes, "test", &self.trusted).expect("a head that verifies");
                    let settings = load(source, &head.settings).await;
                    let origin = Origin { deployment: "test", pepper: head.tree.pepper };
                    let settings = decode_settings(&settings, origin).expect("settings");
                    self.replica.adopt(head, settings, now()).expect("never backwards");
                    for need in self.replica.to_warm(2) {
                        let bytes = load(source, &need.name).await;
                        self.replica.insert(&need, bytes).expect("the object that was asked for");
                    }
                }
                if self.replica.head().is_some_and(&wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, taken).await.expect("published in time");
    }

    /// Compares every secret there is and ever was with the database.
    pub(crate) async fn compare(&mut self, store: &SqliteStore, source: &Arc<dyn SnapshotSource>) {
        let mut view = store.view().await.expect("a view");
        let (first, last) = (Fingerprint::from_bytes([0; 16]), Fingerprint::from_bytes([0xff; 16]));
        let live = view.live_between(first, last).await.expect("live secrets");
        assert_eq!(*self.settings(), view.settings().await.expect("settings"));
        drop(view);
        for (fingerprint, ..) in &live {
            if !self.seen.contains(fingerprint) {
                self.seen.push(*fingerprint);
            }
        }
        for fingerprint in self.seen.clone() {
            let truth = live.iter().find(|(live, ..)| *live == fingerprint);
            let truth = truth.map(|(_, record, policy)| (*record, policy.clone()));
            assert_eq!(self.find(&fingerprint, source).await, truth);
        }
    }

    /// What the snapshot says of a secret.
    pub(crate) async fn find(
        &mut self,
        fingerprint: &Fingerprint,
        source: &Arc<dyn SnapshotSource>,
    ) -> Option<(Record, Policy)> {
        loop {
            let need = match self.replica.lookup_exact(fingerprint) {
                Lookup::Need(need) => need,
                Lookup::Found(record, policy) => {
                    let found = (record, policy.to_policy());
                    self.replica.promote(fingerprint);
                    return Some(found);
                }
                Lookup::Absent => return None,
                Lookup::NoHead => panic!("there is a head"),
            };
            let bytes = load(source, &need.name).await;
            self.replica.insert(&need, bytes).expect("the object that was asked for");
        }
    }
}

async fn load(source: &Arc<dyn SnapshotSource>, name: &ObjectName) -> Vec<u8> {
    source.object(&name.to_string()).await.expect("an answer").expect("an object that a head names")
}
