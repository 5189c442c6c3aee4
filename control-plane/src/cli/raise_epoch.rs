//! `keyward raise-epoch`: puts what is published next above everything that was.

use std::process::ExitCode;
use std::sync::Arc;

use keyward_shared::snapshot::SigningKey;

use super::lock::Ownership;
use super::{CliError, database, environment, logging, publisher};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Flags, RaiseEpochScope};
use crate::lifecycle::last_signed::LastSigned;
use crate::lifecycle::{DisableKey, KeyRef, Lifecycle};
use crate::publish::{Comparison, Orphan, RaiseEpoch as Raise, Raised};

/// Why the audit log says a key was disabled.
const REASON: &str = "raise-epoch: Workers KV's last state did not let this key pass, or not in this way";

/// Put the next head above every head that was ever published
///
/// For after the database was restored from a backup, or when publishing stopped because KV
/// holds a newer head than the database knows. Raises epoch and generation above both
/// histories, and disables the keys that this database would let pass and KV's last state did
/// not, or not in the same way: they were deleted, disabled or narrowed after the backup, or
/// made while nothing was published. Enable each that is still wanted. The audit log goes on under
/// a name under which nothing was signed yet. Stop `serve` first, and start it again afterwards.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RaiseEpoch {
    #[command(flatten)]
    flags: Flags<RaiseEpochScope>,
    /// There is no KV namespace: nothing is compared, and no key is disabled
    #[arg(long)]
    without_kv: bool,
}

impl RaiseEpoch {
    pub(super) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.layers(&environment)?;
        logging::start(&layers.log()?);
        let kv = layers.kv()?;
        if kv.is_some() == self.without_kv {
            return Err(CliError::NoKv);
        }
        let vault = database::vault(&layers)?;
        let ownership = Ownership::take(&layers)?;
        let store = database::open(&layers, &ownership).await?;
        let lifecycle = Lifecycle::new(Arc::clone(&store) as Arc<_>, vault);
        let kv = kv.as_ref().map(publisher::namespace).transpose()?;
        let deployment = layers.deployment()?;
        let raise = Raise {
            store,
            kv,
            last_signed: Some(LastSigned::of(&deployment, &layers.data_dir()?)),
            deployment,
            public_key: SigningKey::from_seed(layers.signing_key()?.expose()).public(),
            pepper: database::pepper(&layers)?.id(),
            head_ttl: layers.head_ttl()?,
        };
        let comparison = raise.compare().await?;
        for orphan in &comparison.orphans {
            disable(&lifecycle, orphan).await?;
        }
        let raised = raise.raise(&comparison, SystemClock.now()).await?;
        tell(&comparison, raised);
        Ok(ExitCode::SUCCESS)
    }
}

async fn disable(lifecycle: &Lifecycle, orphan: &Orphan) -> Result<(), CliError> {
    let context = database::context("raise-epoch", SystemClock.now())?
        .with_reason(Some(REASON))
        .map_err(crate::lifecycle::Refusal::from)?;
    let target = KeyRef { workspace: orphan.workspace, key: orphan.key };
    lifecycle.execute(&context, DisableKey { target }).await?;
    Ok(())
}

fn tell(comparison: &Comparison, raised: Raised) {
    match comparison.kv {
        Some(order) => println!("KV holds a head of epoch {}, generation {}", order.epoch, order.generation),
        None => println!("no head in KV to compare with: keys that were disabled after a backup may pass again"),
    }
    println!("the next head is above epoch {} and generation {}", raised.epoch, raised.generation);
    println!("the audit log goes on as its incarnation {}", raised.incarnation);
    if comparison.kv.is_none() {
        return;
    }
    if comparison.orphans.is_empty() {
        println!("KV's last state lets every key pass that this database lets pass");
        return;
    }
    println!("disabled until you enable them, because KV's last state did not let them pass, or not in this way:");
    for orphan in &comparison.orphans {
        println!("  {} of {}, \"{}\"", orphan.key, orphan.workspace, orphan.name);
    }
}
