//! How long sound takes between a stream's callback and the device, from what a PulseAudio server says now and then.

use std::time::{Duration, Instant};

use pulseaudio::protocol::{PlaybackLatency, RecordLatency};

/// How often the server is asked. In between the stream's own count of frames goes on, and two clocks 500 ppm apart
/// part by 50 µs.
const ASKING_INTERVAL: Duration = Duration::from_millis(100);

/// What is known about the delay of one stream.
#[derive(Debug)]
pub(crate) struct PulseLatency {
    bytes_per_second: i64,
    /// Bytes that were given, or have come.
    passed: i64,
    known: Option<Known>,
    asked: Option<Asked>,
    is_stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    at: Instant,
    micros: i64,
    /// Bytes that had passed then.
    passed: i64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    sequence: u32,
    at: Instant,
    passed: i64,
}

impl Asked {
    /// When the server will have answered what reached us at `now`: question and answer take as long.
    fn answered_at(self, now: Instant) -> Instant {
        self.at + now.saturating_duration_since(self.at) / 2
    }
}

impl PulseLatency {
    pub(crate) fn of(bytes_per_second: u32) -> Self {
        Self {
            bytes_per_second: i64::from(bytes_per_second).max(1),
            passed: 0,
            known: None,
            asked: None,
            is_stale: true,
        }
    }

    /// Counts what is given, or has come.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.passed += i64::try_from(bytes).unwrap_or(0);
    }

    /// What was known holds no longer: the stream ran dry, or was moved to another device.
    pub(crate) fn forget(&mut self) {
        self.is_stale = true;
    }

    /// Whether the server should be asked now. It is not while it still owes an answer.
    pub(crate) fn wants_to_ask(&self, now: Instant) -> bool {
        let is_old = self.known.is_none_or(|known| now.saturating_duration_since(known.at) >= ASKING_INTERVAL);
        !self.awaits_answer() && (self.is_stale || is_old)
    }

    /// The question with this number is sent behind all that has passed.
    pub(crate) fn note_asked(&mut self, sequence: u32, now: Instant) {
        self.is_stale = false;
        self.asked = Some(Asked { sequence, at: now, passed: self.passed });
    }

    /// Whether the server owes an answer.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn is_answer(&self, sequence: u32) -> bool {
        self.asked.is_some_and(|asked| asked.sequence == sequence)
    }

    /// The server refused to answer.
    pub(crate) fn take_refusal(&mut self) {
        self.asked = None;
    }

    /// The server's answer for a loudspeaker: all that had been sent before the question had reached it.
    pub(crate) fn take_playback(&mut self, answer: &PlaybackLatency, now: Instant) {
        let Some(asked) = self.asked.take() else { return };
        let micros = self.micros(answer.write_offset, answer.read_offset, answer.sink_usec);
        self.known = Some(Known { at: asked.answered_at(now), micros, passed: asked.passed });
    }

    /// The server's answer for a microphone: all that it had sent before the answer has reached us.
    pub(crate) fn take_capture(&mut self, answer: &RecordLatency, now: Instant) {
        let Some(asked) = self.asked.take() else { return };
        let micros = self.micros(answer.write_offset, answer.read_offset, answer.source_usec);
        self.known = Some(Known { at: asked.answered_at(now), micros, passed: self.passed });
    }

    fn micros(&self, write_offset: i64, read_offset: i64, device_micros: u64) -> i64 {
        let waiting = write_offset.saturating_sub(read_offset).max(0);
        i64::try_from(device_micros).unwrap_or(0).saturating_add(self.micros_of(waiting))
    }

    /// From `now` until the next frame that is given leaves the loudspeaker, microseconds; 0 before the first answer.
    pub(crate) fn playback_micros(&self, now: Instant) -> u64 {
        self.known.map_or(0, |known| {
            not_below_zero(known.micros + self.micros_of(self.passed - known.passed) - micros_between(known.at, now))
        })
    }

    /// From the microphone until `now`, microseconds, for the last frame that has come; 0 before the first answer.
    pub(crate) fn capture_micros(&self, now: Instant) -> u64 {
        self.known.map_or(0, |known| {
            not_below_zero(known.micros + micros_between(known.at, now) - self.micros_of(self.passed - known.passed))
        })
    }

    fn micros_of(&self, bytes: i64) -> i64 {
        bytes.saturating_mul(1_000_000) / self.bytes_per_second
    }
}

fn not_below_zero(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0)
}

fn micros_between(then: Instant, now: Instant) -> i64 {
    i64::try_from(now.saturating_duration_since(then).as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const BYTES_PER_MS: i64 = 192;

    fn latency() -> (PulseLatency, Instant) {
        (PulseLatency::of(192_000), Instant::now())
    }

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn playback_answer(waiting_ms: i64, sink_ms: u64) -> PlaybackLatency {
        PlaybackLatency {
            sink_usec: sink_ms * 1_000,
            source_usec: 0,
            playing: true,
            local_time: SystemTime::UNIX_EPOCH,
            remote_time: SystemTime::UNIX_EPOCH,
            write_offset: (1_000 + waiting_ms) * BYTES_PER_MS,
            read_offset: 1_000 * BYTES_PER_MS,
            underrun_for: 0,
            playing_for: 0,
        }
    }

    #[test]
    fn a_loudspeakers_delay_shrinks_with_time_and_grows_with_what_is_given() {
        let (mut latency, start) = latency();
        latency.pass(960);
        latency.note_asked(5, start);
        assert!(latency.is_answer(5) && !latency.is_answer(4));
        // Given while the answer was under way.
        latency.pass(960);
        latency.take_playback(&playback_answer(7, 3), start + millis(2));
        assert_eq!(latency.playback_micros(start + millis(1)), 15_000);
        assert_eq!(latency.playback_micros(start + millis(5)), 11_000);
        latency.pass(960);
        assert_eq!(latency.playback_micros(start + millis(5)), 16_000);
        assert_eq!(latency.playback_micros(start + millis(500)), 0);
    }

    #[test]
    fn a_microphones_delay_grows_with_time_and_shrinks_with_what_is_taken() {
        let (mut latency, start) = latency();
        latency.note_asked(1, start);
        let playback = playback_answer(2, 0);
        let answer = RecordLatency {
            sink_usec: 0,
            source_usec: 4_000,
            playing: true,
            local_time: playback.local_time,
            remote_time: playback.remote_time,
            write_offset: playback.write_offset,
            read_offset: playback.read_offset,
        };
        latency.take_capture(&answer, start);
        assert_eq!(latency.capture_micros(start + millis(5)), 11_000);
        latency.pass(960);
        assert_eq!(latency.capture_micros(start + millis(5)), 6_000);
    }

    #[test]
    fn the_server_is_asked_ten_times_a_second_and_when_something_happened() {
        let (mut latency, start) = latency();
        assert!(latency.wants_to_ask(start));
        latency.note_asked(1, start);
        assert!(!latency.wants_to_ask(start + millis(500)));
        latency.take_playback(&playback_answer(7, 3), start);
        assert!(!latency.wants_to_ask(start + millis(99)));
        assert!(latency.wants_to_ask(start + millis(100)));
        latency.forget();
        assert!(latency.wants_to_ask(start + millis(1)));
    }

    #[test]
    fn nothing_is_claimed_before_the_first_answer() {
        let (latency, start) = latency();
        assert_eq!((latency.playback_micros(start), latency.capture_micros(start)), (0, 0));
    }
}
