//! The way of a packet: from the port to a speaker's track, from the track to every listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::rtp::{RtpPacket, Ssrc};
use tracing::trace;

use super::SfuCore;
use super::demux::DatagramKind;
use super::forwarding::{IncomingNumbers, SILENT_FRAME, TrackPacket};
use super::limits::SOUND_LATE;
use super::participant::PublisherLeg;
use super::subscribing::transport_of;
use super::track::Receiver;
use super::transport::{Leg, Outbox, ParticipantId, TransportKey};

/// A section whose description names no SSRC takes the first unknown one with its payload type.
/// It stays silent all the same unless the packet proves to be the client's when it is decrypted.
fn adopt_stream(leg: &mut PublisherLeg, now: Instant, packet: &[u8], outbox: &mut Outbox) {
    if leg.sections.iter().all(|section| section.ssrc.is_some()) {
        return;
    }
    let [_, second, _, _, _, _, _, _, s0, s1, s2, s3, ..] = packet else {
        return;
    };
    let ssrc = Ssrc::from(u32::from_be_bytes([*s0, *s1, *s2, *s3]));
    if *ssrc == 0 || leg.sections.iter().any(|section| section.ssrc == Some(ssrc)) {
        return;
    }
    let nameless = leg.sections.iter_mut().find(|s| s.ssrc.is_none() && s.opus == second & 0x7f);
    if let Some(section) = nameless {
        section.ssrc = Some(ssrc);
        leg.transport.expect_stream(now, section.mid, ssrc, outbox);
    }
}

/// A datagram on its way in.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// When it was taken from the socket.
    pub received: Instant,
    /// Where it came from.
    pub source: SocketAddr,
    /// The announced address it came to.
    pub local: SocketAddr,
    /// What it says.
    pub bytes: &'a [u8],
}

impl SfuCore {
    /// A datagram from the network.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Datagram { received, source, local, bytes } = datagram;
        self.received = received;
        let Some(key) = self.demux.route(now, source, bytes) else {
            if !self.answer_probe(&datagram) {
                trace!("datagram of nobody");
            }
            return;
        };
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        participant.arrived = Some(now);
        if DatagramKind::of(bytes) == DatagramKind::Rtp {
            if !(participant.permission.can_publish && key.leg == Leg::Publisher) {
                // Before decryption: a listener who floods costs a map look-up per packet.
                participant.traffic.packets_refused += 1;
                return;
            }
            if now.saturating_duration_since(received) > SOUND_LATE {
                participant.traffic.packets_late += 1;
                return;
            }
            if let Some(leg) = &mut participant.publisher {
                adopt_stream(leg, now, bytes, &mut self.outbox);
            }
        }
        if let Some(transport) = transport_of(participant, key.leg) {
            transport.handle_datagram(now, source, local, bytes, &mut self.outbox);
        }
        self.settle(now);
    }

    pub(super) fn wake_transport(&mut self, now: Instant, key: TransportKey) {
        if let Some(participant) = self.participants.get_mut(&key.participant)
            && let Some(transport) = transport_of(participant, key.leg)
        {
            transport.wake(now, &mut self.outbox);
        }
    }

    /// A decrypted packet of a client.
    pub(super) fn forward(&mut self, now: Instant, key: TransportKey, packet: &RtpPacket) {
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        let traffic = &mut participant.traffic;
        let section = participant.publisher.as_ref().and_then(|leg| {
            let mut sections = leg.sections.iter();
            sections.find(|section| section.ssrc == Some(packet.header.ssrc))
        });
        let section = section.filter(|section| section.opus == *packet.header.payload_type);
        let place = section.and_then(|section| participant.tracks.iter().position(|t| t.info.sid == section.track_sid));
        let Some((place, track)) = place.and_then(|place| Some((place, participant.tracks.get_mut(place)?))) else {
            traffic.packets_refused += 1;
            return;
        };
        if track.info.muted {
            traffic.packets_muted += 1;
            return;
        }
        let numbers = IncomingNumbers { sequence: *packet.seq_no, timestamp: packet.header.timestamp };
        if packet.payload.is_empty() {
            // Padding only: there is nothing in it to hear, and its number must not look like a loss.
            track.munger.skip(numbers.sequence);
            return;
        }
        traffic.packets_in += 1;
        traffic.bytes_in += packet.payload.len() as u64;
        let Some((sequence, timestamp)) = track.munger.forward(numbers) else {
            return;
        };
        track.passages.note(numbers.timestamp, timestamp, self.received);
        if !self.unsent.contains(&key.participant) {
            self.unsent.push(key.participant);
        }
        let packet =
            TrackPacket { sequence, timestamp, marker: packet.header.marker, payload: Arc::clone(&packet.payload) };
        self.fan_out(now, key.participant, place, &packet);
    }

    /// The frames that let a decoder fade out, unless the track is encrypted or nothing was heard
    /// of it yet.
    pub(super) fn send_silence(&mut self, now: Instant, owner: ParticipantId, track_sid: &str) {
        let Some(participant) = self.participants.get_mut(&owner) else {
            return;
        };
        let place = participant.tracks.iter().position(|track| track.info.sid == track_sid);
        let Some((place, track)) = place.and_then(|place| Some((place, participant.tracks.get_mut(place)?))) else {
            return;
        };
        let frames = track.munger.silence();
        if !track.takes_silent_frames() {
            return;
        }
        let payload: Arc<[u8]> = Arc::from(SILENT_FRAME.as_slice());
        for (sequence, timestamp) in frames {
            let packet = TrackPacket { sequence, timestamp, marker: false, payload: Arc::clone(&payload) };
            self.fan_out(now, owner, place, &packet);
        }
    }

    /// Gives a packet to every listener of the track at `place` among its owner's.
    fn fan_out(&mut self, now: Instant, owner: ParticipantId, place: usize, packet: &TrackPacket) {
        // The list is taken out while listeners are looked up in the same map.
        let Some(mut receivers) = self.receivers_mut(owner, place).map(std::mem::take) else {
            return;
        };
        for receiver in &mut receivers {
            if receiver.paused {
                receiver.numbering.pause();
            }
            if !receiver.answered || receiver.paused {
                continue;
            }
            let Some(packet) = receiver.numbering.packet(packet) else {
                continue;
            };
            let Some(listener) = self.participants.get_mut(&receiver.participant) else {
                continue;
            };
            let Some(leg) = &mut listener.subscriber else {
                continue;
            };
            if leg.transport.send_rtp(now, receiver.ssrc, &packet, &mut self.outbox) {
                listener.traffic.packets_out += 1;
                listener.traffic.bytes_out += packet.payload.len() as u64;
            }
        }
        if let Some(place) = self.receivers_mut(owner, place) {
            *place = receivers;
        }
    }

    fn receivers_mut(&mut self, owner: ParticipantId, place: usize) -> Option<&mut Vec<Receiver>> {
        let tracks = &mut self.participants.get_mut(&owner)?.tracks;
        Some(&mut tracks.get_mut(place)?.receivers)
    }
}
