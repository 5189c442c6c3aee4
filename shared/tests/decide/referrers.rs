//! Referrer patterns `[*.]host[:port][/path]` against what clients send, the tricky ones first.

use keyward_shared::decision::{Client, Decision, Refusal, Request};
use proptest::prelude::*;

use super::{Scene, request, with_key};

fn matches(pattern: &str, referrer: &str) -> bool {
    let mut scene = Scene::new();
    scene.policy.restrictions.referrers = vec![pattern.to_owned()];
    let authorization = with_key();
    let decision = scene.decide(&Request {
        client: Some(Client { referrer: Some(referrer), ..Client::default() }),
        ..request("GET", "/v1/data", &authorization)
    });
    match decision {
        Decision::Allow(_) => true,
        Decision::Deny(Refusal::Restricted) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_is_that_host() {
    for referrer in [
        "https://example.com",
        "https://example.com/",
        "https://example.com/a/b?c#d",
        "https://example.com?c",
        "https://example.com#d",
        "http://example.com",
        "https://EXAMPLE.com/",
        "https://example.com:8443/",
    ] {
        assert!(matches("example.com", referrer), "{referrer}");
        assert!(matches("Example.Com", referrer), "{referrer}");
    }
    for referrer in [
        "",
        "null",
        "example.com",
        "//example.com",
        "https://",
        "https:///example.com",
        "https:example.com",
        "ftp://example.com",
        "javascript://example.com",
        "https://example.com.evil.com",
        "https://evil.com/example.com",
        "https://evil.com/https://example.com",
        "https://evil.com?example.com",
        "https://evil.com#example.com",
        "https://evil.com?https://example.com/",
        "https://example.com@evil.com",
        "https://example.com:443@evil.com",
        "https://evil.com@example.com",
        "https://user:pass@example.com",
        "https://evilexample.com",
        "https://www.example.com",
        "https://example.com.",
        "https://example.co",
        "https://example.comm",
        "https://example.com\\.evil.com",
        "https://example.com%2eevil.com",
        "https://example.com%00.evil.com",
        " https://example.com",
        "https:// example.com",
        "https://еxample.com",
    ] {
        assert!(!matches("example.com", referrer), "{referrer}");
    }
}

#[test]
fn a_star_is_one_or_more_labels_before_the_host() {
    let pattern = "*.example.com";
    for referrer in ["https://www.example.com", "https://a.b.example.com/x", "https://WWW.Example.COM:8443"] {
        assert!(matches(pattern, referrer), "{referrer}");
    }
    for referrer in [
        "https://example.com",
        "https://.example.com",
        "https://.example.com.evil.com",
        "https://evilexample.com",
        "https://www.example.com.evil.com",
        "https://evil.com/.example.com",
        "https://evil.com#.example.com",
        "https://evil.com?.example.com",
        "https://evil.com\\.example.com",
        "https://evil.com@www.example.com",
        "https://www.example.com@evil.com",
        "https://evil.com%2f.example.com",
        "https://evil.com%5c.example.com",
        "https://evil.com .example.com",
    ] {
        assert!(!matches(pattern, referrer), "{referrer}");
    }
}

#[test]
fn a_port_is_that_port_and_none_is_any() {
    assert!(matches("localhost:3000", "http://localhost:3000/x"));
    assert!(!matches("localhost:3000", "http://localhost:3001/x"));
    assert!(!matches("localhost:3000", "http://localhost/x"));
    assert!(!matches("localhost:3000", "http://localhost:30000"));
    assert!(!matches("localhost:300", "http://localhost:3000"));
    assert!(matches("*.example.com:8443", "https://a.example.com:8443"));
    assert!(!matches("*.example.com:8443", "https://a.example.com"));
    assert!(matches("[::1]", "http://[::1]:3000/"));
    assert!(matches("[::1]", "http://[::1]/"));
    assert!(matches("[::1]:3000", "http://[::1]:3000/"));
    assert!(!matches("[::1]:3000", "http://[::1]/"));
    assert!(!matches("[::1]", "http://[::2]:3000/"));
    assert!(!matches("example.com", "https://example.com:80:evil.com/"));
    assert!(!matches("example.com", "https://example.com:evil.com/"));
    assert!(!matches("example.com", "https://example.com:/"));
    // Browsers leave the scheme's own port out.
    assert!(matches("example.com:443", "https://example.com/"));
    assert!(!matches("example.com:443", "http://example.com/"));
}

#[test]
fn a_path_matches_by_whole_segments() {
    for pattern in ["example.com/app", "example.com/app/"] {
        for referrer in [
            "https://example.com/app",
            "https://example.com/app/",
            "https://example.com/app/x",
            "https://example.com/app?x",
            "https://example.com/app#x",
        ] {
            assert!(matches(pattern, referrer), "{pattern} {referrer}");
        }
        for referrer in [
            "https://example.com",
            "https://example.com/",
            "https://example.com/apple",
            "https://example.com/App",
            "https://example.com/x/app",
            "https://example.com/?/app",
            "https://example.com?/app",
            "https://evil.com/example.com/app",
        ] {
            assert!(!matches(pattern, referrer), "{pattern} {referrer}");
        }
    }
    assert!(matches("example.com/", "https://example.com/anything"));
}

#[test]
fn any_of_several_patterns_will_do() {
    let mut scene = Scene::new();
    scene.policy.restrictions.referrers = vec!["a.com".to_owned(), "b.com".to_owned()];
    let authorization = with_key();
    let from = |referrer| {
        scene.decide(&Request {
            client: Some(Client { referrer, ..Client::default() }),
            ..request("GET", "/v1/data", &authorization)
        })
    };
    assert_eq!(from(Some("https://b.com")), Decision::Allow(scene.grant()));
    assert_eq!(from(Some("https://c.com")), Decision::Deny(Refusal::Restricted));
    assert_eq!(from(None), Decision::Deny(Refusal::Restricted));
}

proptest! {
    #[test]
    fn any_referrer_and_pattern_are_judged_without_a_panic(pattern in ".{0,40}", referrer in "(https?://)?.{0,60}") {
        matches(&pattern, &referrer);
    }

    #[test]
    fn no_other_host_passes_for_the_one_that_is_named(
        host in "[a-z0-9.-]{1,20}",
        port in "(:[0-9]{1,5})?",
        rest in "([/?#][!-~]{0,30})?",
    ) {
        let referrer = format!("https://{host}{port}{rest}");
        prop_assert_eq!(matches("example.com", &referrer), host == "example.com");
        let below = host.strip_suffix(".example.com").is_some_and(|labels| !labels.is_empty());
        prop_assert_eq!(matches("*.example.com", &referrer), below);
    }
}
