//! A connection of HTTP/1 as the framework gets it: answers in one write each, and a bounded time for each header.
//!
//! The framework buffers 1460 bytes of what it writes. The header of an answer with a login in it takes a third of that, so
//! that a body of 1 KB no longer fits beside it: header and body went out in two system calls and two packets, and
//! the client woke up twice. Here what does not fit goes out together with what was held back, in one vectored write, and so do
//! the parts of a chunk: its length, its bytes and its line end.
//! Nothing is held back for longer or in a greater amount than the framework would, but for the header of an answer whose
//! body the edge holds back anyway: having no length, it would go out alone.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use pingora::proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::header_time::HeaderTime;

/// A connection that joins small writes with the one after them.
#[derive(Debug)]
pub struct Joined {
    inner: Stream,
    held: Vec<u8>,
    /// Whether the next flush is that of a header which waits for what follows it.
    header_waits: AtomicBool,
    header_time: HeaderTime,
}

impl Joined {
    /// Takes a connection that is written to in HTTP/1; a header that is not whole within `patience` ends it.
    pub fn over(inner: Stream, patience: Duration) -> Stream {
        Box::new(Self {
            inner,
            held: Vec::new(),
            header_waits: AtomicBool::new(false),
            header_time: HeaderTime::new(patience),
        })
    }

    /// Tells a connection that what is read from it next begins a request.
    pub fn expect_request(stream: &Stream) {
        if let Some(joined) = stream.as_any().downcast_ref::<Self>() {
            joined.header_time.expect();
            joined.header_waits.store(false, Ordering::Relaxed);
        }
    }

    /// Tells the connection of a session that the header of an answer that is written next, without a length, goes out with what
    /// follows it or the end of the connection rather than alone. An answer of our own in its place is flushed twice.
    pub(super) fn let_header_wait(session: &Session) {
        let stream = session.stream().map(|stream| stream.as_any());
        if let Some(joined) = stream.and_then(|stream| stream.downcast_ref::<Self>()) {
            joined.header_waits.store(true, Ordering::Relaxed);
        }
    }

    /// Writes what is held and then `rest`; how much of `rest` was written. An idle connection keeps no buffer.
    fn poll_write_out(
        &mut self,
        cx: &mut Context<'_>,
        rest: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let mut parts = [IoSlice::new(&[]); 1 + MAX_PARTS];
            let all = iter::once(IoSlice::new(&self.held)).chain(rest.iter().copied());
            parts
                .iter_mut()
                .zip(all)
                .for_each(|(part, one)| *part = one);
            let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            match written.checked_sub(self.held.len()) {
                Some(of_rest) => {
                    self.held = Vec::new();
                    if of_rest > 0 {
                        return Poll::Ready(Ok(of_rest));
                    }
                }
                None => drop(self.held.drain(..written)),
            }
        }
        match rest {
            [] => Poll::Ready(Ok(0)),
            [one] => Pin::new(&mut self.inner).poll_write(cx, one),
            several => Pin::new(&mut self.inner).poll_write_vectored(cx, several),
        }
    }
}

impl AsyncWrite for Joined {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() >= MAX_HELD {
            return self.poll_write_out(cx, &[IoSlice::new(bytes)]);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.held.len() + length >= MAX_HELD {
            return self.poll_write_out(cx, parts);
        }
        parts
            .iter()
            .for_each(|part| self.held.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(self.header_waits.get_mut()) && !self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_write_out(cx, &[]))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx, &[]))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Joined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.header_time.is_over(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.header_time.note(read);
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Joined {
    async fn shutdown(&mut self) {
        // Once: a client that takes nothing is not waited for. The framework's own end of an answer comes by `poll_shutdown`.
        let _ = poll_fn(|cx| Poll::Ready(self.poll_write_out(cx, &[]).is_ready())).await;
        self.inner.shutdown().await;
    }
}

impl UniqueID for Joined {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Joined {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for Joined {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buffer).await
    }
}

impl GetTimingDigest for Joined {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Joined {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Joined {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

/// What the framework's own buffer has: from there on it writes at once.
const MAX_HELD: usize = 1460;
/// A chunk has three.
const MAX_PARTS: usize = 7;

#[cfg(test)]
mod tests;
