//! The sound check before going on stage: five seconds of the own microphone, and what is to be said about them.

use serambi_codec::{
    dsp::level_meter::{dbfs, mean_square},
    format::SAMPLE_RATE_HZ,
};
use serde::Serialize;

use crate::{
    dsp::loudness::{SILENCE_LUFS, integrated},
    format::{BLOCK_SAMPLES, Block},
    send::envelope_coupling::correlation_of_levels,
};

/// Length of the recording, samples (5 s).
pub const SOUND_CHECK_SAMPLES: usize = 5 * SAMPLE_RATE_HZ as usize;

/// Speech quieter than this after the processing stays too quiet for listeners: the leveller adds 12 dB at most, LUFS.
const TOO_QUIET_LUFS: f32 = -36.0;

/// Loudest sample that is still below the converter's end, and how many in a row at the end make a flat top.
const CLIPPING_PEAK: f32 = 0.985;
const FLAT_TOP_SAMPLES: usize = 3;

/// Flat tops in five seconds from which it is heard.
const CLIPPING_FLAT_TOPS: usize = 10;

/// Speech less than this above the noise between the words is noisy, dB.
const NOISY_DB: f32 = 15.0;

/// Noise below this disturbs nobody however quiet the speech is, dBFS.
const HARMLESS_NOISE_DBFS: f32 = -60.0;

/// Correlation of the loudspeaker's rises and falls with the processed microphone's from which echo is certain.
const ECHO_CORRELATION: f32 = 0.5;

/// The loudspeaker must have played for this share of the recording for an echo to be looked for.
const PLAYING_SHARE: f32 = 0.3;
const PLAYING_DBFS: f32 = -50.0;

/// A telephone's band ends at 3.4 kHz (ITU-T G.712): above it, even the sharpest consonants are this much below the
/// voice, dB.
const TELEPHONE_DB: f32 = -40.0;

/// Bands compared for it, Hz, and the step between the frequencies looked at.
const VOICE_BAND_HZ: (u32, u32) = (300, 3_300);
const CONSONANT_BAND_HZ: (u32, u32) = (4_600, 7_000);
const BAND_STEP_HZ: usize = 100;

/// What is to be said about a recording; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundCheckVerdict {
    /// Nothing or too little is heard.
    TooQuiet,
    /// The microphone is overdriven.
    Clipping,
    /// The loudspeaker is heard in the microphone.
    Echo,
    /// The noise is too loud beside the voice.
    Noisy,
    /// The microphone carries a telephone's band only, as Bluetooth headsets do while they play and record at once.
    TelephoneQuality,
    /// Nothing to be said against it.
    Fine,
}

/// What was measured, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundCheckReport {
    /// What is to be said.
    pub verdict: SoundCheckVerdict,
    /// Loudness of the voice as listeners get it, LUFS.
    pub loudness_lufs: f32,
    /// Noise between the words, dBFS.
    pub noise_dbfs: f32,
    /// Times the microphone ran into its end.
    pub flat_tops: usize,
    /// Sharp consonants beside the voice, dB; `None` without a voice.
    pub consonants_db: Option<f32>,
    /// How much of the loudspeaker is heard, 0.0 to 1.0; `None` if it played too little.
    pub echo: Option<f32>,
}

/// A sound check: what is to be said, and what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundCheck {
    /// What is to be said about it.
    pub report: SoundCheckReport,
    /// As listeners would have heard it: 48 kHz, mono, to be played back.
    pub recording: Vec<f32>,
}

/// Records for a sound check. Allocates when made.
#[derive(Clone, Debug)]
pub struct SoundCheckRecorder {
    captured: Vec<f32>,
    processed: Vec<f32>,
    played: Vec<f32>,
}

impl Default for SoundCheckRecorder {
    fn default() -> Self {
        let room = || Vec::with_capacity(SOUND_CHECK_SAMPLES);
        Self { captured: room(), processed: room(), played: room() }
    }
}

impl SoundCheckRecorder {
    /// Takes a block as captured, the same as processed, and what the loudspeaker played meanwhile. Takes no more once
    /// full.
    pub fn record(&mut self, captured: &Block, processed: &Block, played: &Block) {
        if !self.is_full() {
            self.captured.extend_from_slice(captured);
            self.processed.extend_from_slice(processed);
            self.played.extend_from_slice(played);
        }
    }

    /// Whether five seconds are recorded.
    pub fn is_full(&self) -> bool {
        self.captured.len() + BLOCK_SAMPLES > SOUND_CHECK_SAMPLES
    }

    /// The recording as listeners would get it, 48 kHz, mono.
    pub fn into_processed(self) -> Vec<f32> {
        self.processed
    }

    /// Judges what was recorded.
    pub fn judge(&self) -> SoundCheckReport {
        judge(&self.captured, &self.processed, &self.played)
    }
}

/// Judges a recording: the microphone as captured and as processed, and what the loudspeaker played meanwhile; 48 kHz,
/// mono.
pub fn judge(captured: &[f32], processed: &[f32], played: &[f32]) -> SoundCheckReport {
    let levels = block_levels(processed);
    let noise_dbfs = quantile(&levels, 0.1);
    let voice_dbfs = quantile(&levels, 0.8);
    let report = SoundCheckReport {
        verdict: SoundCheckVerdict::Fine,
        loudness_lufs: if processed.is_empty() { SILENCE_LUFS } else { integrated(processed) },
        noise_dbfs,
        flat_tops: flat_tops(captured),
        consonants_db: consonants_db(captured),
        echo: echo(&levels, &block_levels(played)),
    };
    SoundCheckReport { verdict: verdict(&report, voice_dbfs - noise_dbfs), ..report }
}

fn verdict(report: &SoundCheckReport, voice_above_noise_db: f32) -> SoundCheckVerdict {
    if report.flat_tops >= CLIPPING_FLAT_TOPS {
        SoundCheckVerdict::Clipping
    } else if report.loudness_lufs < TOO_QUIET_LUFS {
        SoundCheckVerdict::TooQuiet
    } else if report.echo.is_some_and(|echo| echo > ECHO_CORRELATION) {
        SoundCheckVerdict::Echo
    } else if voice_above_noise_db < NOISY_DB && report.noise_dbfs > HARMLESS_NOISE_DBFS {
        SoundCheckVerdict::Noisy
    } else if report.consonants_db.is_some_and(|consonants| consonants < TELEPHONE_DB) {
        SoundCheckVerdict::TelephoneQuality
    } else {
        SoundCheckVerdict::Fine
    }
}

fn block_levels(sound: &[f32]) -> Vec<f32> {
    sound.as_chunks::<BLOCK_SAMPLES>().0.iter().map(|block| dbfs(mean_square(block))).collect()
}

/// The level that `share` of the blocks stay below.
fn quantile(levels: &[f32], share: f32) -> f32 {
    let mut sorted = levels.to_vec();
    sorted.sort_by(f32::total_cmp);
    let index = (sorted.len() as f32 * share) as usize;
    sorted.get(index).copied().unwrap_or(serambi_codec::dsp::level_meter::SILENCE_DBFS)
}

/// Runs of samples at the end of the range.
fn flat_tops(sound: &[f32]) -> usize {
    let peaks = sound.chunk_by(|before, after| (before.abs() >= CLIPPING_PEAK) == (after.abs() >= CLIPPING_PEAK));
    peaks.filter(|run| run[0].abs() >= CLIPPING_PEAK && run.len() >= FLAT_TOP_SAMPLES).count()
}

fn echo(processed: &[f32], played: &[f32]) -> Option<f32> {
    let playing = played.iter().filter(|level| **level > PLAYING_DBFS).count();
    (playing as f32 > PLAYING_SHARE * processed.len() as f32).then(|| correlation_of_levels(played, processed))
}

/// The sharpest consonants (95 % of the loud blocks stay below) beside the mean of the voice, dB per Hz.
fn consonants_db(sound: &[f32]) -> Option<f32> {
    let levels = block_levels(sound);
    let gate = (quantile(&levels, 0.8) - 25.0).max(-60.0);
    let loud = || sound.as_chunks::<BLOCK_SAMPLES>().0.iter().zip(&levels).filter(|(_, level)| **level > gate);
    let consonants: Vec<f32> = loud().map(|(block, _)| band_power(block, CONSONANT_BAND_HZ)).collect();
    if consonants.is_empty() {
        return None;
    }
    let voice = loud().map(|(block, _)| band_power(block, VOICE_BAND_HZ)).sum::<f32>() / consonants.len() as f32;
    let sharpest = quantile(&consonants, 0.95);
    (voice > 0.0).then(|| 10.0 * (sharpest / voice).max(1e-12).log10())
}

/// Mean power of a block in a band: a discrete Fourier transform at a few frequencies (Goertzel 1958) under a Hann
/// window.
fn band_power(block: &Block, (from_hz, to_hz): (u32, u32)) -> f32 {
    let frequencies = (from_hz..=to_hz).step_by(BAND_STEP_HZ);
    let count = frequencies.clone().count() as f32;
    frequencies.map(|hertz| power_at(block, hertz as f32)).sum::<f32>() / count
}

fn power_at(block: &Block, hertz: f32) -> f32 {
    let step = std::f32::consts::TAU / BLOCK_SAMPLES as f32;
    let turn = 2.0 * (std::f32::consts::TAU * hertz / SAMPLE_RATE_HZ as f32).cos();
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for (n, sample) in block.iter().enumerate() {
        let window = 0.5 - 0.5 * (n as f32 * step).cos();
        (last, before) = (sample * window + turn * last - before, last);
    }
    (last * last + before * before - turn * last * before).max(0.0)
}

#[cfg(test)]
mod tests {
    use serambi_codec::testing::synthetic_sound::{gain, mixed, speech, white_noise};

    use super::*;

    const SECONDS: f32 = 5.0;

    /// The verdict on a microphone that is not processed, in a silent room.
    fn verdict_on(sound: &[f32]) -> SoundCheckVerdict {
        judge(sound, sound, &vec![0.0; sound.len()]).verdict
    }

    fn good() -> Vec<f32> {
        mixed(&[&speech(1, -24.0, SECONDS), &white_noise(2, -65.0, SECONDS)])
    }

    /// What a telephone leaves: a windowed sinc at 3.4 kHz.
    fn telephone(sound: &[f32]) -> Vec<f32> {
        const REACH: i32 = 120;
        let cutoff = 3_400.0 / SAMPLE_RATE_HZ as f32;
        let taps: Vec<f32> = (-REACH..=REACH)
            .map(|n| {
                let angle = std::f32::consts::TAU * cutoff * n as f32;
                let sinc = if n == 0 { 2.0 * cutoff } else { angle.sin() / (std::f32::consts::PI * n as f32) };
                sinc * (0.5 + 0.5 * (std::f32::consts::PI * n as f32 / REACH as f32).cos())
            })
            .collect();
        (0..sound.len())
            .map(|n| taps.iter().enumerate().map(|(k, tap)| tap * n.checked_sub(k).map_or(0.0, |at| sound[at])).sum())
            .collect()
    }

    #[test]
    fn a_good_microphone_is_fine() {
        assert_eq!(verdict_on(&good()), SoundCheckVerdict::Fine);
    }

    #[test]
    fn silence_and_a_far_voice_are_too_quiet() {
        assert_eq!(verdict_on(&vec![0.0; SOUND_CHECK_SAMPLES]), SoundCheckVerdict::TooQuiet);
        assert_eq!(verdict_on(&[]), SoundCheckVerdict::TooQuiet);
        assert_eq!(verdict_on(&speech(3, -50.0, SECONDS)), SoundCheckVerdict::TooQuiet);
    }

    #[test]
    fn an_overdriven_microphone_clips_and_a_loud_one_does_not() {
        let overdriven: Vec<f32> = good().iter().map(|sample| (sample * gain(24.0)).clamp(-1.0, 1.0)).collect();
        assert_eq!(verdict_on(&overdriven), SoundCheckVerdict::Clipping);
        let peak = good().iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let loud: Vec<f32> = good().iter().map(|sample| sample / peak * 0.98).collect();
        assert_eq!(verdict_on(&loud), SoundCheckVerdict::Fine);
    }

    #[test]
    fn a_voice_in_noise_and_noise_alone_are_noisy() {
        assert_eq!(verdict_on(&mixed(&[&good(), &white_noise(4, -33.0, SECONDS)])), SoundCheckVerdict::Noisy);
        assert_eq!(verdict_on(&white_noise(5, -25.0, SECONDS)), SoundCheckVerdict::Noisy);
    }

    #[test]
    fn a_microphone_of_a_telephone_is_told_from_a_full_one() {
        let narrow = mixed(&[&telephone(&good()), &telephone(&white_noise(6, -65.0, SECONDS))]);
        assert_eq!(verdict_on(&narrow), SoundCheckVerdict::TelephoneQuality);
    }

    #[test]
    fn the_loudspeaker_in_the_microphone_is_an_echo_and_a_cancelled_one_is_not() {
        let played = speech(7, -20.0, SECONDS);
        let late: Vec<f32> = [vec![0.0; 2_880], played.iter().map(|sample| sample * gain(-10.0)).collect()].concat();
        let heard = mixed(&[&late, &white_noise(8, -65.0, SECONDS)])[..played.len()].to_vec();
        assert_eq!(judge(&heard, &heard, &played).verdict, SoundCheckVerdict::Echo);
        assert_eq!(judge(&heard, &good(), &played).verdict, SoundCheckVerdict::Fine);
    }

    #[test]
    fn the_recorder_takes_five_seconds_and_no_more() {
        let mut recorder = SoundCheckRecorder::default();
        let sound = good();
        for _ in 0..2 {
            for block in sound.as_chunks::<BLOCK_SAMPLES>().0 {
                recorder.record(block, block, &[0.0; BLOCK_SAMPLES]);
            }
        }
        assert!(recorder.is_full());
        assert_eq!(recorder.clone().into_processed().len(), SOUND_CHECK_SAMPLES);
        assert_eq!(recorder.judge().verdict, SoundCheckVerdict::Fine);
    }
}
