//! The REST API: one file a verb, as the URL names it.
//!
//! Handlers read a request, call one use case and word its answer. They know the lifecycle and
//! never the store; shapes on the wire are in [`wire`], refusals in [`problem`].

pub mod answer;
pub mod etag;
pub mod extract;
pub mod frame;
mod health;
pub mod limits;
mod linger;
pub mod metrics;
pub mod openapi;
pub mod problem;
mod qr;
mod refused;
pub mod server;
pub mod sign_ins;
pub mod snapshot;
mod spool;
mod v1;
pub mod wire;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::config::ClientAddress;
use crate::domain::token::TokenHash;
use crate::entropy::Entropy;
use crate::lifecycle::Lifecycle;
use crate::receipts::Receipts;
use metrics::Metrics;
use problem::{Code, Problem};
use sign_ins::SignIns;
use snapshot::SnapshotSource;

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The use cases.
    pub lifecycle: Lifecycle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The publisher.
    pub snapshot: Arc<dyn SnapshotSource>,
    /// Who waits to hear from edges.
    pub receipts: Arc<Receipts>,
    /// What edges show to read snapshots and to report, hashed.
    pub edge_credential: TokenHash,
    /// What opens the http lane and nothing else, hashed, where there is such a token.
    pub lane_token: Option<TokenHash>,
    /// Where the audit log's address of a client is taken from.
    pub client_address: ClientAddress,
    /// Where long answers wait for their readers, in files without a name.
    pub spool_dir: Arc<Path>,
    /// Where exports of the audit log wait to be fetched; none where no mail is sent.
    pub mailed_dir: Option<Arc<Path>>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Counts who is refused.
    pub sign_ins: SignIns,
}

/// The whole API over this state.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::figures))
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(openapi::docs))
        .nest("/v1", v1::router(&state))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(CatchPanicLayer::custom(frame::on_panic))
        .layer(middleware::from_fn_with_state(state.clone(), frame::frame))
        .with_state(state)
}

async fn nothing_here() -> Response {
    Problem::new(Code::NotFound).detail("nothing is at this path").into_response()
}

async fn other_method() -> Response {
    Problem::new(Code::MethodNotAllowed).into_response()
}
