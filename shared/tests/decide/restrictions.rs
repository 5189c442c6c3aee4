//! Addresses and apps that a key is restricted to.

use keyward_shared::decision::{Client, Decision, Refusal, Request};
use keyward_shared::policy::App;

use super::{Scene, request, with_key};

fn passes(scene: &Scene, client: Client<'_>) -> bool {
    let authorization = with_key();
    let decision = scene.decide(&Request { client: Some(client), ..request("GET", "/v1/data", &authorization) });
    match decision {
        Decision::Allow(_) => true,
        Decision::Deny(Refusal::Restricted) => false,
        other => panic!("{other:?}"),
    }
}

fn from(scene: &Scene, address: &str) -> bool {
    passes(scene, Client { address: Some(address.parse().expect("an address")), ..Client::default() })
}

#[test]
fn an_address_is_within_one_of_the_ranges() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips =
        ["192.0.2.0/24", "203.0.113.7/32", "2001:db8:1::/48"].map(|range| range.parse().expect("a range")).to_vec();
    for (address, inside) in [
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("192.0.1.255", false),
        ("192.0.3.0", false),
        ("203.0.113.7", true),
        ("203.0.113.6", false),
        ("2001:db8:1::", true),
        ("2001:db8:1:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:db8:2::", false),
        // An IPv4 client of a dual-stack socket (RFC 4291, section 2.5.5.2).
        ("::ffff:192.0.2.1", true),
        ("::ffff:192.0.3.1", false),
        // Neither the compatible form nor NAT64 is the same client.
        ("::192.0.2.1", false),
        ("64:ff9b::192.0.2.1", false),
        ("::", false),
    ] {
        assert_eq!(from(&scene, address), inside, "{address}");
    }
}

#[test]
fn a_range_may_be_everything_of_its_family() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips = vec!["0.0.0.0/0".parse().expect("a range")];
    assert!(from(&scene, "198.51.100.1"));
    assert!(from(&scene, "::ffff:198.51.100.1"));
    assert!(!from(&scene, "2001:db8::1"));
    scene.policy.restrictions.ips = vec!["::/0".parse().expect("a range")];
    assert!(from(&scene, "2001:db8::1"));
    assert!(!from(&scene, "198.51.100.1"));
}

#[test]
fn a_range_with_bits_behind_its_prefix_is_the_range() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips = vec!["192.0.2.77/24".parse().expect("a range")];
    assert!(from(&scene, "192.0.2.1"));
}

#[test]
fn a_range_of_mapped_addresses_is_the_range_of_those_addresses() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips = vec!["::ffff:192.0.2.0/120".parse().expect("a range")];
    assert!(from(&scene, "192.0.2.1"));
    assert!(from(&scene, "::ffff:192.0.2.1"));
    assert!(!from(&scene, "192.0.3.1"));
}

#[test]
fn without_a_known_address_an_address_restriction_refuses() {
    let mut scene = Scene::new();
    assert!(passes(&scene, Client::default()));
    scene.policy.restrictions.ips = vec!["0.0.0.0/0".parse().expect("a range")];
    assert!(!passes(&scene, Client::default()));
}

#[test]
fn an_app_is_one_of_those_named() {
    let mut scene = Scene::new();
    scene.policy.restrictions.apps = vec![
        App::Android {
            package: "com.example.app".to_owned(),
            certificate: "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709".to_owned(),
        },
        App::Ios { bundle: "com.example.App".to_owned() },
    ];
    let android = |package, certificate| Client {
        android_package: package,
        android_certificate: certificate,
        ..Client::default()
    };
    let ios = |bundle| Client { ios_bundle: Some(bundle), ..Client::default() };
    let certificate = Some("DA39A3EE5E6B4B0D3255BFEF95601890AFD80709");
    let lower_case = certificate.map(str::to_lowercase);
    for (client, named) in [
        (android(Some("com.example.app"), certificate), true),
        (android(Some("com.example.app"), lower_case.as_deref()), true),
        (android(Some("com.example.app"), None), false),
        (android(None, certificate), false),
        (android(Some("com.example.app"), Some("")), false),
        (android(Some("com.example.app.evil"), certificate), false),
        (android(Some("com.example.App"), certificate), false),
        (ios("com.example.App"), true),
        (ios("com.example.app"), false),
        (ios("com.example.App "), false),
        (ios(""), false),
        (Client::default(), false),
    ] {
        assert_eq!(passes(&scene, client), named, "{client:?}");
    }
}

#[test]
fn each_kind_of_restriction_must_be_met() {
    let mut scene = Scene::new();
    scene.policy.restrictions.ips = vec!["192.0.2.0/24".parse().expect("a range")];
    scene.policy.restrictions.referrers = vec!["example.com".to_owned()];
    scene.policy.restrictions.apps = vec![App::Ios { bundle: "b".to_owned() }];
    let right = Client {
        address: Some("192.0.2.1".parse().expect("an address")),
        referrer: Some("https://example.com/"),
        ios_bundle: Some("b"),
        ..Client::default()
    };
    assert!(passes(&scene, right));
    let wrong =
        [Client { address: None, ..right }, Client { referrer: None, ..right }, Client { ios_bundle: None, ..right }];
    for client in wrong {
        assert!(!passes(&scene, client), "{client:?}");
    }
}
