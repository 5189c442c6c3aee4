//! `POST /v1/workspaces/{ws}/keys/bulk`: disables, enables or deletes up to 1,000 keys, or says which
//! it would.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::Answer;
use crate::api::etag::Tag;
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::bulk::{BulkBody, BulkEnd, BulkRequest};
use crate::domain::change::Generation;
use crate::lifecycle::{BulkDone, USAGE_KNOWN_UNTIL};

/// Disable, enable or delete many keys
///
/// Up to 1,000 at once; `dry_run` says which. By `last_used_before`, as long as it is not known what was used up to
/// then, keys are changed only with the `etag` of a dry run as `If-Match`.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/bulk", operation_id = "change_keys",
    request_body = BulkRequest,
    responses((status = 200, body = crate::api::wire::schema::BulkAnswer)),
)]
pub(super) async fn change(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<BulkRequest>()?;
    let is_dry_run = body.dry_run == Some(true);
    let verb = body.into_verb(workspace)?;
    if is_dry_run {
        return ready.preview(verb, previewed).await;
    }
    verb.check_usage(ready.context())?;
    ready.run(verb, done).await
}

fn done(done: BulkDone, Generation(generation): Generation) -> Answer {
    Answer::new(StatusCode::OK, &BulkBody::new(done, BulkEnd::Done { generation }))
}

fn previewed(done: BulkDone) -> Answer {
    let tag = Tag::of_plan(done.version, done.plan);
    let end = BulkEnd::Previewed { usage_known_until: USAGE_KNOWN_UNTIL, etag: tag.as_str().to_owned() };
    Answer::new(StatusCode::OK, &BulkBody::new(done, end)).header(header::ETAG, tag.as_str())
}
