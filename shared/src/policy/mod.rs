//! What a key may do: its workspace, access, APIs and restrictions, as records of a leaf share it.
//!
//! A policy is at most [`MAX_POLICY_BYTES`] encoded, so that no tenant can make a leaf that edges
//! refuse. It knows neither secrets nor routes.

mod view;

use core::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::id::WorkspaceId;
use crate::wire::{Truncated, Write as _};

pub(crate) use view::AppRef;
pub use view::{ApisRef, PolicyRef, RestrictionsRef};

/// Largest encoded policy, in bytes.
pub const MAX_POLICY_BYTES: usize = 1024;
/// Most IP ranges, referrers, and apps of one policy, each.
pub const MAX_RESTRICTIONS: usize = 32;
/// Most APIs a policy names one by one.
pub const MAX_APIS: usize = 256;
/// Longest referrer pattern, app name or certificate digest, in bytes.
pub const MAX_RESTRICTION_BYTES: usize = 255;

/// What a key may do to the APIs it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Safe methods only (RFC 9110, section 9.2.1).
    ReadOnly,
    /// Every method.
    ReadWrite,
}

impl Access {
    /// The word for it in requests, answers, headers and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }

    /// The access that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite].into_iter().find(|access| access.as_str() == word)
    }
}

/// Which APIs a key may call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Apis {
    /// Every API there is and will be, and paths without a route.
    All,
    /// These, by number.
    Only(Vec<u16>),
}

/// A client app that a key is restricted to. What the client says of itself: a guard against
/// mistakes, not against attackers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "platform")]
pub enum App {
    /// An Android package and the digest of the certificate it is signed with.
    Android {
        /// The package, as in `X-Android-Package`.
        package: String,
        /// The digest in hexadecimal, as in `X-Android-Cert`.
        certificate: String,
    },
    /// An iOS bundle.
    Ios {
        /// The bundle identifier, as in `X-Ios-Bundle-Identifier`.
        bundle: String,
    },
}

/// From where a key may be used. An empty list does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Restrictions {
    /// Client addresses.
    pub ips: Vec<IpNet>,
    /// Patterns `[*.]host[:port][/path]` for `Referer` or `Origin`.
    pub referrers: Vec<String>,
    /// Client apps.
    pub apps: Vec<App>,
}

/// The first eight bytes of a slug's SHA-256: enough to tell the workspaces that one key's
/// credential may name, and no list of customers in KV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlugHash([u8; 8]);

impl SlugHash {
    /// The hash of `slug`.
    pub fn of(slug: &str) -> Self {
        let digest = Sha256::digest(slug.as_bytes());
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        Self(hash)
    }
}

/// What the records of one leaf share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The workspace's slug, hashed.
    pub slug: SlugHash,
    /// Read-only or read-write.
    pub access: Access,
    /// The APIs granted.
    pub apis: Apis,
    /// From where the key may be used.
    pub restrictions: Restrictions,
}

/// Why a policy can't be encoded or its bytes not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than a list may hold.
    #[error("{list}: {got} entries, at most {max}")]
    TooMany {
        /// Which list.
        list: &'static str,
        /// How many there are.
        got: usize,
        /// How many there may be.
        max: usize,
    },
    /// One entry is longer than [`MAX_RESTRICTION_BYTES`].
    #[error("{list}: an entry of {got} bytes, at most {MAX_RESTRICTION_BYTES}")]
    TooLong {
        /// Which list.
        list: &'static str,
        /// Its length.
        got: usize,
    },
    /// The whole is larger than [`MAX_POLICY_BYTES`].
    #[error("the policy takes {got} bytes, at most {MAX_POLICY_BYTES}")]
    TooLarge {
        /// Its size.
        got: usize,
    },
    /// The bytes end early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A value that has no meaning, or bytes behind the end.
    #[error("{field} has no meaning")]
    Meaningless {
        /// Which value.
        field: &'static str,
    },
}

const ALL_APIS: u16 = u16::MAX;

impl Policy {
    /// The policy's bytes; equal policies give equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, PolicyError> {
        let Restrictions { ips, referrers, apps } = &self.restrictions;
        let mut out = Vec::with_capacity(64);
        out.put(&self.workspace.as_u64().to_be_bytes());
        out.put(&self.slug.0);
        out.push(match self.access {
            Access::ReadOnly => 0,
            Access::ReadWrite => 1,
        });
        match &self.apis {
            Apis::All => out.put(&ALL_APIS.to_be_bytes()),
            Apis::Only(numbers) => {
                let mut numbers = numbers.clone();
                numbers.sort_unstable();
                numbers.dedup();
                if numbers.len() > MAX_APIS {
                    return Err(PolicyError::TooMany { list: "apis", got: numbers.len(), max: MAX_APIS });
                }
                out.put(&u16::try_from(numbers.len()).unwrap_or(ALL_APIS).to_be_bytes());
                for number in numbers {
                    out.put(&number.to_be_bytes());
                }
            }
        }
        out.push(count("restrictions.ips", ips.len())?);
        for range in ips {
            out.push(range.prefix_len());
            match range.addr() {
                IpAddr::V4(address) => {
                    out.push(4);
                    out.put(&address.octets());
                }
                IpAddr::V6(address) => {
                    out.push(6);
                    out.put(&address.octets());
                }
            }
        }
        out.push(count("restrictions.referrers", referrers.len())?);
        for pattern in referrers {
            out.put_short(entry("restrictions.referrers", pattern)?);
        }
        out.push(count("restrictions.apps", apps.len())?);
        for app in apps {
            match app {
                App::Android { package, certificate } => {
                    out.push(0);
                    out.put_short(entry("restrictions.apps", package)?);
                    out.put_short(entry("restrictions.apps", certificate)?);
                }
                App::Ios { bundle } => {
                    out.push(1);
                    out.put_short(entry("restrictions.apps", bundle)?);
                }
            }
        }
        if out.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { got: out.len() });
        }
        Ok(out)
    }

    /// Reads a policy that fills `bytes` to their end.
    pub fn decode(bytes: &[u8]) -> Result<Self, PolicyError> {
        PolicyRef::read(bytes).map(PolicyRef::to_policy)
    }
}

impl Apis {
    /// Whether the API with this number is granted; `None` stands for a path without a route.
    pub fn grant(&self, api: Option<u16>) -> bool {
        match (self, api) {
            (Self::All, _) => true,
            (Self::Only(numbers), Some(number)) => numbers.contains(&number),
            (Self::Only(_), None) => false,
        }
    }
}

fn count(list: &'static str, got: usize) -> Result<u8, PolicyError> {
    u8::try_from(got).ok().filter(|_| got <= MAX_RESTRICTIONS).ok_or(PolicyError::TooMany {
        list,
        got,
        max: MAX_RESTRICTIONS,
    })
}

fn entry<'a>(list: &'static str, text: &'a str) -> Result<&'a [u8], PolicyError> {
    if text.len() > MAX_RESTRICTION_BYTES {
        return Err(PolicyError::TooLong { list, got: text.len() });
    }
    Ok(text.as_bytes())
}
