//! Keys: what one is, which states it goes through, and what an answer says of it.
//!
//! A key outlives its secrets. Its state is stored; its status is derived, because a key expires
//! without anybody doing anything. Transitions are in [`transition`], what they mean to an edge in
//! [`effect`].

pub mod effect;
pub mod query;
pub mod transition;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Restrictions};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::Catalogue;
use super::restrictions;
use super::text::{ExternalId, Metadata, Name};
use super::time::{UnixMillis, UnixSeconds};

/// What a key is for. Test keys carry a prefix of their own and are judged like any other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Real traffic.
    #[default]
    Live,
    /// Trying things out.
    Test,
}

impl Environment {
    /// The environment as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Live, Self::Test].into_iter().find(|environment| environment.as_str() == text)
    }
}

/// What an answer says of a key's state at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Its secrets are accepted, each until its deadline.
    Active,
    /// Stopped, reversibly.
    Disabled,
    /// Past `expires_at`.
    Expired,
    /// Stopped for good, still readable.
    Archived,
}

impl KeyStatus {
    /// The status as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Archived => "archived",
        }
    }

    /// Reads the shown form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Expired, Self::Archived].into_iter().find(|status| status.as_str() == text)
    }
}

/// One secret of a key, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What the snapshot knows it by; unique for ever.
    pub fingerprint: Fingerprint,
    /// What may be shown of it; nothing where only a digest was brought.
    pub hint: Option<String>,
    /// When it was made or brought.
    pub created_at: UnixMillis,
}

/// The time in which the older secret of a key is still accepted beside the newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The older secret.
    pub retiring: Secret,
    /// When the newer one was made.
    pub started_at: UnixMillis,
    /// Until when the older one is accepted, the key's own expiry aside.
    pub previous_valid_until: UnixSeconds,
    /// Whether the older one is refused for now, to see who misses it.
    pub paused: bool,
}

/// Where a key is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It has a secret.
    Live(Live),
    /// Stopped for good, still readable.
    Archived {
        /// When.
        at: UnixMillis,
    },
    /// Gone but for the audit log.
    Deleted {
        /// When.
        at: UnixMillis,
    },
}

/// The changeable part of a key that is neither archived nor deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Whether both secrets are stopped.
    pub disabled: bool,
    /// The newest secret.
    pub current: Secret,
    /// The rotation that runs, or one that nobody has looked at since it ended.
    pub rotation: Option<Rotation>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's identifier, the same for all of its secrets.
    pub id: KeyId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The member it belongs to.
    pub member_id: MemberId,
    /// The team it belongs to.
    pub team_id: Option<TeamId>,
    /// The name; unique among the workspace's keys that are neither archived nor deleted.
    pub name: Name,
    /// What may be shown of its newest secret.
    pub hint: Option<String>,
    /// Read-only or read-write.
    pub access: Access,
    /// The APIs granted, by number.
    pub apis: Apis,
    /// What it is for.
    pub environment: Environment,
    /// Where it is in its life.
    pub life: Life,
    /// From when it is refused.
    pub expires_at: Option<UnixSeconds>,
    /// After how many days a rotation is due: a reminder, never an expiry.
    pub rotate_every_days: Option<u16>,
    /// From where it may be used.
    pub restrictions: Restrictions,
    /// What another system calls it.
    pub external_id: Option<ExternalId>,
    /// Whatever a client keeps with it.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When its newest secret was made.
    pub rotated_at: UnixMillis,
    /// When it was last used, as far as usage reports tell.
    pub last_used_at: Option<UnixMillis>,
    /// Counts the key's changes, from 1.
    pub version: u64,
}

impl Key {
    /// The status at `now`. What somebody did goes before what time did.
    pub fn status(&self, now: UnixMillis) -> KeyStatus {
        match &self.life {
            Life::Archived { .. } | Life::Deleted { .. } => KeyStatus::Archived,
            Life::Live(live) if live.disabled => KeyStatus::Disabled,
            Life::Live(_) if self.expires_at.is_some_and(|deadline| deadline.passed(now)) => KeyStatus::Expired,
            Life::Live(_) => KeyStatus::Active,
        }
    }

    /// Whether the same is refused of it as `before`: all of it, the older secret alone, or what comes too late.
    /// While it is disabled nothing else makes a difference.
    pub fn is_refused_alike(&self, before: &Self) -> bool {
        let refused = |key: &Self| match &key.life {
            Life::Live(live) => {
                let paused = live.rotation.as_ref().is_some_and(|rotation| rotation.paused);
                Some((!live.disabled).then_some((paused, key.expires_at)))
            }
            Life::Archived { .. } | Life::Deleted { .. } => None,
        };
        refused(self) == refused(before)
    }

    /// Whether it expires later than it did `before`, or not any more.
    pub fn outlives(&self, before: &Self) -> bool {
        match (self.expires_at, before.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(after), Some(before)) => after > before,
        }
    }

    /// The rotation that runs at `now`.
    pub fn rotation(&self, now: UnixMillis) -> Option<&Rotation> {
        match &self.life {
            Life::Live(live) => live.rotation.as_ref().filter(|rotation| !rotation.previous_valid_until.passed(now)),
            Life::Archived { .. } | Life::Deleted { .. } => None,
        }
    }

    /// When a rotation is due.
    pub fn rotation_due_at(&self) -> Option<UnixMillis> {
        self.rotate_every_days.map(|days| self.rotated_at.plus_days(days))
    }

    /// The fields that can change, for the audit log. Never a fingerprint.
    pub fn facts(&self, catalogue: &Catalogue) -> Value {
        let (state, rotation) = match &self.life {
            Life::Live(live) => (if live.disabled { "disabled" } else { "active" }, live.rotation.as_ref()),
            Life::Archived { .. } => ("archived", None),
            Life::Deleted { .. } => ("deleted", None),
        };
        json!({
            "name": self.name,
            "hint": self.hint,
            "member_id": self.member_id,
            "team_id": self.team_id,
            "access": self.access,
            "apis": catalogue.names(&self.apis),
            "environment": self.environment,
            "state": state,
            "expires_at": self.expires_at,
            "rotate_every_days": self.rotate_every_days,
            "restrictions": restrictions::facts(&self.restrictions),
            "external_id": self.external_id,
            "metadata": self.metadata,
            "rotation": rotation.map(|rotation| json!({
                "previous_valid_until": rotation.previous_valid_until,
                "paused": rotation.paused,
            })),
        })
    }
}
