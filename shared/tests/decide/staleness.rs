//! A leaf from before a widening change: what it allows is allowed, what it refuses is looked at again.

use keyward_shared::decision::{Client, Decision, Reason, Refusal, Request, decide};
use keyward_shared::id::MemberId;
use keyward_shared::policy::{Access, Apis};
use keyward_shared::snapshot::{Head, ObjectName, Replica};

use super::{KEY, Scene, request, unauthorized, with_key};
use crate::fixtures::{NOW_MS, basic};

/// A replica that holds the leaf of `before`, under a head whose tree has `after` and whose `recent`
/// has let the widening change between them go; and the new leaf.
fn widened(before: &Scene, after: &Scene) -> (Replica, Vec<u8>) {
    let (mut replica, old_leaf) = before.cold();
    let authorization = with_key();
    let Decision::Need(need) = decide(&mut replica, &request("GET", "/", &authorization), NOW_MS) else {
        panic!("a cold replica");
    };
    replica.insert(&need, old_leaf).expect("the leaf");
    let (_, new_leaf) = after.cold();
    let old = replica.head().expect("a head").clone();
    let mut head = Head {
        generation: old.generation + 1,
        narrowed_through: old.generation + 1,
        tree_generation: old.generation + 1,
        recent_since: old.generation + 1,
        ..old
    };
    head.tree.top = vec![ObjectName::of(&new_leaf)];
    assert_eq!(replica.adopt(head, after.settings.clone(), NOW_MS), Ok(true));
    (replica, new_leaf)
}

/// Judges before and after the new leaf is there; before that there must be no refusal.
fn looked_at_again(before: &Scene, after: &Scene, request: &Request<'_>) -> Decision {
    let (mut replica, new_leaf) = widened(before, after);
    let Decision::Need(need) = decide(&mut replica, request, NOW_MS) else {
        panic!("a verdict from an older leaf");
    };
    replica.insert(&need, new_leaf).expect("the new leaf");
    decide(&mut replica, request, NOW_MS)
}

#[test]
fn what_an_older_leaf_allows_is_allowed_without_loading() {
    let mut before = Scene::new();
    before.policy.access = Access::ReadOnly;
    let after = Scene::new();
    let (mut replica, _) = widened(&before, &after);
    let authorization = with_key();
    let read = decide(&mut replica, &request("GET", "/v1/data", &authorization), NOW_MS);
    assert_eq!(read, Decision::Allow(before.grant()));
    let ping = decide(&mut replica, &request("GET", "/v1/ping", &authorization), NOW_MS);
    assert_eq!(ping, Decision::Pong(before.grant()));
}

#[test]
fn what_an_older_leaf_forbids_is_looked_at_again() {
    let after = Scene::new();
    let authorization = with_key();
    let allowed = Decision::Allow(after.grant());

    let mut read_only = Scene::new();
    read_only.policy.access = Access::ReadOnly;
    let write = request("POST", "/v1/data", &authorization);
    assert_eq!(looked_at_again(&read_only, &after, &write), allowed);

    let mut fewer_apis = Scene::new();
    fewer_apis.policy.apis = Apis::Only(vec![2]);
    let read = request("GET", "/v1/data", &authorization);
    assert_eq!(looked_at_again(&fewer_apis, &after, &read), allowed);

    let mut restricted = Scene::new();
    restricted.policy.restrictions.referrers = vec!["example.com".to_owned()];
    let elsewhere =
        Request { client: Some(Client { referrer: Some("https://example.org"), ..Client::default() }), ..read };
    assert_eq!(looked_at_again(&restricted, &after, &elsewhere), allowed);
}

#[test]
fn a_restricted_key_asks_for_the_clients_facts_before_it_asks_for_a_leaf() {
    let mut before = Scene::new();
    before.policy.restrictions.referrers = vec!["example.com".to_owned()];
    let mut after = before.clone();
    after.record.member = MemberId::from_u64(99);
    let (mut replica, _) = widened(&before, &after);
    let authorization = with_key();
    let without = request("GET", "/v1/data", &authorization);
    let restricted = Decision::Deny(Refusal::Restricted);
    assert_eq!(decide(&mut replica, &without, NOW_MS), restricted, "no verdict yet, and nothing to load");
    let home = Some(Client { referrer: Some("https://example.com"), ..Client::default() });
    let with = Request { client: home, ..without };
    assert_eq!(decide(&mut replica, &with, NOW_MS), Decision::Allow(before.grant()));
    let elsewhere = Some(Client { referrer: Some("https://example.org"), ..Client::default() });
    let with = Request { client: elsewhere, ..without };
    assert!(matches!(decide(&mut replica, &with, NOW_MS), Decision::Need(_)), "a refusal is looked at again");
}

#[test]
fn what_the_newest_leaf_still_forbids_is_forbidden() {
    let mut before = Scene::new();
    before.policy.access = Access::ReadOnly;
    let after = before.clone();
    let mut other_stamp = after.clone();
    other_stamp.record.member = MemberId::from_u64(99);
    let authorization = with_key();
    let write = request("POST", "/v1/data", &authorization);
    assert_eq!(looked_at_again(&before, &other_stamp, &write), Decision::Deny(Refusal::ReadOnlyKey));
    let wrong_user = basic(&format!("globex:{KEY}"));
    let other = request("GET", "/v1/data", &wrong_user);
    assert_eq!(looked_at_again(&before, &other_stamp, &other), unauthorized(Reason::WrongUser));
}
