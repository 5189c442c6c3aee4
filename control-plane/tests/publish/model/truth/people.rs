//! Members: who may have which keys, and what becomes of those they have.

use keyward_shared::id::MemberId;
use keyward_shared::policy::Access;

use super::{Key, State, Truth};
use crate::model::operation::{MemberOp, Role};

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) workspace: usize,
    pub(super) role: Role,
    /// Keys that name no member go to this one, who stays.
    pub(super) is_usual: bool,
    removed: bool,
}

impl Truth {
    pub(super) fn add_member(&mut self, id: MemberId, workspace: usize, role: Role, is_usual: bool) {
        self.members.push(Member { id, workspace, role, is_usual, removed: false });
    }

    pub(super) fn change_member(&mut self, at: usize, op: &MemberOp) {
        let (MemberOp::Become(_, given) | MemberOp::Remove(given)) = op;
        for (key, to) in given {
            self.keys[*key].member = *to;
        }
        let workspace = self.members[at].workspace;
        for number in 0..self.keys.len() {
            let key = &self.keys[number];
            let ends = key.member == at
                && match op {
                    MemberOp::Remove(_) => true,
                    // Who stays what they are keeps what they have.
                    MemberOp::Become(role, _) if *role == self.members[at].role => false,
                    MemberOp::Become(role, _) => key.is_living() && !self.may_have(workspace, *role, key.access),
                };
            if ends {
                self.keys[number].state = State::Deleted;
            }
        }
        match op {
            MemberOp::Become(role, _) => self.members[at].role = *role,
            MemberOp::Remove(_) => self.members[at].removed = true,
        }
    }

    pub(super) fn may_have(&self, workspace: usize, role: Role, access: Access) -> bool {
        match (role, access) {
            (Role::Lite, _) | (Role::ReadOnly, Access::ReadWrite) => false,
            (Role::Staff, Access::ReadWrite) => self.workspaces[workspace].staff_max == Access::ReadWrite,
            (Role::Owner | Role::Admin, Access::ReadWrite) | (_, Access::ReadOnly) => true,
        }
    }

    /// Whether the key's member may have it, and is of its workspace.
    pub(super) fn is_fitting(&self, key: &Key) -> bool {
        self.is_member(key.member, key.workspace)
            && self.may_have(key.workspace, self.members[key.member].role, key.access)
    }

    /// Whether a change gives somebody a key, or more of one: then it must be fitting.
    pub(super) fn gives_more(before: &Key, after: &Key) -> bool {
        let is_prolonged = match (before.expires, after.expires) {
            (Some(before), Some(after)) => before < after,
            (before, after) => before.is_some() && after.is_none(),
        };
        let is_raised = (before.access, after.access) == (Access::ReadOnly, Access::ReadWrite);
        before.member != after.member || is_raised || is_prolonged
    }

    pub(super) fn is_member(&self, at: usize, workspace: usize) -> bool {
        self.is_present(at) && self.members[at].workspace == workspace
    }

    pub(super) fn is_present(&self, at: usize) -> bool {
        let member = &self.members[at];
        !member.removed && !self.workspaces[member.workspace].deleted
    }

    /// Whether the workspace would have no owner without this one.
    pub(super) fn is_last_owner(&self, at: usize) -> bool {
        let is_owner = |at: usize| self.members[at].role == Role::Owner && !self.members[at].is_usual;
        is_owner(at)
            && !self.members_of(self.members[at].workspace).into_iter().any(|other| other != at && is_owner(other))
    }

    /// Places of the members of a workspace, the one that keys go to which name none among them.
    pub(crate) fn members_of(&self, workspace: usize) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.is_member(at, workspace)).collect()
    }

    /// Places of the members who can become something else.
    pub(crate) fn people(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.is_present(at) && !self.members[at].is_usual).collect()
    }

    /// Places of the keys that the member can give to others.
    pub(crate) fn keys_of(&self, member: usize) -> Vec<usize> {
        self.living().into_iter().filter(|&at| self.keys[at].member == member).collect()
    }
}
