//! Keys: how they are made, changed, and found.

use std::collections::BTreeSet;

use keyward_shared::id::KeyId;

use super::{Key, Older, Second, State, Truth};
use crate::model::operation::{BulkAction, Filter, Granted, KeyEdit, KeyOp, NewKey, Selection, Status, Told};

impl Key {
    pub(super) fn is_living(&self) -> bool {
        matches!(self.state, State::Active | State::Disabled)
    }

    /// The older secret of a rotation that runs.
    pub(super) fn running(&self, now: Second) -> Option<&Older> {
        self.older.as_ref().filter(|older| now < older.until)
    }
}

impl Truth {
    pub(super) fn create_key(&mut self, workspace: usize, new: &NewKey, told: &Told) {
        let Told::Key { id, member: holder, secret } = told else { panic!("{new:?} answered {told:?}") };
        let member = new.member.unwrap_or(self.workspaces[workspace].usual);
        assert_eq!(*holder, self.members[member].id, "the key is somebody else's");
        self.remember(*secret);
        let key = Key {
            id: *id,
            workspace,
            member,
            name: new.name,
            access: new.access,
            apis: self.granted(new.apis).expect("not refused"),
            ips: None,
            expires: new.expires.map(|after| self.now + after),
            made: self.now,
            state: State::Active,
            secret: *secret,
            older: None,
            brought: new.brought,
            external: new.external,
        };
        self.keys.push(key);
    }

    pub(super) fn change_key(&mut self, at: usize, op: &KeyOp, told: &Told) {
        let now = self.now;
        if let (KeyOp::Rotate(_), Told::Secret(secret)) = (op, told) {
            self.remember(*secret);
        }
        if let KeyOp::Edit(edit) = op {
            self.keys[at] = self.edited(&self.keys[at], edit).expect("not refused");
            return;
        }
        let key = &mut self.keys[at];
        match (op, told) {
            (KeyOp::Rotate(0), Told::Secret(new)) => (key.secret, key.older) = (*new, None),
            (KeyOp::Rotate(grace), Told::Secret(new)) => {
                key.older = Some(Older { secret: key.secret, until: now + grace, paused: false });
                key.secret = *new;
            }
            (KeyOp::Finish, _) => key.older = None,
            (KeyOp::Cancel, _) => key.secret = key.older.take().expect("a rotation").secret,
            (KeyOp::Extend(grace), _) => key.older.as_mut().expect("a rotation").until = now + grace,
            (KeyOp::Pause, _) => key.older.as_mut().expect("a rotation").paused = true,
            (KeyOp::Resume, _) => key.older.as_mut().expect("a rotation").paused = false,
            (KeyOp::Disable, _) => key.state = State::Disabled,
            (KeyOp::Enable, _) => key.state = State::Active,
            (KeyOp::Archive, _) => key.state = State::Archived,
            (KeyOp::Delete, _) => key.state = State::Deleted,
            (op, told) => panic!("{op:?} answered {told:?}"),
        }
    }

    /// The key with what is named in `edit`, whoever may have it.
    pub(super) fn edited(&self, key: &Key, edit: &KeyEdit) -> Result<Key, &'static str> {
        Ok(Key {
            name: edit.name.unwrap_or(key.name),
            member: edit.member.unwrap_or(key.member),
            access: edit.access.unwrap_or(key.access),
            apis: edit.apis.map_or(Ok(key.apis), |apis| self.granted(apis))?,
            ips: edit.ips.unwrap_or(key.ips),
            expires: edit.expires.map_or(key.expires, |after| after.map(|after| self.now.saturating_add_signed(after))),
            ..key.clone()
        })
    }

    pub(super) fn change_keys(&mut self, workspace: usize, selection: &Selection, action: BulkAction, told: &Told) {
        let Told::Changed(changed) = told else { panic!("{action:?} answered {told:?}") };
        let expected = self.changed_by(workspace, selection, action);
        let ids: BTreeSet<KeyId> = expected.iter().map(|&at| self.keys[at].id).collect();
        assert_eq!(*changed, ids, "{action:?} of {selection:?}");
        for at in expected {
            self.keys[at].state = match action {
                BulkAction::Disable => State::Disabled,
                BulkAction::Enable => State::Active,
                BulkAction::Delete => State::Deleted,
            };
        }
    }

    /// The keys that a bulk change changes.
    fn changed_by(&self, workspace: usize, selection: &Selection, action: BulkAction) -> Vec<usize> {
        let is_meant = |at: usize, key: &Key| match selection {
            Selection::Ids(keys) => keys.contains(&at),
            Selection::Filter(filter) => self.is_found(key, filter),
        };
        let changes = |key: &Key| match (action, key.state) {
            (_, State::Deleted) => false,
            (BulkAction::Disable, state) => state == State::Active,
            (BulkAction::Enable, state) => state == State::Disabled && self.is_fitting(key),
            (BulkAction::Delete, _) => true,
        };
        let keys = self.keys.iter().enumerate();
        keys.filter(|(at, key)| key.workspace == workspace && is_meant(*at, key) && changes(key))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether the workspace's list has the key under this filter.
    fn is_found(&self, key: &Key, filter: &Filter) -> bool {
        let is_expired = key.expires.is_some_and(|expires| self.now >= expires);
        let state = match (key.state, is_expired) {
            (State::Active, false) => Status::Active,
            (State::Active, true) => Status::Expired,
            (State::Disabled, _) => Status::Disabled,
            (State::Archived | State::Deleted, _) => return false,
        };
        filter.status.is_none_or(|status| status == state)
            && filter.access.is_none_or(|access| access == key.access)
            && filter.unused_for.is_none_or(|seconds| key.made + seconds < self.now)
            && filter
                .api
                .is_none_or(|api| key.apis.is_none_or(|number| self.granted(Granted::Api(api)) == Ok(Some(number))))
    }

    /// The number that is granted, or nothing for all.
    pub(super) fn granted(&self, granted: Granted) -> Result<Option<u16>, &'static str> {
        match granted {
            Granted::All => Ok(None),
            Granted::Api(api) => self.apis.get(&api).map(|(number, _)| Some(*number)).ok_or("invalid"),
        }
    }

    /// In words what the key is granted; nothing where its API is gone.
    pub(crate) fn grant(&self, key: &Key) -> Option<Granted> {
        let Some(granted) = key.apis else { return Some(Granted::All) };
        let mut apis = self.apis.iter();
        apis.find(|(_, (number, _))| *number == granted).map(|(api, _)| Granted::Api(*api))
    }

    pub(super) fn has_name(&self, workspace: usize, name: u8, except: Option<KeyId>) -> bool {
        let has =
            |key: &Key| key.is_living() && key.workspace == workspace && key.name == name && Some(key.id) != except;
        self.keys.iter().any(has)
    }
}
