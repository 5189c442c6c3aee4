//! How a key changes: every transition takes the old key and gives the new one or says why not.
//!
//! A transition that finds the key already as wanted gives it back unchanged, so that repeating one
//! is harmless. Archived and deleted are final: from archived a key can only be deleted.

use keyward_shared::id::{MemberId, TeamId};
use keyward_shared::policy::{Access, Apis, Restrictions};

use super::{Key, Life, Live, Rotation, Secret};
use crate::domain::edit::Edit;
use crate::domain::limits::CANCEL_SECONDS;
use crate::domain::text::{ExternalId, Metadata, Name};
use crate::domain::time::{UnixMillis, UnixSeconds};

/// Why a key does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Archived keys change no more.
    #[error("the key is archived; it can only be deleted")]
    Archived,
    /// Deleted keys are gone.
    #[error("the key is deleted")]
    Deleted,
    /// A second rotation with a grace period while one runs.
    #[error("a rotation runs until {until}; finish or cancel it, or rotate without a grace period")]
    RotationActive {
        /// When it ends.
        until: UnixSeconds,
    },
    /// The verb needs a rotation and none runs.
    #[error("no rotation runs")]
    NoRotation,
    /// Too close to the end of the rotation: an edge could have refused the old secret already.
    #[error("the rotation ends at {until}, less than {CANCEL_SECONDS} seconds away")]
    CancelTooLate {
        /// When it ends.
        until: UnixSeconds,
    },
}

/// How the older secret of a rotation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Every older secret ends at once.
    None,
    /// The current secret goes on until this deadline.
    Until(UnixSeconds),
}

/// A partial change of a key, every value judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEdit {
    /// A new name.
    pub name: Option<Name>,
    /// Another member.
    pub member_id: Option<MemberId>,
    /// Another access.
    pub access: Option<Access>,
    /// Other APIs.
    pub apis: Option<Apis>,
    /// Another expiry.
    pub expires_at: Edit<UnixSeconds>,
    /// Another reminder.
    pub rotate_every_days: Edit<u16>,
    /// Other restrictions.
    pub restrictions: Edit<Restrictions>,
    /// Another team.
    pub team_id: Edit<TeamId>,
    /// Another external id.
    pub external_id: Edit<ExternalId>,
    /// Other metadata.
    pub metadata: Edit<Metadata>,
}

impl Key {
    /// The key without a rotation that is over at `now`. Nothing else changes: the retiring secret
    /// was refused since its deadline.
    #[must_use]
    pub fn settle(mut self, now: UnixMillis) -> Self {
        if let Life::Live(live) = &mut self.life {
            live.rotation.take_if(|rotation| rotation.previous_valid_until.passed(now));
        }
        self
    }

    /// Makes `secret` the current one. Expired and disabled keys stay expired and disabled.
    pub fn rotate(self, secret: Secret, grace: Grace, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.live(now, |key, live| {
            let rotation = match (grace, live.rotation) {
                (Grace::None, _) => None,
                (Grace::Until(_), Some(running)) => {
                    return Err(KeyRefusal::RotationActive { until: running.previous_valid_until });
                }
                (Grace::Until(deadline), None) => Some(Rotation {
                    retiring: live.current,
                    started_at: now,
                    previous_valid_until: deadline,
                    paused: false,
                }),
            };
            key.show(&secret);
            Ok(Live { disabled: live.disabled, current: secret, rotation })
        })
    }

    /// Ends the older secret now.
    pub fn finish_rotation(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.rotating(now, |live, _| Ok(Live { rotation: None, ..live }))
    }

    /// Goes back to the older secret and ends the newer one.
    pub fn cancel_rotation(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        let key = self.rotating(now, |live, rotation| {
            if rotation.previous_valid_until.passed(now.plus_seconds(CANCEL_SECONDS)) {
                return Err(KeyRefusal::CancelTooLate { until: rotation.previous_valid_until });
            }
            Ok(Live { current: rotation.retiring, rotation: None, ..live })
        })?;
        key.live(now, |key, live| {
            key.show(&live.current);
            Ok(live)
        })
    }

    /// Moves the deadline of the older secret, in either direction.
    pub fn extend_rotation(self, until: UnixSeconds, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.rotating(now, |live, rotation| {
            Ok(Live { rotation: Some(Rotation { previous_valid_until: until, ..rotation }), ..live })
        })
    }

    /// Refuses the older secret for now; its deadline goes on.
    pub fn pause_rotation(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.rotating(now, |live, rotation| Ok(Live { rotation: Some(Rotation { paused: true, ..rotation }), ..live }))
    }

    /// Accepts the older secret again, until its deadline.
    pub fn resume_rotation(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.rotating(now, |live, rotation| Ok(Live { rotation: Some(Rotation { paused: false, ..rotation }), ..live }))
    }

    /// Stops both secrets, reversibly.
    pub fn disable(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.live(now, |_, live| Ok(Live { disabled: true, ..live }))
    }

    /// Starts both secrets again, with their deadlines.
    pub fn enable(self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.live(now, |_, live| Ok(Live { disabled: false, ..live }))
    }

    /// Changes what is named in `edit`.
    pub fn edit(self, edit: KeyEdit, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.live(now, |key, live| {
            let KeyEdit {
                name,
                member_id,
                access,
                apis,
                expires_at,
                rotate_every_days,
                restrictions,
                team_id,
                external_id,
                metadata,
            } = edit;
            if let Some(name) = name {
                key.name = name;
            }
            key.member_id = member_id.unwrap_or(key.member_id);
            key.access = access.unwrap_or(key.access);
            if let Some(apis) = apis {
                key.apis = apis;
            }
            key.expires_at = expires_at.apply(key.expires_at);
            key.rotate_every_days = rotate_every_days.apply(key.rotate_every_days);
            key.restrictions = restrictions.apply_or_default(core::mem::take(&mut key.restrictions));
            key.team_id = team_id.apply(key.team_id);
            key.external_id = external_id.apply(key.external_id.take());
            key.metadata = metadata.apply_or_default(core::mem::take(&mut key.metadata));
            Ok(live)
        })
    }

    /// Stops the key for good; it stays readable.
    pub fn archive(mut self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        self.changeable()?;
        self.life = Life::Archived { at: now };
        Ok(self)
    }

    /// Ends the key. Possible from every state but deleted.
    pub fn delete(mut self, now: UnixMillis) -> Result<Self, KeyRefusal> {
        if matches!(self.life, Life::Deleted { .. }) {
            return Err(KeyRefusal::Deleted);
        }
        self.life = Life::Deleted { at: now };
        Ok(self)
    }

    fn changeable(&self) -> Result<(), KeyRefusal> {
        match self.life {
            Life::Live(_) => Ok(()),
            Life::Archived { .. } => Err(KeyRefusal::Archived),
            Life::Deleted { .. } => Err(KeyRefusal::Deleted),
        }
    }

    fn show(&mut self, secret: &Secret) {
        self.hint.clone_from(&secret.hint);
        self.rotated_at = secret.created_at;
    }

    fn live(
        self,
        now: UnixMillis,
        change: impl FnOnce(&mut Self, Live) -> Result<Live, KeyRefusal>,
    ) -> Result<Self, KeyRefusal> {
        let mut key = self.settle(now);
        key.changeable()?;
        let ended = Life::Deleted { at: now };
        if let Life::Live(live) = core::mem::replace(&mut key.life, ended) {
            key.life = Life::Live(change(&mut key, live)?);
        }
        Ok(key)
    }

    fn rotating(
        self,
        now: UnixMillis,
        change: impl FnOnce(Live, Rotation) -> Result<Live, KeyRefusal>,
    ) -> Result<Self, KeyRefusal> {
        self.live(now, |_, live| {
            let rotation = live.rotation.clone().ok_or(KeyRefusal::NoRotation)?;
            change(live, rotation)
        })
    }
}
