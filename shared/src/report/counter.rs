//! The counters of a report and why requests were refused, each with its code on the wire and its word.

use crate::credentials::CredentialError;
use crate::decision::{Reason, Refusal};

/// Where the codes of refusals begin; below are the other counters.
const REFUSALS_AT: u8 = 16;

/// What an edge counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// A head was older than the one that is held, and was not taken.
    RollbackIgnored,
    /// A source did not give an object, or not its bytes, and the next one was asked for it.
    ObjectFetchedAnew,
    /// A head could not be verified, or not be taken.
    HeadRefused,
    /// A request was refused, or a head not taken, for an object that could not be had in time.
    LoadFailed,
    /// A request was allowed.
    Allowed,
    /// A request came on a public route.
    Public,
    /// A request was refused.
    Refused(RefusalKind),
}

impl Counter {
    /// Those that count no refusal, in the order of their codes.
    pub const OTHERS: [Self; 6] = [
        Self::RollbackIgnored,
        Self::ObjectFetchedAnew,
        Self::HeadRefused,
        Self::LoadFailed,
        Self::Allowed,
        Self::Public,
    ];
    /// How many counters there are.
    pub const COUNT: usize = Self::OTHERS.len() + RefusalKind::COUNT;

    /// Its place among all counters.
    pub const fn index(self) -> usize {
        match self {
            Self::RollbackIgnored => 0,
            Self::ObjectFetchedAnew => 1,
            Self::HeadRefused => 2,
            Self::LoadFailed => 3,
            Self::Allowed => 4,
            Self::Public => 5,
            Self::Refused(kind) => Self::OTHERS.len() + kind.code() as usize,
        }
    }

    /// The counter at a place.
    pub fn at(index: usize) -> Option<Self> {
        match index.checked_sub(Self::OTHERS.len()) {
            None => Self::OTHERS.get(index).copied(),
            Some(refusal) => RefusalKind::from_code(u8::try_from(refusal).ok()?).map(Self::Refused),
        }
    }

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::RollbackIgnored => 0,
            Self::ObjectFetchedAnew => 1,
            Self::HeadRefused => 2,
            Self::LoadFailed => 3,
            Self::Allowed => 4,
            Self::Public => 5,
            Self::Refused(kind) => REFUSALS_AT + kind.code(),
        }
    }

    /// The counter with this code.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code.checked_sub(REFUSALS_AT) {
            None => Self::OTHERS.get(usize::from(code)).copied(),
            Some(refusal) => RefusalKind::from_code(refusal).map(Self::Refused),
        }
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RollbackIgnored => "rollback_ignored",
            Self::ObjectFetchedAnew => "object_fetched_anew",
            Self::HeadRefused => "head_refused",
            Self::LoadFailed => "load_failed",
            Self::Allowed => "allowed",
            Self::Public => "public",
            Self::Refused(kind) => kind.as_str(),
        }
    }
}

/// Why a request was refused, as reports tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalKind(u8);

impl RefusalKind {
    /// How many there are.
    pub const COUNT: usize = WORDS.len();

    /// Whether only a secret that the edge knows is refused for this.
    pub const fn is_of_known_secret(self) -> bool {
        match self.refusal() {
            Refusal::Unauthorized(reason) => !matches!(reason, Reason::Credential(_) | Reason::Unknown),
            Refusal::ReadOnlyKey | Refusal::ApiNotGranted | Refusal::Restricted | Refusal::BadPath => true,
            Refusal::NoSnapshot | Refusal::SnapshotExpired | Refusal::ObjectUnavailable => false,
        }
    }

    /// That of a refusal.
    pub const fn of(refusal: Refusal) -> Self {
        Self(match refusal {
            Refusal::Unauthorized(Reason::Credential(CredentialError::Missing)) => 0,
            Refusal::Unauthorized(Reason::Credential(CredentialError::CheckDigits)) => 1,
            Refusal::Unauthorized(Reason::Credential(_)) => 2,
            Refusal::Unauthorized(Reason::Unknown) => 3,
            Refusal::Unauthorized(Reason::WrongUser) => 4,
            Refusal::Unauthorized(Reason::Disabled) => 5,
            Refusal::Unauthorized(Reason::Paused) => 6,
            Refusal::Unauthorized(Reason::Suspended) => 7,
            Refusal::Unauthorized(Reason::Expired) => 8,
            Refusal::ReadOnlyKey => 9,
            Refusal::ApiNotGranted => 10,
            Refusal::Restricted => 11,
            Refusal::BadPath => 12,
            Refusal::NoSnapshot => 13,
            Refusal::SnapshotExpired => 14,
            Refusal::ObjectUnavailable => 15,
        })
    }

    /// A refusal of this kind: of several credentials that cannot be read, one.
    pub const fn refusal(self) -> Refusal {
        match self.0 {
            0 => Refusal::Unauthorized(Reason::Credential(CredentialError::Missing)),
            1 => Refusal::Unauthorized(Reason::Credential(CredentialError::CheckDigits)),
            2 => Refusal::Unauthorized(Reason::Credential(CredentialError::Form)),
            3 => Refusal::Unauthorized(Reason::Unknown),
            4 => Refusal::Unauthorized(Reason::WrongUser),
            5 => Refusal::Unauthorized(Reason::Disabled),
            6 => Refusal::Unauthorized(Reason::Paused),
            7 => Refusal::Unauthorized(Reason::Suspended),
            8 => Refusal::Unauthorized(Reason::Expired),
            9 => Refusal::ReadOnlyKey,
            10 => Refusal::ApiNotGranted,
            11 => Refusal::Restricted,
            12 => Refusal::BadPath,
            13 => Refusal::NoSnapshot,
            14 => Refusal::SnapshotExpired,
            _ => Refusal::ObjectUnavailable,
        }
    }

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        let code = WORDS.iter().position(|known| *known == word)?;
        Self::from_code(u8::try_from(code).ok()?)
    }

    /// The one with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        if (code as usize) < WORDS.len() { Some(Self(code)) } else { None }
    }

    /// Its word: that of the reason, or the code that the client hears.
    pub const fn as_str(self) -> &'static str {
        WORDS[self.0 as usize]
    }
}

/// In the order of the codes.
const WORDS: [&str; 16] = [
    "no_credentials",
    "check_digits",
    "malformed",
    "unknown",
    "wrong_user",
    "disabled",
    "paused",
    "suspended",
    "expired",
    "read_only_key",
    "api_not_granted",
    "restricted",
    "bad_path",
    "no_snapshot",
    "snapshot_expired",
    "object_unavailable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_word_of_its_reason_or_code() {
        use CredentialError::{Base64, CheckDigits, Form, Key, Missing, Scheme, Several, TooLong};
        let credential = [Missing, Several, TooLong, Scheme, Base64, Form, Key, CheckDigits].map(Reason::Credential);
        let others =
            [Reason::Unknown, Reason::WrongUser, Reason::Disabled, Reason::Paused, Reason::Suspended, Reason::Expired];
        for reason in credential.into_iter().chain(others) {
            assert_eq!(RefusalKind::of(Refusal::Unauthorized(reason)).as_str(), reason.as_str());
        }
        for refusal in [
            Refusal::ReadOnlyKey,
            Refusal::ApiNotGranted,
            Refusal::Restricted,
            Refusal::BadPath,
            Refusal::NoSnapshot,
            Refusal::SnapshotExpired,
            Refusal::ObjectUnavailable,
        ] {
            assert_eq!(RefusalKind::of(refusal).as_str(), refusal.code());
        }
    }

    #[test]
    fn a_kind_is_that_of_its_refusal_and_of_its_word() {
        for kind in (0..).map_while(RefusalKind::from_code) {
            assert_eq!(RefusalKind::of(kind.refusal()), kind);
            assert_eq!(RefusalKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!((RefusalKind::from_word(""), RefusalKind::from_word("Unknown")), (None, None));
    }

    #[test]
    fn every_counter_has_a_place_a_code_and_a_word_of_its_own() {
        let all: Vec<Counter> = (0..Counter::COUNT).map(|index| Counter::at(index).expect("a counter")).collect();
        for (index, counter) in all.iter().enumerate() {
            assert_eq!(counter.index(), index);
            assert_eq!(Counter::from_code(counter.code()), Some(*counter));
            assert!(!all[..index].iter().any(|other| other.as_str() == counter.as_str()), "{counter:?}");
        }
        assert_eq!(Counter::at(Counter::COUNT), None);
        assert_eq!((Counter::from_code(6), Counter::from_code(32), Counter::from_code(255)), (None, None, None));
    }
}
