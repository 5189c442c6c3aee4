//! Exports of a log of many pieces.

use std::io::Cursor;
use std::sync::Arc;

use keyward_control_plane::domain::actor::{Actor, ActorKind};
use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::export::{Exported, Format};
use keyward_control_plane::domain::audit::filter::EventFilter;
use keyward_control_plane::domain::audit::merkle::{Edge, verify_inclusion};
use keyward_control_plane::domain::audit::search::Wanted;
use keyward_control_plane::domain::audit::{Action, AuditEvent, Details, Entity, Target, note};
use keyward_control_plane::domain::invalid::{Fault, Invalid};
use keyward_control_plane::domain::limits::{EXPORTS_OF_CALLER, PLACES_OF_BEGINNINGS};
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::lifecycle::refusal::ExportRefusal;
use keyward_control_plane::lifecycle::{AuditExport, Lifecycle, MailExport, Page, Refusal};
use keyward_control_plane::store::AuditStore as _;
use keyward_control_plane::verify::{RowsSource, Trust, Witness, verify};
use keyward_shared::id::TokenId;

use crate::house::{House, system, vault};

struct Office {
    house: House,
    notary: Arc<Notary>,
    lifecycle: Lifecycle,
}

impl Office {
    async fn open() -> Self {
        let house = House::new().await;
        let notary = Arc::new(Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]));
        let lifecycle = Lifecycle::new(Arc::new(house.store.clone()), Arc::new(vault()));
        let lifecycle = lifecycle.with_notary(Arc::clone(&notary));
        Self { house, notary, lifecycle }
    }

    /// Lets so many events happen, every tenth an import.
    async fn happen(&self, events: usize) {
        let event = |number: usize| AuditEvent {
            at: self.house.now(),
            actor: system(),
            action: if number.is_multiple_of(10) { Action::Import } else { Action::Update },
            entity: Entity::Settings,
            target: Target { id: format!("t{number}"), name: "settings".to_owned() },
            workspace_id: None,
            team_id: None,
            reason: None,
            details: Details::new("test", None, None),
        };
        self.house.store.tell((0..events).map(event).collect()).await.expect("told");
    }

    async fn export(&self, filter: EventFilter) -> Result<AuditExport, Refusal> {
        self.lifecycle.export_audit(&system(), filter, Format::JsonLines, self.house.now()).await
    }

    fn read(&self, note: &str) -> Checkpoint {
        let key = self.notary.verifier(1).expect("a key");
        Checkpoint::parse(note::open(note, &[key]).expect("verified")).expect("a checkpoint")
    }
}

async fn rest(export: &mut AuditExport) -> Result<Vec<Exported>, Refusal> {
    let mut all = Vec::new();
    while let Some(piece) = export.next().await? {
        all.extend(piece);
    }
    Ok(all)
}

#[tokio::test]
async fn every_event_and_every_checkpoint_is_told_once_however_many_pieces_it_takes() {
    let office = Office::open().await;
    for _ in 0..3 {
        office.happen(333).await;
        office.notary.sign(office.house.now()).await.expect("signed");
        office.house.pass(1_000);
    }
    let mut export = office.export(EventFilter::default()).await.expect("an export");
    // What happens from now on is not in it.
    office.happen(10).await;
    let checkpoint = office.read(&export.preface().checkpoint);
    let events = rest(&mut export).await.expect("whole");
    assert_eq!((export.events(), checkpoint.size), (1002, 1002));
    let (mut edge, mut signed) = (Edge::empty(), Vec::new());
    for Exported { event, proof, checkpoint } in &events {
        assert_eq!(event.seq, edge.size() + 1);
        assert_eq!(*proof, None);
        edge.push(event.hash, |_, _| {});
        if let Some(note) = checkpoint {
            let checkpoint = office.read(note);
            assert_eq!((checkpoint.size, checkpoint.root), (edge.size(), edge.root()));
            signed.push(checkpoint.size);
        }
    }
    assert_eq!(signed, [335, 668, 1001, 1002]);
    assert_eq!(edge.root(), checkpoint.root);
}

#[tokio::test]
async fn every_event_that_a_filter_leaves_is_proven_however_many_pieces_it_takes() {
    let office = Office::open().await;
    office.happen(6_001).await;
    let filter = EventFilter { action: Some(Action::Import), ..EventFilter::default() };
    let mut export = office.export(filter).await.expect("an export");
    assert!(export.preface().is_filtered());
    let checkpoint = office.read(&export.preface().checkpoint);
    let events = rest(&mut export).await.expect("whole");
    assert_eq!(events.len(), 601);
    for Exported { event, proof, .. } in events {
        let proof = proof.expect("a proof");
        assert!(verify_inclusion(event.seq - 1, checkpoint.size, &event.hash, &proof, &checkpoint.root));
    }
}

#[tokio::test]
async fn a_table_of_a_log_that_was_pruned_is_verified_by_its_proofs() {
    let office = Office::open().await;
    office.happen(1_000).await;
    office.house.rows("UPDATE audit_log SET pruned = 300; DELETE FROM audit_event WHERE seq <= 300").await;
    let whole = EventFilter::default();
    let mut export =
        office.lifecycle.export_audit(&system(), whole, Format::Csv, office.house.now()).await.expect("an export");
    let checkpoint = office.read(&export.preface().checkpoint);
    let mut text = Format::Csv.preface(export.preface()).expect("a header");
    text.extend(Format::Csv.events(&rest(&mut export).await.expect("whole")).expect("rows"));
    let witnesses = vec![Witness { from: "a file".to_owned(), checkpoint }];
    let mut source = RowsSource::open(Cursor::new(text)).expect("an export");
    let report = verify(&mut source, witnesses, &Trust::default()).await.expect("read");
    assert!(report.verifies() && report.outside.checkpoints == 1 && report.events == 703, "{report}");
}

#[tokio::test]
async fn an_export_that_misses_an_event_is_cut_off() {
    for harm in ["DELETE FROM audit_event WHERE seq = 700", "UPDATE audit_log SET pruned = 600"] {
        let office = Office::open().await;
        office.happen(1_000).await;
        let mut export = office.export(EventFilter::default()).await.expect("an export");
        assert_eq!(export.next().await.expect("a piece").map(|piece| piece.len()), Some(500));
        office.house.rows(harm).await;
        let refused = rest(&mut export).await.map(|events| events.len());
        assert!(matches!(refused, Err(Refusal::Export(ExportRefusal::Pruned))), "{harm}: {refused:?}");
    }
}

#[tokio::test]
async fn where_nobody_signs_there_is_no_export() {
    let house = House::new().await;
    let actor = system();
    let asked = house.lifecycle.export_audit(&actor, EventFilter::default(), Format::Csv, house.now());
    assert!(matches!(asked.await.err(), Some(Refusal::Export(ExportRefusal::NoNotary))));
}

#[tokio::test]
async fn a_caller_has_so_many_exports_running_and_others_their_own() {
    let office = Office::open().await;
    office.happen(10).await;
    let mut running = Vec::new();
    for _ in 0..EXPORTS_OF_CALLER {
        running.push(office.export(EventFilter::default()).await.expect("an export"));
    }
    let told = office.house.number("SELECT size FROM audit_log").await;
    let refused = office.export(EventFilter::default()).await.map(|export| export.events());
    assert!(matches!(refused, Err(Refusal::Export(ExportRefusal::Running { .. }))), "{refused:?}");
    assert_eq!(office.house.number("SELECT size FROM audit_log").await, told, "what is refused is no export");
    let other = Actor { kind: ActorKind::Operator, token: Some(TokenId::from_u64(7)), ..system() };
    let now = office.house.now();
    office.lifecycle.export_audit(&other, EventFilter::default(), Format::Csv, now).await.expect("an export");
    running.pop();
    office.export(EventFilter::default()).await.expect("an export");
}

#[tokio::test]
async fn exports_that_are_asked_for_at_once_share_a_checkpoint() {
    let office = Office::open().await;
    office.happen(10).await;
    let email = "ada@example.com".to_owned();
    let verb = MailExport { email, format: Format::Csv, filter: EventFilter::default() };
    let asked = office.house.run(verb).await.expect("asked for");
    let open = async || office.lifecycle.open_mailed_export(&asked, office.house.now()).await.expect("an export");
    let (first, second) = tokio::join!(open(), open());
    assert_eq!(first.preface().checkpoint, second.preface().checkpoint);
    assert_eq!(office.house.number("SELECT count(*) FROM audit_checkpoint").await, 1);
    // Each tells of itself, however young the newest is.
    let third = office.export(EventFilter::default()).await.expect("an export");
    let told = office.house.number("SELECT size FROM audit_log").await;
    assert_eq!(i64::try_from(office.read(&third.preface().checkpoint).size), Ok(told));
}

#[tokio::test]
async fn a_beginning_that_a_great_many_words_have_is_refused() {
    let office = Office::open().await;
    let filter = |text: &str| EventFilter { words: Wanted::parse("q", text).expect("words"), ..EventFilter::default() };
    let page = Page { limit: Some(1), ..Page::default() };
    let list = async |text: &str| office.lifecycle.list_events(&system(), filter(text), &page).await.map(drop);
    let export = async |text: &str| office.export(filter(text)).await.map(drop);
    let mail = async |text: &str| {
        let email = "ada@example.com".to_owned();
        office.house.run(MailExport { email, format: Format::Csv, filter: filter(text) }).await.map(drop)
    };
    let most = i64::from(PLACES_OF_BEGINNINGS);
    // A word of its own in each event, and one that is common to all of another kind.
    let fill = async |first: i64, end: i64| {
        office
            .house
            .rows(&format!(
                "WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end})
                 INSERT INTO audit_search (rowid, facets, words)
                 SELECT 1000000 + i, '', 'cus_' || i || ' ordinary' FROM n"
            ))
            .await;
    };
    // What is asked for is told, and so stands in the log too.
    fill(0, most - 20).await;
    for text in ["cus_*", "ord*", "ordinary cus_1*"] {
        list(text).await.expect("few enough");
        export(text).await.expect("few enough");
        mail(text).await.expect("few enough");
    }
    let due = office.house.lifecycle.due_export(office.house.now()).await.expect("the database").expect("due");
    fill(most - 20, most + 1).await;
    for text in ["cus_*", "ord*", "ordinary cus_*", "cus_1* cus_*"] {
        for (refused, of) in [(list(text).await, "q"), (export(text).await, "q"), (mail(text).await, "filter.q")] {
            let Err(Refusal::Invalid(Invalid { field, fault: Fault::TooMany, .. })) = refused else {
                panic!("{text}: {refused:?}")
            };
            assert_eq!(field, of);
        }
    }
    let opened = office.lifecycle.open_mailed_export(&due, office.house.now()).await.map(drop);
    assert!(matches!(opened, Err(Refusal::Invalid(_))), "{opened:?}");
    for text in ["cus_1*", "cus_12*", "ordinary", "cus_12* cus_13*"] {
        list(text).await.expect("few enough");
    }
}
