//! What a command says when it cannot go on: what happened, where, what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::audit::AuditError;
use super::snapshot::InspectError;
use crate::config::ConfigError;
use crate::entropy::EntropyError;
use crate::lifecycle::Refusal;
use crate::mail::SendError;
use crate::publish::{KvError, PublishError};
use crate::secrets::create::CreateError;
use crate::store::StoreError;

/// Why a command could not go on.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The secrets could not be made.
    #[error("cannot make the secrets: {0}")]
    Create(#[from] CreateError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The database cannot be used.
    #[error("{source}; the database is `--database`, or keyward.db in {data_dir}", data_dir = data_dir.display())]
    Store {
        /// The data directory.
        data_dir: PathBuf,
        /// What the store said.
        source: StoreError,
    },
    /// There was a database, and now there is none. A new one in its place would take changes that are gone
    /// when the other comes back.
    #[error(
        "the database {} is not there, or empty, and {} says that there was one: put it back, or restore a \
         backup of it; to begin anew with nothing, remove that file first",
        .database.display(), .witness.display()
    )]
    Away {
        /// The database's file.
        database: PathBuf,
        /// The file that says so.
        witness: PathBuf,
    },
    /// Publishing cannot start, or both histories cannot be compared.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Workers KV cannot be used.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// Whether there is a KV namespace to compare with is not clear.
    #[error(
        "give `--kv-url`, so that what was published can be compared, or `--without-kv` where there is no KV \
         namespace"
    )]
    NoKv,
    /// Mail cannot be sent as the settings say.
    #[error("{0}; see `smtp_url` and `smtp_from`")]
    Mail(#[from] SendError),
    /// A use case was refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A file or directory cannot be used.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process owns the data directory or the database.
    #[error(
        "{owned} is in use by another keyward process; stop it first, or give --data-dir or --database",
        owned = owned.display()
    )]
    Locked {
        /// What it owns.
        owned: PathBuf,
    },
    /// The database was made with another secret or for another deployment.
    #[error(
        "the database was made with the {what} {recorded}, and {ours} is given: \
         give the one it was made with, or another --database"
    )]
    OtherDeployment {
        /// What differs: `deployment`, `pepper` or `kek`.
        what: &'static str,
        /// What is on record: a name, or a secret's id.
        recorded: String,
        /// What was given.
        ours: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; another one can be given with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The asynchronous runtime could not start.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The HTTP client could not start.
    #[error("cannot start the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// A head cannot be shown.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The audit log cannot be verified, or not be pruned.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A flag's value is wrong.
    #[error("--{flag} is `{value}`, but must be {wanted}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What would have been right.
        wanted: &'static str,
    },
}
