//! What is wrong with a value somebody sent, and where it stood.

use core::fmt;

/// The kinds of faults a value can have; each has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing was given where something is needed.
    Missing,
    /// Fewer characters or entries than needed.
    TooShort,
    /// More characters or bytes than allowed.
    TooLong,
    /// More entries than allowed.
    TooMany,
    /// A number or instant outside its range.
    OutOfRange,
    /// Not of the form it must have.
    BadFormat,
    /// An instant that has passed, where a coming one is needed.
    InThePast,
    /// Names something that does not exist.
    Unknown,
    /// The same entry twice.
    Duplicate,
    /// Does not go together with another field.
    Conflicting,
}

impl Fault {
    /// Every fault, for tables and tests.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::TooShort,
        Self::TooLong,
        Self::TooMany,
        Self::OutOfRange,
        Self::BadFormat,
        Self::InThePast,
        Self::Unknown,
        Self::Duplicate,
        Self::Conflicting,
    ];

    /// The stable code of the fault.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::TooMany => "too_many",
            Self::OutOfRange => "out_of_range",
            Self::BadFormat => "bad_format",
            Self::InThePast => "in_the_past",
            Self::Unknown => "unknown",
            Self::Duplicate => "duplicate",
            Self::Conflicting => "conflicting",
        }
    }
}

/// A value that was refused: the field it stood in, the fault, and a sentence for people.
///
/// `field` is a dotted path with positions in brackets: `name`, `restrictions.ips[32]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Invalid {
    /// The path of the field.
    pub field: String,
    /// What kind of fault it is.
    pub fault: Fault,
    /// What is wrong, for people; never holds a secret.
    pub detail: String,
}

impl Invalid {
    /// A refused value.
    pub fn new(field: impl Into<String>, fault: Fault, detail: impl Into<String>) -> Self {
        Self { field: field.into(), fault, detail: detail.into() }
    }

    /// The entry `index` of the list `field` was refused.
    pub fn at(field: impl fmt::Display, index: usize, fault: Fault, detail: impl Into<String>) -> Self {
        Self::new(format!("{field}[{index}]"), fault, detail)
    }
}
