//! The JSON that clients send and read: its own shapes, never a row and never a domain type.
//!
//! Requests are read into plain texts and numbers and then judged by the domain, so that one
//! place words the refusal of a value and names its field.

pub mod apis;
pub mod audit;
pub mod bulk;
pub mod edges;
pub mod explain;
pub mod exports;
pub mod generations;
pub mod import;
pub mod key_body;
pub mod key_list;
pub mod keys;
pub mod lookup;
pub mod members;
pub mod options;
pub mod page;
pub mod refused;
pub mod schema;
pub mod settings;
pub mod teams;
pub mod tokens;
pub mod workspaces;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::domain::invalid::{Fault, Invalid};
use crate::domain::time::UnixMillis;

/// A body whose only member is the reason: the verbs without arguments.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnlyReason {
    /// Why, for the audit log.
    #[schema(value_type = Option<schema::Reason>)]
    pub reason: Option<String>,
}

/// Every mutation may say why.
pub trait Reasoned {
    /// Takes the reason as it was sent.
    fn take_reason(&mut self) -> Option<String>;
}

/// Implements [`Reasoned`] for bodies with a member `reason`.
macro_rules! reasoned {
    ($($body:ty),+ $(,)?) => {
        $(impl $crate::api::wire::Reasoned for $body {
            fn take_reason(&mut self) -> Option<String> {
                self.reason.take()
            }
        })+
    };
}
pub(crate) use reasoned;

reasoned!(OnlyReason);

#[expect(clippy::option_option, reason = "absent, null and given are three things in a merge patch (RFC 7396)")]
/// Tells an absent member (`None`) from `null` (`Some(None)`); for `#[serde(default)]` members.
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Takes `null` for no value of a member that a merge patch cannot clear: absent is `None`, anything
/// else has to be of the member's type. For `#[serde(default)]` members.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    match Option::deserialize(deserializer)? {
        Some(value) => Ok(Some(value)),
        None => Err(D::Error::invalid_type(Unexpected::Unit, &"a value")),
    }
}

/// Reads an instant (RFC 3339, any offset) that stood in `field`.
pub(crate) fn instant(field: &str, text: &str) -> Result<UnixMillis, Invalid> {
    UnixMillis::read(text).ok_or_else(|| {
        let detail = "an RFC 3339 time, such as 2030-01-31T12:00:00Z";
        Invalid::new(field, Fault::BadFormat, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_any_offset() {
        let utc = instant("at", "2030-01-31T12:00:00Z").unwrap();
        assert_eq!(instant("at", "2030-01-31T13:00:00+01:00").unwrap(), utc);
        assert_eq!(instant("at", "2030-01-31t12:00:00.000z").unwrap(), utc);
        for wrong in [
            "",
            "2030-01-31",
            "2030-01-31T12:00:00",
            "2030-01-31T12:00Z",
            "2030-01-31 12:00:00Z",
            "20300131T120000Z",
            "2030-01-31T12:00:00.Z",
            "2030-01-31T12:00:00+01",
            "2030-01-31T12:00:00+01:00[Europe/Paris]",
            "+002030-01-31T12:00:00Z",
            "2030-02-30T12:00:00Z",
            "1893499200",
            "tomorrow",
        ] {
            let refused = instant("at", wrong).unwrap_err();
            assert_eq!((refused.field.as_str(), refused.fault), ("at", Fault::BadFormat));
        }
    }
}
