//! Keys that are brought from elsewhere: what a line says of one, and what that makes of what is there.

use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Restrictions};

use super::edit::Edit;
use super::key::transition::{KeyEdit, KeyRefusal};
use super::key::{Environment, Key, Life, Live, Secret};
use super::text::{ExternalId, Metadata, Name};
use super::time::{UnixMillis, UnixSeconds};

/// What a line says of a key, every value judged. What it does not name stays, or is the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// What the other system calls the key; it is found again by it.
    pub external_id: ExternalId,
    /// The name.
    pub name: Name,
    /// Read-only or read-write.
    pub access: Access,
    /// Whether it is stopped.
    pub disabled: Option<bool>,
    /// When it was made.
    pub created_at: Option<UnixMillis>,
    /// From when it is refused; may have passed.
    pub expires_at: Edit<UnixSeconds>,
    /// From where it may be used.
    pub restrictions: Edit<Restrictions>,
    /// Whatever a client keeps with it.
    pub metadata: Edit<Metadata>,
}

/// What became of a line that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportOutcome {
    /// There was no such key.
    Created,
    /// There was, and something of it was otherwise.
    Updated,
    /// There was, just like that.
    Unchanged,
}

impl KeyLine {
    /// The new key that the line stands for.
    pub fn into_key(
        self,
        id: KeyId,
        workspace_id: WorkspaceId,
        member_id: MemberId,
        apis: Apis,
        secret: Secret,
        now: UnixMillis,
    ) -> Key {
        let made_at = self.created_at.unwrap_or(now);
        Key {
            id,
            workspace_id,
            member_id,
            team_id: None,
            name: self.name,
            hint: secret.hint.clone(),
            access: self.access,
            apis,
            environment: Environment::Live,
            life: Life::Live(Live {
                disabled: self.disabled.unwrap_or(false),
                current: Secret { created_at: made_at, ..secret },
                rotation: None,
            }),
            expires_at: self.expires_at.apply(None),
            rotate_every_days: None,
            restrictions: self.restrictions.apply_or_default(Restrictions::default()),
            external_id: Some(self.external_id),
            metadata: self.metadata.apply_or_default(Metadata::default()),
            created_at: made_at,
            rotated_at: made_at,
            last_used_at: None,
            version: 1,
        }
    }

    /// What the line makes of the key that it names: nothing else where all is as it says.
    pub fn applied_to(
        self,
        key: Key,
        member_id: Option<MemberId>,
        apis: Apis,
        now: UnixMillis,
    ) -> Result<Option<Key>, KeyRefusal> {
        // A rotation that is over is nobody's change.
        let before = key.settle(now);
        let edit = KeyEdit {
            name: Some(self.name),
            member_id,
            access: Some(self.access),
            apis: Some(apis),
            expires_at: self.expires_at,
            restrictions: self.restrictions,
            metadata: self.metadata,
            ..KeyEdit::default()
        };
        let edited = before.clone().edit(edit, now)?;
        let after = match self.disabled {
            None => edited,
            Some(true) => edited.disable(now)?,
            Some(false) => edited.enable(now)?,
        };
        Ok((after != before).then_some(after))
    }
}

#[cfg(test)]
mod tests {
    use keyward_shared::fingerprint::Fingerprint;

    use super::super::key::{KeyStatus, Rotation};
    use super::*;

    const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

    fn line() -> KeyLine {
        KeyLine {
            external_id: ExternalId::stored("17".to_owned()),
            name: Name::stored("reports".to_owned()),
            access: Access::ReadOnly,
            disabled: None,
            created_at: None,
            expires_at: Edit::Keep,
            restrictions: Edit::Keep,
            metadata: Edit::Keep,
        }
    }

    fn secret(byte: u8) -> Secret {
        Secret { fingerprint: Fingerprint::from_bytes([byte; 16]), hint: None, created_at: NOW }
    }

    fn key(line: KeyLine) -> Key {
        line.into_key(
            KeyId::from_u64(1),
            WorkspaceId::from_u64(2),
            MemberId::from_u64(3),
            Apis::Only(vec![1]),
            secret(7),
            NOW,
        )
    }

    #[test]
    fn a_key_that_is_as_its_line_says_stays() {
        let applied = line().applied_to(key(line()), None, Apis::Only(vec![1]), NOW);
        assert_eq!(applied, Ok(None));
        let applied = line().applied_to(key(line()), Some(MemberId::from_u64(3)), Apis::Only(vec![1]), NOW);
        assert_eq!(applied, Ok(None));
    }

    #[test]
    fn what_a_line_does_not_name_stays() {
        let deadline = UnixSeconds::floor(NOW.plus_seconds(60)).expect("in range");
        let before = key(KeyLine { expires_at: Edit::Set(deadline), disabled: Some(true), ..line() });
        let after = KeyLine { access: Access::ReadWrite, ..line() }.applied_to(before, None, Apis::All, NOW);
        let after = after.expect("no refusal").expect("a change");
        assert_eq!((after.access, after.expires_at), (Access::ReadWrite, Some(deadline)));
        assert_eq!(after.status(NOW), KeyStatus::Disabled);
        let cleared = KeyLine { expires_at: Edit::Clear, disabled: Some(false), ..line() };
        let after = cleared.applied_to(after, None, Apis::All, NOW).expect("no refusal").expect("a change");
        assert_eq!((after.expires_at, after.status(NOW)), (None, KeyStatus::Active));
    }

    #[test]
    fn the_end_of_a_rotation_is_no_change() {
        let mut before = key(line());
        let rotation = Rotation {
            retiring: secret(8),
            started_at: NOW,
            previous_valid_until: UnixSeconds::floor(NOW.plus_seconds(10)).expect("in range"),
            paused: false,
        };
        if let Life::Live(live) = &mut before.life {
            live.rotation = Some(rotation);
        }
        let applied = line().applied_to(before, None, Apis::Only(vec![1]), NOW.plus_seconds(10));
        assert_eq!(applied, Ok(None));
    }

    #[test]
    fn a_key_keeps_the_time_at_which_it_was_made() {
        let made_at = UnixMillis::from_millis(1_500_000_000_000);
        let key = key(KeyLine { created_at: Some(made_at), ..line() });
        assert_eq!((key.created_at, key.rotated_at), (made_at, made_at));
    }
}
