//! Random sequences of operations on a key, against a small model: a map from secrets to until when
//! and why not.

use std::collections::BTreeMap;

use keyward_shared::record::Slot;
use proptest::prelude::*;

use super::effect::touched;
use super::tests::{START, fingerprint, key, second, secret};
use super::transition::{Grace, KeyEdit, KeyRefusal};
use super::{Key, KeyStatus, Life};
use crate::domain::edit::Edit;
use crate::domain::time::{UnixMillis, UnixSeconds};

#[derive(Debug, Clone, Copy)]
enum Operation {
    Rotate { grace: u32 },
    Finish,
    Cancel,
    Extend { grace: u32 },
    Pause,
    Resume,
    Disable,
    Enable,
    Expire { after: Option<u32> },
    Archive,
    Delete,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..400_u32).prop_map(|grace| Operation::Rotate { grace }),
        1 => Just(Operation::Finish),
        2 => Just(Operation::Cancel),
        2 => (1..400_u32).prop_map(|grace| Operation::Extend { grace }),
        2 => Just(Operation::Pause),
        2 => Just(Operation::Resume),
        2 => Just(Operation::Disable),
        2 => Just(Operation::Enable),
        2 => proptest::option::of(1..400_u32).prop_map(|after| Operation::Expire { after }),
        1 => prop_oneof![9 => Just(Operation::Enable), 1 => Just(Operation::Archive)],
        1 => prop_oneof![19 => Just(Operation::Enable), 1 => Just(Operation::Delete)],
    ]
}

/// The model: what a person who reads the contract would write down.
#[derive(Debug, Clone, Default)]
struct Model {
    current: u8,
    /// The older secret, until which second, and whether it is paused.
    older: Option<(u8, u32, bool)>,
    disabled: bool,
    expires: Option<u32>,
    archived: bool,
    deleted: bool,
}

impl Model {
    /// Applies the operation at second `now`; says whether it is refused.
    fn apply(&mut self, operation: Operation, fresh: u8, now: u32) -> Result<(), ()> {
        if self.deleted {
            return Err(());
        }
        if let Operation::Delete = operation {
            self.deleted = true;
            return Ok(());
        }
        if self.archived {
            return Err(());
        }
        let running = self.older.filter(|older| now < older.1);
        match (operation, running) {
            (Operation::Rotate { grace: 0 }, _) => (self.current, self.older) = (fresh, None),
            (Operation::Rotate { grace }, None) => {
                self.older = Some((self.current, now + grace, false));
                self.current = fresh;
            }
            (Operation::Finish, Some(_)) => self.older = None,
            (Operation::Cancel, Some((old, until, _))) if until > now + 120 => {
                (self.current, self.older) = (old, None);
            }
            (Operation::Extend { grace }, Some((old, _, paused))) => {
                self.older = Some((old, now + grace, paused));
            }
            (Operation::Pause, Some((old, until, _))) => self.older = Some((old, until, true)),
            (Operation::Resume, Some((old, until, _))) => self.older = Some((old, until, false)),
            (Operation::Disable, _) => self.disabled = true,
            (Operation::Enable, _) => self.disabled = false,
            (Operation::Expire { after }, _) => self.expires = after.map(|after| now + after),
            (Operation::Archive, _) => self.archived = true,
            _ => return Err(()),
        }
        Ok(())
    }

    /// The secrets that pass at second `now`.
    fn accepted(&self, now: u32) -> Vec<u8> {
        if self.deleted || self.archived || self.disabled || self.expires.is_some_and(|expires| now >= expires) {
            return Vec::new();
        }
        let older = self.older.filter(|(_, until, paused)| now < *until && !paused).map(|older| older.0);
        let mut accepted: Vec<u8> = older.into_iter().chain([self.current]).collect();
        accepted.sort_unstable();
        accepted
    }
}

fn apply(key: Key, operation: Operation, fresh: u8, now: UnixMillis) -> Result<Key, KeyRefusal> {
    let ahead = |seconds| UnixSeconds::floor(now.plus_seconds(seconds)).expect("a deadline");
    match operation {
        Operation::Rotate { grace: 0 } => key.rotate(secret(fresh, now), Grace::None, now),
        Operation::Rotate { grace } => key.rotate(secret(fresh, now), Grace::Until(ahead(grace)), now),
        Operation::Finish => key.finish_rotation(now),
        Operation::Cancel => key.cancel_rotation(now),
        Operation::Extend { grace } => key.extend_rotation(ahead(grace), now),
        Operation::Pause => key.pause_rotation(now),
        Operation::Resume => key.resume_rotation(now),
        Operation::Disable => key.disable(now),
        Operation::Enable => key.enable(now),
        Operation::Expire { after } => {
            let expires_at = after.map_or(Edit::Clear, |after| Edit::Set(ahead(after)));
            key.edit(KeyEdit { expires_at, ..KeyEdit::default() }, now)
        }
        Operation::Archive => key.archive(now),
        Operation::Delete => key.delete(now),
    }
}

/// The secrets that an edge with the key's records lets pass.
fn accepted(key: &Key, now: UnixMillis) -> Vec<u8> {
    let millis = now.as_millis().cast_unsigned();
    let passes =
        |effect: &super::effect::Effect<'_>| !effect.disabled && !effect.paused && effect.deadline.holds_at(millis);
    let mut accepted: Vec<u8> = key.effects().filter(passes).map(|effect| effect.fingerprint.as_bytes()[0]).collect();
    accepted.sort_unstable();
    accepted
}

/// What an edge knows when it is told of touched secrets only.
type Told = BTreeMap<u8, (Slot, u32, bool)>;

fn tell(told: &mut Told, before: &Key, after: &Key) {
    for touch in touched(Some(before), after) {
        let number = touch.fingerprint.as_bytes()[0];
        let record = after.effects().find(|effect| effect.fingerprint == touch.fingerprint);
        match record {
            Some(effect) => {
                told.insert(number, (effect.slot, effect.deadline.to_u32(), effect.disabled || effect.paused))
            }
            None => told.remove(&number),
        };
    }
}

fn known(key: &Key) -> Told {
    key.effects()
        .map(|effect| {
            let flagged = effect.disabled || effect.paused;
            (effect.fingerprint.as_bytes()[0], (effect.slot, effect.deadline.to_u32(), flagged))
        })
        .collect()
}

proptest! {
    #[test]
    fn a_key_does_what_the_model_does(steps in proptest::collection::vec((operation(), 0..200_u32), 1..60)) {
        let mut key = key();
        let mut model = Model { current: 1, ..Model::default() };
        let mut told = known(&key);
        let mut seconds = second(u32::try_from(START.as_millis() / 1000).expect("in range")).as_seconds();
        for (step, (operation, passed)) in steps.into_iter().enumerate() {
            seconds += passed;
            let now = second(seconds).instant();
            let fresh = u8::try_from(step + 2).expect("few steps");
            let expected = model.apply(operation, fresh, seconds);
            let before = key.clone();
            match apply(key.clone(), operation, fresh, now) {
                Ok(after) => {
                    prop_assert!(expected.is_ok(), "{operation:?} should be refused");
                    tell(&mut told, &before, &after);
                    key = after;
                }
                Err(refusal) => prop_assert!(expected.is_err(), "{operation:?} refused: {refusal}"),
            }
            prop_assert_eq!(&told, &known(&key), "touched secrets tell the whole story");
            for later in [0, 1, 119, 120, 300, 1_000] {
                let then = second(seconds + later);
                prop_assert_eq!(accepted(&key, then.instant()), model.accepted(seconds + later));
            }
            let archived = matches!(key.life, Life::Archived { .. } | Life::Deleted { .. });
            prop_assert_eq!(archived, key.status(now) == KeyStatus::Archived);
        }
    }

    /// A step that is not called narrowing never turns an allow into a refusal.
    #[test]
    fn what_is_not_narrowing_refuses_nothing_more(
        steps in proptest::collection::vec((operation(), 0..200_u32), 1..60),
    ) {
        let mut key = key();
        let mut seconds = 10_000;
        for (step, (operation, passed)) in steps.into_iter().enumerate() {
            seconds += passed;
            let now = second(seconds).instant();
            let fresh = u8::try_from(step + 2).expect("few steps");
            let Ok(after) = apply(key.clone(), operation, fresh, now) else { continue };
            let narrowed: Vec<_> =
                touched(Some(&key), &after).iter().filter(|touch| touch.narrowing).map(|touch| touch.fingerprint).collect();
            for later in [0, 1, 120, 1_000] {
                let then = second(seconds + later).instant();
                for lost in accepted(&key, then).iter().filter(|number| !accepted(&after, then).contains(number)) {
                    prop_assert!(narrowed.contains(&fingerprint(*lost)), "{operation:?} narrowed {lost}");
                }
            }
            key = after;
        }
    }
}
