//! Connections that end with the server: a client that takes nothing of what is written to it must not hold up a stop. As
//! long as the server runs, and as long as a client takes anything at all, a connection waits. And connections that end in
//! order: what a client still sends when its answer is written is read and thrown away, or the answer would be lost with it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::model::limits;

/// Up to so much is written as one piece.
const SMALL_BYTES: usize = 512;

/// Takes connections until nobody asks for more.
pub struct Connections {
    listener: TcpListener,
    stop: watch::Receiver<bool>,
}

impl Connections {
    pub fn new(listener: TcpListener, stop: watch::Receiver<bool>) -> Self {
        Self { listener, stop }
    }

    /// The next one. Where none can be taken, like when all file handles are in use, it waits and tries again.
    pub async fn accept(&mut self) -> Connection {
        let (socket, _) = Listener::accept(&mut self.listener).await;
        // Answers are small and complete; waiting to fill a packet only delays them.
        let _ = socket.set_nodelay(true);
        Connection { socket, stop: self.stop.clone(), stalled: None, read_to_end: false }
    }
}

pub struct Connection {
    socket: TcpStream,
    stop: watch::Receiver<bool>,
    /// While a write waits: ends when it has waited for too long in a server that stops.
    stalled: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    read_to_end: bool,
}

impl Connection {
    fn judge(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(too_long(self.stop.clone())));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn too_long(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_ok() {
        sleep(Duration::from_millis(limits::STOP_STALL_MS)).await;
    }
}

/// A socket that is closed with something unread, or that gets something afterwards, is reset by the system; a client that
/// was still sending then never sees what it was told, like that it sends too much (RFC 9112, section 9.6).
impl Drop for Connection {
    fn drop(&mut self) {
        if self.read_to_end {
            return;
        }
        if let (Ok(runtime), Ok(socket)) = (Handle::try_current(), self.socket.as_fd().try_clone_to_owned()) {
            runtime.spawn(timeout(Duration::from_millis(limits::LINGER_MS), linger(socket)));
        }
    }
}

/// Says that nothing more is written, and reads until the client says the same.
async fn linger(socket: OwnedFd) -> io::Result<()> {
    let mut socket = TcpStream::from_std(socket.into())?;
    socket.shutdown().await?;
    copy(&mut socket.take(limits::LINGER_BYTES_MAX), &mut sink()).await?;
    Ok(())
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buf);
        self.read_to_end |= read.is_ready() && buf.filled().len() == before && buf.remaining() > 0;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let written = if bytes <= SMALL_BYTES {
            // Head and body of a small answer: to copy them costs less than to have the system take two.
            let (mut both, mut at) = ([0; SMALL_BYTES], 0);
            for piece in pieces {
                both[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            }
            Pin::new(&mut self.socket).poll_write(context, &both[..bytes])
        } else {
            Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
        };
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
