//! What must hold of a listener whatever the network brings. Driven by property tests and by the fuzz targets in
//! `fuzz/`, quickest first: the jitter buffer alone, and a whole listener with decoder and stretch. The parsers alone
//! are in `serambi-codec`.

mod buffer;
mod script;

pub use buffer::play_buffer;

use std::time::Instant;

use script::{Limits, Numbered, Script, Step};
use serambi_codec::clock::Moment;

use crate::{
    error::AudioError,
    format::MIX_MICROS,
    receive::remote_voice::{ReceivedPacket, RemoteVoice, RemoteVoiceId, RemoteVoiceInbox, remote_voice},
};

/// What a script may ask of a whole listener (1 s): decoding is what a run costs, and many short runs find more than a
/// few long ones.
const LIMITS: Limits = Limits { packets: 100, blocks: 200 };

/// It has fallen silent after so long without a sound, and must have after so long, blocks of 5 ms.
const SILENT_BLOCKS: u32 = 40;
const MAX_REST_BLOCKS: u32 = 12_000;

/// Plays to one listener what `script` says, with decoder, stretch and levelling.
///
/// # Panics
/// When something does not hold.
pub fn play_script(script: &[u8]) {
    let Ok(mut listener) = Listener::new() else { return };
    for step in Script::new(script, LIMITS) {
        match step {
            Step::Packet(packet) => listener.hear(packet),
            Step::Blocks { blocks, at_once } => listener.render(blocks, at_once),
        }
    }
    listener.leave();
}

struct Listener {
    voice: RemoteVoice,
    inbox: RemoteVoiceInbox,
    start: Instant,
    /// Since `start`.
    now: Moment,
}

impl Listener {
    fn new() -> Result<Self, AudioError> {
        let start = Instant::now();
        let (voice, inbox) = remote_voice(RemoteVoiceId(1), start)?;
        Ok(Self { voice, inbox, start, now: Moment::default() })
    }

    fn hear(&self, packet: Numbered) {
        let Numbered { sequence, timestamp, payload, inbox_ms } = packet;
        let arrival = self.now.plus_micros(-1_000 * i64::from(inbox_ms)).instant(self.start);
        self.inbox.push(ReceivedPacket { sequence, timestamp, payload, arrival });
    }

    fn render(&mut self, blocks: u32, at_once: u32) {
        for block in 0..blocks {
            if block % at_once == 0 {
                self.now = self.now.plus_micros(MIX_MICROS * i64::from(at_once));
            }
            let block = self.voice.render(self.now);
            assert!(block.left_right().flatten().all(|sample| sample.is_finite()));
        }
        self.assert_bounded();
    }

    fn assert_bounded(&self) {
        let statistics = self.voice.statistics(0);
        let packets = statistics.packets;
        assert!(packets.received >= packets.decoded + packets.duplicate + packets.refused, "{statistics:?}");
        assert!((0..=1_000).contains(&statistics.jitter_target_ms), "{statistics:?}");
        assert!(statistics.level_dbfs.is_finite() && statistics.loudness_lufs.is_finite(), "{statistics:?}");
        // 200 packets of 120 ms, and what is decoded.
        assert!((0.0..=25_000.0).contains(&statistics.buffered_ms), "{statistics:?}");
    }

    /// Whatever came in, it falls silent once nothing comes any more, and ends when it is told to.
    fn leave(mut self) {
        let mut silent = 0;
        for _ in 0..MAX_REST_BLOCKS {
            self.now = self.now.plus_micros(MIX_MICROS);
            let is_silent = self.voice.render(self.now).left_right().flatten().all(|sample| sample == 0.0);
            let is_empty = self.voice.statistics(0).buffered_ms == 0.0;
            silent = if is_silent && is_empty { silent + 1 } else { 0 };
            if silent == SILENT_BLOCKS {
                break;
            }
        }
        assert!(silent == SILENT_BLOCKS, "it does not fall silent: {:?}", self.voice.statistics(0));
        drop(self.inbox);
        self.voice.render(self.now.plus_micros(MIX_MICROS));
        assert!(self.voice.has_left());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_script_breaks_a_jitter_buffer(script in prop::collection::vec(any::<u8>(), 0..2_000)) {
            play_buffer(&script);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_script_breaks_a_listener(script in prop::collection::vec(any::<u8>(), 0..400)) {
            play_script(&script);
        }
    }
}
