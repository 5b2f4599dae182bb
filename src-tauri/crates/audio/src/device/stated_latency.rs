//! How long before it is heard a loudspeaker's callback comes, as the sound library states it, and where it states too
//! much.
//!
//! On Windows cpal 0.18 adds up what was written and not yet played, by the stream's clock, and the stream's latency.
//! But that clock (`IAudioClock::GetPosition`) says what is heard at the loudspeaker, so the latency is in it already.
//! It is the same for the whole stream, and all that the first callback states, before which nothing was written.

/// Some 20 ms too much of 53 ms were stated under Wine 8.
#[derive(Debug, Default)]
pub(crate) struct StatedLatency {
    /// Microseconds; none before the first callback.
    counted_twice: Option<i64>,
}

impl StatedLatency {
    /// What the next callback states, microseconds, with nothing in it twice.
    pub(crate) fn counted_once(&mut self, stated_micros: i64) -> i64 {
        if !cfg!(windows) {
            return stated_micros;
        }
        self.without_first(stated_micros)
    }

    fn without_first(&mut self, stated_micros: i64) -> i64 {
        let twice = *self.counted_twice.get_or_insert(stated_micros);
        (stated_micros - twice).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cpal 0.18 computes it: frames written and not yet heard, and the stream's latency once more.
    fn stated(written_micros: i64, heard_micros: i64, latency_micros: i64) -> i64 {
        (written_micros - heard_micros).max(0) + latency_micros
    }

    #[test]
    fn the_loudspeakers_delay_is_counted_once() {
        let mut latency = StatedLatency::default();
        // 20 ms from the buffer's end to the ear, two callbacks of 10 ms ahead of it.
        assert_eq!(latency.without_first(stated(0, 0, 20_000)), 0);
        assert_eq!(latency.without_first(stated(10_000, 0, 20_000)), 10_000);
        assert_eq!(latency.without_first(stated(40_000, 7_000, 20_000)), 33_000);
        assert_eq!(latency.without_first(stated(50_000, 17_000, 20_000)), 33_000);
    }

    #[test]
    fn a_stream_that_states_no_latency_of_its_own_is_believed() {
        let mut latency = StatedLatency::default();
        assert_eq!(latency.without_first(stated(0, 0, 0)), 0);
        assert_eq!(latency.without_first(stated(40_000, 7_000, 0)), 33_000);
    }

    #[test]
    fn elsewhere_what_is_stated_is_what_it_is() {
        let mut latency = StatedLatency::default();
        if !cfg!(windows) {
            assert_eq!([latency.counted_once(15_000), latency.counted_once(16_000)], [15_000, 16_000]);
        }
    }
}
