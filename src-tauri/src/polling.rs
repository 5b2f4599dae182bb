//! When which house is asked for its rooms: often while somebody looks at the list, ever more rarely if it is silent.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// Between two questions to a house that answers.
pub const MIN_PAUSE: Duration = Duration::from_secs(2);
/// Between two questions to a house that has been silent for long.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What the person looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// The window cannot be seen.
    Elsewhere,
    /// A room; the list beside it holds the own house and those of this network.
    Room,
    /// Home, with the saved houses too.
    Home,
}

/// A house's next question.
#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Instant,
    pause: Duration,
}

/// When each house is asked next, by its pin.
#[derive(Debug, Default)]
pub struct Timetable(HashMap<String, Turn>);

impl Timetable {
    /// Is it this house's turn? A new house's turn is now.
    pub fn is_due(&self, pin: &str, now: Instant) -> bool {
        self.0.get(pin).is_none_or(|turn| turn.at <= now)
    }

    /// Notes whether a house that was asked has answered.
    pub fn note(&mut self, pin: &str, answered: bool, now: Instant) {
        let before = self.0.get(pin).map(|turn| turn.pause);
        let pause = match before {
            Some(before) if !answered => (before * 2).min(MAX_PAUSE),
            _ => MIN_PAUSE,
        };
        self.0.insert(pin.to_owned(), Turn { at: now + pause, pause });
    }

    /// Makes it every house's turn: somebody looks again.
    pub fn start_over(&mut self) {
        self.0.clear();
    }

    /// Forgets houses that are in no list any more.
    pub fn keep(&mut self, is_known: impl Fn(&str) -> bool) {
        self.0.retain(|pin, _| is_known(pin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that was left open asked every saved house over HTTPS every 2 s for ever.
    #[test]
    fn a_silent_house_is_asked_ever_more_rarely_but_at_least_once_a_minute() {
        let start = Instant::now();
        let mut timetable = Timetable::default();
        let mut pauses = Vec::new();
        let mut last = 0;
        for second in 0..300 {
            let now = start + Duration::from_secs(second);
            if timetable.is_due("a", now) {
                timetable.note("a", false, now);
                pauses.push(second - last);
                last = second;
            }
        }
        assert_eq!(pauses[..8], [0, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_house_that_answers_again_is_asked_as_often_as_before() {
        let start = Instant::now();
        let mut timetable = Timetable::default();
        for _ in 0..9 {
            timetable.note("a", false, start);
        }
        timetable.note("a", true, start);
        assert!(!timetable.is_due("a", start + MIN_PAUSE / 2));
        assert!(timetable.is_due("a", start + MIN_PAUSE));
    }

    #[test]
    fn looking_again_asks_everybody_at_once() {
        let start = Instant::now();
        let mut timetable = Timetable::default();
        timetable.note("a", false, start);
        timetable.start_over();
        assert!(timetable.is_due("a", start));
        timetable.note("a", true, start);
        timetable.keep(|pin| pin != "a");
        assert!(timetable.0.is_empty());
    }
}
