//! Entity tags (RFC 9110, section 8.8.3) and the two conditions made with them.
//!
//! The tag of a single resource reads `"VERSION-DIGEST"`: the version counts the stored
//! changes, the digest is of the representation, which may also change by time alone (a key
//! expires, an API is added, edges report). `If-None-Match` compares both. `If-Match` compares the
//! version: somebody else's change must stop a write, the passing of time must not.
//!
//! The tag of a preview reads `"VERSION-pDIGEST"`: the digest is of what the change would do, also to
//! other things. `If-Match` with it stops the change when it would now do something else.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};

use super::problem::{Code, Problem};
use crate::lifecycle::{IfMatch, PlanDigest, Seen};

/// Begins the digest of a preview; no other digest does.
const PLAN: char = 'p';

/// A tag as it stands in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The strong tag of a single resource.
    pub fn of_version(version: u64, representation: &[u8]) -> Self {
        Self(format!("\"{version}-{}\"", digest(representation)))
    }

    /// The tag of a preview: with it the change is made as it was shown, or not at all.
    pub fn of_plan(version: u64, plan: PlanDigest) -> Self {
        Self(format!("\"{version}-{PLAN}{}\"", hex::encode(plan)))
    }

    /// The weak tag of a list.
    pub fn of_list(representation: &[u8]) -> Self {
        Self(format!("W/\"{}\"", digest(representation)))
    }

    /// A tag that somebody else made, quotes included.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag as a header's value.
    pub fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    /// Whether `If-None-Match` names this tag (weak comparison) or any.
    pub fn is_named_by(&self, headers: &HeaderMap) -> bool {
        let opaque = self.0.strip_prefix("W/").unwrap_or(&self.0);
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == opaque)
    }
}

/// Reads `If-Match`. Weak tags never match (RFC 9110, section 13.1.1).
pub fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let mut all_seen = None;
    for value in headers.get_all(header::IF_MATCH) {
        let value = value.to_str().map_err(|_| malformed())?;
        let all_seen = all_seen.get_or_insert_with(Vec::new);
        for tag in value.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                return Ok(Some(IfMatch::Any));
            }
            let is_weak = tag.starts_with("W/");
            let opaque = tag
                .strip_prefix("W/")
                .unwrap_or(tag)
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .ok_or_else(malformed)?;
            if let (false, Some(seen)) = (is_weak, seen(opaque)) {
                all_seen.push(seen);
            }
        }
    }
    Ok(all_seen.map(IfMatch::Seen))
}

/// What a tag of ours stands for.
fn seen(opaque: &str) -> Option<Seen> {
    let (version, digest) = opaque.split_once('-')?;
    let version = version.parse().ok()?;
    let plan = match digest.strip_prefix(PLAN) {
        Some(plan) => Some(hex::decode(plan).ok()?.try_into().ok()?),
        None => None,
    };
    Some(Seen { version, plan })
}

fn malformed() -> Problem {
    Problem::new(Code::BadHeader)
        .field("If-Match")
        .detail("must be `*` or entity tags as they were answered, quotes included")
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn read(value: &str) -> Option<IfMatch> {
        if_match(&headers(header::IF_MATCH, value)).unwrap()
    }

    #[test]
    fn if_match_goes_by_the_version() {
        let tag = Tag::of_version(3, b"{}");
        assert_eq!(read(tag.as_str()), Some(IfMatch::Seen(vec![Seen::version(3)])));
        let both = Some(IfMatch::Seen(vec![Seen::version(1), Seen::version(4)]));
        assert_eq!(read("\"1-00\", \"4-00\""), both);
        assert_eq!(read("*"), Some(IfMatch::Any));
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn the_tag_of_a_preview_says_what_the_change_would_do() {
        let tag = Tag::of_plan(3, [0xab; 8]);
        assert_eq!(tag.as_str(), "\"3-pabababababababab\"");
        assert_eq!(read(tag.as_str()), Some(IfMatch::Seen(vec![Seen { version: 3, plan: Some([0xab; 8]) }])));
        // Cut short, it stands for nothing, rather than for less.
        assert_eq!(read("\"3-pabab\", \"3-p\""), Some(IfMatch::Seen(Vec::new())));
    }

    #[test]
    fn a_weak_or_foreign_tag_matches_nothing() {
        let nothing = Some(IfMatch::Seen(Vec::new()));
        assert_eq!(read("W/\"3-00\""), nothing);
        assert_eq!(read("\"other\""), nothing);
    }

    #[test]
    fn a_tag_without_quotes_is_refused() {
        let problem = if_match(&headers(header::IF_MATCH, "3")).unwrap_err();
        assert_eq!(problem.code(), Code::BadHeader);
    }

    #[test]
    fn if_none_match_goes_by_the_representation() {
        let tag = Tag::of_version(3, b"{}");
        assert!(tag.is_named_by(&headers(header::IF_NONE_MATCH, tag.as_str())));
        assert!(tag.is_named_by(&headers(header::IF_NONE_MATCH, "\"x\", *")));
        let other = Tag::of_version(3, b"{ }");
        assert!(!tag.is_named_by(&headers(header::IF_NONE_MATCH, other.as_str())));
    }
}
