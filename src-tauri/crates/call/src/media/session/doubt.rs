//! A connection that is told to be down while voices still arrive on it: its consent checks were lost, it was not cut.
//!
//! `rtc` counts only STUN as a sign of life, never the media that comes in between (`rtc-ice` 0.21.1 has
//! `validate_non_stun_traffic`, which nobody calls). At 40 % loss in both directions every third check comes back, so a
//! good connection was taken for a cut one every five seconds, and each resume cost a quarter of a second of sound
//! (measured: 17 resumes in 96 s).

use std::time::Duration;

use tokio::time::Instant;

/// A cut costs this much longer to notice. Longer than a burst of losses that speech is worth waiting for, and than the
/// frames of two people who talk in turn are apart.
const LOOK_AFTER: Duration = Duration::from_millis(300);

/// What was known when the doubt began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    packets: u64,
    pub(super) look_at: Instant,
}

/// What a second look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is too early for one.
    Wait,
    /// Voices came in: look again later.
    Alive,
    /// Nothing came.
    Cut,
}

impl Doubt {
    /// A doubt that begins at `now`, after so many packets of voice.
    pub(super) fn begin(packets: u64, now: Instant) -> Self {
        Self { packets, look_at: now + LOOK_AFTER }
    }

    /// Looks again at `now`, after so many packets of voice.
    pub(super) fn judge(&mut self, packets: u64, now: Instant) -> Verdict {
        if now < self.look_at {
            return Verdict::Wait;
        }
        if packets == self.packets {
            return Verdict::Cut;
        }
        *self = Self::begin(packets, now);
        Verdict::Alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_alive_as_long_as_voices_come_in_and_cut_as_soon_as_none_does() {
        let start = Instant::now();
        let mut doubt = Doubt::begin(100, start);
        assert_eq!(doubt.judge(100, start + LOOK_AFTER / 2), Verdict::Wait);
        assert_eq!(doubt.judge(101, start + LOOK_AFTER), Verdict::Alive);
        assert_eq!(doubt.judge(109, start + LOOK_AFTER * 2), Verdict::Alive);
        assert_eq!(doubt.judge(109, start + LOOK_AFTER * 3), Verdict::Cut);
    }
}
