//! `keyward audit`: the log against everybody who could have changed it, and what is done with it once it
//! is kept elsewhere.

mod prune;
mod verify;
mod witness;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reqwest::Url;

use super::CliError;
use crate::store::StoreError;
use crate::store::sqlite::DatabaseSource;
use crate::verify::{LinesSource, RowsSource, Source, Unreadable, Untrusted};

/// What a database's file begins with (<https://www.sqlite.org/fileformat.html>, section 1.3).
const DATABASE: &[u8] = b"SQLite format 3\0";

#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum AuditCommand {
    Verify(verify::Verify),
    Prune(prune::Prune),
}

/// Why the log cannot be verified, or not be pruned.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file is no log.
    #[error("{path}: {source}; a log is a database of Keyward or an export of its audit log", path = path.display())]
    NoLog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The file is a database that cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the store said.
        source: StoreError,
    },
    /// The file has nothing that events are found by.
    #[error("{path}: an export has no index of words; --words is for a database", path = path.display())]
    NoIndex {
        /// The file.
        path: PathBuf,
    },
    /// The log cannot be read to its end.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A checkpoint from outside is none.
    #[error("the checkpoint from {from}: {source}")]
    Witness {
        /// From where it is.
        from: String,
        /// What is wrong with it.
        source: Untrusted,
    },
    /// A file has no checkpoint.
    #[error("{from} holds no checkpoint")]
    NoCheckpoint {
        /// The file or the edge.
        from: String,
    },
    /// An edge did not tell its checkpoint.
    #[error("{url} did not answer as an edge does: {source}")]
    Edge {
        /// Its address.
        url: Url,
        /// What the client said.
        source: reqwest::Error,
    },
    /// A public key is none.
    #[error("--public-key takes an Ed25519 public key as base64url, or NAME+ID+KEY")]
    PublicKey,
    /// There is no key to look at signatures with.
    #[error(
        "no public key is known: give --public-key, or the data directory with the signing key; --unsigned leaves the \
         signatures alone"
    )]
    NoKey,
    /// What is to be pruned cannot be read.
    #[error("nothing was pruned: {0}")]
    Unread(#[from] StoreError),
    /// Nothing can be pruned with this.
    #[error("nothing was pruned: {0}")]
    NotPruned(String),
}

impl AuditCommand {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        match self {
            Self::Verify(command) => command.run().await,
            Self::Prune(command) => command.run().await,
        }
    }
}

/// The log in a file: a database, whose index of words is read too where that is wanted, JSON Lines or CSV, as its
/// first bytes say.
async fn source(path: &Path, with_words: bool) -> Result<Box<dyn Source>, CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    let no_log = |source| AuditError::NoLog { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let begins = reader.fill_buf().map_err(failed)?;
    if begins.starts_with(DATABASE) {
        drop(reader);
        let opened = DatabaseSource::open(path).await;
        let source = opened.map_err(|source| AuditError::Database { path: path.to_owned(), source })?;
        return Ok(Box::new(if with_words { source.with_words() } else { source }));
    }
    if with_words {
        return Err(AuditError::NoIndex { path: path.to_owned() }.into());
    }
    if begins.first() == Some(&b'{') {
        return Ok(Box::new(LinesSource::open(reader).map_err(no_log)?));
    }
    Ok(Box::new(RowsSource::open(reader).map_err(no_log)?))
}
