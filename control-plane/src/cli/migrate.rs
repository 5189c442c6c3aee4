//! `keyward migrate`: brings the database's schema up to date and does nothing else.

use std::process::ExitCode;

use super::lock::Ownership;
use super::{CliError, database, environment, logging};
use crate::config::{DatabaseScope, Flags};

/// Bring the database's schema up to date
///
/// `serve` does this too when it starts. Run it by itself to see that an upgrade works
/// before anything is served; make a copy of the database first, since there is no way back.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    flags: Flags<DatabaseScope>,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let ownership = Ownership::take(&layers)?;
        database::open(&layers, &ownership).await?;
        println!("the database is up to date");
        Ok(ExitCode::SUCCESS)
    }
}
