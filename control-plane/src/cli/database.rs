//! Where the database is wired to the use cases.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use keyward_shared::fingerprint::Pepper;

use super::CliError;
use super::lock::Ownership;
use crate::config::Layers;
use crate::domain::actor::Actor;
use crate::domain::time::UnixMillis;
use crate::entropy::{self, SystemEntropy};
use crate::lifecycle::last_signed::LastSigned;
use crate::lifecycle::vault::Kek;
use crate::lifecycle::{Context, Entropy, Lifecycle, Vault};
use crate::secrets::SecretText;
use crate::store::Identity;
use crate::store::sqlite::{Schema, SqliteStore};

/// The name of the token that `init` makes.
const OPERATOR_TOKEN_NAME: &str = "operator (init)";

/// Pepper and key-encryption keys, as the use cases take them.
pub(super) fn vault(layers: &Layers<'_>) -> Result<Arc<Vault>, CliError> {
    let kek = Kek::new(*layers.kek()?.expose());
    Ok(Arc::new(Vault::new(pepper(layers)?, kek).with_older(older_keks(layers)?)))
}

fn older_keks(layers: &Layers<'_>) -> Result<Vec<Kek>, CliError> {
    Ok(layers.older_keks()?.iter().map(|key| Kek::new(*key.expose())).collect())
}

/// The pepper that fingerprints are made with.
pub(super) fn pepper(layers: &Layers<'_>) -> Result<Pepper, CliError> {
    Ok(Pepper::new(*layers.pepper()?.expose()))
}

/// Opens the database with its locks taken, brings its schema up to date, and refuses one that was
/// made with other secrets or for another deployment, and to make a new one where there was one before.
pub(super) async fn open(layers: &Layers<'_>, _ownership: &Ownership) -> Result<Arc<SqliteStore>, CliError> {
    open_with(layers, Schema::Migrate).await
}

/// Opens the database for a short command, also while `serve` has it: then the schema stays.
pub(super) async fn open_beside(layers: &Layers<'_>) -> Result<Arc<SqliteStore>, CliError> {
    match Ownership::take(layers) {
        Ok(ownership) => open(layers, &ownership).await,
        Err(CliError::Locked { .. }) => open_with(layers, Schema::Keep).await,
        Err(error) => Err(error),
    }
}

async fn open_with(layers: &Layers<'_>, schema: Schema) -> Result<Arc<SqliteStore>, CliError> {
    let data_dir = layers.data_dir()?;
    let url = layers.database()?;
    let ours = Identity {
        deployment: layers.deployment()?,
        pepper: pepper(layers)?.id(),
        kek: Kek::new(*layers.kek()?.expose()).id(),
    };
    let failed = |source| CliError::Store { data_dir: data_dir.clone(), source };
    let database = SqliteStore::file(url.expose()).map_err(failed)?;
    if let Some(witness) = LastSigned::of(&ours.deployment, &data_dir).lies()
        && is_nothing(&database)
    {
        return Err(CliError::Away { database, witness: witness.to_owned() });
    }
    let store = SqliteStore::open_with(url.expose(), schema).await.map_err(failed)?;
    let recorded = store.claim(&ours).await.map_err(failed)?;
    same(&recorded, &ours, &older_keks(layers)?)?;
    Ok(Arc::new(store))
}

/// Whether no database lies there. What cannot be looked at is for the store to say.
fn is_nothing(database: &Path) -> bool {
    match fs::metadata(database) {
        Ok(file) => file.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Refuses another identity than the one on record, naming the first part that differs. The database's
/// first key-encryption key may have been replaced since, but not be gone: what it sealed is still there.
fn same(recorded: &Identity, ours: &Identity, older_keks: &[Kek]) -> Result<(), CliError> {
    let differ = |what, recorded, ours| Err(CliError::OtherDeployment { what, recorded, ours });
    if recorded.deployment != ours.deployment {
        return differ("deployment", recorded.deployment.clone(), ours.deployment.clone());
    }
    if recorded.pepper != ours.pepper {
        return differ("pepper", recorded.pepper.to_string(), ours.pepper.to_string());
    }
    if recorded.kek != ours.kek && older_keks.iter().all(|older| older.id() != recorded.kek) {
        return differ("kek", format!("{:08x}", recorded.kek), format!("{:08x}", ours.kek));
    }
    Ok(())
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
