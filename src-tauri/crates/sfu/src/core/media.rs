//! The way of a packet: from the port to a speaker's track, from the track to every listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::rtp::RtpPacket;
use tracing::trace;

use super::SfuCore;
use super::demux::DatagramKind;
use super::forwarding::{IncomingNumbers, SILENT_FRAME, TrackPacket};
use super::subscribing::transport_of;
use super::transport::{Leg, ParticipantId, TransportKey};

impl SfuCore {
    /// A datagram that came to the announced address `local`.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, local: SocketAddr, datagram: &[u8]) {
        let Some(key) = self.demux.route(now, source, datagram) else {
            trace!("datagram of nobody");
            return;
        };
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        let is_sound = DatagramKind::of(datagram) == DatagramKind::Rtp;
        if is_sound && !(participant.permission.can_publish && key.leg == Leg::Publisher) {
            // Before decryption: a listener who floods costs a map look-up per packet.
            participant.traffic.packets_refused += 1;
            return;
        }
        if let Some(transport) = transport_of(participant, key.leg) {
            transport.handle_datagram(now, source, local, datagram, &mut self.outbox);
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
        let track = section.and_then(|section| {
            let mut tracks = participant.tracks.iter_mut();
            tracks.find(|track| track.info.sid == section.track_sid)
        });
        let Some(track) = track else {
            traffic.packets_refused += 1;
            return;
        };
        if track.info.muted {
            traffic.packets_muted += 1;
            return;
        }
        traffic.packets_in += 1;
        traffic.bytes_in += packet.payload.len() as u64;
        let numbers = IncomingNumbers { sequence: *packet.seq_no, timestamp: packet.header.timestamp };
        let Some((sequence, timestamp)) = track.munger.forward(numbers) else {
            return;
        };
        let packet =
            TrackPacket { sequence, timestamp, marker: packet.header.marker, payload: Arc::clone(&packet.payload) };
        let track_sid = track.info.sid.clone();
        self.fan_out(now, key.participant, &track_sid, &packet);
    }

    /// The frames that let a decoder fade out, unless the track is encrypted or nothing was heard
    /// of it yet.
    pub(super) fn send_silence(&mut self, now: Instant, owner: ParticipantId, track_sid: &str) {
        let track = self.participants.get_mut(&owner).and_then(|owner| owner.track_mut(track_sid));
        let Some(track) = track.filter(|track| track.takes_silent_frames()) else {
            return;
        };
        let payload: Arc<[u8]> = Arc::from(SILENT_FRAME.as_slice());
        for (sequence, timestamp) in track.munger.silence() {
            let packet = TrackPacket { sequence, timestamp, marker: false, payload: Arc::clone(&payload) };
            self.fan_out(now, owner, track_sid, &packet);
        }
    }

    /// Gives a packet to every listener of a track.
    fn fan_out(&mut self, now: Instant, owner: ParticipantId, track_sid: &str, packet: &TrackPacket) {
        // The list is taken out while listeners are looked up in the same map.
        let take = |core: &mut Self| {
            let track = core.participants.get_mut(&owner)?.track_mut(track_sid)?;
            Some(std::mem::take(&mut track.receivers))
        };
        let Some(mut receivers) = take(self) else {
            return;
        };
        for receiver in &mut receivers {
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
        let track = self.participants.get_mut(&owner).and_then(|owner| owner.track_mut(track_sid));
        if let Some(track) = track {
            track.receivers = receivers;
        }
    }
}
