//! Each transition, one by one.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Restrictions};
use keyward_shared::record::{Deadline, Slot};

use super::effect::touched;
use super::transition::{Grace, KeyEdit, KeyRefusal};
use super::{Environment, Key, KeyStatus, Life, Live, Secret};
use crate::domain::change::Touched;
use crate::domain::edit::Edit;
use crate::domain::text::{Metadata, Name};
use crate::domain::time::{UnixMillis, UnixSeconds};

/// Ten thousand seconds after the epoch: room to go back.
pub(super) const START: UnixMillis = UnixMillis::from_millis(10_000_000);

pub(super) fn secret(number: u8, created_at: UnixMillis) -> Secret {
    Secret { fingerprint: fingerprint(number), hint: Some(format!("kw_…{number:04}")), created_at }
}

pub(super) fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 16])
}

pub(super) fn second(seconds: u32) -> UnixSeconds {
    UnixSeconds::new(seconds).expect("a deadline")
}

pub(super) fn at(seconds: u32) -> UnixMillis {
    second(seconds).instant()
}

pub(super) fn key() -> Key {
    let current = secret(1, START);
    Key {
        id: KeyId::from_u64(1),
        workspace_id: WorkspaceId::from_u64(2),
        member_id: MemberId::from_u64(3),
        team_id: None,
        name: Name::parse("name", "build server").expect("a name"),
        hint: current.hint.clone(),
        access: Access::ReadOnly,
        apis: Apis::Only(vec![1]),
        environment: Environment::Live,
        life: Life::Live(Live { disabled: false, current, rotation: None }),
        expires_at: None,
        rotate_every_days: Some(90),
        restrictions: Restrictions::default(),
        external_id: None,
        metadata: Metadata::default(),
        created_at: START,
        rotated_at: START,
        last_used_at: None,
        version: 1,
    }
}

/// A key in rotation: secret 2 current, secret 1 retiring until second 20 000.
fn rotating() -> Key {
    key().rotate(secret(2, at(11_000)), Grace::Until(second(20_000)), at(11_000)).expect("rotated")
}

/// What the snapshot tells of each secret: its number, slot, deadline, whether it is stopped.
fn records(key: &Key) -> Vec<(u8, Slot, Deadline, bool)> {
    key.effects()
        .map(|effect| {
            (effect.fingerprint.as_bytes()[0], effect.slot, effect.deadline, effect.disabled || effect.paused)
        })
        .collect()
}

fn moved(number: u8, narrowing: bool) -> Touched {
    Touched { fingerprint: fingerprint(number), narrowing }
}

#[test]
fn a_new_key_is_one_record_and_only_widens() {
    assert_eq!(records(&key()), [(1, Slot::Current, Deadline::NEVER, false)]);
    assert_eq!(touched(None, &key()), [moved(1, false)]);
    assert_eq!(key().status(START), KeyStatus::Active);
}

#[test]
fn rotate_keeps_the_old_secret_until_the_grace_period_ends() {
    let key = rotating();
    assert_eq!(
        records(&key),
        [(2, Slot::Current, Deadline::NEVER, false), (1, Slot::Retiring, Deadline::at_seconds(20_000), false)]
    );
    assert_eq!(key.hint.as_deref(), Some("kw_…0002"));
    assert_eq!(key.rotated_at, at(11_000));
    assert_eq!(touched(Some(&super::tests::key()), &key), [moved(2, false), moved(1, true)]);
    assert!(key.rotation(at(19_999)).is_some());
    assert!(key.rotation(at(20_000)).is_none());
}

#[test]
fn the_old_secret_never_outlives_the_key() {
    let mut key = rotating();
    key.expires_at = Some(second(15_000));
    let deadline = Deadline::at_seconds(15_000);
    assert_eq!(records(&key), [(2, Slot::Current, deadline, false), (1, Slot::Retiring, deadline, false)]);
}

#[test]
fn a_second_rotation_with_grace_is_refused_while_one_runs() {
    let refused = rotating().rotate(secret(3, at(12_000)), Grace::Until(second(30_000)), at(12_000));
    assert_eq!(refused, Err(KeyRefusal::RotationActive { until: second(20_000) }));
    let later = rotating().rotate(secret(3, at(20_000)), Grace::Until(second(30_000)), at(20_000)).expect("rotated");
    assert_eq!(
        records(&later),
        [(3, Slot::Current, Deadline::NEVER, false), (2, Slot::Retiring, Deadline::at_seconds(30_000), false)]
    );
    assert_eq!(touched(Some(&rotating()), &later), [moved(1, true), moved(3, false), moved(2, true)]);
}

#[test]
fn regenerate_ends_every_older_secret_at_once_also_while_a_rotation_runs() {
    let key = rotating().rotate(secret(3, at(12_000)), Grace::None, at(12_000)).expect("rotated");
    assert_eq!(records(&key), [(3, Slot::Current, Deadline::NEVER, false)]);
    assert_eq!(touched(Some(&rotating()), &key), [moved(2, true), moved(1, true), moved(3, false)]);
}

#[test]
fn rotating_an_expired_or_disabled_key_leaves_it_so() {
    let mut expired = key();
    expired.expires_at = Some(second(10_500));
    let rotated = expired.rotate(secret(2, at(11_000)), Grace::Until(second(20_000)), at(11_000)).expect("rotated");
    assert_eq!(rotated.status(at(11_000)), KeyStatus::Expired);
    let disabled = key().disable(at(11_000)).expect("disabled");
    let rotated = disabled.rotate(secret(2, at(11_000)), Grace::None, at(11_000)).expect("rotated");
    assert_eq!(rotated.status(at(11_000)), KeyStatus::Disabled);
    assert_eq!(records(&rotated), [(2, Slot::Current, Deadline::NEVER, true)]);
}

#[test]
fn finish_ends_the_old_secret_now() {
    let key = rotating().finish_rotation(at(12_000)).expect("finished");
    assert_eq!(records(&key), [(2, Slot::Current, Deadline::NEVER, false)]);
    assert_eq!(touched(Some(&rotating()), &key), [moved(1, true)]);
}

#[test]
fn cancel_goes_back_to_the_old_secret() {
    let key = rotating().cancel_rotation(at(12_000)).expect("cancelled");
    assert_eq!(records(&key), [(1, Slot::Current, Deadline::NEVER, false)]);
    assert_eq!((key.hint.as_deref(), key.rotated_at), (Some("kw_…0001"), START));
    assert_eq!(touched(Some(&rotating()), &key), [moved(2, true), moved(1, false)]);
}

#[test]
fn cancel_is_refused_in_the_last_120_seconds() {
    assert!(rotating().cancel_rotation(at(19_879)).is_ok());
    for now in [at(19_880), at(19_999)] {
        let refused = rotating().cancel_rotation(now);
        assert_eq!(refused, Err(KeyRefusal::CancelTooLate { until: second(20_000) }));
    }
    assert_eq!(rotating().cancel_rotation(at(20_000)), Err(KeyRefusal::NoRotation));
}

#[test]
fn cancel_lifts_a_pause() {
    let key = rotating().pause_rotation(at(12_000)).and_then(|key| key.cancel_rotation(at(12_000)));
    assert_eq!(records(&key.expect("cancelled")), [(1, Slot::Current, Deadline::NEVER, false)]);
}

#[test]
fn extend_moves_the_deadline_both_ways() {
    for (until, narrowing) in [(25_000, false), (15_000, true)] {
        let key = rotating().extend_rotation(second(until), at(12_000)).expect("extended");
        assert_eq!(records(&key)[1], (1, Slot::Retiring, Deadline::at_seconds(until), false));
        assert_eq!(touched(Some(&rotating()), &key), [moved(1, narrowing)]);
    }
}

#[test]
fn pause_refuses_the_old_secret_and_resume_lifts_it() {
    let paused = rotating().pause_rotation(at(12_000)).expect("paused");
    assert_eq!(
        records(&paused),
        [(2, Slot::Current, Deadline::NEVER, false), (1, Slot::Retiring, Deadline::at_seconds(20_000), true)]
    );
    assert_eq!(touched(Some(&rotating()), &paused), [moved(1, true)]);
    let resumed = paused.clone().resume_rotation(at(13_000)).expect("resumed");
    assert_eq!(records(&resumed), records(&rotating()));
    assert_eq!(touched(Some(&paused), &resumed), [moved(1, false)]);
}

#[test]
fn verbs_of_a_rotation_need_one_that_runs() {
    let over = at(20_000);
    for key in [key(), rotating()] {
        for refused in [
            key.clone().finish_rotation(over),
            key.clone().cancel_rotation(over),
            key.clone().pause_rotation(over),
            key.clone().resume_rotation(over),
            key.extend_rotation(second(30_000), over),
        ] {
            assert_eq!(refused, Err(KeyRefusal::NoRotation));
        }
    }
}

#[test]
fn disable_stops_both_secrets_and_enable_restores_them_with_their_deadlines() {
    let disabled = rotating().disable(at(12_000)).expect("disabled");
    assert!(records(&disabled).iter().all(|record| record.3));
    assert_eq!(disabled.status(at(12_000)), KeyStatus::Disabled);
    assert_eq!(touched(Some(&rotating()), &disabled), [moved(2, true), moved(1, true)]);
    let enabled = disabled.clone().enable(at(13_000)).expect("enabled");
    assert_eq!(records(&enabled), records(&rotating()));
    assert_eq!(touched(Some(&disabled), &enabled), [moved(2, false), moved(1, false)]);
}

#[test]
fn a_rotation_ends_while_the_key_is_disabled() {
    let disabled = rotating().disable(at(12_000)).expect("disabled");
    let enabled = disabled.enable(at(20_000)).expect("enabled");
    assert_eq!(records(&enabled), [(2, Slot::Current, Deadline::NEVER, false)]);
}

#[test]
fn repeating_a_transition_changes_nothing() {
    let disabled = rotating().disable(at(12_000)).expect("disabled");
    assert_eq!(disabled.clone().disable(at(12_001)).as_ref(), Ok(&disabled));
    assert_eq!(touched(Some(&disabled), &disabled), []);
    assert_eq!(rotating().enable(at(12_000)), Ok(rotating()));
    let paused = rotating().pause_rotation(at(12_000)).expect("paused");
    assert_eq!(paused.clone().pause_rotation(at(12_001)).as_ref(), Ok(&paused));
}

#[test]
fn archive_and_delete_are_final() {
    let archived = rotating().archive(at(12_000)).expect("archived");
    assert_eq!(records(&archived), []);
    assert_eq!(archived.status(at(12_000)), KeyStatus::Archived);
    assert_eq!(archived.hint.as_deref(), Some("kw_…0002"));
    assert_eq!(touched(Some(&rotating()), &archived), [moved(2, true), moved(1, true)]);
    let now = at(13_000);
    for refused in [
        archived.clone().rotate(secret(3, now), Grace::None, now),
        archived.clone().disable(now),
        archived.clone().enable(now),
        archived.clone().edit(KeyEdit::default(), now),
        archived.clone().finish_rotation(now),
        archived.clone().archive(now),
    ] {
        assert_eq!(refused, Err(KeyRefusal::Archived));
    }
    let deleted = archived.delete(now).expect("deleted");
    assert_eq!(records(&deleted), []);
    assert_eq!(deleted.clone().delete(now), Err(KeyRefusal::Deleted));
    assert_eq!(deleted.archive(now), Err(KeyRefusal::Deleted));
}

#[test]
fn an_edit_widens_or_narrows_field_by_field() {
    let edit = |edit: KeyEdit| {
        let after = key().edit(edit, START).expect("edited");
        touched(Some(&key()), &after).first().map(|touched| touched.narrowing)
    };
    let ranges = |text: &str| Restrictions { ips: vec![text.parse().expect("a range")], ..Restrictions::default() };
    let cases = [
        (KeyEdit { name: Name::parse("name", "other").ok(), ..KeyEdit::default() }, None),
        (KeyEdit { metadata: Edit::Clear, ..KeyEdit::default() }, None),
        (KeyEdit { access: Some(Access::ReadWrite), ..KeyEdit::default() }, Some(false)),
        (KeyEdit { apis: Some(Apis::All), ..KeyEdit::default() }, Some(false)),
        (KeyEdit { apis: Some(Apis::Only(vec![1, 2])), ..KeyEdit::default() }, Some(false)),
        (KeyEdit { apis: Some(Apis::Only(vec![2])), ..KeyEdit::default() }, Some(true)),
        (KeyEdit { expires_at: Edit::Set(second(50_000)), ..KeyEdit::default() }, Some(true)),
        (KeyEdit { restrictions: Edit::Set(ranges("10.0.0.0/8")), ..KeyEdit::default() }, Some(true)),
        (KeyEdit { member_id: Some(MemberId::from_u64(9)), ..KeyEdit::default() }, Some(true)),
    ];
    for (case, narrowing) in cases {
        assert_eq!(edit(case.clone()), narrowing, "{case:?}");
    }
}

#[test]
fn an_expired_key_lives_again_when_its_expiry_moves() {
    let mut expired = key();
    expired.expires_at = Some(second(10_500));
    assert_eq!(expired.status(at(10_499)), KeyStatus::Active);
    assert_eq!(expired.status(at(10_500)), KeyStatus::Expired);
    let edit = KeyEdit { expires_at: Edit::Clear, ..KeyEdit::default() };
    let after = expired.clone().edit(edit, at(11_000)).expect("edited");
    assert_eq!(after.status(at(11_000)), KeyStatus::Active);
    assert_eq!(touched(Some(&expired), &after), [moved(1, false)]);
}

#[test]
fn what_somebody_did_goes_before_what_time_did() {
    let mut key = key();
    key.expires_at = Some(second(10_500));
    let disabled = key.disable(START).expect("disabled");
    assert_eq!(disabled.status(at(11_000)), KeyStatus::Disabled);
}

#[test]
fn a_reminder_counts_from_the_newest_secret() {
    assert_eq!(key().rotation_due_at(), Some(START.plus_days(90)));
    assert_eq!(rotating().rotation_due_at(), Some(at(11_000).plus_days(90)));
}
