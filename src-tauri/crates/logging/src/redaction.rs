//! Log lines without what identifies somebody: keys, passes and network addresses, for a text that is shown to others.

use std::net::{IpAddr, SocketAddr};

/// Base64url of 32 bytes has 43 characters; keys, pins, ids and passes are at least that long.
const MIN_SECRET_CHARACTERS: usize = 40;
const SECRET: &str = "[key]";

/// The line with every long key-like word and every address of another computer replaced by its kind.
pub fn redact(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        clean.push_str(if is_word(first) { replacement(part).unwrap_or(part) } else { part });
        rest = after;
    }
    clean
}

/// Letters of base64url, of JWTs and of addresses.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']' | '+')
}

fn replacement(word: &str) -> Option<&'static str> {
    let bare = word.trim_matches(|c| matches!(c, '.' | ':'));
    if let Some(ip) = ip_of(bare) {
        return kind_of(ip);
    }
    let is_key = word.split(['.', ':', '[', ']']).any(|part| part.len() >= MIN_SECRET_CHARACTERS);
    is_key.then_some(SECRET)
}

fn ip_of(word: &str) -> Option<IpAddr> {
    let socket = word.parse::<SocketAddr>().map(|address| address.ip());
    // A path of Rust modules has colons, and `::` alone is an address.
    let ip = || word.trim_matches(['[', ']']).parse::<IpAddr>().ok().filter(|ip| !ip.is_unspecified());
    socket.ok().or_else(ip)
}

/// The kind of a network address in words; none for addresses that say nothing about anybody.
pub fn kind_of(ip: IpAddr) -> Option<&'static str> {
    match ip {
        ip if ip.is_loopback() || ip.is_unspecified() => None,
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Some("[private IPv4]"),
        IpAddr::V4(_) => Some("[public IPv4]"),
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Some("[private IPv6]"),
        IpAddr::V6(_) => Some("[public IPv6]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_of_others_are_replaced_by_their_kind() {
        for (line, clean) in [
            ("joined house=203.0.113.7:7410 room=r1", "joined house=[public IPv4] room=r1"),
            ("from 192.168.1.4, port 7", "from [private IPv4], port 7"),
            ("at [2001:db8::1]:7410!", "at [public IPv6]!"),
            ("at fe80::1.", "at [private IPv6]"),
            ("pin=wZ0a9bTtWlPcYg7nV1oQx3eRk5mJh2uLs8dFi4pAyBC", "pin=[key]"),
            ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjoxNzAwMDAwMDAwLCJhIjoiYiJ9.c2ln", "token [key]"),
        ] {
            assert_eq!(redact(line), clean);
        }
    }

    #[test]
    fn an_ordinary_line_stays_as_it_is() {
        let line = "2026-11-30T02:30:39.123456Z  INFO serambi_call::media: connected to 127.0.0.1:7410 – 走廊";
        assert_eq!(redact(line), line);
        assert_eq!(redact(""), "");
    }
}
