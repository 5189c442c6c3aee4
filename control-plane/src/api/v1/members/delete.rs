//! `DELETE /v1/workspaces/{ws}/members/{member}`: the member goes with their keys and tokens, which
//! `?dry_run=true` tells beforehand.

use axum::response::Response;

use super::planned;
use crate::api::answer::Answer;
use crate::api::extract::{MemberPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::members::RemoveMember as Body;
use crate::api::wire::options::DryRunOption;
use crate::lifecycle::{MemberRef, RemoveMember};

pub(super) async fn delete(
    MemberPath(workspace, member): MemberPath,
    mutation: Mutation<DryRunOption>,
) -> Result<Response, Problem> {
    let is_dry_run = mutation.query().is_dry_run();
    let (ready, body) = mutation.read::<Body>()?;
    let verb = RemoveMember { target: MemberRef { workspace, member }, reassign: body.reassign.0 };
    if is_dry_run {
        return ready.preview(verb, |plan| planned(&plan)).await;
    }
    ready.run(verb, |_, generation| Answer::gone(generation)).await
}
