//! Edit a workspace: its fields, and whether its keys are accepted.

use async_trait::async_trait;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;
use serde_json::{Map, Value};

use super::create_workspace::event;
use super::{Call, Needs, Refusal, Verb, key_support};
use crate::domain::audit::{Action, Details};
use crate::domain::change::{Change, Touched};
use crate::domain::edit::Edit;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::MAX_KEYS;
use crate::domain::permission::Permission;
use crate::domain::text::{ExternalId, Metadata, Name, Slug};
use crate::domain::workspace::{Reveal, Workspace, WorkspaceStatus};
use crate::store::Tx;

/// A partial change of a workspace, not yet judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkspaceFields {
    /// A new name.
    pub name: Option<String>,
    /// A new short name: credentials with the old one stop working.
    pub slug: Option<String>,
    /// Suspended or active.
    pub status: Option<WorkspaceStatus>,
    /// The most that a key of a staff member may do.
    pub staff_max_access: Option<Access>,
    /// Whether secrets can be shown again.
    pub reveal: Option<Reveal>,
    /// The most keys it may have; fewer than it has stops new ones only.
    pub max_keys: Edit<u64>,
    /// What another system calls it.
    pub external_id: Edit<String>,
    /// Whatever a client keeps with it, replaced as a whole.
    pub metadata: Edit<Map<String, Value>>,
}

/// Changes the fields that are named.
pub struct PatchWorkspace {
    /// Which.
    pub workspace: WorkspaceId,
    /// The fields.
    pub fields: WorkspaceFields,
}

#[async_trait]
impl Verb for PatchWorkspace {
    type Answer = Workspace;

    fn needs(&self) -> Needs {
        let fields = &self.fields;
        // A slug is the deployment's: one workspace's says that no other has it, and imports go by it.
        let governs = fields.status.is_some()
            || fields.slug.is_some()
            || fields.max_keys != Edit::Keep
            || fields.external_id != Edit::Keep;
        let permission = if governs { Permission::WorkspaceGovern } else { Permission::WorkspaceEdit };
        Needs::In(self.workspace, permission)
    }

    fn is_bulk(&self) -> bool {
        self.fields.slug.is_some() || self.fields.status.is_some() || self.fields.reveal.is_some()
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Workspace, Change), Refusal> {
        let before = key_support::workspace(tx, self.workspace).await?;
        call.context.check_version(before.version)?;
        let mut after = self.fields.edited(&before)?;
        if after.slug != before.slug && tx.slug_taken(&after.slug, Some(after.id)).await? {
            return Err(Refusal::SlugTaken);
        }
        if after != before {
            after.version = before.version + 1;
            tx.update_workspace(&after).await?;
        }
        let (action, name) = match (before.status, after.status) {
            (WorkspaceStatus::Active, WorkspaceStatus::Suspended) => (Action::Disable, "suspend"),
            (WorkspaceStatus::Suspended, WorkspaceStatus::Active) => (Action::Enable, "activate"),
            _ => (Action::Update, "edit"),
        };
        let mut details = Details::new(name, Some(&before.facts()), Some(&after.facts()));
        if (before.reveal, after.reveal) == (Reveal::Sealed, Reveal::Once) {
            details = details.with("erased_secrets", tx.erase_sealed_secrets(after.id).await?);
        }
        let mut change = Change::new(tx.generation(), event(call, &after, action, details));
        if after.status != before.status {
            tx.forget_denials_in(after.id, call.context.now).await?;
        }
        if after.slug != before.slug || after.status != before.status {
            let narrowing = after.slug != before.slug || after.status == WorkspaceStatus::Suspended;
            let secrets = tx.live_fingerprints(after.id).await?;
            change = change.touching(secrets.into_iter().map(|fingerprint| Touched { fingerprint, narrowing }));
        }
        Ok((after, change))
    }
}

impl WorkspaceFields {
    fn edited(self, before: &Workspace) -> Result<Workspace, Invalid> {
        let before = before.clone();
        let parse_metadata = |object| Metadata::parse("metadata", object);
        Ok(Workspace {
            name: self.name.map(|name| Name::parse("name", &name)).transpose()?.unwrap_or(before.name),
            slug: self.slug.map(|slug| Slug::parse("slug", &slug)).transpose()?.unwrap_or(before.slug),
            status: self.status.unwrap_or(before.status),
            staff_max_access: self.staff_max_access.unwrap_or(before.staff_max_access),
            reveal: self.reveal.unwrap_or(before.reveal),
            max_keys: self.max_keys.try_map(max_keys)?.apply(before.max_keys),
            external_id: self
                .external_id
                .try_map(|id| ExternalId::parse("external_id", &id))?
                .apply(before.external_id),
            metadata: self.metadata.try_map(parse_metadata)?.apply_or_default(before.metadata),
            ..before
        })
    }
}

/// How many keys a workspace may have.
pub(super) fn max_keys(keys: u64) -> Result<u32, Invalid> {
    u32::try_from(keys)
        .ok()
        .filter(|keys| *keys <= MAX_KEYS)
        .ok_or_else(|| Invalid::new("max_keys", Fault::OutOfRange, format!("0 to {MAX_KEYS}")))
}
