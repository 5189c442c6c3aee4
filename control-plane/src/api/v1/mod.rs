//! `/v1`: everything behind a token.

mod apis;
mod audit;
mod bulk;
mod edges;
mod explain;
mod generations;
mod import;
mod keys;
mod lookup;
mod members;
mod settings;
mod snapshot;
mod teams;
mod tokens;
mod workspaces;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi as _;

use super::ApiState;
use super::extract::{authenticate, authenticate_edge, authenticate_lane};

pub(super) fn router(state: &ApiState) -> Router<ApiState> {
    let callers = Router::new()
        .nest("/workspaces", workspaces::router())
        .nest("/workspaces/{ws}/members", members::router())
        .nest("/workspaces/{ws}/members/{member}/tokens", tokens::router())
        .nest("/workspaces/{ws}/teams", teams::router())
        .nest("/workspaces/{ws}/keys", keys::router())
        .nest("/workspaces/{ws}/keys/bulk", bulk::router())
        .nest("/keys/import", import::router())
        .nest("/keys/lookup", lookup::router())
        .nest("/explain", explain::router())
        .nest("/apis", apis::router())
        .nest("/settings", settings::router())
        .nest("/audit", audit::router())
        .merge(snapshot::status_router())
        .merge(edges::router())
        .nest("/generations", generations::router())
        .route_layer(from_fn_with_state(state.clone(), authenticate));
    let lane = snapshot::lane_router().route_layer(from_fn_with_state(state.clone(), authenticate_lane));
    let reports = edges::report_router().route_layer(from_fn_with_state(state.clone(), authenticate_edge));
    callers.merge(lane).merge(reports).nest("/audit", audit::link_router())
}

/// The operations of all of these routes: a line a module.
pub(super) fn operations() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        workspaces::Operations::openapi(),
        keys::Operations::openapi(),
        keys::rotation::Operations::openapi(),
        members::Operations::openapi(),
        teams::Operations::openapi(),
        tokens::Operations::openapi(),
        bulk::Operations::openapi(),
        import::Operations::openapi(),
        lookup::Operations::openapi(),
        explain::Operations::openapi(),
        apis::Operations::openapi(),
        settings::Operations::openapi(),
        audit::Operations::openapi(),
        snapshot::Operations::openapi(),
        edges::Operations::openapi(),
        generations::Operations::openapi(),
    ]
}
