//! How many connections a house and one network may hold, WebSockets included: the count follows the socket, not the
//! request.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::network::Network;

/// Connections of one network. A client needs three to five, and a school of 300 people has one address.
const MAX_PER_NETWORK: usize = 2_048;
/// Connections in all, if the system gives that many files.
const MAX_IN_ALL: usize = 10_000;
/// Connections that are told that there are too many, at the same time.
const MAX_REFUSALS: usize = 64;
/// Files that are kept for the house's database and sockets.
const FILES_KEPT: usize = 32;

/// Counts who is connected.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    counts: Arc<Mutex<Counts>>,
    max_in_all: usize,
    refusals: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Counts {
    in_all: usize,
    networks: HashMap<Network, usize>,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub enum Admission {
    /// It is served.
    Admitted(ConnectionPermit),
    /// It is told that there are too many, and closed.
    Refused(OwnedSemaphorePermit),
    /// It is closed without a word: too many are being told already.
    Dropped,
}

impl ConnectionLimiter {
    /// A limiter that leaves the house some of the `max_files` that this program may have open at once: for its own
    /// needs, and for its requests to its media server, both ends of which are here.
    pub fn new(max_files: usize) -> Self {
        let refusals = (max_files / 8).clamp(4, MAX_REFUSALS);
        let kept = FILES_KEPT + 2 * max_own_requests(max_files) + refusals;
        Self::with_limits(max_files.saturating_sub(kept).clamp(1, MAX_IN_ALL), refusals)
    }

    fn with_limits(max_in_all: usize, refusals: usize) -> Self {
        Self { counts: Arc::default(), max_in_all, refusals: Arc::new(Semaphore::new(refusals)) }
    }

    /// A permit for one connection from there, unless there are too many. Behind a reverse proxy on this computer
    /// everybody comes from here, so only the limit for all of them counts here.
    pub fn admit(&self, from: IpAddr) -> Admission {
        match self.take(from) {
            Some(permit) => Admission::Admitted(permit),
            None => match self.refusals.clone().try_acquire_owned() {
                Ok(permit) => Admission::Refused(permit),
                Err(_) => Admission::Dropped,
            },
        }
    }

    fn take(&self, from: IpAddr) -> Option<ConnectionPermit> {
        let network = Network::from(from);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = counts.networks.get(&network).copied().unwrap_or_default();
        if counts.in_all >= self.max_in_all || (theirs >= MAX_PER_NETWORK && !from.is_loopback()) {
            return None;
        }
        counts.in_all += 1;
        counts.networks.insert(network, theirs + 1);
        Some(ConnectionPermit { limiter: self.clone(), network })
    }

    fn give_back(&self, network: Network) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_all = counts.in_all.saturating_sub(1);
        match counts.networks.get_mut(&network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.networks.remove(&network)),
        }
    }
}

fn max_own_requests(max_files: usize) -> usize {
    (max_files / 64).clamp(8, 512)
}

/// One connection's permit, free again when it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    limiter: ConnectionLimiter,
    network: Network,
}

impl ConnectionPermit {
    /// Keeps the permit for as long as `io` lives.
    pub fn hold<T>(self, io: T) -> Permitted<T> {
        Permitted { io, _permit: self }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limiter.give_back(self.network);
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

    fn admit(limiter: &ConnectionLimiter, from: &str) -> Option<ConnectionPermit> {
        match limiter.admit(from.parse().unwrap()) {
            Admission::Admitted(permit) => Some(permit),
            Admission::Refused(_) | Admission::Dropped => None,
        }
    }

    /// Known failure: more than some 85 people behind one address did not get in.
    #[test]
    fn a_school_of_three_hundred_gets_in_and_one_network_cannot_take_every_place() {
        let limiter = ConnectionLimiter::new(1 << 20);
        let mut permits: Vec<_> = (0..300 * 5).map(|_| admit(&limiter, "192.0.2.1").unwrap()).collect();
        while let Some(permit) = admit(&limiter, "192.0.2.1") {
            permits.push(permit);
        }
        assert!(permits.len() < MAX_IN_ALL / 2);
        assert!(admit(&limiter, "192.0.2.2").is_some());
        permits.pop();
        assert!(admit(&limiter, "192.0.2.1").is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let limiter = ConnectionLimiter::new(1 << 20);
        let places = (0..5_000).map_while(|n| admit(&limiter, &format!("2001:db8::{n:x}")));
        assert_eq!(places.collect::<Vec<_>>().len(), MAX_PER_NETWORK);
    }

    /// Known failure: out of files the house could not accept, nor order its own media server.
    #[test]
    fn connections_and_refusals_leave_the_house_the_files_it_needs() {
        for max_files in [128, 1_024, 4_096] {
            let limiter = ConnectionLimiter::new(max_files);
            let mut held = Vec::new();
            loop {
                match limiter.admit("127.0.0.1".parse().unwrap()) {
                    Admission::Dropped => break,
                    admission => held.push(admission),
                }
            }
            assert_eq!(held.len(), max_files - FILES_KEPT - 2 * max_own_requests(max_files));
            assert!(held.iter().any(|admission| matches!(admission, Admission::Refused(_))));
            held.clear();
            assert!(admit(&limiter, "127.0.0.1").is_some());
        }
    }
}
