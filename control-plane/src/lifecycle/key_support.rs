//! What the verbs on one key share: finding it, and turning old and new into a change.

use keyward_shared::api_key::{ApiKey, TEST_SUFFIX};
use keyward_shared::fingerprint::Digest;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Policy, PolicyError, SlugHash};

use super::refusal::{Missing, Refusal};
use super::vault::VaultError;
use super::{Call, KeyView};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::effect::touched;
use crate::domain::key::transition::KeyRefusal;
use crate::domain::key::{Environment, Key, Secret};
use crate::domain::member::{Member, MemberSummary, Role};
use crate::domain::permission::{Permission, ceiling, is_below};
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::{Reveal, Workspace};
use crate::store::{StoredKey, Tx};

/// Which key, as a path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRef {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The key.
    pub key: KeyId,
}

/// A verb as the audit log tells of it.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) name: &'static str,
}

/// The workspace, if there is one.
pub(super) async fn workspace(tx: &mut dyn Tx, id: WorkspaceId) -> Result<Workspace, Refusal> {
    tx.workspace(id).await?.ok_or(Refusal::NotFound(Missing::Workspace))
}

/// The key, if there is one that whoever acts may do this to, and the precondition holds. A key that
/// its member may not have is neither started nor given a new secret, whoever acts.
pub(super) async fn key(
    tx: &mut dyn Tx,
    call: Call<'_>,
    target: KeyRef,
    permission: Permission,
) -> Result<(Workspace, StoredKey), Refusal> {
    let workspace = workspace(tx, target.workspace).await?;
    let stored = tx.key(target.workspace, target.key).await?.ok_or(Refusal::NotFound(Missing::Key))?;
    call.rights.key(&stored.key, permission)?;
    call.context.check_version(stored.key.version)?;
    check_start(&workspace, &stored, permission)?;
    Ok((workspace, stored))
}

/// Refuses to start a key that its member may not have, and to give it a new secret, whoever acts.
pub(super) fn check_start(workspace: &Workspace, stored: &StoredKey, permission: Permission) -> Result<(), Refusal> {
    let starts = matches!(permission, Permission::KeyStart | Permission::KeyRotate);
    if starts && !may_have(workspace, stored.member.role, stored.key.access) {
        return Err(Refusal::AboveMember);
    }
    Ok(())
}

/// Takes the key through a transition that needs nothing else.
pub(super) async fn transition(
    tx: &mut dyn Tx,
    call: Call<'_>,
    target: KeyRef,
    permission: Permission,
    operation: Operation,
    step: impl FnOnce(Key, UnixMillis) -> Result<Key, KeyRefusal> + Send,
) -> Result<(KeyView, Change), Refusal> {
    let (_, before) = key(tx, call, target, permission).await?;
    let after = step(before.key.clone(), call.context.now)?;
    replace(tx, call, before, after, operation).await
}

/// Stores what a key has become and makes the change of it. A key that stayed as it was keeps its
/// version. Whether its member may have it is asked before.
pub(super) async fn replace(
    tx: &mut dyn Tx,
    call: Call<'_>,
    before: StoredKey,
    mut after: Key,
    operation: Operation,
) -> Result<(KeyView, Change), Refusal> {
    let now = call.context.now;
    if after != before.key {
        after.version = before.key.version + 1;
        tx.update_key(&after, now).await?;
    }
    let catalogue = tx.catalogue().await?;
    let usage = if after.is_refused_alike(&before.key) {
        before.usage
    } else {
        tx.forget_denials(after.id, now).await?;
        before.usage.without_denials()
    };
    let details = Details::new(operation.name, Some(&before.key.facts(&catalogue)), Some(&after.facts(&catalogue)));
    let event = event(call, &after, operation.action, details);
    let change = Change::new(tx.generation(), event).touching(touched(Some(&before.key), &after));
    let member = if after.member_id == before.key.member_id {
        before.member
    } else {
        MemberSummary::from(&holder(tx, after.workspace_id, after.member_id).await?)
    };
    let view = KeyView::new(StoredKey { key: after, member, usage }, &catalogue, call.reported, now);
    Ok((view, change))
}

/// An event about a key.
pub(super) fn event(call: Call<'_>, key: &Key, action: Action, details: Details) -> AuditEvent {
    let target = Target { id: key.id.to_string(), name: key.name.as_str().to_owned() };
    AuditEvent {
        workspace_id: Some(key.workspace_id),
        team_id: key.team_id,
        ..call.context.event(action, Entity::ApiKeys, target, details)
    }
}

/// Checks that what the key may do fits into the snapshot.
pub(super) fn check_policy(workspace: &Workspace, key: &Key) -> Result<(), Invalid> {
    let policy = Policy {
        workspace: workspace.id,
        slug: SlugHash::of(workspace.slug.as_str()),
        access: key.access,
        apis: key.apis.clone(),
        restrictions: key.restrictions.clone(),
    };
    let refuse = |field: &str, fault, error: PolicyError| Err(Invalid::new(field, fault, error.to_string()));
    match policy.encode() {
        Ok(_) => Ok(()),
        Err(error @ PolicyError::TooMany { list, .. }) => refuse(list, Fault::TooMany, error),
        Err(error @ PolicyError::TooLong { list, .. }) => refuse(list, Fault::TooLong, error),
        Err(error) => refuse("restrictions", Fault::TooLong, error),
    }
}

/// A new secret and what is stored of it, sealed for the row of `key`.
pub(super) struct Minted {
    pub(super) api_key: ApiKey,
    pub(super) secret: Secret,
    pub(super) sealed_digest: Vec<u8>,
    /// Where the workspace lets it be shown again.
    pub(super) sealed_secret: Option<Vec<u8>>,
}

/// Makes a secret from the call's random bytes.
pub(super) fn mint(
    call: Call<'_>,
    workspace: &Workspace,
    settings: &SettingsDocument,
    environment: Environment,
    key: KeyId,
) -> Result<Minted, Refusal> {
    let prefix = match environment {
        Environment::Live => settings.settings.key_prefix.clone(),
        Environment::Test => format!("{}{TEST_SUFFIX}", settings.settings.key_prefix),
    };
    let api_key = ApiKey::generate(&prefix, &call.context.entropy.secret).ok_or(Refusal::Entropy)?;
    let (secret, sealed_digest) = enrol(call, &Digest::of(&api_key), Some(api_key.hint()), key)?;
    let sealed_secret = match workspace.reveal {
        Reveal::Once => None,
        Reveal::Sealed => {
            let nonce = &call.context.entropy.secret_nonce;
            Some(call.vault.seal_secret(&api_key, &secret.fingerprint, key, nonce)?)
        }
    };
    Ok(Minted { api_key, secret, sealed_digest, sealed_secret })
}

/// The secret that a digest stands for, and the digest sealed for the row of `key`.
pub(super) fn enrol(
    call: Call<'_>,
    digest: &Digest,
    hint: Option<String>,
    key: KeyId,
) -> Result<(Secret, Vec<u8>), VaultError> {
    let fingerprint = call.vault.fingerprint(digest);
    let sealed = call.vault.seal_digest(digest, &fingerprint, key, &call.context.entropy.seal_nonce)?;
    Ok((Secret { fingerprint, hint, created_at: call.context.now }, sealed))
}

/// Refuses a name that another live key of the workspace has.
pub(super) async fn check_name(tx: &mut dyn Tx, key: &Key, except: Option<KeyId>) -> Result<(), Refusal> {
    if tx.key_name_taken(key.workspace_id, &key.name, except).await? { Err(Refusal::NameTaken) } else { Ok(()) }
}

/// The member that a key is to belong to.
pub(super) async fn holder(tx: &mut dyn Tx, workspace: WorkspaceId, id: MemberId) -> Result<Member, Refusal> {
    let unknown = || Invalid::new("member_id", Fault::Unknown, "the workspace has no such member");
    Ok(tx.member(workspace, id).await?.ok_or_else(unknown)?)
}

/// Refuses to leave a key of this access with a member of this role who may not have it, whoever acts.
pub(super) fn check_holder(workspace: &Workspace, role: Role, access: Access) -> Result<(), Invalid> {
    if may_have(workspace, role, access) {
        return Ok(());
    }
    let refuse = |field, detail: String| Err(Invalid::new(field, Fault::Conflicting, detail));
    match ceiling(role, workspace.staff_max_access) {
        Some(most) => refuse("access", format!("the member's keys may be {} at most", most.as_str())),
        None => refuse("member_id", format!("a member with the role {} has no keys", role.as_str())),
    }
}

/// Whether a member of this role may have a key of this access.
pub(super) fn may_have(workspace: &Workspace, role: Role, access: Access) -> bool {
    is_below(access, ceiling(role, workspace.staff_max_access))
}

/// Refuses a team that the workspace does not have, or that whoever acts does not see.
pub(super) async fn check_team(tx: &mut dyn Tx, call: Call<'_>, key: &Key) -> Result<(), Refusal> {
    if let Some(team) = key.team_id
        && !(call.rights.sees_team(team) && tx.team_exists(key.workspace_id, team).await?)
    {
        return Err(Invalid::new("team_id", Fault::Unknown, "the workspace has no such team").into());
    }
    Ok(())
}
