//! `GET /v1/audit/export`: a file of any length, written as it is read.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt as _, stream};

use crate::api::ApiState;
use crate::api::extract::{Caller, Filtered};
use crate::api::problem::{Code, Problem};
use crate::api::wire::audit::FilterQuery;
use crate::api::wire::exports::FormatQuery;
use crate::domain::audit::export::Format;
use crate::lifecycle::AuditExport;

/// How many events the log has.
static SIZE: HeaderName = HeaderName::from_static("keyward-audit-size");
/// Whether something may have been left out.
static FILTERED: HeaderName = HeaderName::from_static("keyward-audit-filtered");
/// The checkpoint that the export is verified against, in base64.
static CHECKPOINT: HeaderName = HeaderName::from_static("keyward-audit-checkpoint");

/// Export the audit log
///
/// Oldest first, up to a checkpoint that is signed for it, which a CSV has in `Keyward-Audit-Checkpoint`.
/// The export is in the log itself before its first byte is sent. Where a filter is on, and for everybody
/// who sees one workspace only, each event comes with the proof that it is in the log.
#[utoipa::path(
    get, path = "/v1/audit/export", operation_id = "export_audit_log",
    params(FilterQuery, FormatQuery),
    responses((
        status = 200,
        content((String = "text/csv"), (String = "application/x-ndjson")),
        headers(
            ("Keyward-Audit-Size" = u64, description = "Events in the log as it is exported."),
            ("Keyward-Audit-Filtered" = bool, description = "Whether something may have been left out."),
            ("Keyward-Audit-Checkpoint" = String, description = "The signed checkpoint, in base64.")
        )
    )),
)]
pub(super) async fn export(
    State(api): State<ApiState>,
    caller: Caller,
    Filtered { filter, rest }: Filtered<FormatQuery>,
) -> Result<Response, Problem> {
    let (filter, format) = (filter.into_filter()?, rest.into_format()?);
    let now = api.clock.now();
    let export = api.lifecycle.export_audit(&caller.actor, filter, format, now).await.map_err(Problem::of_query)?;
    answer(export, format)
}

/// What `HEAD` answers: that it may be asked for. Nothing is exported, so nothing is told.
pub(super) async fn look(
    State(api): State<ApiState>,
    caller: Caller,
    Filtered { filter, rest }: Filtered<FormatQuery>,
) -> Result<Response, Problem> {
    let (filter, format) = (filter.into_filter()?, rest.into_format()?);
    api.lifecycle.admit_export(&caller.actor, &filter).await.map_err(Problem::of_query)?;
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn answer(export: AuditExport, format: Format) -> Result<Response, Problem> {
    let preface = export.preface();
    let value =
        |text: String| HeaderValue::try_from(text).map_err(|error| Problem::new(Code::Internal).caused_by(error));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_DISPOSITION, value(format!("attachment; filename=\"{}\"", preface.file_name(format)))?),
        (SIZE.clone(), HeaderValue::from(preface.size)),
        (FILTERED.clone(), HeaderValue::from_static(if preface.is_filtered() { "true" } else { "false" })),
        (CHECKPOINT.clone(), value(STANDARD.encode(&preface.checkpoint))?),
    ];
    let first = format.preface(preface).map_err(|error| Problem::new(Code::Internal).caused_by(error))?;
    let mut response = Response::new(Body::from_stream(pieces(export, format, first)));
    response.headers_mut().extend(headers);
    Ok(response)
}

/// The file, of which no more is in memory than the piece that is read next. An answer that ends with an
/// error is seen to be cut off.
fn pieces(export: AuditExport, format: Format, first: Vec<u8>) -> impl Stream<Item = io::Result<Bytes>> {
    let rest = stream::try_unfold(Some(export), move |export| async move {
        let Some(mut export) = export else { return Ok(None) };
        let cut_off = |error: &dyn std::error::Error| {
            tracing::error!(%error, "an export of the audit log is cut off");
            io::Error::other("the export is cut off")
        };
        let written = match export.next().await.map_err(|error| cut_off(&error))? {
            Some(events) => format.events(&events).map(|bytes| (bytes, Some(export))),
            None => format.end(export.events()).map(|bytes| (bytes, None)),
        };
        let (bytes, export) = written.map_err(|error| cut_off(&error))?;
        Ok(Some((Bytes::from(bytes), export)))
    });
    stream::once(async move { Ok(Bytes::from(first)) }).chain(rest)
}
