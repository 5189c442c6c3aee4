//! The audit log's tree and what is signed of it.

use std::sync::Arc;

use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::merkle::{self, Edge, Hash, fold};
use keyward_control_plane::domain::audit::{self, note};
use keyward_control_plane::lifecycle::DisableKey;
use keyward_control_plane::lifecycle::last_signed::LastSigned;
use keyward_control_plane::lifecycle::notary::{Notary, NotaryError};
use keyward_control_plane::store::AuditStore as _;

use crate::house::House;

fn notary(house: &House) -> Notary {
    Notary::new(Arc::new(house.store.clone()), "test", &[3; 32])
}

/// The root over all events as they are read, computed from nothing else.
async fn root(house: &House, size: u64) -> Hash {
    let mut edge = Edge::empty();
    for seq in 1..=size {
        let event = house.store.event(seq).await.expect("the database").expect("an event");
        let hash = audit::hash(&event.document).expect("canonical");
        assert_eq!(hash, event.hash, "event {seq}");
        edge.push(hash, |_, _| {});
    }
    edge.root()
}

#[tokio::test]
async fn the_tree_is_that_of_the_events_as_they_are_read() {
    let house = House::new().await;
    let workspace = house.workspace("Acme \"é\" 😀").await;
    for number in 0..20 {
        let (target, _) = house.key(workspace.id, &format!("key {number}")).await;
        house.run(DisableKey { target }).await.expect("disabled");
    }
    let house = house.restarted().await;
    house.key(workspace.id, "afterwards").await;
    let tree = house.store.tree().await.expect("the tree");
    let size = tree.edge.size();
    assert_eq!(size, u64::try_from(house.events().await).expect("few"));
    assert_eq!(tree.edge.root(), root(&house, size).await);
    for index in 0..size {
        let leaf = house.store.event(index + 1).await.expect("the database").expect("an event").hash;
        let mut proof = Vec::new();
        for range in merkle::inclusion(index, size).expect("in the tree") {
            proof.push(fold(&house.store.hashes(&range.places()).await.expect("hashes")).expect("leaves"));
        }
        assert!(merkle::verify_inclusion(index, size, &leaf, &proof, &tree.edge.root()), "{index}");
    }
}

#[tokio::test]
async fn a_checkpoint_says_how_the_log_stands_and_is_made_once() {
    let house = House::new().await;
    let notary = notary(&house);
    let signed = notary.sign(house.now()).await.expect("signed").expect("a checkpoint");
    let key = notary.verifier(1).expect("a key");
    assert_eq!(key.name(), "keyward/test/audit/1");
    let text = note::open(&signed.note, &[key]).expect("verified");
    let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
    assert_eq!((checkpoint.size, checkpoint.at), (2, house.now()));
    assert_eq!(checkpoint.root, root(&house, 2).await);
    house.pass(100);
    assert_eq!(notary.sign(house.now()).await.expect("signed").as_ref(), Some(&signed), "nothing has happened");
    house.workspace("Acme").await;
    let young = notary.sign_where_older(house.now(), 1_000_000).await.expect("signed");
    assert_eq!(young.as_ref(), Some(&signed));
    let next = notary.sign_where_older(house.now(), 1_000).await.expect("signed").expect("a checkpoint");
    assert_eq!((next.size, next.incarnation), (3, 1));
    // Another process goes on from there.
    assert_eq!(self::notary(&house).sign(house.now()).await.expect("signed"), Some(next.clone()));
    assert_eq!(house.store.checkpoint_covering(3).await.expect("the database"), Some(next));
    assert_eq!(house.store.checkpoint_covering(1).await.expect("the database"), Some(signed));
    assert_eq!(house.store.checkpoint_covering(4).await.expect("the database"), None);
}

#[tokio::test]
async fn a_log_without_events_is_not_signed() {
    let house = House::empty().await;
    assert_eq!(notary(&house).sign(house.now()).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_log_that_does_not_go_on_from_what_was_signed_is_not_signed() {
    for harm in [
        "UPDATE audit_node SET hash = randomblob(32) WHERE place = 3",
        "DELETE FROM audit_node WHERE place >= 4; UPDATE audit_log SET size = 2;
         DELETE FROM audit_event WHERE seq > 2; UPDATE counter SET audit_seq = 2",
    ] {
        let house = House::new().await;
        for name in ["one", "two"] {
            house.workspace(name).await;
        }
        notary(&house).sign(house.now()).await.expect("signed").expect("a checkpoint");
        house.rows(harm).await;
        house.workspace("three").await;
        let refused = notary(&house).sign(house.now()).await.expect_err("not signed");
        assert!(matches!(refused, NotaryError::Contradicted { size: 4 }), "{refused}");
    }
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_no_leaf() {
    let house = House::new().await;
    house.workspace("Acme").await;
    let before = house.store.tree().await.expect("the tree");
    let nowhere = keyward_control_plane::lifecycle::KeyRef {
        workspace: keyward_shared::id::WorkspaceId::from_u64(1),
        key: keyward_shared::id::KeyId::from_u64(1),
    };
    assert!(house.run(DisableKey { target: nowhere }).await.is_err());
    assert_eq!(house.store.tree().await.expect("the tree"), before);
    house.workspace("Acme").await;
    assert_eq!(house.store.tree().await.expect("the tree").edge.size(), before.edge.size() + 1);
}

/// Takes away all of the log behind an event, as a backup does, with what was signed of it.
async fn lose_all_but_two(house: &House) {
    house
        .rows(
            "DELETE FROM audit_node WHERE place >= 3; UPDATE audit_log SET size = 2;
             DELETE FROM audit_checkpoint WHERE size > 2;
             DELETE FROM audit_event WHERE seq > 2; UPDATE counter SET audit_seq = 2",
        )
        .await;
}

#[tokio::test]
async fn a_notary_remembers_what_it_signed_when_the_database_does_not() {
    let house = House::new().await;
    let notary = notary(&house);
    house.workspace("one").await;
    notary.sign(house.now()).await.expect("signed").expect("a checkpoint");
    lose_all_but_two(&house).await;
    for name in ["two", "three"] {
        house.workspace(name).await;
        let refused = notary.sign(house.now()).await.expect_err("not signed");
        assert!(matches!(refused, NotaryError::Contradicted { size: 3 }), "{refused}");
    }
    house.rows("UPDATE audit_log SET incarnation = 2").await;
    let refused = notary.sign(house.now()).await.expect_err("not signed");
    assert!(matches!(refused, NotaryError::Renamed { signed: 1, found: 2 }), "{refused}");
}

#[tokio::test]
async fn what_was_signed_is_remembered_over_restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = LastSigned::of("test", dir.path());
    let house = House::new().await;
    let keeping = |house: &House| notary(house).keeping(file.clone());
    house.workspace("one").await;
    let first = keeping(&house).sign(house.now()).await.expect("signed").expect("a checkpoint");
    let known = file.read().expect("the file").expect("something");
    assert_eq!((known.incarnation, known.size, known.root), (1, first.size, first.root));
    house.workspace("two").await;
    assert!(keeping(&house).sign(house.now()).await.expect("signed").is_some(), "it goes on");
    lose_all_but_two(&house).await;
    for name in ["three", "four", "five"] {
        house.workspace(name).await;
        let refused = keeping(&house).sign(house.now()).await.expect_err("not signed");
        assert!(matches!(refused, NotaryError::Contradicted { size: 4 }), "{refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_handed_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = LastSigned::of("test", &dir.path().join("away"));
    let house = House::new().await;
    let notary = notary(&house).keeping(file);
    assert!(matches!(notary.sign(house.now()).await, Err(NotaryError::LastSigned(_))));
    assert_eq!(house.store.newest_checkpoint().await.expect("the database"), None);
    std::fs::create_dir(dir.path().join("away")).expect("a directory");
    assert!(notary.sign(house.now()).await.expect("signed").is_some());
}

#[tokio::test]
async fn a_database_with_checkpoints_is_not_signed_where_nothing_says_what_was_signed_last() {
    let house = House::new().await;
    notary(&house).sign(house.now()).await.expect("signed").expect("a checkpoint");
    // As on a new machine, where the database alone was restored.
    let dir = tempfile::tempdir().expect("a directory");
    let file = LastSigned::of("test", dir.path());
    let moved = notary(&house).keeping(file.clone());
    for name in ["one", "two"] {
        let refused = moved.sign(house.now()).await.expect_err("not signed");
        assert!(matches!(refused, NotaryError::Forgotten) && refused.to_string().contains("raise-epoch"), "{refused}");
        house.workspace(name).await;
    }
    assert_eq!(file.read().expect("no file"), None);
}

#[tokio::test]
async fn a_note_that_was_changed_in_the_database_is_not_handed_out() {
    for harm in ["note = ''", "note = replace(note, 'time 2', 'time 3')", "at = at + 1"] {
        let house = House::new().await;
        let signed = notary(&house).sign(house.now()).await.expect("signed").expect("a checkpoint");
        house.rows(&format!("UPDATE audit_checkpoint SET {harm}")).await;
        house.pass(100);
        let again = notary(&house).sign(house.now()).await.expect("signed").expect("a checkpoint");
        let key = notary(&house).verifier(1).expect("a key");
        let read = Checkpoint::parse(note::open(&again.note, &[key]).expect("verified")).expect("a checkpoint");
        assert_eq!((read.size, read.root, read.at), (signed.size, signed.root, again.at), "{harm}");
    }
}
