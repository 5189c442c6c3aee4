//! `keyward audit verify`: recomputes the audit log of a file, and names the event that breaks it.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_shared::snapshot::SigningKey;
use reqwest::Url;

use super::super::{CliError, environment, logging};
use super::{AuditError, source, witness};
use crate::config::{ConfigError, Flags, Layers, VerifyScope};
use crate::domain::audit::note::VerifierKey;
use crate::verify::{Trust, verify};

/// Verify the audit log of a database or of an export
///
/// Reads a database (nothing is written to it), or an export as JSON Lines or CSV; recomputes each event,
/// the tree over all of them and every checkpoint beside them; and names the event that breaks it. Exits
/// with 0 when the log verifies, with 1 otherwise. Whoever has the database and the signing key can write
/// the whole of it anew, so give a checkpoint that was kept elsewhere, or an edge that has seen one. But
/// for that edge, nothing is asked over the network.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Verify {
    /// Database, or export of the audit log
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File of one or more checkpoints that were kept elsewhere
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// URL of an edge, whose newest checkpoint is asked for
    #[arg(long, value_name = "URL")]
    edge: Vec<Url>,
    /// Public key to trust, base64url or NAME+ID+KEY; that of the data directory when absent
    #[arg(long, value_name = "KEY")]
    public_key: Vec<String>,
    /// Leave signatures alone, whoever they are of
    #[arg(long, conflicts_with = "public_key")]
    unsigned: bool,
    /// Hold a database's index of words against the events too, which takes longer
    #[arg(long)]
    words: bool,
    #[command(flatten)]
    flags: Flags<VerifyScope>,
}

impl Verify {
    pub(in crate::cli) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let trust = if self.unsigned { unsigned(&layers)? } else { trust(&self.public_key, &layers)? };
        let witnesses = witness::gather(&self.checkpoint, &self.edge, &trust).await?;
        let mut source = source(&self.file, self.words).await?;
        let report = verify(&mut *source, witnesses, &trust).await.map_err(AuditError::from)?;
        println!("log              {}", self.file.display());
        print!("{report}");
        Ok(if report.verifies() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whoever signed it.
fn unsigned(layers: &Layers<'_>) -> Result<Trust, CliError> {
    Ok(Trust { deployment: Some(layers.deployment()?), ..Trust::default() })
}

/// The keys that were given, else the one of the data directory.
fn trust(given: &[String], layers: &Layers<'_>) -> Result<Trust, CliError> {
    let mut trust = unsigned(layers)?;
    for text in given {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        match (bytes, VerifierKey::parse(text)) {
            (Some(bytes), _) => trust.keys.push(bytes),
            (None, Some(key)) => trust.named.push(key),
            (None, None) => return Err(AuditError::PublicKey.into()),
        }
    }
    if given.is_empty() {
        let key = layers.signing_key().map_err(|error| match error {
            ConfigError::MissingSecret { .. } => AuditError::NoKey.into(),
            error => CliError::from(error),
        })?;
        trust.keys.push(SigningKey::from_seed(key.expose()).public().to_bytes());
    }
    Ok(trust)
}
