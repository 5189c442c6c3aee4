//! `keyward raise-epoch`: puts what is published next above everything that was.

use std::process::ExitCode;

use super::lock::DataDirLock;
use super::{CliError, environment, logging, publisher};
use crate::config::{Flags, ServeScope};

/// Put the next head above every head that was ever published
///
/// For after the database was restored from a backup, or when publishing stopped because KV
/// holds a newer head than the database knows. Raises epoch and generation above both
/// histories. Stop `serve` first.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RaiseEpoch {
    #[command(flatten)]
    flags: Flags<ServeScope>,
}

impl RaiseEpoch {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let _lock = DataDirLock::take(&layers.data_dir()?)?;
        publisher::raise_epoch(&layers).await?;
        Ok(ExitCode::SUCCESS)
    }
}
