//! What a change of role and a removal share: moving, keeping and ending a member's keys.
//!
//! It happens in one transaction with the member's own row. Keys are judged page by page and deleted as
//! a set: how many there are is nobody's to choose but the member's.

use std::collections::{HashMap, HashSet};

use keyward_shared::id::{KeyId, MemberId};
use keyward_shared::policy::Access;

use super::{Call, Needs, PlanDigest, Refusal, key_support};
use crate::domain::api::Catalogue;
use crate::domain::audit::{Action, AuditEvent, Details};
use crate::domain::change::{Change, Touched};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::Key;
use crate::domain::key::effect::touched;
use crate::domain::key::transition::KeyEdit;
use crate::domain::limits::BULK_KEYS;
use crate::domain::member::{Member, Role};
use crate::domain::offboarding::{Outcome, PlanHash, Step};
use crate::domain::permission::{Permission, ceiling, is_below};
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;
use crate::store::{StoredKey, Tx};

/// Which of a member's keys are given to whom.
pub type Reassign = Vec<(KeyId, MemberId)>;

/// What a change of a member means to the keys that the member has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version of the member that it is a plan for.
    pub version: u64,
    /// Stands for all of it, keys that are not listed included.
    pub digest: PlanDigest,
    /// The first keys, those that end before those that go on. None for whoever may not read keys.
    pub keys: Vec<PlannedKey>,
    /// Whether there are keys that are not listed.
    pub more: bool,
}

/// One key of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedKey {
    /// The key's identifier.
    pub id: KeyId,
    /// The name.
    pub name: Name,
    /// Read-only or read-write.
    pub access: Access,
    /// What becomes of it.
    pub outcome: Outcome,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
}

/// What was done to a member's keys.
pub(super) struct Settled {
    plan: Plan,
    moved: Told,
    ended: Told,
}

/// What is to be told of keys that changed alike.
#[derive(Default)]
struct Told {
    events: Vec<AuditEvent>,
    touched: Vec<Touched>,
}

/// Keys that are read at a time: one more than a plan lists, so that one page says that there are more.
const KEYS_AT_A_TIME: u16 = LISTED + 1;
/// Keys that a plan lists.
const LISTED: u16 = BULK_KEYS;

/// Gives the keys that `reassign` names to others and ends those that the member may not have after
/// `step`, if the precondition holds for what that does.
pub(super) async fn settle(
    tx: &mut dyn Tx,
    call: Call<'_>,
    workspace: &Workspace,
    member: &Member,
    step: Step,
    reassign: &[(KeyId, MemberId)],
) -> Result<Settled, Refusal> {
    if reassign.len() > usize::from(BULK_KEYS) {
        let detail = format!("{} keys, at most {BULK_KEYS}", reassign.len());
        return Err(Invalid::new("reassign", Fault::TooMany, detail).into());
    }
    if !reassign.is_empty() {
        call.rights.admit(Needs::In(workspace.id, Permission::KeyAssign))?;
    }
    let catalogue = tx.catalogue().await?;
    let now = call.context.now;
    let mut survey = Survey::new(step, workspace.staff_max_access, reassign);
    let (mut ended, mut ids, mut after) = (Told::default(), Vec::new(), None);
    loop {
        let keys = tx.keys_of_member(member.id, after, step.ends_archived(), KEYS_AT_A_TIME).await?;
        let is_last = keys.len() < usize::from(KEYS_AT_A_TIME);
        after = keys.last().map(|stored| stored.key.id);
        for StoredKey { key, .. } in keys {
            if survey.meet(&key) == Outcome::Kept {
                continue;
            }
            let gone = key.clone().delete(now)?;
            let details = Details::new("delete", Some(&key.facts(&catalogue)), Some(&gone.facts(&catalogue)))
                .with("because", step.operation());
            ended.events.push(key_support::event(call, &gone, Action::Delete, details));
            ended.touched.extend(touched(Some(&key), &gone));
            ids.push(key.id);
        }
        // Where no key ends, one page says enough.
        if is_last || step == Step::Stays {
            break;
        }
    }
    if !ids.is_empty() {
        call.rights.admit(Needs::In(workspace.id, Permission::KeyEnd))?;
    }
    let sees = call.rights.admit(Needs::In(workspace.id, Permission::KeyRead)).is_ok();
    let plan = survey.finish(member.version, sees);
    call.context.check_plan(plan.version, plan.digest)?;
    let moved = give(tx, call, workspace, member, reassign, &catalogue).await?;
    if !ids.is_empty() {
        tx.delete_keys(&ids, now).await?;
    }
    Ok(Settled { plan, moved, ended })
}

impl Settled {
    /// The details of the member's own event, with how many keys went which way.
    pub(super) fn counted(&self, mut details: Details) -> Details {
        for (fact, Told { events, .. }) in [("reassigned_keys", &self.moved), ("deleted_keys", &self.ended)] {
            if !events.is_empty() {
                details = details.with(fact, events.len());
            }
        }
        details
    }

    /// The change with an event for each key that moved or ended, and what was planned.
    pub(super) fn told(self, change: Change) -> (Plan, Change) {
        let Self { plan, moved, ended } = self;
        let change = moved.events.into_iter().chain(ended.events).fold(change, Change::with_event);
        (plan, change.touching(moved.touched).touching(ended.touched))
    }
}

/// What a step means to each key, as far as it has been looked at.
struct Survey {
    step: Step,
    staff_max_access: Access,
    given: HashSet<KeyId>,
    hash: PlanHash,
    ending: Vec<PlannedKey>,
    staying: Vec<PlannedKey>,
    met: usize,
}

impl Survey {
    fn new(step: Step, staff_max_access: Access, reassign: &[(KeyId, MemberId)]) -> Self {
        Self {
            step,
            staff_max_access,
            given: reassign.iter().map(|(key, _)| *key).collect(),
            hash: PlanHash::new(step),
            ending: Vec::new(),
            staying: Vec::new(),
            met: 0,
        }
    }

    /// Says what becomes of the member's next key.
    fn meet(&mut self, key: &Key) -> Outcome {
        let unless_given = self.step.outcome(key.access, self.staff_max_access);
        self.hash.add(key, unless_given);
        let outcome = if self.given.contains(&key.id) { Outcome::Kept } else { unless_given };
        let listed = if outcome == Outcome::Deleted { &mut self.ending } else { &mut self.staying };
        if listed.len() < usize::from(LISTED) {
            listed.push(planned(key, outcome));
        }
        self.met += 1;
        outcome
    }

    /// The plan; a list for those only who see the keys.
    fn finish(self, version: u64, sees: bool) -> Plan {
        let mut keys = self.ending;
        keys.extend(self.staying);
        keys.truncate(if sees { usize::from(LISTED) } else { 0 });
        Plan { version, digest: self.hash.finish(), more: self.met > keys.len(), keys }
    }
}

/// Gives the member's keys that are named to those who are named for them.
async fn give(
    tx: &mut dyn Tx,
    call: Call<'_>,
    workspace: &Workspace,
    member: &Member,
    reassign: &[(KeyId, MemberId)],
    catalogue: &Catalogue,
) -> Result<Told, Refusal> {
    let now = call.context.now;
    let mut moved = Told::default();
    let mut holders = Holders { workspace, member, roles: HashMap::new() };
    for &(id, to) in reassign {
        let field = format!("reassign.{id}");
        let stored = tx.key(workspace.id, id).await?.filter(|stored| stored.key.member_id == member.id);
        let key = stored.ok_or_else(|| Invalid::new(&field, Fault::Unknown, "the member has no such key"))?.key;
        holders.admit(tx, &field, to, key.access).await?;
        let mut given = key.clone().edit(KeyEdit { member_id: Some(to), ..KeyEdit::default() }, now)?;
        given.version += 1;
        tx.update_key(&given, now).await?;
        let details = Details::new("reassign", Some(&key.facts(catalogue)), Some(&given.facts(catalogue)));
        moved.events.push(key_support::event(call, &given, Action::Update, details));
        moved.touched.extend(touched(Some(&key), &given));
    }
    Ok(moved)
}

fn planned(key: &Key, outcome: Outcome) -> PlannedKey {
    let Key { id, name, access, last_used_at, .. } = key;
    PlannedKey { id: *id, name: name.clone(), access: *access, outcome, last_used_at: *last_used_at }
}

/// Those who are given keys.
struct Holders<'a> {
    workspace: &'a Workspace,
    /// Who had them.
    member: &'a Member,
    roles: HashMap<MemberId, Role>,
}

impl Holders<'_> {
    /// Refuses unless `to` is another member of the workspace who may have a key with this access.
    async fn admit(&mut self, tx: &mut dyn Tx, field: &str, to: MemberId, access: Access) -> Result<(), Refusal> {
        let refuse = |fault, detail| Err(Invalid::new(field, fault, detail).into());
        if to == self.member.id {
            return refuse(Fault::Conflicting, "the key is this member's already");
        }
        let role = match self.roles.get(&to).copied() {
            Some(role) => role,
            None => match tx.member(self.workspace.id, to).await? {
                Some(found) => *self.roles.entry(to).or_insert(found.role),
                None => return refuse(Fault::Unknown, "the workspace has no such member"),
            },
        };
        if is_below(access, ceiling(role, self.workspace.staff_max_access)) {
            return Ok(());
        }
        refuse(Fault::Conflicting, "that member may not have a key with this access")
    }
}
