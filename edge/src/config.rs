//! The Worker's own configuration: variables and secrets of the deployment, all named `KEYWARD_*`.
//!
//! Where requests go and which address is believed is decided here and never by the snapshot. A
//! secret never prints; a configuration that cannot be read refuses every request.

use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _};
use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{MAX_DEPLOYMENT_BYTES, MAX_TRUSTED_KEYS, PublicKey, TrustedKeys};
use sha2::Sha256;

/// One variable: its name, its default as shown to people, whether it is a secret, and what it is for.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its default, as the docs word it.
    pub default: &'static str,
    /// Whether it is set as a secret.
    pub secret: bool,
    /// What it is for.
    pub about: &'static str,
}

macro_rules! variables {
    ($($name:ident = $text:literal, $default:literal, $secret:literal, $about:literal;)*) => {
        $(const $name: &str = $text;)*

        /// Every variable that the Worker reads, in the order of the docs.
        pub const CONFIG_TABLE: &[Variable] = &[
            $(Variable { name: $text, default: $default, secret: $secret, about: $about },)*
        ];
    };
}

variables! {
    DEPLOYMENT = "KEYWARD_DEPLOYMENT", "keyward", false, "Name of the deployment; objects of another one are refused.";
    PEPPER = "KEYWARD_PEPPER", "(required)", true, "32 bytes in base64url that fingerprints are made with. KV never sees them.";
    PEPPER_NEXT = "KEYWARD_PEPPER_NEXT", "(none)", true, "The pepper that replaces it, while it is being replaced.";
    PUBLIC_KEYS = "KEYWARD_PUBLIC_KEYS", "(required)", false, "Ed25519 keys that heads may be signed with: one to four, base64url, comma-separated.";
    MIN_EPOCH = "KEYWARD_MIN_EPOCH", "0", false, "Lowest epoch taken; survives the eviction of an isolate.";
    ORIGIN = "KEYWARD_ORIGIN", "(none)", false, "Base URL that requests are forwarded to. Without one, all but the ping path answers 404.";
    ORIGIN_SECRET = "KEYWARD_ORIGIN_SECRET", "(none)", true, "Secret shared with the origin, which `hs256` assertions are signed with.";
    ASSERTION = "KEYWARD_ASSERTION", "hs256 with an origin secret, else off", false, "`off`, `hs256` or `eddsa`: what goes into X-Keyward-Assertion.";
    ASSERTION_KEY = "KEYWARD_ASSERTION_KEY", "(none)", true, "32 random bytes in base64url, the Ed25519 key that `eddsa` assertions are signed with. Origins find its public key at /.keyward/jwks.";
    KEEP_AUTHORIZATION = "KEYWARD_KEEP_AUTHORIZATION", "false", false, "`true` forwards the client's Authorization to the origin.";
    MODE = "KEYWARD_MODE", "enforce", false, "`enforce`, or `observe`: forward everything unchanged and only log the verdict.";
    CLIENT_ADDRESS = "KEYWARD_CLIENT_ADDRESS", "(none)", false, "Where a client's address is taken from: `cf-connecting-ip`, `peer`, or `xff:N`, the Nth from the right of X-Forwarded-For. Without one, keys with an IP restriction get 403.";
    PROXY_SECRET = "KEYWARD_PROXY_SECRET", "(none)", true, "What a proxy sends as X-Keyward-Proxy to use /.keyward/verify. Without one, it answers 403.";
    LANE_URL = "KEYWARD_LANE_URL", "(none)", false, "The http lane: base URL of the control plane's /v1/snapshot, or of a CDN in front of it.";
    EDGE_CREDENTIAL = "KEYWARD_EDGE_CREDENTIAL", "(none)", true, "What the edge shows the control plane on the http lane, and with its reports.";
    LANE_TOKEN = "KEYWARD_LANE_TOKEN", "(none)", true, "The control plane's `lane_token`, shown on the http lane in place of the credential, which then goes to KEYWARD_REPORT_URL only: for a lane that leads to a CDN.";
    REPORT_URL = "KEYWARD_REPORT_URL", "the lane's control plane", false, "Where the edge reports what it has applied and counted, with its credential: the control plane's /v1/edges/report. Needed where KEYWARD_LANE_URL does not end in /v1/snapshot or is not set, and with KEYWARD_LANE_TOKEN; without either it reports nothing.";
    KV_LANE = "KEYWARD_KV_LANE", "on", false, "`off` takes heads from the http lane only; objects still come from KV first.";
    KV_REFRESH_SECONDS = "KEYWARD_KV_REFRESH_SECONDS", "31", false, "How often KV is asked for a newer head, 1 to 3600. Verdicts rest on a head confirmed at most twice that long ago, and at most 60 s.";
    HTTP_REFRESH_SECONDS = "KEYWARD_HTTP_REFRESH_SECONDS", "1", false, "The same for the http lane.";
    CACHE_BYTES = "KEYWARD_CACHE_BYTES", "67108864", false, "Bytes that held nodes and leaves may take.";
}

/// Why the configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable that there is no default for.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A value that is not what the variable takes. The value itself may be a secret and is not told.
    #[error("{name}: {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
    },
}

/// Where a client's address is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAddress {
    None,
    CfConnectingIp,
    Peer,
    ForwardedFor(u8),
}

/// What assertions are signed with. Not printable: both are secrets.
pub(crate) enum AssertionKey {
    /// The state in which every HMAC of the secret that the origin shares begins.
    Hs256(Hmac<Sha256>),
    /// An Ed25519 key.
    EdDsa(Box<SigningKey>),
}

/// The http lane's address and credential.
#[derive(Clone)]
pub(crate) struct HttpLane {
    /// Base URL without a trailing slash.
    pub(crate) url: String,
    pub(crate) credential: Option<String>,
}

/// The configuration of an isolate.
pub(crate) struct Config {
    pub(crate) deployment: String,
    pub(crate) peppers: Vec<Pepper>,
    pub(crate) trusted: TrustedKeys,
    pub(crate) min_epoch: u64,
    pub(crate) assertion_key: Option<AssertionKey>,
    pub(crate) client_address: ClientAddress,
    pub(crate) proxy_secret: Option<String>,
    pub(crate) http_lane: Option<HttpLane>,
    /// Whether the entry finds where reports go: it reads the variables in the same way.
    pub(crate) reports: bool,
    pub(crate) kv_lane: bool,
    pub(crate) kv_refresh_ms: u64,
    pub(crate) http_refresh_ms: u64,
    pub(crate) cache_bytes: usize,
}

impl Config {
    /// Reads the configuration through `get`, which gives a variable's or secret's text.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let as_it_is = |name: &'static str| get(name).filter(|text| !text.is_empty());
        let get = |name: &'static str| get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let deployment = get(DEPLOYMENT).unwrap_or_else(|| "keyward".to_owned());
        if deployment.len() > MAX_DEPLOYMENT_BYTES {
            return Err(ConfigError::Invalid { name: DEPLOYMENT, expected: "at most 64 bytes" });
        }
        let mut peppers = vec![Pepper::new(bytes(PEPPER, &get(PEPPER).ok_or(ConfigError::Missing(PEPPER))?)?)];
        if let Some(next) = get(PEPPER_NEXT) {
            peppers.push(Pepper::new(bytes(PEPPER_NEXT, &next)?));
        }
        let assertion_key = match (get(ASSERTION).as_deref(), get(ORIGIN_SECRET)) {
            (Some("off"), _) | (None, None) => None,
            (Some("hs256") | None, Some(secret)) => {
                let invalid = ConfigError::Invalid { name: ORIGIN_SECRET, expected: "a secret for HMAC-SHA-256" };
                Some(AssertionKey::Hs256(Hmac::new_from_slice(secret.as_bytes()).map_err(|_| invalid)?))
            }
            (Some("hs256"), None) => return Err(ConfigError::Missing(ORIGIN_SECRET)),
            (Some("eddsa"), _) => {
                let seed = get(ASSERTION_KEY).ok_or(ConfigError::Missing(ASSERTION_KEY))?;
                Some(AssertionKey::EdDsa(Box::new(SigningKey::from_bytes(&bytes(ASSERTION_KEY, &seed)?))))
            }
            _ => {
                return Err(ConfigError::Invalid { name: ASSERTION, expected: "off, hs256 or eddsa" });
            }
        };
        // What the entry acts upon is checked here as the entry reads it, blanks and all, so that a
        // typing error is told and not guessed at.
        switch(MODE, as_it_is(MODE).as_deref(), "observe", "enforce")?;
        switch(KEEP_AUTHORIZATION, as_it_is(KEEP_AUTHORIZATION).as_deref(), "false", "true")?;
        if as_it_is(ORIGIN).is_some_and(|url| !takes_a_path(&url)) {
            let expected = "an http or https URL without blanks, query and fragment";
            return Err(ConfigError::Invalid { name: ORIGIN, expected });
        }
        let kv_lane = switch(KV_LANE, get(KV_LANE).as_deref(), "off", "on")?.unwrap_or(true);
        let lane_token = get(LANE_TOKEN);
        let has_own_token = lane_token.is_some();
        let lane_credential = lane_token.or_else(|| get(EDGE_CREDENTIAL));
        let http_lane = get(LANE_URL)
            .map(|url| HttpLane { url: url.trim_end_matches('/').to_owned(), credential: lane_credential });
        let report_url = get(REPORT_URL);
        if report_url.as_deref().is_some_and(|url| !takes_a_path(url)) {
            let expected = "an http or https URL without blanks, query and fragment";
            return Err(ConfigError::Invalid { name: REPORT_URL, expected });
        }
        // Where the lane has a token of its own, the credential is not for those whom it leads to.
        let lane_reports = !has_own_token && http_lane.as_ref().is_some_and(|lane| lane.url.ends_with("/v1/snapshot"));
        let reports = get(EDGE_CREDENTIAL).is_some() && (report_url.is_some() || lane_reports);
        if !kv_lane && http_lane.is_none() {
            return Err(ConfigError::Missing(LANE_URL));
        }
        Ok(Self {
            deployment,
            peppers,
            trusted: trusted_keys(&get(PUBLIC_KEYS).ok_or(ConfigError::Missing(PUBLIC_KEYS))?)?,
            min_epoch: number(MIN_EPOCH, get(MIN_EPOCH).as_deref(), 0, 0..=u64::MAX)?,
            assertion_key,
            client_address: client_address(get(CLIENT_ADDRESS).as_deref())?,
            proxy_secret: get(PROXY_SECRET),
            http_lane,
            reports,
            kv_lane,
            kv_refresh_ms: number(KV_REFRESH_SECONDS, get(KV_REFRESH_SECONDS).as_deref(), 31, 1..=3600)? * 1000,
            http_refresh_ms: number(HTTP_REFRESH_SECONDS, get(HTTP_REFRESH_SECONDS).as_deref(), 1, 1..=3600)? * 1000,
            cache_bytes: usize::try_from(number(
                CACHE_BYTES,
                get(CACHE_BYTES).as_deref(),
                64 << 20,
                1 << 20..=1 << 30,
            )?)
            .unwrap_or(usize::MAX),
        })
    }
}

/// `Some(true)` for `on`, `Some(false)` for `off`, `None` where it is not set.
fn switch(name: &'static str, text: Option<&str>, off: &str, on: &str) -> Result<Option<bool>, ConfigError> {
    match text {
        None => Ok(None),
        Some(text) if text == on => Ok(Some(true)),
        Some(text) if text == off => Ok(Some(false)),
        Some(_) => Err(ConfigError::Invalid { name, expected: "one of its two words" }),
    }
}

/// Whether a path appended to the URL is still the path of a request: within a query or fragment,
/// another one would be fetched than was judged.
fn takes_a_path(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\');
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain))
}

fn number(
    name: &'static str,
    text: Option<&str>,
    default: u64,
    range: core::ops::RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    u64::from_str(text)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or(ConfigError::Invalid { name, expected: "a whole number within its range" })
}

fn bytes(name: &'static str, text: &str) -> Result<[u8; 32], ConfigError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(ConfigError::Invalid { name, expected: "32 bytes in base64url without padding" })
}

fn trusted_keys(text: &str) -> Result<TrustedKeys, ConfigError> {
    let invalid = ConfigError::Invalid { name: PUBLIC_KEYS, expected: "one to four Ed25519 public keys in base64url" };
    let keys: Option<Vec<_>> = text
        .split(',')
        .take(MAX_TRUSTED_KEYS + 1)
        .map(|key| bytes(PUBLIC_KEYS, key.trim()).ok().and_then(|bytes| PublicKey::from_bytes(&bytes)))
        .collect();
    keys.and_then(TrustedKeys::new).ok_or(invalid)
}

fn client_address(text: Option<&str>) -> Result<ClientAddress, ConfigError> {
    let invalid =
        ConfigError::Invalid { name: CLIENT_ADDRESS, expected: "cf-connecting-ip, peer, or xff:N with N from 1 to 9" };
    match text {
        None => Ok(ClientAddress::None),
        Some("cf-connecting-ip") => Ok(ClientAddress::CfConnectingIp),
        Some("peer") => Ok(ClientAddress::Peer),
        Some(text) => text
            .strip_prefix("xff:")
            .and_then(|nth| nth.parse().ok())
            .filter(|nth| (1..=9).contains(nth))
            .map(ClientAddress::ForwardedFor)
            .ok_or(invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(extra: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        let key = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"; // RFC 8032's base point times one, any point will do
        let mut set: BTreeMap<&str, String> = BTreeMap::new();
        set.insert(PEPPER, URL_SAFE_NO_PAD.encode([7; 32]));
        set.insert(PUBLIC_KEYS, key.to_owned());
        for (name, value) in extra {
            set.insert(name, (*value).to_owned());
        }
        Config::read(|name| set.get(name).cloned())
    }

    #[test]
    fn what_is_not_set_has_its_documented_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.deployment, "keyward");
        assert_eq!((config.kv_refresh_ms, config.http_refresh_ms), (31_000, 1_000));
        assert!(config.kv_lane && config.http_lane.is_none() && config.assertion_key.is_none());
        assert!(config.client_address == ClientAddress::None);
    }

    #[test]
    fn what_cannot_be_read_names_its_variable() {
        let error = |name, value| read(&[(name, value)]).err();
        for name in [PEPPER, PUBLIC_KEYS] {
            assert_eq!(error(name, ""), Some(ConfigError::Missing(name)));
        }
        for (name, value) in [
            (PEPPER, "short"),
            (PUBLIC_KEYS, "a,b,c,d,e"),
            (ASSERTION, "none"),
            (MODE, "watch"),
            (CLIENT_ADDRESS, "xff:0"),
            (KV_REFRESH_SECONDS, "0"),
            (MIN_EPOCH, "-1"),
            (MODE, "observe "),
            (ORIGIN, "https://origin.example "),
            (ORIGIN, "https://origin.example/?path="),
            (ORIGIN, "https://origin.example/#"),
            (ORIGIN, "https:///path"),
            (REPORT_URL, "control-plane.example/v1/edges/report"),
        ] {
            assert!(
                matches!(error(name, value), Some(ConfigError::Invalid { name: told, .. }) if told == name),
                "{name}"
            );
        }
        assert_eq!(error(ASSERTION, "hs256"), Some(ConfigError::Missing(ORIGIN_SECRET)));
        assert_eq!(error(ASSERTION, "eddsa"), Some(ConfigError::Missing(ASSERTION_KEY)));
        assert_eq!(error(KV_LANE, "off"), Some(ConfigError::Missing(LANE_URL)));
    }

    #[test]
    fn an_assertion_key_is_32_bytes_in_base64url_without_padding() {
        let with = |key: &str| read(&[(ASSERTION, "eddsa"), (ASSERTION_KEY, key)]);
        let of = |length| URL_SAFE_NO_PAD.encode(vec![0xff; length]);
        assert!(with(&of(32)).unwrap().assertion_key.is_some());
        let padded = format!("{}=", of(32));
        for key in [of(31), of(33), padded, of(32).replace('_', "/"), "not a key".to_owned()] {
            assert!(matches!(with(&key), Err(ConfigError::Invalid { name: ASSERTION_KEY, .. })), "{key}");
        }
    }

    #[test]
    fn an_edge_reports_where_it_is_told_to_or_where_its_lane_ends_in_a_control_plane() {
        let lane = (LANE_URL, "https://control-plane.example/v1/snapshot/");
        let cdn = (LANE_URL, "https://cdn.example/lane");
        let told = (REPORT_URL, "https://control-plane.example/v1/edges/report");
        let credential = (EDGE_CREDENTIAL, "c");
        let token = (LANE_TOKEN, "t");
        for (given, reports) in [
            (&[lane, credential][..], true),
            (&[cdn, credential], false),
            (&[cdn, told, credential], true),
            (&[told, credential], true),
            (&[credential], false),
            (&[lane, told], false),
            (&[lane, credential, token], false),
            (&[lane, told, credential, token], true),
        ] {
            assert_eq!(read(given).unwrap().reports, reports, "{given:?}");
        }
    }

    #[test]
    fn the_lane_is_shown_its_own_token_where_there_is_one() {
        let shown = |given: &[_]| read(given).unwrap().http_lane.unwrap().credential;
        let (lane, credential, token) = ((LANE_URL, "https://l.example"), (EDGE_CREDENTIAL, "c"), (LANE_TOKEN, "t"));
        assert_eq!(shown(&[lane]), None);
        assert_eq!(shown(&[lane, credential]).as_deref(), Some("c"));
        assert_eq!(shown(&[lane, credential, token]).as_deref(), Some("t"));
    }

    #[test]
    fn an_origin_secret_switches_assertions_on() {
        assert!(read(&[(ORIGIN_SECRET, "s")]).unwrap().assertion_key.is_some());
        assert!(read(&[(ORIGIN_SECRET, "s"), (ASSERTION, "off")]).unwrap().assertion_key.is_none());
    }
}
