//! How a call's connection stands, in the words of the room rules' section 12: two halves, house and sound, and what
//! follows from both. Pure: time is an argument.

use std::time::{Duration, Instant};

use serambi_protocol::Code;
use serde::{Deserialize, Serialize};

use crate::media::{MediaState, NoWay};

/// A shorter loss is not worth a word.
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// After this long without a sign of life the seat may be gone.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// Whoever talks for this long and is received by nobody is told so.
const UNHEARD_AFTER: Duration = Duration::from_secs(5);

/// How the connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum Connection {
    /// As it should be, or down so shortly that nothing is said about it.
    #[default]
    Connected,
    /// House and sound are down; both are being repaired and the seat is kept.
    Reconnecting,
    /// Both are down for so long that the seat may be gone. They are still being repaired.
    Lost,
    /// The sound is down in both directions, the house is there.
    SoundReconnecting,
    /// "They can hear you and you hear them": the sound is there, the house is not.
    HouseReconnecting,
    /// The house is not running: it refuses connections, or said that it goes away.
    HouseRestarting,
    /// "They can hear you; you can't hear them."
    CannotHear,
    /// "You can hear; nobody hears you."
    NobodyHears,
    /// No way for the sound, though signalling works: the network lets none of it through.
    SoundImpossible {
        /// Why.
        code: Code,
        /// To which UDP port of the house the network's owner would have to let it through.
        udp_port: Option<u16>,
        /// To which TCP port, if there is one for sound.
        tcp_port: Option<u16>,
    },
}

impl Connection {
    /// "You lost the connection": nothing is heard, and nothing gets out.
    pub fn is_lost(self) -> bool {
        match self {
            Self::Reconnecting
            | Self::Lost
            | Self::SoundReconnecting
            | Self::HouseRestarting
            | Self::SoundImpossible { .. } => true,
            Self::Connected | Self::HouseReconnecting | Self::CannotHear | Self::NobodyHears => false,
        }
    }
}

/// One thing that is there or not, and since when it is not.
#[derive(Clone, Copy, Debug)]
struct Half {
    down_since: Option<Instant>,
}

impl Half {
    fn set(&mut self, up: bool, now: Instant) {
        if up {
            self.down_since = None;
        } else {
            self.down_since.get_or_insert(now);
        }
    }

    fn down_for(&self, now: Instant) -> Option<Duration> {
        self.down_since.map(|since| now.saturating_duration_since(since))
    }

    fn is_down(&self, now: Instant) -> bool {
        self.down_for(now).is_some_and(|down| down >= SHOWN_AFTER)
    }
}

/// What is known of both halves.
#[derive(Debug)]
pub(crate) struct ConnectionWatch {
    house: Half,
    house_stopped: bool,
    /// The house carries the sound itself: stopped, it carries none.
    is_media_server: bool,
    receiving: Half,
    /// Voices are sent and do not come.
    hearing: Half,
    sending: Half,
    /// Since when the own voice goes out and no listener reports it.
    unheard: Half,
    blocked: Option<NoWay>,
}

impl ConnectionWatch {
    /// Nothing is up yet. `is_media_server`: the house carries the sound itself.
    pub(crate) fn new(is_media_server: bool, now: Instant) -> Self {
        let down = Half { down_since: Some(now) };
        let up = Half { down_since: None };
        Self {
            house: down,
            house_stopped: false,
            is_media_server,
            receiving: down,
            hearing: up,
            sending: down,
            unheard: up,
            blocked: None,
        }
    }

    pub(crate) fn house_is_up(&mut self) {
        self.house.down_since = None;
        self.house_stopped = false;
    }

    /// `stopped`: the house is not running. An outage that begins otherwise and goes on so is one of a stopped house.
    pub(crate) fn house_is_down(&mut self, stopped: bool, now: Instant) {
        self.house.set(false, now);
        self.house_stopped = stopped;
    }

    pub(crate) fn take_media(&mut self, state: MediaState, now: Instant) {
        self.receiving.set(state.receives, now);
        self.sending.set(state.sends, now);
        self.blocked = state.blocked;
    }

    /// The house says that somebody is heard by others, and nothing is heard here.
    pub(crate) fn take_deafness(&mut self, is_deaf: bool, now: Instant) {
        self.hearing.set(!is_deaf, now);
    }

    /// How many of how many listeners receive the own voice, while it goes out.
    pub(crate) fn take_reception(&mut self, received_by: u32, listeners: u32, now: Instant) {
        self.unheard.set(received_by > 0 || listeners == 0, now);
    }

    /// The own voice goes out, or not: what listeners said of it before is not about the next words.
    pub(crate) fn note_speaking(&mut self, speaks: bool) {
        if !speaks {
            self.unheard.down_since = None;
        }
    }

    /// House and sound are both down for so long that nobody would know they are heard when the sound comes back.
    pub(crate) fn is_cut_off(&self, now: Instant) -> bool {
        // ICE takes seconds to notice; that the house's computer refuses connections says it sooner.
        let has_no_server = self.house_stopped && self.is_media_server;
        self.house.is_down(now) && (has_no_server || self.receiving.is_down(now))
    }

    /// What is to be said; `speaks`: the own microphone is open to the room.
    pub(crate) fn state(&self, speaks: bool, now: Instant) -> Connection {
        if self.is_cut_off(now) {
            return self.cut_off(now);
        }
        if self.house.is_down(now) {
            return Connection::HouseReconnecting;
        }
        if let Some(NoWay { code, udp_port, tcp_port }) = self.blocked {
            return Connection::SoundImpossible { code, udp_port, tcp_port };
        }
        let receives = !self.receiving.is_down(now) && !self.hearing.is_down(now);
        let sends = !self.sending.is_down(now);
        let is_unheard = self.unheard.down_for(now).is_some_and(|unheard| unheard >= UNHEARD_AFTER);
        match (receives, sends) {
            (false, true) if speaks => Connection::CannotHear,
            (false, _) => Connection::SoundReconnecting,
            (true, sends) if speaks && (!sends || is_unheard) => Connection::NobodyHears,
            (true, _) => Connection::Connected,
        }
    }

    fn cut_off(&self, now: Instant) -> Connection {
        // The last sign of life came on the half that went down last.
        let silent_for = self.house.down_for(now).min(self.receiving.down_for(now)).unwrap_or_default();
        if silent_for >= LOST_AFTER {
            Connection::Lost
        } else if self.house_stopped {
            Connection::HouseRestarting
        } else {
            Connection::Reconnecting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: MediaState = MediaState { receives: true, sends: true, blocked: None, server_mutes: 0 };
    const DOWN: MediaState = MediaState { receives: false, sends: false, blocked: None, server_mutes: 0 };

    fn connected() -> (ConnectionWatch, Instant) {
        let now = Instant::now();
        let mut watch = ConnectionWatch::new(false, now);
        watch.house_is_up();
        watch.take_media(UP, now);
        (watch, now)
    }

    fn after(now: Instant, ms: u64) -> Instant {
        now + Duration::from_millis(ms)
    }

    #[test]
    fn a_short_cut_is_not_worth_a_word_and_a_long_one_is_lost() {
        let (mut watch, now) = connected();
        watch.house_is_down(false, now);
        watch.take_media(DOWN, now);
        assert_eq!(watch.state(true, after(now, 1_999)), Connection::Connected);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::Reconnecting);
        assert_eq!(watch.state(true, after(now, 59_999)), Connection::Reconnecting);
        assert_eq!(watch.state(true, after(now, 60_000)), Connection::Lost);
    }

    // Check 36. Before, everything but "connected" was "reconnecting", also while one was heard.
    #[test]
    fn check_36_whoever_lost_the_house_alone_reads_that_they_are_heard() {
        let (mut watch, now) = connected();
        watch.house_is_down(false, now);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::HouseReconnecting);
        assert_eq!(watch.state(true, after(now, 70_000)), Connection::HouseReconnecting);
        assert!(!watch.is_cut_off(after(now, 70_000)), "the microphone stays as it is");
    }

    #[test]
    fn whoever_lost_the_sound_alone_reads_so() {
        let (mut watch, now) = connected();
        watch.take_media(DOWN, now);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::SoundReconnecting);
        assert_eq!(watch.state(false, after(now, 2_000)), Connection::SoundReconnecting);
    }

    #[test]
    fn a_house_that_is_not_running_restarts_and_one_that_is_not_reached_does_not() {
        let (mut watch, now) = connected();
        watch.house_is_down(false, now);
        watch.take_media(DOWN, now);
        watch.house_is_down(true, after(now, 500));
        assert_eq!(watch.state(false, after(now, 2_000)), Connection::HouseRestarting);
        watch.house_is_down(false, after(now, 3_000));
        assert_eq!(watch.state(false, after(now, 3_000)), Connection::Reconnecting);
        watch.house_is_up();
        watch.take_media(UP, after(now, 4_000));
        assert_eq!(watch.state(false, after(now, 4_000)), Connection::Connected);
    }

    #[test]
    fn a_house_that_stopped_while_the_sound_goes_on_is_no_reason_to_fear_for_the_sound() {
        let (mut watch, now) = connected();
        watch.house_is_down(true, now);
        assert_eq!(watch.state(false, after(now, 5_000)), Connection::HouseReconnecting);
    }

    // Until ICE noticed, some 5 s after a house was killed, people would have read that they are heard.
    #[test]
    fn a_house_that_carried_the_sound_itself_takes_it_along_when_it_stops() {
        let (_, now) = connected();
        let mut watch = ConnectionWatch::new(true, now);
        watch.house_is_up();
        watch.take_media(UP, now);
        watch.house_is_down(true, now);
        assert_eq!(watch.state(true, after(now, 1_999)), Connection::Connected);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::HouseRestarting);
        assert!(watch.is_cut_off(after(now, 2_000)));
    }

    #[test]
    fn whoever_is_heard_and_hears_nobody_reads_so_and_whoever_is_heard_by_nobody_too() {
        let (mut watch, now) = connected();
        watch.take_media(MediaState { receives: false, ..UP }, now);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::CannotHear);
        assert_eq!(watch.state(false, after(now, 2_000)), Connection::SoundReconnecting, "muted: nobody hears them");
        watch.take_media(MediaState { sends: false, ..UP }, after(now, 3_000));
        assert_eq!(watch.state(true, after(now, 5_000)), Connection::NobodyHears);
        assert_eq!(watch.state(false, after(now, 5_000)), Connection::Connected, "muted: nobody is to hear them");
    }

    #[test]
    fn whoever_hears_nothing_of_what_is_sent_reads_so_until_they_hear() {
        let (mut watch, now) = connected();
        watch.take_deafness(true, now);
        watch.take_deafness(true, after(now, 1_000));
        assert_eq!(watch.state(false, after(now, 1_999)), Connection::Connected);
        assert_eq!(watch.state(false, after(now, 2_000)), Connection::SoundReconnecting);
        assert_eq!(watch.state(true, after(now, 2_000)), Connection::CannotHear);
        watch.take_deafness(false, after(now, 3_000));
        assert_eq!(watch.state(true, after(now, 3_000)), Connection::Connected);
    }

    #[test]
    fn five_seconds_of_talk_that_no_listener_reports_are_told() {
        let (mut watch, now) = connected();
        watch.take_reception(0, 3, now);
        assert_eq!(watch.state(true, after(now, 4_999)), Connection::Connected);
        assert_eq!(watch.state(true, after(now, 5_000)), Connection::NobodyHears);
        watch.take_reception(1, 3, after(now, 6_000));
        assert_eq!(watch.state(true, after(now, 6_000)), Connection::Connected);
        watch.take_reception(0, 0, after(now, 7_000));
        assert_eq!(watch.state(true, after(now, 20_000)), Connection::Connected, "nobody listens");
    }

    // Before, the cause was known where the connections are made, and thrown away: "reconnecting" for ever.
    #[test]
    fn a_network_without_a_way_for_the_sound_is_said_in_words() {
        let (mut watch, now) = connected();
        let no_way = NoWay { code: Code::MediaFailed, udp_port: Some(7_412), tcp_port: None };
        watch.take_media(MediaState { blocked: Some(no_way), ..DOWN }, now);
        let expected = Connection::SoundImpossible { code: Code::MediaFailed, udp_port: Some(7_412), tcp_port: None };
        assert_eq!(watch.state(false, now), expected);
    }
}
