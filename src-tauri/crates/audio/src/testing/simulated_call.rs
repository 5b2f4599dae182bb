//! One voice to one listener in simulated time: the same encoder, jitter buffer and decoder as in a call, without
//! devices, threads or a clock. For measurements and for trying a path out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serambi_codec::{
    clock::Moment,
    redundancy_profile::{Audience, LossReport},
};

use crate::{
    error::AudioError,
    format::BLOCK_SAMPLES,
    receive::{
        remote_voice::{ReceivedPacket, RemoteVoiceId, remote_voice},
        statistics::RemoteVoiceStatistics,
    },
    send::voice::{EncodedFrame, Voice},
};

/// Time that the listener goes on playing after the last of the sound was said, blocks of 10 ms.
const BLOCKS_AFTER: usize = 100;

/// Time between two reports to the speaker.
const MICROS_BETWEEN_REPORTS: i64 = 10_000_000;

/// What a listener heard of a voice.
#[derive(Clone, Debug)]
pub struct HeardVoice {
    /// The sound, mono, 48 kHz, from the moment the speaker began; later than what was said by the delay of the path
    /// and of the codec (6.5 ms) and by the wait.
    pub sound: Vec<f32>,
    /// Bytes of all packets, without headers.
    pub sent_bytes: u64,
    /// What the listener counted.
    pub statistics: RemoteVoiceStatistics,
}

/// Lets a listener hear `said` (mono, 48 kHz). `reported` is what the speaker is told before it begins, 10 s apart, if
/// anything, and `audience` who listens; `path` says for each packet, by its number, how long it travels, or that it is
/// lost.
///
/// # Errors
/// [`AudioError::Codec`] if libopus has no memory.
pub fn hear(
    said: &[f32],
    reported: &[LossReport],
    audience: Option<Audience>,
    mut path: impl FnMut(usize) -> Option<Duration>,
) -> Result<HeardVoice, AudioError> {
    let start = Instant::now();
    let (mut listener, inbox) = remote_voice(RemoteVoiceId(1), start)?;
    let mut voice = Voice::new(start)?;
    if let Some(audience) = audience {
        voice.take_audience(audience);
    }
    for (index, report) in reported.iter().enumerate() {
        voice.take_loss_report(*report, Moment::default().plus_micros(index as i64 * MICROS_BETWEEN_REPORTS));
    }
    voice.unmute(0);
    let mut travelling: Vec<ReceivedPacket> = Vec::new();
    let (mut sound, mut sent, mut sent_bytes) = (Vec::with_capacity(said.len()), 0, 0);
    let silence = vec![0.0; BLOCKS_AFTER * BLOCK_SAMPLES];
    let blocks = said.as_chunks::<BLOCK_SAMPLES>().0.iter().chain(silence.as_chunks().0);
    for (index, block) in blocks.enumerate() {
        let begun = Duration::from_millis(index as u64 * 10);
        let said = begun + Duration::from_millis(10);
        if let Some(frame) = voice.push_block(*block, Moment::of(start + begun, start)) {
            sent_bytes += frame.payload.len() as u64;
            travelling.extend(path(sent).map(|delay| packet(frame, sent, start + said + delay)));
            sent += 1;
        }
        for half in [Duration::ZERO, Duration::from_millis(5)] {
            let now = start + said + half;
            let (arrived, still) = travelling.into_iter().partition(|packet| packet.arrival <= now);
            travelling = still;
            in_order_of_arrival(arrived).for_each(|packet| inbox.push(packet));
            sound.extend_from_slice(&listener.render(Moment::of(now, start)).middle);
        }
    }
    Ok(HeardVoice { sound, sent_bytes, statistics: listener.statistics(0) })
}

fn packet(frame: EncodedFrame, number: usize, arrival: Instant) -> ReceivedPacket {
    let payload = Bytes::from(frame.payload);
    ReceivedPacket { sequence: number as u16, timestamp: frame.timestamp, payload, arrival }
}

fn in_order_of_arrival(mut packets: Vec<ReceivedPacket>) -> impl Iterator<Item = ReceivedPacket> {
    packets.sort_by_key(|packet| packet.arrival);
    packets.into_iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serambi_codec::{
        dsp::level_meter::{dbfs, mean_square},
        testing::simulated_path::synthetic_speech,
    };

    use super::*;

    #[test]
    fn what_is_said_is_heard_as_loud_and_below_32_kilobits() {
        let said = synthetic_speech(10 * 48_000);
        let heard = hear(&said, &[], None, |_| Some(Duration::from_millis(20))).unwrap();
        assert_eq!(heard.sound.len(), said.len() + BLOCKS_AFTER * BLOCK_SAMPLES);
        let difference = dbfs(mean_square(&heard.sound[..said.len()])) - dbfs(mean_square(&said));
        assert!(difference.abs() < 1.5, "{difference} dB");
        assert!(heard.sent_bytes * 8 < 11 * 32_000, "{}", heard.sent_bytes);
    }

    #[test]
    fn nothing_is_heard_of_packets_that_are_all_lost() {
        let heard = hear(&synthetic_speech(48_000), &[], None, |_| None).unwrap();
        assert!(heard.sound.iter().all(|sample| *sample == 0.0));
    }
}
