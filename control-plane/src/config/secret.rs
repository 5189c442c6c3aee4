//! Secrets: from a variable, or from a file that somebody named, or from the default file.
//!
//! An error names the secret and who gave it; it never holds its value.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::ConfigError;
use super::layers::{Layers, Origin};
use super::secrets_dir;
use super::table::{self, SecretSetting};
use crate::domain::token;
use crate::secrets::create::Given;
use crate::secrets::{SecretKey, SecretText, same_token};

impl Layers<'_> {
    /// The pepper.
    pub fn pepper(&self) -> Result<SecretKey, ConfigError> {
        self.key(&table::PEPPER)
    }

    /// The seed of the key that signs heads.
    pub fn signing_key(&self) -> Result<SecretKey, ConfigError> {
        self.key(&table::SIGNING_KEY)
    }

    /// The key-encryption key.
    pub fn kek(&self) -> Result<SecretKey, ConfigError> {
        self.key(&table::KEK)
    }

    /// The key-encryption keys that the present one replaces.
    pub fn older_keks(&self) -> Result<Vec<SecretKey>, ConfigError> {
        let Some((text, origin)) = self.secret(&table::KEK_OLDER)? else {
            return Ok(Vec::new());
        };
        let key = |word: &str| SecretKey::from_text(&SecretText::new(Zeroizing::new(word.to_owned())));
        text.expose().split_whitespace().map(key).collect::<Option<_>>().ok_or(ConfigError::InvalidSecret {
            name: table::KEK_OLDER.name,
            origin,
            wanted: "keys of 32 bytes as base64url without padding, 43 characters, with white space between them",
        })
    }

    /// What edges show to read snapshots and to report.
    pub fn edge_credential(&self) -> Result<SecretText, ConfigError> {
        bearer(&table::EDGE_CREDENTIAL, self.required(&table::EDGE_CREDENTIAL)?)
    }

    /// What opens the http lane and nothing else, if there is such a token.
    pub fn lane_token(&self) -> Result<Option<SecretText>, ConfigError> {
        let Some(found) = self.secret(&table::LANE_TOKEN)? else {
            return Ok(None);
        };
        let origin = found.1.clone();
        let token = bearer(&table::LANE_TOKEN, found)?;
        if same_token(&token.hash(), &self.edge_credential()?.hash()) {
            let wanted = "a token of its own, for edge_credential opens more than the lane";
            return Err(ConfigError::InvalidSecret { name: table::LANE_TOKEN.name, origin, wanted });
        }
        Ok(Some(token))
    }

    /// The first operator's token, if its file is still there.
    pub fn operator_token(&self) -> Result<Option<SecretText>, ConfigError> {
        let Some((text, origin)) = self.secret(&table::OPERATOR_TOKEN)? else {
            return Ok(None);
        };
        if token::is_well_formed(text.expose()) {
            Ok(Some(text))
        } else {
            let wanted = "kwt_ and 32 to 252 printable ASCII characters";
            Err(ConfigError::InvalidSecret { name: table::OPERATOR_TOKEN.name, origin, wanted })
        }
    }

    /// What is given in another way than as the default file, for `init`, each checked.
    pub fn secrets_kept_elsewhere(&self) -> Result<Vec<Given>, ConfigError> {
        let mut given = Vec::new();
        for secret in table::SECRETS {
            if let Some((value, origin)) = self.secret(secret)?
                && !matches!(origin, Origin::Default(_))
            {
                given.push(Given { name: secret.file, value, place: origin.to_string() });
            }
        }
        let is_given = |secret: &SecretSetting| given.iter().any(|given| given.name == secret.file);
        for key in [&table::PEPPER, &table::SIGNING_KEY, &table::KEK] {
            if is_given(key) {
                self.key(key)?;
            }
        }
        if is_given(&table::EDGE_CREDENTIAL) {
            self.edge_credential()?;
        }
        if is_given(&table::OPERATOR_TOKEN) {
            self.operator_token()?;
        }
        Ok(given)
    }

    fn key(&self, secret: &'static SecretSetting) -> Result<SecretKey, ConfigError> {
        let (text, origin) = self.required(secret)?;
        SecretKey::from_text(&text).ok_or(ConfigError::InvalidSecret {
            name: secret.name,
            origin,
            wanted: "32 bytes as base64url without padding, 43 characters",
        })
    }

    fn required(&self, secret: &'static SecretSetting) -> Result<(SecretText, Origin), ConfigError> {
        match self.secret(secret)? {
            Some(found) => Ok(found),
            None => Err(ConfigError::MissingSecret {
                name: secret.name,
                path: self.default_file(secret)?,
                variable: table::variable_of(secret.name),
            }),
        }
    }

    /// A secret: itself or its file, by the first place that says something; else the
    /// default file, if it is there.
    pub(super) fn secret(&self, secret: &'static SecretSetting) -> Result<Option<(SecretText, Origin)>, ConfigError> {
        let file = table::file_of(secret.name);
        let named = if let Some(flag) = self.flag(&file) {
            Some(flag)
        } else {
            let places =
                [(self.variable(secret.name)?, self.variable(&file)?), (self.member(secret.name), self.member(&file))];
            let mut named = None;
            for place in places {
                match place {
                    (Some((_, value)), Some((_, file))) => {
                        return Err(ConfigError::Twice { value, file });
                    }
                    (Some((value, origin)), None) => {
                        return Ok(Some((SecretText::new(Zeroizing::new(value)), origin)));
                    }
                    (None, Some(file)) => {
                        named = Some(file);
                        break;
                    }
                    (None, None) => {}
                }
            }
            named
        };
        let (path, origin, must_exist) = match named {
            Some((path, origin)) => (PathBuf::from(path), origin, true),
            None => (self.default_file(secret)?, Origin::Default(file.clone()), false),
        };
        match crate::secrets::file::read(&path) {
            Ok(text) => Ok(Some((text, origin))),
            Err(error) if !must_exist && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::ReadSecret { name: secret.name, path, origin, source }),
        }
    }

    fn default_file(&self, secret: &SecretSetting) -> Result<PathBuf, ConfigError> {
        Ok(secrets_dir(&self.data_dir()?).join(secret.file))
    }
}

/// A token as it can stand in a header.
fn bearer(secret: &SecretSetting, (text, origin): (SecretText, Origin)) -> Result<SecretText, ConfigError> {
    let fits = (32..=256).contains(&text.expose().len()) && text.expose().bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(text)
    } else {
        Err(ConfigError::InvalidSecret { name: secret.name, origin, wanted: "32 to 256 printable ASCII characters" })
    }
}
