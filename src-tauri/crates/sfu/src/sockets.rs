//! The UDP sockets of the media server: one port, one socket per announced address.
//!
//! A socket per address, not a wildcard, because a client checks that answers come from the
//! address it asked (RFC 8445 section 7.2.5.2.1), and a wildcard socket answers from whichever
//! address the route prefers. An address outside (a router's, that passes datagrams on to us) is a candidate without a
//! socket of its own; if no announced address is on this machine, a wildcard socket serves them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tracing::warn;

use crate::core::Transmit;
use crate::error::SfuError;
use crate::statistics::SendErrors;

/// Ports tried after the wanted one.
const PORTS_TRIED: u16 = 20;

/// Half a second of 3,000 packets a second. More rides out longer stalls, but late sound is worth
/// nothing.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Where a media server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaAddresses {
    /// Addresses of this computer, in order of preference. Offer those of interfaces: Firefox does not reach a server
    /// that only offers loopback. Empty: the address that is listened on, or loopback when that is a wildcard.
    pub interfaces: Vec<IpAddr>,
    /// Addresses elsewhere that pass datagrams on to this computer, such as a router's.
    pub outside: Vec<OutsideMedia>,
    /// TCP addresses whose framed streams (RFC 4571) somebody carries to a tunnel of this server.
    pub streams: Vec<SocketAddr>,
}

/// An address elsewhere, and its UDP port there; none: the same as here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideMedia {
    /// A router's or a cloud's public address.
    pub ip: IpAddr,
    /// The port that is passed on.
    pub port: Option<u16>,
}

impl MediaAddresses {
    /// Host candidates in order of preference: what is near first.
    fn candidates(&self, port: u16) -> Vec<SocketAddr> {
        let interfaces = self.interfaces.iter().map(|ip| SocketAddr::new(*ip, port));
        let outside = self.outside.iter().map(|place| SocketAddr::new(place.ip, place.port.unwrap_or(port)));
        interfaces.chain(outside).collect()
    }

    /// The same, with something to listen at.
    fn or_default(mut self, wanted: IpAddr) -> Self {
        if self.interfaces.is_empty() {
            let only = if wanted.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { wanted };
            self.interfaces.push(only);
        }
        self
    }
}

/// A socket, and the address that is announced for it.
pub(crate) struct MediaSocket {
    pub(crate) socket: std::net::UdpSocket,
    pub(crate) announced: SocketAddr,
}

/// Sockets on the first free port.
pub(crate) struct Bound {
    pub(crate) sockets: Vec<MediaSocket>,
    /// What was asked for, with the port that was free.
    pub(crate) listen: SocketAddr,
    /// Host candidates in order of preference.
    pub(crate) candidates: Vec<SocketAddr>,
    /// Passive TCP candidates, likewise.
    pub(crate) streams: Vec<SocketAddr>,
}

/// Binds the wanted port or the next free one, the same at every address.
pub(crate) fn bind(wanted: SocketAddr, addresses: MediaAddresses) -> Result<Bound, SfuError> {
    let addresses = addresses.or_default(wanted.ip());
    let mut cause = io::Error::from(io::ErrorKind::AddrInUse);
    for offset in 0..PORTS_TRIED {
        let Some(port) = wanted.port().checked_add(offset) else {
            break;
        };
        match bind_port(wanted.ip(), port, &addresses) {
            Ok(bound) => return Ok(bound),
            Err(error) => cause = error,
        }
        if wanted.port() == 0 {
            break;
        }
    }
    Err(SfuError::NoPort { address: wanted, cause })
}

fn bind_port(wanted: IpAddr, port: u16, addresses: &MediaAddresses) -> io::Result<Bound> {
    let announce = &addresses.interfaces;
    let mut sockets: Vec<MediaSocket> = Vec::new();
    let mut port = port;
    for ip in places(wanted, announce) {
        match open(SocketAddr::new(ip, port)) {
            Ok(socket) => {
                port = socket.local_addr()?.port();
                let announced = announced_for(ip, announce).unwrap_or(ip);
                sockets.push(MediaSocket { socket, announced: SocketAddr::new(announced, port) });
            }
            // Gone since it was listed.
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
    let (candidates, streams) = (addresses.candidates(port), addresses.streams.clone());
    Ok(Bound { sockets, listen: SocketAddr::new(wanted, port), candidates, streams })
}

fn places(wanted: IpAddr, announce: &[IpAddr]) -> Vec<IpAddr> {
    if wanted.is_unspecified() { announce.to_vec() } else { vec![wanted] }
}

/// Sockets for the addresses of now, on the same port: those whose address stays are kept with what waits in them. An
/// address that cannot be bound has no socket, and is said in the log.
pub(crate) fn rebind(listen: SocketAddr, addresses: MediaAddresses, before: Vec<UdpSocket>) -> Rebound {
    let addresses = addresses.or_default(listen.ip());
    let announced = |ip| SocketAddr::new(announced_for(ip, &addresses.interfaces).unwrap_or(ip), listen.port());
    let mut before: Vec<(Option<IpAddr>, UdpSocket)> =
        before.into_iter().map(|socket| (socket.local_addr().ok().map(|address| address.ip()), socket)).collect();
    let mut now = Vec::new();
    for ip in places(listen.ip(), &addresses.interfaces) {
        let kept = before.iter().position(|(at, _)| *at == Some(ip)).map(|index| before.swap_remove(index).1);
        let socket = kept.map_or_else(|| open(SocketAddr::new(ip, listen.port())).and_then(UdpSocket::from_std), Ok);
        match socket {
            Ok(socket) => now.push((announced(ip), socket)),
            Err(error) => warn!(%error, %ip, "no media at this address"),
        }
    }
    if now.is_empty() {
        now = before.into_iter().map(|(at, socket)| (announced(at.unwrap_or(listen.ip())), socket)).collect();
    }
    Rebound { sockets: now, candidates: addresses.candidates(listen.port()), streams: addresses.streams }
}

/// What [`rebind`] gives: each socket with its announced address, and the candidates.
pub(crate) struct Rebound {
    pub(crate) sockets: Vec<(SocketAddr, UdpSocket)>,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) streams: Vec<SocketAddr>,
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

    fn at(interfaces: &[IpAddr]) -> MediaAddresses {
        MediaAddresses { interfaces: interfaces.to_vec(), ..MediaAddresses::default() }
    }

    #[test]
    fn a_taken_port_gives_the_next() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let first = bind(SocketAddr::new(loopback, 0), at(&[])).unwrap();
        let second = bind(SocketAddr::new(loopback, first.listen.port()), at(&[])).unwrap();
        assert!(second.listen.port() > first.listen.port());
        assert_eq!(second.candidates, [SocketAddr::new(loopback, second.listen.port())]);
    }

    #[test]
    fn an_address_outside_is_offered_last_with_its_own_port_and_has_no_socket() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let router: IpAddr = "203.0.113.7".parse().unwrap();
        let passed_on = |port| OutsideMedia { ip: router, port };
        let addresses = MediaAddresses {
            interfaces: vec![loopback],
            outside: vec![passed_on(None), passed_on(Some(9))],
            streams: Vec::new(),
        };
        let bound = bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), addresses).unwrap();
        let port = bound.listen.port();
        let expected = [(loopback, port), (router, port), (router, 9)].map(SocketAddr::from);
        assert_eq!(bound.candidates, expected);
        assert_eq!(bound.sockets.len(), 1);
        assert_eq!(bound.sockets[0].announced, expected[0]);
    }

    #[test]
    fn an_address_that_has_gone_is_still_announced_and_a_wildcard_serves_it() {
        let gone: IpAddr = "203.0.113.7".parse().unwrap();
        let bound = bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), at(&[gone])).unwrap();
        assert_eq!(bound.sockets.len(), 1);
        assert_eq!(bound.sockets[0].announced.ip(), gone);
    }

    /// 127.0.0.0/8 is all on Linux's loopback interface, so addresses can come and go there.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_new_address_gets_a_socket_on_the_same_port_and_one_that_stays_keeps_its_own() {
        let ip = |last| IpAddr::from([127, 0, 0, last]);
        let bound = bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), at(&[ip(1), ip(2)])).unwrap();
        let port = bound.listen.port();
        let before: Vec<UdpSocket> =
            bound.sockets.into_iter().map(|one| UdpSocket::from_std(one.socket).unwrap()).collect();
        let sender = UdpSocket::bind((ip(1), 0)).await.unwrap();
        sender.send_to(b"waits", (ip(2), port)).await.unwrap();
        let after = rebind(bound.listen, at(&[ip(3), ip(2)]), before);
        let expected = [(ip(3), port), (ip(2), port)].map(SocketAddr::from);
        assert_eq!(after.candidates, expected);
        assert_eq!(after.sockets.iter().map(|(address, _)| *address).collect::<Vec<_>>(), expected);
        let mut bytes = [0; 16];
        let (length, _) = after.sockets[1].1.recv_from(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..length], b"waits");
        assert!(UdpSocket::bind((ip(1), port)).await.is_ok(), "the address that went is free");
    }
}
