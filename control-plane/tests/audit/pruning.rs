//! What was pruned is gone, and what remains verifies against every checkpoint there ever was.

use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::audit::{AuditEvent, Details, Entity};
use keyward_control_plane::store::audit::AuditStore as _;
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_control_plane::verify::{Finding, Witness};

use crate::kept_log::{KeptLog, event, look, run, trust};

fn prune(through: u64) -> AuditEvent {
    let details = Details::new("prune", None, None).with("through", through);
    AuditEvent { entity: Entity::AuditLog, actor: Actor::system("audit prune"), details, ..event(40) }
}

#[tokio::test]
async fn a_pruned_log_verifies_against_old_checkpoints_too() {
    let log = KeptLog::make(4, 9).await;
    let store = SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap();
    store.prune(18, prune(18)).await.unwrap();
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
    assert!(store.prune(8, prune(8)).await.is_err());
    store.prune(4, prune(4)).await.unwrap();
    assert!(store.prune(4, prune(4)).await.is_err());
    assert_eq!(store.drop_pruned().await.unwrap(), 4);
    let (_, report) = look(log.connect().await, vec![log.witness()]).await;
    assert!(report.verifies(), "{report}");
    assert_eq!(report.through, 9, "a refusal left its event behind");
}
