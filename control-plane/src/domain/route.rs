//! Routes: which paths belong to an API, judged before they travel to every edge.

use keyward_shared::settings::{MAX_METHODS, MAX_PATH_BYTES, RouteAccess};
use serde::{Deserialize, Serialize};

use super::invalid::{Fault, Invalid};
use super::limits;

/// A route of an API, without the API's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiRoute {
    /// The segments a path must begin with.
    pub path_prefix: String,
    /// The methods it is for; empty means all.
    pub methods: Vec<String>,
    /// What it asks of a key.
    pub access: RouteAccess,
}

/// A route as it was sent, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInput {
    /// The segments a path must begin with.
    pub path_prefix: String,
    /// The methods it is for; empty means all.
    pub methods: Vec<String>,
    /// What it asks of a key.
    pub access: RouteAccess,
}

impl RouteInput {
    /// Judges the route that stood at `index` of `routes`.
    pub fn parse(&self, index: usize) -> Result<ApiRoute, Invalid> {
        path(&format!("routes[{index}].path_prefix"), &self.path_prefix)?;
        let field = format!("routes[{index}].methods");
        if self.methods.len() > MAX_METHODS {
            let detail = format!("{} methods, at most {MAX_METHODS}", self.methods.len());
            return Err(Invalid::at(field, MAX_METHODS, Fault::TooMany, detail));
        }
        for (at, method) in self.methods.iter().enumerate() {
            if method.is_empty() || method.len() > limits::METHOD_CHARS {
                let detail = format!("1 to {} characters", limits::METHOD_CHARS);
                return Err(Invalid::at(field, at, Fault::OutOfRange, detail));
            }
            if !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                return Err(Invalid::at(field, at, Fault::BadFormat, "a method in upper-case letters"));
            }
            if self.methods[..at].contains(method) {
                return Err(Invalid::at(field, at, Fault::Duplicate, "is in the list already"));
            }
        }
        Ok(ApiRoute { path_prefix: self.path_prefix.clone(), methods: self.methods.clone(), access: self.access })
    }
}

impl ApiRoute {
    /// Whether a request could belong to both routes and nothing would say to which. Of equal
    /// prefixes, a route that names the method goes before one for all methods.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let both_for_all = self.methods.is_empty() && other.methods.is_empty();
        let named_twice = self.methods.iter().any(|method| other.methods.contains(method));
        (both_for_all || named_twice) && self.path_prefix == other.path_prefix
    }
}

/// Checks a path that requests are matched against segment by segment: what an edge would refuse as
/// `bad_path` could never match, so it is refused here.
pub(super) fn path(field: &str, path: &str) -> Result<(), Invalid> {
    let refuse = |fault, detail: &str| Err(Invalid::new(field, fault, detail));
    if !path.starts_with('/') {
        return refuse(Fault::BadFormat, "must begin with a slash");
    }
    if path.len() > MAX_PATH_BYTES {
        return refuse(Fault::TooLong, &format!("{} bytes, at most {MAX_PATH_BYTES}", path.len()));
    }
    // A semicolon begins path parameters (RFC 3986, section 3.3), which an edge looks past.
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\%?#;\"<>^`{|}".contains(&byte)) {
        return refuse(Fault::BadFormat, "characters of a URL's path only, nothing percent-encoded");
    }
    if path == "/" {
        return Ok(());
    }
    if path.ends_with('/') {
        return refuse(Fault::BadFormat, "must not end with a slash; segments are matched whole");
    }
    match path[1..].split('/').find(|segment| matches!(*segment, "" | "." | "..")) {
        Some("") => refuse(Fault::BadFormat, "must not hold two slashes in a row"),
        Some(_) => refuse(Fault::BadFormat, "must not hold `.` or `..` as a segment"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path_prefix: &str, methods: &[&str]) -> RouteInput {
        RouteInput {
            path_prefix: path_prefix.to_owned(),
            methods: methods.iter().map(ToString::to_string).collect(),
            access: RouteAccess::ByMethod,
        }
    }

    #[test]
    fn a_prefix_is_whole_plain_segments() {
        for (text, reads) in [
            ("/", true),
            ("/v1/data", true),
            ("/v1/~user/a.b", true),
            ("v1", false),
            ("", false),
            ("//", false),
            ("/v1//data", false),
            ("/v1/", false),
            ("/v1/../x", false),
            ("/v1/.", false),
            ("/v1/%2e", false),
            ("/v1/a b", false),
            ("/v1/é", false),
            ("/v1\\x", false),
            ("/v1?x", false),
            ("/v1;x", false),
        ] {
            assert_eq!(route(text, &[]).parse(0).is_ok(), reads, "{text}");
        }
        assert!(route(&format!("/{}", "a".repeat(255)), &[]).parse(0).is_ok());
        assert!(route(&format!("/{}", "a".repeat(256)), &[]).parse(0).is_err());
    }

    #[test]
    fn methods_are_upper_case_and_named_once() {
        assert!(route("/a", &["GET", "M-SEARCH"]).parse(0).is_ok());
        for (methods, field) in [
            (&["get"][..], "routes[3].methods[0]"),
            (&["GET", ""], "routes[3].methods[1]"),
            (&["GET", "GET"], "routes[3].methods[1]"),
        ] {
            assert_eq!(route("/a", methods).parse(3).expect_err("refused").field, field);
        }
    }

    #[test]
    fn routes_conflict_on_the_same_prefix_with_a_common_method() {
        let parsed = |prefix, methods: &[&str]| route(prefix, methods).parse(0).expect("a route");
        assert!(parsed("/a", &[]).conflicts_with(&parsed("/a", &[])));
        assert!(parsed("/a", &["GET", "PUT"]).conflicts_with(&parsed("/a", &["GET"])));
        assert!(!parsed("/a", &[]).conflicts_with(&parsed("/a", &["GET"])));
        assert!(!parsed("/a", &["PUT"]).conflicts_with(&parsed("/a", &["GET"])));
        assert!(!parsed("/a", &[]).conflicts_with(&parsed("/a/b", &[])));
    }
}
