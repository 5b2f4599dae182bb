//! The whole engine on sound files, without a sound card.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use serambi_audio::{
    AudioError, AudioNotice, Bytes, Cue, DeviceChoice, EchoCancelling, EncodedFrame, Engine, EngineSettings,
    FRAME_SAMPLES, LossReport, MicrophoneMode, ReceivedPacket, RemoteVoiceId, RemoteVoiceInbox, SAMPLE_RATE_HZ,
    SOUND_CHECK_SAMPLES, SoundCheckVerdict,
};

/// Longest any condition may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come true");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn write_tone(path: &Path, rate_hz: u32, channels: u16, seconds: u32, hertz: f32, peak: f32) {
    let spec =
        hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..rate_hz * seconds {
        let sample = peak * (n as f32 * std::f32::consts::TAU * hertz / rate_hz as f32).sin();
        for _ in 0..channels {
            writer.write_sample((sample * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
}

fn read(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, SAMPLE_RATE_HZ);
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect()
}

/// Power of `sound` at one frequency, as a share of all its power (Goertzel 1958).
fn share_at(sound: &[f32], hertz: f32) -> f32 {
    let step = std::f32::consts::TAU * hertz / SAMPLE_RATE_HZ as f32;
    let (mut real, mut imaginary, mut power) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (n, sample) in sound.iter().enumerate() {
        let angle = f64::from(step) * n as f64;
        real += f64::from(*sample) * angle.cos();
        imaginary += f64::from(*sample) * angle.sin();
        power += f64::from(*sample) * f64::from(*sample);
    }
    (2.0 * (real * real + imaginary * imaginary) / (power * sound.len() as f64)) as f32
}

struct Scene {
    folder: tempfile::TempDir,
    frames: Arc<Mutex<Vec<EncodedFrame>>>,
    notices: Arc<Mutex<Vec<AudioNotice>>>,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), frames: Arc::default(), notices: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn engine(&self, microphone: DeviceChoice, loudspeaker: DeviceChoice) -> Engine {
        let (frames, notices) = (Arc::clone(&self.frames), Arc::clone(&self.notices));
        Engine::start(
            EngineSettings { microphone, loudspeaker },
            move |frame| frames.lock().unwrap().push(frame),
            move |notice| notices.lock().unwrap().push(notice),
        )
        .unwrap()
    }

    /// An engine that hears itself, as if a network without loss lay between.
    fn looped(&self, microphone: DeviceChoice, loudspeaker: DeviceChoice) -> (Engine, Arc<OnceLock<RemoteVoiceInbox>>) {
        let inbox: Arc<OnceLock<RemoteVoiceInbox>> = Arc::default();
        let (to, frames) = (Arc::clone(&inbox), Arc::clone(&self.frames));
        let mut sequence = 65_530_u16;
        let engine = Engine::start(
            EngineSettings { microphone, loudspeaker },
            move |frame| {
                frames.lock().unwrap().push(frame.clone());
                sequence = sequence.wrapping_add(1);
                if let Some(inbox) = to.get() {
                    let payload = Bytes::from(frame.payload);
                    inbox.push(ReceivedPacket {
                        sequence,
                        timestamp: frame.timestamp,
                        payload,
                        arrival: Instant::now(),
                    });
                }
            },
            |_| {},
        )
        .unwrap();
        inbox.set(engine.add_remote_voice(RemoteVoiceId(7)).unwrap()).unwrap();
        (engine, inbox)
    }

    fn frames_so_far(&self) -> usize {
        self.frames.lock().unwrap().len()
    }
}

#[test]
fn a_tone_goes_through_file_opus_and_jitter_buffer_to_a_file() {
    let scene = Scene::new();
    let (from, to) = (scene.path("in.wav"), scene.path("out.wav"));
    write_tone(&from, 44_100, 2, 30, 440.0, 0.25);
    let (engine, _inbox) = scene.looped(DeviceChoice::File(from), DeviceChoice::File(to.clone()));
    engine.open_microphone().unwrap();
    engine.set_muted(false);
    wait_until("two seconds of sound", || {
        engine.statistics().remote_voices.iter().any(|voice| voice.packets.decoded > 100)
    });
    let levels = engine.levels();
    assert!((levels.microphone.unwrap() + 15.05).abs() < 1.0, "{levels:?}");
    assert_eq!(levels.remote_voices.len(), 1);
    assert!((levels.remote_voices[0].1 + 15.05).abs() < 1.0, "{levels:?}");
    drop(engine);
    let heard = read(&to);
    let start = heard.iter().position(|sample| sample.abs() > 0.05).unwrap() + 12_000;
    let steady = &heard[start..start + 48_000];
    // The decoder's enhancement of speech (NoLACE) takes a lone tone for a voice and adds a little to it.
    assert!(share_at(steady, 440.0) > 0.85, "{}", share_at(steady, 440.0));
}

#[test]
fn frames_carry_copies_once_listeners_report_loss() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_tone(&from, 48_000, 1, 30, 440.0, 0.25);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    engine.set_muted(false);
    wait_until("voice", || scene.frames_so_far() > 10);
    // Code 3 with padding (RFC 6716 section 3.2.5).
    let padded = |frame: &EncodedFrame| frame.payload[0] & 3 == 3 && frame.payload[1] & 0x40 != 0;
    assert!(!scene.frames.lock().unwrap().iter().any(padded));
    engine.set_listener_loss(LossReport { loss: 0.1, mean_burst: 1.0, available_bitrate: None });
    wait_until("copies", || scene.frames.lock().unwrap().iter().any(padded));
    assert_eq!(engine.statistics().voice.failed_frames, 0);
}

#[test]
fn the_file_of_a_killed_process_is_readable() {
    let scene = Scene::new();
    let to = scene.path("out.wav");
    let engine = scene.engine(DeviceChoice::Absent, DeviceChoice::File(to.clone()));
    wait_until("a second of mix", || engine.statistics().mixed_blocks > 200);
    wait_until("a header", || hound::WavReader::open(&to).is_ok_and(|reader| reader.duration() > 4_800));
    drop(engine);
}

#[test]
fn the_microphone_is_closed_until_opened_and_opens_muted() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_tone(&from, 48_000, 1, 30, 440.0, 0.25);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    assert!(!engine.microphone_is_open());
    assert_eq!(engine.levels().microphone, None);
    engine.set_muted(false);
    engine.open_microphone().unwrap();
    assert!(engine.microphone_is_open());
    wait_until("the meter", || engine.levels().microphone.is_some_and(|level| level > -20.0));
    assert_eq!(scene.frames_so_far(), 0);
    engine.set_muted(false);
    wait_until("voice", || scene.frames_so_far() > 10);
    engine.close_microphone();
    assert!(!engine.microphone_is_open());
    let sent = scene.frames_so_far();
    engine.open_microphone().unwrap();
    let captured = engine.statistics().voice.captured_blocks;
    wait_until("capture", || engine.statistics().voice.captured_blocks > captured + 20);
    assert_eq!(scene.frames_so_far(), sent, "a microphone that was closed comes back muted");
}

#[test]
fn no_frame_leaves_once_mute_has_returned_and_timestamps_run_on() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_tone(&from, 48_000, 1, 60, 440.0, 0.25);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    for _ in 0..10 {
        engine.set_muted(false);
        let before = scene.frames_so_far();
        wait_until("voice", || scene.frames_so_far() > before + 3);
        engine.set_muted(true);
        let at_mute = scene.frames_so_far();
        // Statistics are up to 100 ms old: first wait until they know of the mute.
        wait_until("muted statistics", || engine.statistics().voice.muted);
        let muted = engine.statistics().voice.muted_blocks;
        wait_until("capture while muted", || engine.statistics().voice.muted_blocks > muted + 10);
        assert_eq!(scene.frames_so_far(), at_mute);
    }
    let frames = scene.frames.lock().unwrap();
    assert_eq!(frames.iter().filter(|frame| frame.starts_talkspurt).count(), 10);
    for pair in frames.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as usize;
        if pair[1].starts_talkspurt {
            assert!(step > 5 * FRAME_SAMPLES, "the mute is missing in the timestamps: {step}");
        } else {
            assert_eq!(step, FRAME_SAMPLES);
        }
    }
}

#[test]
fn there_is_no_microphone_where_none_is_wanted() {
    let scene = Scene::new();
    let engine = scene.engine(DeviceChoice::Absent, DeviceChoice::Absent);
    assert_eq!(engine.open_microphone(), Err(AudioError::NoMicrophone));
    assert!(!engine.microphone_is_open());
}

#[test]
fn files_that_cannot_be_used_are_refused_with_their_code_and_the_engine_goes_on() {
    let scene = Scene::new();
    let text = scene.path("text.wav");
    std::fs::write(&text, "not sound").unwrap();
    let nowhere = scene.path("no/such/folder/out.wav");
    let engine = scene.engine(DeviceChoice::File(text), DeviceChoice::File(nowhere));
    assert_eq!(engine.open_microphone().unwrap_err().code(), "wav_unreadable");
    let notices = scene.notices.lock().unwrap().clone();
    assert!(
        matches!(&notices[..], [AudioNotice::LoudspeakerLost { reason }] if reason.code() == "wav_unwritable"),
        "{notices:?}"
    );
    let mixed = engine.statistics().mixed_blocks;
    wait_until("the engine to go on", || engine.statistics().mixed_blocks > mixed + 10);
}

#[test]
fn another_microphone_is_taken_without_unmuting() {
    let scene = Scene::new();
    let (first, second) = (scene.path("first.wav"), scene.path("second.wav"));
    write_tone(&first, 48_000, 1, 30, 440.0, 0.25);
    write_tone(&second, 16_000, 1, 30, 440.0, 0.025);
    let engine = scene.engine(DeviceChoice::File(first), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    wait_until("the first", || engine.levels().microphone.is_some_and(|level| level > -17.0));
    engine.choose_microphone(DeviceChoice::File(second.clone()));
    wait_until("the second", || engine.levels().microphone.is_some_and(|level| (-37.0..-33.0).contains(&level)));
    assert_eq!(scene.frames_so_far(), 0);
    let device = second.display().to_string();
    assert_eq!(*scene.notices.lock().unwrap(), [AudioNotice::MicrophoneMoved { device }]);
}

#[test]
fn a_speaker_who_is_removed_is_gone_from_levels_and_statistics() {
    let scene = Scene::new();
    let engine = scene.engine(DeviceChoice::Absent, DeviceChoice::Absent);
    let inboxes: Vec<RemoteVoiceInbox> = (0..12).map(|n| engine.add_remote_voice(RemoteVoiceId(n)).unwrap()).collect();
    assert_eq!(engine.levels().remote_voices.len(), 12);
    wait_until("twelve speakers", || engine.statistics().remote_voices.len() == 12);
    drop(inboxes);
    wait_until("nobody", || engine.levels().remote_voices.is_empty() && engine.statistics().remote_voices.is_empty());
}

#[test]
fn a_speaker_turned_down_is_not_heard_but_still_measured() {
    let scene = Scene::new();
    let (from, to) = (scene.path("in.wav"), scene.path("out.wav"));
    write_tone(&from, 48_000, 1, 30, 440.0, 0.25);
    let (engine, _inbox) = scene.looped(DeviceChoice::File(from), DeviceChoice::File(to.clone()));
    engine.set_remote_voice_volume(RemoteVoiceId(7), 0.0);
    engine.open_microphone().unwrap();
    engine.set_muted(false);
    wait_until("a measured voice", || engine.levels().remote_voices[0].1 > -17.0);
    drop(engine);
    assert!(read(&to).iter().all(|sample| sample.abs() < 0.001));
}

/// Half a second of a voice-like buzz with rising and falling syllables, half a second of nothing, and so on.
fn write_babble(path: &Path, seconds: u32, peak: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..SAMPLE_RATE_HZ * seconds {
        let seconds = n as f32 / SAMPLE_RATE_HZ as f32;
        let syllable = (seconds * 4.0 * std::f32::consts::PI).sin().abs();
        let talks = seconds % 1.5 < 1.0;
        let buzz: f32 = (1..40).map(|k| (seconds * 150.0 * std::f32::consts::TAU * k as f32).sin() / k as f32).sum();
        let sample = if talks { peak * syllable * buzz } else { 0.0 };
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

#[test]
fn who_talks_while_muted_is_told_once_per_mute_and_nothing_leaves() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_babble(&from, 60, 0.1);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    let told = || {
        let notices = scene.notices.lock().unwrap();
        notices.iter().filter(|notice| **notice == AudioNotice::TalkingWhileMuted).count()
    };
    engine.open_microphone().unwrap();
    wait_until("the first notice", || told() == 1);
    let muted = engine.statistics().voice.muted_blocks;
    wait_until("two more seconds of talk", || engine.statistics().voice.muted_blocks > muted + 200);
    assert_eq!(told(), 1);
    assert_eq!(scene.frames_so_far(), 0);
    engine.set_muted(false);
    wait_until("voice", || scene.frames_so_far() > 2);
    engine.set_muted(true);
    wait_until("the second notice", || told() == 2);
}

#[test]
fn a_sound_check_records_five_seconds_while_nothing_is_sent() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_babble(&from, 60, 0.1);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    assert_eq!(engine.check_sound().unwrap_err(), AudioError::NoMicrophone);
    engine.open_microphone().unwrap();
    let check = engine.check_sound().unwrap();
    assert_eq!(check.recording.len(), SOUND_CHECK_SAMPLES);
    assert_eq!(check.report.verdict, SoundCheckVerdict::Fine, "{:?}", check.report);
    assert_eq!(scene.frames_so_far(), 0);
}

#[test]
fn who_speaks_too_quietly_is_turned_up_at_the_listener() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_babble(&from, 60, 0.02);
    let (engine, _inbox) = scene.looped(DeviceChoice::File(from), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    engine.set_muted(false);
    wait_until("the leveller", || engine.statistics().remote_voices.iter().any(|voice| voice.levelled_db > 2.0));
    let voice = engine.statistics().remote_voices[0].clone();
    assert!((-45.0..-30.0).contains(&voice.loudness_lufs), "{voice:?}");
}

#[test]
fn a_file_is_left_as_it_is_until_somebody_asks_for_processing() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_babble(&from, 60, 0.1);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    let mode = || engine.statistics().voice.processing.mode;
    wait_until("sound", || engine.statistics().voice.captured_blocks > 20);
    assert_eq!(mode(), MicrophoneMode::Music);
    engine.set_microphone_mode(MicrophoneMode::StrongNoiseRemoval);
    engine.set_echo_cancelling(EchoCancelling::On);
    wait_until("the strong mode", || mode() == MicrophoneMode::StrongNoiseRemoval);
    assert!(!engine.statistics().voice.processing.cancels_echo, "there is no air between a file and nothing");
}

#[test]
fn a_file_of_two_channels_is_sent_in_stereo_while_music_is_chosen_and_only_then() {
    let scene = Scene::new();
    let from = scene.path("in.wav");
    write_tone(&from, 44_100, 2, 60, 440.0, 0.3);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::Absent);
    engine.open_microphone().unwrap();
    engine.set_muted(false);
    // The channel bit of the packet's first byte (RFC 6716 section 3.1).
    let last_is_stereo = || scene.frames.lock().unwrap().last().map(|frame| frame.payload[0] & 0b100 != 0);
    wait_until("voice", || last_is_stereo() == Some(false));
    engine.set_microphone_mode(MicrophoneMode::Music);
    wait_until("stereo", || last_is_stereo() == Some(true));
    engine.set_microphone_mode(MicrophoneMode::Speech);
    wait_until("mono", || last_is_stereo() == Some(false));
    let frames = scene.frames.lock().unwrap();
    assert!(frames.windows(2).all(|pair| pair[1].timestamp - pair[0].timestamp == FRAME_SAMPLES as u32));
}

#[test]
fn a_listener_hears_a_cue_and_their_microphone_stays_closed() {
    let scene = Scene::new();
    let (from, to) = (scene.path("in.wav"), scene.path("out.wav"));
    write_tone(&from, 48_000, 1, 30, 440.0, 0.25);
    let engine = scene.engine(DeviceChoice::File(from), DeviceChoice::File(to.clone()));
    let mixed = engine.statistics().mixed_blocks;
    engine.play_cue(Cue::Invited);
    wait_until("the cue", || engine.statistics().mixed_blocks > mixed + 100);
    assert!(!engine.microphone_is_open());
    drop(engine);
    assert!(read(&to).iter().any(|sample| sample.abs() > 0.05));
    assert_eq!(scene.frames_so_far(), 0);
}

#[test]
fn a_cue_is_heard_by_the_one_it_is_for_and_not_by_those_who_hear_them() {
    let (own, other) = (Scene::new(), Scene::new());
    let (silence, heard_here, heard_there) = (own.path("in.wav"), own.path("out.wav"), other.path("out.wav"));
    write_tone(&silence, 48_000, 1, 30, 440.0, 0.0);
    let listener = other.engine(DeviceChoice::Absent, DeviceChoice::File(heard_there.clone()));
    let inbox = listener.add_remote_voice(RemoteVoiceId(7)).unwrap();
    let mut sequence = 0_u16;
    let send = move |frame: EncodedFrame| {
        sequence = sequence.wrapping_add(1);
        let (timestamp, payload) = (frame.timestamp, Bytes::from(frame.payload));
        inbox.push(ReceivedPacket { sequence, timestamp, payload, arrival: Instant::now() });
    };
    let settings =
        EngineSettings { microphone: DeviceChoice::File(silence), loudspeaker: DeviceChoice::File(heard_here.clone()) };
    let speaker = Engine::start(settings, send, |_| {}).unwrap();
    speaker.open_microphone().unwrap();
    speaker.set_muted(false);
    let decoded = || listener.statistics().remote_voices.first().map_or(0, |voice| voice.packets.decoded);
    wait_until("an open line", || decoded() > 20);
    let before = decoded();
    speaker.play_cue(Cue::Invited);
    wait_until("more than a cue's time", || decoded() > before + 60);
    drop((speaker, listener));
    assert!(read(&heard_here).iter().any(|sample| sample.abs() > 0.05));
    assert!(read(&heard_there).iter().all(|sample| sample.abs() < 0.001));
}

#[test]
fn statistics_are_json_with_camel_case_names() {
    let scene = Scene::new();
    let engine = scene.engine(DeviceChoice::Absent, DeviceChoice::Absent);
    let _inbox = engine.add_remote_voice(RemoteVoiceId(3)).unwrap();
    wait_until("a speaker", || engine.statistics().remote_voices.len() == 1);
    let json = serde_json::to_value(engine.statistics()).unwrap();
    assert_eq!(json["remoteVoices"][0]["id"], 3);
    assert!(json["remoteVoices"][0]["jitterTargetMs"].is_number());
    assert!(json["remoteVoices"][0]["packets"]["concealedSamples"].is_number());
    assert!(json["voice"]["sentFrames"].is_number());
    assert!(json["loudspeaker"]["starved"].is_number());
}

fn assert_send_and_sync<T: Send + Sync>() {}

#[test]
fn the_engine_can_be_shared_between_threads() {
    assert_send_and_sync::<Engine>();
    assert_send_and_sync::<RemoteVoiceInbox>();
}
