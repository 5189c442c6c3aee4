//! Makes the secrets of a new deployment, one file each, and never touches one that is there.
//!
//! A secret that the operator keeps elsewhere is taken as it is and gets no file: two values of one
//! secret would set control plane and edges apart.

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

/// One secret that is kept elsewhere: in a variable, in a file of the operator's, in the TOML file.
pub struct Given {
    /// The secret's file name, if it had a file here.
    pub name: &'static str,
    /// Its value.
    pub value: SecretText,
    /// Where it was given, for people.
    pub place: String,
}

/// Where one secret lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// In a file that was made just now.
    Made(PathBuf),
    /// In a file that was there before.
    Kept(PathBuf),
    /// Where the operator said.
    Given(String),
}

/// What [`create_all`] did and what the caller goes on with.
pub struct Created {
    /// Every secret by its file name, in the order of the docs.
    pub secrets: Vec<(&'static str, Lies)>,
    /// The operator's token, from its file.
    pub operator_token: SecretText,
    /// The public half of the signing key as base64url, for the edges.
    pub public_key: String,
    /// The edge's variables, mode 0600.
    pub edge_env: PathBuf,
}

/// Makes what is missing of the six secrets in `dir`, and `edge.env` from them.
pub fn create_all(
    dir: &Path,
    deployment: &str,
    mut given: Vec<Given>,
    entropy: &dyn Entropy,
) -> Result<Created, CreateError> {
    file::create_dir(dir).map_err(|source| io_error(dir, source))?;
    let mut secrets = Vec::new();
    let mut make = |name: &'static str, prefix: &str| -> Result<SecretText, CreateError> {
        let (text, lies) = match given.iter().position(|given| given.name == name) {
            Some(at) => {
                let Given { value, place, .. } = given.swap_remove(at);
                (value, Lies::Given(place))
            }
            None => keep_or_create(dir.join(name), prefix, entropy)?,
        };
        secrets.push((name, lies));
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
    Ok(Created { secrets, operator_token, public_key, edge_env })
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

fn keep_or_create(path: PathBuf, prefix: &str, entropy: &dyn Entropy) -> Result<(SecretText, Lies), CreateError> {
    let fresh = random_text(prefix, entropy)?;
    match file::create(&path, fresh.expose()) {
        Ok(()) => Ok((fresh, Lies::Made(path))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kept = file::read(&path).map_err(|source| io_error(&path, source))?;
            if kept.expose().is_empty() {
                return Err(CreateError::Damaged { path });
            }
            Ok((kept, Lies::Kept(path)))
        }
        Err(source) => Err(io_error(&path, source)),
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
        let first = create_all(dir.path(), "keyward", Vec::new(), &SystemEntropy).unwrap();
        assert!(first.secrets.iter().all(|(_, lies)| matches!(lies, Lies::Made(_))));
        let env = std::fs::read(&first.edge_env).unwrap();

        let second = create_all(dir.path(), "keyward", Vec::new(), &SystemEntropy).unwrap();
        assert!(second.secrets.iter().all(|(_, lies)| matches!(lies, Lies::Kept(_))));
        assert_eq!(first.operator_token.expose(), second.operator_token.expose());
        assert_eq!(env, std::fs::read(&second.edge_env).unwrap());
    }

    #[test]
    fn a_secret_that_is_kept_elsewhere_is_what_the_edge_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let value = SecretKey::from_random(entropy::draw::<32>(&SystemEntropy).unwrap()).to_text();
        let text = value.expose().to_owned();
        let given = Given { name: "pepper", value, place: "KEYWARD_PEPPER".to_owned() };
        let made = create_all(dir.path(), "keyward", vec![given], &SystemEntropy).unwrap();
        assert_eq!(made.secrets[0], ("pepper", Lies::Given("KEYWARD_PEPPER".to_owned())));
        assert!(!dir.path().join("pepper").exists());
        let env = std::fs::read_to_string(made.edge_env).unwrap();
        assert!(env.contains(&format!("KEYWARD_PEPPER={text}\n")));
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
        let made = create_all(dir.path(), "keyward", Vec::new(), &SystemEntropy).unwrap();
        let env = std::fs::read_to_string(made.edge_env).unwrap();
        for name in ["signing-key", "kek", "operator-token"] {
            let secret = file::read(&dir.path().join(name)).unwrap();
            assert!(!env.contains(secret.expose()), "{name}");
        }
    }
}
