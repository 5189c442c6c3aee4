//! Makes the secrets of a new deployment, one file each, and never touches one that is there.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::{SecretKey, SecretText, file};
use crate::domain::token::TOKEN_PREFIX;
use crate::entropy::{self, Entropy, EntropyError};

/// The file that holds what the edge needs, as `NAME=value` lines.
const EDGE_ENV: &str = "edge.env";

/// Why the secrets could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file or directory could not be written or read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A file that is there does not hold what its name says.
    #[error(
        "{path} exists but does not hold 32 bytes as base64url; \
         restore it from a backup, or remove it if nothing was ever made with it",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// One secret's file, and whether it is new.
pub struct Made {
    /// The file.
    pub path: PathBuf,
    /// False when it was there before.
    pub is_new: bool,
}

/// What [`create_all`] did and what the caller goes on with.
pub struct Created {
    /// Every file, in the order of the docs.
    pub files: Vec<Made>,
    /// The operator's token, from its file.
    pub operator_token: SecretText,
    /// The public half of the signing key as base64url, for the edges.
    pub public_key: String,
    /// The edge's variables, mode 0600.
    pub edge_env: PathBuf,
}

/// Makes what is missing of the six secrets in `dir`, and `edge.env` from them.
pub fn create_all(dir: &Path, deployment: &str, entropy: &dyn Entropy) -> Result<Created, CreateError> {
    file::create_dir(dir).map_err(|source| io_error(dir, source))?;
    let mut files = Vec::new();
    let mut make = |name: &str, prefix: &str| -> Result<SecretText, CreateError> {
        let path = dir.join(name);
        let (text, is_new) = keep_or_create(&path, prefix, entropy)?;
        files.push(Made { path, is_new });
        Ok(text)
    };
    let pepper = make("pepper", "")?;
    let signing_key = make("signing-key", "")?;
    make("kek", "")?;
    let edge_credential = make("edge-credential", "")?;
    let origin_secret = make("origin-secret", "")?;
    let operator_token = make("operator-token", TOKEN_PREFIX)?;

    let seed =
        SecretKey::from_text(&signing_key).ok_or_else(|| CreateError::Damaged { path: dir.join("signing-key") })?;
    let public_key = public_key_of(&seed);
    let edge_env = dir.join(EDGE_ENV);
    let lines = Zeroizing::new(format!(
        "KEYWARD_DEPLOYMENT={deployment}\n\
         KEYWARD_PUBLIC_KEYS={public_key}\n\
         KEYWARD_PEPPER={}\n\
         KEYWARD_EDGE_CREDENTIAL={}\n\
         KEYWARD_ORIGIN_SECRET={}",
        pepper.expose(),
        edge_credential.expose(),
        origin_secret.expose(),
    ));
    file::replace(&edge_env, &lines).map_err(|source| io_error(&edge_env, source))?;
    Ok(Created { files, operator_token, public_key, edge_env })
}

/// The public half of a signing key, base64url without padding.
pub fn public_key_of(seed: &SecretKey) -> String {
    URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(seed.expose()).verifying_key().to_bytes())
}

/// A token of 256 random bits.
pub fn operator_token(entropy: &dyn Entropy) -> Result<SecretText, EntropyError> {
    random_text(TOKEN_PREFIX, entropy)
}

fn random_text(prefix: &str, entropy: &dyn Entropy) -> Result<SecretText, EntropyError> {
    let key = SecretKey::from_random(entropy::draw::<32>(entropy)?);
    let text = key.to_text();
    Ok(SecretText::new(Zeroizing::new(format!("{prefix}{}", text.expose()))))
}

fn keep_or_create(path: &Path, prefix: &str, entropy: &dyn Entropy) -> Result<(SecretText, bool), CreateError> {
    let fresh = random_text(prefix, entropy)?;
    match file::create(path, fresh.expose()) {
        Ok(()) => Ok((fresh, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kept = file::read(path).map_err(|source| io_error(path, source))?;
            if kept.expose().is_empty() {
                return Err(CreateError::Damaged { path: path.to_owned() });
            }
            Ok((kept, false))
        }
        Err(source) => Err(io_error(path, source)),
    }
}

fn io_error(path: &Path, source: io::Error) -> CreateError {
    CreateError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_second_init_keeps_every_secret() {
        let dir = tempfile::tempdir().unwrap();
        let first = create_all(dir.path(), "keyward", &SystemEntropy).unwrap();
        assert!(first.files.iter().all(|made| made.is_new));
        let env = std::fs::read(&first.edge_env).unwrap();

        let second = create_all(dir.path(), "keyward", &SystemEntropy).unwrap();
        assert!(second.files.iter().all(|made| !made.is_new));
        assert_eq!(first.operator_token.expose(), second.operator_token.expose());
        assert_eq!(env, std::fs::read(&second.edge_env).unwrap());
    }

    #[test]
    fn the_operators_token_has_its_prefix_and_256_bits() {
        let token = operator_token(&SystemEntropy).unwrap();
        let body = token.expose().strip_prefix(TOKEN_PREFIX).unwrap();
        assert_eq!(body.len(), 43);
    }

    #[test]
    fn the_edge_is_told_no_secret_that_only_the_control_plane_needs() {
        let dir = tempfile::tempdir().unwrap();
        let made = create_all(dir.path(), "keyward", &SystemEntropy).unwrap();
        let env = std::fs::read_to_string(made.edge_env).unwrap();
        for name in ["signing-key", "kek", "operator-token"] {
            let secret = file::read(&dir.path().join(name)).unwrap();
            assert!(!env.contains(secret.expose()), "{name}");
        }
    }
}
