//! A connection that is closed without losing its last answer, and that waits for nobody for ever.
//!
//! A refusal is often ready before all of its request has arrived. Closing the socket then makes the
//! system answer the rest with a reset, upon which many clients drop the refusal unread and tell of a
//! broken pipe (RFC 9112, section 9.6). So the sending half is closed first, and what still comes is
//! read and dropped, within bounds. And a client that takes nothing of its answer, and sends nothing either,
//! has its place for so long and no longer. Knows nothing of HTTP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::limits;

/// How long a client may say nothing before nothing more is expected of it.
const QUIET: Duration = Duration::from_millis(500);

/// How long it may go on speaking.
const PATIENCE: Duration = Duration::from_secs(limits::LINGER_SECONDS);

/// How long nothing may come or go while there is something to send.
const STALLED: Duration = Duration::from_secs(limits::UNREAD_SECONDS);

/// A stream whose shutdown hears its client out, and that ends where its client takes nothing.
pub(super) struct Lingering {
    stream: TcpStream,
    farewell: Option<Farewell>,
    /// Runs while something waits to be sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// A shutdown that has begun: the other side knows that nothing more will be sent.
struct Farewell {
    until: Instant,
    quiet: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, farewell: None, stalled: None }
    }

    /// Ends what waited too long to be sent.
    fn sent(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Some(stalled) = &mut self.stalled
            && buffer.filled().len() > before
        {
            stalled.as_mut().reset(Instant::now() + STALLED);
        }
        polled
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.sent(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, farewell, .. } = &mut *self;
        if farewell.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let farewell = farewell.get_or_insert_with(|| Farewell {
            until: Instant::now() + PATIENCE,
            quiet: Box::pin(tokio::time::sleep(QUIET)),
        });
        let mut dropped = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= farewell.until {
                        return Poll::Ready(Ok(()));
                    }
                    farewell.quiet.as_mut().reset((now + QUIET).min(farewell.until));
                }
                // Its end, or an error: it has nothing more to say.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return farewell.quiet.as_mut().poll(cx).map(Ok),
            }
        }
    }
}
