//! Sound of one or two channels as middle and side (M/S), each in a plane of its own.
//!
//! The middle is the downmix, (left + right) / 2; the side is what makes the channels differ, (left - right) / 2. A
//! mono sound has no side. Why not left and right, interleaved: the middle is all that a mono sound is, so whatever
//! needs one channel (pace, echo canceller, sound check, mono loudspeaker) takes the middle and costs what it did; a
//! mono voice sits in the middle of a stereo mix without being put there; and a sound may turn stereo and mono again
//! while its middle runs on. Left and right exist at the edges only: in the rings of devices and at libopus.

use crate::{
    dsp::{
        fade::{GainRamp, cross_fade, fade_in, fade_out},
        level_meter::mean_square,
    },
    format::SHORT_FRAME_SAMPLES,
};

/// The side of a mono sound, as long as a slide from one sound into another lasts at most.
const SILENT_PLANE: [f32; SHORT_FRAME_SAMPLES] = [0.0; SHORT_FRAME_SAMPLES];

/// How many channels a sound has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channels {
    /// One.
    #[default]
    Mono,
    /// Left and right.
    Stereo,
}

impl Channels {
    /// 1 or 2.
    pub const fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// A sound in planes of equal length; `T` is a plane: `Vec<f32>`, a block, or a slice of one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MidSide<T> {
    /// (left + right) / 2; all there is of a mono sound.
    pub middle: T,
    /// (left - right) / 2; `None` stands for silence.
    pub side: Option<T>,
}

/// Left and right of one moment, from its middle and side.
pub fn left_right(middle: f32, side: f32) -> [f32; 2] {
    [middle + side, middle - side]
}

/// Middle and side of one moment, from its left and right.
pub fn mid_side([left, right]: [f32; 2]) -> (f32, f32) {
    (0.5 * (left + right), 0.5 * (left - right))
}

impl<T> MidSide<T> {
    /// A sound without a side.
    pub const fn mono(middle: T) -> Self {
        Self { middle, side: None }
    }

    /// How many channels it has.
    pub const fn channels(&self) -> Channels {
        if self.side.is_some() { Channels::Stereo } else { Channels::Mono }
    }

    /// The middle, and the side if there is one.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.middle).chain(self.side.as_mut())
    }
}

impl<T: AsRef<[f32]>> MidSide<T> {
    /// The same sound, borrowed.
    pub fn as_slices(&self) -> MidSide<&[f32]> {
        MidSide { middle: self.middle.as_ref(), side: self.side.as_ref().map(AsRef::as_ref) }
    }

    /// Samples of each channel.
    pub fn len(&self) -> usize {
        self.middle.as_ref().len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mean square over both channels: (L² + R²) / 2 = M² + S².
    pub fn mean_square(&self) -> f32 {
        let side = self.side.as_ref().map_or(0.0, |side| mean_square(side.as_ref()));
        mean_square(self.middle.as_ref()) + side
    }

    /// Left and right, moment by moment.
    pub fn left_right(&self) -> impl Iterator<Item = [f32; 2]> {
        let side = self.side.as_ref().map_or(&[][..], AsRef::as_ref);
        let sides = side.iter().copied().chain(std::iter::repeat(0.0));
        self.middle.as_ref().iter().zip(sides).map(|(middle, side)| left_right(*middle, side))
    }
}

impl<T: AsMut<[f32]>> MidSide<T> {
    /// The same sound, borrowed to be changed.
    pub fn as_mut_slices(&mut self) -> MidSide<&mut [f32]> {
        MidSide { middle: self.middle.as_mut(), side: self.side.as_mut().map(AsMut::as_mut) }
    }

    /// Moves the gain of both channels alike.
    pub fn apply(&mut self, ramp: &mut GainRamp) {
        if let Some(side) = &mut self.side {
            ramp.clone().apply(side.as_mut());
        }
        ramp.apply(self.middle.as_mut());
    }

    /// Slides from what `from` says to this sound, over the length of `from`: 10 ms at most. A side of `from` that has
    /// no counterpart here breaks off: see [`MidSide::side_or_silence`].
    pub fn slide_from(&mut self, from: MidSide<&[f32]>) {
        let length = from.middle.len().min(SILENT_PLANE.len());
        cross_fade(&from.middle[..length], self.middle.as_mut());
        if let Some(side) = &mut self.side {
            cross_fade(&from.side.unwrap_or(&SILENT_PLANE)[..length], side.as_mut());
        }
    }

    /// Fades both channels in from silence.
    pub fn fade_in(&mut self) {
        self.planes_mut().for_each(|plane| fade_in(plane.as_mut()));
    }

    /// Fades both channels out to silence.
    pub fn fade_out(&mut self) {
        self.planes_mut().for_each(|plane| fade_out(plane.as_mut()));
    }
}

impl<T: AsMut<[f32]> + Clone> MidSide<T> {
    /// The side, a silent one if there was none.
    pub fn side_or_silence(&mut self) -> &mut T {
        let middle = &self.middle;
        self.side.get_or_insert_with(|| {
            let mut side = middle.clone();
            side.as_mut().fill(0.0);
            side
        })
    }
}

impl MidSide<&mut [f32]> {
    /// The same sound, borrowed for less long.
    pub fn reborrow(&mut self) -> MidSide<&mut [f32]> {
        MidSide { middle: &mut *self.middle, side: self.side.as_deref_mut() }
    }
}

impl MidSide<&mut [f32]> {
    /// The first `samples` of each channel, and the rest.
    pub fn split_at(self, samples: usize) -> (Self, Self) {
        let (middle, middle_rest) = self.middle.split_at_mut(samples);
        let (side, side_rest) = self.side.map(|side| side.split_at_mut(samples)).unzip();
        (Self { middle, side }, Self { middle: middle_rest, side: side_rest })
    }

    /// Takes over the beginning of `sound`, which has at least as many channels and samples.
    pub fn copy_from(&mut self, sound: MidSide<&[f32]>) {
        self.middle.copy_from_slice(&sound.middle[..self.middle.len()]);
        if let (Some(to), Some(from)) = (&mut self.side, sound.side) {
            to.copy_from_slice(&from[..to.len()]);
        }
    }

    /// Makes it silent.
    pub fn silence(&mut self) {
        self.planes_mut().for_each(|plane| plane.fill(0.0));
    }
}

impl MidSide<Vec<f32>> {
    /// Puts `sound` behind this one.
    pub fn extend(&mut self, sound: MidSide<&[f32]>) {
        if sound.side.is_some() {
            self.side_or_silence();
        }
        self.middle.extend_from_slice(sound.middle);
        if let Some(side) = &mut self.side {
            side.extend_from_slice(sound.side.unwrap_or(&[]));
            side.resize(self.middle.len(), 0.0);
        }
    }

    /// Takes a block off the front; `None` if there is not that much.
    pub fn drain_front<const N: usize>(&mut self) -> Option<MidSide<[f32; N]>> {
        let middle = *self.middle.first_chunk()?;
        let side = self.side.as_ref().and_then(|side| side.first_chunk().copied());
        self.planes_mut().for_each(|plane| drop(plane.drain(..N)));
        Some(MidSide { middle, side })
    }

    /// The same; a side that has fallen silent is given up.
    pub fn take_front<const N: usize>(&mut self) -> Option<MidSide<[f32; N]>> {
        let block = self.drain_front();
        if self.side.as_ref().is_some_and(|side| side.iter().all(|sample| *sample == 0.0)) {
            self.side = None;
        }
        block
    }

    /// Makes it `samples` long, with silence where that is longer.
    pub fn resize(&mut self, samples: usize) {
        self.planes_mut().for_each(|plane| plane.resize(samples, 0.0));
    }

    /// Makes it no longer than `samples`.
    pub fn truncate(&mut self, samples: usize) {
        self.planes_mut().for_each(|plane| plane.truncate(samples));
    }

    /// Forgets the sound; the next one decides whether there is a side.
    pub fn clear(&mut self) {
        self.middle.clear();
        self.side = None;
    }
}

impl<const N: usize> From<[f32; N]> for MidSide<[f32; N]> {
    fn from(block: [f32; N]) -> Self {
        Self::mono(block)
    }
}

impl<'a> From<&'a [f32]> for MidSide<&'a [f32]> {
    fn from(sound: &'a [f32]) -> Self {
        Self::mono(sound)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for MidSide<&'a [f32]> {
    fn from(sound: &'a [f32; N]) -> Self {
        Self::mono(sound)
    }
}

impl<'a> From<&'a mut [f32]> for MidSide<&'a mut [f32]> {
    fn from(sound: &'a mut [f32]) -> Self {
        Self::mono(sound)
    }
}

impl<'a, const N: usize> From<&'a mut [f32; N]> for MidSide<&'a mut [f32]> {
    fn from(sound: &'a mut [f32; N]) -> Self {
        Self::mono(sound)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn left_and_right_come_back(left in -1.0_f32..1.0, right in -1.0_f32..1.0) {
            let (middle, side) = mid_side([left, right]);
            let [left_again, right_again] = left_right(middle, side);
            prop_assert!((left_again - left).abs() < 1e-6 && (right_again - right).abs() < 1e-6);
            prop_assert!(middle.abs() + side.abs() <= left.abs().max(right.abs()) + 1e-6);
        }
    }

    #[test]
    fn a_mono_sound_behind_a_stereo_one_has_a_silent_side_until_the_stereo_one_is_gone() {
        let mut queue = MidSide::mono(vec![0.1; 100]);
        queue.extend(MidSide { middle: &[0.2; 100], side: Some(&[0.3; 100]) });
        queue.extend(MidSide::mono(&[0.4; 100]));
        assert_eq!(queue.take_front(), Some(MidSide { middle: [0.1; 100], side: Some([0.0; 100]) }));
        assert_eq!(queue.take_front(), Some(MidSide { middle: [0.2; 100], side: Some([0.3; 100]) }));
        assert_eq!(queue.take_front(), Some(MidSide::mono([0.4; 100])));
        assert_eq!(queue.take_front::<1>(), None);
    }

    #[test]
    fn sliding_to_mono_lets_the_side_fade() {
        let mut sound = MidSide::mono(vec![0.5; 480]);
        sound.side_or_silence();
        sound.slide_from(MidSide { middle: &[0.5; 240], side: Some(&[0.25; 240]) });
        let side = sound.side.as_ref().unwrap();
        assert!((side[0] - 0.25).abs() < 0.002 && side[239] < 0.002 && side[240] == 0.0);
        assert!(sound.middle.iter().all(|sample| (sample - 0.5).abs() < 1e-6));
    }

    #[test]
    fn the_level_of_one_channel_alone_is_that_of_half_its_power() {
        let one = MidSide { middle: vec![0.25; 10], side: Some(vec![0.25; 10]) };
        assert_eq!(one.left_right().next(), Some([0.5, 0.0]));
        assert_eq!(one.mean_square(), 0.125);
    }
}
