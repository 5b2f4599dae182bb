//! How our peer connections are set up: one codec, two header extensions, and timers that suit a voice room.

use std::{net::IpAddr, time::Duration};

use rtc::{
    ice::{mdns::MulticastDnsMode, network_type::NetworkType},
    rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind},
};
use webrtc::{
    error::Result,
    peer_connection::{MediaEngine, Registry, SettingEngine, SettingEngineBuilder, register_default_interceptors},
};

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

/// The default of 200 ms makes every join 150 ms slower; the cost of asking more often could not be measured.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Checks per pair. With the default of 7 a pair would be given up after 0.35 s.
const CHECKS: u16 = 1_200;
/// No consent for this long: `Disconnected`, and we resume. Twelve checks in a row are lost on their way there or back
/// once in half an hour at 40 % loss in both directions, and the house's own checks count as well.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(3);
/// After this long in `Disconnected` the connection is `Failed` and made anew.
const FAILED_AFTER: Duration = Duration::from_secs(6);
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
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
        .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), Some(KEEP_ALIVE))
        .with_network_types(vec![NetworkType::Udp4])
        // Otherwise every connection opens a socket on 224.0.0.251:5353.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build()
}

/// Where our sockets are bound. `0.0.0.0` stands for every interface of this computer but loopback, so a house on
/// loopback needs that address by name, and so does a computer without a network.
pub(super) fn bind_addresses(house_host: &str) -> Vec<String> {
    let is_loopback =
        house_host == "localhost" || house_host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let address = if is_loopback || !has_network() { "127.0.0.1:0" } else { "0.0.0.0:0" };
    vec![address.to_owned()]
}

/// Whether any interface leads to other computers. A way to the Internet is another matter: two laptops on one cable
/// have none.
fn has_network() -> bool {
    // A system that does not list its interfaces probably has some.
    if_addrs::get_if_addrs().map_or(true, |interfaces| leads_out(interfaces.iter().map(|interface| interface.ip())))
}

fn leads_out(mut addresses: impl Iterator<Item = IpAddr>) -> bool {
    addresses.any(|address| address.is_ipv4() && !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Regression: a way to the Internet was asked for, and two computers on a cable of their own never heard each
    // other.
    #[test]
    fn a_network_without_a_way_out_of_it_is_a_network() {
        let addresses = |list: &[&str]| list.iter().filter_map(|text| text.parse().ok()).collect::<Vec<IpAddr>>();
        assert!(leads_out(addresses(&["127.0.0.1", "169.254.7.1"]).into_iter()));
        assert!(!leads_out(addresses(&["127.0.0.1", "::1"]).into_iter()));
    }

    #[test]
    fn a_house_on_this_computer_is_reached_over_loopback() {
        for host in ["127.0.0.1", "localhost", "::1"] {
            assert_eq!(bind_addresses(host), ["127.0.0.1:0"], "{host}");
        }
    }
}
