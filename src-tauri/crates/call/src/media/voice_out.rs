//! The last gate before the network: encoded voice goes out only while it is open, and shutting it waits until
//! nothing is on the way.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use rtc::rtp::{Packet, header::Header};
use serambi_audio::EncodedFrame;
use tokio::sync::{mpsc, oneshot};
use webrtc::media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP};

use super::settings::OPUS_PAYLOAD_TYPE;

/// Below this level a frame is not marked as voice (−dBov, RFC 6464). LiveKit's own limit for "is speaking" is 35.
const VOICE_LEVEL_DBOV: u8 = 60;

/// A published track, ready to be written to.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    /// As negotiated; none: the server does not want levels.
    pub(super) audio_level_id: Option<u8>,
}

enum Item {
    Frame(EncodedFrame),
    Outlet(Option<Outlet>),
    Barrier(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct Gate {
    open: AtomicBool,
    packets: AtomicU64,
    bytes: AtomicU64,
    last: Mutex<Option<SentVoice>>,
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

/// The sending end, for the sound engine and for whoever opens and shuts the gate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct VoiceOut {
    queue: mpsc::UnboundedSender<Item>,
    gate: Arc<Gate>,
}

impl VoiceOut {
    /// A shut gate with nothing behind it. Its writer ends when the last handle is dropped.
    pub(crate) fn start() -> Self {
        let (queue, items) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        tokio::spawn(write_voice(items, gate.clone()));
        Self { queue, gate }
    }

    /// Takes a frame from the engine's thread; never waits.
    pub(crate) fn push(&self, frame: EncodedFrame) {
        if self.gate.open.load(Ordering::Acquire) {
            self.put(Item::Frame(frame));
        }
    }

    /// From now on voice may leave.
    pub(crate) fn open(&self) {
        self.gate.open.store(true, Ordering::Release);
    }

    /// When this returns, no voice leaves any more.
    pub(crate) async fn shut(&self) {
        self.gate.open.store(false, Ordering::Release);
        let (passed, wait) = oneshot::channel();
        self.put(Item::Barrier(passed));
        // The writer is gone only when the call is over, and then nothing leaves either.
        let _writer_gone = wait.await;
    }

    /// Which track voice goes to; none: nowhere.
    pub(super) fn lead_to(&self, outlet: Option<Outlet>) {
        self.put(Item::Outlet(outlet));
    }

    /// Packets and payload bytes that went out.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.gate.packets.load(Ordering::Relaxed), self.gate.bytes.load(Ordering::Relaxed))
    }

    /// The latest packet that went out.
    pub(crate) fn last_sent(&self) -> Option<SentVoice> {
        *self.gate.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, item: Item) {
        if self.queue.send(item).is_err() {
            tracing::trace!("the voice writer has ended");
        }
    }
}

async fn write_voice(mut items: mpsc::UnboundedReceiver<Item>, gate: Arc<Gate>) {
    let mut outlet: Option<Outlet> = None;
    // RFC 3550 section 5.1: both start at random. Below 2^15 (RFC 3711 section 3.3.1): if the first packets are lost
    // and the number wraps, the receiver guesses a wrong rollover count and decrypts nothing.
    let mut sequence: u16 = rand::random_range(0..(1 << 15) - 1);
    let first_timestamp: u32 = rand::random();
    while let Some(item) = items.recv().await {
        match item {
            Item::Outlet(next) => outlet = next,
            Item::Barrier(passed) => {
                // Whoever waited may have given up.
                let _gone = passed.send(());
            }
            Item::Frame(frame) => {
                let Some(outlet) = &outlet else { continue };
                if !gate.open.load(Ordering::Acquire) {
                    continue;
                }
                sequence = sequence.wrapping_add(1);
                let bytes = frame.payload.len() as u64;
                let (timestamp, captured_at) = (first_timestamp.wrapping_add(frame.timestamp), frame.captured_at);
                match write(outlet, frame, sequence, timestamp).await {
                    Ok(()) => {
                        let sent = SentVoice { timestamp, captured_at, sent_at: Instant::now() };
                        *gate.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
                        gate.packets.fetch_add(1, Ordering::Relaxed);
                        gate.bytes.fetch_add(bytes, Ordering::Relaxed);
                    }
                    Err(error) => tracing::debug!(%error, "a voice packet could not be sent"),
                }
            }
        }
    }
}

async fn write(outlet: &Outlet, frame: EncodedFrame, sequence: u16, timestamp: u32) -> webrtc::error::Result<()> {
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
    outlet.track.write_rtp(packet).await
}

/// One byte: is it voice, and how loud (RFC 6464 section 3).
fn audio_level(level_dbov: u8) -> u8 {
    let level = level_dbov.min(127);
    let voice = if level < VOICE_LEVEL_DBOV { 0x80 } else { 0 };
    voice | level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> EncodedFrame {
        EncodedFrame {
            payload: vec![1],
            timestamp: 0,
            level_dbov: 30,
            captured_at: Instant::now(),
            starts_talkspurt: true,
        }
    }

    #[test]
    fn silence_is_not_marked_as_voice() {
        assert_eq!(audio_level(20), 0x80 | 20);
        assert_eq!(audio_level(127), 127);
        assert_eq!(audio_level(255), 127);
    }

    #[tokio::test]
    async fn nothing_leaves_while_the_gate_is_shut_or_leads_nowhere() {
        let voice = VoiceOut::start();
        voice.push(frame());
        voice.open();
        voice.push(frame());
        voice.shut().await;
        voice.push(frame());
        assert_eq!((voice.sent(), voice.last_sent()), ((0, 0), None));
    }
}
