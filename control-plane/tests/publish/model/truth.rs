//! The model: what a person who reads the contract would write down of workspaces, keys and APIs, and
//! what an edge must know of each secret by that. It asks nothing of the code that it is compared with.

mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::{Route, RouteAccess};

use super::operation::{BulkAction, Filter, Granted, KeyOp, Op, Selection, Status, Told, WorkspaceOp};
use super::operation::{path_prefix, range, slug};

/// A second of the Unix epoch.
type Second = u32;

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    /// Members that keys can be made for, beside the one that keys go to which name none.
    pub(crate) members: Vec<MemberId>,
    default_member: Option<MemberId>,
    slug: u8,
    suspended: bool,
    deleted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Disabled,
    Archived,
    Deleted,
}

#[derive(Debug, Clone)]
struct Older {
    secret: Fingerprint,
    until: Second,
    paused: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) workspace: usize,
    member: MemberId,
    name: u8,
    access: Access,
    /// Numbers of APIs; nothing stands for all.
    apis: Option<u16>,
    ips: Option<u8>,
    expires: Option<Second>,
    made: Second,
    state: State,
    secret: Fingerprint,
    older: Option<Older>,
}

impl Key {
    fn is_living(&self) -> bool {
        matches!(self.state, State::Active | State::Disabled)
    }
}

/// What an edge must know of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// Just this.
    Exactly(Record, Policy),
    /// This, or nothing: its time is over, which it says itself.
    Over(Record, Policy),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) workspaces: Vec<Workspace>,
    pub(crate) keys: Vec<Key>,
    /// Number and path of each API, by its own number of the model.
    apis: BTreeMap<u8, (u16, u8)>,
    numbers: BTreeSet<u16>,
    /// Every secret that was ever accepted.
    secrets: BTreeSet<Fingerprint>,
    pub(crate) now: Second,
}

impl Truth {
    /// Writes down what was done; `told` is what only the system could know.
    pub(crate) fn apply(&mut self, op: &Op, told: &Told) {
        match (op, told) {
            (Op::CreateWorkspace { slug }, Told::Workspace(id)) => self.add_workspace(*id, *slug, Vec::new()),
            (Op::Workspace(at, op), Told::Nothing) => self.change_workspace(*at, op),
            (Op::CreateKey(at, new), Told::Key { id, member, secret }) => {
                let workspace = &mut self.workspaces[*at];
                let expected = match new.member % (workspace.members.len() + 1) {
                    0 => *workspace.default_member.get_or_insert(*member),
                    number => workspace.members[number - 1],
                };
                assert_eq!(*member, expected, "the key is somebody else's");
                self.remember(*secret);
                let key = Key {
                    id: *id,
                    workspace: *at,
                    member: *member,
                    name: new.name,
                    access: new.access,
                    apis: self.granted(new.apis).expect("not refused"),
                    ips: None,
                    expires: new.expires.map(|after| self.now + after),
                    made: self.now,
                    state: State::Active,
                    secret: *secret,
                    older: None,
                };
                self.keys.push(key);
            }
            (Op::Key(at, op), told) => self.change_key(*at, op, told),
            (Op::Bulk { workspace, selection, action }, Told::Changed(changed)) => {
                let expected = self.changed_by(*workspace, selection, *action);
                let ids: BTreeSet<KeyId> = expected.iter().map(|&at| self.keys[at].id).collect();
                assert_eq!(*changed, ids, "{op:?}");
                for at in expected {
                    self.keys[at].state = match action {
                        BulkAction::Disable => State::Disabled,
                        BulkAction::Enable => State::Active,
                        BulkAction::Delete => State::Deleted,
                    };
                }
            }
            (Op::PutApi { api, path }, Told::Api(number)) => {
                if let Some((known, _)) = self.apis.insert(*api, (*number, *path)) {
                    assert_eq!(known, *number, "an API keeps its number");
                } else {
                    assert!(self.numbers.insert(*number), "the number {number} was given before");
                }
            }
            (Op::DeleteApi { api }, Told::Nothing) => {
                self.apis.remove(api);
            }
            (op, told) => panic!("{op:?} answered {told:?}"),
        }
    }

    /// Adds a workspace; keys can be made for these members of it.
    pub(crate) fn add_workspace(&mut self, id: WorkspaceId, slug: u8, members: Vec<MemberId>) {
        let workspace = Workspace { id, members, default_member: None, slug, suspended: false, deleted: false };
        self.workspaces.push(workspace);
    }

    fn change_workspace(&mut self, at: usize, op: &WorkspaceOp) {
        let workspace = &mut self.workspaces[at];
        match op {
            WorkspaceOp::Suspend => workspace.suspended = true,
            WorkspaceOp::Activate => workspace.suspended = false,
            WorkspaceOp::Slug(slug) => workspace.slug = *slug,
            // What is kept of a secret is nothing to an edge.
            WorkspaceOp::Reveal { .. } => {}
            WorkspaceOp::Delete => {
                workspace.deleted = true;
                for key in self.keys.iter_mut().filter(|key| key.workspace == at) {
                    key.state = State::Deleted;
                }
            }
        }
    }

    fn change_key(&mut self, at: usize, op: &KeyOp, told: &Told) {
        let now = self.now;
        if let (KeyOp::Rotate(_), Told::Secret(secret)) = (op, told) {
            self.remember(*secret);
        }
        let apis = match op {
            KeyOp::Edit(edit) => edit.apis.map(|apis| self.granted(apis).expect("not refused")),
            _ => None,
        };
        let key = &mut self.keys[at];
        match (op, told) {
            (KeyOp::Rotate(0), Told::Secret(new)) => (key.secret, key.older) = (*new, None),
            (KeyOp::Rotate(grace), Told::Secret(new)) => {
                key.older = Some(Older { secret: key.secret, until: now + grace, paused: false });
                key.secret = *new;
            }
            (KeyOp::Finish, _) => key.older = None,
            (KeyOp::Cancel, _) => key.secret = key.older.take().expect("a rotation").secret,
            (KeyOp::Extend(grace), _) => key.older.as_mut().expect("a rotation").until = now + grace,
            (KeyOp::Pause, _) => key.older.as_mut().expect("a rotation").paused = true,
            (KeyOp::Resume, _) => key.older.as_mut().expect("a rotation").paused = false,
            (KeyOp::Disable, _) => key.state = State::Disabled,
            (KeyOp::Enable, _) => key.state = State::Active,
            (KeyOp::Archive, _) => key.state = State::Archived,
            (KeyOp::Delete, _) => key.state = State::Deleted,
            (KeyOp::Edit(edit), _) => {
                key.name = edit.name.unwrap_or(key.name);
                key.access = edit.access.unwrap_or(key.access);
                key.apis = apis.unwrap_or(key.apis);
                key.ips = edit.ips.unwrap_or(key.ips);
                key.expires = edit.expires.map_or(key.expires, |after| after.map(|after| now + after));
            }
            (op, told) => panic!("{op:?} answered {told:?}"),
        }
    }

    /// The keys that a bulk change changes.
    fn changed_by(&self, workspace: usize, selection: &Selection, action: BulkAction) -> Vec<usize> {
        let is_meant = |at: usize, key: &Key| match selection {
            Selection::Ids(keys) => keys.contains(&at),
            Selection::Filter(filter) => self.is_found(key, filter),
        };
        let changes = |key: &Key| match (action, key.state) {
            (_, State::Deleted) => false,
            (BulkAction::Disable, state) => state == State::Active,
            (BulkAction::Enable, state) => state == State::Disabled,
            (BulkAction::Delete, _) => true,
        };
        let keys = self.keys.iter().enumerate();
        keys.filter(|(at, key)| key.workspace == workspace && is_meant(*at, key) && changes(key))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether the workspace's list has the key under this filter.
    fn is_found(&self, key: &Key, filter: &Filter) -> bool {
        let is_expired = key.expires.is_some_and(|expires| self.now >= expires);
        let state = match (key.state, is_expired) {
            (State::Active, false) => Status::Active,
            (State::Active, true) => Status::Expired,
            (State::Disabled, _) => Status::Disabled,
            (State::Archived | State::Deleted, _) => return false,
        };
        filter.status.is_none_or(|status| status == state)
            && filter.access.is_none_or(|access| access == key.access)
            && filter.unused_for.is_none_or(|seconds| key.made + seconds < self.now)
            && filter
                .api
                .is_none_or(|api| key.apis.is_none_or(|number| self.granted(Granted::Api(api)) == Ok(Some(number))))
    }

    /// Places of the keys that can still be changed.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.keys.len()).filter(|&at| self.keys[at].is_living()).collect()
    }

    /// Places of the keys with an older secret that is still good.
    pub(crate) fn rotating(&self) -> Vec<usize> {
        let is_running = |at: &usize| self.keys[*at].older.as_ref().is_some_and(|older| self.now < older.until);
        self.living().into_iter().filter(is_running).collect()
    }

    /// Places of the workspaces that are not deleted.
    pub(crate) fn open_workspaces(&self) -> Vec<usize> {
        (0..self.workspaces.len()).filter(|&at| !self.workspaces[at].deleted).collect()
    }

    /// What an edge must know of every secret that was ever accepted.
    pub(crate) fn snapshot(&self) -> BTreeMap<Fingerprint, Known> {
        let mut all: BTreeMap<_, _> = self.secrets.iter().map(|secret| (*secret, Known::Nothing)).collect();
        for key in self.keys.iter().filter(|key| key.is_living()) {
            let deadline = |at: Option<Second>| at.map_or(Deadline::NEVER, Deadline::at_seconds);
            let (current, policy) = self.current(key, deadline(key.expires));
            if let Some(older) = &key.older {
                let until = key.expires.map_or(older.until, |expires| expires.min(older.until));
                let paused = older.paused;
                let record = Record { slot: Slot::Retiring, deadline: deadline(Some(until)), paused, ..current };
                let is_over = self.now >= older.until;
                let known = if is_over { Known::Over } else { Known::Exactly };
                all.insert(older.secret, known(record, policy.clone()));
            }
            all.insert(key.secret, Known::Exactly(current, policy));
        }
        all
    }

    fn current(&self, key: &Key, deadline: Deadline) -> (Record, Policy) {
        let workspace = &self.workspaces[key.workspace];
        let record = Record {
            key: key.id,
            member: key.member,
            deadline,
            slot: Slot::Current,
            disabled: key.state == State::Disabled,
            paused: false,
            suspended: workspace.suspended,
        };
        let ips: Vec<IpNet> = key.ips.map(|number| range(number).parse().expect("a range")).into_iter().collect();
        let policy = Policy {
            workspace: workspace.id,
            slug: SlugHash::of(&slug(workspace.slug)),
            access: key.access,
            apis: key.apis.map_or(Apis::All, |number| Apis::Only(vec![number])),
            restrictions: Restrictions { ips, ..Restrictions::default() },
        };
        (record, policy)
    }

    /// The routes that an edge must know, in no order.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let route = |(number, path): &(u16, u8)| Route {
            api: *number,
            path_prefix: path_prefix(*path),
            methods: Vec::new(),
            access: RouteAccess::ByMethod,
        };
        self.apis.values().map(route).collect()
    }

    /// The number that is granted, or nothing for all.
    fn granted(&self, granted: Granted) -> Result<Option<u16>, &'static str> {
        match granted {
            Granted::All => Ok(None),
            Granted::Api(api) => self.apis.get(&api).map(|(number, _)| Some(*number)).ok_or("invalid"),
        }
    }

    fn remember(&mut self, secret: Fingerprint) {
        assert!(self.secrets.insert(secret), "a secret was accepted twice");
    }

    fn has_slug(&self, slug: u8, except: Option<usize>) -> bool {
        let mut workspaces = self.workspaces.iter().enumerate();
        workspaces.any(|(at, workspace)| !workspace.deleted && workspace.slug == slug && Some(at) != except)
    }

    fn has_name(&self, workspace: usize, name: u8, except: Option<KeyId>) -> bool {
        let has =
            |key: &Key| key.is_living() && key.workspace == workspace && key.name == name && Some(key.id) != except;
        self.keys.iter().any(has)
    }
}
