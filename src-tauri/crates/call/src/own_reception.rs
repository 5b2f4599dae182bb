//! How the own voice arrives, as the house says for all listeners together: what the view shows of it, and for how
//! long. Pure: time is an argument.

use std::time::{Duration, Instant};

use serambi_protocol::{limits::LISTENER_REPORT_MS, measurement::VoiceReception};
use serde::{Deserialize, Serialize};

/// What was said this long ago is no longer so.
const SHOWN_FOR: Duration = Duration::from_millis(3 * LISTENER_REPORT_MS);

/// Whoever has spoken for less than this cannot have been reported by everybody.
const SETTLING: Duration = Duration::from_millis(2 * LISTENER_REPORT_MS);

/// How the own voice arrives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct VoiceReceived {
    /// People who received it in the last seconds.
    pub by: u32,
    /// People who said lately what they receive.
    pub of: u32,
}

/// The last word about the own voice.
#[derive(Debug, Default)]
pub(crate) struct OwnReception {
    speaking_since: Option<Instant>,
    last: Option<(Instant, VoiceReceived)>,
}

impl OwnReception {
    /// The own microphone is open to the room, or not.
    pub(crate) fn note_speaking(&mut self, speaks: bool, now: Instant) {
        if speaks {
            self.speaking_since.get_or_insert(now);
        } else {
            *self = Self::default();
        }
    }

    /// Takes what the house says.
    pub(crate) fn take(&mut self, reception: &VoiceReception, now: Instant) {
        let Some(since) = self.speaking_since else { return };
        // The first words may still be on their way: that nobody has received them is no news yet.
        let has_settled = now.saturating_duration_since(since) >= SETTLING;
        if has_settled || reception.received_by > 0 {
            self.last = Some((now, VoiceReceived { by: reception.received_by, of: reception.listeners }));
        }
    }

    /// What can be said about it now.
    pub(crate) fn shown(&self, now: Instant) -> Option<VoiceReceived> {
        self.last.filter(|(at, _)| now.saturating_duration_since(*at) < SHOWN_FOR).map(|(_, received)| received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reception(received_by: u32) -> VoiceReception {
        VoiceReception { listeners: 3, received_by, loss: None }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_said_while_muted_is_not_about_what_is_said_now() {
        let (mut own, start) = (OwnReception::default(), Instant::now());
        own.take(&reception(2), start);
        assert_eq!(own.shown(start), None);
        own.note_speaking(true, start);
        own.take(&reception(2), after(start, 3));
        assert_eq!(own.shown(after(start, 4)), Some(VoiceReceived { by: 2, of: 3 }));
        own.note_speaking(false, after(start, 5));
        assert_eq!(own.shown(after(start, 5)), None);
    }

    #[test]
    fn that_nobody_receives_it_is_said_only_once_it_can_be_known() {
        let (mut own, start) = (OwnReception::default(), Instant::now());
        own.note_speaking(true, start);
        own.take(&reception(0), after(start, 1));
        assert_eq!(own.shown(after(start, 1)), None);
        own.take(&reception(0), after(start, 7));
        assert_eq!(own.shown(after(start, 7)), Some(VoiceReceived { by: 0, of: 3 }));
    }

    #[test]
    fn silence_of_the_house_is_no_answer() {
        let (mut own, start) = (OwnReception::default(), Instant::now());
        own.note_speaking(true, start);
        own.take(&reception(1), start);
        assert!(own.shown(after(start, 8)).is_some());
        assert_eq!(own.shown(after(start, 10)), None);
    }
}
