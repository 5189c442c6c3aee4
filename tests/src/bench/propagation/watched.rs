//! Keys that are asked for while they are changed: when each change was known, and whether any answer was wrong.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::line::Question;
use crate::stack::{Admin, NewKey};

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Disable,
    Enable,
    /// It does not exist before.
    Create,
}

impl Verb {
    const fn before(self) -> u16 {
        if matches!(self, Self::Disable) { 200 } else { 401 }
    }

    const fn after(self) -> u16 {
        if matches!(self, Self::Disable) { 401 } else { 200 }
    }
}

/// A key that is asked for while it is changed.
pub(super) struct Watched {
    verb: Verb,
    key: NewKey,
    question: Question,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    sent: Option<Instant>,
    acknowledged: Option<Instant>,
    /// When the first answer by the change came.
    known: Option<Instant>,
    wrong: u64,
}

impl Watched {
    /// A key as it is before its change: of three, one is to be disabled, one to be enabled, and one is not there.
    pub(super) fn prepare(admin: &Admin, workspace: &str, number: usize) -> Result<Self> {
        let verb = [Verb::Disable, Verb::Enable, Verb::Create][number % 3];
        let key = if verb == Verb::Create {
            let secret = format!("a-secret-that-is-brought-{number:012}");
            NewKey { workspace: workspace.to_owned(), id: String::new(), secret, generation: 0 }
        } else {
            admin.key_in(workspace, "watched", json!({}))?
        };
        if verb == Verb::Enable {
            admin.act(&key, "disable", &json!({}))?;
        }
        Ok(Self::new(verb, key))
    }

    fn new(verb: Verb, key: NewKey) -> Self {
        Self { verb, question: Question::of(&key.secret), key, state: Mutex::default() }
    }

    /// What asks for it.
    pub(super) const fn question(&self) -> &Question {
        &self.question
    }

    /// What it is answered before its change.
    pub(super) const fn before(&self) -> u16 {
        self.verb.before()
    }

    /// Makes its change.
    pub(super) fn change(&self, admin: &Admin) -> Result<()> {
        self.state(|state| state.sent = Some(Instant::now()));
        match self.verb {
            Verb::Disable => drop(admin.act(&self.key, "disable", &json!({}))?),
            Verb::Enable => drop(admin.act(&self.key, "enable", &json!({}))?),
            Verb::Create => drop(admin.bring(&self.key.workspace, "watched", &self.key.secret)?),
        }
        self.state(|state| state.acknowledged = Some(Instant::now()));
        Ok(())
    }

    /// Notes an answer to what was asked then. Before the change is sent, and to all that is asked after it was
    /// known once, there is one right answer.
    pub(super) fn answered(&self, status: u16, asked: Instant) {
        let is_by_it = status == self.verb.after();
        self.state(|state| match state.known {
            None if is_by_it && state.sent.is_none() => state.wrong += 1,
            None if is_by_it => state.known = Some(Instant::now()),
            Some(known) if !is_by_it && asked > known => state.wrong += 1,
            _ => {}
        });
    }

    /// How long after its acknowledgement it was known.
    pub(super) fn took(&self) -> Option<Duration> {
        let state = self.state(|state| *state);
        Some(state.known?.saturating_duration_since(state.acknowledged?))
    }

    /// How many answers were wrong.
    pub(super) fn wrong(&self) -> u64 {
        self.state(|state| state.wrong)
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_before_a_change_and_after_it_was_known_is_counted() {
        let key = NewKey { workspace: String::new(), id: String::new(), secret: String::new(), generation: 0 };
        let watched = Watched::new(Verb::Disable, key);
        let wrong = |status, asked| {
            watched.answered(status, asked);
            watched.wrong()
        };
        let early = Instant::now();
        assert_eq!((wrong(200, early), wrong(401, early)), (0, 1), "refused before it was disabled");
        watched.state(|state| state.sent = Some(Instant::now()));
        assert_eq!(wrong(200, Instant::now()), 1, "not known yet");
        let asked = Instant::now();
        assert_eq!(wrong(401, asked), 1);
        assert_eq!(watched.took(), None, "known before it was acknowledged");
        watched.state(|state| state.acknowledged = Some(Instant::now()));
        assert_eq!(watched.took(), Some(Duration::ZERO));
        assert_eq!(wrong(200, asked), 1, "asked at the same time, by somebody else");
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!((wrong(200, Instant::now()), wrong(401, Instant::now())), (2, 2), "forgotten again");
    }

    #[test]
    fn whoever_is_let_in_only_after_its_change_is_refused_before() {
        for (verb, before, after) in [(Verb::Disable, 200, 401), (Verb::Enable, 401, 200), (Verb::Create, 401, 200)] {
            assert_eq!((verb.before(), verb.after()), (before, after), "{verb:?}");
        }
    }
}
