//! `GET /v1/audit/exports/{id}/{secret}`: an export that was too large for a mail. The link is all that
//! opens it; no log has it, since no log has a path.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::{Stream, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::api::ApiState;
use crate::api::extract::{ExportPath, Visitor};
use crate::api::problem::{Code, Problem};
use crate::lifecycle::{ExportPlace, LinkedFile};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Fetch an export of the audit log
///
/// By the link that was sent by mail. Each time is told to the audit log.
#[utoipa::path(
    get, path = "/v1/audit/exports/{id}/{secret}", operation_id = "fetch_audit_log",
    responses((status = 200, content((String = "text/csv"), (String = "application/x-ndjson")))),
)]
pub(super) async fn download(
    State(api): State<ApiState>,
    visitor: Visitor,
    ExportPath(id, secret): ExportPath,
) -> Result<Response, Problem> {
    let directory: Arc<Path> = api.mailed_dir.clone().ok_or_else(|| Problem::new(Code::NotFound))?;
    let now = api.clock.now();
    let found = api.lifecycle.linked_file(&id, &secret, now).await?;
    // What cannot be opened was not fetched.
    let (headers, file) = opened(&directory, &found).await?;
    let place = api.lifecycle.fetch_export(&visitor.actor, &id, &secret, now).await?;
    let mut response = Response::new(Body::from_stream(pieces(file, place)));
    response.headers_mut().extend(headers);
    Ok(response)
}

/// What `HEAD` answers: the file is not fetched, so nothing is told.
pub(super) async fn look(State(api): State<ApiState>, ExportPath(id, secret): ExportPath) -> Result<Response, Problem> {
    let directory: Arc<Path> = api.mailed_dir.clone().ok_or_else(|| Problem::new(Code::NotFound))?;
    let found = api.lifecycle.linked_file(&id, &secret, api.clock.now()).await?;
    let (headers, _) = opened(&directory, &found).await?;
    let mut response = Response::new(Body::empty());
    response.headers_mut().extend(headers);
    Ok(response)
}

async fn opened(directory: &Path, found: &LinkedFile) -> Result<([(HeaderName, HeaderValue); 5], File), Problem> {
    let internal = |error: io::Error| Problem::new(Code::Internal).caused_by(error);
    let file = match File::open(directory.join(&found.id)).await {
        // As after a restore of the database alone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Problem::new(Code::ExportExpired)),
        opened => opened.map_err(internal)?,
    };
    let length = file.metadata().await.map_err(internal)?.len();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{}\"", found.file_name));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(found.format.media_type())),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CONTENT_DISPOSITION, disposition.map_err(|error| Problem::new(Code::Internal).caused_by(error))?),
    ];
    Ok((headers, file))
}

fn pieces(file: File, place: ExportPlace) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, place), |(mut file, place)| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), (file, place))))
    })
}
