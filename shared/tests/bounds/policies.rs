//! A policy: a kibibyte, 32 of each restriction, 256 APIs.

use keyward_shared::policy::{
    Apis, App, MAX_APIS, MAX_POLICY_BYTES, MAX_RESTRICTION_BYTES, MAX_RESTRICTIONS, Policy, PolicyError,
};

use super::sized_policy;
use crate::fixtures::policy;

fn refused(change: impl FnOnce(&mut Policy)) -> PolicyError {
    let mut policy = policy();
    change(&mut policy);
    policy.encode().expect_err("past a limit")
}

#[test]
fn a_kibibyte_is_written_and_read_and_a_byte_more_is_not() {
    let largest = sized_policy(MAX_POLICY_BYTES);
    let mut bytes = largest.encode().expect("just within");
    assert_eq!(bytes.len(), MAX_POLICY_BYTES);
    assert_eq!(Policy::decode(&bytes), Ok(largest));
    let too_large = PolicyError::TooLarge { got: MAX_POLICY_BYTES + 1 };
    assert_eq!(sized_policy(MAX_POLICY_BYTES + 1).encode(), Err(too_large));
    bytes.push(0);
    assert_eq!(Policy::decode(&bytes), Err(too_large));
}

#[test]
fn thirty_two_of_each_restriction_are_written_and_thirty_three_are_not() {
    let too_many = |list| PolicyError::TooMany { list, got: MAX_RESTRICTIONS + 1, max: MAX_RESTRICTIONS };
    let range = "192.0.2.0/24".parse().expect("a range");
    let app = App::Ios { bundle: "b".to_owned() };
    let mut full = policy();
    full.restrictions.ips = vec![range; MAX_RESTRICTIONS];
    full.restrictions.referrers = vec!["r".to_owned(); MAX_RESTRICTIONS];
    full.restrictions.apps = vec![app.clone(); MAX_RESTRICTIONS];
    let bytes = full.encode().expect("just within");
    assert_eq!(Policy::decode(&bytes), Ok(full));

    let got = refused(|policy| policy.restrictions.ips = vec![range; MAX_RESTRICTIONS + 1]);
    assert_eq!(got, too_many("restrictions.ips"));
    let got = refused(|policy| {
        policy.restrictions.referrers = vec!["r".to_owned(); MAX_RESTRICTIONS + 1];
    });
    assert_eq!(got, too_many("restrictions.referrers"));
    let got = refused(|policy| policy.restrictions.apps = vec![app; MAX_RESTRICTIONS + 1]);
    assert_eq!(got, too_many("restrictions.apps"));
    let got = refused(|policy| {
        policy.restrictions.referrers = vec!["r".to_owned(); 70_000];
    });
    assert!(matches!(got, PolicyError::TooMany { got: 70_000, .. }));
}

#[test]
fn counts_beyond_the_limits_are_not_believed() {
    // workspace 8, slug 8, access 1, then the APIs' count in two bytes, or `all` and the ranges'.
    let header = &policy().encode().expect("small")[..17];
    let with = |counts: &[u8]| Policy::decode(&[header, counts, &[0; 900]].concat());
    assert!(matches!(with(&[1, 1]), Err(PolicyError::TooMany { list: "apis", .. })));
    for (counts, list) in [
        (&[0xff, 0xff, 33][..], "restrictions.ips"),
        (&[0xff, 0xff, 0, 255], "restrictions.referrers"),
        (&[0xff, 0xff, 0, 0, 33], "restrictions.apps"),
    ] {
        let got = with(counts);
        assert!(matches!(got, Err(PolicyError::TooMany { list: got, .. }) if got == list), "{list}");
    }
}

#[test]
fn a_text_has_at_most_255_bytes() {
    let long = |list| PolicyError::TooLong { list, got: MAX_RESTRICTION_BYTES + 1 };
    let text = "t".repeat(MAX_RESTRICTION_BYTES + 1);
    let got = refused(|policy| policy.restrictions.referrers.push(text.clone()));
    assert_eq!(got, long("restrictions.referrers"));
    for app in [
        App::Ios { bundle: text.clone() },
        App::Android { package: text.clone(), certificate: String::new() },
        App::Android { package: String::new(), certificate: text.clone() },
    ] {
        let got = refused(|policy| policy.restrictions.apps.push(app));
        assert_eq!(got, long("restrictions.apps"));
    }
}

#[test]
fn apis_are_sorted_told_once_and_at_most_256() {
    let mut some = policy();
    some.apis = Apis::Only(vec![3, 1, 2, 3, 1]);
    let decoded = Policy::decode(&some.encode().expect("small")).expect("its own bytes");
    assert_eq!(decoded.apis, Apis::Only(vec![1, 2, 3]));
    some.apis = Apis::Only((0..256).collect());
    assert!(some.encode().is_ok());
    let got = refused(|policy| policy.apis = Apis::Only((0..257).collect()));
    assert_eq!(got, PolicyError::TooMany { list: "apis", got: 257, max: MAX_APIS });
}

#[test]
fn values_without_a_meaning_are_refused() {
    let bytes = {
        let mut policy = policy();
        policy.apis = Apis::Only(vec![1, 2]);
        policy.restrictions.ips.push("192.0.2.0/24".parse().expect("a range"));
        policy.restrictions.apps.push(App::Ios { bundle: "b".to_owned() });
        policy.encode().expect("small")
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Policy::decode(&bytes).err()
    };
    // workspace 8, slug 8, access, count 2, two APIs, count, prefix length, family, address 4,
    // no referrers, one app, its kind
    for (at, byte, field) in [
        (16, 2, "access"),
        (20, 3, "apis"),
        (20, 2, "apis"),
        (24, 33, "restrictions.ips"),
        (25, 5, "restrictions.ips"),
        (32, 2, "restrictions.apps"),
        (34, 0xff, "restrictions.apps"),
    ] {
        assert_eq!(with(at, byte), Some(PolicyError::Meaningless { field }), "byte {at}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Policy::decode(&longer), Err(PolicyError::Meaningless { field: "policy" }));
}
