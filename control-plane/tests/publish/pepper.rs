//! Heads are made with another pepper only when every edge heard from lately has it.

use std::sync::Arc;
use std::time::Duration;

use keyward_control_plane::api::snapshot::SnapshotSource;
use keyward_control_plane::clock::{Clock as _, SystemClock};
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::publish::PublisherHandle;
use keyward_control_plane::store::{EdgeStore as _, Received};
use keyward_shared::fingerprint::{Pepper, PepperId};
use keyward_shared::report::{Body, Envelope, Lanes, Report, State};

use crate::house::House;
use crate::reader::{Reader, newest};
use crate::{publisher, publisher_of};

const HOUR: i64 = 3_600_000;
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn id(pepper: [u8; 32]) -> PepperId {
    Pepper::new(pepper).id()
}

/// An edge tells which peppers it has, so long ago.
async fn tells(house: &House, edge: u8, sequence: u32, peppers: &[[u8; 32]], ago: i64) {
    let at = SystemClock.now().as_millis() - ago;
    let until = at.cast_unsigned();
    let report = Report {
        envelope: Envelope { instance: [edge; 10], sequence, location: "FRA".to_owned(), ..Envelope::default() },
        body: Body {
            since: until - 10_000,
            until,
            lanes: Lanes { kv: false, http: true },
            state: State::Fresh,
            software: "0.1.0".to_owned(),
            peppers: peppers.iter().map(|pepper| id(*pepper)).collect(),
            ..Body::default()
        },
    };
    let received = Received::decode(&report.encode().expect("within bounds")).expect("a report");
    house.store.take_report(&received, UnixMillis::from_millis(at)).await.expect("taken");
}

/// What publishing is held up by, as `GET /v1/snapshot` tells, once it is.
async fn held_up(source: &Arc<dyn SnapshotSource>) -> String {
    let told = async {
        loop {
            if let Some(error) = source.status().await.expect("a status").last_error {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("held up in time")
}

async fn made_with(publishing: &PublisherHandle, pepper: [u8; 32]) {
    let made = async {
        while newest(&publishing.source()).await.is_none_or(|head| head.tree.pepper != id(pepper)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), made).await.expect("such a head in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_head_is_made_with_a_pepper_that_an_edge_heard_from_does_not_have() {
    let house = House::new().await;
    let workspace = house.workspace("acme").await;
    let publishing = publisher(&house, "old").await;
    Reader::new().follow(&publishing.source(), house.generation().await).await;
    let before = newest(&publishing.source()).await.expect("a head");
    publishing.stop().await;
    // One has the old pepper alone, one has both, and one was not heard from for longer than counts.
    tells(&house, 0xa1, 1, &[OLD], 23 * HOUR).await;
    tells(&house, 0xb2, 1, &[OLD, NEW], 0).await;
    tells(&house, 0xc3, 1, &[OLD], 25 * HOUR).await;
    house.key(workspace.id, "new").await;

    let publishing = publisher_of(&house, "new", NEW).await;
    let error = held_up(&publishing.source()).await;
    assert!(error.contains("1 edge heard from in the last 24 hours"), "{error}");
    assert!(error.contains("a1a1a1a1a1a1a1a1a1a1 in FRA") && error.contains("KEYWARD_PEPPER_NEXT"), "{error}");
    assert!(error.contains(&id(NEW).to_string()) && !error.contains("b2b2") && !error.contains("c3c3"), "{error}");
    // It is tried again each second, and until then edges that ask have what they had.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(newest(&publishing.source()).await, Some(before.clone()));

    tells(&house, 0xa1, 2, &[OLD, NEW], 0).await;
    made_with(&publishing, NEW).await;
    let after = newest(&publishing.source()).await.expect("a head");
    assert!(after.order() > before.order() && after.generation == house.generation().await);
    assert_eq!(publishing.source().status().await.expect("a status").last_error, None);
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pepper_that_every_head_was_made_with_needs_nobodys_leave() {
    let house = House::new().await;
    house.workspace("acme").await;
    // It was never given the pepper, and there was nothing before that it could go on with.
    tells(&house, 0xa1, 1, &[NEW], 0).await;
    for holder in ["first", "second"] {
        let publishing = publisher_of(&house, holder, OLD).await;
        made_with(&publishing, OLD).await;
        publishing.stop().await;
    }
    // There are more than are named.
    for edge in 1..=7 {
        tells(&house, edge, 1, &[OLD], 0).await;
    }
    let publishing = publisher_of(&house, "third", NEW).await;
    let error = held_up(&publishing.source()).await;
    assert!(error.contains("7 edges heard from") && error.contains(", and others"), "{error}");
    publishing.stop().await;
}
