//! The jitter buffer alone: what it decides, not how that sounds. No codec runs, so it takes microseconds where a whole
//! listener takes milliseconds.

use serambi_codec::{clock::Moment, format::MAX_PACKET_SAMPLES, opus_padding::packet::packet_samples};

use super::script::{Limits, Numbered, Script, Step};
use crate::{
    format::{MIX_MICROS, MIX_SAMPLES},
    receive::jitter_buffer::{Decision, JitterBuffer, Packet},
};

/// What a script may ask for: 20 s.
const LIMITS: Limits = Limits { packets: 1_000, blocks: 4_000 };

/// Decisions for one block: the buffer can be skipped through whole, and the shortest sound is 2.5 ms.
const MAX_DECISIONS: usize = 256;

/// The largest delay, and packets held, that the buffer allows.
const MAX_TARGET_MS: i64 = 1_000;
const MAX_PACKETS: usize = 200;

/// It must have come to rest after so long, blocks of 5 ms (60 s).
const MAX_REST_BLOCKS: u32 = 12_000;

/// Error of the play-out from which on the sound is made longer or shorter by a block, microseconds.
const TOLERANCE_MICROS: i64 = 6_000;

/// Lets a jitter buffer decide what `script` brings.
///
/// # Panics
/// When something does not hold.
pub fn play_buffer(script: &[u8]) {
    let mut player = Player::default();
    for step in Script::new(script, LIMITS) {
        match step {
            Step::Packet(packet) => player.insert(packet),
            Step::Blocks { blocks, at_once } => player.play(blocks, at_once),
        }
        player.assert_bounded();
    }
    player.rest();
}

/// Plays as a listener does, and counts samples instead of hearing them.
#[derive(Debug, Default)]
struct Player {
    jitter: JitterBuffer,
    now: Moment,
    queued: usize,
    /// Media time up to which sound was played, and of which stream that was.
    played: Option<(i64, u64)>,
}

impl Player {
    fn insert(&mut self, packet: Numbered) {
        let Numbered { sequence, timestamp, payload, inbox_ms } = packet;
        if let Some(samples) = packet_samples(&payload) {
            let arrival = self.now.plus_micros(-1_000 * i64::from(inbox_ms));
            self.jitter.insert(Packet { sequence, timestamp, samples, payload }, arrival);
        }
    }

    fn play(&mut self, blocks: u32, at_once: u32) {
        for block in 0..blocks {
            if block % at_once == 0 {
                self.now = self.now.plus_micros(MIX_MICROS * i64::from(at_once));
            }
            self.play_block();
        }
    }

    /// Whether it was silent.
    fn play_block(&mut self) -> bool {
        let mut decisions = 0;
        while self.queued < MIX_SAMPLES {
            let Some(samples) = self.decide() else {
                self.queued = 0;
                return true;
            };
            self.queued += samples;
            decisions += 1;
            assert!(decisions <= MAX_DECISIONS, "{decisions} decisions for one block");
        }
        self.queued -= MIX_SAMPLES;
        false
    }

    /// How much sound there is next; `None` if there is silence.
    fn decide(&mut self) -> Option<usize> {
        match self.jitter.pull(self.now) {
            Decision::Decode { packet, at, passed, .. } => {
                assert!(passed < packet.samples, "{passed} of {} samples passed", packet.samples);
                self.assert_plays_on(at, packet.samples);
                self.correct();
                Some(packet.samples - passed)
            }
            Decision::Skip { packet, at } => {
                self.assert_plays_on(at, packet.samples);
                Some(0)
            }
            Decision::Conceal { at, samples, .. } => {
                assert!((1..=MAX_PACKET_SAMPLES).contains(&samples), "{samples} samples of a gap");
                if let Some(at) = at {
                    self.assert_plays_on(at, samples);
                }
                Some(samples)
            }
            Decision::Idle => None,
        }
    }

    /// Nothing is played twice, nor after what followed it.
    fn assert_plays_on(&mut self, at: i64, samples: usize) {
        let stream = self.jitter.counters().restarts;
        if let Some((end, of)) = self.played {
            assert!(at >= end || of != stream, "{at} is played after {end}");
        }
        self.played = Some((at + samples as i64, stream));
    }

    /// As stretching and shrinking would.
    fn correct(&mut self) {
        let error = self.jitter.error_micros().unwrap_or(0);
        if error > TOLERANCE_MICROS && self.queued >= MIX_SAMPLES {
            self.queued -= MIX_SAMPLES;
            self.jitter.note_pulls_moved(-MIX_MICROS);
        } else if error < -TOLERANCE_MICROS {
            self.queued += MIX_SAMPLES;
            self.jitter.note_pulls_moved(MIX_MICROS);
        }
    }

    fn assert_bounded(&self) {
        let (counters, waiting) = (self.jitter.counters(), self.jitter.waiting_samples());
        let accounted = counters.decoded + counters.late + counters.duplicate + counters.refused + counters.skipped;
        assert!(counters.received >= accounted, "{counters:?}");
        assert!((0..=MAX_TARGET_MS).contains(&self.jitter.target_ms()), "{}", self.jitter.target_ms());
        assert!(self.jitter.offset_ms().is_none_or(f32::is_finite), "{:?}", self.jitter.offset_ms());
        assert!(waiting <= MAX_PACKETS * MAX_PACKET_SAMPLES, "{waiting} samples are waiting");
    }

    /// Whatever came in, it falls silent once nothing comes any more, and every packet has been accounted for.
    fn rest(mut self) {
        let rests = (0..MAX_REST_BLOCKS).any(|_| {
            self.now = self.now.plus_micros(MIX_MICROS);
            self.play_block() && self.jitter.waiting_samples() == 0
        });
        self.assert_bounded();
        let counters = self.jitter.counters();
        assert!(rests, "it does not fall silent: {counters:?}, {} samples waiting", self.jitter.waiting_samples());
        let accounted = counters.decoded + counters.late + counters.duplicate + counters.refused + counters.skipped;
        assert!(counters.received == accounted || counters.restarts > 0, "{counters:?}");
    }
}
