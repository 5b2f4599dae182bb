//! Whether the echo canceller runs: the person's choice, what the devices' names tell, and what the microphone hears.
//!
//! On a headset the canceller costs 10 ms and some of the voice while both sides talk, and has nothing to cancel. With
//! a loudspeaker in the room it is the difference between a conversation and none. In doubt it runs, until it was seen
//! that there is nothing to cancel; where it rests, it starts when an echo is heard.

use serde::{Deserialize, Serialize};

use crate::send::envelope_coupling::EnvelopeCoupling;

/// Coupling from which an echo is certain.
const ECHO_COUPLING: f32 = 0.45;

/// Coupling up to which there is none.
const NO_ECHO_COUPLING: f32 = 0.25;

/// Blocks of 10 ms the coupling must hold before the canceller starts (2 s of loudspeaker) ...
const START_AFTER_BLOCKS: u64 = 200;

/// ... and before it rests (20 s of loudspeaker).
const REST_AFTER_BLOCKS: u64 = 2_000;

/// What a loudspeaker must have played before it can have an echo, dBFS.
const AUDIBLE_DBFS: f32 = -60.0;

/// When to cancel echo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoCancelling {
    /// Where there is an echo to cancel.
    #[default]
    Auto,
    /// Wherever there is air between loudspeaker and microphone.
    On,
    /// Never.
    Off,
}

/// How the sound gets from this program to the person, and perhaps back into the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListeningPath {
    /// A sound file, or nothing: there is no air between the two.
    NoAir,
    /// Headphones, earphones, or a headset.
    OnTheEars,
    /// A loudspeaker in the room.
    InTheRoom,
    /// The names do not tell.
    Unknown,
}

/// Words in names of things worn on the ears, lower case, in the languages systems name devices in.
const EAR_WORDS: [&str; 31] = [
    "headset",
    "headphone",
    "earphone",
    "earbud",
    "earpiece",
    "airpod",
    "earpod",
    "buds",
    "hands-free",
    "handsfree",
    "hands free",
    "kopfhörer",
    "ohrhörer",
    "casque",
    "écouteur",
    "auricular",
    "cuffie",
    "fone de ouvido",
    "koptelefoon",
    "słuchawk",
    "наушник",
    "гарнитур",
    "kulaklık",
    "イヤホン",
    "ヘッドホン",
    "ヘッドセット",
    "耳机",
    "耳機",
    "헤드폰",
    "헤드셋",
    "이어폰",
];

/// Series that are only ever worn on the ears: their Bluetooth names often say nothing else.
const EAR_SERIES: [&str; 14] = [
    "wh-1000",
    "wf-1000",
    "linkbuds",
    "quietcomfort",
    "bose qc",
    "freebuds",
    "momentum",
    "arctis",
    "hyperx cloud",
    "blackshark",
    "jabra evolve",
    "jabra elite",
    "plantronics",
    "powerbeats",
];

/// Words that say loudspeaker even beside the ones above: conference devices call themselves hands-free too.
const ROOM_WORDS: [&str; 21] = [
    "speakerphone",
    "jabra speak",
    "conference",
    "soundbar",
    "built-in speaker",
    "internal speaker",
    "macbook",
    "imac speaker",
    "hdmi",
    "displayport",
    "display audio",
    "monitor speaker",
    "lautsprecher",
    "haut-parleur",
    "altavoz",
    "altavoces",
    "altoparlant",
    "alto-falante",
    "扬声器",
    "揚聲器",
    "スピーカー",
];

/// Words in names of cards that are made of software: what comes out of them has not been through the air.
const SOFTWARE_WORDS: [&str; 8] =
    ["virtual", "null output", "null sink", "loopback", "blackhole", "cable output", "cable input", "dummy output"];

/// What the names of a microphone and a loudspeaker, as the system shows them, tell about the way between them.
pub fn listening_path(microphone: &str, loudspeaker: &str) -> ListeningPath {
    let (microphone, loudspeaker) = (microphone.to_lowercase(), loudspeaker.to_lowercase());
    if is_software(&microphone) || contains_any(&loudspeaker, &SOFTWARE_WORDS) {
        return ListeningPath::NoAir;
    }
    let worn = |name: &str| contains_any(name, &EAR_WORDS) || contains_any(name, &EAR_SERIES);
    if contains_any(&loudspeaker, &ROOM_WORDS) && !contains_any(&loudspeaker, &["headphone", "headset"]) {
        return ListeningPath::InTheRoom;
    }
    // A headset's microphone and a loudspeaker of the same card are one headset ("USB Audio Mono", "USB Audio Analog
    // Stereo").
    if worn(&loudspeaker) || (worn(&microphone) && same_card(&microphone, &loudspeaker)) {
        return ListeningPath::OnTheEars;
    }
    if contains_any(&loudspeaker, &["speaker"]) { ListeningPath::InTheRoom } else { ListeningPath::Unknown }
}

/// Whether a microphone is made of software: a virtual cable, or the repetition of what a loudspeaker plays.
pub fn is_software(microphone: &str) -> bool {
    let microphone = microphone.to_lowercase();
    microphone.starts_with("monitor of ") || contains_any(&microphone, &SOFTWARE_WORDS)
}

fn contains_any(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.contains(word))
}

/// Words that name one end of a card rather than the card.
const END_WORDS: [&str; 14] = [
    "mono",
    "stereo",
    "analog",
    "digital",
    "input",
    "output",
    "microphone",
    "mic",
    "speaker",
    "speakers",
    "headset",
    "headphones",
    "earphone",
    "iec958",
];

/// Whether two names mean the two ends of one card: what is left without the words for the ends is the same, and not
/// nothing.
fn same_card(microphone: &str, loudspeaker: &str) -> bool {
    let card = |name: &str| -> Vec<String> {
        name.split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty() && !END_WORDS.contains(word))
            .map(str::to_owned)
            .collect()
    };
    let (microphone, loudspeaker) = (card(microphone), card(loudspeaker));
    !microphone.is_empty() && microphone == loudspeaker
}

/// Decides again with every block. Make a new one when a device changes.
#[derive(Clone, Debug)]
pub struct EchoDecision {
    setting: EchoCancelling,
    path: ListeningPath,
    coupling: EnvelopeCoupling,
    cancels: bool,
    /// Nothing has been played yet, so there is no echo, and the canceller's 9 ms can be saved: somebody who only talks
    /// to an audience is heard that much sooner.
    is_silent_so_far: bool,
    /// Blocks of loudspeaker played when the coupling last spoke against a change.
    steady_since: u64,
}

impl EchoDecision {
    /// The decision before anything was heard.
    pub fn new(setting: EchoCancelling, path: ListeningPath) -> Self {
        let cancels = match (setting, path) {
            (EchoCancelling::Off, _) | (_, ListeningPath::NoAir) => false,
            (EchoCancelling::On, _) => true,
            (EchoCancelling::Auto, path) => path != ListeningPath::OnTheEars,
        };
        Self { setting, path, coupling: EnvelopeCoupling::default(), cancels, is_silent_so_far: true, steady_since: 0 }
    }

    /// Whether the canceller should run now.
    pub fn cancels(&self) -> bool {
        self.cancels && !(self.is_silent_so_far && self.setting == EchoCancelling::Auto)
    }

    /// How much of the loudspeaker the microphone hears, 0.0 to 1.0; `None` until 3 s were played.
    pub fn coupling(&self) -> Option<f32> {
        self.coupling.coupling()
    }

    /// Whether the microphone certainly hears the loudspeaker.
    pub fn hears_echo(&self) -> bool {
        self.coupling().is_some_and(|coupling| coupling > ECHO_COUPLING)
    }

    /// Takes the levels of a block played and of one captured, before any processing, dBFS.
    pub fn observe(&mut self, played_dbfs: f32, captured_dbfs: f32) {
        if self.path == ListeningPath::NoAir {
            return;
        }
        self.is_silent_so_far &= played_dbfs < AUDIBLE_DBFS;
        self.coupling.observe(played_dbfs, captured_dbfs);
        if self.setting != EchoCancelling::Auto {
            return;
        }
        let played = self.coupling.playing_blocks();
        let Some(coupling) = self.coupling.coupling() else { return };
        let speaks_for_change = match self.cancels {
            false => coupling > ECHO_COUPLING,
            // A loudspeaker that stands in the room may be turned up any moment.
            true => self.path == ListeningPath::Unknown && coupling < NO_ECHO_COUPLING,
        };
        if !speaks_for_change {
            self.steady_since = played;
        }
        let needed = if self.cancels { REST_AFTER_BLOCKS } else { START_AFTER_BLOCKS };
        if played - self.steady_since > needed {
            self.cancels = !self.cancels;
            self.steady_since = played;
        }
    }
}

#[cfg(test)]
mod tests {
    use serambi_codec::{
        dsp::level_meter::{dbfs, mean_square},
        testing::synthetic_sound::{gain, mixed, speech, white_noise},
    };

    use super::*;
    use crate::format::BLOCK_SAMPLES;

    #[test]
    fn names_of_things_on_the_ears_are_known() {
        for (microphone, loudspeaker) in [
            ("Built-in Microphone", "Headphones (Realtek(R) Audio)"),
            ("Headset (AirPods Pro)", "AirPods Pro"),
            ("Headset Microphone (Jabra Evolve 65)", "Headset Earphone (Jabra Evolve 65)"),
            ("WH-1000XM5", "WH-1000XM5"),
            ("Logitech USB Headset Mono", "Logitech USB Headset Analog Stereo"),
            ("Mikrofon", "Kopfhörer (High Definition Audio)"),
            ("麦克风", "耳机 (Realtek)"),
            ("Galaxy Buds2 (Hands-Free AG Audio)", "Galaxy Buds2 Stereo"),
            ("Headset Mic (Sennheiser SC60)", "Speakers (Sennheiser SC60)"),
        ] {
            assert_eq!(listening_path(microphone, loudspeaker), ListeningPath::OnTheEars, "{loudspeaker}");
        }
    }

    #[test]
    fn names_of_loudspeakers_in_the_room_are_known() {
        for (microphone, loudspeaker) in [
            ("Built-in Microphone", "MacBook Pro Speakers"),
            ("Microphone Array", "Speakers (Realtek(R) Audio)"),
            ("Headset Microphone (Jabra Evolve 65)", "Speakers (Realtek(R) Audio)"),
            ("Jabra Speak 510 Hands-Free", "Jabra Speak 510 Hands-Free"),
            ("Webcam", "DELL U2720Q (HDMI)"),
            ("麦克风", "扬声器 (Realtek)"),
        ] {
            assert_eq!(listening_path(microphone, loudspeaker), ListeningPath::InTheRoom, "{loudspeaker}");
        }
    }

    #[test]
    fn cards_of_software_have_no_air_and_the_rest_is_unknown() {
        assert_eq!(listening_path("Monitor of Null Output", "Built-in Audio"), ListeningPath::NoAir);
        assert_eq!(listening_path("BlackHole 2ch", "MacBook Pro Speakers"), ListeningPath::NoAir);
        // One name for the loudspeaker and for what is plugged into its jack.
        let built_in = "Built-in Audio Analog Stereo";
        assert_eq!(listening_path(built_in, built_in), ListeningPath::Unknown);
        assert_eq!(listening_path("Scarlett 2i2 USB", "Scarlett 2i2 USB"), ListeningPath::Unknown);
        assert_eq!(listening_path("", ""), ListeningPath::Unknown);
    }

    fn level_pairs(played: &[f32], captured: &[f32]) -> Vec<(f32, f32)> {
        let level = |block: &[f32]| dbfs(mean_square(block));
        played
            .chunks(BLOCK_SAMPLES)
            .zip(captured.chunks(BLOCK_SAMPLES))
            .map(|(far, near)| (level(far), level(near)))
            .collect()
    }

    fn after(mut decision: EchoDecision, levels: &[(f32, f32)]) -> bool {
        levels.iter().for_each(|(played, captured)| decision.observe(*played, *captured));
        decision.cancels()
    }

    #[test]
    fn the_persons_choice_stands_whatever_is_heard() {
        let played = speech(1, -20.0, 20.0);
        let levels = level_pairs(&played, &played);
        assert!(!after(EchoDecision::new(EchoCancelling::Off, ListeningPath::InTheRoom), &levels));
        let quiet = level_pairs(&played, &white_noise(2, -60.0, 20.0));
        assert!(after(EchoDecision::new(EchoCancelling::On, ListeningPath::OnTheEars), &quiet.repeat(3)));
    }

    #[test]
    fn headphones_that_lie_on_the_table_and_are_heard_bring_the_canceller_back() {
        let played = speech(3, -20.0, 20.0);
        let quiet: Vec<f32> = played.iter().map(|sample| sample * gain(-30.0)).collect();
        let heard = mixed(&[&[0.0; 1_440], &quiet, &white_noise(4, -65.0, 20.0)]);
        let decision = EchoDecision::new(EchoCancelling::Auto, ListeningPath::OnTheEars);
        assert!(!decision.cancels());
        assert!(after(decision, &level_pairs(&played, &heard)));
    }

    #[test]
    fn on_unknown_devices_the_canceller_rests_once_nothing_was_heard_of_the_loudspeaker() {
        let (played, own) = (speech(5, -20.0, 60.0), speech(606, -25.0, 60.0));
        let levels = level_pairs(&played, &mixed(&[&own, &white_noise(6, -60.0, 60.0)]));
        assert!(!after(EchoDecision::new(EchoCancelling::Auto, ListeningPath::Unknown), &levels));
        assert!(after(EchoDecision::new(EchoCancelling::Auto, ListeningPath::InTheRoom), &levels));
        assert!(!after(EchoDecision::new(EchoCancelling::Auto, ListeningPath::OnTheEars), &levels));
    }

    #[test]
    fn a_file_is_never_an_echo() {
        let played = speech(8, -20.0, 20.0);
        assert!(!after(EchoDecision::new(EchoCancelling::Auto, ListeningPath::NoAir), &level_pairs(&played, &played)));
    }
}
