//! What can be wrong with the configuration: what, where, and what to do.

use std::path::PathBuf;

use super::layers::Origin;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The TOML file cannot be read.
    #[error("cannot read the configuration file {path}: {source}", path = path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The TOML file is not TOML. The parser's words are left out but for the place,
    /// because they quote the line, which may hold a secret.
    #[error("{path} is not valid TOML at line {line}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A member of the TOML file that means nothing.
    #[error(
        "{path} has the unknown setting `{name}`; docs/reference.md lists all of them",
        path = path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The member.
        name: String,
    },
    /// A member of the TOML file that is neither text, number nor boolean.
    #[error("the setting `{name}` in {path} must be a text or a number", path = path.display())]
    NotScalar {
        /// The file.
        path: PathBuf,
        /// The member.
        name: String,
    },
    /// A variable whose bytes are not UTF-8.
    #[error("the variable {name} is not UTF-8")]
    NotUtf8 {
        /// The variable.
        name: String,
    },
    /// A value of the wrong form.
    #[error("{origin} is `{value}`, but must be {wanted}")]
    Invalid {
        /// Who gave the value.
        origin: Origin,
        /// The value; never one of a secret.
        value: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// Both the secret and a file for it are given, in the same place.
    #[error("both {value} and {file} are given: leave one of them out")]
    Twice {
        /// Who gave the value.
        value: Origin,
        /// Who named the file.
        file: Origin,
    },
    /// A secret's file cannot be read.
    #[error("cannot read the secret `{name}` from {path} ({origin}): {source}", path = path.display())]
    ReadSecret {
        /// The secret.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Who named the file.
        origin: Origin,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody gave the secret and the default file is not there.
    #[error(
        "there is no `{name}`: {path} does not exist. \
         `keyward init` makes it; or set {variable} or {variable}_FILE",
        path = path.display()
    )]
    MissingSecret {
        /// The secret.
        name: &'static str,
        /// The default file.
        path: PathBuf,
        /// The variable that would give it.
        variable: String,
    },
    /// A secret of the wrong form. Its value is not shown.
    #[error("the secret `{name}` ({origin}) must be {wanted}")]
    InvalidSecret {
        /// The secret.
        name: &'static str,
        /// Who gave it.
        origin: Origin,
        /// What would have been right.
        wanted: &'static str,
    },
}
