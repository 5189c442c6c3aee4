//! Where an operation is done: mostly where it can be, sometimes anywhere.

use std::collections::{BTreeMap, BTreeSet};

use keyward_shared::policy::Access;

use super::operation::{Given, Granted, KeyEdit, KeyOp, Line, MemberOp, Named, Op, Selection};
use super::truth::Truth;

impl Op {
    /// The same with places that the model has.
    pub(crate) fn placed(mut self, truth: &Truth) -> Self {
        let keys = truth.keys.len();
        match &mut self {
            Self::CreateWorkspace { .. } | Self::PutApi { .. } | Self::DeleteApi { .. } => {}
            Self::Bulk { workspace, selection: Selection::Ids(picks), .. } => {
                // Keys of one workspace, but for some.
                let mut living = truth.living();
                *workspace = truth.keys[one_of(&living, keys, *workspace)].workspace;
                living.retain(|&at| truth.keys[at].workspace == *workspace);
                let places: BTreeSet<usize> = picks.iter().map(|&pick| one_of(&living, keys, pick)).collect();
                *picks = places.into_iter().collect();
            }
            Self::Workspace(at, _) | Self::CreateMember { workspace: at, .. } | Self::Bulk { workspace: at, .. } => {
                *at = workspace(truth, *at);
            }
            Self::Member(at, op) => {
                *at = one_of(&truth.people(), truth.members.len(), *at);
                let (MemberOp::Become(_, given) | MemberOp::Remove(given)) = op;
                *given = handed_over(given, *at, truth);
            }
            Self::CreateKey(at, new) => {
                *at = workspace(truth, *at);
                new.member = new.member.map(|pick| member(truth, *at, pick));
            }
            Self::Key(at, KeyOp::Finish | KeyOp::Cancel | KeyOp::Extend(_) | KeyOp::Pause | KeyOp::Resume) => {
                *at = one_of(&truth.rotating(), keys, *at);
            }
            Self::Key(at, op) => {
                *at = one_of(&truth.living(), keys, *at);
                if let KeyOp::Edit(edit) = op {
                    edit.member = edit.member.map(|pick| member(truth, truth.keys[*at].workspace, pick));
                }
            }
            Self::Import(lines) => {
                let mut last = None;
                for line in lines {
                    last = line.place(truth, last).or(last);
                }
            }
        }
        self
    }
}

impl Line {
    /// About a key that is there the line says again what it does not say otherwise. Some names are `last`,
    /// of the key that a line before it is about, which may have given it up. Says its own key's.
    fn place(&mut self, truth: &Truth, last: Option<u8>) -> Option<u8> {
        if let Named::Id(at) = &mut self.workspace {
            *at = workspace(truth, *at);
        }
        let mut says = KeyEdit { ips: self.says.ips, expires: self.says.expires, ..KeyEdit::default() };
        if let Some(pick) = self.about {
            let key = &truth.keys[one_of(&truth.brought_once(), truth.keys.len(), pick)];
            self.workspace = Named::Id(key.workspace);
            self.external = key.external.unwrap_or(self.external);
            self.secret = key.brought.unwrap_or(self.secret);
            (says.name, says.access, says.apis) = (Some(key.name), Some(key.access), truth.grant(key));
        }
        let own = says.name;
        let renamed = self.says.name.map(|name| last.filter(|_| name.is_multiple_of(3)).unwrap_or(name));
        says.name = renamed.or(says.name).or(self.external.to_le_bytes().first().copied());
        says.access = self.says.access.or(says.access).or(Some(Access::ReadOnly));
        says.apis = self.says.apis.or(says.apis).or(Some(Granted::All));
        says.member = self.says.member.map(|pick| match truth.named(self.workspace) {
            Some(workspace) => member(truth, workspace, pick),
            None => pick % truth.members.len(),
        });
        self.says = says;
        own
    }
}

/// Keys of the member to others of the workspace, each once.
fn handed_over(given: &Given, from: usize, truth: &Truth) -> Given {
    let keys = truth.keys_of(from);
    if keys.is_empty() {
        return Given::new();
    }
    let mut others = truth.members_of(truth.members[from].workspace);
    others.retain(|&at| at != from);
    let place =
        |&(key, to): &(usize, usize)| (one_of(&keys, truth.keys.len(), key), one_of(&others, truth.members.len(), to));
    given.iter().map(place).collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn workspace(truth: &Truth, pick: usize) -> usize {
    one_of(&truth.open_workspaces(), truth.workspaces.len(), pick)
}

fn member(truth: &Truth, workspace: usize, pick: usize) -> usize {
    one_of(&truth.members_of(workspace), truth.members.len(), pick)
}

fn one_of(wanted: &[usize], all: usize, pick: usize) -> usize {
    match wanted.get(pick % wanted.len().max(1)) {
        Some(at) if !pick.is_multiple_of(11) => *at,
        _ => pick % all,
    }
}
