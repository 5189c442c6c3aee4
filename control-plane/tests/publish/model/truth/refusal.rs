//! What the model refuses, and with which code.

use super::{Key, Second, State, Truth};
use crate::model::operation::{Filter, Given, KeyEdit, KeyOp, MemberOp, NewKey, Op, Selection, WorkspaceOp, brought};

/// In the last seconds of a rotation there is no going back.
const CANCEL_SECONDS: Second = 120;

impl Truth {
    /// Why the operation is refused now; nothing where it is not.
    pub(crate) fn refusal(&self, op: &Op) -> Option<&'static str> {
        match op {
            Op::CreateWorkspace { slug } => self.has_slug(*slug, None).then_some("slug_taken"),
            Op::Workspace(at, _)
            | Op::CreateMember { workspace: at, .. }
            | Op::CreateKey(at, _)
            | Op::Bulk { workspace: at, .. }
                if self.workspaces[*at].deleted =>
            {
                Some("not_found")
            }
            Op::Workspace(at, WorkspaceOp::Slug(slug)) => self.has_slug(*slug, Some(*at)).then_some("slug_taken"),
            Op::Workspace(at, WorkspaceOp::Delete) => (!self.workspaces[*at].suspended).then_some("not_suspended"),
            Op::Member(at, op) => self.refusal_of_member(*at, op),
            Op::CreateKey(at, new) => self.refusal_of_new(*at, new),
            Op::Key(at, op) => self.refusal_of_key(&self.keys[*at], op),
            Op::Bulk { selection: Selection::Filter(filter), .. } => {
                let api_is_missing = filter.api.is_some_and(|api| !self.apis.contains_key(&api));
                (*filter == Filter::default() || api_is_missing).then_some("invalid")
            }
            // Each line of an import is refused by itself.
            Op::Workspace(..) | Op::CreateMember { .. } | Op::Bulk { .. } | Op::Import(_) => None,
            Op::PutApi { api, path } => {
                let is_taken = self.apis.iter().any(|(other, (_, taken))| other != api && taken == path);
                is_taken.then_some("route_conflict")
            }
            Op::DeleteApi { api } => (!self.apis.contains_key(api)).then_some("not_found"),
        }
    }

    fn refusal_of_member(&self, at: usize, op: &MemberOp) -> Option<&'static str> {
        if !self.is_present(at) {
            return Some("not_found");
        }
        let member = &self.members[at];
        let (changes, given) = match op {
            MemberOp::Become(role, given) => (*role != member.role, given),
            MemberOp::Remove(given) => (true, given),
        };
        if changes && member.is_usual {
            return Some("default_member");
        }
        if changes && self.is_last_owner(at) {
            return Some("last_owner");
        }
        self.refusal_of_given(at, given)
    }

    fn refusal_of_given(&self, from: usize, given: &Given) -> Option<&'static str> {
        given.iter().find_map(|&(at, to)| {
            let key = &self.keys[at];
            let is_theirs = key.state != State::Deleted && key.member == from;
            let after = Key { member: to, ..key.clone() };
            match key.state {
                _ if !is_theirs || to == from || !self.is_fitting(&after) => Some("invalid"),
                State::Archived => Some("key_archived"),
                _ => None,
            }
        })
    }

    fn refusal_of_new(&self, workspace: usize, new: &NewKey) -> Option<&'static str> {
        let member = new.member.unwrap_or(self.workspaces[workspace].usual);
        let is_fitting =
            self.is_member(member, workspace) && self.may_have(workspace, self.members[member].role, new.access);
        if self.granted(new.apis).is_err() || !is_fitting {
            return Some("invalid");
        }
        if self.has_name(workspace, new.name, None) {
            return Some("name_taken");
        }
        let is_known = new.brought.is_some_and(|digest| self.secrets.contains(&brought(digest)));
        is_known.then_some("secret_exists")
    }

    fn refusal_of_key(&self, key: &Key, op: &KeyOp) -> Option<&'static str> {
        if key.state == State::Deleted {
            return Some("not_found");
        }
        if matches!(op, KeyOp::Delete) {
            return None;
        }
        let starts = matches!(op, KeyOp::Rotate(_) | KeyOp::Cancel | KeyOp::Extend(_) | KeyOp::Resume | KeyOp::Enable);
        if starts && !self.is_fitting(key) {
            return Some("above_member");
        }
        if let KeyOp::Edit(edit) = op {
            return self.refusal_of_edit(key, edit);
        }
        if key.state == State::Archived {
            return Some("key_archived");
        }
        match (op, key.running(self.now)) {
            (KeyOp::Rotate(grace), Some(_)) if *grace > 0 => Some("rotation_active"),
            (KeyOp::Finish | KeyOp::Cancel | KeyOp::Extend(_) | KeyOp::Pause | KeyOp::Resume, None) => {
                Some("no_rotation")
            }
            (KeyOp::Cancel, Some(older)) if self.now + CANCEL_SECONDS >= older.until => Some("cancel_too_late"),
            _ => None,
        }
    }

    fn refusal_of_edit(&self, key: &Key, edit: &KeyEdit) -> Option<&'static str> {
        let is_over = edit.expires.flatten().is_some_and(|after| after < 1);
        let Ok(after) = self.edited(key, edit) else { return Some("invalid") };
        if is_over {
            return Some("invalid");
        }
        if key.state == State::Archived {
            return Some("key_archived");
        }
        if Self::gives_more(key, &after) && !self.is_fitting(&after) {
            return Some("invalid");
        }
        let is_taken = after.name != key.name && self.has_name(key.workspace, after.name, None);
        is_taken.then_some("name_taken")
    }
}
