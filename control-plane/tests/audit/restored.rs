//! A log that went on from a backup, against checkpoints of what it was before.

use std::sync::Arc;

use keyward_control_plane::domain::audit::publishing::{Counters, epoch_raised};
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::lifecycle::notary::Notary;

use keyward_control_plane::store::audit::{AuditStore as _, StoredCheckpoint};
use keyward_control_plane::store::publication::{Publication as _, Raise};
use keyward_control_plane::store::sqlite::SqliteStore;
use keyward_control_plane::verify::{Finding, Report, Witness};

use crate::kept_log::{DEPLOYMENT, KeptLog, SEED, event, look, run, trust};

const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

/// A log that was restored when it had 18 events, told so many, had its epoch raised and told so many again; and
/// its newest checkpoint.
async fn restored(between: u64, behind: u64) -> (KeptLog, StoredCheckpoint) {
    let log = KeptLog::make(2, 9).await;
    let store = Arc::new(SqliteStore::open(&format!("sqlite:{}", log.path.display())).await.unwrap());
    let other = |number| event(100 + number);
    if between > 0 {
        store.tell((0..between).map(other).collect()).await.unwrap();
    }
    let counters = |epoch| Counters { epoch, generation: 9 };
    let told = epoch_raised(NOW, (counters(1), counters(2)), (1, 2), None, 0);
    let raise = Raise { epoch: 2, generation: 9, expiry: NOW, incarnation: 2, event: told };
    store.raise_counters(&raise).await.unwrap();
    if behind > 0 {
        store.tell((between..between + behind).map(other).collect()).await.unwrap();
    }
    let notary = Notary::new(Arc::clone(&store) as Arc<_>, DEPLOYMENT, &SEED);
    let newest = notary.sign(NOW).await.unwrap().unwrap();
    store.close().await;
    (log, newest)
}

fn witness(checkpoint: &StoredCheckpoint) -> Witness {
    Witness { from: "an edge".to_owned(), checkpoint: trust().open(&checkpoint.note).unwrap() }
}

async fn seen(log: &KeptLog, checkpoints: &[&StoredCheckpoint]) -> Report {
    look(log.connect().await, checkpoints.iter().map(|kept| witness(kept)).collect()).await.1
}

#[tokio::test]
async fn a_checkpoint_of_events_that_a_restore_lost_names_the_event_that_says_so() {
    let before = KeptLog::make(4, 9).await;
    let lost = &before.checkpoints[3];
    // Events that were lost, where the log has fewer now, as many, and more.
    for (between, behind) in [(0, 2), (0, 17), (0, 30), (3, 2), (3, 30)] {
        let (log, newest) = restored(between, behind).await;
        let report = seen(&log, &[&before.checkpoints[0], lost, &newest]).await;
        let event = 19 + between;
        let (after, signed, at) = (18, 36, lost.at);
        assert_eq!(
            report.findings.kept,
            [Finding::Lost { event, after, signed, at, by: "an edge".to_owned() }],
            "{between}, {behind}: {report}"
        );
        assert_eq!(report.outside.checkpoints, 2, "{report}");
        let count = if between == 0 { "18 were lost" } else { "at least 15 were lost" };
        let says = format!("event {event}: `raise-epoch` ended the log that the checkpoint from an edge of {at} is of");
        assert!(report.to_string().contains(&says) && report.to_string().contains(count), "{report}");
        // What was signed before agrees still, and so does what was signed since.
        let report = seen(&log, &[&before.checkpoints[0], &before.checkpoints[1], &newest]).await;
        assert!(report.verifies() && report.outside.checkpoints == 3, "{report}");
    }
    // The log was ended after it had come further again than what was lost.
    let (log, newest) = restored(20, 2).await;
    let report = seen(&log, &[lost, &newest]).await;
    assert!(matches!(report.findings.kept[..], [Finding::Lost { event: 39, after: 18, signed: 36, .. }]), "{report}");
    assert!(report.to_string().contains("at least 1 were lost"), "{report}");
}

#[tokio::test]
async fn what_is_wrong_since_the_restore_is_not_taken_for_what_was_lost() {
    let before = KeptLog::make(4, 9).await;
    let (log, newest) = restored(0, 12).await;
    let mut connection = log.connect().await;
    run(&mut connection, "DELETE FROM audit_event WHERE seq > 25").await;
    run(
        &mut connection,
        "DELETE FROM audit_node WHERE place > 48; UPDATE audit_log SET size = 25; UPDATE counter SET audit_seq = 25;
         DELETE FROM audit_checkpoint WHERE size > 25; DELETE FROM audit_search WHERE rowid > 25",
    )
    .await;
    let report = seen(&log, &[&before.checkpoints[3], &newest]).await;
    let is_lost = |finding: &Finding| matches!(finding, Finding::Lost { event: 19, .. });
    let is_cut = |finding: &Finding| matches!(finding, Finding::Tail { have: 25, signed: 31, .. });
    let kept = &report.findings.kept;
    assert!(kept.iter().any(is_lost) && kept.iter().any(is_cut), "{report}");
    // Without the event, nothing is known of a restore.
    let (_, report) = look(KeptLog::make(2, 9).await.connect().await, vec![before.witness()]).await;
    assert!(matches!(report.findings.kept[..], [Finding::Tail { have: 18, signed: 36, .. }]), "{report}");
}
