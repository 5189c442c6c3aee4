//! The HTTP server around the API: who may connect, for how long, and how it ends.
//!
//! Connections are bounded in number, in the time that a client takes to send its request's head, and in that
//! for which it takes nothing of an answer, so that slow clients cannot use up the process. Knows no route.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::limits;
use super::linger::Lingering;

/// How long to wait after the system refused a connection, as when no file descriptor is left.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Answers until `stop` resolves, and then what runs already, for as long as
/// [`limits::SHUTDOWN_SECONDS`]. False when something was still running then.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) -> bool {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_SECONDS))
        .max_header_size(limits::HEADER_BYTES);
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let running = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // Further clients wait in the system's queue, where they cost nothing. It is never closed.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let router = router.clone();
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(ConnectInfo(peer));
                    router.clone().oneshot(request)
                });
                let connection = running.watch(http.serve_connection(prepared(stream), service));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
    drop(listener);
    let limit = Duration::from_secs(limits::SHUTDOWN_SECONDS);
    tokio::time::timeout(limit, running.shutdown()).await.is_ok()
}

fn prepared(stream: TcpStream) -> TokioIo<Lingering> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may wait for more to send");
    }
    TokioIo::new(Lingering::new(stream))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::routing::{get, post};
    use futures_util::{StreamExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn connection() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(serve(listener, router, pending()));
        TcpStream::connect(address).await.unwrap()
    }

    async fn answer(mut connection: TcpStream, request: &str) -> String {
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_not_waited_for() {
        let started = tokio::time::Instant::now();
        let got = answer(connection().await, "GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
        assert!(!got.contains("200 OK"), "{got}");
        assert_eq!(started.elapsed().as_secs(), limits::HEAD_SECONDS);
    }

    #[tokio::test]
    async fn headers_are_bounded() {
        let request =
            |bytes| format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-long: {}\r\n\r\n", "a".repeat(bytes));
        let got = answer(connection().await, &request(limits::HEADER_BYTES - 100)).await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
        let got = answer(connection().await, &request(limits::HEADER_BYTES)).await;
        assert!(got.starts_with("HTTP/1.1 431 "), "{got}");
    }

    #[tokio::test]
    async fn an_answer_before_the_end_of_its_request_is_not_lost() {
        const BODY: usize = 32 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(async || "no more, please"));
        tokio::spawn(serve(listener, router, pending()));
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        // As many clients do: all of the request goes out before the answer is looked at.
        for _ in 0..BODY >> 16 {
            connection.write_all(&vec![b' '; 1 << 16]).await.unwrap();
        }
        let mut got = String::new();
        connection.read_to_string(&mut got).await.unwrap();
        assert!(got.ends_with("no more, please"), "{got}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_stops_sending_is_not_heard_for_ever() {
        let mut connection = connection().await;
        let started = tokio::time::Instant::now();
        connection.write_all(b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
        while connection.write_all(&[b' '; 1 << 10]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = started.elapsed();
        assert!(took <= Duration::from_secs(limits::LINGER_SECONDS + 1), "{took:?}");
    }

    /// A server that answers with more than any buffer holds, and hears of its request to the end.
    async fn long_answer(length: usize) -> (SocketAddr, Arc<()>) {
        const PIECE: usize = 1 << 16;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let answer = async move |request: Body| {
            let mut request = request.into_data_stream();
            tokio::spawn(async move { while let Some(Ok(_)) = request.next().await {} });
            let pieces = stream::iter(0..length / PIECE).map(move |_| {
                // It lives as long as the answer.
                drop(Arc::clone(&holds));
                Ok::<_, Infallible>(vec![b'x'; PIECE])
            });
            Body::from_stream(pieces)
        };
        tokio::spawn(serve(listener, Router::new().route("/", post(answer)), pending()));
        (address, held)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_not_waited_for_for_ever() {
        let (address, held) = long_answer(64 << 20).await;
        let before = Arc::strong_count(&held);
        let mut connection = TcpStream::connect(address).await.unwrap();
        let started = tokio::time::Instant::now();
        connection.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        connection.readable().await.unwrap();
        assert!(Arc::strong_count(&held) > before);
        while Arc::strong_count(&held) > before {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(started.elapsed().as_secs() <= limits::UNREAD_SECONDS + 2, "it waits still");
        }
        assert!(started.elapsed().as_secs() >= limits::UNREAD_SECONDS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_all_before_it_reads_loses_nothing() {
        const LENGTH: usize = 64 << 20;
        let (address, _held) = long_answer(LENGTH).await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        // Else the system keeps single bytes back for longer than time stands still.
        connection.set_nodelay(true).unwrap();
        let head = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n";
        connection.write_all(head).await.unwrap();
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(limits::UNREAD_SECONDS / 4)).await;
            connection.write_all(b" ").await.unwrap();
        }
        // Time that stands still leaps ahead while the system moves what was sent.
        tokio::time::resume();
        let mut got = Vec::new();
        connection.read_to_end(&mut got).await.unwrap();
        assert!(got.len() > LENGTH, "{} bytes", got.len());
    }

    #[tokio::test]
    async fn what_runs_at_a_stop_is_finished() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, arrival) = tokio::sync::oneshot::channel::<()>();
        let arrived = Arc::new(std::sync::Mutex::new(Some(arrived)));
        let slow = async move || {
            if let Some(arrived) = arrived.lock().unwrap().take() {
                arrived.send(()).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            "done"
        };
        let stop = async { arrival.await.unwrap() };
        let served = tokio::spawn(serve(listener, Router::new().route("/", get(slow)), stop));
        let stream = TcpStream::connect(address).await.unwrap();
        let got = answer(stream, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(got.ends_with("done"), "{got}");
        assert!(served.await.unwrap(), "it was cut off");
        assert!(TcpStream::connect(address).await.is_err(), "it still takes connections");
    }
}
