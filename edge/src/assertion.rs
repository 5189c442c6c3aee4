//! `X-Keyward-Assertion`: a JWT (RFC 7519) that lets the origin know a request came through this edge.
//!
//! HS256 (RFC 7518, section 3.2) with a secret that the origin shares, or `EdDSA` (RFC 8037), which the
//! origin verifies by the public key of `/.keyward/jwks`. It speaks of who the key is and of what was
//! judged: method, host and path. It lives for a minute and is useless for any other request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::Mac as _;
use keyward_shared::decision::Grant;
use sha2::{Digest as _, Sha256};

use crate::config::AssertionKey;
use crate::json::Object;
use crate::request::Asked;

/// How long an assertion is good for, in seconds.
const LIFETIME_SECONDS: u64 = 60;

/// Signs assertions.
pub(crate) struct Signer {
    key: AssertionKey,
    /// The JOSE header in base64url, with the dot behind it.
    header: String,
    issuer: String,
}

impl Signer {
    /// A signer for the deployment `issuer`.
    pub(crate) fn new(key: AssertionKey, issuer: String) -> Self {
        let header = match &key {
            AssertionKey::Hs256(_) => r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
            AssertionKey::EdDsa(key) => format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, thumbprint(key)),
        };
        Self { key, header: format!("{}.", URL_SAFE_NO_PAD.encode(header)), issuer }
    }

    /// The assertion for a request that was allowed at `now_ms`.
    pub(crate) fn assert(&self, grant: &Grant, asked: &Asked<'_>, now_ms: u64) -> String {
        let issued_at = now_ms / 1000;
        let mut claims = Object::new();
        claims.text("iss", Some(&self.issuer));
        claims.quoted("sub", |text| grant.key.push_to(text));
        claims.quoted("workspace_id", |text| grant.workspace.push_to(text));
        claims.quoted("member_id", |text| grant.member.push_to(text));
        claims.text("access", Some(grant.access.as_str()));
        claims.text("method", Some(asked.method));
        claims.text("host", Some(asked.host));
        claims.text("path", Some(asked.path));
        claims.number("iat", Some(issued_at));
        claims.number("exp", Some(issued_at + LIFETIME_SECONDS));
        let mut token = self.header.clone();
        URL_SAFE_NO_PAD.encode_string(claims.finish(), &mut token);
        match &self.key {
            AssertionKey::Hs256(keyed) => {
                let tag = keyed.clone().chain_update(&token).finalize().into_bytes();
                token.push('.');
                URL_SAFE_NO_PAD.encode_string(tag, &mut token);
            }
            AssertionKey::EdDsa(key) => {
                let signature = key.sign(token.as_bytes());
                token.push('.');
                URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
            }
        }
        token
    }

    /// The public keys that its assertions are verified by (RFC 7517, section 5): none for a shared secret.
    pub(crate) fn public_keys(&self) -> String {
        match &self.key {
            AssertionKey::Hs256(_) => r#"{"keys":[]}"#.to_owned(),
            AssertionKey::EdDsa(key) => format!(
                r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{}","x":"{}"}}]}}"#,
                thumbprint(key),
                public_key(key)
            ),
        }
    }
}

fn public_key(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes())
}

/// The thumbprint of the public key (RFC 7638; RFC 8037, appendix A.3), which names it.
fn thumbprint(key: &SigningKey) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public_key(key));
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.1.
    const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let seed = URL_SAFE_NO_PAD.decode(SEED).unwrap().try_into().unwrap();
        let key = SigningKey::from_bytes(&seed);
        assert_eq!(public_key(&key), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signer = Signer::new(AssertionKey::EdDsa(Box::new(key)), "keyward".to_owned());
        assert!(signer.public_keys().contains("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    }
}
