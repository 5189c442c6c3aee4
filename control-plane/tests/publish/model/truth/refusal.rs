//! What the model refuses, and with which code.

use super::{Key, Second, State, Truth};
use crate::model::operation::{Filter, KeyOp, NewKey, Op, Selection, WorkspaceOp, brought};

/// In the last seconds of a rotation there is no going back.
const CANCEL_SECONDS: Second = 120;

impl Truth {
    /// Why the operation is refused now; nothing where it is not.
    pub(crate) fn refusal(&self, op: &Op) -> Option<&'static str> {
        match op {
            Op::CreateWorkspace { slug } => self.has_slug(*slug, None).then_some("slug_taken"),
            Op::Workspace(at, _) | Op::CreateKey(at, _) | Op::Bulk { workspace: at, .. }
                if self.workspaces[*at].deleted =>
            {
                Some("not_found")
            }
            Op::Workspace(at, WorkspaceOp::Slug(slug)) => self.has_slug(*slug, Some(*at)).then_some("slug_taken"),
            Op::Workspace(at, WorkspaceOp::Delete) => (!self.workspaces[*at].suspended).then_some("not_suspended"),
            Op::CreateKey(at, new) => self.refusal_of_new(*at, new),
            Op::Key(at, op) => self.refusal_of_key(&self.keys[*at], op),
            Op::Bulk { selection: Selection::Filter(filter), .. } => {
                let api_is_missing = filter.api.is_some_and(|api| !self.apis.contains_key(&api));
                (*filter == Filter::default() || api_is_missing).then_some("invalid")
            }
            Op::Workspace(..) | Op::Bulk { .. } => None,
            Op::PutApi { api, path } => {
                let is_taken = self.apis.iter().any(|(other, (_, taken))| other != api && taken == path);
                is_taken.then_some("route_conflict")
            }
            Op::DeleteApi { api } => (!self.apis.contains_key(api)).then_some("not_found"),
        }
    }

    fn refusal_of_new(&self, workspace: usize, new: &NewKey) -> Option<&'static str> {
        if let Err(code) = self.granted(new.apis) {
            return Some(code);
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
        if let KeyOp::Edit(edit) = op
            && let Some(Err(code)) = edit.apis.map(|apis| self.granted(apis))
        {
            return Some(code);
        }
        if key.state == State::Archived {
            return Some("key_archived");
        }
        let running = key.older.as_ref().filter(|older| self.now < older.until);
        match (op, running) {
            (KeyOp::Rotate(grace), Some(_)) if *grace > 0 => Some("rotation_active"),
            (KeyOp::Finish | KeyOp::Cancel | KeyOp::Extend(_) | KeyOp::Pause | KeyOp::Resume, None) => {
                Some("no_rotation")
            }
            (KeyOp::Cancel, Some(older)) if self.now + CANCEL_SECONDS >= older.until => Some("cancel_too_late"),
            (KeyOp::Edit(edit), _) => {
                let is_taken = edit.name.is_some_and(|name| self.has_name(key.workspace, name, Some(key.id)));
                is_taken.then_some("name_taken")
            }
            _ => None,
        }
    }
}
