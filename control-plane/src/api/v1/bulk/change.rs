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
use crate::domain::time::UnixMillis;
use crate::lifecycle::BulkDone;

/// Disable, enable or delete many keys
///
/// Up to 1,000 at once; `dry_run` says which. By `last_used_before`, as long as not every call since then is known
/// of, keys are changed only with the `etag` of a dry run as `If-Match`.
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
        let (reported, now) = (ready.reported().await?, ready.context().now);
        let usage = (reported.known_until(now), verb.is_usage_complete(reported, now));
        return ready.preview(verb, move |done| previewed(done, usage)).await;
    }
    verb.check_usage(ready.context(), ready.reported().await?)?;
    ready.run(verb, done).await
}

fn done(done: BulkDone, Generation(generation): Generation) -> Answer {
    Answer::new(StatusCode::OK, &BulkBody::new(done, BulkEnd::Done { generation }))
}

fn previewed(done: BulkDone, (usage_known_until, usage_complete): (Option<UnixMillis>, Option<bool>)) -> Answer {
    let tag = Tag::of_plan(done.version, done.plan);
    let end = BulkEnd::Previewed { usage_known_until, usage_complete, etag: tag.as_str().to_owned() };
    Answer::new(StatusCode::OK, &BulkBody::new(done, end)).header(header::ETAG, tag.as_str())
}
