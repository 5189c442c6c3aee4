//! `X-Keyward-Assertion`: a JWT that lets the origin know a request came through this edge.
//!
//! HS256 (RFC 7515, RFC 7518 section 3.2) over who the key is and what was judged: method, host and
//! path. It lives for a minute and is useless for any other request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use keyward_shared::decision::Grant;
use sha2::Sha256;

use crate::request::Asked;

/// How long an assertion is good for, in seconds.
const LIFETIME_SECONDS: u64 = 60;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

#[derive(serde::Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    workspace_id: String,
    member_id: String,
    access: &'a str,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs assertions with the secret that the origin shares.
pub(crate) struct Signer {
    keyed: Hmac<Sha256>,
    issuer: String,
}

impl Signer {
    /// A signer for the deployment `issuer`.
    pub(crate) fn new(secret: &[u8], issuer: String) -> Option<Self> {
        Some(Self { keyed: Hmac::new_from_slice(secret).ok()?, issuer })
    }

    /// The assertion for a request that was allowed at `now_ms`.
    pub(crate) fn assert(&self, grant: &Grant, asked: &Asked, now_ms: u64) -> Option<String> {
        let issued_at = now_ms / 1000;
        let claims = Claims {
            iss: &self.issuer,
            sub: grant.key.to_string(),
            workspace_id: grant.workspace.to_string(),
            member_id: grant.member.to_string(),
            access: grant.access.as_str(),
            method: &asked.method,
            host: &asked.host,
            path: &asked.path,
            iat: issued_at,
            exp: issued_at + LIFETIME_SECONDS,
        };
        let mut token = HEADER.to_owned();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut token);
        let tag = self.keyed.clone().chain_update(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut token);
        Some(token)
    }
}
