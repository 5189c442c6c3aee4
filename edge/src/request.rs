//! A request as the entry hands it over, made into what `decide` judges.
//!
//! Text costs more to bring across than hashing it does, so the facts that few keys and settings ask
//! for come only when they are asked for, joined by newlines, which no header holds.

use core::net::IpAddr;

use keyward_shared::client_address::{forwarded_for, parse_with_port};
use keyward_shared::decision::{Client, Request};

use crate::config::ClientAddress;

/// A request as it is judged. Not printable: it holds a credential.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The host it was sent to.
    pub(crate) host: &'a str,
    /// The path as received, without query.
    pub(crate) path: &'a str,
    /// `Authorization`.
    pub(crate) authorization: Option<&'a str>,
    /// The rest, where it was asked for.
    pub(crate) facts: Option<Facts<'a>>,
}

/// What restrictions, preflights and the settings' own header ask of a request.
#[derive(Default, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) preflight: bool,
    pub(crate) key_header: Option<&'a str>,
    pub(crate) cf_connecting_ip: Option<&'a str>,
    pub(crate) peer: Option<&'a str>,
    pub(crate) forwarded_for: Option<&'a str>,
    pub(crate) referrer: Option<&'a str>,
    pub(crate) android_package: Option<&'a str>,
    pub(crate) android_certificate: Option<&'a str>,
    pub(crate) ios_bundle: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Reads nine lines; an empty one stands for an absent header.
    pub(crate) fn parse(lines: &'a str) -> Self {
        let mut lines = lines.split('\n').map(|line| Some(line).filter(|line| !line.is_empty()));
        let mut next = || lines.next().flatten();
        Self {
            preflight: next().is_some(),
            key_header: next(),
            cf_connecting_ip: next(),
            peer: next(),
            forwarded_for: next(),
            referrer: next(),
            android_package: next(),
            android_certificate: next(),
            ios_bundle: next(),
        }
    }

    fn address(&self, source: ClientAddress) -> Option<IpAddr> {
        match source {
            ClientAddress::None => None,
            ClientAddress::CfConnectingIp => self.cf_connecting_ip?.trim().parse().ok(),
            ClientAddress::Peer => parse_with_port(self.peer?),
            ClientAddress::ForwardedFor(nth) => forwarded_for(self.forwarded_for?, nth),
        }
    }
}

impl<'a> Asked<'a> {
    /// A request of these parts.
    pub(crate) fn new(method: &'a str, url: &'a str, authorization: Option<&'a str>) -> Self {
        let (host, path) = host_and_path(url);
        Self { method, host, path, authorization, facts: None }
    }

    /// The request, its client's address taken from `source`.
    pub(crate) fn as_request(&self, source: ClientAddress) -> Request<'_> {
        let client = self.facts.as_ref().map(|facts| Client {
            address: facts.address(source),
            referrer: facts.referrer,
            android_package: facts.android_package,
            android_certificate: facts.android_certificate,
            ios_bundle: facts.ios_bundle,
        });
        Request {
            method: self.method,
            path: self.path,
            authorization: self.authorization,
            key_header: self.facts.as_ref().and_then(|facts| facts.key_header),
            preflight: self.facts.as_ref().is_some_and(|facts| facts.preflight),
            client,
        }
    }
}

/// Host and path of an absolute URL as it was received, nothing normalised. The authority ends at the
/// first of `/?#` (RFC 3986, section 3.2), as `entry.mjs` reads it too; where that is no slash, the path
/// is empty, which is a path that nothing may have.
pub(crate) fn host_and_path(url: &str) -> (&str, &str) {
    // Byte by byte: what stands between is ASCII, and a searcher costs more to set up than this.
    let scheme = url.bytes().position(|byte| byte == b':').filter(|&at| url.as_bytes()[at..].starts_with(b"://"));
    let rest = scheme.map_or(url, |at| &url[at + 3..]);
    let Some(at) = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#')) else {
        return (rest, "/");
    };
    let (host, rest) = rest.split_at(at);
    let end = rest.bytes().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(rest.len());
    (host, &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_taken_as_it_came() {
        assert_eq!(host_and_path("https://api.example.com/a/../b%2f?x=/y#z"), ("api.example.com", "/a/../b%2f"));
        assert_eq!(host_and_path("http://127.0.0.1:8787"), ("127.0.0.1:8787", "/"));
        assert_eq!(host_and_path("http://h?/x"), ("h", ""), "a query in the authority's place hides no path");
        assert_eq!(host_and_path("http://h#/x"), ("h", ""));
    }

    #[test]
    fn the_address_comes_from_where_the_worker_is_told() {
        let facts = Facts::parse("\n\n203.0.113.7\n198.51.100.1:4711\n10.0.0.1, 192.0.2.9 ,172.16.0.1\n\n\n\n");
        let address = |source| facts.address(source).map(|address| address.to_string());
        assert_eq!(address(ClientAddress::None), None);
        assert_eq!(address(ClientAddress::CfConnectingIp).as_deref(), Some("203.0.113.7"));
        assert_eq!(address(ClientAddress::Peer).as_deref(), Some("198.51.100.1"));
        assert_eq!(address(ClientAddress::ForwardedFor(1)).as_deref(), Some("172.16.0.1"));
        assert_eq!(address(ClientAddress::ForwardedFor(2)).as_deref(), Some("192.0.2.9"));
        assert_eq!(address(ClientAddress::ForwardedFor(4)), None);
    }
}
