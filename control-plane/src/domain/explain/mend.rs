//! Mending a credential that does not read.
//!
//! Each step undoes one thing that people and programs do to credentials, keeps what the steps before it
//! undid, and is noted where it changed something. Texts that may hold a secret are wiped.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use keyward_shared::api_key::ApiKey;
use keyward_shared::credentials::{self, Credential, CredentialError, MAX_AUTHORIZATION_BYTES};
use keyward_shared::settings::Settings;
use zeroize::Zeroizing;

use super::{Mistake, read_unchecked};

/// Longest value that is looked at: one that is encoded twice, and quoted.
const LONGEST: usize = 2 * MAX_AUTHORIZATION_BYTES;

/// Takes any padding, and bits behind the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A credential that reads once its mistakes are undone.
pub struct Mended {
    /// The mistakes, at least one, in the order in which they are undone.
    pub mistakes: Vec<Mistake>,
    /// What it then is.
    pub credential: Credential,
}

type Text = Zeroizing<String>;

/// Takes something off a text.
type Step = fn(&str) -> &str;

/// Mends the value of `Authorization`, if one of the usual mistakes is all that is wrong with it.
pub fn mend(authorization: &str, settings: &Settings) -> Option<Mended> {
    if authorization.len() > LONGEST {
        return None;
    }
    let mut mistakes = Vec::new();
    let given = without_http_blanks(authorization);
    let mut value = without_blanks(given);
    if value != given {
        mistakes.push(Mistake::WhiteSpace);
    }
    if let Some(rest) = without_header_name(value) {
        mistakes.push(Mistake::HeaderName);
        value = rest.trim();
    }
    if let Some(unquoted) = value.strip_prefix(is_quote).and_then(|rest| rest.strip_suffix(is_quote)) {
        mistakes.push(Mistake::Quotes);
        value = unquoted.trim();
    }
    if let Some(done) = attempt(value, settings, &mistakes) {
        return Some(done);
    }
    let (scheme, token) = value.split_once(char::is_whitespace).unwrap_or(("", value));
    let token = token.trim();
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    if scheme.eq_ignore_ascii_case("bearer") {
        if !settings.accept.bearer {
            mistakes.push(Mistake::BearerScheme);
        }
    } else if scheme.is_empty() {
        mistakes.push(Mistake::NoScheme);
    } else if !is_basic {
        return None;
    }
    if let Some((user_pass, how)) = decode(token) {
        mistakes.extend(how);
        return mend_user_pass(user_pass, settings, mistakes);
    }
    if is_basic {
        mistakes.push(Mistake::NotEncoded);
    }
    mend_user_pass(Zeroizing::new(token.to_owned()), settings, mistakes)
}

/// Mends a key that stands alone: the first thing that was wrong with it, and the key.
pub fn mend_key(key: &str) -> Option<(Mistake, ApiKey)> {
    if key.len() > LONGEST {
        return None;
    }
    let (mut text, mut first) = (key, None);
    for (mistake, step) in STEPS {
        let changed = step(text);
        if changed == text {
            continue;
        }
        let mistake = *first.get_or_insert(mistake);
        text = changed;
        if let Ok(key) = ApiKey::parse(text) {
            return Some((mistake, key));
        }
    }
    None
}

/// A header's value without the white space around it that is none of it (RFC 9110, section 5.5). Line
/// breaks there are taken off as well (Fetch standard, "normalize").
pub fn without_http_blanks(value: &str) -> &str {
    value.trim_matches([' ', '\t', '\r', '\n'])
}

/// What may stand around user and password, and is taken off each of them in turn.
const STEPS: [(Mistake, Step); 3] = [
    (Mistake::TrailingNewline, without_newline),
    (Mistake::WhiteSpace, without_blanks),
    (Mistake::Quotes, without_quotes),
];

fn without_newline(part: &str) -> &str {
    part.trim_end_matches(['\r', '\n'])
}

fn without_blanks(part: &str) -> &str {
    part.trim_matches(is_blank)
}

fn without_quotes(part: &str) -> &str {
    without_blanks(part.trim_matches(is_quote))
}

fn mend_user_pass(user_pass: Text, settings: &Settings, mut mistakes: Vec<Mistake>) -> Option<Mended> {
    let mut text = user_pass;
    if let Some(done) = attempt_user_pass(&text, settings, &mistakes) {
        return Some(done);
    }
    for (mistake, step) in STEPS {
        let changed = in_each_part(&text, step);
        if *changed != *text {
            mistakes.push(mistake);
            text = changed;
            if let Some(done) = attempt_user_pass(&text, settings, &mistakes) {
                return Some(done);
            }
        }
    }
    if !text.contains(':')
        && let Some((again, _)) = decode(&text).filter(|(again, _)| again.contains(':'))
    {
        mistakes.push(Mistake::EncodedTwice);
        return attempt_user_pass(&again, settings, &mistakes);
    }
    if let Some(changed) = percent_decoded(&text) {
        mistakes.push(Mistake::PercentEncoded);
        text = in_each_part(&changed, without_blanks);
    }
    if !text.contains(':') {
        mistakes.push(Mistake::NoColon);
        text.push(':');
    }
    attempt_user_pass(&text, settings, &mistakes)
}

/// User and password as they should have been sent.
fn attempt_user_pass(user_pass: &str, settings: &Settings, mistakes: &[Mistake]) -> Option<Mended> {
    if settings.accept.basic {
        let token = Zeroizing::new(STANDARD.encode(user_pass));
        return attempt(&Zeroizing::new(format!("Basic {}", *token)), settings, mistakes);
    }
    let (user, password) = user_pass.split_once(':').unwrap_or((user_pass, ""));
    let key = if password.is_empty() { user } else { password };
    attempt(&Zeroizing::new(format!("Bearer {key}")), settings, mistakes)
}

/// Reads a value as an edge would. Without a mistake undone there is nothing to tell.
fn attempt(value: &str, settings: &Settings, mistakes: &[Mistake]) -> Option<Mended> {
    if mistakes.is_empty() {
        return None;
    }
    match credentials::read(Some(value), None, settings) {
        Ok(credential) => Some(Mended { mistakes: mistakes.to_vec(), credential }),
        Err(CredentialError::CheckDigits) => {
            let mistakes = [mistakes, &[Mistake::CheckDigits]].concat();
            read_unchecked(Some(value), None, settings).ok().map(|credential| Mended { mistakes, credential })
        }
        Err(_) => None,
    }
}

fn without_header_name(value: &str) -> Option<&str> {
    let (name, rest) = value.split_once(':')?;
    name.eq_ignore_ascii_case("authorization").then_some(rest)
}

/// The text that a token encodes, and what had to be undone to see it.
fn decode(token: &str) -> Option<(Text, Vec<Mistake>)> {
    let mut how = Vec::new();
    let mut text = Zeroizing::new(token.to_owned());
    if text.contains(is_blank) {
        how.push(Mistake::Base64WhiteSpace);
        text = Zeroizing::new(text.replace(is_blank, ""));
    }
    if text.contains(['-', '_']) {
        how.push(Mistake::Base64Alphabet);
        text = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
    }
    let bytes = if let Ok(bytes) = STANDARD.decode(text.as_bytes()) {
        bytes
    } else {
        how.push(Mistake::Base64Padding);
        LENIENT.decode(text.trim_end_matches('=')).ok()?
    };
    let bytes = Zeroizing::new(bytes);
    core::str::from_utf8(&bytes).ok().map(|text| (Zeroizing::new(text.to_owned()), how))
}

/// The same text with a step taken in user and password each.
fn in_each_part(user_pass: &str, step: Step) -> Text {
    Zeroizing::new(match user_pass.split_once(':') {
        Some((user, password)) => format!("{}:{}", step(user), step(password)),
        None => step(user_pass).to_owned(),
    })
}

/// The text with its percent-encoding undone (RFC 3986, section 2.1), if it has any.
fn percent_decoded(text: &str) -> Option<Text> {
    let bytes = text.as_bytes();
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let (mut decoded, mut at) = (Zeroizing::new(Vec::with_capacity(bytes.len())), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = (byte == b'%').then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?)).flatten();
        if let Some(pair) = pair.and_then(|pair| u8::try_from(pair).ok()) {
            decoded.push(pair);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    let decoded = core::str::from_utf8(&decoded).ok()?;
    (decoded != text).then(|| Zeroizing::new(decoded.to_owned()))
}

/// White space, and what looks like none: a byte order mark, a space of no width.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}')
}

fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}')
}

#[cfg(test)]
mod tests {
    use keyward_shared::fingerprint::Digest;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn basic(user_pass: &str) -> String {
        format!("Basic {}", STANDARD.encode(user_pass))
    }

    fn mistakes(authorization: &str, settings: &Settings) -> Option<Vec<Mistake>> {
        let mended = mend(authorization, settings)?;
        let key = ApiKey::parse(KEY).expect("a key");
        assert!(mended.credential.digest == Digest::of(&key), "{authorization}");
        Some(mended.mistakes)
    }

    #[test]
    fn each_usual_mistake_is_found() {
        use Mistake::{
            Base64Alphabet, Base64Padding, Base64WhiteSpace, BearerScheme, EncodedTwice, HeaderName, NoColon, NoScheme,
            NotEncoded, PercentEncoded, Quotes, TrailingNewline, WhiteSpace,
        };

        let settings = Settings::default();
        let right = basic(&format!("{KEY}:"));
        let token = right.strip_prefix("Basic ").expect("its token").to_owned();
        // Its last user begins with bytes that the two alphabets write differently.
        let two_alphabets = STANDARD.encode(format!(">>>???:{KEY}"));
        for (authorization, expected) in [
            (format!("Authorization: {right}"), vec![HeaderName]),
            (format!("\"{right}\""), vec![Quotes]),
            (format!("\u{a0}{right}"), vec![WhiteSpace]),
            (format!("{right}\u{c}"), vec![WhiteSpace]),
            (format!(" \u{feff}{right}\n"), vec![WhiteSpace]),
            (token.clone(), vec![NoScheme]),
            (KEY.to_owned(), vec![NoScheme, NoColon]),
            (format!("Bearer {KEY}"), vec![BearerScheme, NoColon]),
            (format!("Bearer {token}"), vec![BearerScheme]),
            (format!("Basic {KEY}:"), vec![NotEncoded]),
            (format!("Basic {KEY}"), vec![NotEncoded, NoColon]),
            (format!("Basic {} {}", &token[..20], &token[20..]), vec![Base64WhiteSpace]),
            (basic(&format!("acme:{KEY}")).trim_end_matches('=').to_owned(), vec![Base64Padding]),
            (format!("Basic {}", two_alphabets.replace('+', "-").replace('/', "_")), vec![Base64Alphabet]),
            (basic(&token), vec![EncodedTwice]),
            (basic(KEY), vec![NoColon]),
            (basic(&format!("{KEY}\n")), vec![TrailingNewline, NoColon]),
            (basic(&format!("{KEY}:\n")), vec![TrailingNewline]),
            (basic(&format!("{KEY}\r\n:")), vec![TrailingNewline]),
            (basic(&format!("acme:{KEY}\n")), vec![TrailingNewline]),
            (basic(&format!("{KEY} :")), vec![WhiteSpace]),
            (basic(&format!("\u{feff}{KEY}:")), vec![WhiteSpace]),
            (basic(&format!("'{KEY}':")), vec![Quotes]),
            (basic(&format!("'{KEY}:'")), vec![Quotes]),
            (basic(&format!("{KEY}%3A")), vec![PercentEncoded]),
        ] {
            assert_eq!(mistakes(&authorization, &settings), Some(expected), "{authorization:?}");
        }
    }

    #[test]
    fn what_reads_or_is_beyond_mending_is_left_alone() {
        let settings = Settings::default();
        for authorization in [
            basic(&format!("{KEY}:")),
            String::new(),
            "Basic".to_owned(),
            "Digest username=x".to_owned(),
            "Basic \u{e9}\u{e8}\u{ea}\u{e9}\u{e8}\u{ea}\u{e9}\u{e8}\u{ea}\u{e9}".to_owned(),
            basic("no key has white space in it, at least none that is known:"),
            basic("short:"),
            "x".repeat(LONGEST + 1),
        ] {
            assert!(mend(&authorization, &settings).is_none(), "{authorization:?}");
        }
    }

    #[test]
    fn a_typing_error_is_told_beside_what_else_is_wrong() {
        let wrong = basic("kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M");
        let mended = mend(&wrong, &Settings::default()).expect("mended");
        assert_eq!(mended.mistakes, [Mistake::NoColon, Mistake::CheckDigits]);
        let typed = ApiKey::parse("kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M").expect("a key");
        assert!(mended.credential.digest == Digest::of(&typed));
    }

    #[test]
    fn where_bearer_is_all_that_is_accepted_a_key_is_mended_into_it() {
        let mut settings = Settings::default();
        settings.accept.basic = false;
        settings.accept.bearer = true;
        for authorization in [format!("Bearer '{KEY}'"), KEY.to_owned(), format!("'{KEY}'")] {
            assert!(mistakes(&authorization, &settings).is_some(), "{authorization}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_mended_or_not_and_never_a_panic(value in ".{0,400}", user in ".{0,80}", password in ".{0,80}") {
            let settings = Settings::default();
            for authorization in [value.clone(), format!("Basic {value}"), basic(&format!("{user}:{password}"))] {
                if let Some(mended) = mend(&authorization, &settings) {
                    prop_assert!(!mended.mistakes.is_empty());
                }
            }
        }
    }
}
