//! Connections that break on demand: the response never leaves, or stops half-way.
//!
//! Each accepted connection carries a [`Cutter`]. A handler arms it, and the next bytes that the server writes meet
//! an error, at which the HTTP layer drops the connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, Debug)]
enum Cut {
    No,
    /// After this many bytes of the next response body.
    AfterHead(usize),
    /// After this many bytes.
    After(usize),
}

/// Breaks its connection on demand.
#[derive(Clone, Debug)]
pub(super) struct Cutter(Arc<Mutex<Cut>>);

impl Cutter {
    fn arm(&self, cut: Cut) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    /// Lets no further byte leave.
    pub(super) fn cut(&self) {
        self.arm(Cut::After(0));
    }

    /// The next response stops after this many bytes of its body.
    pub(super) fn truncate(&self, body_bytes: usize) {
        self.arm(Cut::AfterHead(body_bytes));
    }
}

/// Accepts TCP connections with cutters.
#[derive(Debug)]
pub(super) struct CuttingListener(pub(super) TcpListener);

impl Listener for CuttingListener {
    type Io = CuttingStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (CuttingStream, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "sandbox: cannot disable Nagle's algorithm");
        }
        (CuttingStream { stream, cutter: Cutter(Arc::new(Mutex::new(Cut::No))) }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection with its cutter.
#[derive(Debug)]
pub(super) struct CuttingStream {
    stream: TcpStream,
    cutter: Cutter,
}

impl Connected<IncomingStream<'_, CuttingListener>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        stream.io().cutter.clone()
    }
}

impl AsyncRead for CuttingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttingStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let cut = *self.cutter.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = match cut {
            Cut::No => return Pin::new(&mut self.stream).poll_write(cx, buf),
            Cut::After(left) => left,
            Cut::AfterHead(body) => {
                let head = buf.windows(4).position(|end| end == b"\r\n\r\n").map_or(buf.len(), |at| at + 4);
                head + body
            }
        };
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let allowed = buf.get(..left).unwrap_or(buf);
        let written = Pin::new(&mut self.stream).poll_write(cx, allowed);
        if let Poll::Ready(Ok(bytes)) = written {
            self.cutter.arm(Cut::After(left.saturating_sub(bytes)));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
