//! Objects that are recorded and not named yet: no head goes out without them, and who lost the lease leaves
//! another's alone.

use super::*;
use crate::store::publication::NewHead;

#[tokio::test]
async fn no_head_names_objects_that_somebody_forgot() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let store = &house.publisher.shared.store;
    let served = || house.publisher.shared.head.borrow().clone().expect("a head").order;
    let before = served();
    house.keys(1).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    let taken_up = served();
    assert!(taken_up > before);
    state.tree_due = Some(Instant::now());
    state.start_building_where_due();
    let built = finished(&mut state.building).await.expect("a tree");
    let names = built.new.clone();
    state.adopt(built).await.expect("adopted");
    // By one that had the lease before, and wakes late.
    assert!(store.forget_staged().await.expect("forgotten") > 0);
    let refused = state.step(Occasion::News).await;
    assert!(matches!(refused, Err(PublishError::Store(_))), "{refused:?}");
    assert_eq!(store.recorded_head().await.expect("a record").expect("a head").order, taken_up);
    assert_eq!(served(), taken_up);
    assert_eq!(store.object(&names[0]).await.expect("a store"), None);
    drop(state);

    let mut state = resumed(&house.publisher).await;
    state.tree_due = Some(Instant::now());
    build(&mut state).await;
    for name in state.trees.current.names() {
        assert!(store.object(name).await.expect("a store").is_some(), "{name} is named and not there");
    }
}

#[tokio::test]
async fn who_has_lost_the_lease_forgets_nothing_that_another_has_staged() {
    let house = House::new().await;
    let late = publisher(&house.store, PublishOptions { holder: "late".to_owned(), ..options() }).await;
    let state = resumed(&house.publisher).await;
    let name = ObjectName::of(b"staged");
    let store = &house.publisher.shared.store;
    store.stage_objects(&[(name, b"staged".to_vec())]).await.expect("staged");
    let built_for = state.built_for.clone();
    let superseded = State::resume(&late, built_for.clone()).await.map(drop);
    assert!(matches!(superseded, Err(PublishError::Superseded)), "{superseded:?}");
    assert!(store.object(&name).await.expect("a store").is_some());
    drop(state);
    State::resume(&house.publisher, built_for).await.map(drop).expect("who has the lease goes on");
    assert_eq!(store.object(&name).await.expect("a store"), None, "nobody ever named it");
}

#[tokio::test]
async fn a_head_that_names_one_object_twice_is_recorded() {
    let house = House::new().await;
    let state = resumed(&house.publisher).await;
    let name = ObjectName::of(b"staged");
    let store = &house.publisher.shared.store;
    store.stage_objects(&[(name, b"staged".to_vec())]).await.expect("staged");
    let order = HeadOrder { issued_at: state.order.issued_at + 1, ..state.order };
    let head = NewHead {
        bytes: b"head",
        order,
        expires_at: house.publisher.shared.now(),
        tree_generation: 0,
        named: &[name, name],
        retired: &[],
        afresh: false,
        compared: false,
    };
    assert!(store.record_head(HOLDER, &head).await.expect("recorded"));
    assert_eq!(store.recorded_head().await.expect("a record").expect("a head").order, order);
}

#[tokio::test]
async fn settings_that_were_changed_and_changed_back_before_a_head_came_are_not_given_up() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let (before, name) = state.settings.clone();
    state.make_settings(Settings { realm: "Other".to_owned(), ..before.clone() }).await.expect("made");
    let other = state.settings.1;
    state.make_settings(before).await.expect("made");
    assert_eq!(state.settings.1, name, "the same bytes");
    assert_eq!(state.retired, [other]);
}
