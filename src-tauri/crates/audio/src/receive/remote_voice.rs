//! One remote voice: packets from the network to blocks of sound.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    time::Instant,
};

use bytes::Bytes;
use serambi_codec::{
    clock::{Moment, samples_to_micros},
    decode_ladder::{DecodeLadder, Effort, Rung, Substitutes},
    dsp::{
        fade::{FADE_SAMPLES, GainRamp},
        level_meter::{LevelMeter, SILENCE_DBFS},
        mid_side::MidSide,
    },
    opus_padding::packet::packet_samples,
    time_stretch::{lengthen, shorten},
};

use crate::{
    error::AudioError,
    format::{MIX_MICROS, MIX_SAMPLES, MixBlock, SILENT_MIX},
    receive::{
        jitter_buffer::{Arrival, Decision, JitterBuffer, Packet},
        loudness_leveller::LoudnessLeveller,
        playout_pace::{Playout, PlayoutPace},
        statistics::{HeardMark, RemoteVoiceStatistics},
    },
};

/// Packets that may wait between the network and the engine: 5 s of one remote voice.
const INBOX_PACKETS: usize = 256;

/// How long a packet is followed at most, microseconds.
const FOLLOWED_MICROS: i64 = 1_000_000;

/// A voice is louder than this, dBFS.
const HEARD_DBFS: f32 = -45.0;

/// The caller's name for a remote voice; unique within one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RemoteVoiceId(pub u64);

/// One RTP packet as it came from the network.
#[derive(Clone, Debug)]
pub struct ReceivedPacket {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// The Opus packet.
    pub payload: Bytes,
    /// When it came in.
    pub arrival: Instant,
}

/// Where a remote voice's packets go. Dropping it ends the remote voice with a fade.
#[derive(Debug)]
pub struct RemoteVoiceInbox {
    packets: SyncSender<ReceivedPacket>,
    shared: Arc<RemoteVoiceShared>,
}

impl RemoteVoiceInbox {
    /// Hands over a packet. Never blocks; if the engine has not emptied the inbox for seconds, the packet is dropped
    /// and counted.
    pub fn push(&self, packet: ReceivedPacket) {
        if self.packets.try_send(packet).is_err() {
            self.shared.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whose inbox it is.
    pub fn id(&self) -> RemoteVoiceId {
        self.shared.id
    }
}

/// What the engine thread and everybody else know about a remote voice without a lock.
#[derive(Debug)]
pub(crate) struct RemoteVoiceShared {
    pub(crate) id: RemoteVoiceId,
    level: AtomicU32,
    volume: AtomicU32,
    overflow: AtomicU64,
}

impl RemoteVoiceShared {
    pub(crate) fn level_dbfs(&self) -> f32 {
        f32::from_bits(self.level.load(Ordering::Relaxed))
    }

    pub(crate) fn set_volume(&self, gain: f32) {
        self.volume.store(gain.to_bits(), Ordering::Relaxed);
    }

    fn volume(&self) -> f32 {
        f32::from_bits(self.volume.load(Ordering::Relaxed))
    }
}

/// The engine's side of a remote voice.
pub(crate) struct RemoteVoice {
    shared: Arc<RemoteVoiceShared>,
    inbox: Receiver<ReceivedPacket>,
    clock_start: Instant,
    jitter: JitterBuffer,
    decoder: DecodeLadder,
    /// Decoded and not yet played.
    queue: MidSide<Vec<f32>>,
    frame: MidSide<Vec<f32>>,
    /// How the sound would have gone on where frames were skipped.
    skipped_from: Option<MidSide<Vec<f32>>>,
    pace: PlayoutPace,
    meter: LevelMeter,
    leveller: LoudnessLeveller,
    volume: GainRamp,
    leaving: bool,
    followed: Option<(u32, Moment)>,
    turn: Option<Turn>,
    statistics: RemoteVoiceStatistics,
}

/// The followed packet that was decoded last.
#[derive(Clone, Copy, Debug)]
struct Turn {
    timestamp: u32,
    arrived_at: Moment,
    /// When its first sample would leave the engine if a block took no time.
    played_at: Moment,
}

/// A new remote voice and the inbox that feeds it. `clock_start` is where the engine's clock began.
pub(crate) fn remote_voice(
    id: RemoteVoiceId,
    clock_start: Instant,
) -> Result<(RemoteVoice, RemoteVoiceInbox), AudioError> {
    let (packets, inbox) = sync_channel(INBOX_PACKETS);
    let shared = Arc::new(RemoteVoiceShared {
        id,
        level: AtomicU32::new(SILENCE_DBFS.to_bits()),
        volume: AtomicU32::new(1.0_f32.to_bits()),
        overflow: AtomicU64::new(0),
    });
    let voice = RemoteVoice {
        shared: Arc::clone(&shared),
        inbox,
        clock_start,
        jitter: JitterBuffer::default(),
        decoder: DecodeLadder::new()?,
        queue: MidSide::default(),
        frame: MidSide::default(),
        skipped_from: None,
        pace: PlayoutPace::default(),
        meter: LevelMeter::default(),
        leveller: LoudnessLeveller::default(),
        volume: GainRamp::resting_at(1.0),
        leaving: false,
        followed: None,
        turn: None,
        statistics: RemoteVoiceStatistics::of(id),
    };
    Ok((voice, RemoteVoiceInbox { packets, shared }))
}

impl RemoteVoice {
    pub(crate) fn shared(&self) -> &Arc<RemoteVoiceShared> {
        &self.shared
    }

    /// Whether the inbox is gone and the last fade has been played.
    pub(crate) fn has_left(&self) -> bool {
        self.leaving
    }

    /// Whether there is more to hear now than breath and noise.
    pub(crate) fn is_heard(&self) -> bool {
        self.meter.dbfs() > HEARD_DBFS
    }

    /// Whether this listener has not turned the voice down to nothing.
    pub(crate) fn is_turned_up(&self) -> bool {
        self.shared.volume() > 0.0
    }

    /// How much to make of what comes in.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        self.decoder.set_effort(effort);
    }

    /// The next block of this remote voice's sound, played from `now` on.
    pub(crate) fn render(&mut self, now: Moment) -> MidSide<MixBlock> {
        let inbox_is_open = self.take_packets(now);
        while self.queue.len() < MIX_SAMPLES {
            if !self.decode_more(now) {
                self.queue.resize(MIX_SAMPLES);
            }
        }
        let mut block = self.queue.take_front().unwrap_or(MidSide::mono(SILENT_MIX));
        self.measure(&block);
        self.leveller.apply_to_both(&mut block);
        self.volume.head_for(self.shared.volume(), MIX_SAMPLES);
        block.apply(&mut self.volume);
        if !inbox_is_open {
            self.leaving = true;
            block.fade_out();
        }
        block
    }

    /// What happened so far; a block rendered lately leaves the loudspeaker `micros_to_ear` after its rendering.
    pub(crate) fn statistics(&self, micros_to_ear: i64) -> RemoteVoiceStatistics {
        RemoteVoiceStatistics {
            heard: self.turn.map(|turn| self.heard_mark(turn, micros_to_ear)),
            packets: self.jitter.counters(),
            inbox_overflow: self.shared.overflow.load(Ordering::Relaxed),
            jitter_target_ms: self.jitter.target_ms(),
            playout_offset_ms: self.jitter.offset_ms(),
            buffered_ms: (self.jitter.waiting_samples() + self.queue.len()) as f32 / 48.0,
            level_dbfs: self.meter.dbfs(),
            loudness_lufs: self.leveller.loudness_lufs(),
            levelled_db: self.leveller.gain_db(),
            ..self.statistics.clone()
        }
    }

    /// Moves packets from the inbox to the jitter buffer; false once the inbox is gone.
    fn take_packets(&mut self, now: Moment) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(packet) => self.take_packet(packet, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take_packet(&mut self, packet: ReceivedPacket, now: Moment) {
        if packet.payload.is_empty() {
            return self.jitter.note_padding(packet.sequence);
        }
        let Some(samples) = packet_samples(&packet.payload) else {
            self.statistics.undecodable += 1;
            return;
        };
        let arrival = Moment::of(packet.arrival, self.clock_start).min(now);
        let ReceivedPacket { sequence, timestamp, payload, .. } = packet;
        self.follow_one(timestamp, arrival);
        let packet = Packet { sequence, timestamp, samples, payload: payload.clone() };
        if let Arrival::Late { at } = self.jitter.insert(packet, arrival) {
            self.statistics.mended += u64::from(self.decoder.take_late(at, &payload));
        }
    }

    /// Appends the next frame to the queue; false if there is silence.
    fn decode_more(&mut self, now: Moment) -> bool {
        match self.jitter.pull(now) {
            Decision::Decode { packet, at, starts, passed } => {
                self.note_turn(&packet, now);
                self.play(&packet, at, starts, passed);
            }
            Decision::Skip { packet, at } => self.skip(&packet, at),
            Decision::Conceal { at, samples, substitutes, starts, ends } => {
                self.fill_gap(at, samples, &substitutes);
                self.finish_filling(starts, ends);
            }
            Decision::Idle => return false,
        }
        true
    }

    fn play(&mut self, packet: &Packet, at: i64, starts: bool, passed: usize) {
        self.decode(packet, at, passed);
        if let Some(old) = self.skipped_from.take() {
            if old.side.is_some() {
                self.frame.side_or_silence();
            }
            self.frame.slide_from(old.as_slices());
        }
        if starts {
            self.frame.fade_in();
            self.statistics.talkspurts += 1;
        } else {
            self.correct_playout();
        }
        self.queue.extend(self.frame.as_slices());
    }

    /// Follows a packet on its way through the buffer, one at a time. One that was not heard of for a second was lost.
    fn follow_one(&mut self, timestamp: u32, arrival: Moment) {
        let is_lost = |(_, came): (u32, Moment)| arrival.micros_since(came) > FOLLOWED_MICROS;
        if self.followed.is_none_or(is_lost) {
            self.followed = Some((timestamp, arrival));
        }
    }

    fn note_turn(&mut self, packet: &Packet, now: Moment) {
        let Some((timestamp, arrived_at)) = self.followed.take_if(|(followed, _)| *followed == packet.timestamp) else {
            return;
        };
        let waiting = samples_to_micros(self.queue.len() as i64);
        self.turn = Some(Turn { timestamp, arrived_at, played_at: now.plus_micros(waiting) });
    }

    fn heard_mark(&self, turn: Turn, micros_to_ear: i64) -> HeardMark {
        HeardMark {
            timestamp: turn.timestamp,
            arrived_at: turn.arrived_at.instant(self.clock_start),
            buffer_micros: turn.played_at.micros_since(turn.arrived_at),
            loudspeaker_micros: micros_to_ear,
            heard_at: turn.played_at.plus_micros(micros_to_ear).instant(self.clock_start),
        }
    }

    fn skip(&mut self, packet: &Packet, at: i64) {
        self.decode(packet, at, 0);
        if self.skipped_from.is_none() {
            self.frame.truncate(FADE_SAMPLES);
            self.skipped_from = Some(std::mem::take(&mut self.frame));
        }
    }

    fn decode(&mut self, packet: &Packet, at: i64, passed: usize) {
        self.frame.clear();
        let sound = match passed {
            0 => self.decoder.decode(at, &packet.payload),
            _ => self.decoder.decode_rest(at, &packet.payload, passed),
        };
        match sound {
            Some(sound) => self.frame.extend(sound.as_slices()),
            None => {
                self.statistics.undecodable += 1;
                let (_, sound) = self.decoder.substitute(Some(at), packet.samples, &Substitutes::default());
                self.frame.extend(sound.as_slices());
            }
        }
    }

    fn fill_gap(&mut self, at: Option<i64>, samples: usize, substitutes: &Substitutes) {
        let (rung, sound) = self.decoder.substitute(at, samples, substitutes);
        self.frame.clear();
        self.frame.extend(sound.as_slices());
        self.statistics.recovered += u64::from(rung != Rung::Concealment);
        if rung == Rung::Copy {
            self.correct_playout();
        }
    }

    fn finish_filling(&mut self, starts: bool, ends: bool) {
        if starts {
            self.frame.fade_in();
            self.statistics.talkspurts += 1;
        }
        if ends {
            self.frame.fade_out();
        }
        self.queue.extend(self.frame.as_slices());
    }

    /// Makes the frame longer or shorter where the play-out is off its target.
    fn correct_playout(&mut self) {
        let waiting = self.queue.len() as i64;
        let Some(wanted) = self.pace.judge(&self.frame.middle, self.playout(), waiting) else { return };
        let samples = wanted.samples.unsigned_abs() as usize;
        let change = if wanted.samples > 0 {
            lengthen(&mut self.frame, samples, wanted.in_pause) as i64
        } else {
            -(shorten(&mut self.frame, samples, wanted.in_pause) as i64)
        };
        self.statistics.lengthened_samples += u64::try_from(change).unwrap_or(0);
        self.statistics.shortened_samples += u64::try_from(-change).unwrap_or(0);
        if change != 0 {
            self.pace.note_change();
            let blocks = (waiting + change).div_euclid(MIX_SAMPLES as i64);
            self.jitter.note_pulls_moved(blocks * MIX_MICROS);
        }
    }

    fn playout(&self) -> Option<Playout> {
        let target_ms = self.jitter.target_ms();
        self.jitter.error_micros().map(|error_micros| Playout { error_micros, target_ms })
    }

    fn measure(&mut self, block: &MidSide<MixBlock>) {
        self.meter.feed(block.mean_square(), MIX_SAMPLES);
        self.shared.level.store(self.meter.dbfs().to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
