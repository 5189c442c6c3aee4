//! Which API a request is for and what that asks of a key: paths judged segment by segment.
//!
//! A path is judged as it will be forwarded, byte for byte, so anything that a later hop might read
//! differently (dot segments, empty segments, backslashes, their encoded forms) is refused rather
//! than normalised. Knows nothing of keys.

use crate::settings::{Route, RouteAccess};

/// A path that hops may read differently: it is never forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPath;

/// What a request asks of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The number of the API, or `None` for a path without a route.
    pub api: Option<u16>,
    /// The access needed, or `None` for a public path.
    pub needs: Option<Needs>,
}

/// The access a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// Routes in the order in which they are tried: longest prefix first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable(Vec<Route>);

impl RouteTable {
    /// The table of `routes`. Of equal prefixes, a route that names methods comes first.
    pub fn new(routes: Vec<Route>) -> Self {
        let rank = |route: &Route| {
            let segments = route.path_prefix.split('/').filter(|segment| !segment.is_empty()).count();
            (core::cmp::Reverse(segments), route.methods.is_empty())
        };
        // Put in one by one: the library's sort would be one of the largest parts of the edge.
        let mut table = Vec::with_capacity(routes.len());
        for route in routes {
            let rank_of_new = rank(&route);
            let at = table.partition_point(|before| rank(before) <= rank_of_new);
            table.insert(at, route);
        }
        Self(table)
    }

    /// What a request with `method` for `path` (as received, no query) asks. `preflight` tells a
    /// request with `Access-Control-Request-Method` (Fetch standard, CORS-preflight); it counts with
    /// `OPTIONS` only.
    pub fn resolve(&self, method: &str, path: &str, preflight: bool) -> Result<Target, BadPath> {
        check_path(path)?;
        let preflight = preflight && method == "OPTIONS";
        let route = self.route(method, path);
        // Some servers cut path parameters off (RFC 3986, section 3.3) before they look at a path.
        if path.as_bytes().contains(&b';') && self.route(method, &without_parameters(path)) != route {
            return Err(BadPath);
        }
        let by_method = if is_safe(method) { Needs::Read } else { Needs::Write };
        let Some(route) = route else {
            return Ok(Target { api: None, needs: (!preflight).then_some(by_method) });
        };
        let needs = match route.access {
            RouteAccess::Public => None,
            RouteAccess::Read => Some(Needs::Read),
            RouteAccess::Write => Some(Needs::Write),
            RouteAccess::ByMethod if preflight && route.methods.is_empty() => None,
            RouteAccess::ByMethod => Some(by_method),
        };
        Ok(Target { api: Some(route.api), needs })
    }

    fn route(&self, method: &str, path: &str) -> Option<&Route> {
        self.0.iter().find(|route| {
            (route.methods.is_empty() || route.methods.iter().any(|named| named == method))
                && has_prefix(path, &route.path_prefix)
        })
    }
}

/// Safe methods by RFC 9110, section 9.2.1.
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// Refuses a path that two hops could read differently.
pub fn check_path(path: &str) -> Result<(), BadPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(BadPath);
    }
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let decoded = percent_decoded(bytes, at).ok_or(BadPath)?;
                if matches!(decoded, b'/' | b'.' | b'\\') || decoded.is_ascii_control() {
                    return Err(BadPath);
                }
                at += 3;
            }
            // A backslash is a slash to some, and the others end a path or are held by no URI (RFC 3986,
            // section 2): the URL standard has a runtime encode them on their way, so that the origin
            // would see another path than the one that was judged.
            b'\\' | b'?' | b'#' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}' => return Err(BadPath),
            b'/' if bytes.get(at + 1) == Some(&b'/') => return Err(BadPath),
            b'!'..=b'~' => at += 1,
            _ => return Err(BadPath),
        }
    }
    // A path parameter (RFC 3986, section 3.3) hides a dot segment or an empty one from some servers,
    // not from others.
    let unclear = |segment: &[u8]| {
        let name = segment.split(|&byte| byte == b';').next().unwrap_or(segment);
        name == b"." || name == b".." || name.len() < segment.len() && name.is_empty()
    };
    if bytes.split(|&byte| byte == b'/').any(unclear) { Err(BadPath) } else { Ok(()) }
}

fn without_parameters(path: &str) -> String {
    let segments: Vec<_> = path.split('/').map(without_parameter).collect();
    segments.join("/")
}

fn without_parameter(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(name, _)| name)
}

/// Whether `path` begins with the segments of `prefix`, percent-encoding undone.
fn has_prefix(path: &str, prefix: &str) -> bool {
    let mut rest = decoded(path.as_bytes());
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    decoded(prefix.as_bytes()).all(|byte| rest.next() == Some(byte)) && matches!(rest.next(), None | Some(b'/'))
}

fn decoded(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut at = 0;
    core::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let Some(decoded) = percent_decoded(bytes, at)
        {
            at += 3;
            return Some(decoded);
        }
        at += 1;
        Some(byte)
    })
}

fn percent_decoded(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(api: u16, path_prefix: &str, methods: &[&str], access: RouteAccess) -> Route {
        Route {
            api,
            path_prefix: path_prefix.to_owned(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            access,
        }
    }

    fn table() -> RouteTable {
        RouteTable::new(vec![
            route(1, "/v1/data", &[], RouteAccess::ByMethod),
            route(2, "/v1/data/segments", &[], RouteAccess::ByMethod),
            route(3, "/v1/data", &["DELETE"], RouteAccess::Write),
            route(4, "/open", &[], RouteAccess::Public),
            route(5, "/cors", &["OPTIONS", "GET"], RouteAccess::ByMethod),
            route(6, "/report", &[], RouteAccess::Read),
        ])
    }

    fn resolve(method: &str, path: &str) -> (Option<u16>, Option<Needs>) {
        let target = table().resolve(method, path, false).expect("a good path");
        (target.api, target.needs)
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        assert_eq!(resolve("GET", "/v1/data"), (Some(1), Some(Needs::Read)));
        assert_eq!(resolve("GET", "/v1/data/"), (Some(1), Some(Needs::Read)));
        assert_eq!(resolve("GET", "/v1/data/segments/7"), (Some(2), Some(Needs::Read)));
        assert_eq!(resolve("GET", "/v1/database"), (None, Some(Needs::Read)));
        assert_eq!(resolve("GET", "/v1/dat"), (None, Some(Needs::Read)));
        assert_eq!(resolve("GET", "/v1/%64ata/x"), (Some(1), Some(Needs::Read)), "as an origin would read it");
    }

    #[test]
    fn access_follows_the_method_unless_the_route_says() {
        assert_eq!(resolve("POST", "/v1/data"), (Some(1), Some(Needs::Write)));
        assert_eq!(resolve("DELETE", "/v1/data"), (Some(3), Some(Needs::Write)));
        assert_eq!(resolve("POST", "/report"), (Some(6), Some(Needs::Read)));
        assert_eq!(resolve("POST", "/open/x"), (Some(4), None));
        assert_eq!(resolve("PURGE", "/elsewhere"), (None, Some(Needs::Write)), "unknown methods write");
    }

    #[test]
    fn a_preflight_is_public_unless_a_route_says_otherwise() {
        let needs = |path| table().resolve("OPTIONS", path, true).expect("a good path").needs;
        assert_eq!(needs("/v1/data"), None);
        assert_eq!(needs("/anywhere"), None);
        assert_eq!(needs("/cors"), Some(Needs::Read));
        assert_eq!(needs("/report"), Some(Needs::Read));
    }

    #[test]
    fn only_options_is_a_preflight() {
        let target = table().resolve("POST", "/v1/data", true);
        assert_eq!(target, Ok(Target { api: Some(1), needs: Some(Needs::Write) }));
    }

    #[test]
    fn a_path_parameter_leads_to_no_other_route() {
        let resolve = |path| table().resolve("GET", path, false);
        for bad in ["/v1/data;v=1", "/v1/data/segments;x/7", "/open;a=b"] {
            assert_eq!(resolve(bad), Err(BadPath), "{bad}");
        }
        for good in ["/v1/data/7;v=1", "/open/x;a=b", "/elsewhere;x/y"] {
            assert!(resolve(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn paths_that_two_hops_may_read_differently_are_refused() {
        for bad in [
            "",
            "v1",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "//",
            "/a//b",
            "/a\\b",
            "/a%2fb",
            "/a%2Fb",
            "/%2e%2e/b",
            "/a%5cb",
            "/.%2e/b",
            "/a/..;x/b",
            "/a/.;/b",
            "/a/;x/b",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%00",
            "/a%0d%0a",
            "/a b",
            "/a\u{7f}",
            "/ä",
            "/a?b",
            "/a#b",
            "/a\"b",
            "/a<b",
            "/a>b",
            "/a^b",
            "/a`b",
            "/{a}",
        ] {
            assert_eq!(check_path(bad), Err(BadPath), "{bad}");
        }
        for good in
            ["/", "/a", "/a/", "/a.b/..c/...", "/a%20b", "/%C3%A4", "/a;b=c", "/~x/@y:z", "/a|b", "/[a]", "/!$&'()*+,="]
        {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
    }
}
