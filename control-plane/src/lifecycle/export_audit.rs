//! Export the audit log: what is asked for of it, oldest first, with all that verifying it needs.
//!
//! An export ends with a checkpoint that is signed for it. Where a filter was on, or where somebody sees
//! only a part of the log, each event brings the proof that it is in the tree of that checkpoint. It is read
//! piece by piece; events never change, so nothing is held open in between.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use keyward_shared::id::WorkspaceId;

use super::exporting::{ExportPlace, Whose};
use super::list_events::{MOST, check_places};
use super::refusal::ExportRefusal;
use super::{Lifecycle, Needs, Refusal, Rights};
use crate::domain::actor::Actor;
use crate::domain::audit::export::{Exported, Format, Preface};
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::merkle::{Hash, Leaves, Place, fold, inclusion, peaks};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, LoggedEvent, NotCanonical, Target};
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::store::{EventQuery, Order, Store, StoreError, StoredCheckpoint};

/// Events that are read at a time.
const PIECE: u16 = 500;
/// Milliseconds for which a checkpoint that tells of an export is good enough for it.
const FRESH_MS: i64 = 1_000;

/// What is exported, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportScope {
    /// What is asked for.
    pub filter: EventFilter,
    /// The only workspace that whoever asks sees; none for one who sees all of the log.
    pub sees: Option<WorkspaceId>,
}

impl ExportScope {
    /// What is needed to export what the filter asks for.
    pub(super) fn needs(filter: &EventFilter) -> Needs {
        match filter.workspace {
            Some(workspace) => Needs::In(workspace, Permission::AuditRead),
            None => Needs::Deployment(Permission::AuditRead),
        }
    }

    /// What these rights see of what is asked for.
    pub(super) fn of(rights: &Rights, filter: EventFilter) -> Self {
        Self { filter, sees: rights.workspace() }
    }

    /// The workspace that it is all about; none where it is of several.
    pub(super) fn workspace(&self) -> Option<WorkspaceId> {
        self.sees.or(self.filter.workspace)
    }

    /// By what events are left out; none where none is.
    fn narrowed(&self) -> Result<Option<serde_json::Value>, Refusal> {
        let filter = EventFilter { workspace: self.workspace(), ..self.filter.clone() };
        if filter.is_empty() {
            return Ok(None);
        }
        serde_json::to_value(&filter).map(Some).map_err(|error| NotCanonical::from(error).into())
    }
}

/// An export on its way.
pub struct AuditExport {
    store: Arc<dyn Store>,
    preface: Preface,
    query: EventQuery,
    /// Whether each event brings the proof that it is in the tree.
    has_proofs: bool,
    /// The next checkpoint that was signed between the events, where all of them are told.
    next: Option<StoredCheckpoint>,
    events: u64,
    ended: bool,
    /// What it takes of what whoever asks may have running.
    _place: Option<ExportPlace>,
}

impl Lifecycle {
    /// Exports what `actor` asks for and sees. It is told to the audit log first, and so tells of itself.
    pub async fn export_audit(
        &self,
        actor: &Actor,
        filter: EventFilter,
        format: Format,
        now: UnixMillis,
    ) -> Result<AuditExport, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(ExportScope::needs(&filter))?;
        let scope = ExportScope::of(&rights, filter);
        self.check_places(&scope).await?;
        let place = self.exporting.begin(Whose::Caller(actor.id()), now)?;
        let told = self.store.tell(vec![told(&scope, actor, format, "stream", now)]).await?;
        let export = self.open_export(scope, format, told, now).await?;
        Ok(AuditExport { _place: Some(place), ..export })
    }

    /// Refuses what [`Self::export_audit`] would not begin for `actor`. Nothing is told.
    pub async fn admit_export(&self, actor: &Actor, filter: &EventFilter) -> Result<(), Refusal> {
        self.admit(actor, ExportScope::needs(filter)).await
    }

    /// Refuses what would search for too many words again and again.
    pub(super) async fn check_places(&self, scope: &ExportScope) -> Result<(), Refusal> {
        Ok(check_places(self.store.places(&scope.filter.words, MOST).await?, "q")?)
    }

    /// Begins an export that was told to the audit log before, of the first `covers` events at least.
    pub(super) async fn open_export(
        &self,
        scope: ExportScope,
        format: Format,
        covers: u64,
        now: UnixMillis,
    ) -> Result<AuditExport, Refusal> {
        let notary = self.notary.as_ref().ok_or(ExportRefusal::NoNotary)?;
        let tree = self.store.tree().await?;
        let pruned = tree.pruned;
        // The event that says so is among those of the same moment, and may be newer than what covers the export's.
        let covers = if pruned > 0 { covers.max(tree.edge.size()) } else { covers };
        let edge = self.store.hashes(&peaks(pruned)).await?;
        // Exports that are asked for at once share a signature.
        let fresh = notary.sign_where_older(now, FRESH_MS).await?.filter(|signed| signed.size >= covers);
        let signed = match fresh {
            Some(signed) => signed,
            None => notary.sign(now).await?.ok_or(ExportRefusal::NoNotary)?,
        };
        let filter = scope.narrowed()?;
        let next = match filter {
            None => self.store.checkpoint_covering(pruned + 1).await?,
            Some(_) => None,
        };
        let preface = Preface {
            deployment: notary.deployment().to_owned(),
            size: signed.size,
            pruned,
            edge,
            filter,
            checkpoint: signed.note,
        };
        let query = EventQuery {
            filter: scope.filter,
            sees: scope.sees,
            range: pruned + 1..signed.size + 1,
            order: Order::Oldest,
            limit: PIECE,
        };
        // A table has no place for the tree's edge over what was pruned, without which it is not recomputed.
        let has_proofs = preface.is_filtered() || (format == Format::Csv && pruned > 0);
        let store = Arc::clone(&self.store);
        Ok(AuditExport { store, preface, query, has_proofs, next, events: 0, ended: false, _place: None })
    }
}

/// The event of an export.
pub(super) fn told(
    scope: &ExportScope,
    actor: &Actor,
    format: Format,
    by: &'static str,
    now: UnixMillis,
) -> AuditEvent {
    let details =
        Details::new("export", None, None).with("format", format.as_str()).with("filter", &scope.filter).with("by", by);
    AuditEvent {
        at: now,
        actor: actor.clone(),
        action: Action::Export,
        entity: Entity::AuditLog,
        target: log(),
        workspace_id: scope.workspace(),
        team_id: None,
        reason: None,
        details,
    }
}

/// The log as what something is done to.
pub(super) fn log() -> Target {
    Target { id: "audit-log".to_owned(), name: "audit log".to_owned() }
}

impl AuditExport {
    /// What is said before the first event.
    pub const fn preface(&self) -> &Preface {
        &self.preface
    }

    /// How many events were given out.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The next events; none behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Exported>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let found = self.store.events(&self.query).await?;
        self.ended = found.len() < usize::from(PIECE);
        if self.ended {
            self.check_end(&found).await?;
        }
        if let Some(last) = found.last() {
            self.query.range.start = last.seq + 1;
        }
        self.events += found.len() as u64;
        let exported = if self.has_proofs { self.proven(found).await? } else { self.signed(found).await? };
        Ok(Some(exported))
    }

    /// Refuses an export of which a part was pruned, or is gone, since it began.
    async fn check_end(&self, last: &[LoggedEvent]) -> Result<(), Refusal> {
        let Preface { size, pruned, .. } = self.preface;
        let all = self.events + last.len() as u64;
        let is_whole = self.preface.is_filtered() || all == size - pruned;
        if is_whole && self.store.tree().await?.pruned == pruned { Ok(()) } else { Err(ExportRefusal::Pruned.into()) }
    }

    /// Events with the checkpoints that were signed between them.
    async fn signed(&mut self, found: Vec<LoggedEvent>) -> Result<Vec<Exported>, Refusal> {
        let mut exported = Vec::with_capacity(found.len());
        for event in found {
            let is_signed = self.next.as_ref().is_some_and(|next| next.size == event.seq);
            let checkpoint = if is_signed {
                let behind = self.store.checkpoint_covering(event.seq + 1).await?;
                core::mem::replace(&mut self.next, behind).map(|signed| signed.note)
            } else {
                None
            };
            exported.push(Exported { event, proof: None, checkpoint });
        }
        Ok(exported)
    }

    /// Events with their proofs, of which neighbours share the most.
    async fn proven(&self, found: Vec<LoggedEvent>) -> Result<Vec<Exported>, Refusal> {
        let size = self.preface.size;
        let path = |event: &LoggedEvent| inclusion(event.seq - 1, size).ok_or(StoreError::corrupt("audit_event.seq"));
        let paths: Vec<Vec<Leaves>> = found.iter().map(path).collect::<Result<_, _>>()?;
        let places: BTreeSet<Place> = paths.iter().flatten().flat_map(|leaves| leaves.places()).collect();
        let places: Vec<Place> = places.into_iter().collect();
        let hashes = self.store.hashes(&places).await?;
        let known: HashMap<Place, Hash> = places.into_iter().zip(hashes).collect();
        let hash = |leaves: &Leaves| {
            let parts: Option<Vec<Hash>> = leaves.places().iter().map(|place| known.get(place).copied()).collect();
            parts.and_then(|parts| fold(&parts)).ok_or(StoreError::corrupt("audit_node"))
        };
        let prove = |(event, path): (LoggedEvent, Vec<Leaves>)| {
            let proof = path.iter().map(hash).collect::<Result<_, _>>()?;
            Ok(Exported { event, proof: Some(proof), checkpoint: None })
        };
        found.into_iter().zip(paths).map(prove).collect()
    }
}
