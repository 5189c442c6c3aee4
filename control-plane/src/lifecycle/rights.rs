//! What whoever acts may do: the table of the domain, applied to the one who asks and to the thing at
//! hand.
//!
//! Two refusals, never mixed up: what is in another workspace, or is not theirs to see, is not found
//! and reads as if it were not there; what they see and may not do is forbidden. Where it isn't clear
//! who asks, nobody does.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::Access;

use super::refusal::Missing;
use super::{Lifecycle, Refusal};
use crate::domain::actor::{Actor, ActorKind};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::Key;
use crate::domain::member::{MemberStanding, Role};
use crate::domain::permission::{Permission, Reach, Standing, ceiling, is_below};
use crate::domain::scope::Scopes;
use crate::domain::time::UnixMillis;
use crate::store::Tx;

/// The header that names the member for whom an operator acts.
pub const ON_BEHALF_OF: &str = "Keyward-On-Behalf-Of";

/// What something needs before it is even looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// This, of what belongs to no workspace.
    Deployment(Permission),
    /// This, somewhere in a workspace. Whose key it is about is asked again when it is found.
    In(WorkspaceId, Permission),
    /// This, about one member of a workspace.
    Member(WorkspaceId, MemberId, Permission),
    /// This, about one team of a workspace.
    Team(WorkspaceId, TeamId, Permission),
}

impl Needs {
    /// What it is that is to be done.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Deployment(permission)
            | Self::In(_, permission)
            | Self::Member(_, _, permission)
            | Self::Team(_, _, permission) => permission,
        }
    }
}

/// Whose keys somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysSeen {
    /// Every key of the workspace.
    All,
    /// This member's.
    Of(MemberId),
    /// None.
    None,
}

/// The rights of whoever acts, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Nobody is an operator with everything.
    member: Option<MemberStanding>,
    scopes: Scopes,
}

impl Lifecycle {
    /// The rights of `actor` as they are now.
    pub async fn rights(&self, actor: &Actor) -> Result<Rights, Refusal> {
        match member(actor)? {
            Some(id) => Rights::of_member(actor, self.store.standing(id).await?),
            None => Ok(Rights::of_deployment(actor)),
        }
    }

    /// Refuses unless `actor` may do what `needs` says.
    pub async fn admit(&self, actor: &Actor, needs: Needs) -> Result<(), Refusal> {
        self.rights(actor).await?.admit(needs)
    }
}

/// The rights of `actor` as the transaction sees them: none where the token was revoked, or has expired,
/// since it was read from the request, which may have taken its time.
pub(super) async fn within(tx: &mut dyn Tx, actor: &Actor, now: UnixMillis) -> Result<Rights, Refusal> {
    if let Some(token) = actor.token
        && !tx.token(token).await?.is_some_and(|token| token.usable_at(now))
    {
        return Err(Refusal::Unauthenticated);
    }
    match member(actor)? {
        Some(id) => Rights::of_member(actor, tx.standing(id).await?),
        None => Ok(Rights::of_deployment(actor)),
    }
}

/// The member with whose rights `actor` acts; none where it acts for the deployment.
fn member(actor: &Actor) -> Result<Option<MemberId>, Refusal> {
    match (actor.kind, actor.member, actor.on_behalf_of) {
        (ActorKind::System | ActorKind::Operator, None, None) => Ok(None),
        (ActorKind::Operator, None, Some(member)) | (ActorKind::Member, Some(member), None) => Ok(Some(member)),
        _ => Err(Refusal::Unauthenticated),
    }
}

impl Rights {
    fn of_deployment(actor: &Actor) -> Self {
        Self { member: None, scopes: actor.scopes.clone() }
    }

    fn of_member(actor: &Actor, standing: Option<MemberStanding>) -> Result<Self, Refusal> {
        match standing {
            Some(standing) => Ok(Self { member: Some(standing), scopes: actor.scopes.clone() }),
            None if actor.on_behalf_of.is_some() => {
                Err(Invalid::new(ON_BEHALF_OF, Fault::Unknown, "there is no such member").into())
            }
            None => Err(Refusal::Unauthenticated),
        }
    }

    /// The member that acts or is acted for; none for an operator.
    pub fn member(&self) -> Option<MemberId> {
        self.member.as_ref().map(|member| member.id)
    }

    /// The one workspace in which they may do anything; none for an operator, who may in all.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.member.as_ref().map(|member| member.workspace_id)
    }

    /// What they are narrowed to.
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// How far they reach, scopes left aside.
    pub fn reach(&self, permission: Permission) -> Reach {
        permission.reach(self.member.as_ref().map_or(Standing::Operator, |member| Standing::Member(member.role)))
    }

    /// Refuses unless they may do what `needs` says. The first question of every use case.
    pub fn admit(&self, needs: Needs) -> Result<(), Refusal> {
        let (permission, is_allowed) = match needs {
            Needs::Deployment(permission) => (permission, self.reach(permission) == Reach::All),
            Needs::In(workspace, permission) => {
                self.of_workspace(workspace)?;
                if is_about_a_key(permission) && self.reach(Permission::KeyRead) == Reach::Never {
                    return Err(Refusal::NotFound(Missing::Key));
                }
                (permission, self.reach(permission) != Reach::Never)
            }
            Needs::Member(workspace, member, permission) => {
                self.of_workspace(workspace)?;
                let is_own = self.member() == Some(member);
                if !self.reaches(Permission::MemberRead, is_own) {
                    return Err(Refusal::NotFound(Missing::Member));
                }
                (permission, self.reaches(permission, is_own))
            }
            Needs::Team(workspace, team, permission) => {
                self.of_workspace(workspace)?;
                if !self.sees_team(team) {
                    return Err(Refusal::NotFound(Missing::Team));
                }
                (permission, self.reaches(permission, self.is_in(team)))
            }
        };
        if is_allowed { self.scoped(permission) } else { Err(Refusal::Forbidden(permission)) }
    }

    /// Refuses unless they see this key, and may do this to it.
    pub fn key(&self, key: &Key, permission: Permission) -> Result<(), Refusal> {
        self.of_workspace(key.workspace_id)?;
        self.keys_of(key.member_id)?;
        if !self.reaches(permission, self.member() == Some(key.member_id)) {
            return Err(Refusal::Forbidden(permission));
        }
        if permission.widens() {
            self.access(key.access, permission)?;
        }
        self.scoped(permission)
    }

    /// Refuses what would leave a key with more access than they may give one.
    pub fn access(&self, access: Access, permission: Permission) -> Result<(), Refusal> {
        let is_below = match &self.member {
            Some(member) => is_below(access, ceiling(member.role, member.staff_max_access)),
            None => true,
        };
        if is_below { Ok(()) } else { Err(Refusal::Forbidden(permission)) }
    }

    /// Refuses what is about an owner, or would make one, unless they may manage owners. What everybody
    /// may do about themselves is not asked here.
    pub fn role(&self, role: Role) -> Result<(), Refusal> {
        match role {
            Role::Owner if self.reach(Permission::OwnerManage) != Reach::All => {
                Err(Refusal::Forbidden(Permission::OwnerManage))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what is about a token of this member. Everybody has their own; those of an owner are for
    /// whoever may manage owners: with one of them they would be an owner.
    pub fn tokens_of(&self, member: MemberId, role: Role) -> Result<(), Refusal> {
        if self.member() == Some(member) { Ok(()) } else { self.role(role) }
    }

    /// Refuses unless they see the keys of this member.
    pub fn keys_of(&self, member: MemberId) -> Result<(), Refusal> {
        let is_own = self.member() == Some(member);
        if self.reaches(Permission::KeyRead, is_own) { Ok(()) } else { Err(Refusal::NotFound(Missing::Key)) }
    }

    /// Whether they see this team of their workspace.
    pub fn sees_team(&self, team: TeamId) -> bool {
        self.reaches(Permission::TeamRead, self.is_in(team))
    }

    /// To whom a key goes when `asked` is named for it; nobody is the workspace's own member.
    pub fn holder(&self, asked: Option<MemberId>) -> Result<Option<MemberId>, Refusal> {
        match (self.reach(Permission::KeyAssign), asked) {
            (Reach::All, asked) => Ok(asked),
            (_, Some(asked)) if Some(asked) != self.member() => Err(Refusal::Forbidden(Permission::KeyAssign)),
            _ => self.member().map(Some).ok_or(Refusal::Forbidden(Permission::KeyAssign)),
        }
    }

    /// Whose keys of the workspace they see, or why they may not ask.
    pub fn keys_seen(&self, workspace: WorkspaceId) -> Result<KeysSeen, Refusal> {
        self.of_workspace(workspace)?;
        self.scoped(Permission::KeyRead)?;
        Ok(match (self.reach(Permission::KeyRead), self.member()) {
            (Reach::All, _) => KeysSeen::All,
            (Reach::Own, Some(member)) => KeysSeen::Of(member),
            _ => KeysSeen::None,
        })
    }

    fn of_workspace(&self, workspace: WorkspaceId) -> Result<(), Refusal> {
        match self.workspace() {
            Some(own) if own != workspace => Err(Refusal::NotFound(Missing::Workspace)),
            _ => Ok(()),
        }
    }

    fn is_in(&self, team: TeamId) -> bool {
        self.member.as_ref().is_some_and(|member| member.team_ids.contains(&team))
    }

    fn reaches(&self, permission: Permission, is_own: bool) -> bool {
        match self.reach(permission) {
            Reach::All => true,
            Reach::Own => is_own,
            Reach::Never => false,
        }
    }

    fn scoped(&self, permission: Permission) -> Result<(), Refusal> {
        match permission.scope() {
            Some(scope) if !self.scopes.allow(scope) => Err(Refusal::Forbidden(permission)),
            _ => Ok(()),
        }
    }
}

/// Whether it is done to a key that is there, and that somebody may not see.
const fn is_about_a_key(permission: Permission) -> bool {
    use Permission::{KeyEdit, KeyEnd, KeyRead, KeyReveal, KeyRotate, KeyStart, KeyStop};

    matches!(permission, KeyRead | KeyEdit | KeyRotate | KeyStop | KeyStart | KeyEnd | KeyReveal)
}
