//! Settings: every text's length and alphabet, every list's length.

use keyward_shared::settings::{MAX_METHODS, MAX_PATH_BYTES, MAX_ROUTES, MAX_TOKEN_BYTES, RouteAccess, Settings};
use keyward_shared::snapshot::{DecodeError, EncodeError, MAX_SETTINGS_BYTES, decode_settings, encode_settings};

use crate::fixtures::{STAMP, full_settings, origin, route};

type Change = fn(&mut Settings);
type SetText = fn(&mut Settings, String);

fn encode(change: impl FnOnce(&mut Settings)) -> Result<(), EncodeError> {
    let mut settings = full_settings();
    change(&mut settings);
    let bytes = encode_settings(origin(), STAMP, &settings)?;
    assert_eq!(decode_settings(&bytes, origin()), Ok(settings));
    Ok(())
}

#[test]
fn the_largest_are_written_and_read() {
    let longest = |length| "x".repeat(length);
    let methods = vec![longest(MAX_TOKEN_BYTES); MAX_METHODS];
    let method: Vec<_> = methods.iter().map(String::as_str).collect();
    let largest = encode(|settings| {
        settings.key_prefix = longest(32);
        settings.accept.header = Some(longest(MAX_TOKEN_BYTES));
        settings.realm = longest(MAX_TOKEN_BYTES);
        settings.ping_path = longest(MAX_PATH_BYTES);
        settings.routes = vec![route(1, &longest(MAX_PATH_BYTES), &method, RouteAccess::Read); MAX_ROUTES];
    });
    assert_eq!(largest, Ok(()));
}

#[test]
fn each_limit_passed_is_refused_by_name() {
    let cases: [(&str, usize, Change); 7] = [
        ("key prefix", 32, |s| s.key_prefix = "x".repeat(33)),
        ("header name", 64, |s| {
            s.accept.header = Some("x".repeat(65));
        }),
        ("realm", 64, |s| s.realm = "x".repeat(65)),
        ("ping path", 256, |s| s.ping_path = "x".repeat(257)),
        ("route prefix", 256, |s| {
            s.routes[0].path_prefix = "x".repeat(257);
        }),
        ("method", 64, |s| s.routes[0].methods = vec!["x".repeat(65)]),
        ("methods", 16, |s| {
            s.routes[0].methods = vec![String::new(); 17];
        }),
    ];
    for (what, max, change) in cases {
        let got = max + 1;
        assert_eq!(encode(change), Err(EncodeError::TooLarge { what, got, max }), "{what}");
    }
    for count in [MAX_ROUTES + 1, 70_000] {
        let routes = vec![route(1, "/a", &[], RouteAccess::Read); count];
        assert_eq!(
            encode(|settings| settings.routes = routes),
            Err(EncodeError::TooLarge { what: "routes", got: count, max: MAX_ROUTES })
        );
    }
}

#[test]
fn only_visible_ascii_and_spaces() {
    let cases: [(&str, SetText); 6] = [
        ("key prefix", |s, text| s.key_prefix = text),
        ("header name", |s, text| s.accept.header = Some(text)),
        ("realm", |s, text| s.realm = text),
        ("ping path", |s, text| s.ping_path = text),
        ("route prefix", |s, text| s.routes[0].path_prefix = text),
        ("method", |s, text| s.routes[0].methods.push(text)),
    ];
    for (what, change) in cases {
        for text in ["a\nb", "a\u{7f}", "\u{e4}", "\0"] {
            let got = encode(|settings| change(settings, text.to_owned()));
            assert_eq!(got, Err(EncodeError::NotAscii { what }), "{what}");
        }
    }
}

#[test]
fn a_header_without_a_name_is_refused() {
    let got = encode(|settings| settings.accept.header = Some(String::new()));
    assert!(matches!(got, Err(EncodeError::Contradiction { .. })));
}

#[test]
fn more_than_their_limit_is_not_looked_at() {
    let bytes = vec![0; MAX_SETTINGS_BYTES + 1];
    assert!(matches!(decode_settings(&bytes, origin()), Err(DecodeError::TooLarge { .. })));
}
