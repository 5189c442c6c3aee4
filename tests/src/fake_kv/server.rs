//! HTTP as badly as it is wanted: a connection may be closed without an answer, or in the middle of one.

use std::net::TcpListener;
use std::time::Duration;
use std::{convert, io};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

/// Instead of an answer: the connection is closed.
#[derive(Clone, Copy)]
struct Gone;

/// No answer at all.
pub(super) fn gone() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Gone);
    response
}

/// An answer whose connection breaks after so many bytes of these.
pub(super) fn broken(value: &[u8], after: usize) -> Response {
    let first = Bytes::copy_from_slice(&value[..after.min(value.len())]);
    let rest = io::Error::new(io::ErrorKind::ConnectionReset, "told to break");
    let body = Body::from_stream(stream::iter([Ok(first), Err(rest)]));
    // One byte more where nothing is left to miss.
    ([(CONTENT_LENGTH, value.len().max(after + 1).to_string())], body).into_response()
}

/// An answer that begins with these bytes and never ends.
pub(super) fn endless(value: Vec<u8>) -> Response {
    let more = Bytes::from(vec![0; 64 * 1024]);
    // Fast enough for more than memory holds, and nobody else's processor.
    let more = stream::repeat(more).then(async |part| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        part
    });
    let parts = stream::iter([value.into()]).chain(more).map(Ok::<_, io::Error>);
    Body::from_stream(parts).into_response()
}

/// An answer of these bytes, one at a time and so long apart.
pub(super) fn dripping(value: Vec<u8>, between: Duration) -> Response {
    let length = value.len();
    let parts = stream::iter(value).then(move |byte| async move {
        tokio::time::sleep(between).await;
        Ok::<_, io::Error>(Bytes::copy_from_slice(&[byte]))
    });
    ([(CONTENT_LENGTH, length.to_string())], Body::from_stream(parts)).into_response()
}

/// Serves on the runtime for as long as that lives.
pub(super) fn serve(on: &Handle, listener: TcpListener, router: Router) -> Result<()> {
    listener.set_nonblocking(true)?;
    let _entered = on.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    on.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What is written is small and waited for.
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            let service = service_fn(move |request| answer(router.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(())
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, io::Error> {
    let response =
        router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never: convert::Infallible| match never {});
    if response.extensions().get::<Gone>().is_some() {
        return Err(io::Error::new(io::ErrorKind::ConnectionReset, "told to be away"));
    }
    Ok(response)
}
