//! What was pruned is gone, and what remains verifies against every checkpoint there ever was.

use std::sync::Arc;

use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::audit::{AuditEvent, Details, Entity};
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::store::audit::AuditStore as _;
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_control_plane::verify::{Finding, Report, Witness};

use crate::kept_log::{DEPLOYMENT, KeptLog, SEED, event, look, run, trust};

fn prune(log: &KeptLog, through: u64) -> AuditEvent {
    let checkpoint = log.checkpoints.iter().find(|kept| kept.size == through).map(|kept| &kept.note);
    let details = Details::new("prune", None, None).with("through", through).with("checkpoint", checkpoint);
    AuditEvent { entity: Entity::AuditLog, actor: Actor::system("audit prune"), details, ..event(40) }
}

#[tokio::test]
async fn a_pruned_log_verifies_against_old_checkpoints_too() {
    let log = KeptLog::make(4, 9).await;
    let store = SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap();
    store.prune(18, prune(&log, 18)).await.unwrap();
    // Cut off here, it verifies as well.
    let (connection, report) = look(log.connect().await, vec![log.witness()]).await;
    assert!(report.verifies() && report.events == 37, "{report}");
    assert_eq!(store.drop_pruned().await.unwrap(), 18);
    assert_eq!(store.drop_pruned().await.unwrap(), 0);
    assert_eq!(store.event(18).await.unwrap(), None);
    assert!(store.event(19).await.unwrap().is_some());
    let old = Witness { from: "a file".to_owned(), checkpoint: trust().open(&log.checkpoints[0].note).unwrap() };
    let (mut connection, report) = look(connection, vec![old, log.witness()]).await;
    assert!(report.verifies(), "{report}");
    assert_eq!((report.events, report.outside.checkpoints, report.pruned), (19, 2, Some((18, 37))), "{report}");
    assert!(report.to_string().contains("events 1 to 18, as event 37 says"), "{report}");

    // More than was said may not be gone.
    run(&mut connection, "DELETE FROM audit_event WHERE seq = 19; UPDATE audit_log SET pruned = 19").await;
    let (_, report) = look(connection, vec![log.witness()]).await;
    assert_eq!(report.findings.kept, [Finding::PrunedUnsaid { through: 19 }], "{report}");
}

#[tokio::test]
async fn nothing_is_pruned_twice_or_beyond_the_log() {
    let log = KeptLog::make(2, 4).await;
    let store = SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap();
    assert!(store.prune(8, prune(&log, 8)).await.is_err());
    store.prune(4, prune(&log, 4)).await.unwrap();
    assert!(store.prune(4, prune(&log, 4)).await.is_err());
    assert_eq!(store.drop_pruned().await.unwrap(), 4);
    let (_, report) = look(log.connect().await, vec![log.witness()]).await;
    assert!(report.verifies(), "{report}");
    assert_eq!(report.through, 9, "a refusal left its event behind");
}

/// What is found where events were pruned up to here by an event with this as their checkpoint.
async fn told(through: u64, checkpoint: impl FnOnce(&KeptLog) -> String) -> Report {
    let log = KeptLog::make(4, 9).await;
    let store = SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap();
    let mut event = prune(&log, through);
    event.details = Details::new("prune", None, None).with("through", through).with("checkpoint", checkpoint(&log));
    store.prune(through, event).await.unwrap();
    store.drop_pruned().await.unwrap();
    look(log.connect().await, vec![log.witness()]).await.1
}

#[tokio::test]
async fn what_was_pruned_was_signed_before() {
    let right = told(9, |log| log.checkpoints[0].note.clone()).await;
    assert!(right.verifies(), "{right}");
    // That of another log of this deployment, signed as it should be.
    let stranger = checkpoint_of_others().await;
    for (report, says) in [
        (told(9, |log| log.checkpoints[1].note.clone()).await, "it has 18 events"),
        (told(9, |_| "any text".to_owned()).await, "not a signed note"),
        (told(9, |log| log.checkpoints[0].note.replace("\n9\n", "\n8\n")).await, "its signature is not"),
        (told(9, |_| stranger).await, "it is of others"),
    ] {
        let Finding::PrunedUnsigned { seq: 37, through: 9, why } = &report.findings.kept[0] else { panic!("{report}") };
        assert!(why.contains(says) && report.findings.kept.len() == 1, "{report}");
    }
}

/// A checkpoint of nine events that are others.
async fn checkpoint_of_others() -> String {
    let log = KeptLog::make(1, 1).await;
    let store = Arc::new(SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap());
    store.tell((20..28).map(event).collect()).await.unwrap();
    let notary = Notary::new(store, DEPLOYMENT, &SEED);
    notary.sign(event(28).at).await.unwrap().unwrap().note
}
