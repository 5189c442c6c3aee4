//! Create a workspace, and with it the machine member that its keys belong to by default.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, WorkspaceId};
use keyward_shared::policy::Access;
use serde_json::{Map, Value};

use super::patch_workspace::max_keys;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::member::{DEFAULT_MEMBER_NAME, Member, MemberKind, Role};
use crate::domain::permission::Permission;
use crate::domain::text::{ExternalId, Metadata, Name, Slug};
use crate::domain::workspace::{Reveal, Workspace, WorkspaceStatus};
use crate::store::Tx;

/// Creates a workspace. Fields are not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateWorkspace {
    /// The name.
    pub name: String,
    /// The short name; made from the name when none is given.
    pub slug: Option<String>,
    /// The most that a key of a staff member may do; read-write when not given.
    pub staff_max_access: Option<Access>,
    /// Whether secrets can be shown again; `once` when not given.
    pub reveal: Option<Reveal>,
    /// The most keys it may have.
    pub max_keys: Option<u64>,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Whatever a client keeps with it.
    pub metadata: Map<String, Value>,
}

#[async_trait]
impl Verb for CreateWorkspace {
    type Answer = Workspace;

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::WorkspaceCreate)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Workspace, Change), Refusal> {
        call.context.check_absent()?;
        let [id, member_id, _] = call.context.entropy.ids;
        let name = Name::parse("name", &self.name)?;
        let slug = self.slug.as_deref().map(|slug| Slug::parse("slug", slug)).transpose()?;
        let mut workspace = Workspace {
            id: WorkspaceId::from_random(id),
            slug: slug.clone().unwrap_or_else(|| Slug::derive(&name)),
            name,
            status: WorkspaceStatus::Active,
            staff_max_access: self.staff_max_access.unwrap_or(Access::ReadWrite),
            reveal: self.reveal.unwrap_or(Reveal::Once),
            max_keys: self.max_keys.map(max_keys).transpose()?,
            external_id: self.external_id.map(|id| ExternalId::parse("external_id", &id)).transpose()?,
            metadata: Metadata::parse("metadata", self.metadata)?,
            created_at: call.context.now,
            version: 1,
        };
        if slug.is_none() && tx.slug_taken(&workspace.slug, None).await? {
            workspace.slug = workspace.slug.with_suffix(workspace.id.as_u64());
        }
        if tx.slug_taken(&workspace.slug, None).await? {
            return Err(Refusal::SlugTaken);
        }
        tx.insert_workspace(&workspace).await?;
        tx.insert_member(&default_member(&workspace, MemberId::from_random(member_id))?).await?;
        let details = Details::new("create", None, Some(&workspace.facts()));
        let change = Change::new(tx.generation(), event(call, &workspace, Action::Create, details));
        Ok((workspace, change))
    }
}

fn default_member(workspace: &Workspace, id: MemberId) -> Result<Member, Refusal> {
    Ok(Member {
        id,
        workspace_id: workspace.id,
        kind: MemberKind::Machine,
        email: None,
        name: Name::parse("name", DEFAULT_MEMBER_NAME)?,
        role: Role::Owner,
        is_default: true,
        team_ids: Vec::new(),
        external_id: None,
        created_at: workspace.created_at,
        version: 1,
    })
}

/// An event about a workspace.
pub(super) fn event(call: Call<'_>, workspace: &Workspace, action: Action, details: Details) -> AuditEvent {
    let target = Target { id: workspace.id.to_string(), name: workspace.name.as_str().to_owned() };
    AuditEvent { workspace_id: Some(workspace.id), ..call.context.event(action, Entity::Workspaces, target, details) }
}
