//! Operations at random, in such shares that most of them do something.

use keyward_shared::policy::Access;
use proptest::prelude::*;

use super::operation::{BulkAction, Filter, Granted, KeyEdit, KeyOp, NewKey, Op, Selection, Status, WorkspaceOp};

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::ReadOnly), Just(Access::ReadWrite)]
}

fn granted() -> impl Strategy<Value = Granted> {
    prop_oneof![2 => Just(Granted::All), 3 => (0..4_u8).prop_map(Granted::Api)]
}

fn new_key() -> impl Strategy<Value = NewKey> {
    let expires = prop::option::weighted(0.2, 1..9_000_u32);
    let brought = prop::option::weighted(0.2, any::<u8>());
    let parts = (any::<u8>(), 0..4_usize, access(), granted(), expires, brought);
    parts.prop_map(|(name, member, access, apis, expires, brought)| NewKey {
        name,
        member,
        access,
        apis,
        expires,
        brought,
    })
}

fn key_edit() -> impl Strategy<Value = KeyEdit> {
    let expires = prop::option::of(prop::option::of(1..9_000_u32));
    let ips = prop::option::of(prop::option::of(any::<u8>()));
    let parts = (prop::option::of(any::<u8>()), prop::option::of(access()), prop::option::of(granted()), expires, ips);
    parts.prop_map(|(name, access, apis, expires, ips)| KeyEdit { name, access, apis, expires, ips })
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
        1 => Just(WorkspaceOp::Delete),
    ]
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
        8 => (any::<usize>(), workspace_op()).prop_map(|(at, op)| Op::Workspace(at, op)),
        35 => (any::<usize>(), new_key()).prop_map(|(at, new)| Op::CreateKey(at, new)),
        100 => (any::<usize>(), key_op()).prop_map(|(at, op)| Op::Key(at, op)),
        8 => bulk(),
        3 => (0..4_u8, 0..5_u8).prop_map(|(api, path)| Op::PutApi { api, path }),
        1 => (0..4_u8).prop_map(|api| Op::DeleteApi { api }),
    ]
}
