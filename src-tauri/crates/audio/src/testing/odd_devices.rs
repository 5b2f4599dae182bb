//! Devices as nobody would build them, in simulated time: odd rates, odd callbacks, no sound, no numbers, wrong clocks.

#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serambi_codec::{
    clock::Moment,
    dsp::level_meter::{dbfs, mean_square},
    format::FRAME_SAMPLES,
};

use crate::{
    device::{
        capture::Capture,
        output::{DeviceOutput, Output},
        ring::{CapturePort, PlaybackPort, Waker, capture_ring, playback_ring},
        sink::SoundEnd,
        statistics::StreamCounters,
    },
    format::{BLOCK_MICROS, BLOCK_SAMPLES, MIX_SAMPLES, MixBlock},
    receive::{
        remote_voice::{ReceivedPacket, RemoteVoiceId, remote_voice},
        statistics::RemoteVoiceStatistics,
    },
    send::{
        microphone_chain::MicrophoneChain,
        voice::{EncodedFrame, Voice},
        voice_processing::MicrophoneMode,
    },
};

/// Rates and channels of devices, and frames per callback.
const ODD_DEVICES: [(u32, u16, usize); 10] = [
    (48_000, 1, 480),
    (48_000, 1, 1),
    (48_000, 1, 20_000),
    (44_100, 1, 1),
    (44_100, 2, 441),
    (44_100, 2, 20_000),
    (8_000, 1, 1),
    (8_000, 1, 20_000),
    (96_000, 6, 333),
    (192_000, 2, 20_000),
];

fn tone(second: f64) -> f32 {
    (0.5 * (second * 440.0 * std::f64::consts::TAU).sin()) as f32
}

fn waker() -> Waker {
    Waker::of(std::thread::current())
}

/// A microphone that calls back with `frames` at a time, and the engine behind it.
struct Speaking {
    port: CapturePort,
    capture: Capture,
    chain: MicrophoneChain,
    voice: Voice,
    counters: Arc<StreamCounters>,
    sent: Vec<EncodedFrame>,
}

impl Speaking {
    fn into(rate_hz: u32, channels: u16) -> Self {
        let counters = Arc::new(StreamCounters::default());
        let (port, tap) = capture_ring(rate_hz, channels, waker(), Arc::clone(&counters));
        let mut voice = Voice::new(Instant::now()).unwrap();
        voice.unmute(0);
        let capture = Capture::new(tap).unwrap();
        Self { port, capture, chain: MicrophoneChain::default(), voice, counters, sent: Vec::new() }
    }

    fn hear(&mut self, data: &[f32], now: Moment) {
        self.port.take(data, 0);
        self.capture.drain_ring();
        self.capture.keep_stereo(self.chain.wants_stereo() || self.voice.is_stereo());
        while let Some((block, age_micros)) = self.capture.next_block() {
            let heard = self.chain.process(block, false);
            self.voice.take_sound(heard.sound);
            self.sent.extend(self.voice.push_block(heard.block, now.plus_micros(-age_micros)));
        }
    }
}

#[test]
fn a_voice_from_any_microphone_leaves_whole_and_in_even_steps() {
    for (rate_hz, channels, frames) in ODD_DEVICES {
        let mut speaking = Speaking::into(rate_hz, channels);
        let mut captured = 0;
        while captured < 10 * rate_hz as usize {
            let sample = |n: usize| tone((captured + n) as f64 / f64::from(rate_hz));
            let data: Vec<f32> = (0..frames).flat_map(|n| vec![sample(n); usize::from(channels)]).collect();
            captured += frames;
            let now = Moment::default().plus_micros(captured as i64 * 1_000_000 / i64::from(rate_hz));
            speaking.hear(&data, now);
        }
        let name = format!("{rate_hz} Hz, {channels} channels, {frames} frames");
        assert_eq!(speaking.counters.snapshot().starved, 0, "{name}");
        let expected = captured as f64 / f64::from(rate_hz) * 50.0;
        assert!((expected - 4.0..=expected).contains(&(speaking.sent.len() as f64)), "{name}: {}", speaking.sent.len());
        for pair in speaking.sent.windows(2) {
            assert_eq!(pair[1].timestamp - pair[0].timestamp, FRAME_SAMPLES as u32, "{name}");
            assert!(!pair[1].starts_talkspurt, "{name}");
        }
        // -9 dBFS, as the tone is.
        assert!(speaking.sent[10..].iter().all(|frame| (8..=10).contains(&frame.level_dbov)), "{name}");
    }
}

#[test]
fn chosen_music_is_sent_in_stereo_from_a_microphone_of_two_channels_and_in_mono_from_one_of_one() {
    for (rate_hz, channels) in [(48_000, 1), (48_000, 2), (44_100, 2), (96_000, 6)] {
        for mode in [MicrophoneMode::Music, MicrophoneMode::Speech] {
            let mut speaking = Speaking::into(rate_hz, channels);
            speaking.chain.set_mode(mode);
            let frames = rate_hz as usize / 100;
            for callback in 1..100 {
                // Left and right the opposite of each other: their mean says nothing.
                let sample =
                    |n: usize| tone((callback * frames + n / usize::from(channels)) as f64 / f64::from(rate_hz));
                let sign = |n: usize| [1.0, -1.0].get(n % usize::from(channels)).copied().unwrap_or(0.0);
                let data: Vec<f32> = (0..frames * usize::from(channels)).map(|n| sign(n) * sample(n)).collect();
                speaking.hear(&data, Moment::from_millis(callback as i64 * 10));
            }
            let name = format!("{rate_hz} Hz, {channels} channels, {mode:?}");
            let stereo = channels > 1 && mode == MicrophoneMode::Music;
            let last = speaking.sent.last().unwrap();
            assert_eq!(last.payload[0] & 0b100 != 0, stereo, "{name}");
            assert_eq!(last.level_dbov < 20, stereo || channels == 1, "{name}: {}", last.level_dbov);
        }
    }
}

/// A loudspeaker that calls back with `frames` at a time, fed with a tone by the engine's output.
struct Playing {
    port: PlaybackPort,
    output: Output,
    counters: Arc<StreamCounters>,
    start: Instant,
    rendered: usize,
}

impl Playing {
    fn on(rate_hz: u32, channels: u16) -> Self {
        let (counters, start) = (Arc::new(StreamCounters::default()), Instant::now());
        let (port, tap) = playback_ring(rate_hz, channels, start, waker(), Arc::clone(&counters));
        let output = Output::Device(Box::new(DeviceOutput::new(tap, Moment::default()).unwrap()));
        Self { port, output, counters, start, rendered: 0 }
    }

    /// The engine's part from one moment to another: it wakes whenever it had asked for it.
    fn render(&mut self, from: Moment, to: Moment) {
        let mut now = from;
        while now < to {
            while self.output.wants_block(now) {
                let block: MixBlock = std::array::from_fn(|n| tone((self.rendered + n) as f64 / 48_000.0));
                self.rendered += MIX_SAMPLES;
                self.output.accept(&block.into(), now);
            }
            now = now.plus_micros(self.output.micros_to_next(now).max(1));
        }
    }

    fn call(&mut self, now: Moment, data: &mut [f32]) {
        self.port.fill(data, now.instant(self.start), 5_000);
    }
}

#[test]
fn any_loudspeaker_plays_without_a_gap_once_it_is_known() {
    for (rate_hz, channels, frames) in ODD_DEVICES {
        let mut playing = Playing::on(rate_hz, channels);
        let name = format!("{rate_hz} Hz, {channels} channels, {frames} frames");
        let (mut asked, mut starved_at_first, mut heard) = (0, None, Vec::new());
        while asked < 20 * rate_hz as usize {
            let at = |frame: usize| Moment::default().plus_micros(frame as i64 * 1_000_000 / i64::from(rate_hz));
            let mut data = vec![9.0; frames * usize::from(channels)];
            playing.render(at(asked), at(asked + frames));
            playing.call(at(asked + frames), &mut data);
            asked += frames;
            if asked > 5 * rate_hz as usize {
                starved_at_first.get_or_insert(playing.counters.snapshot().starved);
                heard.extend(data.chunks_exact(usize::from(channels)).map(|frame| frame[0]));
            }
        }
        assert_eq!(Some(playing.counters.snapshot().starved), starved_at_first, "{name}");
        assert!((dbfs(mean_square(&heard)) + 9.03).abs() < 0.2, "{name}: {}", dbfs(mean_square(&heard)));
        let steepest = 0.5 * std::f32::consts::TAU * 440.0 / rate_hz as f32;
        let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 1.1 * steepest, "{name}: {step}");
        let lead = playing.output.render_lead_ms();
        assert!(lead < 25.0, "{name}: rendered {lead} ms before it is needed");
    }
}

#[test]
fn a_silent_microphone_is_a_voice_that_says_nothing() {
    let mut speaking = Speaking::into(48_000, 1);
    for block in 1..=500 {
        speaking.hear(&[0.0; 480], Moment::from_millis(block * 10));
    }
    assert_eq!(speaking.sent.len(), 250);
    assert!(speaking.sent.iter().all(|frame| frame.level_dbov == 127));
    let bytes: usize = speaking.sent[50..].iter().map(|frame| frame.payload.len()).sum();
    assert!(bytes * 8 < 4 * 12_000, "{bytes} bytes for 4 s of silence");
}

#[test]
fn a_microphone_that_delivers_nothing_sends_nothing_and_its_first_sound_starts_a_talkspurt() {
    let mut speaking = Speaking::into(48_000, 1);
    let hum: Vec<f32> = (0..480).map(|n| tone(f64::from(n) / 48_000.0)).collect();
    (1..=100).for_each(|block| speaking.hear(&hum, Moment::from_millis(block * 10)));
    (101..=600).for_each(|block| speaking.hear(&[], Moment::from_millis(block * 10)));
    assert_eq!(speaking.sent.len(), 50);
    (601..=602).for_each(|block| speaking.hear(&hum, Moment::from_millis(block * 10)));
    let last = &speaking.sent[50];
    assert!(last.starts_talkspurt);
    assert_eq!(last.timestamp - speaking.sent[0].timestamp, 600 * 480);
}

#[test]
fn a_second_that_is_no_numbers_leaves_nothing_behind_in_any_processing() {
    for mode in [MicrophoneMode::Music, MicrophoneMode::Speech, MicrophoneMode::StrongNoiseRemoval] {
        let mut speaking = Speaking::into(48_000, 1);
        speaking.chain.set_mode(mode);
        speaking.chain.attach_loudspeaker(SoundEnd::Device("Speakers".into()));
        speaking.chain.attach_microphone(SoundEnd::Device("Microphone".into()));
        let strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-40];
        for block in 1..=100 {
            let data: Vec<f32> = (0..480).map(|n| strange[(n + block as usize) % strange.len()]).collect();
            speaking.hear(&data, Moment::from_millis(block * 10));
        }
        let voice = serambi_codec::testing::simulated_path::synthetic_speech(5 * 48_000);
        for (n, block) in voice.chunks_exact(480).enumerate() {
            speaking.hear(block, Moment::from_millis((101 + n as i64) * 10));
        }
        assert_eq!(speaking.sent.len(), 300, "{mode:?}");
        let loudest = speaking.sent[200..].iter().map(|frame| frame.level_dbov).min().unwrap();
        assert!((3..30).contains(&loudest), "{mode:?}: -{loudest} dBov");
    }
}

/// How a voice came through minutes between two devices whose clocks are off.
struct LongTalk {
    largest_step: f32,
    longest_wait_ms: f32,
    most_buffered_ms: f32,
    end: RemoteVoiceStatistics,
}

/// A hum that swells, from a microphone to a listener where 10 ms of sound last `microphone_micros` and
/// `loudspeaker_micros`.
fn long_talk(minutes: i64, microphone_micros: i64, loudspeaker_micros: i64) -> LongTalk {
    let start = Instant::now();
    let (mut listener, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let mut voice = Voice::new(Instant::now()).unwrap();
    voice.unmute(0);
    let (mut said, mut heard, mut sequence) = (0_i64, 0_i64, 0_u16);
    let (mut last, mut largest_step) = (0.0_f32, 0.0_f32);
    let (mut longest_wait_ms, mut most_buffered_ms) = (0.0_f32, 0.0_f32);
    while said * microphone_micros < minutes * 60_000_000 {
        let spoken_at = (said + 1) * microphone_micros;
        while (heard + 1) * loudspeaker_micros / 2 < spoken_at {
            heard += 1;
            for sample in listener.render(Moment::default().plus_micros(heard * loudspeaker_micros / 2)).middle {
                largest_step = largest_step.max((sample - last).abs());
                last = sample;
            }
            let now = listener.statistics(0);
            // The first seconds are for finding the wait.
            if heard > 2_000 {
                longest_wait_ms = longest_wait_ms.max(now.playout_offset_ms.unwrap_or(0.0));
                most_buffered_ms = most_buffered_ms.max(now.buffered_ms);
            }
        }
        let block = std::array::from_fn(|n| hum((said as usize * BLOCK_SAMPLES + n) as f64 / 48_000.0));
        said += 1;
        if let Some(frame) = voice.push_block(block, Moment::default().plus_micros(spoken_at - BLOCK_MICROS)) {
            let arrival = start + Duration::from_micros(spoken_at as u64);
            inbox.push(ReceivedPacket {
                sequence,
                timestamp: frame.timestamp,
                payload: Bytes::from(frame.payload),
                arrival,
            });
            sequence = sequence.wrapping_add(1);
        }
    }
    LongTalk { largest_step, longest_wait_ms, most_buffered_ms, end: listener.statistics(0) }
}

fn hum(second: f64) -> f32 {
    let phase = second * std::f64::consts::TAU;
    let swell = 0.6 + 0.4 * (phase * 3.0).sin();
    (swell * (0.2 * (phase * 150.0).sin() + 0.1 * (phase * 300.0).sin())) as f32
}

fn assert_talk_holds(minutes: i64, microphone_micros: i64, loudspeaker_micros: i64) {
    let talk = long_talk(minutes, microphone_micros, loudspeaker_micros);
    let name = format!("blocks of {microphone_micros} to {loudspeaker_micros} us");
    // The leveller may turn the voice up by 12 dB; the steepest part of the hum itself steps by 0.008.
    let steepest = 0.008 * 10_f32.powf(talk.end.levelled_db.abs() / 20.0);
    assert!(talk.largest_step < 3.0 * steepest, "{name}: {}", talk.largest_step);
    assert!(talk.longest_wait_ms < 60.0, "{name}: {} ms", talk.longest_wait_ms);
    assert!(talk.most_buffered_ms < 80.0, "{name}: {} ms", talk.most_buffered_ms);
    assert_eq!((talk.end.packets.skipped, talk.end.packets.restarts, talk.end.packets.late), (0, 0, 0), "{name}");
    assert_eq!(talk.end.packets.concealed_samples, 0, "{name}");
    // What the clocks are apart, and little more: 24 samples in a second.
    let stretched = talk.end.shortened_samples + talk.end.lengthened_samples;
    assert!(stretched.abs_diff(minutes as u64 * 60 * 24) < 2_400, "{name}: {:?}", talk.end);
}

#[test]
fn ten_minutes_from_a_microphone_500_ppm_fast_have_no_click_and_no_growing_wait() {
    assert_talk_holds(10, 9_995, 10_000);
}

#[test]
fn ten_minutes_from_a_microphone_500_ppm_slow_have_no_click_and_no_growing_wait() {
    assert_talk_holds(10, 10_005, 10_000);
}

#[test]
fn a_loudspeaker_500_ppm_fast_or_slow_makes_no_click_and_no_growing_wait() {
    assert_talk_holds(2, 10_000, 9_995);
    assert_talk_holds(2, 10_000, 10_005);
}
