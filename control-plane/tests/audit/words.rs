//! The index of words, which shows nothing by itself, against whoever would have searches miss an event.

use keyward_control_plane::domain::audit::search;
use keyward_control_plane::store::sqlite::DatabaseSource;
use keyward_control_plane::verify::{Finding, Report, verify};
use sqlx::SqliteConnection;

use crate::kept_log::{self, KeptLog, run, trust};

/// What is found in the database with its words as the connection sees it.
async fn look(log: &KeptLog, connection: SqliteConnection) -> (SqliteConnection, Report) {
    let mut source = DatabaseSource::over(connection).await.unwrap().with_words();
    let report = verify(&mut source, vec![log.witness()], &trust()).await.unwrap();
    (source.into_inner(), report)
}

/// What is found once this was done to the database, which is put back.
async fn after(log: &KeptLog, connection: SqliteConnection, sql: &str) -> (SqliteConnection, Report) {
    let mut connection = connection;
    run(&mut connection, "BEGIN").await;
    run(&mut connection, sql).await;
    let (mut connection, report) = look(log, connection).await;
    run(&mut connection, "ROLLBACK").await;
    (connection, report)
}

#[tokio::test]
async fn words_that_the_index_has_not_or_should_not_have_are_found() {
    let log = KeptLog::make(3, 500).await;
    let (mut connection, report) = look(&log, log.connect().await).await;
    assert!(report.verifies(), "{report}");
    for (seq, words, first, last) in
        [(7, "key 6 nothing", 1, 1_024), (1_024, "", 1, 1_024), (1_025, "of another", 1_025, 1_500)]
    {
        let facets = search::facets(&log.events[seq - 1].document);
        let set = format!("UPDATE audit_search SET facets = '{facets}', words = '{words}' WHERE rowid = {seq}");
        let report;
        (connection, report) = after(&log, connection, &set).await;
        assert_eq!(report.findings.kept, [Finding::WordsDiffer { first, last }], "{report}");
        // Nothing else is wrong, and so nobody sees it who did not ask.
        run(&mut connection, format!("BEGIN; {set}")).await;
        let report;
        (connection, report) = kept_log::look(connection, vec![log.witness()]).await;
        assert!(report.verifies(), "{report}");
        run(&mut connection, "ROLLBACK").await;
    }
    for stray in [-5_i64, 0, 1_501, 1 << 40] {
        let put = format!("INSERT INTO audit_search (rowid, facets, words) VALUES ({stray}, '', 'key')");
        let report;
        (connection, report) = after(&log, connection, &put).await;
        assert!(matches!(report.findings.kept[..], [Finding::WordsDiffer { .. }]), "{stray}: {report}");
    }
    let (_, report) = look(&log, connection).await;
    assert!(report.verifies(), "{report}");
}

#[tokio::test]
async fn an_index_that_cannot_be_read_is_named() {
    let log = KeptLog::make(3, 500).await;
    // Its facets are read as they are; what is behind them is not.
    let cut = "UPDATE audit_search_data SET block = substr(block, 1, length(block) / 2)
               WHERE id = (SELECT max(id) FROM audit_search_data)";
    let (_, report) = after(&log, log.connect().await, cut).await;
    let is_broken = |finding: &Finding| matches!(finding, Finding::IndexBroken { .. });
    assert!(report.findings.kept.iter().any(is_broken), "{report}");
}
