//! Exports against whoever had them on the way.

use std::io::Cursor;

use keyward_control_plane::domain::audit::export::{Exported, Format, Preface};
use keyward_control_plane::domain::audit::filter::EventFilter;
use keyward_control_plane::domain::audit::merkle::{Hash, fold, inclusion, leaf, node};
use keyward_control_plane::domain::audit::{Action, LoggedEvent, canonical};
use keyward_control_plane::store::audit::StoredCheckpoint;
use keyward_control_plane::verify::{Finding, LinesSource, Report, RowsSource, Source, Witness, verify};
use serde_json::json;

use crate::kept_log::{DEPLOYMENT, KeptLog, trust};

/// The hash of neighbouring events, as the definition has it.
fn range(leaves: &[Hash]) -> Hash {
    match leaves {
        [only] => *only,
        leaves => {
            let middle = leaves.len().next_power_of_two() / 2;
            node(&range(&leaves[..middle]), &range(&leaves[middle..]))
        }
    }
}

/// What the filtered exports say that they were asked for.
fn filter() -> EventFilter {
    EventFilter { action: Some(Action::Update), ..EventFilter::default() }
}

/// An export of the events that `wanted` takes, each with its proof, or of all.
fn export(log: &KeptLog, format: Format, wanted: Option<fn(u64) -> bool>) -> String {
    export_of(&log.events, &log.checkpoints, format, wanted)
}

/// The same of events and checkpoints that need not fit.
pub(crate) fn export_of(
    events: &[LoggedEvent],
    checkpoints: &[StoredCheckpoint],
    format: Format,
    wanted: Option<fn(u64) -> bool>,
) -> String {
    let size = events.last().unwrap().seq;
    let leaves: Vec<Hash> = events.iter().map(|event| event.hash).collect();
    let proof = |seq: u64| {
        let path = inclusion(seq - 1, size).unwrap();
        let part = |at: u64| usize::try_from(at).unwrap();
        path.iter().map(|leaves_of| range(&leaves[part(leaves_of.begin)..part(leaves_of.end)])).collect()
    };
    let checkpoint = |seq| checkpoints.iter().find(|kept| kept.size == seq).map(|kept| kept.note.clone());
    let events: Vec<Exported> = events
        .iter()
        .filter(|event| wanted.is_none_or(|wanted| wanted(event.seq)))
        .map(|event| Exported {
            event: event.clone(),
            proof: wanted.map(|_| proof(event.seq)),
            checkpoint: checkpoint(event.seq).filter(|_| wanted.is_none()),
        })
        .collect();
    let preface = Preface {
        deployment: DEPLOYMENT.to_owned(),
        size,
        pruned: 0,
        edge: Vec::new(),
        filter: wanted.map(|_| serde_json::to_value(filter()).unwrap()),
        checkpoint: checkpoints.last().unwrap().note.clone(),
    };
    let all = [
        format.preface(&preface).unwrap(),
        format.events(&events).unwrap(),
        format.end(u64::try_from(events.len()).unwrap()).unwrap(),
    ];
    String::from_utf8(all.concat()).unwrap()
}

pub(crate) async fn look(text: &str, witnesses: Vec<Witness>) -> Report {
    let reader = Cursor::new(text.to_owned());
    let mut source: Box<dyn Source> = if text.starts_with('{') {
        Box::new(LinesSource::open(reader).unwrap())
    } else {
        Box::new(RowsSource::open(reader).unwrap())
    };
    verify(&mut *source, witnesses, &trust()).await.unwrap()
}

#[tokio::test]
async fn an_export_verifies_in_either_format() {
    let log = KeptLog::make(4, 9).await;
    for format in Format::ALL {
        let report = look(&export(&log, format, None), vec![log.witness()]).await;
        assert!(report.verifies(), "{report}");
        assert_eq!((report.events, report.through, report.outside.checkpoints), (36, 36, 1), "{report}");
        assert_eq!(report.root, fold(&[log.checkpoints[3].root]));
    }
}

#[tokio::test]
async fn a_filtered_export_verifies_by_its_proofs_and_says_that_a_filter_was_on() {
    let log = KeptLog::make(4, 9).await;
    for format in Format::ALL {
        let text = export(&log, format, Some(|seq| seq % 3 == 2));
        let report = look(&text, vec![log.witness()]).await;
        assert!(report.verifies() && report.events == 12, "{report}");
        assert!(report.to_string().contains("a filter was on"), "{report}");
        // Without any checkpoint a table shows nothing but that each event fits its own hash.
        let report = look(&text, Vec::new()).await;
        let says = report.to_string().contains("whether these events are in the log");
        assert_eq!(says, format == Format::Csv, "{report}");
        let forged = text.replace("Key 13 ", "Key XX ");
        let report = look(&forged, vec![log.witness()]).await;
        assert_eq!(report.findings.kept.first(), Some(&Finding::Altered { seq: 14 }), "{report}");
    }
}

#[tokio::test]
async fn an_event_that_was_never_in_the_log_is_found_though_its_hash_is_right() {
    let log = KeptLog::make(4, 9).await;
    let mut forged = KeptLog::make(4, 9).await;
    let event = &mut forged.events[13];
    event.document["actor"]["name"] = json!("somebody else");
    event.hash = leaf(&canonical(&event.document).unwrap());
    for format in Format::ALL {
        let report = look(&export(&forged, format, None), vec![log.witness()]).await;
        let found = report.findings.kept.iter().any(Finding::needs_witness);
        assert!(found && !report.verifies(), "{report}");
        let report = look(&export(&forged, format, Some(|seq| seq == 14)), vec![log.witness()]).await;
        assert_eq!(report.findings.kept, [Finding::NotIncluded { seq: 14 }], "{report}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_a_file_cannot_be_held_against_is_no_agreement() {
    let log = KeptLog::make(4, 9).await;
    let old = || Witness { from: "a file".to_owned(), checkpoint: trust().open(&log.checkpoints[1].note).unwrap() };
    for format in Format::ALL {
        let filtered = export(&log, format, Some(|seq| seq > 27 && seq % 3 == 2));
        // Of another size than the one that proofs lead to.
        let report = look(&filtered, vec![old()]).await;
        assert!(!report.verifies() && report.outside.checkpoints == 0, "{report}");
        let report = look(&filtered, vec![old(), log.witness()]).await;
        assert!(report.verifies(), "{report}");
        assert_eq!((report.outside.checkpoints, &report.unchecked[..]), (1, &["a file".to_owned()][..]), "{report}");
        let nothing = look(&export(&log, format, Some(|_| false)), vec![log.witness()]).await;
        assert!(nothing.findings.kept.contains(&Finding::Empty), "{nothing}");
        let nothing = look(&export(&log, format, Some(|_| false)), Vec::new()).await;
        assert_eq!(nothing.findings.kept, [Finding::Empty], "{nothing}");
    }
    // The events before the first row are gone, and nothing in a table stands for them.
    let text = export(&log, Format::Csv, None);
    let rows: Vec<&str> = text.split_inclusive("\r\n").collect();
    let report = look(&[&rows[..1], &rows[6..]].concat().concat(), vec![log.witness()]).await;
    assert!(report.findings.kept.contains(&Finding::Unwitnessed), "{report}");
    assert!(report.to_string().contains("the log does NOT verify"), "{report}");
}

#[tokio::test]
async fn what_reads_the_same_and_is_written_otherwise_is_named() {
    let log = KeptLog::make(4, 9).await;
    let hash = hex::encode(log.events[16].hash);
    let upper = hash.to_uppercase();
    for format in Format::ALL {
        let text = export(&log, format, None);
        let report = look(&text.replace(&hash, &upper), vec![log.witness()]).await;
        assert!(matches!(report.findings.kept.first(), Some(Finding::Unreadable { seq: 17, .. })), "{report}");
    }
    let text = export(&log, Format::Csv, None);
    for (cell, spelled) in [("system,", "'system,"), ("Key 16,", "'Key 16,"), ("req_16,", "'req_16,")] {
        let at = text.find(",Key 16,").unwrap();
        let at = text[..at].rfind("\r\n17,").unwrap();
        let changed = format!("{}{}", &text[..at], text[at..].replacen(cell, spelled, 1));
        let report = look(&changed, vec![log.witness()]).await;
        assert_eq!(report.findings.kept, [Finding::Inexact { seq: 17, what: "row" }], "{cell}: {report}");
    }
    let text = export(&log, Format::Csv, Some(|seq| seq == 17));
    let at = text.rfind(' ').unwrap();
    let report = look(&format!("{} {}", &text[..at], &text[at..]), vec![log.witness()]).await;
    assert!(matches!(report.findings.kept.first(), Some(Finding::Unreadable { .. })), "{report}");
}

#[tokio::test]
async fn numbers_that_no_log_comes_to_are_refused() {
    let log = KeptLog::make(1, 3).await;
    let most = 1_u64 << 61;
    for number in [most, u64::MAX - 1, u64::MAX] {
        let text = export(&log, Format::JsonLines, None);
        for (told, other) in
            [("\"pruned\":0,", format!("\"pruned\":{number},")), ("\"size\":3}", format!("\"size\":{number}}}"))]
        {
            assert!(LinesSource::open(Cursor::new(text.replacen(told, &other, 1))).is_err(), "{other}");
        }
        for (format, wanted) in
            [(Format::JsonLines, None), (Format::Csv, None), (Format::Csv, Some((|_| true) as fn(u64) -> bool))]
        {
            let (told, other) = match format {
                Format::JsonLines => ("\"seq\":3,", format!("\"seq\":{number},")),
                Format::Csv => ("\r\n3,", format!("\r\n{number},")),
            };
            let report = look(&export(&log, format, wanted).replacen(told, &other, 1), vec![log.witness()]).await;
            let is_named = report.findings.kept.iter().any(|found| matches!(found, Finding::Unreadable { .. }));
            assert!(is_named, "{number}: {report}");
            // The first of a table too, which says how many are gone.
            if format == Format::Csv {
                let text = export(&log, format, wanted).replacen("\r\n1,", &other, 1);
                let report = look(&text, vec![log.witness()]).await;
                assert!(!report.verifies(), "{number}: {report}");
            }
        }
    }
}

#[tokio::test]
async fn a_filtered_export_is_held_against_the_filter_that_it_names() {
    let log = KeptLog::make(4, 9).await;
    let report = look(&export(&log, Format::JsonLines, Some(|seq| seq % 3 == 2 || seq == 4)), Vec::new()).await;
    assert_eq!(report.findings.kept, [Finding::Unwanted { seq: 4 }], "{report}");
    let told = format!("\"filter\":{}", String::from_utf8(canonical(&json!(filter())).unwrap()).unwrap());
    // Each names nothing, or what is not understood, and would let any event be left out.
    let more = told.replacen("\"filter\":{", "\"filter\":{\"a\":1,", 1);
    for says in ["null", "{}", &json!(EventFilter::default()).to_string(), &more["\"filter\":".len()..]] {
        for wanted in [(|seq| seq % 3 == 2) as fn(u64) -> bool, |seq| seq % 3 == 2 || seq == 4] {
            let text = export(&log, Format::JsonLines, Some(wanted));
            assert!(text.contains(&told), "{text}");
            let report = look(&text.replace(&told, &format!("\"filter\":{says}")), Vec::new()).await;
            assert_eq!(report.findings.kept, [Finding::Unfiltered], "{says}: {report}");
        }
    }
}

#[tokio::test]
async fn long_lines_are_read_a_few_at_a_time() {
    let log = KeptLog::make(1, 3).await;
    for format in Format::ALL {
        let text = export(&log, format, None);
        let head = text.split_inclusive('\n').next().unwrap();
        let long = format!("{head}{}", format!("{}\n", "x".repeat(1 << 20)).repeat(20));
        let mut source: Box<dyn Source> = match format {
            Format::JsonLines => Box::new(LinesSource::open(Cursor::new(long)).unwrap()),
            Format::Csv => Box::new(RowsSource::open(Cursor::new(long)).unwrap()),
        };
        assert_eq!(source.next().await.unwrap().unwrap().len(), 8, "{format:?}");
        assert_eq!(source.next().await.unwrap().unwrap().len(), 8, "{format:?}");
    }
}

#[tokio::test]
async fn what_was_done_to_a_file_is_named() {
    let log = KeptLog::make(4, 9).await;
    for format in Format::ALL {
        let text = export(&log, format, None);
        let ending = if format == Format::Csv { "\r\n" } else { "\n" };
        let lines: Vec<&str> = text.split_inclusive(ending).collect();
        let at = |seq: &str| lines.iter().position(|line| line.contains(&format!("req_{seq}"))).unwrap();
        let without = |gone: usize| [&lines[..gone], &lines[gone + 1..]].concat().concat();
        // The request of an event has the number before its own.
        let report = look(&without(at("16")), vec![log.witness()]).await;
        assert_eq!(report.findings.kept.first(), Some(&Finding::Missing { first: 17, last: 17 }), "{report}");
        let twice = [&lines[..=at("16")], &lines[at("16")..]].concat().concat();
        let report = look(&twice, vec![log.witness()]).await;
        assert_eq!(report.findings.kept.first(), Some(&Finding::Misplaced { seq: 17, wanted: 18 }), "{report}");
        let report = look(&text.replace("req_16", "req_1X"), vec![log.witness()]).await;
        assert_eq!(report.findings.kept, [Finding::Altered { seq: 17 }], "{report}");
        // Cut off between two lines, which a table does not show by itself.
        let report = look(&lines[..at("16")].concat(), vec![log.witness()]).await;
        let tail = |finding: &Finding| matches!(finding, Finding::Tail { have: 16, signed: 36, by: Some(_), .. });
        assert!(report.findings.kept.iter().any(tail), "{report}");
        let cut = report.findings.kept.contains(&Finding::Cut { after: 16 });
        assert_eq!(cut, format == Format::JsonLines, "{report}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_export_is_refused_or_named_and_never_a_panic() {
    let log = KeptLog::make(1, 3).await;
    for text in ["", "{", "{}", "{\"keyward_audit_export\":2}\n", "{\"keyward_audit_export\":1}\n"] {
        assert!(LinesSource::open(Cursor::new(text)).is_err(), "{text}");
    }
    for text in ["", "seq,at\r\n", "\"", "a"] {
        assert!(RowsSource::open(Cursor::new(text)).is_err(), "{text}");
    }
    for format in Format::ALL {
        let text = export(&log, format, None);
        let head = text.split_inclusive('\n').next().unwrap();
        for junk in ["x\n", "{}\n", "[]\n", "{\"seq\":-1}\n", "\"\n", ",,\n", "null\n"] {
            let report = look(&format!("{head}{junk}"), Vec::new()).await;
            assert!(!report.verifies(), "{junk}: {report}");
        }
    }
}
