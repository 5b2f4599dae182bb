//! How our peer connections are set up: one codec, two header extensions, and timers that suit a voice room.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use rtc::{
    ice::{mdns::MulticastDnsMode, network_type::NetworkType},
    peer_connection::transport::RTCDtlsRole,
    rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind},
};
use webrtc::{
    error::Result,
    peer_connection::{MediaEngine, Registry, SettingEngine, SettingEngineBuilder, register_default_interceptors},
};

use crate::own_path::{own_addresses, source_towards};

/// RTP clock of Opus, whatever the sound inside (RFC 7587 section 4.1).
const OPUS_CLOCK_HZ: u32 = 48_000;
/// Always two in the description, also for mono (RFC 7587 section 7).
const OPUS_CHANNELS: u16 = 2;
/// What LiveKit servers use.
pub(super) const OPUS_PAYLOAD_TYPE: u8 = 111;
/// RFC 6464.
pub(super) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// RFC 8843 section 15.
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// The default of 200 ms makes every join 150 ms slower. With 2 ms `webrtc` did nothing but look at the pairs of a
/// house on nine networks, and heard no answer: one look at many pairs takes longer.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Checks per pair. With the default of 7 a pair would be given up after 0.35 s.
const CHECKS: u16 = 1_200;
/// No consent for this long: `Disconnected`, and we resume. Twelve checks in a row are lost on their way there or back
/// once in half an hour at 40 % loss in both directions, and the house's own checks count as well.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(3);
/// After this long in `Disconnected` the connection is `Failed` and made anew.
const FAILED_AFTER: Duration = Duration::from_secs(6);
/// The address of a socket behind a door, until it is there.
pub(super) const DOOR_PLACE: &str = "127.0.0.1:0";
/// Consent checks (RFC 7675 asks for one every 5 s; we notice a cut sooner).
const KEEP_ALIVE: Duration = Duration::from_millis(250);

/// The one codec of a voice room. Stereo in both directions: whoever sends music does, and what comes in is decoded as
/// it is.
pub(super) fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".to_owned(),
        clock_rate: OPUS_CLOCK_HZ,
        channels: OPUS_CHANNELS,
        sdp_fmtp_line: "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

/// Codec, extensions and the interceptors that make receiver reports.
pub(super) fn media_engine() -> Result<(MediaEngine, Registry)> {
    let mut engine = MediaEngine::default();
    let codec = RTCRtpCodecParameters { rtp_codec: opus(), payload_type: OPUS_PAYLOAD_TYPE };
    engine.register_codec(codec, RtpCodecKind::Audio)?;
    for uri in [AUDIO_LEVEL_URI, MID_URI] {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
        engine.register_header_extension(extension, RtpCodecKind::Audio, None)?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut engine)?;
    Ok((engine, registry))
}

/// Timers and transports.
pub(super) fn setting_engine() -> SettingEngine {
    SettingEngineBuilder::new()
        // A server's check may overtake its candidate and make the pair peer-reflexive; the default then waits 1 s.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        // To a server that is ICE-lite `webrtc` would answer as the server of the handshake, and as such ask for a
        // cookie: a round trip, for an address that ICE has proven already.
        .with_answering_dtls_role(RTCDtlsRole::Client)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
        .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), Some(KEEP_ALIVE))
        .with_network_types(vec![NetworkType::Udp4, NetworkType::Udp6])
        // Otherwise every connection opens a socket on 224.0.0.251:5353.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build()
}

/// Where our sockets are bound: in the family in which the house answered. A wildcard stands for every interface of
/// this computer but loopback and link-local addresses, so those need their names: a house on this computer, a computer
/// without a network, and two laptops on a cable of their own, one of which has another network beside it.
pub(super) fn bind_addresses(house_host: &str) -> Vec<String> {
    match house_host.parse() {
        Ok(house) => bind_for(house, &own_addresses(), source_towards(house)),
        Err(_) if house_host == "localhost" => vec![on(Ipv4Addr::LOCALHOST.into())],
        Err(_) => bind_anywhere(),
    }
}

/// Where our sockets are bound when it is not known in which family the house is near.
pub(super) fn bind_anywhere() -> Vec<String> {
    bind_for_a_name(&own_addresses())
}

fn bind_for(house: IpAddr, own: &[IpAddr], source: Option<IpAddr>) -> Vec<String> {
    let (wildcard, loopback): (IpAddr, IpAddr) = match house {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    };
    // A system that does not list its interfaces probably has some.
    let has_network = own.is_empty() || own.iter().any(|ip| ip.is_ipv4() == house.is_ipv4() && !ip.is_loopback());
    if house.is_loopback() || !has_network {
        return vec![on(loopback)];
    }
    let cable = source.filter(|source| is_link_local(*source));
    [Some(wildcard), cable].into_iter().flatten().map(on).collect()
}

/// A name may stand for both families; a wildcard without an interface of its family would be offered as it is.
fn bind_for_a_name(own: &[IpAddr]) -> Vec<String> {
    let has_v6 = own.iter().any(|ip| matches!(ip, IpAddr::V6(ip) if !ip.is_loopback() && !ip.is_unicast_link_local()));
    let v6 = has_v6.then_some(Ipv6Addr::UNSPECIFIED.into());
    [Some(Ipv4Addr::UNSPECIFIED.into()), v6].into_iter().flatten().map(on).collect()
}

fn on(ip: IpAddr) -> String {
    SocketAddr::new(ip, 0).to_string()
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<IpAddr> {
        list.iter().filter_map(|text| text.parse().ok()).collect()
    }

    fn bind(house: &str, own: &[&str], source: &str) -> Vec<String> {
        house.parse().map_or_else(|_| Vec::new(), |house| bind_for(house, &addresses(own), source.parse().ok()))
    }

    #[test]
    fn a_house_on_this_computer_is_reached_over_loopback() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:0"), ("localhost", "127.0.0.1:0"), ("::1", "[::1]:0")] {
            assert_eq!(bind_addresses(host), [expected], "{host}");
        }
    }

    /// IPv6 was never listened on: people joined and heard nothing.
    #[test]
    fn the_family_in_which_the_house_answered_is_the_one_for_sound() {
        let own = ["127.0.0.1", "192.168.1.4", "::1", "2001:db8::4"];
        assert_eq!(bind("192.168.1.20", &own, "192.168.1.4"), ["0.0.0.0:0"]);
        assert_eq!(bind("2001:db8::20", &own, "2001:db8::4"), ["[::]:0"]);
        assert_eq!(bind_for_a_name(&addresses(&own)), ["0.0.0.0:0", "[::]:0"]);
        assert_eq!(bind_for_a_name(&addresses(&["127.0.0.1", "192.168.1.4", "::1", "fe80::4"])), ["0.0.0.0:0"]);
    }

    // Regression: a way to the Internet was asked for, and two computers on a cable of their own never heard each
    // other; then a wildcard left the cable out as soon as there was another network.
    #[test]
    fn a_cable_without_a_way_out_of_it_is_a_network_also_beside_another() {
        let cable = ["0.0.0.0:0", "169.254.7.2:0"];
        assert_eq!(bind("169.254.7.1", &["127.0.0.1", "169.254.7.2"], "169.254.7.2"), cable);
        assert_eq!(bind("169.254.7.1", &["127.0.0.1", "192.168.9.2", "169.254.7.2"], "169.254.7.2"), cable);
        assert_eq!(bind("192.168.1.1", &["127.0.0.1", "::1"], ""), ["127.0.0.1:0"], "no network");
    }
}
