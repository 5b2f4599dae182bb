//! Do not disturb: how long no system notices come but those about the own microphone. Pure: the clock is an argument.

use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// When a morning begins, ms after midnight (8:00).
const MORNING_MS: u64 = 8 * HOUR_MS;

/// A moment on the clock of this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// Milliseconds since 1970 in UTC.
    pub unix_ms: u64,
    /// Milliseconds since the last midnight where this computer is.
    pub since_midnight_ms: u64,
}

/// How long somebody asks not to be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum QuietFor {
    /// Not at all.
    Off,
    /// For an hour.
    Hour,
    /// Until tomorrow 8:00.
    UntilMorning,
    /// Whenever they are in a room.
    WhileInRoom,
}

/// Do not disturb as it is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum DoNotDisturb {
    /// Notices come.
    #[default]
    Off,
    /// For an hour.
    Hour {
        /// When it ends, milliseconds since 1970 in UTC.
        #[cfg_attr(feature = "types", specta(type = u32))]
        until: u64,
    },
    /// Until the next morning.
    UntilMorning {
        /// When it ends, milliseconds since 1970 in UTC.
        #[cfg_attr(feature = "types", specta(type = u32))]
        until: u64,
    },
    /// Whenever this person is in a room.
    WhileInRoom,
}

impl DoNotDisturb {
    /// What somebody asked for now.
    pub const fn begin(quiet: QuietFor, now: WallClock) -> Self {
        match quiet {
            QuietFor::Off => Self::Off,
            QuietFor::Hour => Self::Hour { until: now.unix_ms + HOUR_MS },
            QuietFor::UntilMorning => Self::UntilMorning { until: tomorrow_morning(now) },
            QuietFor::WhileInRoom => Self::WhileInRoom,
        }
    }

    /// The same as it stands at `unix_ms`: off, once its time is over.
    #[must_use]
    pub const fn at(self, unix_ms: u64) -> Self {
        match self {
            Self::Hour { until } | Self::UntilMorning { until } if until <= unix_ms => Self::Off,
            other => other,
        }
    }

    /// Whether notices are held back at `unix_ms`.
    pub const fn is_quiet(self, unix_ms: u64, in_a_room: bool) -> bool {
        match self.at(unix_ms) {
            Self::Off => false,
            Self::Hour { .. } | Self::UntilMorning { .. } => true,
            Self::WhileInRoom => in_a_room,
        }
    }
}

const fn tomorrow_morning(now: WallClock) -> u64 {
    let midnight = DAY_MS.saturating_sub(now.since_midnight_ms);
    now.unix_ms + midnight + MORNING_MS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Half past nine in the evening.
    const EVENING: WallClock = WallClock { unix_ms: 1_800_000_000_000, since_midnight_ms: 21 * HOUR_MS + HOUR_MS / 2 };

    #[test]
    fn an_hour_is_over_after_an_hour() {
        let quiet = DoNotDisturb::begin(QuietFor::Hour, EVENING);
        assert!(quiet.is_quiet(EVENING.unix_ms + HOUR_MS - 1, false));
        assert!(!quiet.is_quiet(EVENING.unix_ms + HOUR_MS, true));
        assert_eq!(quiet.at(EVENING.unix_ms + HOUR_MS), DoNotDisturb::Off);
    }

    #[test]
    fn tomorrow_morning_is_eight_o_clock_of_the_next_day_also_after_midnight() {
        let evening = DoNotDisturb::begin(QuietFor::UntilMorning, EVENING);
        assert_eq!(evening, DoNotDisturb::UntilMorning { until: EVENING.unix_ms + 10 * HOUR_MS + HOUR_MS / 2 });
        let night = WallClock { unix_ms: EVENING.unix_ms, since_midnight_ms: HOUR_MS };
        let until = DoNotDisturb::UntilMorning { until: night.unix_ms + 31 * HOUR_MS };
        assert_eq!(DoNotDisturb::begin(QuietFor::UntilMorning, night), until);
    }

    #[test]
    fn while_in_a_room_is_quiet_there_and_nowhere_else() {
        let quiet = DoNotDisturb::begin(QuietFor::WhileInRoom, EVENING);
        assert!(quiet.is_quiet(u64::MAX, true));
        assert!(!quiet.is_quiet(0, false));
        assert!(!DoNotDisturb::begin(QuietFor::Off, EVENING).is_quiet(0, true));
    }

    #[test]
    fn what_is_remembered_can_be_read_again() {
        for quiet in [QuietFor::Off, QuietFor::Hour, QuietFor::UntilMorning, QuietFor::WhileInRoom] {
            let remembered = DoNotDisturb::begin(quiet, EVENING);
            let text = serde_json::to_string(&remembered).unwrap();
            assert_eq!(serde_json::from_str::<DoNotDisturb>(&text).unwrap(), remembered);
        }
    }
}
