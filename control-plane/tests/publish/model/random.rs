//! Operations at random, in such shares that most of them do something.

use keyward_shared::policy::Access;
use proptest::prelude::*;

use super::operation::{BulkAction, Filter, Granted, KeyEdit, KeyOp, NewKey, Op, Selection, Status, WorkspaceOp};
use super::operation::{Given, Line, MemberOp, Named, Role};

/// Numbers of secrets that are brought, and of what another system calls a key.
const BROUGHT: u16 = 900;

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::ReadOnly), Just(Access::ReadWrite)]
}

fn granted() -> impl Strategy<Value = Granted> {
    prop_oneof![2 => Just(Granted::All), 3 => (0..4_u8).prop_map(Granted::Api)]
}

fn new_key() -> impl Strategy<Value = NewKey> {
    let member = prop::option::weighted(0.7, any::<usize>());
    let expires = prop::option::weighted(0.2, 1..9_000_u32);
    let brought = prop::option::weighted(0.2, 0..BROUGHT);
    let external = prop::option::weighted(0.2, 0..BROUGHT);
    let parts = (any::<u8>(), member, access(), granted(), expires, brought, external);
    parts.prop_map(|(name, member, access, apis, expires, brought, external)| NewKey {
        name,
        member,
        access,
        apis,
        expires,
        brought,
        external,
    })
}

fn key_edit() -> impl Strategy<Value = KeyEdit> {
    let name = prop::option::of(any::<u8>());
    let member = prop::option::weighted(0.3, any::<usize>());
    let expires = prop_oneof![1 => -600..1_i32, 9 => 1..9_000_i32];
    let expires = prop::option::of(prop::option::of(expires));
    let ips = prop::option::of(prop::option::of(any::<u8>()));
    let parts = (name, member, prop::option::of(access()), prop::option::of(granted()), expires, ips);
    parts.prop_map(|(name, member, access, apis, expires, ips)| KeyEdit { name, member, access, apis, expires, ips })
}

/// A grace period in seconds, some of them about to end.
fn grace() -> impl Strategy<Value = u32> {
    prop_oneof![1 => 1..300_u32, 3 => 1..20_000_u32]
}

fn key_op() -> impl Strategy<Value = KeyOp> {
    prop_oneof![
        6 => prop_oneof![1 => Just(0), 3 => grace()].prop_map(KeyOp::Rotate),
        2 => Just(KeyOp::Finish),
        3 => Just(KeyOp::Cancel),
        3 => grace().prop_map(KeyOp::Extend),
        3 => Just(KeyOp::Pause),
        3 => Just(KeyOp::Resume),
        4 => Just(KeyOp::Disable),
        5 => Just(KeyOp::Enable),
        1 => Just(KeyOp::Archive),
        2 => Just(KeyOp::Delete),
        6 => key_edit().prop_map(KeyOp::Edit),
    ]
}

fn workspace_op() -> impl Strategy<Value = WorkspaceOp> {
    prop_oneof![
        4 => Just(WorkspaceOp::Suspend),
        6 => Just(WorkspaceOp::Activate),
        3 => (0..8_u8).prop_map(WorkspaceOp::Slug),
        2 => any::<bool>().prop_map(|sealed| WorkspaceOp::Reveal { sealed }),
        3 => access().prop_map(WorkspaceOp::StaffMax),
        1 => Just(WorkspaceOp::Delete),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        2 => Just(Role::Owner),
        3 => Just(Role::Admin),
        5 => Just(Role::Staff),
        2 => Just(Role::ReadOnly),
        1 => Just(Role::Lite),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![2 => Just(Given::new()), 1 => prop::collection::vec(any::<(usize, usize)>(), 1..4)]
}

fn member_op() -> impl Strategy<Value = MemberOp> {
    prop_oneof![
        4 => (role(), given()).prop_map(|(role, given)| MemberOp::Become(role, given)),
        1 => given().prop_map(MemberOp::Remove),
    ]
}

/// A line, and whether it is about the same key as the one before it.
fn line() -> impl Strategy<Value = (Line, bool)> {
    let about = prop::option::of(any::<usize>());
    let workspace = prop_oneof![2 => any::<usize>().prop_map(Named::Id), 1 => (0..8_u8).prop_map(Named::Slug)];
    // Mostly what another system calls by one name has one secret.
    let secret = prop::option::weighted(0.1, 0..BROUGHT);
    let disabled = prop::option::weighted(0.3, any::<bool>());
    let parts = (about, workspace, 0..BROUGHT, secret, any::<bool>(), key_edit(), disabled);
    let line = parts.prop_map(|(about, workspace, external, secret, is_clear, says, disabled)| Line {
        about,
        workspace,
        external,
        secret: secret.unwrap_or(external),
        is_clear,
        says,
        disabled,
    });
    (line, prop::bool::weighted(0.2))
}

fn import() -> impl Strategy<Value = Op> {
    prop::collection::vec(line(), 1..6).prop_map(|lines| {
        let mut told: Vec<Line> = Vec::new();
        for (line, is_again) in lines {
            let line = match told.last() {
                Some(&Line { about, workspace, external, secret, .. }) if is_again => {
                    Line { about, workspace, external, secret, ..line }
                }
                _ => line,
            };
            told.push(line);
        }
        Op::Import(told)
    })
}

fn selection() -> impl Strategy<Value = Selection> {
    let status = prop_oneof![Just(Status::Active), Just(Status::Disabled), Just(Status::Expired)];
    let filter = (
        prop::option::of(status),
        prop::option::of(access()),
        prop::option::weighted(0.3, 0..4_u8),
        prop::option::of(0..40_000_u32),
    );
    let filter = filter.prop_map(|(status, access, api, unused_for)| Filter { status, access, api, unused_for });
    prop_oneof![
        2 => prop::collection::vec(any::<usize>(), 1..12).prop_map(Selection::Ids),
        1 => filter.prop_map(Selection::Filter),
    ]
}

fn bulk() -> impl Strategy<Value = Op> {
    let action =
        prop_oneof![6 => Just(BulkAction::Disable), 8 => Just(BulkAction::Enable), 1 => Just(BulkAction::Delete)];
    let parts = (any::<usize>(), selection(), action);
    parts.prop_map(|(workspace, selection, action)| Op::Bulk { workspace, selection, action })
}

/// One operation at random.
pub(crate) fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0..8_u8).prop_map(|slug| Op::CreateWorkspace { slug }),
        9 => (any::<usize>(), workspace_op()).prop_map(|(at, op)| Op::Workspace(at, op)),
        3 => (any::<usize>(), role()).prop_map(|(workspace, role)| Op::CreateMember { workspace, role }),
        6 => (any::<usize>(), member_op()).prop_map(|(at, op)| Op::Member(at, op)),
        35 => (any::<usize>(), new_key()).prop_map(|(at, new)| Op::CreateKey(at, new)),
        100 => (any::<usize>(), key_op()).prop_map(|(at, op)| Op::Key(at, op)),
        8 => bulk(),
        6 => import(),
        3 => (0..4_u8, 0..5_u8).prop_map(|(api, path)| Op::PutApi { api, path }),
        1 => (0..4_u8).prop_map(|api| Op::DeleteApi { api }),
    ]
}
