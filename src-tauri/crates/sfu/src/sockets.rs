//! The UDP sockets of the media server: one port, one socket per announced address.
//!
//! A socket per address, not a wildcard, because a client checks that answers come from the
//! address it asked (RFC 8445 section 7.2.5.2.1), and a wildcard socket answers from whichever
//! address the route prefers. An announced address that is not on this machine (a router forwards
//! to us) is served by the others; if none is on this machine, by a wildcard socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::core::Transmit;
use crate::error::SfuError;
use crate::statistics::SendErrors;

/// Ports tried after the wanted one.
const PORTS_TRIED: u16 = 20;

/// Half a second of 3,000 packets a second. More rides out longer stalls, but late sound is worth
/// nothing.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// A socket, and the address that is announced for it.
pub(crate) struct MediaSocket {
    pub(crate) socket: std::net::UdpSocket,
    pub(crate) announced: SocketAddr,
}

/// Sockets on the first free port.
pub(crate) struct Bound {
    pub(crate) sockets: Vec<MediaSocket>,
    pub(crate) port: u16,
    /// Host candidates in order of preference.
    pub(crate) candidates: Vec<SocketAddr>,
}

/// Binds the wanted port or the next free one, the same at every address.
pub(crate) fn bind(wanted: SocketAddr, announce: &[IpAddr]) -> Result<Bound, SfuError> {
    let announce = addresses(wanted.ip(), announce);
    let mut cause = io::Error::from(io::ErrorKind::AddrInUse);
    for offset in 0..PORTS_TRIED {
        let Some(port) = wanted.port().checked_add(offset) else {
            break;
        };
        match bind_port(wanted.ip(), port, &announce) {
            Ok(bound) => return Ok(bound),
            Err(error) => cause = error,
        }
        if wanted.port() == 0 {
            break;
        }
    }
    Err(SfuError::NoPort { address: wanted, cause })
}

fn addresses(wanted: IpAddr, announce: &[IpAddr]) -> Vec<IpAddr> {
    match (announce.is_empty(), wanted.is_unspecified()) {
        (false, _) => announce.to_vec(),
        (true, false) => vec![wanted],
        (true, true) => vec![Ipv4Addr::LOCALHOST.into()],
    }
}

fn bind_port(wanted: IpAddr, port: u16, announce: &[IpAddr]) -> io::Result<Bound> {
    let mut sockets: Vec<MediaSocket> = Vec::new();
    let mut port = port;
    let places: Vec<IpAddr> = if wanted.is_unspecified() { announce.to_vec() } else { vec![wanted] };
    for ip in places {
        match open(SocketAddr::new(ip, port)) {
            Ok(socket) => {
                port = socket.local_addr()?.port();
                let announced = announced_for(ip, announce).unwrap_or(ip);
                sockets.push(MediaSocket { socket, announced: SocketAddr::new(announced, port) });
            }
            // Not on this machine: a router's address.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() {
        let socket = open(SocketAddr::new(wanted, port))?;
        port = socket.local_addr()?.port();
        let announced = announce.first().copied().unwrap_or(wanted);
        sockets.push(MediaSocket { socket, announced: SocketAddr::new(announced, port) });
    }
    let candidates = announce.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    Ok(Bound { sockets, port, candidates })
}

/// The engine takes datagrams only at an announced address.
fn announced_for(ip: IpAddr, announce: &[IpAddr]) -> Option<IpAddr> {
    let same = announce.iter().find(|announced| **announced == ip);
    same.or_else(|| announce.iter().find(|a| a.is_ipv4() == ip.is_ipv4())).copied()
}

fn open(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may give less; that is its right.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Sends datagrams of one socket as far as the system takes them, and drops the rest: sound that
/// waits is late, and late sound is worth nothing. What is not sent is counted in `errors`.
pub(crate) fn send_all(socket: &UdpSocket, batch: &[Transmit], errors: &mut SendErrors) {
    let mut rest = batch;
    while !rest.is_empty() {
        match send_some(socket, rest) {
            Ok(sent) => rest = rest.get(sent.max(1)..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return rest.iter().for_each(|_| errors.count(&error));
            }
            // An address that cannot be reached concerns this datagram only.
            Err(error) => {
                errors.count(&error);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn send_some(socket: &UdpSocket, batch: &[Transmit]) -> io::Result<usize> {
    let Some(first) = batch.first() else {
        return Ok(0);
    };
    socket.try_send_to(&first.contents, first.destination)?;
    Ok(1)
}

#[cfg(target_os = "linux")]
fn send_some(socket: &UdpSocket, batch: &[Transmit]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    let fd = socket.as_raw_fd();
    socket.try_io(tokio::io::Interest::WRITABLE, || batch_send::send(fd, batch))
}

#[cfg(target_os = "linux")]
mod batch_send {
    //! `sendmmsg`: one system call for many datagrams, about 12 % cheaper than one each.

    use std::io;
    use std::os::fd::RawFd;

    use socket2::SockAddr;

    use crate::core::Transmit;

    /// More in one call saves little: the kernel's work per packet dominates.
    const BATCH: usize = 64;

    pub(super) fn send(fd: RawFd, batch: &[Transmit]) -> io::Result<usize> {
        let batch = batch.get(..BATCH).unwrap_or(batch);
        let addresses: Vec<SockAddr> = batch.iter().map(|t| t.destination.into()).collect();
        let mut parts: Vec<libc::iovec> = batch
            .iter()
            .map(|transmit| libc::iovec {
                iov_base: transmit.contents.as_ptr().cast_mut().cast(),
                iov_len: transmit.contents.len(),
            })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = addresses
            .iter()
            .zip(&mut parts)
            .map(|(address, part)| {
                // SAFETY: `mmsghdr` is a C struct of integers and pointers; all zero is valid.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
                header.msg_hdr.msg_namelen = address.len();
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        // SAFETY: `headers` has as many entries as we say; each points to one address and one
        // part, which live in `addresses` and `parts` until after the call; each part points to
        // the bytes of a `Transmit` borrowed for the call. The kernel only reads all of them,
        // and writes `msg_len` in `headers`.
        let sent =
            unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as libc::c_uint, libc::MSG_DONTWAIT) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_gives_the_next() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let first = bind(SocketAddr::new(loopback, 0), &[]).unwrap();
        let second = bind(SocketAddr::new(loopback, first.port), &[]).unwrap();
        assert!(second.port > first.port);
        assert_eq!(second.candidates, [SocketAddr::new(loopback, second.port)]);
    }

    #[test]
    fn an_address_of_a_router_is_announced_and_served() {
        let outside: IpAddr = "203.0.113.7".parse().unwrap();
        let wildcard = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let bound = bind(wildcard, &[outside]).unwrap();
        assert_eq!(bound.candidates, [SocketAddr::new(outside, bound.port)]);
        assert_eq!(bound.sockets.len(), 1);
        assert_eq!(bound.sockets[0].announced.ip(), outside);
    }
}
