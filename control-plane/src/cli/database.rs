//! Where the database is wired to the use cases.

use std::path::Path;
use std::sync::Arc;

use keyward_shared::fingerprint::Pepper;

use super::CliError;
use crate::config::Layers;
use crate::domain::actor::Actor;
use crate::domain::time::UnixMillis;
use crate::entropy::{self, SystemEntropy};
use crate::lifecycle::vault::Kek;
use crate::lifecycle::{Context, Entropy, Lifecycle, Vault};
use crate::secrets::{SecretText, file};
use crate::store::sqlite::SqliteStore;

/// The name of the token that `init` makes.
const OPERATOR_TOKEN_NAME: &str = "operator (init)";

/// Pepper and key-encryption key, as the use cases take them.
pub(super) fn vault(layers: &Layers<'_>) -> Result<Arc<Vault>, CliError> {
    let kek = Kek::new(*layers.kek()?.expose());
    Ok(Arc::new(Vault::new(pepper(layers)?, kek)))
}

/// The pepper that fingerprints are made with.
pub(super) fn pepper(layers: &Layers<'_>) -> Result<Pepper, CliError> {
    Ok(Pepper::new(*layers.pepper()?.expose()))
}

/// Opens the database and brings its schema up to date.
pub(super) async fn open(layers: &Layers<'_>) -> Result<Arc<SqliteStore>, CliError> {
    let data_dir = layers.data_dir()?;
    let url = layers.database()?;
    make_dir(&data_dir)?;
    let store = SqliteStore::open(url.expose()).await.map_err(|source| CliError::Store { data_dir, source })?;
    Ok(Arc::new(store))
}

/// Stores the hash of the first operator's token, unless it is there.
pub(super) async fn ensure_operator_token(
    lifecycle: &Lifecycle,
    token: &SecretText,
    now: UnixMillis,
) -> Result<(), CliError> {
    let context = context("init", now)?;
    lifecycle.ensure_operator_token(&context, token.expose(), OPERATOR_TOKEN_NAME).await?;
    Ok(())
}

/// The context of a command that somebody runs on the machine itself.
pub(super) fn context(command: &str, now: UnixMillis) -> Result<Context, CliError> {
    let bytes = entropy::draw::<{ Entropy::BYTES }>(&SystemEntropy)?;
    let entropy = Entropy::from_bytes(&bytes);
    Ok(Context::new(Actor::system(command), now, entropy))
}

fn make_dir(path: &Path) -> Result<(), CliError> {
    file::create_dir(path).map_err(|source| CliError::Io { path: path.to_owned(), source })
}
