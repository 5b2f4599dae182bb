//! The way of a client that reaches this server through somebody else's public port: what its descriptions name in
//! place of this server's own addresses.

use std::net::SocketAddr;

/// A port elsewhere whose owner sends on what clients send there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// The port's addresses, best first: the only candidates these clients are given.
    pub candidates: Vec<SocketAddr>,
    /// Characters (`ice-char`s, RFC 8839 section 5.4) with which the ICE user name fragments of these clients' peer
    /// connections begin: by them the port's owner knows whose server a first packet is for.
    pub fragment: String,
}
