//! What is to go wrong, and when: rules that are looked through at each call. All that fit apply together.
//!
//! Knows no HTTP. Chance is drawn from a seed, so that a run can be had again.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// One way in which a call can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes so much longer.
    Delay(Duration),
    /// It is answered with this status and nothing else happens.
    Status(u16),
    /// The connection is closed without a word, and nothing happens.
    Away,
    /// Nobody answers until the script is changed, and nothing happens.
    Stall,
    /// Of a bulk write every so manyth pair, beginning with the first, is refused; the rest is written.
    RefuseSome(usize),
    /// A write is acknowledged and never done.
    Lose,
    /// It is done, and the connection is closed without a word.
    LoseAnswer,
    /// A reader hears of writes so late. For some keys only, it sees writes in another order than they came.
    ShowAfter(Duration),
    /// What a reader has read is cached near it, that there is nothing included, for as long as it asks to
    /// and this at most.
    CacheFor(Duration),
    /// A reader is shown what was there so many writes ago.
    Old(usize),
    /// A reader gets the first so many bytes, as if that were all.
    Cut(usize),
    /// A reader's connection breaks after so many bytes.
    Break(usize),
    /// A reader gets the value, and then more without end.
    Endless,
    /// A reader gets the value a byte at a time, so long apart.
    Drip(Duration),
    /// A reader gets the value with this bit the other way round, counted from its first and around.
    Flip(usize),
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Somebody who uses the REST API.
    Api,
    /// A Worker's binding: the reader's number.
    Reader(usize),
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Read,
    Write,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    Api,
    Readers,
    Reader(usize),
}

/// Which calls are meant.
#[derive(Clone, Debug)]
pub struct When {
    who: Who,
    does: Option<Does>,
    /// A key, or the beginning of keys with a star behind it.
    keys: String,
}

impl When {
    /// Any call.
    pub fn called() -> Self {
        Self { who: Who::Anybody, does: None, keys: "*".to_owned() }
    }

    /// A call to the REST API.
    pub fn api() -> Self {
        Self { who: Who::Api, ..Self::called() }
    }

    /// A write by the REST API, of one value or of many.
    pub fn written() -> Self {
        Self { does: Some(Does::Write), ..Self::api() }
    }

    /// A deletion by the REST API.
    pub fn deleted() -> Self {
        Self { does: Some(Does::Delete), ..Self::api() }
    }

    /// A read by any Worker.
    pub fn read() -> Self {
        Self { who: Who::Readers, does: Some(Does::Read), ..Self::called() }
    }

    /// A read by this Worker.
    pub fn read_by(reader: usize) -> Self {
        Self { who: Who::Reader(reader), ..Self::read() }
    }

    /// Only of this key, or of those with this beginning: `object-*`.
    #[must_use]
    pub fn of(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.keys);
        self
    }

    /// What then happens, always.
    pub fn then(self, fault: Fault) -> Rule {
        Rule { when: self, fault, often: Often::Always }
    }

    /// Whether a key is meant.
    fn has(&self, key: &str) -> bool {
        self.keys.strip_suffix('*').map_or(self.keys == key, |beginning| key.starts_with(beginning))
    }

    fn is(&self, side: Side, does: Does, keys: &[&str]) -> bool {
        let who = match (self.who, side) {
            (Who::Anybody, _) | (Who::Api, Side::Api) | (Who::Readers, Side::Reader(_)) => true,
            (Who::Reader(wanted), Side::Reader(reader)) => wanted == reader,
            _ => false,
        };
        who && self.does.is_none_or(|wanted| wanted == does) && keys.iter().any(|key| self.has(key))
    }
}

/// A fault, and when it happens.
#[derive(Clone, Debug)]
pub struct Rule {
    when: When,
    fault: Fault,
    often: Often,
}

#[derive(Clone, Copy, Debug)]
enum Often {
    Always,
    Times(usize),
    Every { nth: usize, seen: usize },
    Until(Instant),
    AtRandom(f64),
}

impl Rule {
    /// The first so many times.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { often: Often::Times(times), ..self }
    }

    /// Every so manyth time.
    #[must_use]
    pub fn every(self, nth: usize) -> Self {
        Self { often: Often::Every { nth: nth.max(1), seen: 0 }, ..self }
    }

    /// For so long from now on.
    #[must_use]
    pub fn during(self, time: Duration) -> Self {
        Self { often: Often::Until(Instant::now() + time), ..self }
    }

    /// By chance, in so many of a hundred cases.
    #[must_use]
    pub fn in_a_hundred(self, cases: u8) -> Self {
        Self { often: Often::AtRandom(f64::from(cases.min(100)) / 100.0), ..self }
    }
}

/// The rules that are in force.
#[derive(Debug)]
pub(super) struct Script {
    rules: Vec<Rule>,
    chance: StdRng,
}

impl Script {
    pub(super) fn new(rules: Vec<Rule>, seed: u64) -> Self {
        Self { rules, chance: StdRng::seed_from_u64(seed) }
    }

    /// What happens to a call of these keys.
    pub(super) fn treat(&mut self, side: Side, does: Does, keys: &[&str], now: Instant) -> Treatment {
        let mut treatment = Treatment::default();
        for rule in self.rules.iter_mut().filter(|rule| rule.when.is(side, does, keys)) {
            let happens = match &mut rule.often {
                Often::Always => true,
                Often::Times(left) => left.checked_sub(1).map(|fewer| *left = fewer).is_some(),
                Often::Every { nth, seen } => {
                    *seen += 1;
                    seen.is_multiple_of(*nth)
                }
                Often::Until(end) => now < *end,
                Often::AtRandom(share) => self.chance.random_bool(*share),
            };
            if happens {
                treatment.0.push((rule.when.clone(), rule.fault));
            }
        }
        treatment
    }
}

/// What happens to one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Treatment(Vec<(When, Fault)>);

impl Treatment {
    fn find<T>(&self, of: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        // The later rule wins.
        self.0.iter().rev().find_map(|(_, fault)| of(fault))
    }

    fn has(&self, wanted: Fault) -> bool {
        self.0.iter().any(|(_, fault)| *fault == wanted)
    }

    pub(super) fn delay(&self) -> Duration {
        self.0.iter().map(|(_, fault)| if let Fault::Delay(time) = fault { *time } else { Duration::ZERO }).sum()
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.find(|fault| if let Fault::Status(status) = fault { Some(*status) } else { None })
    }

    pub(super) fn is_away(&self) -> bool {
        self.has(Fault::Away)
    }

    pub(super) fn stalls(&self) -> bool {
        self.has(Fault::Stall)
    }

    pub(super) fn loses_its_answer(&self) -> bool {
        self.has(Fault::LoseAnswer)
    }

    pub(super) fn refuses_every(&self) -> Option<usize> {
        self.find(|fault| if let Fault::RefuseSome(nth) = fault { Some((*nth).max(1)) } else { None })
    }

    /// Whether the write of this key is acknowledged and not done.
    pub(super) fn loses(&self, key: &str) -> bool {
        self.0.iter().any(|(when, fault)| *fault == Fault::Lose && when.has(key))
    }

    pub(super) fn late(&self) -> Duration {
        self.find(|fault| if let Fault::ShowAfter(time) = fault { Some(*time) } else { None }).unwrap_or_default()
    }

    pub(super) fn older(&self) -> usize {
        self.find(|fault| if let Fault::Old(writes) = fault { Some(*writes) } else { None }).unwrap_or_default()
    }

    pub(super) fn cached_for(&self) -> Option<Duration> {
        self.find(|fault| if let Fault::CacheFor(time) = fault { Some(*time) } else { None })
    }

    pub(super) fn breaks_after(&self) -> Option<usize> {
        self.find(|fault| if let Fault::Break(bytes) = fault { Some(*bytes) } else { None })
    }

    /// The value as it arrives.
    pub(super) fn is_endless(&self) -> bool {
        self.has(Fault::Endless)
    }

    pub(super) fn drips(&self) -> Option<Duration> {
        self.find(|fault| if let Fault::Drip(between) = fault { Some(*between) } else { None })
    }

    pub(super) fn spoil(&self, value: &mut Vec<u8>) {
        for (_, fault) in &self.0 {
            match fault {
                Fault::Cut(bytes) => value.truncate(*bytes),
                Fault::Flip(bit) if !value.is_empty() => {
                    let bit = bit % (value.len() * 8);
                    value[bit / 8] ^= 0x80 >> (bit % 8);
                }
                _ => {}
            }
        }
    }
}
