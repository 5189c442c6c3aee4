//! `keyward init`: secrets, database, and what the edge has to be told.

use std::path::Path;
use std::process::ExitCode;

use super::{CliError, database, environment, logging};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Flags, InitScope, secrets_dir};
use crate::entropy::SystemEntropy;
use crate::lifecycle::Lifecycle;
use crate::secrets::create::{self, Created, Lies};
use crate::secrets::file;

/// Make the secrets and the database of a new deployment
///
/// Writes each secret to a file of its own below `DATA_DIR/secrets`, mode 0600, makes the
/// database, and prints what the edge has to be told. What is there already is kept, so
/// running it again is harmless.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Init {
    #[command(flatten)]
    flags: Flags<InitScope>,
}

impl Init {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let data_dir = layers.data_dir()?;
        let deployment = layers.deployment()?;
        file::create_dir(&data_dir).map_err(|source| CliError::Io { path: data_dir.clone(), source })?;
        let created =
            create::create_all(&secrets_dir(&data_dir), &deployment, layers.secrets_kept_elsewhere()?, &SystemEntropy)?;
        let vault = database::vault(&layers)?;
        let lifecycle = Lifecycle::new(database::open_beside(&layers).await?, vault);
        database::ensure_operator_token(&lifecycle, &created.operator_token, SystemClock.now()).await?;
        tell(&created, &deployment, &data_dir);
        Ok(ExitCode::SUCCESS)
    }
}

fn tell(created: &Created, deployment: &str, data_dir: &Path) {
    for (name, lies) in &created.secrets {
        match lies {
            Lies::Made(path) => println!("made   {}", path.display()),
            Lies::Kept(path) => println!("kept   {}", path.display()),
            Lies::Given(place) => println!("given  {name}, by {place}"),
        }
    }
    let lies = |wanted: &str| created.secrets.iter().find(|(name, _)| *name == wanted).map(|(_, lies)| lies);
    println!();
    println!("The edge needs these variables, in wrangler.toml under [vars]:");
    println!();
    println!("  KEYWARD_DEPLOYMENT = \"{deployment}\"");
    println!("  KEYWARD_PUBLIC_KEYS = \"{}\"", created.public_key);
    println!();
    println!("and these secrets:");
    println!();
    for (variable, name) in [
        ("KEYWARD_PEPPER", "pepper"),
        ("KEYWARD_EDGE_CREDENTIAL", "edge-credential"),
        ("KEYWARD_ORIGIN_SECRET", "origin-secret"),
    ] {
        match lies(name) {
            Some(Lies::Made(path) | Lies::Kept(path)) => {
                println!("  npx wrangler secret put {variable} < {}", path.display());
            }
            _ => println!("  npx wrangler secret put {variable}    (asks for the value that you gave)"),
        }
    }
    println!();
    println!("All of them for a local edge: {}", created.edge_env.display());
    if let Some(Lies::Made(path) | Lies::Kept(path)) = lies("operator-token") {
        println!("The operator's token:         {}", path.display());
    }
    println!("Next:                         keyward serve --data-dir {}", data_dir.display());
}
