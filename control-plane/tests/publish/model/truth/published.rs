//! What an edge must know of all that by now is.

use std::collections::BTreeMap;

use ipnet::IpNet;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::{Apis, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::{Route, RouteAccess};

use super::{Key, Second, State, Truth};
use crate::model::operation::{path_prefix, range, slug};

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

impl Truth {
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
            member: self.members[key.member].id,
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
}
