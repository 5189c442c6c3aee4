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
use crate::domain::audit::merkle::{fold, peaks};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::time::UnixMillis;
use crate::store::audit::{AuditStore as _, StoredCheckpoint};
use crate::store::sqlite::SqliteStore;
use crate::verify::{Trust, Witness, verify};

/// Checkpoints of one moment that are looked at.
const AROUND: u16 = 100;

/// Drop old events of the audit log that an export holds
///
/// The export must verify, must have been made without a filter, and must hold every event that is to be
/// dropped. Their hashes stay in the database, so the rest still verifies and old checkpoints still agree.
/// That they were pruned is an event of its own, with the SHA-256 of the export. May run beside `serve`,
/// and may be cut off: given again, or at the start of `serve`, it goes on.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Prune {
    /// Last event to drop: the number of events of a checkpoint
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = clap::value_parser!(u64).range(1..),
        required_unless_present = "before",
        conflicts_with = "before"
    )]
    through: Option<u64>,
    /// Drop what the last checkpoint has that was made then or earlier: 2030-01-31 (0:00 UTC), 2030-01-31T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = moment)]
    before: Option<UnixMillis>,
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
        let checkpoint = self.checkpoint(&store, pruned).await?.filter(|checkpoint| checkpoint.size > pruned);
        if let Some(checkpoint) = &checkpoint {
            self.check(&store, pruned, checkpoint, &trust).await?;
            let event = self.event(pruned + 1, checkpoint)?;
            store.prune(checkpoint.size, event).await.map_err(failed)?;
        }
        let dropped = store.drop_pruned().await.map_err(failed)?;
        let first = checkpoint.map_or(pruned, |checkpoint| checkpoint.size) + 1;
        println!("dropped {dropped} events; the log now begins with event {first}");
        Ok(ExitCode::SUCCESS)
    }

    /// The checkpoint up to which events are dropped; none where all of that was pruned before.
    async fn checkpoint(&self, store: &SqliteStore, pruned: u64) -> Result<Option<StoredCheckpoint>, AuditError> {
        match (self.through, self.before) {
            (Some(through), _) if through <= pruned => Ok(None),
            (Some(through), _) => checkpoint_of(store, through).await.map(Some),
            (None, Some(moment)) => checkpoint_before(store, moment).await.map(Some),
            (None, None) => Err(AuditError::NotPruned("give --through or --before".to_owned())),
        }
    }

    /// Refuses an export that does not hold every event that is to be dropped, as the database has them.
    async fn check(
        &self,
        store: &SqliteStore,
        pruned: u64,
        checkpoint: &StoredCheckpoint,
        trust: &Trust,
    ) -> Result<(), CliError> {
        let not = |why: &str| AuditError::NotPruned(format!("{}: {why}", self.exported.display()));
        let StoredCheckpoint { size, root, at, .. } = checkpoint;
        let hashes = store.hashes(&peaks(*size)).await.map_err(AuditError::Unread)?;
        if fold(&hashes) != Some(*root) {
            let why =
                format!("the checkpoint of {at} is not of this database's {size} events; see `keyward audit verify`");
            return Err(AuditError::NotPruned(why).into());
        }
        let mut source = source(&self.exported, false).await?;
        let facts = source.facts();
        if facts.has_tree || facts.filter.is_some() {
            return Err(not("give an export of the whole log, made without a filter").into());
        }
        if facts.pruned > pruned {
            let first = pruned + 1;
            return Err(not(&format!("it begins behind event {first}, the first to be dropped; export again")).into());
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
        if report.through < *size {
            let (last, earlier) = (report.through, if self.before.is_some() { "--before" } else { "--through" });
            let why = format!(
                "it ends with event {last}, and events up to {size}, those of the checkpoint of {at}, are to be \
                 dropped; export again, or give an earlier {earlier}"
            );
            return Err(not(&why).into());
        }
        Err(not("it does not verify, or is not of the events that are to be dropped; export again").into())
    }

    fn event(&self, from: u64, checkpoint: &StoredCheckpoint) -> Result<AuditEvent, CliError> {
        let export = sha256(&self.exported).map_err(|source| CliError::Io { path: self.exported.clone(), source })?;
        let details = Details::new("prune", None, None)
            .with("from", from)
            .with("through", checkpoint.size)
            .with("checkpoint", &checkpoint.note)
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

/// The moment of a date, which begins in UTC, or of a time.
fn moment(text: &str) -> Result<UnixMillis, String> {
    let midnight = format!("{text}T00:00:00Z");
    let read = UnixMillis::read(text).or_else(|| UnixMillis::read(&midnight));
    read.ok_or_else(|| "an RFC 3339 date or time, such as 2030-01-31 or 2030-01-31T12:00:00Z".to_owned())
}

/// The checkpoint that has just as many events.
async fn checkpoint_of(store: &SqliteStore, size: u64) -> Result<StoredCheckpoint, AuditError> {
    match store.checkpoint_covering(size).await? {
        Some(checkpoint) if checkpoint.size == size => Ok(checkpoint),
        Some(StoredCheckpoint { size: next, at, .. }) => {
            Err(AuditError::NotPruned(format!("no checkpoint has {size} events; the next one, of {at}, has {next}")))
        }
        None => Err(AuditError::NotPruned(format!("no checkpoint has {size} events or more"))),
    }
}

/// The last checkpoint that was made by then.
async fn checkpoint_before(store: &SqliteStore, moment: UnixMillis) -> Result<StoredCheckpoint, AuditError> {
    let behind = UnixMillis::from_millis(moment.as_millis() + 1);
    // Those at the two moments between which it lies.
    let mut around = store.checkpoints(behind, behind, None, AROUND).await?.into_iter();
    let next = around.as_slice().iter().find(|checkpoint| checkpoint.at > moment).map(|checkpoint| checkpoint.at);
    let last = around.by_ref().take_while(|checkpoint| checkpoint.at <= moment).last();
    last.ok_or_else(|| {
        AuditError::NotPruned(match next {
            Some(oldest) => {
                format!(
                    "no checkpoint was made by {moment}; the oldest is of {oldest}: give that as --before, or later"
                )
            }
            None => "no checkpoint was made yet; `serve` makes one within a minute of an event".to_owned(),
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_in_utc() {
        let midnight = UnixMillis::from_millis(1_767_225_600_000);
        for text in ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"] {
            assert_eq!(moment(text), Ok(midnight), "{text}");
        }
        for wrong in ["", "2026", "2026-01", "2026-1-1", "20260101", "2026-02-30", "2026-01-01Z", "2026-01-01T00:00:00"]
        {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
