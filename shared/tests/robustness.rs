//! Arbitrary input where requests come in: an error or a value, never a panic, and what passes is
//! what it claims to be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_shared::api_key::{ApiKey, MAX_KEY_BYTES, MIN_KEY_BYTES, verify_check_digits};
use keyward_shared::credentials::{self, CredentialError, MAX_AUTHORIZATION_BYTES};
use keyward_shared::decision::{Client, Request, decide};
use keyward_shared::fingerprint::Digest;
use keyward_shared::id::KeyId;
use keyward_shared::route::{RouteTable, check_path};
use keyward_shared::settings::{Accept, RouteAccess, Settings};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{spoil, spoils};
use crate::decide::Scene;
use crate::fixtures::{NOW_MS, basic, route};

/// Arbitrary bytes as the two readings that a Worker may get of them.
fn text() -> impl Strategy<Value = String> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..120),
        vec(any::<u8>(), 0..1000),
        vec(prop_oneof![Just(b' '), Just(b'='), Just(b':'), Just(b'/'), Just(b'%'), any::<u8>()], 0..60),
    ];
    (bytes, any::<bool>()).prop_map(|(bytes, latin1)| {
        if latin1 { bytes.into_iter().map(char::from).collect() } else { String::from_utf8_lossy(&bytes).into_owned() }
    })
}

fn accepting_all() -> Settings {
    Settings {
        accept: Accept { basic: true, bearer: true, header: Some("x-api-key".to_owned()) },
        ..Settings::default()
    }
}

fn is_key(text: &str) -> bool {
    (MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&text.len())
        && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b':')
}

/// RFC 7617 told a second time, without regard for speed: the key of a Basic credential.
fn key_of(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("basic") || value.len() > MAX_AUTHORIZATION_BYTES {
        return None;
    }
    let decoded = STANDARD.decode(token).ok()?;
    if STANDARD.encode(&decoded) != token {
        return None;
    }
    let user_pass = String::from_utf8(decoded).ok()?;
    if user_pass.chars().any(char::is_control) {
        return None;
    }
    let (user, password) = user_pass.split_once(':')?;
    let key = if password.is_empty() { user } else { password };
    let right = is_key(key) && verify_check_digits(key.as_bytes(), "kw").is_ok();
    right.then(|| key.to_owned())
}

fn agree(value: &str) {
    let got = credentials::read(Some(value), None, &Settings::default());
    let expected = key_of(value).map(|key| Digest::of(&ApiKey::parse(&key).expect("a key")));
    assert!(got.map(|credential| credential.digest).ok() == expected, "{value:?}");
}

proptest! {
    #[test]
    fn any_credential_is_read_as_the_rfc_says(
        value in text(),
        user in "[ -~é\u{85}]{0,40}",
        password in prop_oneof![Just(String::new()), "[!-9;-~]{16,40}", "[ -~]{0,40}"],
        spoils in spoils(),
    ) {
        agree(&value);
        agree(&format!("Basic {value}"));
        agree(&basic(&value));
        let sound = basic(&format!("{user}:{password}"));
        agree(&sound);
        agree(&String::from_utf8_lossy(&spoil(sound.as_bytes(), &spoils)));
    }

    #[test]
    fn any_headers_are_one_credential_or_none(authorization in text(), header in text()) {
        let settings = accepting_all();
        let both = credentials::read(Some(&authorization), Some(&header), &settings);
        prop_assert_eq!(both.err(), Some(CredentialError::Several));
        let by_header = credentials::read(None, Some(&header), &settings);
        let right = is_key(&header) && verify_check_digits(header.as_bytes(), "kw").is_ok();
        prop_assert_eq!(by_header.is_ok(), right);
        let by_bearer = credentials::read(Some(&format!("Bearer {header}")), None, &settings);
        prop_assert_eq!(by_bearer.is_ok(), {
            let token = header.trim_start_matches(' ');
            is_key(token)
                && header.len() + "Bearer ".len() <= MAX_AUTHORIZATION_BYTES
                && verify_check_digits(token.as_bytes(), "kw").is_ok()
        });
    }

    #[test]
    fn any_key_text_is_a_key_or_not(text in text()) {
        prop_assert_eq!(ApiKey::parse(&text).is_ok(), is_key(&text));
        if let Ok(key) = ApiKey::parse(&text) {
            // A hint of what was not generated is four characters of it.
            prop_assert_eq!(key.hint().chars().count(), 5);
        }
        let _ = verify_check_digits(text.as_bytes(), "kw");
    }

    #[test]
    fn a_generated_key_is_a_key_and_any_other_body_is_not(
        random in any::<[u64; 8]>(),
        at in 3_usize..36,
        digit in "[0-9A-Za-z]",
    ) {
        let mut bytes = [0; 64];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(random) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let key = ApiKey::generate("kw", &bytes).expect("enough digits");
        prop_assert_eq!(verify_check_digits(key.expose().as_bytes(), "kw"), Ok(()));
        prop_assert!(ApiKey::parse(key.expose()).is_ok_and(|parsed| parsed == key));
        let mut other = key.expose().to_owned();
        other.replace_range(at..=at, &digit);
        if other != key.expose() {
            prop_assert!(verify_check_digits(other.as_bytes(), "kw").is_err());
        }
    }

    #[test]
    fn an_id_is_its_bits_and_any_other_text_is_not(bits in any::<u64>(), text in text()) {
        let id = KeyId::from_u64(bits);
        prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        if let Ok(id) = text.parse::<KeyId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    /// What is let through means the same however often a hop decodes or tidies it up.
    #[test]
    fn a_path_that_passes_is_read_in_one_way(
        bytes in text(),
        path in "(/([a-z.;%/\\\\{^|]|%2[ef5]|%5[cC]|%00|\\.\\.|;x=1){0,4}){0,4}",
    ) {
        for path in [bytes.clone(), format!("/{bytes}"), path] {
            if check_path(&path).is_err() {
                continue;
            }
            prop_assert!(path.starts_with('/') && path.is_ascii());
            // Nothing that the URL standard's path percent-encode set would have encoded on the way.
            let encoded = b"\"#<>?^`{}";
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && !encoded.contains(&byte)));
            let decoded = decoded_once(&path).expect("whole escapes");
            prop_assert!(!decoded.contains(&b'\\') && !decoded.iter().any(u8::is_ascii_control));
            let segments: Vec<_> = decoded.split(|&byte| byte == b'/').skip(1).collect();
            prop_assert_eq!(segments.len(), path.matches('/').count());
            let last = segments.len() - 1;
            for (index, segment) in segments.into_iter().enumerate() {
                let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
                prop_assert!(name != b"." && name != b"..", "{}", path);
                prop_assert!(!name.is_empty() || (index == last && segment.is_empty()), "{}", path);
            }
        }
    }

    #[test]
    fn any_request_is_judged_without_a_panic(
        texts in vec(text(), 6),
        method in "[A-Za-z]{0,8}",
        prefixes in vec("(/[a-z%;.0-9]{0,6}){0,3}", 0..4),
        preflight in any::<bool>(),
    ) {
        let mut scene = Scene::new();
        scene.settings.routes = prefixes
            .iter()
            .map(|prefix| route(1, prefix, &[], RouteAccess::ByMethod))
            .collect();
        let (mut replica, _) = scene.cold();
        for path in texts[0..2].iter().map(|text| format!("/{text}")).chain(prefixes) {
            let request = Request {
                method: &method,
                path: &path,
                authorization: Some(&texts[2]),
                key_header: Some(&texts[3]),
                preflight,
                client: Some(Client {
                    referrer: Some(&texts[4]),
                    ios_bundle: Some(&texts[5]),
                    ..Client::default()
                }),
            };
            decide(&mut replica, &request, NOW_MS);
        }
    }

    /// A longer prefix always wins, whatever the order in which routes are told.
    #[test]
    fn the_order_of_routes_does_not_matter(
        prefixes in proptest::collection::btree_set("(/[ab]){1,4}", 1..6),
        path in "(/[ab]){1,6}",
    ) {
        let routes: Vec<_> = (1..)
            .zip(&prefixes)
            .map(|(api, prefix)| route(api, prefix, &[], RouteAccess::ByMethod))
            .collect();
        let longest = routes
            .iter()
            .filter(|route| format!("{path}/").starts_with(&format!("{}/", route.path_prefix)))
            .max_by_key(|route| route.path_prefix.len())
            .map(|route| route.api);
        let backwards: Vec<_> = routes.iter().rev().cloned().collect();
        for routes in [routes, backwards] {
            let target = RouteTable::new(routes).resolve("GET", &path, false);
            prop_assert_eq!(target.expect("a good path").api, longest);
        }
    }
}

fn decoded_once(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let escape = [bytes.next()?, bytes.next()?];
            let digits = core::str::from_utf8(&escape).ok()?;
            u8::from_str_radix(digits, 16).ok()?
        } else {
            byte
        });
    }
    Some(decoded)
}
