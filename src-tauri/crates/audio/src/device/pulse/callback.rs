//! How a PulseAudio stream calls cpal's data callbacks: with its samples as [`Data`], and with timestamps.

use std::time::{Duration, Instant};

use cpal::{
    Data, InputCallbackInfo, InputStreamTimestamp, OutputCallbackInfo, OutputStreamTimestamp, SampleFormat,
    StreamInstant,
};

/// Takes what a microphone heard.
pub(crate) type Take = Box<dyn FnMut(&Data, &InputCallbackInfo) + Send>;

/// Gives what a loudspeaker is to play.
pub(crate) type Fill = Box<dyn FnMut(&mut Data, &OutputCallbackInfo) + Send>;

/// What a stream's timestamps count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamClock(pub(crate) Instant);

impl StreamClock {
    pub(crate) fn at(self, moment: Instant) -> StreamInstant {
        let passed = moment.saturating_duration_since(self.0);
        StreamInstant::new(passed.as_secs(), passed.subsec_nanos())
    }

    /// Hands on what reached the microphone from `age` ago.
    pub(crate) fn heard(self, samples: &mut [f32], now: Instant, age: Duration, take: &mut Take) {
        let callback = self.at(now);
        let capture = callback.checked_sub(age).unwrap_or(StreamInstant::ZERO);
        let info = InputCallbackInfo::new(InputStreamTimestamp { callback, capture });
        with_data(samples, |data| take(data, &info));
    }

    /// Asks for what leaves the loudspeaker from `later` on.
    pub(crate) fn played(self, samples: &mut [f32], now: Instant, later: Duration, fill: &mut Fill) {
        let callback = self.at(now);
        let playback = callback.checked_add(later).unwrap_or(callback);
        let info = OutputCallbackInfo::new(OutputStreamTimestamp { callback, playback });
        with_data(samples, |data| fill(data, &info));
    }
}

/// The samples as cpal's callbacks want them.
fn with_data(samples: &mut [f32], call: impl FnOnce(&mut Data)) {
    // SAFETY: pointer, length and format are those of the slice, which stays borrowed until `call` has returned.
    let mut data = unsafe { Data::from_parts(samples.as_mut_ptr().cast(), samples.len(), SampleFormat::F32) };
    call(&mut data);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_microphones_callback_gets_its_samples_and_when_the_first_of_them_was_heard() {
        let start = Instant::now();
        let (clock, now) = (StreamClock(start), start + Duration::from_millis(30));
        let (send, got) = channel();
        let mut take: Take = Box::new(move |data, info| {
            let times = info.timestamp();
            let age = times.callback.duration_since(times.capture);
            assert!(send.send((data.as_slice::<f32>().map(<[f32]>::to_vec), age)).is_ok());
        });
        clock.heard(&mut [0.5, -0.25], now, Duration::from_millis(12), &mut take);
        assert_eq!(got.recv(), Ok((Some(vec![0.5, -0.25]), Duration::from_millis(12))));
        // Before the clock began.
        clock.heard(&mut [0.0], now, Duration::from_secs(1), &mut take);
        assert_eq!(got.recv(), Ok((Some(vec![0.0]), Duration::from_millis(30))));
    }

    #[test]
    fn a_loudspeakers_callback_fills_the_samples_and_knows_when_the_first_of_them_is_heard() {
        let start = Instant::now();
        let (send, got) = channel();
        let mut fill: Fill = Box::new(move |data, info| {
            let times = info.timestamp();
            assert!(send.send(times.playback.duration_since(times.callback)).is_ok());
            data.as_slice_mut::<f32>().into_iter().for_each(|samples| samples.fill(0.5));
        });
        let mut samples = [0.0; 4];
        StreamClock(start).played(&mut samples, start, Duration::from_millis(9), &mut fill);
        assert_eq!((samples, got.recv()), ([0.5; 4], Ok(Duration::from_millis(9))));
    }
}
