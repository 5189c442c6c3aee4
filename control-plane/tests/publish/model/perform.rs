//! How an operation is asked of the use cases, and what they tell of it.

mod import;

use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::key::transition::KeyRefusal;
use keyward_control_plane::domain::member::MemberKind;
use keyward_control_plane::domain::restrictions::RestrictionsInput;
use keyward_control_plane::domain::route::RouteInput;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::domain::workspace::{Reveal, WorkspaceStatus};
use keyward_control_plane::lifecycle::refusal::{ImportRefusal, PeopleRefusal};
use keyward_control_plane::lifecycle::{
    ArchiveKey, BulkDone, BulkKeys, BulkOutcome, BulkTarget, CancelRotation, CreateKey, CreateMember, CreateWorkspace,
    CreatedKey, DeleteApi, DeleteKey, DeleteWorkspace, DisableKey, EnableKey, ExtendRotation, ExtendTo, FinishRotation,
    KeyFields, KeyListInput, KeyPatch, KeyRef, KeySource, MemberFields, MemberPatch, MemberRef, PatchKey, PatchMember,
    PatchWorkspace, PauseRotation, PutApi, PutApiOutcome, Refusal, RemoveMember, ResumeRotation, RotateKey, RotatedKey,
    Verb, WorkspaceFields,
};
use keyward_shared::fingerprint::Digest;
use keyward_shared::id::{MemberId, WorkspaceId};
use keyward_shared::settings::RouteAccess;

use super::operation::{
    Filter, Given, Granted, KeyEdit, KeyOp, MemberOp, NewKey, Op, Selection, Status, Told, WorkspaceOp,
};
use super::operation::{api_name, brought, key_name, path_prefix, range, secret, slug};
use super::truth::{Member, Truth};
use crate::house::{House, fields, fingerprint, workspace};

/// What an operation came to: its generation and what the system told, or the code of its refusal.
pub(crate) type Outcome<T = Told> = Result<(u64, T), &'static str>;

async fn run<V: Verb, T>(house: &House, verb: V, tell: impl FnOnce(V::Answer) -> T) -> Outcome<T> {
    match house.lifecycle.execute(&house.context(), verb).await {
        Ok((answer, Generation(generation))) => Ok((generation, tell(answer))),
        Err(refusal) => Err(code(&refusal)),
    }
}

fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound(_) => "not_found",
        Refusal::Invalid(_) => "invalid",
        Refusal::NameTaken => "name_taken",
        Refusal::SlugTaken => "slug_taken",
        Refusal::SecretExists => "secret_exists",
        Refusal::NotSuspended => "not_suspended",
        Refusal::RouteConflict(_) => "route_conflict",
        Refusal::AboveMember => "above_member",
        Refusal::People(PeopleRefusal::LastOwner) => "last_owner",
        Refusal::People(PeopleRefusal::DefaultMember) => "default_member",
        Refusal::Import(ImportRefusal::Ambiguous) => "ambiguous",
        Refusal::Import(ImportRefusal::SecretDiffers) => "secret_differs",
        Refusal::Key(KeyRefusal::Archived) => "key_archived",
        Refusal::Key(KeyRefusal::RotationActive { .. }) => "rotation_active",
        Refusal::Key(KeyRefusal::NoRotation) => "no_rotation",
        Refusal::Key(KeyRefusal::CancelTooLate { .. }) => "cancel_too_late",
        other => panic!("{other:?}"),
    }
}

/// Asks the use cases for it.
pub(crate) async fn perform(op: &Op, truth: &Truth, house: &House) -> Outcome {
    match op {
        Op::CreateWorkspace { slug } => create_workspace(*slug, house).await,
        Op::Workspace(at, op) => change_workspace(truth.workspaces[*at].id, op, house).await,
        Op::CreateMember { workspace, role } => {
            let fields = MemberFields {
                kind: MemberKind::Person,
                email: None,
                name: role.as_str().to_owned(),
                role: *role,
                team_ids: Vec::new(),
                external_id: None,
            };
            let verb = CreateMember { workspace: truth.workspaces[*workspace].id, fields };
            run(house, verb, |made| Told::Member(made.id)).await
        }
        Op::Member(at, op) => change_member(&truth.members[*at], op, truth, house).await,
        Op::CreateKey(at, new) => create_key(truth.workspaces[*at].id, new, truth, house).await,
        Op::Key(at, op) => {
            let key = &truth.keys[*at];
            let target = KeyRef { workspace: truth.workspaces[key.workspace].id, key: key.id };
            change_key(target, op, truth, house).await
        }
        Op::Bulk { workspace, selection, action } => {
            let target = match selection {
                Selection::Ids(keys) => BulkTarget::Ids(keys.iter().map(|&at| truth.keys[at].id).collect()),
                Selection::Filter(filter) => {
                    BulkTarget::Filter { filter: Box::new(listed(filter, house)), cursor: None }
                }
            };
            let verb = BulkKeys { workspace: truth.workspaces[*workspace].id, target, action: *action };
            run(house, verb, |done| changed(&done)).await
        }
        Op::Import(lines) => import::perform(lines, truth, house).await,
        Op::PutApi { api, path } => {
            let route =
                RouteInput { path_prefix: path_prefix(*path), methods: Vec::new(), access: RouteAccess::ByMethod };
            let verb = PutApi { name: api_name(*api), title: None, routes: vec![route] };
            run(house, verb, |PutApiOutcome { api, .. }| Told::Api(api.number)).await
        }
        Op::DeleteApi { api } => run(house, DeleteApi { name: api_name(*api) }, |()| Told::Nothing).await,
    }
}

async fn create_workspace(number: u8, house: &House) -> Outcome {
    let verb = CreateWorkspace { slug: Some(slug(number)), ..workspace("Acme") };
    let (generation, made) = run(house, verb, |made| made.id).await?;
    let home = made.as_u64().cast_signed();
    let usual = house.number(&format!("SELECT id FROM member WHERE workspace_id = {home} AND is_default")).await;
    Ok((generation, Told::Workspace(made, MemberId::from_u64(usual.cast_unsigned()))))
}

async fn change_workspace(workspace: WorkspaceId, op: &WorkspaceOp, house: &House) -> Outcome {
    let unchanged = WorkspaceFields::default();
    let fields = match op {
        WorkspaceOp::Suspend => WorkspaceFields { status: Some(WorkspaceStatus::Suspended), ..unchanged },
        WorkspaceOp::Activate => WorkspaceFields { status: Some(WorkspaceStatus::Active), ..unchanged },
        WorkspaceOp::Slug(number) => WorkspaceFields { slug: Some(slug(*number)), ..unchanged },
        WorkspaceOp::Reveal { sealed } => {
            let reveal = if *sealed { Reveal::Sealed } else { Reveal::Once };
            WorkspaceFields { reveal: Some(reveal), ..unchanged }
        }
        WorkspaceOp::StaffMax(access) => WorkspaceFields { staff_max_access: Some(*access), ..unchanged },
        WorkspaceOp::Delete => return run(house, DeleteWorkspace { workspace }, |()| Told::Nothing).await,
    };
    run(house, PatchWorkspace { workspace, fields }, |_| Told::Nothing).await
}

async fn change_member(member: &Member, op: &MemberOp, truth: &Truth, house: &House) -> Outcome {
    let target = MemberRef { workspace: truth.workspaces[member.workspace].id, member: member.id };
    let reassign = |given: &Given| given.iter().map(|&(key, to)| (truth.keys[key].id, truth.members[to].id)).collect();
    match op {
        MemberOp::Become(role, given) => {
            let patch = MemberPatch { role: Some(*role), ..MemberPatch::default() };
            run(house, PatchMember { target, patch, reassign: reassign(given) }, |_| Told::Nothing).await
        }
        MemberOp::Remove(given) => {
            run(house, RemoveMember { target, reassign: reassign(given) }, |_| Told::Nothing).await
        }
    }
}

async fn create_key(workspace: WorkspaceId, new: &NewKey, truth: &Truth, house: &House) -> Outcome {
    let fields = KeyFields {
        member_id: new.member.map(|at| truth.members[at].id),
        external_id: new.external.map(|number| number.to_string()),
        access: new.access,
        apis: named(new.apis),
        expires_at: new.expires.map(|after| house.now().plus_seconds(after)),
        ..fields(&key_name(new.name))
    };
    let source = match new.brought {
        Some(number) => KeySource::Sha256(sha256(number)),
        None => KeySource::Generate,
    };
    let tell = |CreatedKey { key, secret }: CreatedKey| Told::Key {
        id: key.key.id,
        member: key.member.id,
        secret: secret
            .map_or_else(|| brought(new.brought.expect("no secret of its own")), |secret| fingerprint(&secret)),
    };
    run(house, CreateKey { workspace, fields, source }, tell).await
}

async fn change_key(target: KeyRef, op: &KeyOp, truth: &Truth, house: &House) -> Outcome {
    match op {
        KeyOp::Rotate(grace) => {
            let tell = |RotatedKey { secret, .. }: RotatedKey| Told::Secret(fingerprint(&secret));
            run(house, RotateKey { target, grace_seconds: u64::from(*grace) }, tell).await
        }
        KeyOp::Finish => run(house, FinishRotation { target }, |_| Told::Nothing).await,
        KeyOp::Cancel => run(house, CancelRotation { target }, |_| Told::Nothing).await,
        KeyOp::Extend(grace) => {
            let to = ExtendTo::GraceSeconds(u64::from(*grace));
            run(house, ExtendRotation { target, to }, |_| Told::Nothing).await
        }
        KeyOp::Pause => run(house, PauseRotation { target }, |_| Told::Nothing).await,
        KeyOp::Resume => run(house, ResumeRotation { target }, |_| Told::Nothing).await,
        KeyOp::Disable => run(house, DisableKey { target }, |_| Told::Nothing).await,
        KeyOp::Enable => run(house, EnableKey { target }, |_| Told::Nothing).await,
        KeyOp::Archive => run(house, ArchiveKey { target }, |_| Told::Nothing).await,
        KeyOp::Delete => run(house, DeleteKey { target }, |()| Told::Nothing).await,
        KeyOp::Edit(edit) => {
            let patch = KeyPatch {
                name: edit.name.map(key_name),
                member_id: edit.member.map(|at| truth.members[at].id),
                access: edit.access,
                apis: edit.apis.map(named),
                expires_at: expiry(edit, house),
                restrictions: restrictions(edit),
                ..KeyPatch::default()
            };
            run(house, PatchKey { target, patch }, |_| Told::Nothing).await
        }
    }
}

fn expiry(edit: &KeyEdit, house: &House) -> Edit<UnixMillis> {
    let after = |seconds| UnixMillis::from_millis(house.now().as_millis() + i64::from(seconds) * 1000);
    Edit::from_nested(edit.expires.map(|seconds| seconds.map(after)))
}

fn restrictions(edit: &KeyEdit) -> Edit<RestrictionsInput> {
    let ips = |number| RestrictionsInput { ips: vec![range(number)], ..RestrictionsInput::default() };
    Edit::from_nested(edit.ips.map(|number| number.map(ips)))
}

fn listed(filter: &Filter, house: &House) -> KeyListInput {
    let status = |status| match status {
        Status::Active => "active".to_owned(),
        Status::Disabled => "disabled".to_owned(),
        Status::Expired => "expired".to_owned(),
    };
    let ago = |seconds| UnixMillis::from_millis(house.now().as_millis() - i64::from(seconds) * 1000);
    KeyListInput {
        status: filter.status.map(status),
        access: filter.access.map(|access| access.as_str().to_owned()),
        api: filter.api.map(api_name),
        last_used_before: filter.unused_for.map(ago),
        ..KeyListInput::default()
    }
}

fn changed(done: &BulkDone) -> Told {
    let is_changed = |outcome: &BulkOutcome| matches!(outcome, BulkOutcome::Changed);
    Told::Changed(done.keys.iter().filter(|key| is_changed(&key.outcome)).map(|key| key.id).collect())
}

fn named(granted: Granted) -> Vec<String> {
    match granted {
        Granted::All => vec!["*".to_owned()],
        Granted::Api(number) => vec![api_name(number)],
    }
}

fn sha256(number: u16) -> String {
    hex::encode(Digest::of(&secret(number)).as_bytes())
}
