//! `/v1`: everything behind a token.

mod apis;
mod keys;
mod settings;
mod snapshot;
mod workspaces;

use axum::Router;
use axum::middleware::from_fn_with_state;

use super::ApiState;
use super::extract::{authenticate, authenticate_lane};

pub(super) fn router(state: &ApiState) -> Router<ApiState> {
    let operators = Router::new()
        .nest("/workspaces", workspaces::router())
        .nest("/workspaces/{ws}/keys", keys::router())
        .nest("/apis", apis::router())
        .nest("/settings", settings::router())
        .merge(snapshot::status_router())
        .route_layer(from_fn_with_state(state.clone(), authenticate));
    let lane = snapshot::lane_router().route_layer(from_fn_with_state(state.clone(), authenticate_lane));
    operators.merge(lane)
}
