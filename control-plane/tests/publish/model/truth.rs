//! The model: what a person who reads the contract would write down of workspaces, members, keys and APIs,
//! and what an edge must know of each secret by that. It asks nothing of the code that it is compared with.

mod import;
mod keys;
mod people;
mod published;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;
pub(crate) use people::Member;
pub(crate) use published::Known;

use super::operation::{Op, Role, Told, WorkspaceOp};

/// A second of the Unix epoch.
type Second = u32;

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    /// The member that keys go to which name none.
    usual: usize,
    slug: u8,
    staff_max: Access,
    suspended: bool,
    deleted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Disabled,
    Archived,
    Deleted,
}

#[derive(Debug, Clone, PartialEq)]
struct Older {
    secret: Fingerprint,
    until: Second,
    paused: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) workspace: usize,
    member: usize,
    pub(crate) name: u8,
    pub(crate) access: Access,
    /// Numbers of APIs; nothing stands for all.
    apis: Option<u16>,
    ips: Option<u8>,
    expires: Option<Second>,
    made: Second,
    state: State,
    secret: Fingerprint,
    older: Option<Older>,
    /// The number of its first secret, if that was brought.
    pub(crate) brought: Option<u16>,
    /// What another system calls it.
    pub(crate) external: Option<u16>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) workspaces: Vec<Workspace>,
    pub(crate) members: Vec<Member>,
    pub(crate) keys: Vec<Key>,
    /// Number and path of each API, by its own number of the model.
    apis: BTreeMap<u8, (u16, u8)>,
    numbers: BTreeSet<u16>,
    /// Every secret that was ever accepted.
    secrets: BTreeSet<Fingerprint>,
    pub(crate) now: Second,
}

impl Truth {
    /// Of a deployment with nothing in it.
    pub(crate) fn at(now: Second) -> Self {
        Self { now, ..Self::default() }
    }

    /// Writes down what was done; `told` is what only the system could know.
    pub(crate) fn apply(&mut self, op: &Op, told: &Told) {
        match (op, told) {
            (Op::CreateWorkspace { slug }, Told::Workspace(id, usual)) => self.add_workspace(*id, *slug, *usual),
            (Op::Workspace(at, op), Told::Nothing) => self.change_workspace(*at, op),
            (Op::CreateMember { workspace, role }, Told::Member(id)) => self.add_member(*id, *workspace, *role, false),
            (Op::Member(at, op), Told::Nothing) => self.change_member(*at, op),
            (Op::CreateKey(at, new), told) => self.create_key(*at, new, told),
            (Op::Key(at, op), told) => self.change_key(*at, op, told),
            (Op::Bulk { workspace, selection, action }, told) => {
                self.change_keys(*workspace, selection, *action, told);
            }
            (Op::Import(lines), Told::Imported(told)) => self.import(lines, told),
            (Op::PutApi { api, path }, Told::Api(number)) => {
                if let Some((known, _)) = self.apis.insert(*api, (*number, *path)) {
                    assert_eq!(known, *number, "an API keeps its number");
                } else {
                    assert!(self.numbers.insert(*number), "the number {number} was given before");
                }
            }
            (Op::DeleteApi { api }, Told::Nothing) => {
                self.apis.remove(api);
            }
            (op, told) => panic!("{op:?} answered {told:?}"),
        }
    }

    fn add_workspace(&mut self, id: WorkspaceId, slug: u8, usual: MemberId) {
        let at = self.workspaces.len();
        let (usual_at, staff_max) = (self.members.len(), Access::ReadWrite);
        self.workspaces.push(Workspace { id, usual: usual_at, slug, staff_max, suspended: false, deleted: false });
        self.add_member(usual, at, Role::Owner, true);
    }

    fn change_workspace(&mut self, at: usize, op: &WorkspaceOp) {
        let workspace = &mut self.workspaces[at];
        match op {
            WorkspaceOp::Suspend => workspace.suspended = true,
            WorkspaceOp::Activate => workspace.suspended = false,
            WorkspaceOp::Slug(slug) => workspace.slug = *slug,
            // What is kept of a secret is nothing to an edge.
            WorkspaceOp::Reveal { .. } => {}
            // What is there already goes on.
            WorkspaceOp::StaffMax(access) => workspace.staff_max = *access,
            WorkspaceOp::Delete => {
                workspace.deleted = true;
                for key in self.keys.iter_mut().filter(|key| key.workspace == at) {
                    key.state = State::Deleted;
                }
            }
        }
    }

    /// Places of the keys that can still be changed.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.keys.len()).filter(|&at| self.keys[at].is_living()).collect()
    }

    /// Places of the keys with an older secret that is still good.
    pub(crate) fn rotating(&self) -> Vec<usize> {
        let is_running = |at: &usize| self.keys[*at].running(self.now).is_some();
        self.living().into_iter().filter(is_running).collect()
    }

    /// Places of the workspaces that are not deleted.
    pub(crate) fn open_workspaces(&self) -> Vec<usize> {
        (0..self.workspaces.len()).filter(|&at| !self.workspaces[at].deleted).collect()
    }

    fn remember(&mut self, secret: Fingerprint) {
        assert!(self.secrets.insert(secret), "a secret was accepted twice");
    }

    fn has_slug(&self, slug: u8, except: Option<usize>) -> bool {
        let mut workspaces = self.workspaces.iter().enumerate();
        workspaces.any(|(at, workspace)| !workspace.deleted && workspace.slug == slug && Some(at) != except)
    }
}
