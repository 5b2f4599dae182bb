//! The address under which the world sees a house that stands behind a router or in a cloud: told by whoever passes the
//! ports on, since nobody inside can know it.

use std::{net::IpAddr, str::FromStr};

use serambi_protocol::DomainName;
use serambi_sfu::OutsideMedia;

/// `HOST[:TCP[:UDP]]`. A port that is not named is the same outside as inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideAddress {
    /// A name or an address; an IPv6 address without brackets.
    host: String,
    tcp: Option<u16>,
    udp: Option<u16>,
}

impl std::fmt::Display for OutsideAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        [self.tcp, self.udp].into_iter().flatten().try_for_each(|port| write!(f, ":{port}"))
    }
}

/// Why an outside address cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("an outside address is HOST, HOST:TCP or HOST:TCP:UDP, an IPv6 address in brackets: {0}")]
pub struct NoOutsideAddress(String);

impl FromStr for OutsideAddress {
    type Err = NoOutsideAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| NoOutsideAddress(text.to_owned()))
    }
}

fn read(text: &str) -> Option<OutsideAddress> {
    let (host, ports) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, ports) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if ports.is_empty() { None } else { Some(ports.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, ports)| (host, Some(ports))),
    };
    let is_name = host.parse::<IpAddr>().is_ok()
        || host.chars().all(|character| character.is_ascii_alphanumeric() || ".-".contains(character));
    if host.is_empty() || !is_name {
        return None;
    }
    let (tcp, udp) = ports.map_or((None, None), |ports| {
        let (tcp, udp) = ports.split_once(':').map_or((ports, None), |(tcp, udp)| (tcp, Some(udp)));
        (Some(tcp), udp)
    });
    let port = |text: Option<&str>| {
        text.map(|text| text.parse().ok().filter(|port| *port != 0)).map_or(Some(None), |port| port.map(Some))
    };
    Some(OutsideAddress { host: host.to_owned(), tcp: port(tcp)?, udp: port(udp)? })
}

impl OutsideAddress {
    /// A name whose ports are the same outside, but for this TCP port.
    pub fn of_name(name: &DomainName, tcp: Option<u16>) -> Self {
        Self { host: name.to_string(), tcp, udp: None }
    }

    /// `host:port` for a link to a house that listens on `inside`.
    pub fn in_link(&self, inside: u16) -> String {
        let port = self.tcp_port(inside);
        if self.host.contains(':') { format!("[{}]:{port}", self.host) } else { format!("{}:{port}", self.host) }
    }

    /// The TCP port outside of a house that listens on `inside`.
    pub fn tcp_port(&self, inside: u16) -> u16 {
        self.tcp.unwrap_or(inside)
    }

    /// The UDP port outside of a house whose media is at `inside`.
    pub fn udp_port(&self, inside: u16) -> u16 {
        self.udp.unwrap_or(inside)
    }

    /// The name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where media comes in; nothing while the name leads nowhere.
    pub async fn for_media(&self) -> Vec<OutsideMedia> {
        match tokio::net::lookup_host((self.host.as_str(), 0)).await {
            Ok(found) => found.map(|address| OutsideMedia { ip: address.ip(), port: self.udp }).collect(),
            Err(error) => {
                tracing::warn!(%error, host = self.host, "the outside address is not found");
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ports_that_are_not_named_are_the_same_outside() {
        for (text, link) in [
            ("rooms.example.org", "rooms.example.org:7410"),
            ("203.0.113.7:443", "203.0.113.7:443"),
            ("203.0.113.7:443:9000", "203.0.113.7:443"),
            ("[2001:db8::7]", "[2001:db8::7]:7410"),
            ("[2001:db8::7]:443:9000", "[2001:db8::7]:443"),
        ] {
            let outside = text.parse::<OutsideAddress>().unwrap();
            assert_eq!(outside.in_link(7410), link);
            assert_eq!(outside.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_one_is() {
        for text in ["", ":443", "a b", "http://x", "x:0", "x:70000", "x:1:2:3", "2001:db8::7", "[x]:1", "[::1]7", "x:"]
        {
            let error = text.parse::<OutsideAddress>().unwrap_err();
            assert!(error.to_string().contains("HOST:TCP"), "{text}");
        }
    }

    #[tokio::test]
    async fn media_comes_in_at_every_address_of_the_name_with_the_port_outside() {
        let outside: OutsideAddress = "203.0.113.7:443:9000".parse().unwrap();
        let expected = OutsideMedia { ip: "203.0.113.7".parse().unwrap(), port: Some(9000) };
        assert_eq!(outside.for_media().await, [expected]);
    }
}
