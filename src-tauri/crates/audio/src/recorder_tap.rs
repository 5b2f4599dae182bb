//! Where a recorder of the room listens in: each packet of a speaker as it was received, with its media time.

use std::time::Instant;

use bytes::Bytes;

use crate::clock::Moment;
use crate::opus_padding::packet::packet_samples;
use crate::packet_timeline::{PacketTimeline, Placement};
use crate::speaker::{ReceivedPacket, SpeakerId};

/// A packet as it was received. Duplicates, and packets that are not Opus or cannot belong to the stream, are left out; what
/// is late or out of order is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TappedPacket {
    /// Whose voice it is.
    pub speaker: SpeakerId,
    /// Counts this speaker's streams from 1: a sender that starts again begins a new one.
    pub stream: u32,
    /// RTP sequence number without wrap-around; a gap is a packet that has not come.
    pub sequence: i64,
    /// Media time of the first sample within the stream: samples at 48 kHz without wrap-around. Goes on over mutes.
    pub media_samples: i64,
    /// Length of the sound in samples at 48 kHz.
    pub samples: usize,
    /// The Opus packet.
    pub payload: Bytes,
    /// When it came in.
    pub arrival: Instant,
}

type Recorder = Box<dyn FnMut(TappedPacket) + Send>;

/// The way from one speaker's packets to a recorder.
pub(crate) struct RecorderTap {
    speaker: SpeakerId,
    recorder: Recorder,
    timeline: PacketTimeline,
    stream: u32,
    began: Option<Instant>,
}

impl RecorderTap {
    pub(crate) fn new(speaker: SpeakerId, recorder: Recorder) -> Self {
        Self { speaker, recorder, timeline: PacketTimeline::default(), stream: 0, began: None }
    }

    pub(crate) fn take(&mut self, packet: &ReceivedPacket) {
        let Some(samples) = packet_samples(&packet.payload) else { return };
        let began = *self.began.get_or_insert(packet.arrival);
        let place = match self.timeline.place(packet.sequence, packet.timestamp, Moment::of(packet.arrival, began)) {
            Placement::Known(place) => place,
            Placement::NewStream(place) => {
                self.stream += 1;
                place
            }
            Placement::Duplicate | Placement::Stray => return,
        };
        (self.recorder)(TappedPacket {
            speaker: self.speaker,
            stream: self.stream,
            sequence: place.sequence,
            media_samples: place.sample,
            samples,
            payload: packet.payload.clone(),
            arrival: packet.arrival,
        });
    }
}

impl std::fmt::Debug for RecorderTap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RecorderTap").field("speaker", &self.speaker).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::channel;
    use std::time::Duration;

    use assert_no_alloc::assert_no_alloc;

    use super::*;
    use crate::speaker::{SpeakerInbox, speaker};

    /// A packet of 20 ms, number `n` of a stream whose numbers wrap.
    fn packet(n: u32, start: Instant) -> ReceivedPacket {
        ReceivedPacket {
            sequence: 65_534_u16.wrapping_add(n as u16),
            timestamp: (u32::MAX - 2_000).wrapping_add(n * 960),
            payload: Bytes::from(vec![0x68, n as u8, 7]),
            arrival: start + Duration::from_millis(u64::from(n) * 20),
        }
    }

    fn recorded(push: impl FnOnce(&SpeakerInbox, Instant)) -> Vec<TappedPacket> {
        let start = Instant::now();
        let (_speaker, inbox) = speaker(SpeakerId(7), start).unwrap();
        let (recorder, tape) = channel();
        inbox.record(move |packet| recorder.send(packet).unwrap());
        push(&inbox, start);
        drop(inbox);
        tape.into_iter().collect()
    }

    #[test]
    fn a_recorder_gets_each_packet_once_with_its_media_time_over_mutes_and_wraps() {
        let tape = recorded(|inbox, start| {
            for n in [0, 1, 3, 2, 2, 500, 501] {
                inbox.push(packet(n, start));
            }
        });
        let first = &tape[0];
        let places: Vec<(i64, i64)> = tape
            .iter()
            .map(|packet| (packet.sequence - first.sequence, packet.media_samples - first.media_samples))
            .collect();
        assert_eq!(places, [0, 1, 3, 2, 500, 501].map(|n| (n, n * 960)));
        assert!(tape.iter().all(|packet| (packet.speaker, packet.stream, packet.samples) == (SpeakerId(7), 1, 960)));
        assert_eq!(tape[3].payload[..], [0x68, 2, 7]);
    }

    #[test]
    fn a_recorder_is_told_of_a_sender_that_starts_again_and_of_nothing_that_is_no_voice() {
        let tape = recorded(|inbox, start| {
            inbox.push(packet(0, start));
            inbox.push(ReceivedPacket { payload: Bytes::from_static(&[0xFF; 3]), ..packet(1, start) });
            for n in 10..15 {
                inbox.push(ReceivedPacket { timestamp: 900_000_000 + n * 960, ..packet(n, start) });
            }
        });
        assert_eq!(tape.iter().map(|packet| packet.stream).collect::<Vec<_>>(), [1, 2, 2, 2]);
    }

    #[test]
    fn without_a_recorder_a_packet_passes_without_allocating() {
        let start = Instant::now();
        let (_speaker, inbox) = speaker(SpeakerId(7), start).unwrap();
        let (recorder, tape) = channel();
        inbox.push(packet(0, start));
        inbox.record(move |packet| recorder.send(packet).unwrap());
        inbox.push(packet(1, start));
        inbox.stop_recording();
        let last = packet(2, start);
        assert_no_alloc(|| inbox.push(last));
        assert_eq!(tape.into_iter().count(), 1);
    }
}
