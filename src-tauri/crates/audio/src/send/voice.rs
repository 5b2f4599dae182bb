//! The own voice from captured blocks to encoded frames, and the mute that holds them back.

use std::time::Instant;

use serambi_codec::{
    clock::{Moment, samples_to_micros},
    coding::Coding,
    dsp::{
        fade::fade_out,
        level_meter::{LevelMeter, rfc6464_level},
        mid_side::{Channels, MidSide},
    },
    format::{FRAME_SAMPLES, LONG_FRAME_SAMPLES, SAMPLE_RATE_HZ},
    redundancy_profile::{Audience, LossReport, RedundancyControl, SoundKind},
    redundant_encoder::RedundantEncoder,
};

use crate::{
    error::AudioError,
    format::{BLOCK_SAMPLES, Block},
    send::{statistics::VoiceStatistics, voice_clock::VoiceClock},
};

/// A pause in what the microphone delivers from which the next sound is a new talkspurt, microseconds.
const TALKSPURT_GAP_MICROS: i64 = 100_000;

/// Captured sound this far behind wall time means that the device lost samples, microseconds: the timestamps jump over
/// them lest listeners take them for delay.
const LOST_SAMPLES_MICROS: i64 = 60_000;

/// Samples over which the sound ends before another coding takes over (2.5 ms).
const LAST_FADE_SAMPLES: usize = 120;

/// One encoded frame of the own voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The Opus packet: 10, 20 or 40 ms; mono, or stereo for chosen music from a microphone of two channels.
    pub payload: Vec<u8>,
    /// RTP timestamp, 48 kHz, without a random offset; goes on by wall time over mutes.
    pub timestamp: u32,
    /// Level as RFC 6464 sends it: 0 is the loudest, 127 silence.
    pub level_dbov: u8,
    /// When the sound that a listener hears at `timestamp` reached the microphone: the device's latency, the processing
    /// and the encoder's look-ahead are counted in.
    pub captured_at: Instant,
    /// The RTP marker: first frame after a mute, a closed microphone or a broken device (RFC 3551 section 4.1).
    pub starts_talkspurt: bool,
}

/// Meter, mute, frames and encoder. Starts muted.
pub(crate) struct Voice {
    clock_start: Instant,
    encoder: RedundantEncoder,
    redundancy: RedundancyControl,
    clock: VoiceClock,
    meter: LevelMeter,
    /// What the blocks that come now hold.
    sound: SoundKind,
    frame: MidSide<Vec<f32>>,
    /// Samples in the frame that is being filled.
    frame_samples: usize,
    muted: bool,
    /// The next frame is the first of a talkspurt.
    starting: bool,
    /// Samples of silence that the sound has ended in, for the sake of another coding.
    ended_for: usize,
    /// Blocks that still hold sound from before the person unmuted.
    old_blocks: u32,
    last_block_at: Option<Moment>,
    /// When the first sample of the frame that is being filled reached the microphone.
    frame_captured_at: Moment,
    microphone_latency_micros: i64,
    statistics: VoiceStatistics,
}

impl Voice {
    /// A muted voice on the clock that started at `clock_start`.
    pub(crate) fn new(clock_start: Instant) -> Result<Self, AudioError> {
        Ok(Self {
            clock_start,
            encoder: RedundantEncoder::new()?,
            redundancy: RedundancyControl::default(),
            clock: VoiceClock::default(),
            meter: LevelMeter::default(),
            sound: SoundKind::Speech,
            frame: MidSide::mono(Vec::with_capacity(LONG_FRAME_SAMPLES)),
            frame_samples: FRAME_SAMPLES,
            muted: true,
            starting: true,
            ended_for: 0,
            old_blocks: 0,
            last_block_at: None,
            frame_captured_at: Moment::default(),
            microphone_latency_micros: 0,
            statistics: VoiceStatistics::default(),
        })
    }

    pub(crate) fn level_dbfs(&self) -> f32 {
        self.meter.dbfs()
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether packets have two channels now.
    pub(crate) fn is_stereo(&self) -> bool {
        self.encoder.coding().channels() == Channels::Stereo
    }

    pub(crate) fn statistics(&self) -> VoiceStatistics {
        VoiceStatistics {
            muted: self.muted,
            redundancy_level: self.redundancy.level(),
            channels: self.encoder.coding().channels().count() as u32,
            frame_ms: (self.encoder.frame_samples() / (SAMPLE_RATE_HZ as usize / 1_000)) as u32,
            ..self.statistics.clone()
        }
    }

    /// What the system says about the way from the microphone to the engine, microseconds.
    pub(crate) fn set_microphone_latency(&mut self, micros: i64) {
        self.microphone_latency_micros = micros;
    }

    /// Takes a captured block, the first sample of which was captured at `captured_at`.
    pub(crate) fn push_block(&mut self, block: impl Into<MidSide<Block>>, captured_at: Moment) -> Option<EncodedFrame> {
        let mut block = block.into();
        self.meter.feed(block.mean_square(), BLOCK_SAMPLES);
        self.statistics.captured_blocks += 1;
        if self.muted || self.old_blocks > 0 {
            self.old_blocks = self.old_blocks.saturating_sub(1);
            self.statistics.muted_blocks += 1;
            return None;
        }
        let after_gap = self.last_block_at.is_none_or(|last| captured_at.micros_since(last) > TALKSPURT_GAP_MICROS);
        self.last_block_at = Some(captured_at);
        if after_gap {
            self.frame.clear();
            self.starting = true;
        }
        let coding = Coding::of(self.sound, block.channels());
        if self.frame.is_empty() {
            self.begin_frame(coding, captured_at);
        }
        if coding != self.encoder.coding() {
            self.end_sound(&mut block);
        } else if std::mem::take(&mut self.ended_for) > 0 || (self.starting && self.frame.is_empty()) {
            block.fade_in();
        }
        self.frame.extend(block.as_slices());
        if self.frame.len() < self.frame_samples {
            return None;
        }
        let frame = self.encode_frame();
        if self.ended_for >= self.encoder.coding().look_ahead_samples() {
            self.change_coding(coding);
        }
        frame
    }

    fn begin_frame(&mut self, coding: Coding, captured_at: Moment) {
        if self.starting {
            self.ended_for = 0;
            self.change_coding(coding);
        }
        self.frame_samples = self.encoder.frame_samples();
        self.frame_captured_at = captured_at;
        if self.starting || self.clock.lag_micros(captured_at) > LOST_SAMPLES_MICROS {
            self.clock.start_talkspurt(captured_at);
        }
    }

    /// Lets the sound end: frames of one coding and of another meet in silence, and no decoder has to find a way
    /// across.
    fn end_sound(&mut self, block: &mut MidSide<Block>) {
        let fading = if self.ended_for == 0 { LAST_FADE_SAMPLES } else { 0 };
        for plane in block.planes_mut() {
            let (last, silence) = plane.split_at_mut(fading);
            fade_out(last);
            silence.fill(0.0);
        }
        self.ended_for += BLOCK_SAMPLES - fading;
    }

    fn change_coding(&mut self, coding: Coding) {
        if coding == self.encoder.coding() {
            return;
        }
        self.redundancy.set_sound(coding.sound());
        self.apply_scheme();
        if let Err(error) = self.encoder.set_coding(coding) {
            tracing::warn!(%error, "the encoder does not take the coding that the sound needs");
        }
    }

    /// Takes what listeners miss; frames repeat accordingly from the next one on.
    pub(crate) fn take_loss_report(&mut self, report: LossReport, now: Moment) {
        self.redundancy.report(report, now);
        self.apply_scheme();
    }

    /// Takes who listens; frames are as long as fits from the next one on.
    pub(crate) fn take_audience(&mut self, audience: Audience) {
        self.redundancy.set_audience(audience);
        self.apply_scheme();
    }

    /// Takes what the blocks to come hold: they are coded accordingly from the next frame on.
    pub(crate) fn take_sound(&mut self, sound: SoundKind) {
        self.sound = sound;
    }

    fn apply_scheme(&mut self) {
        if let Err(error) = self.encoder.set_scheme(self.redundancy.scheme()) {
            tracing::warn!(%error, "the encoder does not take the redundancy that listeners need");
        }
    }

    /// Lets the voice out, except for the next `old_blocks`: those were under way when it was still muted.
    pub(crate) fn unmute(&mut self, old_blocks: u32) {
        if self.muted {
            self.muted = false;
            self.old_blocks = old_blocks;
            self.starting = true;
            self.last_block_at = None;
        }
    }

    /// Stops the voice. What was said up to here leaves in one last frame that fades to silence, so that listeners'
    /// concealment has nothing to prolong and nothing stays in the encoder for the next talkspurt.
    pub(crate) fn mute(&mut self) -> Option<EncodedFrame> {
        let said_nothing = self.muted || (self.starting && self.frame.is_empty());
        self.muted = true;
        if said_nothing {
            self.frame.clear();
            return None;
        }
        self.frame.fade_out();
        self.frame.resize(self.frame_samples);
        self.encode_frame()
    }

    /// Forgets the microphone: it was closed or broke.
    pub(crate) fn microphone_gone(&mut self) -> Option<EncodedFrame> {
        let was_muted = self.muted;
        let last = self.mute();
        self.muted = was_muted;
        self.starting = true;
        self.last_block_at = None;
        self.meter = LevelMeter::default();
        last
    }

    fn encode_at(&mut self, frame: MidSide<&[f32]>, timestamp: u32) -> Result<Vec<u8>, AudioError> {
        if self.starting {
            self.encoder.begin_talkspurt()?;
        }
        Ok(self.encoder.encode(frame, timestamp)?)
    }

    fn encode_frame(&mut self) -> Option<EncodedFrame> {
        let mut frame = std::mem::take(&mut self.frame);
        let packet = self.encode_whole(frame.as_slices());
        frame.clear();
        self.frame = frame;
        packet
    }

    fn encode_whole(&mut self, frame: MidSide<&[f32]>) -> Option<EncodedFrame> {
        let timestamp = self.clock.stamp(frame.len());
        match self.encode_at(frame, timestamp) {
            Ok(payload) => {
                self.statistics.sent_frames += 1;
                self.statistics.sent_bytes += payload.len() as u64;
                let starts_talkspurt = std::mem::take(&mut self.starting);
                let look_ahead = samples_to_micros(self.encoder.coding().look_ahead_samples() as i64);
                let held_back = self.microphone_latency_micros + look_ahead;
                Some(EncodedFrame {
                    payload,
                    timestamp,
                    level_dbov: rfc6464_level(frame.mean_square()),
                    captured_at: self.frame_captured_at.plus_micros(-held_back).instant(self.clock_start),
                    starts_talkspurt,
                })
            }
            Err(error) => {
                self.statistics.failed_frames += 1;
                tracing::warn!(%error, "a frame of voice was lost in the encoder");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serambi_codec::redundant_copies::find_copies;

    use super::*;

    fn talk(voice: &mut Voice, blocks: std::ops::Range<i64>) -> Vec<EncodedFrame> {
        blocks.filter_map(|n| voice.push_block([0.25; BLOCK_SAMPLES], Moment::from_millis(n * 10))).collect()
    }

    #[test]
    fn a_voice_starts_muted_and_its_meter_runs() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        assert!(talk(&mut voice, 0..100).is_empty());
        assert!((voice.level_dbfs() + 12.04).abs() < 1.0);
    }

    #[test]
    fn two_blocks_make_a_frame_and_only_the_first_starts_the_talkspurt() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        let frames = talk(&mut voice, 0..10);
        assert_eq!(frames.len(), 5);
        let starts: Vec<bool> = frames.iter().map(|frame| frame.starts_talkspurt).collect();
        assert_eq!(starts, [true, false, false, false, false]);
        assert!(frames.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp + 960));
    }

    #[test]
    fn frames_are_repeated_once_listeners_miss_some() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        assert!(talk(&mut voice, 0..40).into_iter().all(|frame| find_copies(&frame.payload.into()).is_empty()));
        let report = LossReport { loss: 0.1, mean_burst: 1.0, available_bitrate: None };
        voice.take_loss_report(report, Moment::from_millis(400));
        assert_eq!(voice.statistics().redundancy_level, 2);
        let frames = talk(&mut voice, 40..80);
        let repeated = frames.into_iter().filter(|frame| find_copies(&frame.payload.clone().into()).len() == 2).count();
        assert!(repeated > 10, "{repeated}");
    }

    #[test]
    fn timestamps_run_on_over_a_mute() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        let before = talk(&mut voice, 0..10);
        voice.mute();
        assert!(talk(&mut voice, 10..310).is_empty());
        voice.unmute(0);
        let after = talk(&mut voice, 310..312);
        assert!(after[0].starts_talkspurt);
        assert_eq!(after[0].timestamp - before[0].timestamp, 310 * 480);
    }

    #[test]
    fn mute_in_the_middle_of_a_frame_ends_it_in_silence() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        talk(&mut voice, 0..3);
        let last = voice.mute().unwrap();
        assert!(last.level_dbov > 12);
        assert!(voice.mute().is_none());
    }

    #[test]
    fn what_the_processing_still_held_from_before_unmuting_stays_here() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(2);
        let frames = talk(&mut voice, 0..4);
        assert_eq!(frames.len(), 1);
        assert!(frames[0].starts_talkspurt);
        assert_eq!(voice.statistics().muted_blocks, 2);
    }

    #[test]
    fn mute_before_the_first_word_sends_nothing() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        assert!(voice.mute().is_none());
    }

    #[test]
    fn a_broken_microphone_does_not_unmute_and_its_return_is_a_new_talkspurt() {
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.microphone_gone();
        assert!(voice.is_muted());
        voice.unmute(0);
        let before = talk(&mut voice, 0..10);
        voice.microphone_gone();
        assert!(!voice.is_muted());
        let after = talk(&mut voice, 110..112);
        assert!(after[0].starts_talkspurt);
        assert_eq!(after[0].timestamp - before[0].timestamp, 110 * 480);
    }
}
