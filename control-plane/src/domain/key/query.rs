//! Which keys a list holds, and in which order.

use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::Access;
use serde::Serialize;

use super::{Environment, KeyStatus};
use crate::domain::time::UnixMillis;

/// Conditions that all must hold; one that is absent holds for every key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyFilter {
    /// The status. Without one, archived keys are left out.
    pub status: Option<KeyStatus>,
    /// The whole name.
    pub name: Option<String>,
    /// The member it belongs to.
    pub member: Option<MemberId>,
    /// The team it belongs to.
    pub team: Option<TeamId>,
    /// Read-only or read-write.
    pub access: Option<Access>,
    /// An API it may call, by number.
    pub api: Option<u16>,
    /// What it is for.
    pub environment: Option<Environment>,
    /// Last used before this instant; never used, and made before it.
    pub last_used_before: Option<UnixMillis>,
    /// Expires before this instant.
    pub expires_before: Option<UnixMillis>,
    /// Whether a rotation is due.
    pub rotation_due: Option<bool>,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Whether it is stopped, reversibly, whatever else its status says.
    pub disabled: Option<bool>,
}

/// What a list is sorted by; equal values are told apart by the key's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// When the key was made.
    CreatedAt,
    /// The name, byte by byte.
    Name,
    /// When it expires; never is last.
    ExpiresAt,
    /// When it was last used; never is first.
    LastUsedAt,
}

/// The order of a list: `name` ascending, `-name` descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct KeySort {
    /// By what.
    pub by: SortBy,
    /// From the highest down.
    pub descending: bool,
}

impl Default for KeySort {
    /// Newest first.
    fn default() -> Self {
        Self { by: SortBy::CreatedAt, descending: true }
    }
}

impl KeySort {
    /// Every order there is, as requests word them.
    pub const WORDS: [&str; 8] =
        ["created_at", "-created_at", "name", "-name", "expires_at", "-expires_at", "last_used_at", "-last_used_at"];

    /// Reads the order a request words.
    pub fn parse(text: &str) -> Option<Self> {
        let (by, descending) = text.strip_prefix('-').map_or((text, false), |by| (by, true));
        let by = match by {
            "created_at" => SortBy::CreatedAt,
            "name" => SortBy::Name,
            "expires_at" => SortBy::ExpiresAt,
            "last_used_at" => SortBy::LastUsedAt,
            _ => return None,
        };
        Some(Self { by, descending })
    }

    /// Whether keys in this order are compared by values of this kind.
    pub const fn fits(self, value: &SortValue) -> bool {
        matches!((self.by, value), (SortBy::Name, SortValue::Text(_)))
            || (!matches!(self.by, SortBy::Name) && matches!(value, SortValue::Millis(_)))
    }
}

/// The value that a key is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// Milliseconds; see [`super::Key::sort_value`] for what stands in for "never".
    Millis(i64),
    /// A name.
    Text(String),
}

/// A place in a list: behind this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPosition {
    /// What it is sorted by.
    pub value: SortValue,
    /// Its identifier.
    pub id: KeyId,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// Which keys.
    pub filter: KeyFilter,
    /// In which order.
    pub sort: KeySort,
    /// From where on.
    pub after: Option<KeyPosition>,
    /// How many.
    pub limit: u16,
    /// The time that status and reminders are judged at.
    pub now: UnixMillis,
}

/// Stands for "never expires" in an order: behind every instant.
pub const NEVER_EXPIRES: i64 = i64::MAX;
/// Stands for "never used" in an order: before every instant.
pub const NEVER_USED: i64 = -1;

impl super::Key {
    /// What the key is sorted by.
    pub fn sort_value(&self, by: SortBy) -> SortValue {
        match by {
            SortBy::CreatedAt => SortValue::Millis(self.created_at.as_millis()),
            SortBy::Name => SortValue::Text(self.name.as_str().to_owned()),
            SortBy::ExpiresAt => {
                SortValue::Millis(self.expires_at.map_or(NEVER_EXPIRES, |expiry| expiry.instant().as_millis()))
            }
            SortBy::LastUsedAt => SortValue::Millis(self.last_used_at.map_or(NEVER_USED, UnixMillis::as_millis)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_one_word() {
        for word in KeySort::WORDS {
            assert!(KeySort::parse(word).is_some(), "{word}");
        }
        assert_eq!(KeySort::parse("--name"), None);
        assert_eq!(KeySort::parse(""), None);
    }
}
