//! What an event is found by: facets, which stand for whole values, and the words within it.
//!
//! Both are made of an event as it is read, so that a log can be searched again from its events alone.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::invalid::{Fault, Invalid};

/// Words of one event, most.
const WORDS: usize = 200;
/// Bytes of a word; what is longer is found by its beginning.
const WORD_BYTES: usize = 64;
/// Words that are searched for at a time, most.
const WANTED: usize = 16;
/// Words among them of which only the beginning is given, most: all that begin so are gathered first, and
/// [`PLACES_OF_BEGINNINGS`](crate::domain::limits::PLACES_OF_BEGINNINGS) says how many there may be.
const PREFIXES: usize = 2;
/// Letters of a word of which only the beginning is given, least; behind what identifiers begin with as many.
const PREFIX_CHARS: usize = 3;
/// What identifiers begin with: to look for all words that begin so, or with a part of it, is to read the log.
const TOO_COMMON: [&str; 7] = ["key_", "mem_", "team_", "tok_", "ws_", "req_", "evt_"];

/// A kind of value that events are filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// The workspace.
    Workspace,
    /// The team that the target belongs to.
    Team,
    /// A team of whoever acted.
    ActorTeam,
    /// The action.
    Action,
    /// Whoever acted, or was acted for.
    Actor,
    /// The kind of the target.
    Entity,
    /// The target.
    Target,
}

impl Facet {
    const fn letter(self) -> char {
        match self {
            Self::Workspace => 'w',
            Self::Team => 't',
            Self::ActorTeam => 'u',
            Self::Action => 'c',
            Self::Actor => 'a',
            Self::Entity => 'e',
            Self::Target => 'g',
        }
    }

    /// One word that stands for this value: an index of words knows no capitals, identifiers do.
    pub fn word(self, value: &str) -> String {
        let hash: [u8; 32] = Sha256::digest(value).into();
        format!("{}{}", self.letter(), hex::encode(&hash[..8]))
    }
}

/// The facets of an event, with spaces between.
pub fn facets(document: &Value) -> String {
    let actor = &document["actor"];
    let teams = document["actor_team_ids"].as_array().into_iter().flatten().map(|team| (Facet::ActorTeam, team));
    let all = [
        (Facet::Workspace, &document["workspace_id"]),
        (Facet::Team, &document["team_id"]),
        (Facet::Action, &document["action"]),
        (Facet::Actor, &actor["id"]),
        (Facet::Actor, &actor["on_behalf_of"]),
        (Facet::Entity, &document["entity"]),
        (Facet::Target, &document["target"]["id"]),
    ];
    let words = all.into_iter().chain(teams).filter_map(|(facet, value)| Some(facet.word(value.as_str()?)));
    words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

/// The words of an event's names, identifiers, reason and details, with spaces between.
pub fn words(document: &Value) -> String {
    let mut found = Found::default();
    let actor = &document["actor"];
    for value in [
        &document["target"],
        &actor["name"],
        &actor["id"],
        &actor["on_behalf_of"],
        &document["reason"],
        &document["workspace_id"],
        &document["team_id"],
        &document["request_id"],
        &document["details"],
    ] {
        found.take(value);
    }
    found.words.join(" ")
}

#[derive(Default)]
struct Found {
    words: Vec<String>,
    seen: BTreeSet<String>,
}

impl Found {
    /// The words of every text and number within a value, in its order; what a member of it is called is not.
    fn take(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Number(number) => self.add(&number.to_string()),
            Value::Array(values) => values.iter().for_each(|value| self.take(value)),
            Value::Object(members) => members.values().for_each(|value| self.take(value)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add(&mut self, text: &str) {
        for word in cut(text) {
            if self.words.len() < WORDS && self.seen.insert(word.clone()) {
                self.words.push(word);
            }
        }
    }
}

/// The words of a text: letters, digits and `_`, in small letters. Everything else parts them, and so does what
/// a capital leaves behind that is no letter: a word that was cut is cut no further.
fn cut(text: &str) -> Vec<String> {
    let small: String = text.chars().flat_map(char::to_lowercase).map(same_everywhere).collect();
    let words = small.split(|c: char| !is_of_a_word(c)).filter(|word| !word.is_empty());
    words.map(|word| word[..word.floor_char_boundary(WORD_BYTES)].to_owned()).collect()
}

/// The sigma that ends a word is the one within it.
const fn same_everywhere(c: char) -> char {
    if c == 'ς' { 'σ' } else { c }
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_too_common(beginning: &str) -> bool {
    TOO_COMMON.iter().any(|common| {
        let is_short = |rest: &str| rest.chars().count() < PREFIX_CHARS;
        common.starts_with(beginning) || beginning.strip_prefix(common).is_some_and(is_short)
    })
}

/// A word that is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The word, or its beginning.
    word: String,
    /// Whether it may go on.
    is_prefix: bool,
}

impl Wanted {
    /// Reads what somebody searches for: words that must all be there, each with a `*` behind it where only
    /// its beginning is given.
    pub fn parse(field: &str, text: &str) -> Result<Vec<Self>, Invalid> {
        let mut wanted = Vec::new();
        for part in text.split_whitespace() {
            let (part, is_prefix) = part.strip_suffix('*').map_or((part, false), |part| (part, true));
            let words = cut(part);
            let last = words.len().saturating_sub(1);
            for (index, word) in words.into_iter().enumerate() {
                let is_prefix = is_prefix && index == last;
                if is_prefix && (word.chars().count() < PREFIX_CHARS || is_too_common(&word)) {
                    let detail = format!("`{word}*` is the beginning of too many words");
                    return Err(Invalid::new(field, Fault::TooShort, detail));
                }
                wanted.push(Self { word, is_prefix });
            }
        }
        if wanted.iter().filter(|word| word.is_prefix).count() > PREFIXES {
            return Err(Invalid::new(field, Fault::TooMany, format!("at most {PREFIXES} words with `*`")));
        }
        match wanted.len() {
            0 => Err(Invalid::new(field, Fault::TooShort, "a word with a letter or a digit in it")),
            count if count > WANTED => {
                Err(Invalid::new(field, Fault::TooMany, format!("{count} words, at most {WANTED}")))
            }
            _ => Ok(wanted),
        }
    }

    /// Whether one of these words is the one that is searched for, or begins so.
    pub fn is_among<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> bool {
        words.any(|word| if self.is_prefix { word.starts_with(&self.word) } else { word == self.word })
    }

    /// Reads what [`Wanted::as_written`] wrote, word for word; none where it is anything else.
    pub fn read(text: &str) -> Option<Self> {
        let (word, is_prefix) = text.strip_suffix('*').map_or((text, false), |word| (word, true));
        let is_one = cut(word).as_slice() == [word];
        is_one.then(|| Self { word: word.to_owned(), is_prefix })
    }

    /// What the word begins with, where no more of it is given.
    pub fn beginning(&self) -> Option<&str> {
        self.is_prefix.then_some(self.word.as_str())
    }

    /// The word as it is asked of the index: in quotation marks, which no word holds.
    pub fn term(&self) -> String {
        let star = if self.is_prefix { "*" } else { "" };
        format!("\"{}\"{star}", self.word)
    }

    /// As somebody wrote it, in small letters.
    pub fn as_written(&self) -> String {
        format!("{}{}", self.word, if self.is_prefix { "*" } else { "" })
    }
}

impl Serialize for Wanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.as_written())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "seq": 7, "at": "2023-11-14T22:13:20Z", "action": "Update", "entity": "API Keys",
            "actor": { "kind": "member", "id": "mem_1aB", "name": "Zoë O'Neil", "ip": "::1", "on_behalf_of": "mem_2" },
            "target": { "id": "key_9", "name": "Nightly Build" },
            "workspace_id": "ws_1", "team_id": null, "actor_team_ids": ["team_1", "team_2"],
            "reason": "ticket #4711", "request_id": "req_f00",
            "details": { "operation": "edit", "before": { "max": 1.5 }, "after": { "max": 20, "on": true, "no": null } },
            "generation": 3,
        })
    }

    #[test]
    fn the_words_are_those_of_names_ids_reason_and_details() {
        let wanted = "key_9 nightly build zoë o neil mem_1ab mem_2 ticket 4711 ws_1 req_f00 20 1 5 edit";
        let found = words(&document());
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&found), sorted(wanted), "{found}");
    }

    #[test]
    fn facets_stand_for_whole_values_and_know_capitals() {
        let found = facets(&document());
        for (facet, value) in [
            (Facet::Workspace, "ws_1"),
            (Facet::Action, "Update"),
            (Facet::Actor, "mem_1aB"),
            (Facet::Actor, "mem_2"),
            (Facet::Entity, "API Keys"),
            (Facet::Target, "key_9"),
            (Facet::ActorTeam, "team_2"),
        ] {
            assert!(found.split(' ').any(|word| word == facet.word(value)), "{facet:?}");
        }
        assert_eq!(found.split(' ').count(), 8);
        assert_ne!(Facet::Target.word("key_a"), Facet::Target.word("key_A"));
        assert_ne!(Facet::Target.word("x"), Facet::Actor.word("x"));
    }

    #[test]
    fn an_event_of_any_size_has_so_many_words_and_no_longer_ones() {
        let long = "é".repeat(1_000);
        let many: Vec<String> = (0..1_000).map(|number| format!("w{number}")).collect();
        let found = words(&json!({ "reason": long, "details": many }));
        assert_eq!(found.split(' ').count(), WORDS);
        assert!(found.split(' ').all(|word| word.len() <= WORD_BYTES));
    }

    fn parse(text: &str) -> Result<String, Fault> {
        let terms = |wanted: Vec<Wanted>| wanted.iter().map(Wanted::term).collect::<Vec<_>>().join(" ");
        Wanted::parse("q", text).map(terms).map_err(|invalid| invalid.fault)
    }

    #[test]
    fn what_is_searched_for_is_cut_as_what_is_found() {
        assert_eq!(parse("Nightly  BUILD"), Ok("\"nightly\" \"build\"".to_owned()));
        assert_eq!(parse("o'neil key_9"), Ok("\"o\" \"neil\" \"key_9\"".to_owned()));
        assert_eq!(parse("nigh* 47*11"), Ok("\"nigh\"* \"47\" \"11\"".to_owned()));
        // Nothing of it is the index's own language.
        assert_eq!(parse("a\" OR (b) NEAR ^c -d"), Ok("\"a\" \"or\" \"b\" \"near\" \"c\" \"d\"".to_owned()));
        for nothing in ["", " ", "*", "\"", "---"] {
            assert_eq!(parse(nothing), Err(Fault::TooShort), "{nothing}");
        }
        for common in ["a*", "ab*", "KEY_*", "key*", "tea*", "req_*", "key_9*", "mem_ab*"] {
            assert_eq!(parse(common), Err(Fault::TooShort), "{common}");
        }
        assert_eq!(parse("key_9ab* team12*"), Ok("\"key_9ab\"* \"team12\"*".to_owned()));
        // A capital whose small letter is two characters, of which the second is no letter.
        assert_eq!(parse("İbc*"), Err(Fault::TooShort));
        assert_eq!(parse("İbcd"), Ok("\"i\" \"bcd\"".to_owned()));
        assert_eq!(parse("ΟΔΟΣ οδος"), Ok("\"οδοσ\" \"οδοσ\"".to_owned()));
        assert_eq!(parse(&"a ".repeat(WANTED + 1)), Err(Fault::TooMany));
        assert_eq!(parse(&"abc* ".repeat(PREFIXES + 1)), Err(Fault::TooMany));
    }

    #[test]
    fn a_word_that_was_cut_is_cut_no_further() {
        for letter in (char::MIN..=char::MAX).filter(|letter| letter.to_lowercase().ne([*letter])) {
            for text in [format!("{letter}bc"), format!("ab{letter}"), "é".repeat(31) + &format!("a{letter}b")] {
                for word in cut(&text) {
                    assert_eq!(cut(&word), [word.as_str()], "{letter:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_searched_for_is_read_back_as_it_was_written() {
        for text in ["İbcd*", "nightly Build* 7", "ΟΔΟΣ* ǅabc", &"ﬀ".repeat(100)] {
            let wanted = Wanted::parse("q", text).expect("words");
            let read: Option<Vec<Wanted>> = wanted.iter().map(|word| Wanted::read(&word.as_written())).collect();
            assert_eq!(read, Some(wanted), "{text}");
        }
        for nothing in ["", "*", "a b", "a**", "A", "İ", "a\""] {
            assert_eq!(Wanted::read(nothing), None, "{nothing}");
        }
    }
}
