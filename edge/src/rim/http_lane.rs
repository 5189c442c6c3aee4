//! The http lane: heads and objects from the control plane, or from a CDN in front of it.
//!
//! What comes is signed or named by its hash, so the lane needs no trust; it is bounded while it is
//! read, since it could be endless.

use futures_util::StreamExt as _;
use keyward_shared::snapshot::ObjectName;
use worker::{AbortController, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response};

use super::platform;
use crate::config::HttpLane;

/// What the lane says of the head.
pub(super) enum LaneHead {
    /// The one with the `ETag` that was shown is still the newest.
    NotModified,
    /// Another one.
    Bytes(Vec<u8>),
    /// There is none yet.
    None,
}

/// Why the lane gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneError {
    #[error("http lane: {0}")]
    Request(#[from] worker::Error),
    #[error("http lane: status {0}")]
    Status(u16),
    #[error("http lane: more than {max} bytes")]
    TooLarge { max: usize },
    #[error("http lane: no answer within {0} ms")]
    Timeout(u64),
}

/// Asks for the head, `If-None-Match` the one that is held.
pub(super) async fn head(
    lane: &HttpLane,
    etag: Option<&str>,
    max: usize,
    timeout_ms: u64,
) -> Result<LaneHead, LaneError> {
    let url = format!("{}/head", lane.url);
    match get(&url, lane, etag, max, timeout_ms).await {
        Ok(Some(bytes)) => Ok(LaneHead::Bytes(bytes)),
        Ok(None) => Ok(LaneHead::NotModified),
        Err(LaneError::Status(404)) => Ok(LaneHead::None),
        Err(error) => Err(error),
    }
}

/// The object's bytes, or `None` where the lane has none.
pub(super) async fn object(
    lane: &HttpLane,
    name: &ObjectName,
    max: usize,
    timeout_ms: u64,
) -> Result<Option<Vec<u8>>, LaneError> {
    let url = format!("{}/objects/{name}", lane.url);
    match get(&url, lane, None, max, timeout_ms).await {
        Err(LaneError::Status(404)) => Ok(None),
        other => other,
    }
}

/// The body of a 200, `None` for a 304.
async fn get(
    url: &str,
    lane: &HttpLane,
    etag: Option<&str>,
    max: usize,
    timeout_ms: u64,
) -> Result<Option<Vec<u8>>, LaneError> {
    let headers = Headers::new();
    if let Some(credential) = &lane.credential {
        headers.set("authorization", &format!("Bearer {credential}"))?;
    }
    if let Some(etag) = etag {
        headers.set("if-none-match", etag)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    let request = Fetch::Request(Request::new_with_init(url, &init)?);
    let controller = AbortController::default();
    let signal = controller.signal();
    let answer = async {
        let mut response = request.send_with_signal(&signal).await?;
        match response.status_code() {
            200 => read(&mut response, max).await.map(Some),
            304 => Ok(None),
            status => Err(LaneError::Status(status)),
        }
    };
    if let Some(answer) = platform::within(timeout_ms, answer).await {
        return answer;
    }
    controller.abort();
    Err(LaneError::Timeout(timeout_ms))
}

async fn read(response: &mut Response, max: usize) -> Result<Vec<u8>, LaneError> {
    let mut bytes = Vec::new();
    let mut stream = response.stream()?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > max {
            return Err(LaneError::TooLarge { max });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
