//! The sounds of `assets/cues`, computed: `examples/write_cues` writes the files, and a test holds them against this.

use std::f64::consts::TAU;

use serambi_codec::format::SAMPLE_RATE_HZ;

use crate::receive::cue::Cue;

/// Rise at the start of a note, ms: shorter clicks, longer is late.
const ATTACK_MS: f64 = 6.0;
/// Fall to silence at the end of a note, ms.
const RELEASE_MS: f64 = 12.0;
/// How fast the voice of a wavering note swells, Hz.
const WAVER_HZ: f64 = 14.0;

/// One note of a cue.
struct Note {
    at_ms: f64,
    length_ms: f64,
    hertz: f64,
    /// Beside the other notes of the cue: 1 is the loudest.
    loudness: f64,
}

fn note(at_ms: f64, length_ms: f64, hertz: f64, loudness: f64) -> Note {
    Note { at_ms, length_ms, hertz, loudness }
}

/// What a note is made of.
struct Timbre {
    /// Multiples of the note's frequency, and how strong each is.
    partials: &'static [(f64, f64)],
    /// Time in which a partial falls to 1/e, ms; higher ones fall faster, as on a struck bar.
    decay_ms: f64,
    wavers: bool,
}

/// A wooden bar.
const BAR: Timbre = Timbre { partials: &[(1.0, 1.0), (3.93, 0.2)], decay_ms: 60.0, wavers: false };
/// A small bell that rings on.
const BELL: Timbre = Timbre { partials: &[(1.0, 1.0), (2.0, 0.35), (3.01, 0.12)], decay_ms: 130.0, wavers: false };
/// A stopped string.
const PLUCKED: Timbre =
    Timbre { partials: &[(1.0, 1.0), (2.0, 0.6), (3.0, 0.35), (4.0, 0.2)], decay_ms: 45.0, wavers: false };
/// A soft pipe that holds its tone.
const PIPE: Timbre = Timbre { partials: &[(1.0, 1.0), (2.0, 0.15)], decay_ms: 600.0, wavers: false };
/// A reed that swells and fades.
const REED: Timbre = Timbre { partials: &[(1.0, 1.0), (3.0, 0.4), (5.0, 0.2)], decay_ms: 500.0, wavers: true };
/// Knuckles on a door: partials of no scale, gone at once.
const KNOCK: Timbre =
    Timbre { partials: &[(1.0, 1.0), (1.53, 0.8), (2.41, 0.6), (3.87, 0.4)], decay_ms: 18.0, wavers: false };

/// A cue as it is written down.
struct Score {
    timbre: &'static Timbre,
    notes: Vec<Note>,
    /// Full scale is 1.
    peak: f64,
}

/// A contour, a rhythm and a timbre for each, so that each is known with eyes closed.
fn score(cue: Cue) -> Score {
    match cue {
        // A quick fifth up, like a finger that is raised.
        Cue::HandRaised => Score {
            timbre: &BAR,
            notes: vec![note(0.0, 80.0, 587.33, 0.8), note(75.0, 145.0, 880.0, 1.0)],
            peak: 0.094,
        },
        // A major chord opened upwards that rings on: the only cue that asks for something.
        Cue::Invited => Score {
            timbre: &BELL,
            notes: vec![note(0.0, 200.0, 523.25, 0.8), note(85.0, 200.0, 659.26, 0.9), note(170.0, 220.0, 1046.5, 1.0)],
            peak: 0.125,
        },
        // Three low steps down, cut short.
        Cue::Muted => Score {
            timbre: &PLUCKED,
            notes: vec![note(0.0, 90.0, 440.0, 1.0), note(95.0, 90.0, 349.23, 1.0), note(190.0, 110.0, 261.63, 1.0)],
            peak: 0.133,
        },
        // Up and back again: a step onto the stage or off it.
        Cue::Stage => Score {
            timbre: &PIPE,
            notes: vec![note(0.0, 100.0, 392.0, 0.9), note(100.0, 100.0, 523.25, 1.0), note(200.0, 160.0, 392.0, 0.9)],
            peak: 0.050,
        },
        // One high pitch, short and long.
        Cue::Recording => Score {
            timbre: &PIPE,
            notes: vec![note(0.0, 60.0, 1174.66, 1.0), note(120.0, 170.0, 1174.66, 1.0)],
            peak: 0.047,
        },
        // One low note that wavers, as a bad line does.
        Cue::Connection => Score { timbre: &REED, notes: vec![note(0.0, 390.0, 311.13, 1.0)], peak: 0.083 },
        // Three knocks, the last one louder.
        Cue::Door => Score {
            timbre: &KNOCK,
            notes: vec![note(0.0, 70.0, 185.0, 0.8), note(130.0, 70.0, 185.0, 0.8), note(260.0, 90.0, 196.0, 1.0)],
            peak: 0.170,
        },
    }
}

/// The cue in 16 bits at [`SAMPLE_RATE_HZ`].
pub fn synthesize(cue: Cue) -> Vec<i16> {
    let Score { timbre, notes, peak } = score(cue);
    let length = notes.iter().map(|note| samples(note.at_ms + note.length_ms)).max().unwrap_or(0);
    let mut sound = vec![0.0; length];
    for note in &notes {
        let from = samples(note.at_ms);
        for (n, sample) in sound[from..from + samples(note.length_ms)].iter_mut().enumerate() {
            *sample += note.loudness * amplitude(note, timbre, n as f64 * 1_000.0 / f64::from(SAMPLE_RATE_HZ));
        }
    }
    let loudest = sound.iter().fold(f64::MIN_POSITIVE, |loudest: f64, sample| loudest.max(sample.abs()));
    sound.iter().map(|sample| (sample / loudest * peak * f64::from(i16::MAX)).round() as i16).collect()
}

fn samples(ms: f64) -> usize {
    (ms * f64::from(SAMPLE_RATE_HZ) / 1_000.0).round() as usize
}

/// A note `ms` after its start.
fn amplitude(note: &Note, timbre: &Timbre, ms: f64) -> f64 {
    let partial = |&(ratio, strength): &(f64, f64)| {
        let hertz = note.hertz * ratio;
        strength * (-ms / timbre.decay_ms * ratio.sqrt()).exp() * (TAU * hertz * ms / 1_000.0).sin()
    };
    let tone: f64 = timbre.partials.iter().map(partial).sum();
    let waver = if timbre.wavers { 0.55 - 0.45 * (TAU * WAVER_HZ * ms / 1_000.0).cos() } else { 1.0 };
    tone * waver * rise(ms / ATTACK_MS) * rise((note.length_ms - ms) / RELEASE_MS)
}

/// From 0 to 1 without a corner.
fn rise(share: f64) -> f64 {
    let share = share.clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ebur128::{EbuR128, Mode};
    use hound::{SampleFormat, WavReader};

    use super::*;

    /// Longest a cue may be, samples (400 ms).
    const LONGEST_SAMPLES: usize = SAMPLE_RATE_HZ as usize * 2 / 5;
    /// Loudest a cue may be, LUFS.
    const LOUDEST_LUFS: f64 = -24.0;
    /// Quieter than this a cue is missed, LUFS.
    const FAINTEST_LUFS: f64 = -34.0;
    /// Bands a cue is compared in, from the lowest note to what small loudspeakers carry, Hz.
    const BANDS: usize = 24;
    const LOWEST_HZ: f64 = 150.0;
    const HIGHEST_HZ: f64 = 6_000.0;
    /// Windows a cue is compared in (20 ms), and how far two may be moved against each other.
    const WINDOW_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 50;
    const MOST_MOVED_WINDOWS: usize = 5;
    /// Two sounds that share more than this of their shape in time and pitch can be taken for each other.
    const MOST_SHARED: f64 = 0.6;

    fn committed(cue: Cue) -> Vec<i16> {
        let file = format!("{}/../../../assets/cues/{}.wav", env!("CARGO_MANIFEST_DIR"), cue.name());
        let mut reader = WavReader::open(file).unwrap();
        let spec = reader.spec();
        assert_eq!(
            (spec.sample_rate, spec.channels, spec.bits_per_sample, spec.sample_format),
            (SAMPLE_RATE_HZ, 1, 16, SampleFormat::Int)
        );
        reader.samples().map(Result::unwrap).collect()
    }

    #[test]
    fn the_committed_files_are_what_is_computed() {
        for cue in Cue::ALL {
            let (file, computed) = (committed(cue), synthesize(cue));
            assert_eq!(file.len(), computed.len(), "{cue:?}");
            // The sine of another C library may differ in its last bit.
            assert!(file.iter().zip(&computed).all(|(one, other)| one.abs_diff(*other) <= 1), "{cue:?}");
        }
    }

    /// The loudest 400 ms with silence around, played from both loudspeakers.
    fn momentary_lufs(sound: &[i16]) -> f64 {
        let silence = vec![0; LONGEST_SAMPLES];
        let padded = [&silence, sound, &silence].concat();
        let mut meter = EbuR128::new(2, SAMPLE_RATE_HZ, Mode::M).unwrap();
        let mut loudest = f64::NEG_INFINITY;
        for step in padded.chunks(SAMPLE_RATE_HZ as usize / 100) {
            meter.add_frames_planar_i16(&[step, step]).unwrap();
            loudest = loudest.max(meter.loudness_momentary().unwrap());
        }
        loudest
    }

    #[test]
    fn every_cue_is_short_and_quiet_and_begins_and_ends_in_silence() {
        for cue in Cue::ALL {
            let sound = committed(cue);
            assert!(sound.len() <= LONGEST_SAMPLES, "{cue:?}: {} samples", sound.len());
            let loudness = momentary_lufs(&sound);
            assert!((FAINTEST_LUFS..=LOUDEST_LUFS).contains(&loudness), "{cue:?}: {loudness} LUFS");
            assert!(sound[0].abs() <= 1 && sound[sound.len() - 1].abs() <= 1, "{cue:?}");
            println!("{cue:?}: {} ms, {loudness:.1} LUFS", sound.len() * 1_000 / SAMPLE_RATE_HZ as usize);
        }
    }

    /// How strong a sound is in each band of each window (Goertzel 1958).
    fn shape(sound: &[i16]) -> Vec<[f64; BANDS]> {
        let band_hz = |band: usize| LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf((band as f64 + 0.5) / BANDS as f64);
        let strength = |window: &[i16], hertz: f64| {
            let step = TAU * hertz / f64::from(SAMPLE_RATE_HZ);
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, sample) in window.iter().enumerate() {
                real += f64::from(*sample) * (step * n as f64).cos();
                imaginary += f64::from(*sample) * (step * n as f64).sin();
            }
            f64::hypot(real, imaginary)
        };
        let bands = |window: &[i16]| std::array::from_fn(|band| strength(window, band_hz(band)));
        sound.chunks(WINDOW_SAMPLES).map(bands).collect()
    }

    /// What two shapes share, 1 is all, the second moved later by some windows.
    fn shared(one: &[[f64; BANDS]], other: &[[f64; BANDS]], moved: usize) -> f64 {
        let product = |one: &[[f64; BANDS]], other: &[[f64; BANDS]]| -> f64 {
            one.iter().flatten().zip(other.iter().flatten()).map(|(one, other)| one * other).sum()
        };
        product(&one[moved.min(one.len())..], other) / (product(one, one) * product(other, other)).sqrt()
    }

    #[test]
    fn no_two_cues_can_be_taken_for_each_other() {
        let shapes: Vec<_> = Cue::ALL.iter().map(|cue| (cue, shape(&committed(*cue)))).collect();
        for (n, (one, shape)) in shapes.iter().enumerate() {
            assert!((shared(shape, shape, 0) - 1.0).abs() < 1e-9);
            for (other, others) in &shapes[n + 1..] {
                for moved in 0..=MOST_MOVED_WINDOWS {
                    let most = shared(shape, others, moved).max(shared(others, shape, moved));
                    assert!(most < MOST_SHARED, "{one:?} and {other:?} share {most:.2}");
                }
            }
        }
    }
}
