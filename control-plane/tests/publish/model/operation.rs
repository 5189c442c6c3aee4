//! What can be done, and the words that stand for its numbers.
//!
//! One more operation is a variant of [`Op`], a line in [`super::random::ops`], an arm in
//! [`super::perform::perform`], and an arm each in the model's `refusal` and `apply`. Where it is done
//! is in [`super::place`].

use std::collections::BTreeSet;

use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;

pub(crate) use keyward_control_plane::domain::import::ImportOutcome;
pub(crate) use keyward_control_plane::domain::member::Role;
pub(crate) use keyward_control_plane::lifecycle::BulkAction;

use crate::house::fingerprint;

/// One operation. Numbers stand for workspaces, members and keys by their place in the model, and for
/// names, slugs, paths and secrets of a small choice, so that they meet.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    CreateWorkspace { slug: u8 },
    Workspace(usize, WorkspaceOp),
    CreateMember { workspace: usize, role: Role },
    Member(usize, MemberOp),
    CreateKey(usize, NewKey),
    Key(usize, KeyOp),
    Bulk { workspace: usize, selection: Selection, action: BulkAction },
    Import(Vec<Line>),
    PutApi { api: u8, path: u8 },
    DeleteApi { api: u8 },
}

#[derive(Debug, Clone)]
pub(crate) enum WorkspaceOp {
    Suspend,
    Activate,
    Slug(u8),
    Reveal {
        sealed: bool,
    },
    /// The most that a key of a staff member may do.
    StaffMax(Access),
    Delete,
}

#[derive(Debug, Clone)]
pub(crate) enum MemberOp {
    Become(Role, Given),
    Remove(Given),
}

/// Which of a member's keys go to whom first.
pub(crate) type Given = Vec<(usize, usize)>;

#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) name: u8,
    /// Nobody is the workspace's default member.
    pub(crate) member: Option<usize>,
    pub(crate) access: Access,
    pub(crate) apis: Granted,
    /// In how many seconds.
    pub(crate) expires: Option<u32>,
    /// A secret that is brought, by its digest.
    pub(crate) brought: Option<u16>,
    /// What another system calls it.
    pub(crate) external: Option<u16>,
}

#[derive(Debug, Clone)]
pub(crate) enum KeyOp {
    Rotate(u32),
    Finish,
    Cancel,
    Extend(u32),
    Pause,
    Resume,
    Disable,
    Enable,
    Archive,
    Delete,
    Edit(KeyEdit),
}

#[derive(Debug, Clone, Default)]
#[expect(clippy::option_option, reason = "left alone, cleared and set are three things")]
pub(crate) struct KeyEdit {
    pub(crate) name: Option<u8>,
    pub(crate) member: Option<usize>,
    pub(crate) access: Option<Access>,
    pub(crate) apis: Option<Granted>,
    /// In how many seconds; some of them are over.
    pub(crate) expires: Option<Option<i32>>,
    pub(crate) ips: Option<Option<u8>>,
}

/// A line of an import.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Of the keys that can be brought again, the one it is to be about.
    pub(crate) about: Option<usize>,
    pub(crate) workspace: Named,
    pub(crate) external: u16,
    pub(crate) secret: u16,
    /// The secret itself, not its digest.
    pub(crate) is_clear: bool,
    /// Name, access and APIs are always said.
    pub(crate) says: KeyEdit,
    pub(crate) disabled: Option<bool>,
}

/// How a line names a workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    Id(usize),
    Slug(u8),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Granted {
    All,
    Api(u8),
}

#[derive(Debug, Clone)]
pub(crate) enum Selection {
    Ids(Vec<usize>),
    Filter(Filter),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) status: Option<Status>,
    pub(crate) access: Option<Access>,
    pub(crate) api: Option<u8>,
    /// For how many seconds.
    pub(crate) unused_for: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Disabled,
    Expired,
}

/// What only the system could know of what it did.
#[derive(Debug)]
pub(crate) enum Told {
    Nothing,
    /// With the member that keys go to which name none.
    Workspace(WorkspaceId, MemberId),
    Member(MemberId),
    Key {
        id: KeyId,
        member: MemberId,
        secret: Fingerprint,
    },
    Secret(Fingerprint),
    Changed(BTreeSet<KeyId>),
    Imported(Vec<ToldLine>),
    Api(u16),
}

/// What a line came to, or the code of its refusal.
pub(crate) type ToldLine = Result<(KeyId, ImportOutcome), &'static str>;

pub(crate) fn slug(number: u8) -> String {
    format!("slug-{number}")
}

pub(crate) fn path_prefix(number: u8) -> String {
    format!("/path/{number}")
}

pub(crate) fn range(number: u8) -> String {
    format!("10.0.{number}.0/24")
}

/// A secret that is brought.
pub(crate) fn secret(number: u16) -> ApiKey {
    ApiKey::parse(&format!("brought-secret-{number:020}")).expect("a secret")
}

pub(crate) fn brought(number: u16) -> Fingerprint {
    fingerprint(&secret(number))
}

pub(crate) fn api_name(number: u8) -> String {
    format!("api-{number}")
}

pub(crate) fn key_name(number: u8) -> String {
    format!("key {number}")
}
