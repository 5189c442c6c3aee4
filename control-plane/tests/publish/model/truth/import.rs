//! Lines of an import: each is judged as if those before it were written.

use keyward_shared::id::KeyId;
use keyward_shared::policy::Access;

use super::{Key, State, Truth};
use crate::model::operation::{ImportOutcome, Line, Named, ToldLine, brought};

impl Truth {
    pub(super) fn import(&mut self, lines: &[Line], told: &[ToldLine]) {
        assert_eq!(lines.len(), told.len(), "a line is not answered");
        for (line, told) in lines.iter().zip(told) {
            match (self.judged(line), told) {
                (Err(expected), Err(code)) => assert_eq!(*code, expected, "{line:?}"),
                (Ok((None, key)), Ok((id, ImportOutcome::Created))) => {
                    self.remember(key.secret);
                    self.keys.push(Key { id: *id, ..key });
                }
                (Ok((Some(at), key)), Ok((id, outcome))) => {
                    let is_same = key == self.keys[at];
                    let expected = if is_same { ImportOutcome::Unchanged } else { ImportOutcome::Updated };
                    assert_eq!((*id, *outcome), (key.id, expected), "{line:?}");
                    self.keys[at] = key;
                }
                (expected, told) => panic!("{line:?} came to {told:?} and not to {expected:?}"),
            }
        }
    }

    /// The workspace that a line names.
    pub(crate) fn named(&self, workspace: Named) -> Option<usize> {
        let mut open = self.open_workspaces().into_iter();
        open.find(|&at| match workspace {
            Named::Id(named) => at == named,
            Named::Slug(slug) => self.workspaces[at].slug == slug,
        })
    }

    /// Places of the keys that a line can be about.
    pub(crate) fn brought_once(&self) -> Vec<usize> {
        let can_be = |key: &Key| key.brought.is_some() && key.external.is_some();
        self.living().into_iter().filter(|&at| can_be(&self.keys[at])).collect()
    }

    /// What the line makes of the key that is there, or that there is not; or why it does not.
    fn judged(&self, line: &Line) -> Result<(Option<usize>, Key), &'static str> {
        let workspace = self.named(line.workspace).ok_or("invalid")?;
        let is_called = |key: &Key| key.workspace == workspace && key.external == Some(line.external);
        let called: Vec<usize> = (0..self.keys.len()).filter(|&at| is_called(&self.keys[at])).collect();
        let living: Vec<usize> = called.iter().copied().filter(|&at| self.keys[at].is_living()).collect();
        match living[..] {
            [] if called.iter().any(|&at| self.keys[at].state == State::Archived) => Err("key_archived"),
            [] => Ok((None, self.created_by(line, workspace)?)),
            [at] => Ok((Some(at), self.updated_by(line, &self.keys[at])?)),
            _ => Err("ambiguous"),
        }
    }

    fn created_by(&self, line: &Line, workspace: usize) -> Result<Key, &'static str> {
        let blank = Key {
            // Not told yet.
            id: KeyId::from_u64(0),
            workspace,
            member: self.workspaces[workspace].usual,
            name: 0,
            access: Access::ReadOnly,
            apis: None,
            ips: None,
            expires: None,
            made: self.now,
            state: if line.disabled == Some(true) { State::Disabled } else { State::Active },
            secret: brought(line.secret),
            older: None,
            brought: Some(line.secret),
            external: Some(line.external),
        };
        let key = self.edited(&blank, &line.says)?;
        if !self.is_fitting(&key) {
            return Err("invalid");
        }
        if self.has_name(workspace, key.name, None) {
            return Err("name_taken");
        }
        if self.secrets.contains(&key.secret) { Err("secret_exists") } else { Ok(key) }
    }

    fn updated_by(&self, line: &Line, before: &Key) -> Result<Key, &'static str> {
        let secret = brought(line.secret);
        if before.secret != secret && before.running(self.now).is_none_or(|older| older.secret != secret) {
            return Err("secret_differs");
        }
        let state = match line.disabled {
            None => before.state,
            Some(true) => State::Disabled,
            Some(false) => State::Active,
        };
        let after = Key { state, ..self.edited(before, &line.says)? };
        let is_started = (before.state, after.state) == (State::Disabled, State::Active);
        if (is_started || Self::gives_more(before, &after)) && !self.is_fitting(&after) {
            return Err("invalid");
        }
        let is_renamed = after.name != before.name;
        if is_renamed && self.has_name(after.workspace, after.name, None) { Err("name_taken") } else { Ok(after) }
    }
}
