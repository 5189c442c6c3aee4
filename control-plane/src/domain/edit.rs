//! One field of a partial change.

/// What a change does to a field that may also be empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// The field was not named and stays.
    #[default]
    Keep,
    /// The field becomes empty.
    Clear,
    /// The field gets this value.
    Set(T),
}

impl<T> Edit<T> {
    /// From the usual nested form: outer `None` keeps, inner `None` clears.
    pub fn from_nested(value: Option<Option<T>>) -> Self {
        match value {
            None => Self::Keep,
            Some(None) => Self::Clear,
            Some(Some(value)) => Self::Set(value),
        }
    }

    /// Parses the value that is set, if one is.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Edit<U>, E> {
        Ok(match self {
            Self::Keep => Edit::Keep,
            Self::Clear => Edit::Clear,
            Self::Set(value) => Edit::Set(parse(value)?),
        })
    }

    /// The field after the change, given what it was.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The field after the change where empty means the default.
    pub fn apply_or_default(self, before: T) -> T
    where
        T: Default,
    {
        match self {
            Self::Keep => before,
            Self::Clear => T::default(),
            Self::Set(value) => value,
        }
    }
}
