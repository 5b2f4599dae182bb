//! The microphone's sound between the ring and the voice: which processing it gets, what the processing must know of
//! the loudspeaker, and who else looks at it: the notice of talk while muted, and the sound check.
//!
//! Processing is of one channel: it takes the middle. The side goes through only where nothing is processed.

use std::{collections::VecDeque, sync::mpsc::Sender};

use serambi_codec::{
    dsp::{
        fade::cross_fade,
        level_meter::{SILENCE_DBFS, dbfs, mean_square},
        mid_side::MidSide,
    },
    redundancy_profile::SoundKind,
};

use crate::{
    device::sink::SoundEnd,
    format::{BLOCK_MICROS, Block, MIX_SAMPLES, MixBlock, SILENT_BLOCK},
    send::{
        echo_setting::{EchoCancelling, EchoDecision, ListeningPath, is_software, listening_path},
        muted_talk::MutedTalk,
        noise_floor::NoiseFloor,
        sound_check::SoundCheckRecorder,
        voice_processing::{MicrophoneMode, Needs, ProcessingStatistics, VoiceProcessing},
    },
};

/// Blocks that the loudspeaker's levels may run ahead of the microphone's; the ring of a loudspeaker is filled in
/// advance.
const MAX_LEVELS_AHEAD: usize = 16;

/// A block as it comes out of the chain.
pub(crate) struct HeardBlock {
    pub(crate) block: MidSide<Block>,
    /// Music only if the person chose it: a file that is left as it is may well be speech.
    pub(crate) sound: SoundKind,
    /// The person talks although they are muted; said once per mute.
    pub(crate) talks_while_muted: bool,
}

/// Blocks that a new processing runs beside the old one before it takes over: it starts with silence, for as long as it
/// delays.
const CHANGE_BLOCKS: u32 = 3;

/// A processing that will take over.
struct Change {
    to: VoiceProcessing,
    /// At least 1.
    blocks_to_wait: u32,
}

struct RunningCheck {
    recorder: SoundCheckRecorder,
    done: Sender<SoundCheckRecorder>,
}

pub(crate) struct MicrophoneChain {
    /// `None` leaves it to what the microphone is.
    mode: Option<MicrophoneMode>,
    echo: EchoCancelling,
    microphone: SoundEnd,
    loudspeaker: SoundEnd,
    decision: EchoDecision,
    noise: NoiseFloor,
    processing: VoiceProcessing,
    change: Option<Change>,
    /// The first half of a block of the mix's sound, until the second comes.
    half_played: Option<MixBlock>,
    played: Block,
    played_levels: VecDeque<f32>,
    talk: MutedTalk,
    check: Option<RunningCheck>,
}

impl Default for MicrophoneChain {
    fn default() -> Self {
        Self {
            mode: None,
            echo: EchoCancelling::Auto,
            microphone: SoundEnd::Nothing,
            loudspeaker: SoundEnd::Nothing,
            decision: EchoDecision::new(EchoCancelling::Auto, ListeningPath::NoAir),
            noise: NoiseFloor::default(),
            processing: VoiceProcessing::new(MicrophoneMode::Music, Needs::default()),
            change: None,
            half_played: None,
            played: SILENT_BLOCK,
            played_levels: VecDeque::with_capacity(MAX_LEVELS_AHEAD),
            talk: MutedTalk::default(),
            check: None,
        }
    }
}

impl MicrophoneChain {
    /// Another microphone, or the same one anew: nothing that was learned of the old one holds.
    pub(crate) fn attach_microphone(&mut self, end: SoundEnd) {
        self.microphone = end;
        self.half_played = None;
        self.played = SILENT_BLOCK;
        self.played_levels.clear();
        self.talk = MutedTalk::default();
        self.noise = NoiseFloor::default();
        self.decide_anew();
        self.change = None;
        self.processing = VoiceProcessing::new(self.wanted_mode(), self.needs());
    }

    /// The microphone is closed. A sound check that runs ends without a result.
    pub(crate) fn detach_microphone(&mut self) {
        self.microphone = SoundEnd::Nothing;
        self.check = None;
        self.decide_anew();
        self.change = None;
        self.processing = VoiceProcessing::new(MicrophoneMode::Music, Needs::default());
    }

    pub(crate) fn attach_loudspeaker(&mut self, end: SoundEnd) {
        self.loudspeaker = end;
        self.decide_anew();
    }

    pub(crate) fn set_mode(&mut self, mode: MicrophoneMode) {
        self.mode = Some(mode);
    }

    pub(crate) fn set_echo_cancelling(&mut self, echo: EchoCancelling) {
        self.echo = echo;
        self.decide_anew();
    }

    /// Records the next five seconds; the recorder is sent to `done` once it is full.
    pub(crate) fn start_sound_check(&mut self, recorder: SoundCheckRecorder, done: Sender<SoundCheckRecorder>) {
        if self.microphone != SoundEnd::Nothing {
            self.check = Some(RunningCheck { recorder, done });
        }
    }

    /// How much later sound leaves than it came, microseconds.
    pub(crate) fn delay_micros(&self) -> i64 {
        self.processing.delay_micros()
    }

    /// Blocks after which all that leaves was captured after now.
    pub(crate) fn blocks_under_way(&self) -> u32 {
        let coming = self.change.as_ref().map_or(0, |change| change.to.delay_micros());
        // At most some ten milliseconds.
        (self.delay_micros().max(coming) as u64).div_ceil(BLOCK_MICROS as u64) as u32
    }

    /// Takes a block of the mix on its way to the loudspeaker.
    pub(crate) fn hear_loudspeaker(&mut self, block: &MixBlock) {
        if self.microphone == SoundEnd::Nothing {
            return;
        }
        let Some(first) = self.half_played.take() else {
            self.half_played = Some(*block);
            return;
        };
        let mut whole = SILENT_BLOCK;
        whole[..MIX_SAMPLES].copy_from_slice(&first);
        whole[MIX_SAMPLES..].copy_from_slice(block);
        self.hear_whole(&whole);
    }

    fn hear_whole(&mut self, block: &Block) {
        self.played = *block;
        if self.played_levels.len() == MAX_LEVELS_AHEAD {
            self.played_levels.pop_front();
        }
        self.played_levels.push_back(dbfs(mean_square(block)));
        self.processing.hear_loudspeaker(block);
        if let Some(change) = &mut self.change {
            change.to.hear_loudspeaker(block);
        }
    }

    /// Whether the person chose that the microphone's sound is left as it is: then both its channels are wanted.
    pub(crate) fn wants_stereo(&self) -> bool {
        self.mode == Some(MicrophoneMode::Music)
    }

    /// Processes the next block of the microphone.
    pub(crate) fn process(&mut self, captured: impl Into<MidSide<Block>>, muted: bool) -> HeardBlock {
        let MidSide { middle: captured, side } = captured.into();
        let captured = &captured;
        let played_dbfs = self.played_levels.pop_front().unwrap_or(SILENCE_DBFS);
        let captured_dbfs = dbfs(mean_square(captured));
        self.decision.observe(played_dbfs, captured_dbfs);
        self.noise.observe(captured_dbfs);
        let block = self.processed(captured);
        self.record(captured, &block);
        let talks_while_muted = self.talk.observe(dbfs(mean_square(&block)), muted);
        let untouched = self.processing.mode() == MicrophoneMode::Music;
        HeardBlock {
            block: MidSide { middle: block, side: side.filter(|_| untouched) },
            sound: if untouched && self.wants_stereo() { SoundKind::Music } else { SoundKind::Speech },
            talks_while_muted: talks_while_muted && !self.leaves_echo(),
        }
    }

    pub(crate) fn statistics(&self) -> ProcessingStatistics {
        ProcessingStatistics {
            echo_coupling: self.decision.coupling(),
            noise_floor_dbfs: self.noise.dbfs(),
            ..self.processing.statistics()
        }
    }

    fn processed(&mut self, captured: &Block) -> Block {
        let mut block = *captured;
        self.processing.process(&mut block);
        self.prepare_change();
        if let Some(mut change) = self.change.take() {
            let mut changed = *captured;
            change.to.process(&mut changed);
            change.blocks_to_wait -= 1;
            if change.blocks_to_wait == 0 {
                cross_fade(&block, &mut changed);
                self.processing = change.to;
                return changed;
            }
            self.change = Some(change);
        }
        block
    }

    /// Makes the processing that is wanted, if it is neither in use nor under way.
    fn prepare_change(&mut self) {
        let (mode, needs) = (self.wanted_mode(), self.needs());
        if self.processing.fits(mode, needs) {
            self.change = None;
        } else if !self.change.as_ref().is_some_and(|change| change.to.fits(mode, needs)) {
            tracing::debug!(?mode, ?needs, "the processing of the microphone changes");
            let to = VoiceProcessing::new(mode, needs);
            self.change = Some(Change { to, blocks_to_wait: CHANGE_BLOCKS });
        }
    }

    fn needs(&self) -> Needs {
        Needs { echo: self.decision.cancels(), noise: self.noise.is_noisy() }
    }

    fn wanted_mode(&self) -> MicrophoneMode {
        self.mode.unwrap_or(match &self.microphone {
            // Another program, or whoever made the file, has done to the sound what it should have.
            SoundEnd::Nothing | SoundEnd::File => MicrophoneMode::Music,
            SoundEnd::Device(name) if is_software(name) => MicrophoneMode::Music,
            SoundEnd::Device(_) => MicrophoneMode::Speech,
        })
    }

    fn decide_anew(&mut self) {
        let path = match (&self.microphone, &self.loudspeaker) {
            (SoundEnd::Device(microphone), SoundEnd::Device(loudspeaker)) => listening_path(microphone, loudspeaker),
            _ => ListeningPath::NoAir,
        };
        self.decision = EchoDecision::new(self.echo, path);
    }

    /// Whether the others' voices are in the sound: they are not the person talking.
    fn leaves_echo(&self) -> bool {
        !self.processing.cancels_echo() && self.decision.hears_echo()
    }

    fn record(&mut self, captured: &Block, processed: &Block) {
        let Some(check) = &mut self.check else { return };
        check.recorder.record(captured, processed, &self.played);
        if check.recorder.is_full()
            && let Some(check) = self.check.take()
        {
            // Whoever asked may have stopped waiting.
            let _ = check.done.send(check.recorder);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::channel;

    use serambi_codec::testing::synthetic_sound::{gain, mixed, speech, white_noise};

    use super::*;
    use crate::{format::BLOCK_SAMPLES, send::sound_check::SoundCheckVerdict};

    fn device(name: &str) -> SoundEnd {
        SoundEnd::Device(name.into())
    }

    fn chain(microphone: SoundEnd, loudspeaker: SoundEnd) -> MicrophoneChain {
        let mut chain = MicrophoneChain::default();
        chain.attach_loudspeaker(loudspeaker);
        chain.attach_microphone(microphone);
        chain
    }

    fn run(chain: &mut MicrophoneChain, played: &[f32], captured: &[f32]) -> Vec<f32> {
        let played = played.as_chunks::<BLOCK_SAMPLES>().0;
        let mut out = Vec::new();
        for (far, near) in played.iter().zip(captured.as_chunks::<BLOCK_SAMPLES>().0) {
            far.as_chunks().0.iter().for_each(|half| chain.hear_loudspeaker(half));
            out.extend_from_slice(&chain.process(*near, false).block.middle);
        }
        out
    }

    #[test]
    fn files_and_cards_of_software_are_left_as_they_are_unless_somebody_asks() {
        let sound = speech(1, -20.0, 1.0);
        for microphone in [SoundEnd::File, device("Monitor of Null Output")] {
            let mut chain = chain(microphone, device("MacBook Pro Speakers"));
            assert_eq!(run(&mut chain, &sound, &sound), sound);
            assert_eq!(chain.delay_micros(), 0);
            chain.set_mode(MicrophoneMode::Speech);
            run(&mut chain, &sound, &sound);
            assert_eq!(chain.statistics().mode, MicrophoneMode::Speech);
            assert!(!chain.statistics().cancels_echo);
        }
    }

    #[test]
    fn only_music_that_somebody_chose_is_music_and_a_side_passes_only_what_processes_nothing() {
        let both = MidSide { middle: [0.25; BLOCK_SAMPLES], side: Some([0.125; BLOCK_SAMPLES]) };
        let mut file = chain(SoundEnd::File, device("Headphones"));
        assert_eq!(file.process(both, false).sound, SoundKind::Speech);
        assert!(!file.wants_stereo());
        let mut chain = chain(device("Microphone"), device("Headphones"));
        let heard = chain.process(both, false);
        assert_eq!((heard.sound, heard.block.side), (SoundKind::Speech, None));
        chain.set_mode(MicrophoneMode::Music);
        let course: Vec<HeardBlock> = (0..5).map(|_| chain.process(both, false)).collect();
        let music: Vec<bool> = course.iter().map(|heard| heard.sound == SoundKind::Music).collect();
        assert_eq!(music, [false, false, true, true, true]);
        assert!(course.iter().zip(music).all(|(heard, music)| heard.block.side.is_some() == music));
        chain.set_mode(MicrophoneMode::Speech);
        assert_eq!(chain.process(both, false).sound, SoundKind::Speech);
    }

    #[test]
    fn the_canceller_runs_with_a_loudspeaker_in_the_room_and_rests_on_a_headset() {
        let sound = speech(2, -20.0, 0.1);
        let with = |loudspeaker: &str| {
            let mut chain = chain(device("Microphone"), device(loudspeaker));
            run(&mut chain, &sound, &sound);
            chain.statistics().cancels_echo
        };
        assert!(with("Speakers (Realtek)"));
        assert!(!with("Headphones (Realtek)"));
    }

    #[test]
    fn who_has_heard_nobody_yet_is_heard_without_the_delay_of_the_canceller() {
        let sound = speech(2, -20.0, 0.2);
        let silence = vec![0.0; sound.len()];
        let mut chain = chain(device("Microphone"), device("Speakers (Realtek)"));
        run(&mut chain, &silence, &sound);
        assert_eq!(chain.delay_micros(), 0);
        run(&mut chain, &sound, &sound);
        assert!(chain.statistics().cancels_echo);
    }

    #[test]
    fn noise_is_suppressed_where_there_is_some_and_a_clean_headset_has_no_delay() {
        let mut chain = chain(device("Microphone"), device("Headphones"));
        let silence = [0.0; 96_000];
        run(&mut chain, &silence, &white_noise(5, -75.0, 2.0));
        assert_eq!(chain.delay_micros(), 0);
        run(&mut chain, &[silence; 2].concat(), &white_noise(6, -45.0, 4.0));
        assert!(chain.statistics().suppresses_noise);
    }

    #[test]
    fn headphones_plugged_in_while_talking_stop_the_canceller_and_the_choice_overrules_them() {
        let sound = speech(2, -20.0, 0.1);
        let mut chain = chain(device("Microphone"), device("Speakers"));
        chain.attach_loudspeaker(device("Headphones"));
        run(&mut chain, &sound, &sound);
        assert!(!chain.statistics().cancels_echo);
        chain.set_echo_cancelling(EchoCancelling::On);
        run(&mut chain, &sound, &sound);
        assert!(chain.statistics().cancels_echo);
    }

    #[test]
    fn a_change_under_way_counts_for_what_was_captured_before_unmuting() {
        let mut chain = chain(device("Microphone"), device("Headphones"));
        run(&mut chain, &[0.0; 480], &[0.0; 480]);
        assert_eq!(chain.blocks_under_way(), 0);
        chain.set_mode(MicrophoneMode::StrongNoiseRemoval);
        run(&mut chain, &[0.0; 480], &[0.0; 480]);
        assert_eq!(chain.delay_micros(), 0);
        assert_eq!(chain.blocks_under_way(), 1);
    }

    #[test]
    fn a_change_of_mode_does_not_click() {
        let sound: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.01).sin()).collect();
        let mut chain = chain(device("Microphone"), device("Headphones"));
        chain.set_mode(MicrophoneMode::Music);
        let mut out = run(&mut chain, &sound[..24_000], &sound[..24_000]);
        chain.set_mode(MicrophoneMode::Speech);
        out.extend(run(&mut chain, &sound[24_000..], &sound[24_000..]));
        let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.01, "{step}");
    }

    #[test]
    fn a_sound_check_hears_the_echo_that_the_person_chose_not_to_cancel() {
        let played = speech(3, -20.0, 6.0);
        let late: Vec<f32> = [vec![0.0; 2_880], played.iter().map(|sample| sample * gain(-6.0)).collect()].concat();
        let captured = mixed(&[&late, &white_noise(4, -65.0, 6.0)]);
        let verdict = |echo| {
            let mut chain = chain(device("Microphone"), device("Speakers"));
            chain.set_echo_cancelling(echo);
            run(&mut chain, &played, &captured);
            let (done, checked) = channel();
            chain.start_sound_check(SoundCheckRecorder::default(), done);
            run(&mut chain, &played, &captured);
            checked.try_recv().unwrap().judge().verdict
        };
        assert_eq!(verdict(EchoCancelling::Off), SoundCheckVerdict::Echo);
        assert_ne!(verdict(EchoCancelling::On), SoundCheckVerdict::Echo);
    }

    #[test]
    fn a_sound_check_ends_without_a_result_when_the_microphone_closes() {
        let mut chain = chain(device("Microphone"), device("Speakers"));
        let (done, checked) = channel();
        chain.start_sound_check(SoundCheckRecorder::default(), done);
        chain.detach_microphone();
        assert!(checked.recv().is_err());
    }
}
