//! The sockets on which a house listens.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use serambi_protocol::link::HTTPS_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::{domain::DomainConfig, error::HouseError};

/// Where plain HTTP is.
const HTTP_PORT: u16 = 80;
/// Ports below are for programs with more rights (ip(7)); Windows and macOS make no such difference.
const FIRST_FREE_FOR_ALL: u16 = 1024;
/// Connections that may wait to be accepted, as with the runtime's own bind.
const CONNECTIONS_WAITING: i32 = 1024;
/// Ports tried, the first included.
const PORTS_TRIED: u16 = 20;

/// Listens on this port and no other. 0: any free one.
///
/// # Errors
/// `port_taken`, `port_not_allowed`, or `internal` if the address is not this computer's.
pub async fn open_at(listen: IpAddr, port: u16) -> Result<TcpListener, HouseError> {
    bind(listen, port).await.map_err(|source| explain(listen, port, source))
}

/// Where a house with a domain sends browsers on from that asked without TLS; none where the system does not give it.
pub async fn open_for_redirects(at: SocketAddr, domain: Option<&DomainConfig>) -> Option<TcpListener> {
    domain.and_then(DomainConfig::shown_here).filter(|_| at.port() == HTTPS_PORT)?;
    match bind(at.ip(), HTTP_PORT).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::info!(%error, "no port 80: http:// in front of the domain leads nowhere");
            None
        }
    }
}

fn explain(listen: IpAddr, port: u16, source: io::Error) -> HouseError {
    match source.kind() {
        io::ErrorKind::AddrInUse => HouseError::PortTaken { first: port, source },
        io::ErrorKind::PermissionDenied if is_for_the_privileged(port) => HouseError::PortNotAllowed { port, source },
        // Windows keeps whole ranges of ports for itself and says that they are not permitted.
        io::ErrorKind::PermissionDenied => HouseError::PortTaken { first: port, source },
        _ => HouseError::Listen { listen, source },
    }
}

const fn is_for_the_privileged(port: u16) -> bool {
    cfg!(target_os = "linux") && port != 0 && port < FIRST_FREE_FOR_ALL
}

/// Listens on `first` or the next free port of [`PORTS_TRIED`]. Port 0: any free one. An unspecified address of either
/// family stands for all networks of both.
///
/// # Errors
/// `port_taken`, `port_not_allowed`, or `internal` if the address is not this computer's.
pub async fn open(listen: IpAddr, first: u16) -> Result<TcpListener, HouseError> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in first..=first.saturating_add(PORTS_TRIED - 1) {
        match open_at(listen, port).await {
            Err(HouseError::PortTaken { source, .. }) => last = source,
            opened => return opened,
        }
    }
    Err(HouseError::PortTaken { first, source: last })
}

async fn bind(listen: IpAddr, port: u16) -> io::Result<TcpListener> {
    if !listen.is_unspecified() {
        return TcpListener::bind((listen, port)).await;
    }
    match bind_both_families(port) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            tracing::debug!(%error, "IPv4 only");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// One socket for both families; systems differ in what they do unasked (Windows: IPv6 only).
fn bind_both_families(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    // As the runtime's own bind does: a port is free again at once after a restart. On Windows the option means another
    // thing, that somebody else may take the port away.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    socket.listen(CONNECTIONS_WAITING)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::Code;

    #[test]
    fn a_port_that_the_system_keeps_is_told_from_one_that_is_taken() {
        let said = |port, kind: io::ErrorKind| explain([127, 0, 0, 1].into(), port, kind.into());
        assert_eq!(said(443, io::ErrorKind::AddrInUse).code(), Code::PortTaken);
        assert_eq!(said(7410, io::ErrorKind::PermissionDenied).code(), Code::PortTaken);
        let refused = said(443, io::ErrorKind::PermissionDenied);
        let expected = if cfg!(target_os = "linux") { Code::PortNotAllowed } else { Code::PortTaken };
        assert_eq!(refused.code(), expected);
        assert!(!cfg!(target_os = "linux") || refused.to_string().contains("AmbientCapabilities"), "{refused}");
        assert_eq!(said(443, io::ErrorKind::AddrNotAvailable).code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_taken_port_gives_the_next_free_one() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let taken = open(here, 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = open(here, port).await.unwrap().local_addr().unwrap().port();
        assert!(next > port && next < port + PORTS_TRIED, "{port} then {next}");
    }

    #[tokio::test]
    async fn a_name_leads_to_one_port_and_no_other_is_tried() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let first = open_at(here, 0).await.unwrap();
        let port = first.local_addr().unwrap().port();
        assert_eq!(open_at(here, port).await.unwrap_err().code(), Code::PortTaken);
    }

    #[tokio::test]
    async fn an_address_of_another_computer_cannot_be_listened_on() {
        let error = open("192.0.2.1".parse().unwrap(), 0).await.unwrap_err();
        assert!(matches!(error, HouseError::Listen { .. }), "{error}");
    }
}
