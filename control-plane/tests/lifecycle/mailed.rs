//! Exports on their way by mail.

use keyward_control_plane::domain::audit::export::Format;
use keyward_control_plane::domain::audit::filter::EventFilter;
use keyward_control_plane::domain::audit::search::Wanted;
use keyward_control_plane::domain::limits::{
    EXPORTS_BEGUN_A_MINUTE, EXPORTS_OF_CALLER, MAILED_EXPORTS_OF_WORKSPACE_A_DAY,
};
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::token::TokenHash;
use keyward_control_plane::lifecycle::refusal::{ExportRefusal, Missing};
use keyward_control_plane::lifecycle::{ExportLink, MailExport, MailedExport, Refusal};
use keyward_shared::id::{MemberId, WorkspaceId};

use crate::house::{House, system};

async fn asked(house: &House) -> MailedExport {
    let filter = EventFilter { actor: Some("mem_1".to_owned()), ..EventFilter::default() };
    let verb = MailExport { email: "ada@example.com".to_owned(), format: Format::Csv, filter };
    house.run(verb).await.expect("asked for")
}

#[tokio::test]
async fn a_mail_that_is_not_taken_is_tried_again_for_some_hours_and_then_given_up() {
    let house = House::new().await;
    let export = asked(&house).await;
    for (failures, minutes) in [1, 5, 30, 120].into_iter().enumerate() {
        let due = house.lifecycle.due_export(house.now()).await.expect("the database").expect("due");
        assert_eq!(due, MailedExport { failures: u32::try_from(failures).expect("few"), ..export.clone() });
        assert!(house.lifecycle.export_failed(&due, false, house.now()).await.expect("noted"));
        house.pass(minutes * 60 - 1);
        assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), None);
        house.pass(1);
    }
    let due = house.lifecycle.due_export(house.now()).await.expect("the database").expect("due");
    assert!(!house.lifecycle.export_failed(&due, false, house.now()).await.expect("noted"));
    assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), None);
    assert_eq!(house.number("SELECT count(*) FROM audit_export WHERE due_at IS NOT NULL").await, 0);
}

#[tokio::test]
async fn a_mail_that_will_never_be_taken_is_given_up_at_once() {
    let house = House::new().await;
    let export = asked(&house).await;
    assert!(!house.lifecycle.export_failed(&export, true, house.now()).await.expect("noted"));
    assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), None);
}

#[tokio::test]
async fn a_file_is_kept_as_long_as_it_may_be_needed() {
    let house = House::new().await;
    let (attached, linked) = (asked(&house).await, asked(&house).await);
    let kept = async || house.lifecycle.kept_exports(house.now()).await.expect("the database");
    assert_eq!(kept().await.len(), 2);
    house.lifecycle.export_sent(&attached, false).await.expect("noted");
    let link = ExportLink {
        secret: TokenHash::of("secret"),
        file_name: "keyward-audit-7.csv".to_owned(),
        expires_at: house.now().plus_seconds(3_600),
    };
    house.lifecycle.link_export(&linked, &link).await.expect("linked");
    house.lifecycle.export_sent(&linked, true).await.expect("noted");
    assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), None);
    let left: Vec<String> = kept().await.into_iter().map(|export| export.id).collect();
    assert_eq!(left, std::slice::from_ref(&linked.id));
    let fetch = async || house.lifecycle.fetch_export(&system(), &linked.id, "secret", house.now()).await;
    fetch().await.expect("fetched");
    let file = house.lifecycle.linked_file(&linked.id, "secret", house.now()).await.expect("a file");
    assert_eq!(file.file_name, "keyward-audit-7.csv");
    house.pass(3_600);
    assert!(kept().await.is_empty());
    assert!(matches!(fetch().await, Err(Refusal::Export(ExportRefusal::Expired))));
    house.pass(40 * 86_400);
    house.lifecycle.forget_exports(house.now()).await.expect("forgotten");
    assert!(kept().await.is_empty());
    assert!(matches!(fetch().await, Err(Refusal::NotFound(Missing::Export))));
}

#[tokio::test]
async fn a_mail_of_which_nothing_can_be_noted_is_sent_so_often_and_no_more() {
    let house = House::new().await;
    let export = asked(&house).await;
    let mut sent = 0;
    for _ in 0..1_000 {
        sent += usize::from(house.lifecycle.due_export(house.now()).await.expect("the database").is_some());
        house.pass(60);
    }
    assert_eq!(sent, 5);
    assert_eq!(house.number("SELECT count(*) FROM audit_export WHERE due_at IS NOT NULL").await, 0);
    // Nor is it sent where not even that can be noted.
    let waits = asked(&house).await;
    assert_ne!(waits.id, export.id);
    house.rows("CREATE TRIGGER full BEFORE UPDATE ON audit_export BEGIN SELECT RAISE(ABORT, 'full'); END").await;
    assert!(house.lifecycle.due_export(house.now()).await.is_err());
}

#[tokio::test]
async fn words_of_any_script_do_not_hold_up_the_mail() {
    let house = House::new().await;
    let words = Wanted::parse("q", "İbcd* ΟΔΟΣ").expect("words");
    let filter = EventFilter { words, ..EventFilter::default() };
    let verb = MailExport { email: "ada@example.com".to_owned(), format: Format::Csv, filter };
    let export = house.run(verb).await.expect("asked for");
    assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), Some(export));
}

#[tokio::test]
async fn what_cannot_be_read_does_not_hold_up_what_can() {
    let house = House::new().await;
    let unreadable = asked(&house).await;
    house.rows(&format!("UPDATE audit_export SET filter = '{{}}' WHERE id = '{}'", unreadable.id)).await;
    house.pass(1);
    let export = asked(&house).await;
    assert_eq!(house.lifecycle.due_export(house.now()).await.expect("the database"), Some(export));
    assert_eq!(house.number("SELECT count(*) FROM audit_export WHERE due_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_mail_is_not_sent_to_who_may_not_have_it_by_then() {
    for harm in [
        "UPDATE member SET role = 'lite'",
        "UPDATE member SET email = NULL",
        "DELETE FROM member WHERE is_default = 0",
        "SELECT 1",
    ] {
        let house = House::new().await;
        let workspace = house.workspace("Acme").await.id;
        let admin = house.member(workspace, Role::Admin).await;
        house.rows("UPDATE member SET email = 'ada@example.com' WHERE is_default = 0").await;
        let email = "ada@example.com".to_owned();
        let verb = MailExport { email, format: Format::Csv, filter: EventFilter::default() };
        let filter = EventFilter { workspace: Some(workspace), ..EventFilter::default() };
        house.run_as(admin, MailExport { filter, ..verb }).await.expect("asked for");
        house.rows(harm).await;
        let due = house.lifecycle.due_export(house.now()).await.expect("the database");
        assert_eq!(due.is_some(), harm == "SELECT 1", "{harm}");
        assert_eq!(
            house.number("SELECT count(*) FROM audit_export WHERE due_at IS NOT NULL").await,
            i64::from(due.is_some()),
            "{harm}"
        );
    }
}

#[tokio::test]
async fn by_one_link_a_file_is_fetched_so_often_at_a_time_and_a_minute() {
    let house = House::new().await;
    let link = async || {
        let export = asked(&house).await;
        let expires_at = house.now().plus_seconds(3_600);
        let link = ExportLink { secret: TokenHash::of("secret"), file_name: "audit.csv".to_owned(), expires_at };
        house.lifecycle.link_export(&export, &link).await.expect("linked");
        export.id
    };
    let (one, other) = (link().await, link().await);
    let fetch = async |id: &str| house.lifecycle.fetch_export(&system(), id, "secret", house.now()).await;
    let told = async || house.number("SELECT count(*) FROM audit_event WHERE action = 'Export'").await;
    let before = told().await;
    let mut running = Vec::new();
    for _ in 0..EXPORTS_OF_CALLER {
        running.push(fetch(&one).await.expect("fetched"));
    }
    let refused = fetch(&one).await.map(drop);
    assert!(matches!(refused, Err(Refusal::Export(ExportRefusal::Running { .. }))), "{refused:?}");
    drop(fetch(&other).await.expect("fetched"));
    drop(running);
    for _ in EXPORTS_OF_CALLER..EXPORTS_BEGUN_A_MINUTE {
        drop(fetch(&one).await.expect("fetched"));
    }
    let refused = fetch(&one).await.map(drop);
    assert!(matches!(refused, Err(Refusal::Export(ExportRefusal::Begun { .. }))), "{refused:?}");
    drop(fetch(&other).await.expect("fetched"));
    assert_eq!(told().await - before, i64::try_from(EXPORTS_BEGUN_A_MINUTE).expect("few") + 2);
    house.pass(60);
    fetch(&one).await.expect("fetched");
}

/// A workspace with an admin who has mail, and a way to ask as them.
async fn admin_with_mail(house: &House, name: &str) -> (WorkspaceId, MemberId) {
    let workspace = house.workspace(name).await.id;
    let admin = house.member(workspace, Role::Admin).await;
    house.rows("UPDATE member SET email = 'ada@example.com' WHERE is_default = 0").await;
    (workspace, admin)
}

async fn asked_by(house: &House, (workspace, admin): (WorkspaceId, MemberId)) -> Result<MailedExport, Refusal> {
    let filter = EventFilter { workspace: Some(workspace), ..EventFilter::default() };
    house.run_as(admin, MailExport { email: "ada@example.com".to_owned(), format: Format::Csv, filter }).await
}

#[tokio::test]
async fn a_workspace_has_so_many_mails_sent_a_day_whatever_becomes_of_them() {
    let house = House::new().await;
    let (acme, beta) = (admin_with_mail(&house, "Acme").await, admin_with_mail(&house, "Beta").await);
    for number in 0..MAILED_EXPORTS_OF_WORKSPACE_A_DAY {
        let export = asked_by(&house, acme).await.expect("asked for");
        if number % 2 == 0 {
            house.lifecycle.export_sent(&export, false).await.expect("noted");
        } else {
            house.lifecycle.export_failed(&export, true, house.now()).await.expect("noted");
        }
        house.lifecycle.forget_exports(house.now()).await.expect("forgotten");
        house.pass(60);
    }
    let refused = asked_by(&house, acme).await;
    assert!(matches!(refused, Err(Refusal::Export(ExportRefusal::Mailed { .. }))), "{refused:?}");
    asked_by(&house, beta).await.expect("asked for");
    house.pass(86_400 - 60 * u32::try_from(MAILED_EXPORTS_OF_WORKSPACE_A_DAY).expect("few"));
    asked_by(&house, acme).await.expect("asked for");
    house.pass(2 * 86_400);
    house.lifecycle.forget_exports(house.now()).await.expect("forgotten");
    assert_eq!(house.number("SELECT count(*) FROM audit_export WHERE due_at IS NULL").await, 0);
}

#[tokio::test]
async fn operators_are_served_first_and_then_the_workspace_that_had_the_fewest() {
    let house = House::new().await;
    let (acme, beta) = (admin_with_mail(&house, "Acme").await, admin_with_mail(&house, "Beta").await);
    let sent = asked_by(&house, acme).await.expect("asked for");
    house.lifecycle.export_sent(&sent, false).await.expect("noted");
    let mut waiting = Vec::new();
    for who in [acme, acme, beta] {
        house.pass(1);
        waiting.push(asked_by(&house, who).await.expect("asked for").id);
    }
    house.pass(1);
    waiting.push(asked(&house).await.id);
    for next in [3, 2, 0, 1] {
        let due = house.lifecycle.due_export(house.now()).await.expect("the database").expect("due");
        assert_eq!(due.id, waiting[next]);
        house.lifecycle.export_sent(&due, false).await.expect("noted");
    }
}
