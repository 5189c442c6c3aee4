//! From header values to the key they present: Basic by RFC 7617, and Bearer and a header of its
//! own where the settings accept them.
//!
//! Lengths are checked before anything is decoded. A malformed credential is one error without
//! detail for the client; the reason is for tests and tools. Nothing here looks a key up.

use base64::engine::general_purpose::STANDARD;
use base64::{Engine as _, decoded_len_estimate};
use zeroize::Zeroize as _;

use crate::api_key::{self, MAX_KEY_BYTES};
use crate::fingerprint::Digest;
use crate::id::{KeyId, WorkspaceId};
use crate::policy::{PolicyRef, SlugHash};
use crate::record::Record;
use crate::settings::{BasicUser, CheckDigits, Settings};

/// Longest decoded `user:password`.
pub const MAX_CREDENTIAL_BYTES: usize = 2 * MAX_KEY_BYTES + 1;
/// Longest `Authorization` value that is looked at: the longest credential in base64, its scheme,
/// and some spaces between them.
pub const MAX_AUTHORIZATION_BYTES: usize = 768;

/// Why no key can be read from a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No header that could hold one.
    #[error("no credentials")]
    Missing,
    /// More than one header that could hold one.
    #[error("credentials in more than one place")]
    Several,
    /// Longer than any credential can be.
    #[error("longer than {MAX_AUTHORIZATION_BYTES} bytes")]
    TooLong,
    /// A scheme that is not accepted.
    #[error("the scheme is not accepted")]
    Scheme,
    /// Not canonical base64 (RFC 4648, section 4).
    #[error("not canonical base64")]
    Base64,
    /// No colon, or a control character.
    #[error("not a user and a password")]
    Form,
    /// Neither part, or the wrong part, can be a key.
    #[error("no key where one belongs")]
    Key,
    /// A key of this deployment's form with wrong check digits.
    #[error("wrong check digits")]
    CheckDigits,
}

/// Who the user of a Basic credential claims the key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing is claimed.
    None,
    /// The key with this id.
    Key(KeyId),
    /// The workspace with this id.
    Workspace(WorkspaceId),
    /// The workspace with this slug.
    Slug(SlugHash),
}

impl Claim {
    /// Whether the claim is true of a record and its policy.
    pub fn holds(self, record: &Record, policy: &PolicyRef<'_>) -> bool {
        match self {
            Self::None => true,
            Self::Key(id) => record.key == id,
            Self::Workspace(id) => policy.workspace == id,
            Self::Slug(slug) => policy.slug == slug,
        }
    }
}

/// A well-formed credential, reduced to what is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// The digest of the key presented.
    pub digest: Digest,
    /// What the user claims.
    pub claim: Claim,
}

/// Reads the credential from `authorization` and from the value of the header that the settings
/// name, if they name one.
pub fn read(
    authorization: Option<&str>,
    key_header: Option<&str>,
    settings: &Settings,
) -> Result<Credential, CredentialError> {
    let key_header = key_header.filter(|_| settings.accept.header.is_some());
    match (authorization, key_header) {
        (None, None) => Err(CredentialError::Missing),
        (Some(_), Some(_)) => Err(CredentialError::Several),
        (None, Some(key)) => from_key(key.as_bytes(), Claim::None, settings),
        (Some(value), None) => from_authorization(value.as_bytes(), settings),
    }
}

fn from_authorization(value: &[u8], settings: &Settings) -> Result<Credential, CredentialError> {
    if value.len() > MAX_AUTHORIZATION_BYTES {
        return Err(CredentialError::TooLong);
    }
    // credentials = auth-scheme 1*SP token68 (RFC 9110, section 11.4)
    let end_of_scheme = value.iter().position(|&byte| byte == b' ').ok_or(CredentialError::Scheme)?;
    let (scheme, rest) = value.split_at(end_of_scheme);
    let token = rest.trim_ascii_start_spaces();
    if scheme.eq_ignore_ascii_case(b"basic") && settings.accept.basic {
        let mut decoded = [0; MAX_CREDENTIAL_BYTES + 2];
        // Only as much as the token can fill: wiping is written byte by byte.
        let room = decoded_len_estimate(token.len()).min(decoded.len());
        let credential = from_basic(token, &mut decoded[..room], settings);
        decoded[..room].zeroize();
        credential
    } else if scheme.eq_ignore_ascii_case(b"bearer") && settings.accept.bearer {
        from_key(token, Claim::None, settings)
    } else {
        Err(CredentialError::Scheme)
    }
}

fn from_basic(token: &[u8], decoded: &mut [u8], settings: &Settings) -> Result<Credential, CredentialError> {
    // The engine refuses missing or excess padding and bits behind the end.
    let length = STANDARD.decode_slice(token, decoded).map_err(|_| CredentialError::Base64)?;
    let user_pass = decoded.get(..length).ok_or(CredentialError::Base64)?;
    let user_pass = core::str::from_utf8(user_pass).map_err(|_| CredentialError::Form)?;
    let has_control = if user_pass.is_ascii() {
        !api_key::all(user_pass.as_bytes(), |byte| !byte.is_ascii_control())
    } else {
        user_pass.chars().any(char::is_control)
    };
    if has_control {
        return Err(CredentialError::Form);
    }
    let (user, password) = user_pass.split_once(':').ok_or(CredentialError::Form)?;
    if password.is_empty() {
        return from_key(user.as_bytes(), Claim::None, settings);
    }
    let claim = if settings.basic_user == BasicUser::Any || user.is_empty() || user == password {
        Claim::None
    } else if let Ok(id) = user.parse::<KeyId>() {
        Claim::Key(id)
    } else if let Ok(id) = user.parse::<WorkspaceId>() {
        Claim::Workspace(id)
    } else {
        Claim::Slug(SlugHash::of(user))
    };
    from_key(password.as_bytes(), claim, settings)
}

fn from_key(key: &[u8], claim: Claim, settings: &Settings) -> Result<Credential, CredentialError> {
    api_key::check_characters(key).map_err(|_| CredentialError::Key)?;
    if settings.check_digits == CheckDigits::Enforce {
        api_key::verify_check_digits(key, &settings.key_prefix).map_err(|_| CredentialError::CheckDigits)?;
    }
    Ok(Credential { digest: Digest::of_bytes(key), claim })
}

trait TrimSpaces {
    /// Without leading spaces; a tab or another blank stays and is refused.
    fn trim_ascii_start_spaces(&self) -> &[u8];
}

impl TrimSpaces for [u8] {
    fn trim_ascii_start_spaces(&self) -> &[u8] {
        let start = self.iter().position(|&byte| byte != b' ').unwrap_or(self.len());
        &self[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_key::ApiKey;
    use proptest::prelude::*;

    const KEY: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn basic(user_pass: &str) -> String {
        format!("Basic {}", STANDARD.encode(user_pass))
    }

    fn claim(user_pass: &str) -> Result<Claim, CredentialError> {
        read(Some(&basic(user_pass)), None, &Settings::default()).map(|credential| {
            let key = ApiKey::parse(KEY).expect("a key");
            assert!(credential.digest == Digest::of(&key));
            credential.claim
        })
    }

    #[test]
    fn the_five_forms() {
        assert_eq!(claim(&format!("{KEY}:")), Ok(Claim::None));
        assert_eq!(claim(&format!("{KEY}:{KEY}")), Ok(Claim::None));
        assert_eq!(claim(&format!(":{KEY}")), Ok(Claim::None));
        let workspace = WorkspaceId::from_u64(7);
        assert_eq!(claim(&format!("{workspace}:{KEY}")), Ok(Claim::Workspace(workspace)));
        assert_eq!(claim(&format!("acme:{KEY}")), Ok(Claim::Slug(SlugHash::of("acme"))));
        let key = KeyId::from_u64(9);
        assert_eq!(claim(&format!("{key}:{KEY}")), Ok(Claim::Key(key)));
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_behind_any_number_of_spaces() {
        let token = STANDARD.encode(format!("{KEY}:"));
        for value in [format!("basic {token}"), format!("BASIC   {token}")] {
            assert!(read(Some(&value), None, &Settings::default()).is_ok(), "{value}");
        }
        for value in
            [format!("Basic\t{token}"), format!("Basic{token}"), format!(" Basic {token}"), format!("Basic \t{token}")]
        {
            assert!(read(Some(&value), None, &Settings::default()).is_err(), "{value}");
        }
    }

    #[test]
    fn bearer_and_a_header_only_where_accepted() {
        let mut settings = Settings::default();
        let bearer = format!("Bearer {KEY}");
        assert_eq!(read(Some(&bearer), None, &settings).err(), Some(CredentialError::Scheme));
        assert_eq!(read(None, Some(KEY), &settings).err(), Some(CredentialError::Missing));
        settings.accept.bearer = true;
        settings.accept.header = Some("x-api-key".to_owned());
        assert!(read(Some(&bearer), None, &settings).is_ok());
        assert!(read(None, Some(KEY), &settings).is_ok());
        assert_eq!(read(Some(&bearer), Some(KEY), &settings).err(), Some(CredentialError::Several));
    }

    #[test]
    fn the_longest_credential_fits_and_one_byte_more_does_not() {
        let key = "k".repeat(MAX_KEY_BYTES);
        assert!(read(Some(&basic(&format!("{key}:{key}"))), None, &Settings::default()).is_ok());
        assert_eq!(
            read(Some(&"x".repeat(MAX_AUTHORIZATION_BYTES + 1)), None, &Settings::default()).err(),
            Some(CredentialError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn any_header_is_an_error_or_a_credential_never_a_panic(value in ".{0,900}", user in ".{0,300}", password in ".{0,300}") {
            let _ = read(Some(&value), None, &Settings::default());
            let _ = read(Some(&basic(&format!("{user}:{password}"))), None, &Settings::default());
        }
    }
}
