//! `keyward audit prune`: drops old events from the database, once they are kept in an export.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keyward_shared::snapshot::SigningKey;
use sha2::{Digest as _, Sha256};

use super::super::{CliError, database, environment, logging};
use super::{AuditError, source};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Flags, PruneScope};
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::store::StoreError;
use crate::store::audit::{AuditStore as _, StoredCheckpoint};
use crate::store::sqlite::SqliteStore;
use crate::verify::{Trust, Witness, verify};

/// Drop old events of the audit log that an export holds
///
/// The export must verify, must have been made without a filter, and must hold every event that is to be
/// dropped. Their hashes stay in the database, so the rest still verifies and old checkpoints still agree.
/// That they were pruned is an event of its own, with the SHA-256 of the export. May run beside `serve`,
/// and may be cut off: given again, or at the start of `serve`, it goes on.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Prune {
    /// Last event to drop: the number of events of a checkpoint
    #[arg(long, value_name = "SIZE", value_parser = clap::value_parser!(u64).range(1..))]
    through: u64,
    /// Export that holds them, as JSON Lines or CSV; keep it
    #[arg(long, value_name = "FILE")]
    exported: PathBuf,
    #[command(flatten)]
    flags: Flags<PruneScope>,
}

impl Prune {
    pub(in crate::cli) async fn run(self) -> Result<ExitCode, CliError> {
        let layers = self.flags.clone().layers(&environment)?;
        logging::start(&layers.log()?);
        let trust = Trust {
            keys: vec![SigningKey::from_seed(layers.signing_key()?.expose()).public().to_bytes()],
            named: Vec::new(),
            deployment: Some(layers.deployment()?),
        };
        let store = database::open_beside(&layers).await?;
        let data_dir = layers.data_dir()?;
        let failed = |source| CliError::Store { data_dir: data_dir.clone(), source };
        let pruned = store.tree().await.map_err(failed)?.pruned;
        if pruned < self.through {
            let checkpoint = self.checkpoint(&store).await?;
            self.check(pruned, &checkpoint, &trust).await?;
            let event = self.event(pruned + 1, checkpoint.note)?;
            store.prune(self.through, event).await.map_err(failed)?;
        }
        let dropped = store.drop_pruned().await.map_err(failed)?;
        println!("dropped {dropped} events; the log now begins with event {}", pruned.max(self.through) + 1);
        Ok(ExitCode::SUCCESS)
    }

    /// The checkpoint that has just as many events.
    async fn checkpoint(&self, store: &SqliteStore) -> Result<StoredCheckpoint, AuditError> {
        let unread = |error: StoreError| AuditError::NotPruned(error.to_string());
        match store.checkpoint_covering(self.through).await.map_err(unread)? {
            Some(checkpoint) if checkpoint.size == self.through => Ok(checkpoint),
            Some(StoredCheckpoint { size, at, .. }) => Err(AuditError::NotPruned(format!(
                "no checkpoint has {} events; the next one, of {at}, has {size}",
                self.through
            ))),
            None => Err(AuditError::NotPruned(format!("no checkpoint has {} events or more", self.through))),
        }
    }

    /// Refuses an export that does not hold every event that is to be dropped, as the database has them.
    async fn check(&self, pruned: u64, checkpoint: &StoredCheckpoint, trust: &Trust) -> Result<(), CliError> {
        let not = |why: &str| AuditError::NotPruned(format!("{}: {why}", self.exported.display()));
        let mut source = source(&self.exported).await?;
        let facts = source.facts();
        if facts.has_tree || facts.filter.is_some() {
            return Err(not("give an export of the whole log, made without a filter").into());
        }
        if facts.pruned > pruned {
            return Err(not("it begins behind the first event that is to be dropped").into());
        }
        let ours = "the database".to_owned();
        let signed =
            trust.open(&checkpoint.note).map_err(|source| AuditError::Witness { from: ours.clone(), source })?;
        let witnesses = vec![Witness { from: ours, checkpoint: signed }];
        let report = verify(&mut *source, witnesses, trust).await.map_err(AuditError::from)?;
        if report.verifies() && report.outside.checkpoints == 1 {
            return Ok(());
        }
        print!("{report}");
        Err(not("it does not verify, or is not of the events that are to be dropped").into())
    }

    fn event(&self, from: u64, checkpoint: String) -> Result<AuditEvent, CliError> {
        let export = sha256(&self.exported).map_err(|source| CliError::Io { path: self.exported.clone(), source })?;
        let details = Details::new("prune", None, None)
            .with("from", from)
            .with("through", self.through)
            .with("checkpoint", checkpoint)
            .with("export_sha256", export);
        Ok(AuditEvent {
            at: SystemClock.now(),
            actor: Actor::system("audit prune"),
            action: Action::Delete,
            entity: Entity::AuditLog,
            target: Target { id: "audit-log".to_owned(), name: "audit log".to_owned() },
            workspace_id: None,
            team_id: None,
            reason: None,
            details,
        })
    }
}

/// The hash of a file in hexadecimal.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}
