//! Ten thousand ways to tamper with a log.

use std::collections::BTreeMap;

use keyward_control_plane::verify::{Finding, Report};

use crate::chance::Chance;
use crate::kept_log::{KeptLog, look_by_pages, run};
use crate::tamper::Kind;

const SEED: u64 = 0x5eed;
const TAMPERINGS: usize = 10_000;
/// Who tamper at the same time, each with a database of their own, which is read so many events at a time: all of
/// them, and some.
const WORKERS: [u64; 4] = [1_024, 1_024, 8, 4];

/// How many tamperings of a kind were found, and how many of them without the checkpoint from outside.
type Counts = BTreeMap<Kind, (u32, u32)>;

fn finding_without_witness(report: &Report) -> bool {
    report.findings.kept.iter().any(|finding| !finding.needs_witness())
}

/// Whether a finding is about this event.
fn names(finding: &Finding, seq: i64) -> bool {
    match finding {
        Finding::Beyond { seq: named } => *named == seq,
        finding => finding.seq().is_some_and(|named| named.cast_signed() == seq),
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_verifies() {
    let log = KeptLog::make(6, 6).await;
    for page_size in WORKERS {
        let (connection, report) = look_by_pages(log.connect().await, vec![log.witness()], page_size).await;
        assert!(report.verifies(), "{report}");
        let checkpoints = (report.kept.checkpoints, report.outside.checkpoints);
        assert_eq!((report.events, report.through, checkpoints), (36, 36, (6, 1)));
        let (_, report) = look_by_pages(connection, Vec::new(), page_size).await;
        assert!(report.verifies() && report.to_string().contains("nothing from outside was given"), "{report}");
    }
}

#[test]
fn every_tampering_is_found_when_a_checkpoint_was_kept_elsewhere() {
    let run = |worker| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tamper(worker))
    };
    let workers: Vec<_> = (0..WORKERS.len()).map(|worker| std::thread::spawn(move || run(worker))).collect();
    let mut found = Counts::new();
    for worker in workers {
        for (kind, (all, alone)) in worker.join().unwrap() {
            let counts = found.entry(kind).or_default();
            *counts = (counts.0 + all, counts.1 + alone);
        }
    }
    let without: u32 = found.values().map(|(_, alone)| alone).sum();
    for (kind, (all, alone)) in found {
        println!("{kind:?}: {all} found, {alone} of them without the checkpoint from outside");
        assert_eq!(alone, if kind.hides() { 0 } else { all }, "{kind:?}");
    }
    println!("{TAMPERINGS} tamperings found, {without} of them without a checkpoint from outside");
}

/// One worker's part of all tamperings.
async fn tamper(worker: usize) -> Counts {
    let (log, page_size) = (KeptLog::make(6, 6).await, WORKERS[worker]);
    let mut connection = log.connect().await;
    let mut chance = Chance(SEED + u64::try_from(worker).unwrap());
    let mut found = Counts::new();
    for number in (worker..TAMPERINGS).step_by(WORKERS.len()) {
        let kind = Kind::ALL[number % Kind::ALL.len()];
        run(&mut connection, "BEGIN").await;
        let seq = kind.apply(&log, &mut connection, &mut chance).await;
        let (after, report) = look_by_pages(connection, vec![log.witness()], page_size).await;
        connection = after;
        assert!(!report.verifies(), "number {number}, {kind:?} of event {seq} is not found:\n{report}");
        let alone = finding_without_witness(&report);
        if kind.is_named() {
            let first = &report.findings.kept[0];
            assert!(names(first, seq), "number {number}, {kind:?} of event {seq} is found as another:\n{report}");
        }
        // What is said without the checkpoint is what there is to say without it.
        if number % 50 < 4 {
            let (after, report) = look_by_pages(connection, Vec::new(), page_size).await;
            connection = after;
            assert_eq!(!report.verifies(), alone, "number {number}, {kind:?} of event {seq}:\n{report}");
        }
        run(&mut connection, "ROLLBACK").await;
        let counts = found.entry(kind).or_default();
        counts.0 += 1;
        counts.1 += u32::from(alone);
    }
    found
}
