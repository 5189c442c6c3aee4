//! Add a member to a workspace.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TeamId, WorkspaceId};

use super::{Call, Needs, Refusal, Verb, key_support, member_support};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::member::{Member, MemberKind, Role};
use crate::domain::permission::Permission;
use crate::domain::text::{Email, ExternalId, Name};
use crate::store::Tx;

/// The fields of a new member, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFields {
    /// Person or machine.
    pub kind: MemberKind,
    /// The address.
    pub email: Option<String>,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The teams.
    pub team_ids: Vec<TeamId>,
    /// What another system calls the member.
    pub external_id: Option<String>,
}

/// Adds a member.
pub struct CreateMember {
    /// To which workspace.
    pub workspace: WorkspaceId,
    /// The fields.
    pub fields: MemberFields,
}

#[async_trait]
impl Verb for CreateMember {
    type Answer = Member;

    fn needs(&self) -> Needs {
        Needs::In(self.workspace, Permission::MemberManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Member, Change), Refusal> {
        let workspace = key_support::workspace(tx, self.workspace).await?;
        call.context.check_absent()?;
        let fields = self.fields;
        call.rights.role(fields.role)?;
        let member = Member {
            id: MemberId::from_random(call.context.entropy.ids[0]),
            workspace_id: workspace.id,
            kind: fields.kind,
            email: fields.email.map(|email| Email::parse("email", &email)).transpose()?,
            name: Name::parse("name", &fields.name)?,
            role: fields.role,
            is_default: false,
            external_id: fields.external_id.map(|id| ExternalId::parse("external_id", &id)).transpose()?,
            team_ids: member_support::check_teams(tx, workspace.id, fields.team_ids).await?,
            created_at: call.context.now,
            version: 1,
        };
        member_support::check_email(tx, &member).await?;
        tx.insert_member(&member).await?;
        let details = Details::new("create", None, Some(&member.facts()));
        let change = Change::new(tx.generation(), member_support::event(call, &member, Action::Create, details));
        Ok((member, change))
    }
}
