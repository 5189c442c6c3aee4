//! What an administrator changes without a deploy and what travels in the snapshot: API routes and
//! how credentials are read.
//!
//! Where requests go (origin, client address, assertion, mode, lanes) is the Worker's own
//! configuration and never here: an admin token must not be able to redirect traffic.

use serde::{Deserialize, Serialize};

/// Most routes over all APIs.
pub const MAX_ROUTES: usize = 256;
/// Longest route prefix or ping path, in bytes.
pub const MAX_PATH_BYTES: usize = 256;
/// Most methods one route names.
pub const MAX_METHODS: usize = 16;
/// Longest method, header name or realm, in bytes.
pub const MAX_TOKEN_BYTES: usize = 64;

/// Whether a key with the deployment's prefix and wrong check digits is refused before any hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckDigits {
    /// Refused: a typing error or a guess.
    #[default]
    Enforce,
    /// Looked up like any other.
    Off,
}

/// What the user of a Basic credential may be beside the key itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicUser {
    /// Nothing, the key, its id, its workspace's id or slug.
    #[default]
    Match,
    /// Anything: the password alone counts.
    Any,
}

/// Where a key may be presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// `Authorization: Basic` (RFC 7617).
    pub basic: bool,
    /// `Authorization: Bearer` (RFC 6750).
    pub bearer: bool,
    /// A header of its own, name in lower case.
    pub header: Option<String>,
}

impl Default for Accept {
    fn default() -> Self {
        Self { basic: true, bearer: false, header: None }
    }
}

/// What a route asks of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteAccess {
    /// Safe methods read, the others write.
    #[default]
    ByMethod,
    /// Reading, whatever the method.
    Read,
    /// Writing, whatever the method.
    Write,
    /// No key is asked.
    Public,
}

/// Paths that belong to an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The API's number.
    pub api: u16,
    /// Segments that a path must begin with, from its leading slash.
    pub path_prefix: String,
    /// The methods it is for; empty means all.
    pub methods: Vec<String>,
    /// What it asks of a key.
    pub access: RouteAccess,
}

/// The settings of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The prefix of generated keys.
    pub key_prefix: String,
    /// What becomes of wrong check digits.
    pub check_digits: CheckDigits,
    /// Where keys may be presented.
    pub accept: Accept,
    /// What the user of a Basic credential may be.
    pub basic_user: BasicUser,
    /// The realm of the challenge (RFC 9110, section 11.5).
    pub realm: String,
    /// The path that answers pong.
    pub ping_path: String,
    /// The routes of all APIs.
    pub routes: Vec<Route>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_prefix: "kw".to_owned(),
            check_digits: CheckDigits::default(),
            accept: Accept::default(),
            basic_user: BasicUser::default(),
            realm: "API".to_owned(),
            ping_path: "/v1/ping".to_owned(),
            routes: Vec::new(),
        }
    }
}
