//! Every mutation there is, for what must hold of each.

use axum::http::Method;
use serde_json::Value;

use crate::service::Service;
use crate::{apis, bulk, keys, mailed, members, reveal, rotation, settings, teams, tokens, workspaces};

/// One mutation as it is asked for.
pub(crate) struct Mutation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Mutation {
    pub(crate) fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), body }
    }
}

/// Every mutation, in an order in which each can be made. What each is about is there from the
/// beginning, so that each can also be refused before any is made.
pub(crate) async fn all(service: &Service) -> Vec<Mutation> {
    let mut all = workspaces::mutations(service).await;
    all.extend(apis::mutations(service).await);
    all.extend(settings::mutations());
    all.extend(keys::mutations(service).await);
    all.extend(rotation::mutations(service).await);
    all.extend(members::mutations(service).await);
    all.extend(teams::mutations(service).await);
    all.extend(bulk::mutations(service).await);
    all.extend(reveal::mutations(service).await);
    all.extend(mailed::mutations());
    all.extend(tokens::mutations(service).await);
    all
}
