//! Encoded voice on its way to the network: a ring of three frames that drops the oldest, behind a gate that mutes.
//!
//! `webrtc` blocks the writer of a track while its driver does not keep up. Voice that waits longer than the ring is of
//! no use to anybody, and a mute must not wait for it: shutting the gate empties the ring and abandons the write in
//! flight.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rtc::rtp::{Packet, header::Header};
use serambi_audio::EncodedFrame;
use tokio::sync::{Notify, watch};
use webrtc::media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP};

use super::settings::OPUS_PAYLOAD_TYPE;
use crate::tasks::Tasks;

/// Below this level a frame is not marked as voice (−dBov, RFC 6464). LiveKit's own limit for "is speaking" is 35.
const VOICE_LEVEL_DBOV: u8 = 60;

/// Frames that may wait for the network: 60 ms of voice. Older ones would be late at every listener.
const RING_FRAMES: usize = 3;

/// The first sequence number is below this (RFC 3711 section 3.3.1): with a higher one and the first packets lost, a
/// receiver guesses the wrong rollover counter and cannot decrypt the whole stream.
const MAX_FIRST_SEQUENCE: u16 = 0x7fff;

/// Takes RTP packets; may block for as long as the network does not keep up.
pub(super) trait PacketSink: Send + Sync {
    /// Hands one packet over. May be cancelled; then the packet was not taken.
    fn write(&self, packet: Packet) -> BoxFuture<'_, webrtc::error::Result<()>>;
}

impl PacketSink for TrackLocalStaticRTP {
    fn write(&self, packet: Packet) -> BoxFuture<'_, webrtc::error::Result<()>> {
        self.write_rtp(packet)
    }
}

/// A published track, ready to be written to.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) sink: Arc<dyn PacketSink>,
    pub(super) ssrc: u32,
    /// As negotiated; none: the server does not want levels.
    pub(super) audio_level_id: Option<u8>,
}

impl Outlet {
    fn is(&self, other: &Self) -> bool {
        (self.ssrc, self.audio_level_id) == (other.ssrc, other.audio_level_id)
    }
}

/// When the latest packet was made, and when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentVoice {
    /// RTP timestamp as it is on the wire.
    pub(crate) timestamp: u32,
    /// When its first sample reached the microphone.
    pub(crate) captured_at: Instant,
    pub(crate) sent_at: Instant,
}

/// Frames that went out, and frames that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VoiceCounters {
    /// Packets that went out.
    pub(crate) packets: u64,
    /// Their payload, bytes.
    pub(crate) bytes: u64,
    /// Frames that newer ones pushed out of the ring.
    pub(crate) overtaken: u64,
    /// Frames that came while no track could carry them.
    pub(crate) without_track: u64,
}

#[derive(Default)]
struct State {
    open: bool,
    /// Counts how often the gate was shut: who opens it says after which mute.
    mutes: u64,
    ring: VecDeque<EncodedFrame>,
    /// Frames overtaken since the last one was taken: to the listeners they are lost packets.
    skipped: u16,
    outlet: Option<Outlet>,
    counters: VoiceCounters,
    last: Option<SentVoice>,
}

struct Shared {
    state: Mutex<State>,
    filled: Notify,
    /// Grows when what is being written must not be written any more.
    route: watch::Sender<u64>,
}

/// A frame, where it goes, and the route for which that holds.
struct Due {
    frame: EncodedFrame,
    skipped: u16,
    outlet: Outlet,
    route: u64,
}

/// The sending end, for the sound engine and for whoever opens and shuts the gate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct VoiceOut {
    shared: Arc<Shared>,
}

impl VoiceOut {
    /// A shut gate that leads nowhere. Its writer ends with `tasks`.
    pub(crate) fn start(tasks: &Tasks) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), filled: Notify::new(), route: watch::Sender::new(0) });
        tasks.spawn(write_voice(shared.clone()));
        Self { shared }
    }

    /// Takes a frame from the engine's thread; never waits.
    pub(crate) fn push(&self, frame: EncodedFrame) {
        let mut state = self.shared.state.lock();
        if !state.open {
            return;
        }
        if state.outlet.is_none() {
            state.counters.without_track += 1;
            return;
        }
        if state.ring.len() == RING_FRAMES {
            state.ring.pop_front();
            state.counters.overtaken += 1;
            state.skipped = state.skipped.saturating_add(1);
        }
        state.ring.push_back(frame);
        drop(state);
        self.shared.filled.notify_one();
    }

    /// Lets voice leave, unless the gate was shut again since that mute. Whether it is open.
    pub(crate) fn open_after(&self, mute: u64) -> bool {
        let mut state = self.shared.state.lock();
        state.open |= state.mutes == mute;
        state.open
    }

    /// When this returns, no voice leaves any more. Never waits. The number of this mute.
    pub(crate) fn shut(&self) -> u64 {
        let mut state = self.shared.state.lock();
        state.open = false;
        state.mutes += 1;
        state.ring.clear();
        state.skipped = 0;
        let mutes = state.mutes;
        drop(state);
        self.shared.route.send_modify(|route| *route += 1);
        mutes
    }

    /// Which track voice goes to; none: nowhere.
    pub(super) fn lead_to(&self, outlet: Option<Outlet>) {
        let mut state = self.shared.state.lock();
        let is_same = match (&state.outlet, &outlet) {
            (Some(before), Some(after)) => before.is(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if is_same {
            return;
        }
        state.outlet = outlet;
        state.ring.clear();
        drop(state);
        self.shared.route.send_modify(|route| *route += 1);
    }

    /// What went out so far, and what did not.
    pub(crate) fn counters(&self) -> VoiceCounters {
        self.shared.state.lock().counters
    }

    /// The latest packet that went out.
    pub(crate) fn last_sent(&self) -> Option<SentVoice> {
        self.shared.state.lock().last
    }
}

impl Shared {
    fn take(&self) -> Option<Due> {
        let mut state = self.state.lock();
        let route = *self.route.borrow();
        let outlet = state.outlet.clone()?;
        let frame = state.ring.pop_front()?;
        let skipped = std::mem::take(&mut state.skipped);
        Some(Due { frame, skipped, outlet, route })
    }

    fn count(&self, sent: SentVoice, bytes: usize) {
        let mut state = self.state.lock();
        state.counters.packets += 1;
        state.counters.bytes += bytes as u64;
        state.last = Some(sent);
    }
}

/// The numbers of the stream (RFC 3550 section 5.1): sequence and timestamp start at random.
struct Numbers {
    sequence: u16,
    first_timestamp: u32,
}

impl Numbers {
    fn random() -> Self {
        Self { sequence: rand::random::<u16>() & MAX_FIRST_SEQUENCE, first_timestamp: rand::random() }
    }
}

async fn write_voice(shared: Arc<Shared>) {
    let mut numbers = Numbers::random();
    let mut route = shared.route.subscribe();
    loop {
        let Some(due) = shared.take() else {
            shared.filled.notified().await;
            continue;
        };
        numbers.sequence = numbers.sequence.wrapping_add(due.skipped);
        let timestamp = numbers.first_timestamp.wrapping_add(due.frame.timestamp);
        let (captured_at, bytes) = (due.frame.captured_at, due.frame.payload.len());
        let packet = match packet(&due.outlet, due.frame, numbers.sequence, timestamp) {
            Ok(packet) => packet,
            Err(error) => {
                tracing::debug!(%error, "a voice packet could not be made");
                continue;
            }
        };
        tokio::select! {
            biased;
            // Muted, or another track: what is in flight is abandoned, and its number is used by the next.
            _ = route.wait_for(|present| *present != due.route) => {}
            written = due.outlet.sink.write(packet) => match written {
                Ok(()) => {
                    numbers.sequence = numbers.sequence.wrapping_add(1);
                    shared.count(SentVoice { timestamp, captured_at, sent_at: Instant::now() }, bytes);
                }
                Err(error) => tracing::debug!(%error, "a voice packet could not be sent"),
            }
        }
    }
}

fn packet(outlet: &Outlet, frame: EncodedFrame, sequence: u16, timestamp: u32) -> webrtc::error::Result<Packet> {
    let mut packet = Packet {
        header: Header {
            version: 2,
            // RFC 3551 section 4.1: the first packet after silence.
            marker: frame.starts_talkspurt,
            payload_type: OPUS_PAYLOAD_TYPE,
            sequence_number: sequence,
            timestamp,
            ssrc: outlet.ssrc,
            ..Header::default()
        },
        payload: frame.payload.into(),
    };
    if let Some(id) = outlet.audio_level_id {
        packet.header.set_extension(id, Bytes::from(vec![audio_level(frame.level_dbov)]))?;
    }
    Ok(packet)
}

/// One byte: is it voice, and how loud (RFC 6464 section 3).
fn audio_level(level_dbov: u8) -> u8 {
    let level = level_dbov.min(127);
    let voice = if level < VOICE_LEVEL_DBOV { 0x80 } else { 0 };
    voice | level
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Remembers what it takes; blocks for ever while it is stuck.
    #[derive(Default)]
    struct TestSink {
        taken: Mutex<Vec<Packet>>,
        stuck: watch::Sender<bool>,
        has_taken: Notify,
        waiting: Notify,
    }

    impl PacketSink for TestSink {
        fn write(&self, packet: Packet) -> BoxFuture<'_, webrtc::error::Result<()>> {
            Box::pin(async move {
                self.waiting.notify_one();
                // The sender is `self`, so this cannot fail.
                self.stuck.subscribe().wait_for(|stuck| !stuck).await.map(drop).unwrap_or_default();
                self.taken.lock().push(packet);
                self.has_taken.notify_one();
                Ok(())
            })
        }
    }

    impl TestSink {
        fn payloads(&self) -> Vec<u8> {
            self.taken.lock().iter().map(|packet| packet.payload[0]).collect()
        }

        async fn until_taken(&self, packets: usize) {
            let waiting = async {
                while self.taken.lock().len() < packets {
                    self.has_taken.notified().await;
                }
            };
            timeout(Duration::from_secs(10), waiting).await.expect("a packet");
        }
    }

    fn frame(number: u8) -> EncodedFrame {
        EncodedFrame {
            payload: vec![number],
            timestamp: u32::from(number) * 960,
            level_dbov: 30,
            captured_at: Instant::now(),
            starts_talkspurt: number == 0,
        }
    }

    fn voice_to(sink: &Arc<TestSink>, ssrc: u32) -> (VoiceOut, Tasks) {
        let tasks = Tasks::default();
        let voice = VoiceOut::start(&tasks);
        voice.lead_to(Some(Outlet { sink: sink.clone(), ssrc, audio_level_id: None }));
        voice.open_after(0);
        (voice, tasks)
    }

    #[test]
    fn silence_is_not_marked_as_voice() {
        assert_eq!(audio_level(20), 0x80 | 20);
        assert_eq!(audio_level(127), 127);
        assert_eq!(audio_level(255), 127);
    }

    #[tokio::test]
    async fn nothing_leaves_while_the_gate_is_shut_and_what_leads_nowhere_is_counted() {
        let tasks = Tasks::default();
        let voice = VoiceOut::start(&tasks);
        voice.push(frame(0));
        assert!(voice.open_after(0));
        voice.push(frame(1));
        voice.shut();
        voice.push(frame(2));
        assert_eq!(voice.counters(), VoiceCounters { without_track: 1, ..VoiceCounters::default() });
        assert_eq!(voice.last_sent(), None);
    }

    // Before, mute waited behind the write in flight, and frames piled up without a limit and left late.
    #[tokio::test]
    async fn a_mute_does_not_wait_for_a_stuck_network_and_nothing_recorded_after_it_leaves_later() {
        let sink = Arc::new(TestSink::default());
        sink.stuck.send_replace(true);
        let (voice, _tasks) = voice_to(&sink, 1);
        voice.push(frame(0));
        sink.waiting.notified().await;
        (1..9).for_each(|number| voice.push(frame(number)));
        assert_eq!(voice.counters().overtaken, 5);
        let mute = voice.shut();
        voice.push(frame(9));
        sink.stuck.send_replace(false);
        assert!(voice.open_after(mute));
        voice.push(frame(10));
        sink.until_taken(1).await;
        assert_eq!(sink.payloads(), [10], "what was written or waited when the mute came never leaves");
    }

    #[tokio::test]
    async fn the_newest_three_frames_leave_when_the_network_flows_again_and_the_others_are_lost_packets() {
        let sink = Arc::new(TestSink::default());
        sink.stuck.send_replace(true);
        let (voice, _tasks) = voice_to(&sink, 1);
        voice.push(frame(0));
        sink.waiting.notified().await;
        (1..9).for_each(|number| voice.push(frame(number)));
        sink.stuck.send_replace(false);
        sink.until_taken(4).await;
        assert_eq!(sink.payloads(), [0, 6, 7, 8]);
        let sequences: Vec<u16> = sink.taken.lock().iter().map(|packet| packet.header.sequence_number).collect();
        assert_eq!(sequences.iter().map(|number| number.wrapping_sub(sequences[0])).collect::<Vec<_>>(), [0, 6, 7, 8]);
    }

    #[tokio::test]
    async fn a_stuck_track_does_not_hold_the_next_one_up() {
        let (old, new) = (Arc::new(TestSink::default()), Arc::new(TestSink::default()));
        old.stuck.send_replace(true);
        let (voice, _tasks) = voice_to(&old, 1);
        voice.push(frame(0));
        old.waiting.notified().await;
        voice.lead_to(Some(Outlet { sink: new.clone(), ssrc: 2, audio_level_id: None }));
        voice.push(frame(1));
        new.until_taken(1).await;
        assert_eq!(new.payloads(), [1]);
    }

    #[tokio::test]
    async fn a_gate_that_was_shut_again_meanwhile_is_not_opened_by_an_older_unmute() {
        let voice = VoiceOut::start(&Tasks::default());
        let first = voice.shut();
        voice.shut();
        assert!(!voice.open_after(first));
    }

    // A number from the upper half, wrapped before the first packet arrived, left a listener without the whole turn.
    #[test]
    fn a_stream_starts_far_from_the_wrap_of_its_sequence_numbers() {
        assert!((0..1_000).all(|_| Numbers::random().sequence <= MAX_FIRST_SEQUENCE));
    }
}
