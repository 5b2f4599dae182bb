//! When the microphone is open while a key is held (room rules 8.3). Pure: time is an argument.

use std::time::{Duration, Instant};

/// The end of a word is still spoken while the key comes up.
const RELEASE: Duration = Duration::from_millis(200);

/// Where the key is: both may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The chosen key, whichever window is in front.
    Anywhere,
    /// Space, in our window.
    InWindow,
}

/// What is to be done with the own microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microphone {
    /// Open it.
    Unmute,
    /// Close it.
    Mute,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Talk {
    /// No key is held; whether the microphone is open is not our doing.
    #[default]
    Resting,
    /// A key is held.
    Held,
    /// The key came up; muted at this time.
    Ending(Instant),
    /// Muted by a moderator with the key still held: it has to come up first.
    Overruled,
}

/// The held keys and what follows from them.
#[derive(Debug, Default)]
pub struct PushToTalk {
    anywhere: bool,
    in_window: bool,
    talk: Talk,
}

impl PushToTalk {
    /// A key went down. A keyboard repeats a held key: only the first time counts.
    pub fn press(&mut self, key: Key) -> Option<Microphone> {
        let was_held = self.is_held();
        *self.held(key) = true;
        if was_held {
            return None;
        }
        match std::mem::replace(&mut self.talk, Talk::Held) {
            // It is still open.
            Talk::Ending(_) => None,
            _ => Some(Microphone::Unmute),
        }
    }

    /// A key came up.
    pub fn release(&mut self, key: Key, now: Instant) {
        *self.held(key) = false;
        if self.is_held() {
            return;
        }
        self.talk = match self.talk {
            Talk::Held => Talk::Ending(now + RELEASE),
            Talk::Overruled => Talk::Resting,
            other => other,
        };
    }

    /// When [`Self::pass_to`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        match self.talk {
            Talk::Ending(at) => Some(at),
            _ => None,
        }
    }

    /// What has become due by now.
    pub fn pass_to(&mut self, now: Instant) -> Option<Microphone> {
        self.due().is_some_and(|at| at <= now).then(|| {
            self.talk = Talk::Resting;
            Microphone::Mute
        })
    }

    /// Somebody else closed the microphone: it stays closed until the key is pressed anew.
    pub fn overrule(&mut self) {
        self.talk = if self.is_held() { Talk::Overruled } else { Talk::Resting };
    }

    /// The keys are others from now on, or none: nobody will say that one came up.
    pub fn let_go(&mut self) -> Option<Microphone> {
        let was_open = matches!(self.talk, Talk::Held | Talk::Ending(_));
        *self = Self::default();
        was_open.then_some(Microphone::Mute)
    }

    fn held(&mut self, key: Key) -> &mut bool {
        match key {
            Key::Anywhere => &mut self.anywhere,
            Key::InWindow => &mut self.in_window,
        }
    }

    const fn is_held(&self) -> bool {
        self.anywhere || self.in_window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: Duration = Duration::from_millis(1);

    #[test]
    fn holding_opens_the_microphone_and_letting_go_closes_it_after_200_ms() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        assert_eq!(talk.press(Key::Anywhere), Some(Microphone::Unmute));
        talk.release(Key::Anywhere, now);
        assert_eq!(talk.pass_to(now + RELEASE - LITTLE), None);
        assert_eq!(talk.pass_to(now + RELEASE), Some(Microphone::Mute));
        assert_eq!((talk.due(), talk.pass_to(now + RELEASE)), (None, None));
    }

    #[test]
    fn a_keyboard_that_repeats_the_held_key_asks_once() {
        let mut talk = PushToTalk::default();
        assert_eq!(talk.press(Key::InWindow), Some(Microphone::Unmute));
        assert_eq!(talk.press(Key::InWindow), None);
        assert_eq!(talk.press(Key::InWindow), None);
    }

    #[test]
    fn pressing_again_within_200_ms_goes_on_talking() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.press(Key::Anywhere);
        talk.release(Key::Anywhere, now);
        assert_eq!(talk.press(Key::Anywhere), None);
        assert_eq!(talk.pass_to(now + RELEASE * 5), None);
        talk.release(Key::Anywhere, now + RELEASE * 5);
        assert_eq!(talk.pass_to(now + RELEASE * 6), Some(Microphone::Mute));
    }

    #[test]
    fn with_two_keys_held_the_last_one_counts() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.press(Key::Anywhere);
        assert_eq!(talk.press(Key::InWindow), None);
        talk.release(Key::Anywhere, now);
        assert_eq!(talk.due(), None);
        talk.release(Key::InWindow, now);
        assert_eq!(talk.due(), Some(now + RELEASE));
    }

    #[test]
    fn whoever_was_muted_by_a_moderator_is_not_opened_by_the_key_they_still_hold() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.press(Key::Anywhere);
        talk.overrule();
        assert_eq!(talk.press(Key::Anywhere), None, "a repeat of the held key");
        assert_eq!(talk.press(Key::InWindow), None, "a second key");
        talk.release(Key::InWindow, now);
        talk.release(Key::Anywhere, now);
        assert_eq!(talk.due(), None, "it is muted already");
        assert_eq!(talk.press(Key::Anywhere), Some(Microphone::Unmute));
    }

    #[test]
    fn muted_by_a_moderator_just_after_letting_go_is_muted() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.press(Key::Anywhere);
        talk.release(Key::Anywhere, now);
        talk.overrule();
        assert_eq!(talk.pass_to(now + RELEASE), None);
    }

    #[test]
    fn a_microphone_that_no_key_opened_is_left_alone() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.release(Key::Anywhere, now);
        talk.overrule();
        assert_eq!((talk.due(), talk.let_go()), (None, None));
    }

    #[test]
    fn a_key_that_is_taken_away_while_held_closes_the_microphone() {
        let (mut talk, now) = (PushToTalk::default(), Instant::now());
        talk.press(Key::Anywhere);
        assert_eq!(talk.let_go(), Some(Microphone::Mute));
        talk.press(Key::InWindow);
        talk.release(Key::InWindow, now);
        assert_eq!(talk.let_go(), Some(Microphone::Mute));
        assert_eq!((talk.due(), talk.press(Key::Anywhere)), (None, Some(Microphone::Unmute)));
    }
}
