//! What is there already of all that a batch of lines names: read in sets, then kept up to date line by
//! line, so that a line sees what those before it brought.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};

use crate::domain::api::Catalogue;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::{Key, Life};
use crate::domain::member::MemberSummary;
use crate::domain::settings::SettingsDocument;
use crate::domain::workspace::Workspace;
use crate::lifecycle::Refusal;
use crate::lifecycle::import_line::{ImportLine, MemberName, WorkspaceName};
use crate::lifecycle::refusal::ImportRefusal;
use crate::store::{Holder, NameTaken, Named, StoreError, StoredKey, Tx};

/// What there is.
pub(super) struct There {
    pub(super) settings: SettingsDocument,
    pub(super) catalogue: Catalogue,
    workspaces: HashMap<WorkspaceId, Arc<Workspace>>,
    slugs: HashMap<String, WorkspaceId>,
    holders: Holders,
    /// By workspace and external id; those that are archived too.
    keys: HashMap<(WorkspaceId, String), Vec<StoredKey>>,
    names: HashMap<(WorkspaceId, String), KeyId>,
    secrets: HashSet<Fingerprint>,
    /// How many keys count, of workspaces that have a limit.
    counts: HashMap<WorkspaceId, u64>,
}

#[derive(Default)]
struct Holders {
    usual: HashMap<WorkspaceId, MemberSummary>,
    by_id: HashMap<(WorkspaceId, MemberId), MemberSummary>,
    by_external_id: HashMap<(WorkspaceId, String), Vec<MemberSummary>>,
}

impl There {
    /// Looks up all that the lines name: a few statements, however many lines there are.
    pub(super) async fn look(tx: &mut dyn Tx, lines: &[ImportLine]) -> Result<Self, Refusal> {
        let settings = tx.settings().await?;
        let catalogue = tx.catalogue().await?;
        let (workspaces, slugs) = workspaces(tx, lines).await?;
        let mut there = Self {
            settings,
            catalogue,
            workspaces,
            slugs,
            holders: Holders::default(),
            keys: HashMap::new(),
            names: HashMap::new(),
            secrets: HashSet::new(),
            counts: HashMap::new(),
        };
        let placed: Vec<(WorkspaceId, &ImportLine)> =
            lines.iter().filter_map(|line| Some((there.workspace_id(line)?, line))).collect();
        there.holders = holders(tx, &there.workspaces, &placed).await?;
        let external_ids: Vec<Named<'_>> =
            placed.iter().map(|(workspace, line)| (*workspace, line.says.external_id.as_str())).collect();
        for stored in tx.keys_called(&external_ids).await? {
            if let Some(external_id) = &stored.key.external_id {
                let place = (stored.key.workspace_id, external_id.as_str().to_owned());
                there.keys.entry(place).or_default().push(stored);
            }
        }
        let names: Vec<Named<'_>> =
            placed.iter().map(|(workspace, line)| (*workspace, line.says.name.as_str())).collect();
        let taken = tx.names_taken(&names).await?.into_iter();
        there.names = taken.map(|NameTaken { workspace_id, name, key_id }| ((workspace_id, name), key_id)).collect();
        let fingerprints: Vec<Fingerprint> = placed.iter().map(|(_, line)| line.fingerprint).collect();
        there.secrets = tx.secrets_known(&fingerprints).await?;
        let limited: Vec<WorkspaceId> =
            there.workspaces.values().filter(|one| one.max_keys.is_some()).map(|one| one.id).collect();
        if !limited.is_empty() {
            there.counts = tx.key_counts(&limited).await?.into_iter().collect();
        }
        Ok(there)
    }

    /// The workspace that the line names.
    pub(super) fn workspace(&self, line: &ImportLine) -> Result<Arc<Workspace>, Refusal> {
        let id = self.workspace_id(line);
        let refuse = || Invalid::new("workspace", Fault::Unknown, "there is no such workspace").into();
        id.and_then(|id| self.workspaces.get(&id)).cloned().ok_or_else(refuse)
    }

    /// The key that another system calls so, if there is one. Archived ones count where no other does.
    pub(super) fn key(&self, workspace: WorkspaceId, external_id: &str) -> Result<Option<StoredKey>, Refusal> {
        let Some(keys) = self.keys.get(&(workspace, external_id.to_owned())) else {
            return Ok(None);
        };
        let mut live = keys.iter().filter(|stored| matches!(stored.key.life, Life::Live(_)));
        match (live.next(), live.next()) {
            (Some(_), Some(_)) => Err(ImportRefusal::Ambiguous.into()),
            (Some(only), None) => Ok(Some(only.clone())),
            (None, _) => Ok(keys.first().cloned()),
        }
    }

    /// The member whom a line names, or the one that keys belong to which name none.
    pub(super) fn holder(&self, workspace: WorkspaceId, name: Option<&MemberName>) -> Result<MemberSummary, Refusal> {
        let no_member = || Invalid::new("member", Fault::Unknown, "the workspace has no such member").into();
        match name {
            None => {
                let usual = self.holders.usual.get(&workspace).cloned();
                usual.ok_or_else(|| StoreError::corrupt("a workspace without its default member").into())
            }
            Some(MemberName::Id(id)) => self.holders.by_id.get(&(workspace, *id)).cloned().ok_or_else(no_member),
            Some(MemberName::ExternalId(name)) => {
                match self.holders.by_external_id.get(&(workspace, name.clone())).map(Vec::as_slice) {
                    None | Some([]) => Err(no_member()),
                    Some([only]) => Ok(only.clone()),
                    Some(_) => {
                        let detail = "more than one member has this external id; name them by their identifier";
                        Err(Invalid::new("member", Fault::Conflicting, detail).into())
                    }
                }
            }
        }
    }

    /// Refuses a name that another key has which is neither archived nor deleted.
    pub(super) fn check_name(&self, key: &Key) -> Result<(), Refusal> {
        let taken = self.names.get(&name_of(key)).is_some_and(|other| *other != key.id);
        if taken { Err(Refusal::NameTaken) } else { Ok(()) }
    }

    /// Refuses one key more than the workspace may have.
    pub(super) fn check_limit(&self, workspace: &Workspace) -> Result<(), Refusal> {
        match workspace.max_keys {
            Some(max) if self.counts.get(&workspace.id).copied().unwrap_or(0) >= u64::from(max) => {
                Err(Refusal::KeyLimit { max })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a secret that was accepted before, wherever that was.
    pub(super) fn check_secret(&self, fingerprint: &Fingerprint) -> Result<(), Refusal> {
        if self.secrets.contains(fingerprint) { Err(Refusal::SecretExists) } else { Ok(()) }
    }

    /// A key is there now.
    pub(super) fn created(&mut self, stored: StoredKey) {
        let key = &stored.key;
        self.names.insert(name_of(key), key.id);
        self.secrets.extend(key.effects().map(|effect| effect.fingerprint));
        *self.counts.entry(key.workspace_id).or_default() += 1;
        if let Some(external_id) = &key.external_id {
            let place = (key.workspace_id, external_id.as_str().to_owned());
            self.keys.entry(place).or_default().push(stored);
        }
    }

    /// A key that was there is otherwise now.
    pub(super) fn updated(&mut self, before: &Key, after: StoredKey) {
        self.names.remove(&name_of(before));
        self.names.insert(name_of(&after.key), after.key.id);
        if let Some(external_id) = &after.key.external_id {
            let place = (after.key.workspace_id, external_id.as_str().to_owned());
            let keys = self.keys.entry(place).or_default();
            if let Some(stored) = keys.iter_mut().find(|stored| stored.key.id == after.key.id) {
                *stored = after;
            }
        }
    }

    fn workspace_id(&self, line: &ImportLine) -> Option<WorkspaceId> {
        match &line.workspace {
            WorkspaceName::Id(id) => Some(*id).filter(|id| self.workspaces.contains_key(id)),
            WorkspaceName::Slug(slug) => self.slugs.get(slug).copied(),
        }
    }
}

fn name_of(key: &Key) -> (WorkspaceId, String) {
    (key.workspace_id, key.name.as_str().to_owned())
}

type Workspaces = HashMap<WorkspaceId, Arc<Workspace>>;

async fn workspaces(
    tx: &mut dyn Tx,
    lines: &[ImportLine],
) -> Result<(Workspaces, HashMap<String, WorkspaceId>), StoreError> {
    let (mut ids, mut slugs) = (HashSet::new(), HashSet::new());
    for line in lines {
        match &line.workspace {
            WorkspaceName::Id(id) => ids.insert(*id),
            WorkspaceName::Slug(slug) => slugs.insert(slug.as_str()),
        };
    }
    let (ids, slugs): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), slugs.into_iter().collect());
    let found = tx.workspaces_named(&ids, &slugs).await?;
    let slugs = found.iter().map(|workspace| (workspace.slug.as_str().to_owned(), workspace.id)).collect();
    Ok((found.into_iter().map(|workspace| (workspace.id, Arc::new(workspace))).collect(), slugs))
}

async fn holders(
    tx: &mut dyn Tx,
    workspaces: &Workspaces,
    placed: &[(WorkspaceId, &ImportLine)],
) -> Result<Holders, StoreError> {
    let (mut ids, mut external_ids) = (HashSet::new(), HashSet::new());
    for (workspace, line) in placed {
        match &line.member {
            None => false,
            Some(MemberName::Id(id)) => ids.insert(*id),
            Some(MemberName::ExternalId(name)) => external_ids.insert((*workspace, name.as_str())),
        };
    }
    let (ids, external_ids): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), external_ids.into_iter().collect());
    let workspaces: Vec<WorkspaceId> = workspaces.keys().copied().collect();
    let mut holders = Holders::default();
    for Holder { id, workspace_id, external_id, name, role, is_default } in
        tx.holders(&workspaces, &ids, &external_ids).await?
    {
        let summary = MemberSummary { id, name, role };
        if is_default {
            holders.usual.insert(workspace_id, summary.clone());
        }
        if let Some(external_id) = external_id {
            holders.by_external_id.entry((workspace_id, external_id)).or_default().push(summary.clone());
        }
        holders.by_id.insert((workspace_id, id), summary);
    }
    Ok(holders)
}
