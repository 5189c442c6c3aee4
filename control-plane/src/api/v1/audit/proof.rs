//! `GET /v1/audit/proof`: that an event is in the log, or that the log only grew.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::Problem;
use crate::api::wire::audit::{AskedProof, ConsistencyBody, InclusionBody, ProofQuery};
use crate::api::wire::schema;
use crate::api::{ApiState, answer};

/// Prove an event, or that the log only grew
///
/// Takes `seq` or `from_size`, and nothing from whoever verifies but a checkpoint (RFC 9162, section 2.1).
#[utoipa::path(
    get, path = "/v1/audit/proof", operation_id = "get_audit_proof",
    params(ProofQuery),
    responses((status = 200, body = schema::AuditProof)),
)]
pub(super) async fn prove(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<ProofQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (actor, now) = (&caller.actor, api.clock.now());
    let (proof, size) = query.into_input()?;
    match proof {
        AskedProof::Event { seq } => {
            let proof = api.lifecycle.prove_event(actor, seq, size, now).await.map_err(Problem::of_query)?;
            Ok(answer::list(&headers, &InclusionBody::from(&proof)))
        }
        AskedProof::Growth { from_size } => {
            let proof = api.lifecycle.prove_growth(actor, from_size, size, now).await.map_err(Problem::of_query)?;
            Ok(answer::list(&headers, &ConsistencyBody::from(&proof)))
        }
    }
}
