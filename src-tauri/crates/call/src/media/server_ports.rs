//! At which ports a media server takes media, read from its own candidates: what to ask a network's owner for.

use serde_json::Value;

/// The port of the first candidate of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerPorts {
    pub(super) udp: Option<u16>,
    pub(super) tcp: Option<u16>,
}

impl ServerPorts {
    /// A description in which candidates may stand.
    pub(super) fn take_description(&mut self, sdp: &str) {
        sdp.lines().filter_map(|line| line.trim_end().strip_prefix("a=candidate:")).for_each(|one| self.take(one));
    }

    /// A candidate that came by itself, in the JSON form of browsers.
    pub(super) fn take_trickled(&mut self, json: &str) {
        let candidate = serde_json::from_str::<Value>(json).ok();
        let line = candidate.as_ref().and_then(|one| one.get("candidate")?.as_str()?.strip_prefix("candidate:"));
        if let Some(line) = line {
            self.take(line);
        }
    }

    /// RFC 8839 section 5.1: foundation, component, transport, priority, address, port.
    fn take(&mut self, candidate: &str) {
        let mut words = candidate.split(' ').skip(2);
        let (transport, port) = (words.next().unwrap_or_default(), words.nth(2).and_then(|port| port.parse().ok()));
        let kind = if transport.eq_ignore_ascii_case("udp") {
            &mut self.udp
        } else if transport.eq_ignore_ascii_case("tcp") {
            &mut self.tcp
        } else {
            return;
        };
        *kind = kind.or(port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_are_those_of_the_first_candidates_wherever_they_stand() {
        let mut ports = ServerPorts::default();
        ports
            .take_description("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 udp 2130 10.0.0.1 7412 typ host\r\n");
        ports.take_description("a=candidate:2 1 udp 2129 203.0.113.7 9000 typ host\n");
        assert_eq!(ports, ServerPorts { udp: Some(7412), tcp: None });
        ports.take_trickled(
            r#"{"candidate":"candidate:3 1 TCP 99 10.0.0.1 7881 typ host tcptype passive","sdpMid":"0"}"#,
        );
        ports.take_trickled("rubbish");
        ports.take_trickled(r#"{"candidate":"candidate:4 1 udp"}"#);
        assert_eq!(ports, ServerPorts { udp: Some(7412), tcp: Some(7881) });
    }
}
