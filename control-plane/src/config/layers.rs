//! Who said what: flags over variables over the TOML file over the defaults.
//!
//! Knows places, not meanings: it hands out text and where the text came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::table::{self, SECRETS, SETTINGS, Setting};

/// Where a value came from, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// A member of the TOML file.
    File(PathBuf, String),
    /// The table's default.
    Default(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "{name}"),
            Self::File(path, name) => write!(f, "`{name}` in {}", path.display()),
            Self::Default(name) => write!(f, "the default of `{name}`"),
        }
    }
}

/// How variables are read: the process's own in production, a map in tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The three places where values may be given.
pub struct Layers<'a> {
    flags: BTreeMap<String, String>,
    environment: Environment<'a>,
    file: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl<'a> Layers<'a> {
    /// Takes the flags by setting name (`data_dir`, `pepper_file`, `config`, …) and reads
    /// the TOML file that `config` names, if any.
    pub fn new(flags: BTreeMap<String, String>, environment: Environment<'a>) -> Result<Self, ConfigError> {
        let mut layers = Self { flags, environment, file: None };
        if let Some((path, _)) = layers.get(table::CONFIG.name)? {
            let path = PathBuf::from(path);
            let members = read_file(&path)?;
            layers.file = Some((path, members));
        }
        Ok(layers)
    }

    /// What was said about a setting, or its default.
    pub(super) fn value(&self, setting: &Setting) -> Result<(String, Origin), ConfigError> {
        Ok(self
            .get(setting.name)?
            .unwrap_or_else(|| (setting.default.to_owned(), Origin::Default(setting.name.to_owned()))))
    }

    /// What was said about a name, by the first place that said something.
    pub(super) fn get(&self, name: &str) -> Result<Option<(String, Origin)>, ConfigError> {
        if let Some(found) = self.flag(name) {
            return Ok(Some(found));
        }
        if let Some(found) = self.variable(name)? {
            return Ok(Some(found));
        }
        Ok(self.member(name))
    }

    pub(super) fn flag(&self, name: &str) -> Option<(String, Origin)> {
        let value = self.flags.get(name)?;
        Some((value.clone(), Origin::Flag(table::flag_of(name))))
    }

    pub(super) fn variable(&self, name: &str) -> Result<Option<(String, Origin)>, ConfigError> {
        let variable = table::variable_of(name);
        match (self.environment)(&variable) {
            // Compose files and unit files set a variable to nothing to mean "not set".
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => match value.into_string() {
                Ok(value) => Ok(Some((value, Origin::Variable(variable)))),
                Err(_) => Err(ConfigError::NotUtf8 { name: variable }),
            },
            None => Ok(None),
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<(String, Origin)> {
        let (path, members) = self.file.as_ref()?;
        let value = members.get(name)?;
        Some((value.clone(), Origin::File(path.clone(), name.to_owned())))
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::ReadFile { path: path.to_owned(), source })?;
    let parsed: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let end = error.span().map_or(0, |span| span.start.min(text.len()));
        ConfigError::Syntax {
            path: path.to_owned(),
            line: text
                .char_indices()
                .take_while(|(at, _)| *at < end)
                .filter(|(_, character)| *character == '\n')
                .count()
                + 1,
        }
    })?;
    parsed
        .into_iter()
        .map(|(name, value)| {
            if !is_known(&name) {
                return Err(ConfigError::Unknown { path: path.to_owned(), name });
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => {
                    return Err(ConfigError::NotScalar { path: path.to_owned(), name });
                }
            };
            Ok((name, text))
        })
        .collect()
}

fn is_known(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name)
        || SECRETS.iter().any(|secret| secret.name == name || table::file_of(secret.name) == name)
}
