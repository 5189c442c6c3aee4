//! Signing in, as the audit log has it: who did, and from where somebody tried in vain.
//!
//! Neither changes anything, so neither takes a generation. A request that shows a token is not by itself
//! a sign-in; it is one where a session begins.

use std::net::IpAddr;

use super::{Lifecycle, Refusal};
use crate::domain::actor::{Actor, ActorKind};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::time::UnixMillis;

/// Tries from one address that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSignIns {
    /// Where the last came from; nothing where that is not known, or from more places than are told apart.
    pub ip: Option<IpAddr>,
    /// How many.
    pub failures: u64,
    /// When the first of them was.
    pub since: UnixMillis,
    /// The request of the last; empty where they are told later.
    pub request_id: String,
}

impl Lifecycle {
    /// Tells the audit log that somebody signed in.
    pub async fn signed_in(&self, actor: &Actor, now: UnixMillis) -> Result<(), Refusal> {
        let entity = if actor.kind == ActorKind::Member { Entity::Members } else { Entity::Tokens };
        let target = Target { id: actor.id().unwrap_or_default(), name: actor.name.clone() };
        let workspace_id = match actor.member {
            Some(member) => self.store.standing(member).await?.map(|standing| standing.workspace_id),
            None => None,
        };
        let details = Details::new("sign_in", None, None);
        let event = AuditEvent { workspace_id, ..login(actor.clone(), now, (entity, target), details) };
        self.store.tell(vec![event]).await?;
        Ok(())
    }

    /// Tells the audit log of tries to sign in that were refused, each of an address.
    pub async fn refused_sign_ins(&self, refused: Vec<RefusedSignIns>, now: UnixMillis) -> Result<(), Refusal> {
        let event = |refused: RefusedSignIns| {
            let RefusedSignIns { ip, failures, since, request_id } = refused;
            let actor = Actor { ip, request_id, ..Actor::system("unknown") };
            let target = Target { id: "token".to_owned(), name: "unknown".to_owned() };
            let details = Details::new("sign_in_failed", None, None).with("failures", failures).with("since", since);
            login(actor, now, (Entity::Tokens, target), details)
        };
        let events: Vec<_> = refused.into_iter().map(event).collect();
        if !events.is_empty() {
            self.store.tell(events).await?;
        }
        Ok(())
    }
}

fn login(actor: Actor, at: UnixMillis, (entity, target): (Entity, Target), details: Details) -> AuditEvent {
    let action = Action::Login;
    AuditEvent { at, actor, action, entity, target, workspace_id: None, team_id: None, reason: None, details }
}
