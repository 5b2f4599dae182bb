//! One peer connection. `str0m` wants exactly one change, then time, then a full drain; this
//! wrapper has no method that could do it otherwise.
//!
//! A panic inside the engine (its direct interface has some for wrong use) ends this connection
//! only: it is caught here, and the connection reports that it failed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::{DtlsCert, Fingerprint};
use str0m::format::{Codec, FormatParams};
use str0m::ice::IceCreds;
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tracing::debug;

use super::demux::DatagramKind;
use super::detour::Detour;
use super::engine_address::{from_engine, to_engine};
use super::remote_address::{RemoteAddress, accepts_check};
use super::sdp_writer::MAX_MESSAGE_BYTES;

/// A participant inside the core. Never re-used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ParticipantId(pub(crate) u64);

/// Which of a participant's two peer connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Leg {
    /// The client offers and sends.
    Publisher,
    /// We offer and send.
    Subscriber,
}

/// A peer connection inside the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TransportKey {
    pub(crate) participant: ParticipantId,
    pub(crate) leg: Leg,
}

/// A datagram to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The local address to send from: one of the announced ones.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// What a peer connection tells the room.
#[derive(Debug)]
pub(crate) enum TransportEvent {
    /// ICE and DTLS are up.
    Connected,
    ChannelOpen(ChannelId, String),
    ChannelClosed(ChannelId),
    Data(ChannelId, Vec<u8>),
    Media(Box<RtpPacket>),
    /// The peer has closed it, as clients do when they leave.
    Closed,
    /// No use any more; the reason is for the log.
    Failed(String),
}

/// Where a drained connection puts what came out.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<(TransportKey, TransportEvent)>,
    /// When connections want to be woken.
    pub(crate) wakeups: Vec<(Instant, TransportKey)>,
    /// Connections that ended with a panic of the engine.
    pub(crate) panics: u64,
}

/// The shortest sleep. The engine often answers "now", which would make a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Sender and receiver reports; RFC 3550 section 6.2 recommends 5 s for small groups.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// What all connections of a server have in common.
#[derive(Clone)]
pub(crate) struct TransportConfig {
    rtc: RtcConfig,
    pub(crate) addresses: Vec<SocketAddr>,
    unannounced: Vec<SocketAddr>,
    /// Announced and nothing else: the engine knows datagrams only.
    pub(crate) streams: Vec<SocketAddr>,
}

impl TransportConfig {
    /// All addresses but `streams` become host candidates of the engine. Opus is registered under every dynamic payload
    /// type, because clients that open with a data channel (browsers, Go) tell theirs only later, when
    /// the engine's table is fixed already.
    pub(crate) fn new(
        addresses: Vec<SocketAddr>,
        unannounced: Vec<SocketAddr>,
        streams: Vec<SocketAddr>,
        certificate: DtlsCert,
    ) -> Self {
        let mut rtc = RtcConfig::new()
            .set_dtls_cert(certificate)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .clear_extension_map()
            .set_rtcp_report_interval_audio(REPORT_INTERVAL)
            .set_sctp_max_message_size(MAX_MESSAGE_BYTES)
            .set_sctp_max_buffered_amount(MAX_MESSAGE_BYTES as usize);
        // The usual ones first: the engine searches this list for each packet.
        let usual = [111u8, 109, 96];
        let others = (96..128).chain(35..64).filter(|pt| !usual.contains(pt));
        for pt in usual.into_iter().chain(others) {
            rtc.codec_config().add_config(
                Pt::new_with_value(pt),
                None,
                Codec::Opus,
                Frequency::FORTY_EIGHT_KHZ,
                Some(2),
                FormatParams::default(),
            );
        }
        Self { rtc, addresses, unannounced, streams }
    }

    /// The UDP and the TCP candidates of descriptions for a client that comes directly, or by a detour.
    pub(crate) fn announced(&self, detour: Option<&Detour>) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        match detour {
            Some(detour) => (detour.candidates.clone(), Vec::new()),
            None => (self.addresses.clone(), self.streams.clone()),
        }
    }

    fn host_candidates(&self) -> Vec<Candidate> {
        let addresses = self.addresses.iter().chain(&self.unannounced);
        addresses.filter_map(|address| Candidate::host(to_engine(*address), Protocol::Udp).ok()).collect()
    }
}

/// One peer connection.
pub(crate) struct Transport {
    key: TransportKey,
    rtc: Rtc,
    candidates: Vec<Candidate>,
    remote: RemoteAddress,
    deadline: Option<Instant>,
    /// The earliest wake-up that was asked for and has not come yet.
    scheduled: Option<Instant>,
    failed: bool,
    dtls_started: bool,
}

impl Transport {
    pub(crate) fn new(key: TransportKey, config: &TransportConfig, ice: IceCreds, now: Instant) -> Self {
        let mut rtc = config.rtc.clone().set_local_ice_credentials(ice).build(now);
        rtc.direct_api().set_ice_controlling(false);
        let candidates = config.host_candidates();
        for candidate in &candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Self {
            key,
            rtc,
            candidates,
            remote: RemoteAddress::new(now),
            deadline: Some(now),
            scheduled: None,
            failed: false,
            dtls_started: false,
        }
    }

    pub(crate) fn fingerprint(&mut self) -> Fingerprint {
        self.rtc.direct_api().local_dtls_fingerprint().clone()
    }

    /// A wake-up this connection asked for. It may have asked for a later one since.
    pub(crate) fn wake(&mut self, now: Instant, outbox: &mut Outbox) {
        self.scheduled = None;
        match self.deadline {
            Some(deadline) if deadline > now => self.schedule(deadline, outbox),
            Some(_) => self.change(now, outbox, |_| {}),
            None => {}
        }
    }

    fn schedule(&mut self, deadline: Instant, outbox: &mut Outbox) {
        if self.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            self.scheduled = Some(deadline);
            outbox.wakeups.push((deadline, self.key));
        }
    }

    /// A datagram from the peer. `local` must be one of the announced addresses.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) {
        // What is no STUN, DTLS or RTP at all is not worth an event.
        let Ok(receive) = Receive::new(Protocol::Udp, to_engine(source), to_engine(local), datagram) else {
            return;
        };
        self.remote.note_arrival(now, source);
        let before = outbox.transmits.len();
        self.drive(now, outbox, |rtc| {
            rtc.handle_input(Input::Receive(now, receive)).map_err(|error| error.to_string())
        });
        let mut answers = outbox.transmits.range(before..);
        if answers.any(|answer| answer.destination == source && accepts_check(&answer.contents))
            && self.remote.note_check(now, source)
        {
            debug!(?source, "the peer's address has changed");
        }
    }

    /// First description from the peer: its credentials and certificate, and who starts DTLS.
    pub(crate) fn start(
        &mut self,
        now: Instant,
        remote: IceCreds,
        fingerprint: Fingerprint,
        dtls_active: bool,
        outbox: &mut Outbox,
    ) {
        if self.dtls_started {
            return;
        }
        self.dtls_started = true;
        self.drive(now, outbox, |rtc| {
            let mut direct = rtc.direct_api();
            direct.set_remote_ice_credentials(remote);
            direct.set_remote_fingerprint(fingerprint);
            direct.start_dtls(dtls_active).map_err(|error| error.to_string())?;
            direct.start_sctp(dtls_active);
            rtc.handle_input(Input::Timeout(now)).map_err(|error| error.to_string())
        });
    }

    pub(crate) fn is_started(&self) -> bool {
        self.dtls_started
    }

    /// ICE restart. The engine's direct interface has none: new credentials alone would keep the
    /// old pair, and Firefox then hears nothing, silently. Taking the candidates away and giving
    /// them back drops the pairs; media goes on to the old address until a new pair is nominated. The candidates
    /// are those of now: the server's own network may have changed.
    pub(crate) fn restart_ice(
        &mut self,
        now: Instant,
        config: &TransportConfig,
        local: IceCreds,
        remote: IceCreds,
        outbox: &mut Outbox,
    ) {
        let candidates = config.host_candidates();
        let before = std::mem::replace(&mut self.candidates, candidates.clone());
        self.change(now, outbox, |rtc| {
            let mut direct = rtc.direct_api();
            direct.set_local_ice_credentials(local);
            direct.set_remote_ice_credentials(remote);
            for candidate in &before {
                direct.invalidate_candidate(candidate);
            }
            for candidate in candidates {
                rtc.add_local_candidate(candidate);
            }
        });
    }

    /// Opens the three data channels of the protocol from our side.
    pub(crate) fn open_channels(&mut self, now: Instant, outbox: &mut Outbox) {
        let lossy = Reliability::MaxRetransmits { retransmits: 0 };
        let channels =
            [("_reliable", true, Reliability::Reliable), ("_lossy", false, lossy), ("_data_track", false, lossy)];
        for (label, ordered, reliability) in channels {
            self.change(now, outbox, |rtc| {
                rtc.direct_api().create_data_channel(ChannelConfig {
                    label: label.to_owned(),
                    ordered,
                    reliability,
                    negotiated: None,
                    protocol: String::new(),
                });
            });
        }
    }

    /// Sends on a data channel. False: not open, or too much is waiting already.
    pub(crate) fn send_data(&mut self, now: Instant, channel: ChannelId, data: &[u8], outbox: &mut Outbox) -> bool {
        let mut taken = false;
        self.change(now, outbox, |rtc| {
            taken = rtc.channel(channel).is_some_and(|mut channel| channel.write(true, data).unwrap_or(false));
        });
        taken
    }

    /// Adds an audio section. Declaring it twice changes nothing.
    pub(crate) fn declare_audio(&mut self, now: Instant, mid: Mid, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| {
            if rtc.media(mid).is_none() {
                rtc.direct_api().declare_media(mid, MediaKind::Audio);
            }
        });
    }

    pub(crate) fn remove_audio(&mut self, now: Instant, mid: Mid, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| rtc.direct_api().remove_media(mid));
    }

    /// Takes packets of `ssrc` on the section `mid`.
    pub(crate) fn expect_stream(&mut self, now: Instant, mid: Mid, ssrc: Ssrc, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| {
            // The engine panics on an unknown section.
            if rtc.media(mid).is_some() {
                let mut direct = rtc.direct_api();
                direct.expect_stream_rx(ssrc, None, mid, None).suppress_nack(true);
            }
        });
    }

    pub(crate) fn forget_stream(&mut self, now: Instant, ssrc: Ssrc, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| {
            rtc.direct_api().remove_stream_rx(ssrc);
        });
    }

    /// Prepares sending `ssrc` on the section `mid`. A re-used section gets a new SSRC by
    /// [`Transport::remove_sender`] and this; the engine's own reset loses the stream.
    pub(crate) fn add_sender(&mut self, now: Instant, mid: Mid, ssrc: Ssrc, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| {
            if rtc.media(mid).is_some() {
                let mut direct = rtc.direct_api();
                direct
                    .declare_stream_tx(ssrc, None, mid, None)
                    // Nothing is sent again, so nothing is kept.
                    .set_rtx_cache(1, Duration::ZERO, None);
            }
        });
    }

    pub(crate) fn remove_sender(&mut self, now: Instant, ssrc: Ssrc, outbox: &mut Outbox) {
        self.change(now, outbox, |rtc| {
            rtc.direct_api().remove_stream_tx(ssrc);
        });
    }

    /// Sends one RTP packet. False: the stream is not there (any more).
    pub(crate) fn send_rtp(&mut self, now: Instant, ssrc: Ssrc, packet: &OutgoingPacket, outbox: &mut Outbox) -> bool {
        let mut sent = false;
        self.change(now, outbox, |rtc| {
            let mut direct = rtc.direct_api();
            if let Some(stream) = direct.stream_tx(&ssrc) {
                let write = RtpWrite::new(
                    Pt::new_with_value(packet.payload_type),
                    packet.sequence.into(),
                    packet.timestamp,
                    now,
                    Arc::clone(&packet.payload),
                );
                stream.write_rtp(write.marker(packet.marker));
                sent = true;
            }
        });
        sent
    }

    /// Says goodbye (RTCP BYE, DTLS close) and takes nothing more.
    pub(crate) fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        self.drive(now, outbox, |rtc| rtc.close().map_err(|error| error.to_string()));
        self.failed = true;
        self.deadline = None;
    }

    fn change(&mut self, now: Instant, outbox: &mut Outbox, change: impl FnOnce(&mut Rtc)) {
        self.drive(now, outbox, |rtc| {
            change(rtc);
            rtc.handle_input(Input::Timeout(now)).map_err(|error| error.to_string())
        });
    }

    /// Everything but checks and their answers goes where the peer is now.
    fn redirect(&mut self, first: usize, outbox: &mut Outbox) {
        for transmit in outbox.transmits.range_mut(first..) {
            if DatagramKind::of(&transmit.contents) != DatagramKind::Stun {
                transmit.destination = self.remote.destination(transmit.destination);
            }
        }
    }

    /// The only way in: one change, then everything out.
    fn drive(&mut self, now: Instant, outbox: &mut Outbox, change: impl FnOnce(&mut Rtc) -> Result<(), String>) {
        if self.failed {
            return;
        }
        let (key, rtc) = (self.key, &mut self.rtc);
        let before = outbox.transmits.len();
        // The engine is never touched again after a panic, so its broken state cannot be seen.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            change(rtc)?;
            drain(key, rtc, outbox)
        }));
        self.redirect(before, outbox);
        let event = match outcome {
            Ok(Ok(deadline)) if self.rtc.is_alive() => {
                let deadline = deadline.max(now + SHORTEST_WAIT);
                self.deadline = Some(deadline);
                self.schedule(deadline, outbox);
                return;
            }
            Ok(Ok(_)) => TransportEvent::Closed,
            Ok(Err(reason)) => TransportEvent::Failed(reason),
            Err(_) => {
                outbox.panics += 1;
                TransportEvent::Failed("the engine panicked".to_owned())
            }
        };
        self.failed = true;
        self.deadline = None;
        outbox.events.push_back((key, event));
    }
}

fn drain(key: TransportKey, rtc: &mut Rtc, outbox: &mut Outbox) -> Result<Instant, String> {
    loop {
        let event = match rtc.poll_output().map_err(|error| error.to_string())? {
            Output::Timeout(deadline) => return Ok(deadline),
            Output::Transmit(transmit) => {
                outbox.transmits.push_back(Transmit {
                    source: from_engine(transmit.source),
                    destination: from_engine(transmit.destination),
                    contents: transmit.contents.into(),
                });
                continue;
            }
            Output::Event(event) => event,
        };
        let event = match event {
            Event::Connected => TransportEvent::Connected,
            Event::RtpPacket(packet) => TransportEvent::Media(Box::new(packet)),
            Event::ChannelOpen(id, label) => TransportEvent::ChannelOpen(id, label),
            Event::ChannelClose(id) => TransportEvent::ChannelClosed(id),
            Event::ChannelData(data) => TransportEvent::Data(data.id, data.data),
            _ => continue,
        };
        outbox.events.push_back((key, event));
    }
}

/// A packet as a listener gets it.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingPacket {
    pub(crate) payload_type: u8,
    /// Extended; must begin below 65,536, since the receiver assumes rollover count 0.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}
