//! What can be done, and the words that stand for its numbers.
//!
//! One more operation is a variant of [`Op`], a line in [`super::random::ops`], an arm in
//! [`super::perform::perform`], and an arm each in the model's `refusal` and `apply`.

use std::collections::BTreeSet;

use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;

pub(crate) use keyward_control_plane::lifecycle::BulkAction;

use super::truth::Truth;

/// One operation. Numbers stand for workspaces and keys by their place in the model, and for names,
/// slugs, paths and digests of a small choice, so that they meet.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    CreateWorkspace { slug: u8 },
    Workspace(usize, WorkspaceOp),
    CreateKey(usize, NewKey),
    Key(usize, KeyOp),
    Bulk { workspace: usize, selection: Selection, action: BulkAction },
    PutApi { api: u8, path: u8 },
    DeleteApi { api: u8 },
}

#[derive(Debug, Clone)]
pub(crate) enum WorkspaceOp {
    Suspend,
    Activate,
    Slug(u8),
    Reveal { sealed: bool },
    Delete,
}

#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) name: u8,
    /// The workspace's default member, or one of the others.
    pub(crate) member: usize,
    pub(crate) access: Access,
    pub(crate) apis: Granted,
    /// In how many seconds.
    pub(crate) expires: Option<u32>,
    /// A digest that is brought.
    pub(crate) brought: Option<u8>,
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

#[derive(Debug, Clone)]
#[expect(clippy::option_option, reason = "left alone, cleared and set are three things")]
pub(crate) struct KeyEdit {
    pub(crate) name: Option<u8>,
    pub(crate) access: Option<Access>,
    pub(crate) apis: Option<Granted>,
    pub(crate) expires: Option<Option<u32>>,
    pub(crate) ips: Option<Option<u8>>,
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
    Workspace(WorkspaceId),
    Key { id: KeyId, member: MemberId, secret: Fingerprint },
    Secret(Fingerprint),
    Changed(BTreeSet<KeyId>),
    Api(u16),
}

pub(crate) fn slug(number: u8) -> String {
    format!("slug-{number}")
}

pub(crate) fn path_prefix(number: u8) -> String {
    format!("/path/{number}")
}

pub(crate) fn range(number: u8) -> String {
    format!("10.0.{number}.0/24")
}

/// The fingerprint of a digest that is brought.
pub(crate) fn brought(number: u8) -> Fingerprint {
    Pepper::new([1; 32]).fingerprint(&Digest::from_bytes([number; 32]))
}

pub(crate) fn api_name(number: u8) -> String {
    format!("api-{number}")
}

pub(crate) fn key_name(number: u8) -> String {
    format!("key {number}")
}

impl Op {
    /// The same with places that the model has: mostly of what it can be done to, sometimes of anything.
    pub(crate) fn placed(mut self, truth: &Truth) -> Self {
        let keys = truth.keys.len();
        match &mut self {
            Self::CreateWorkspace { .. } | Self::PutApi { .. } | Self::DeleteApi { .. } => {}
            Self::Bulk { workspace, selection: Selection::Ids(picks), .. } => {
                // Keys of one workspace, but for some.
                let mut living = truth.living();
                *workspace = truth.keys[one_of(&living, keys, *workspace)].workspace;
                living.retain(|&at| truth.keys[at].workspace == *workspace);
                let places: BTreeSet<usize> = picks.iter().map(|&pick| one_of(&living, keys, pick)).collect();
                *picks = places.into_iter().collect();
            }
            Self::Workspace(at, _) | Self::CreateKey(at, _) | Self::Bulk { workspace: at, .. } => {
                *at = one_of(&truth.open_workspaces(), truth.workspaces.len(), *at);
            }
            Self::Key(at, KeyOp::Finish | KeyOp::Cancel | KeyOp::Extend(_) | KeyOp::Pause | KeyOp::Resume) => {
                *at = one_of(&truth.rotating(), keys, *at);
            }
            Self::Key(at, _) => *at = one_of(&truth.living(), keys, *at),
        }
        self
    }
}

fn one_of(wanted: &[usize], all: usize, pick: usize) -> usize {
    match wanted.get(pick % wanted.len().max(1)) {
        Some(at) if !pick.is_multiple_of(11) => *at,
        _ => pick % all,
    }
}
