//! How many connections one address may hold, WebSockets included: the count follows the socket, not the request.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Connections of one address. A client needs three or four; several may sit behind one router.
const PER_ADDRESS: u32 = 256;
/// Connections in all.
const IN_ALL: u32 = 10_000;

/// Counts who is connected.
#[derive(Clone, Debug, Default)]
pub struct ConnectionLimiter {
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl ConnectionLimiter {
    /// A permit for one connection from there, unless there are too many. This computer may hold as many as it
    /// likes: behind a reverse proxy everybody comes from here.
    pub fn admit(&self, from: IpAddr) -> Option<ConnectionPermit> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = counts.values().sum();
        let mine = counts.entry(from).or_default();
        if all >= IN_ALL || (*mine >= PER_ADDRESS && !from.is_loopback()) {
            return None;
        }
        *mine += 1;
        Some(ConnectionPermit { connections: self.clone(), from })
    }

    fn leave(&self, from: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&from);
            }
        }
    }
}

/// One connection's permit, free again when it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    connections: ConnectionLimiter,
    from: IpAddr,
}

impl ConnectionPermit {
    /// Keeps the permit for as long as `io` lives.
    pub fn hold<T>(self, io: T) -> Permitted<T> {
        Permitted { io, _permit: self }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.leave(self.from);
    }
}

/// A socket with its permit.
#[derive(Debug)]
pub struct Permitted<T> {
    io: T,
    _permit: ConnectionPermit,
}

impl<T: AsyncRead + Unpin> AsyncRead for Permitted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Permitted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_address_cannot_take_all_permits_and_gives_them_back() {
        let connections = ConnectionLimiter::default();
        let greedy: IpAddr = "192.0.2.1".parse().unwrap();
        let mut permits: Vec<_> = (0..PER_ADDRESS).map(|_| connections.admit(greedy).unwrap()).collect();
        assert!(connections.admit(greedy).is_none());
        assert!(connections.admit("192.0.2.2".parse().unwrap()).is_some());
        permits.pop();
        assert!(connections.admit(greedy).is_some());
    }
}
