//! Everybody who can be heard, in one sound: who sends mono in the middle, who sends stereo from left to right.

use serambi_codec::{clock::Moment, dsp::mid_side::MidSide};

use crate::{
    dsp::limiter::Limiter,
    format::{MIX_SAMPLES, MixBlock, SILENT_MIX},
    receive::{
        crowd::Crowd,
        cue::{Cue, CuePlayer},
        remote_voice::{RemoteVoice, RemoteVoiceId},
        statistics::RemoteVoiceStatistics,
    },
};

#[derive(Default)]
pub(crate) struct Mixer {
    remote_voices: Vec<RemoteVoice>,
    cues: CuePlayer,
    recording: Option<Recording>,
    crowd: Crowd,
    limiter: Limiter,
    mixed_blocks: u64,
}

/// The person's own voice of a sound check, played back.
struct Recording {
    sound: Vec<f32>,
    played: usize,
}

impl Mixer {
    pub(crate) fn add_remote_voice(&mut self, voice: RemoteVoice) {
        self.remote_voices.push(voice);
    }

    pub(crate) fn play_cue(&mut self, cue: Cue) {
        self.cues.play(cue);
    }

    /// Plays a recording from its beginning; one that is being played ends here.
    pub(crate) fn play_recording(&mut self, sound: Vec<f32>) {
        self.recording = Some(Recording { sound, played: 0 });
    }

    /// The next block of the mix, played from `now` on. `gone` is told about remote voices whose last fade this was.
    pub(crate) fn render(&mut self, now: Moment, mut gone: impl FnMut(RemoteVoiceId)) -> MidSide<MixBlock> {
        let mut mix = MidSide::mono(SILENT_MIX);
        let effort = self.crowd.effort(self.remote_voices.iter().filter(|voice| voice.is_heard()).count());
        let mut somebody_is_heard = false;
        for voice in &mut self.remote_voices {
            voice.set_effort(effort);
            let sound = voice.render(now);
            somebody_is_heard |= voice.is_heard() && voice.is_turned_up();
            add(&mut mix.middle, &sound.middle);
            if let Some(side) = &sound.side {
                add(mix.side_or_silence(), side);
            }
        }
        self.remote_voices.retain(|voice| {
            if voice.has_left() {
                gone(voice.shared().id);
            }
            !voice.has_left()
        });
        self.cues.add_to(&mut mix.middle, somebody_is_heard);
        self.add_recording(&mut mix.middle);
        self.limiter.apply(mix.as_mut_slices());
        self.mixed_blocks += 1;
        mix
    }

    fn add_recording(&mut self, mix: &mut MixBlock) {
        let Some(Recording { sound, played }) = &mut self.recording else { return };
        let end = (*played + MIX_SAMPLES).min(sound.len());
        add(mix, &sound[*played..end]);
        *played = end;
        self.recording.take_if(|recording| recording.played == recording.sound.len());
    }

    pub(crate) fn mixed_blocks(&self) -> u64 {
        self.mixed_blocks
    }

    /// What each remote voice counted; a block rendered lately leaves the loudspeaker `micros_to_ear` after its
    /// rendering.
    pub(crate) fn statistics(&self, micros_to_ear: i64) -> Vec<RemoteVoiceStatistics> {
        self.remote_voices.iter().map(|voice| voice.statistics(micros_to_ear)).collect()
    }
}

fn add(mix: &mut [f32], sound: &[f32]) {
    for (sum, sample) in mix.iter_mut().zip(sound) {
        *sum += sample;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use serambi_codec::{format::FRAME_SAMPLES, redundant_encoder::RedundantEncoder};

    use super::*;
    use crate::{
        dsp::limiter::CEILING,
        receive::remote_voice::{ReceivedPacket, RemoteVoiceInbox, remote_voice},
    };

    const VOICES: u64 = 12;

    /// A hum at its own pitch for each.
    fn hum(person: u64) -> Vec<Bytes> {
        let mut encoder = RedundantEncoder::new().unwrap();
        let hertz = 110.0 + 17.0 * person as f32;
        let sample = |n: usize| 0.3 * (n as f32 * std::f32::consts::TAU * hertz / 48_000.0).sin();
        let frame = |index: usize| std::array::from_fn::<f32, FRAME_SAMPLES, _>(|n| sample(index * FRAME_SAMPLES + n));
        (0..250).map(|n| encoder.encode(&frame(n), (n * FRAME_SAMPLES) as u32).unwrap().into()).collect()
    }

    #[test]
    fn twelve_who_talk_at_once_are_all_heard_below_full_scale_and_leave_without_a_click() {
        let start = Instant::now();
        let mut mixer = Mixer::default();
        let mut inboxes: Vec<(RemoteVoiceInbox, Vec<Bytes>)> = Vec::new();
        for id in 0..VOICES {
            let (voice, inbox) = remote_voice(RemoteVoiceId(id), start).unwrap();
            mixer.add_remote_voice(voice);
            inboxes.push((inbox, hum(id)));
        }
        let (mut heard, mut left) = (Vec::new(), Vec::new());
        for block in 0..1_000_u64 {
            for (inbox, voice) in inboxes.iter().filter(|_| block % 4 == 0) {
                let sequence = (block / 4) as u16;
                let arrival = start + Duration::from_millis(block * 5);
                let payload = voice[usize::from(sequence)].clone();
                inbox.push(ReceivedPacket { sequence, timestamp: u32::from(sequence) * 960, payload, arrival });
            }
            if block == 800 {
                inboxes.truncate(6);
            }
            let now = Moment::default().plus_micros(block as i64 * 5_000);
            heard.extend(mixer.render(now, |id| left.push(id)).middle);
        }
        let loudest = heard.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!((0.5..=CEILING).contains(&loudest), "{loudest}");
        // Twelve sines that begin in phase step by 0.096, and levelling may add 2 dB.
        let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.12, "{step}");
        assert_eq!(left, (6..VOICES).map(RemoteVoiceId).collect::<Vec<_>>());
        let statistics = mixer.statistics(0);
        assert_eq!(statistics.len(), 6);
        for voice in statistics {
            assert!(voice.packets.decoded > 240, "{voice:?}");
            assert_eq!((voice.packets.concealed_samples, voice.undecodable), (0, 0), "{voice:?}");
            assert!((voice.level_dbfs + 13.5).abs() < 2.0, "{voice:?}");
        }
    }
}
