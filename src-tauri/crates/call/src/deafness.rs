//! "Never deaf while connected": the house says that a voice was passed on, and nothing comes in here. Pure: time is an
//! argument.
//!
//! ICE sees whether its own checks come back, not whether voices do: a server that sends to a stale address, a router
//! that lets only one kind of packet through, and a subscription that was lost look fine to it.
//!
//! The evidence is the speaker's mark with the media server's own word that it passed that very packet on
//! (`VoiceMark::passage`). So silence is never taken for deafness: whoever is quiet, pauses in a piece of music, or is
//! cut off from the house has no packet to be passed on.

use std::time::{Duration, Instant};

/// No packet for so long, though there are some: the way is mended.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// A voice that stops for so long may have been cut, or made a pause: the house is asked whether it is there.
const STALLED_AFTER: Duration = Duration::from_millis(500);
/// A mend has so long to bring sound before the next one.
const MEND_LIMIT: Duration = Duration::from_secs(3);
/// After everything was made anew it is tried this often.
const ANEW_EVERY: Duration = Duration::from_secs(15);
/// A packet that was passed on is evidence only if it left this long after the last one came in: a network's delay.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// Evidence of longer ago is of another time: marks come each 2 s, and wait up to 1.2 s for company.
const EVIDENCE_KEPT: Duration = Duration::from_secs(5);
/// Without newer evidence for so long nobody can know: perhaps the mend was good, and all are silent.
const DEAF_KEPT: Duration = Duration::from_secs(8);
/// A look later than this: the computer slept, or stood still.
const LATE_LOOK: Duration = Duration::from_secs(2);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    /// The same seat on a new way.
    Resume,
    /// Everything from the beginning.
    Anew,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hearing,
    /// Mended last at that time and in that way, and still no packet.
    Deaf(Mend, Instant),
}

/// What came in, and what should have.
#[derive(Debug)]
pub(crate) struct Deafness {
    packets: u64,
    /// When a packet last came, or listening began.
    heard_at: Instant,
    looked_at: Instant,
    /// That packets stopped has been said.
    stall_is_told: bool,
    /// When the last packet left the house that is known to have.
    passed_on_at: Option<Instant>,
    state: State,
}

impl Deafness {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            packets: 0,
            heard_at: now,
            looked_at: now,
            stall_is_told: true,
            passed_on_at: None,
            state: State::Hearing,
        }
    }

    /// The house passed a packet of somebody on, at this time of the own clock.
    pub(crate) fn take_passed_on(&mut self, at: Instant, now: Instant) {
        // A clock that was set or slept may say anything.
        let is_of_now = at <= now && now.saturating_duration_since(at) < EVIDENCE_KEPT;
        if is_of_now && self.passed_on_at.is_none_or(|before| before < at) {
            self.passed_on_at = Some(at);
        }
    }

    /// Looks at how many packets came in so far; `receives`: the connection is believed to be up, and nobody mends it.
    pub(crate) fn look(&mut self, packets: u64, receives: bool, now: Instant) -> Option<Mend> {
        let has_slept = now.saturating_duration_since(self.looked_at) > LATE_LOOK;
        self.looked_at = now;
        if packets != self.packets {
            (self.packets, self.state) = (packets, State::Hearing);
            (self.heard_at, self.stall_is_told) = (now, false);
        } else if has_slept {
            self.heard_at = now;
        }
        if !receives {
            // What comes back after a cut has all the time there is.
            self.heard_at = now;
            return None;
        }
        self.forget_old(now);
        let mend = self.due(now)?;
        self.state = State::Deaf(mend, now);
        Some(mend)
    }

    /// Packets came, and have stopped: said once, as soon as it is so.
    pub(crate) fn has_stalled(&mut self, now: Instant) -> bool {
        let has_stalled = !self.stall_is_told && self.is_silent(now);
        self.stall_is_told |= has_stalled;
        has_stalled
    }

    /// No packet comes in at the moment.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) >= STALLED_AFTER
    }

    /// Voices are sent and do not come.
    pub(crate) fn is_deaf(&self) -> bool {
        self.state != State::Hearing
    }

    fn forget_old(&mut self, now: Instant) {
        let State::Deaf(_, mended_at) = self.state else { return };
        let known_at = self.passed_on_at.map_or(mended_at, |at| at.max(mended_at));
        if now.saturating_duration_since(known_at) >= DEAF_KEPT {
            (self.state, self.heard_at) = (State::Hearing, now);
        }
    }

    fn due(&self, now: Instant) -> Option<Mend> {
        let since = match self.state {
            State::Hearing => self.heard_at,
            State::Deaf(_, mended_at) => mended_at,
        };
        let is_sent = self.passed_on_at.is_some_and(|at| at > since + ON_ITS_WAY);
        let is_fresh = self.passed_on_at.is_some_and(|at| now.saturating_duration_since(at) < EVIDENCE_KEPT);
        let (mend, after) = match self.state {
            State::Hearing => (Mend::Resume, DEAF_AFTER),
            State::Deaf(Mend::Resume, _) => (Mend::Anew, MEND_LIMIT),
            State::Deaf(Mend::Anew, _) => (Mend::Anew, ANEW_EVERY),
        };
        (is_sent && is_fresh && now.saturating_duration_since(since) >= after).then_some(mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener who is looked at four times a second.
    struct Listener {
        deafness: Deafness,
        start: Instant,
        ms: u64,
        packets: u64,
        receives: bool,
        mends: Vec<(u64, Mend)>,
    }

    impl Listener {
        fn new() -> Self {
            let start = Instant::now();
            Self { deafness: Deafness::new(start), start, ms: 0, packets: 0, receives: true, mends: Vec::new() }
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_millis(self.ms)
        }

        /// Lets time pass. `spoken`: packets reach the house, each 2 s one is marked, and its mark comes 700 ms later.
        fn pass(&mut self, ms: u64, spoken: bool, heard: bool) {
            let end = self.ms + ms;
            while self.ms < end {
                self.ms += 250;
                self.packets += u64::from(spoken && heard) * 12;
                if spoken && self.ms.is_multiple_of(2_000) {
                    let passed_on = self.now().checked_sub(Duration::from_millis(700)).unwrap_or(self.start);
                    self.deafness.take_passed_on(passed_on, self.now());
                }
                if let Some(mend) = self.deafness.look(self.packets, self.receives, self.now()) {
                    self.mends.push((self.ms, mend));
                }
            }
        }
    }

    #[test]
    fn voices_that_are_sent_and_do_not_come_are_mended_within_five_seconds_and_then_from_the_beginning() {
        let mut listener = Listener::new();
        listener.pass(10_000, true, true);
        assert!(listener.mends.is_empty() && !listener.deafness.is_deaf());
        listener.pass(12_000, true, false);
        let (first, second) = (listener.mends[0], listener.mends[1]);
        assert_eq!((first.1, second.1), (Mend::Resume, Mend::Anew));
        assert!((13_000..=15_000).contains(&first.0), "{first:?}");
        assert!((first.0 + 3_000..=first.0 + 5_000).contains(&second.0), "{second:?}");
        assert_eq!(listener.mends.len(), 2, "not again and again");
        assert!(listener.deafness.is_deaf());
        listener.pass(500, true, true);
        assert!(!listener.deafness.is_deaf());
    }

    #[test]
    fn whoever_is_deaf_for_long_is_mended_again_each_quarter_of_a_minute() {
        let mut listener = Listener::new();
        listener.pass(60_000, true, false);
        assert!((4..=6).contains(&listener.mends.len()), "{:?}", listener.mends);
    }

    #[test]
    fn silence_is_not_deafness_whoever_is_silent_and_why() {
        let mut listener = Listener::new();
        listener.pass(10_000, true, true);
        listener.pass(600_000, false, true);
        listener.pass(10_000, true, true);
        assert!(listener.mends.is_empty(), "{:?}", listener.mends);
    }

    #[test]
    fn a_voice_that_stops_is_said_once_and_again_after_it_was_heard() {
        let mut listener = Listener::new();
        assert!(!listener.deafness.has_stalled(listener.now() + Duration::from_secs(9)), "nobody has spoken yet");
        for _ in 0..2 {
            listener.pass(1_000, true, true);
            assert!(!listener.deafness.has_stalled(listener.now()));
            listener.pass(500, false, false);
            assert!(listener.deafness.has_stalled(listener.now()));
            assert!(!listener.deafness.has_stalled(listener.now()));
        }
    }

    #[test]
    fn nobody_is_called_deaf_for_long_when_all_are_silent() {
        let mut listener = Listener::new();
        listener.pass(5_000, true, false);
        assert!(listener.deafness.is_deaf());
        listener.pass(9_000, false, false);
        assert!(!listener.deafness.is_deaf());
    }

    #[test]
    fn the_last_mark_of_a_voice_that_ends_is_no_evidence() {
        let mut listener = Listener::new();
        listener.pass(10_000, true, true);
        // Its packet came in; the mark is told later.
        let said = listener.now();
        listener.pass(1_000, false, true);
        listener.deafness.take_passed_on(said, listener.now());
        listener.pass(10_000, false, true);
        assert!(listener.mends.is_empty(), "{:?}", listener.mends);
    }

    #[test]
    fn a_cut_that_is_being_mended_is_left_to_whoever_mends_it() {
        let mut listener = Listener::new();
        listener.receives = false;
        listener.pass(60_000, true, false);
        assert!(listener.mends.is_empty(), "{:?}", listener.mends);
        listener.receives = true;
        listener.pass(2_750, true, false);
        assert!(listener.mends.is_empty(), "{:?}", listener.mends);
    }

    #[test]
    fn a_computer_that_slept_has_missed_nothing() {
        let mut listener = Listener::new();
        listener.pass(10_000, true, true);
        listener.ms += 3_600_000;
        // What the house said meanwhile, and a clock that says it is of now.
        listener.deafness.take_passed_on(listener.now(), listener.now());
        listener.pass(2_500, true, false);
        assert!(listener.mends.is_empty(), "{:?}", listener.mends);
        listener.deafness.take_passed_on(listener.now() + Duration::from_secs(9), listener.now());
        assert!(listener.deafness.passed_on_at.is_some_and(|at| at <= listener.now()), "not of the future");
    }
}
