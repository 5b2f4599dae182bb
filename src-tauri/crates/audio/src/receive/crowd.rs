//! Whether so many talk at once that each voice is worth less processor time: what enhances a voice that is alone is
//! masked where three sound together.

use serambi_codec::{decode_ladder::Effort, format::SAMPLE_RATE_HZ};

use crate::format::MIX_SAMPLES;

/// So many voices at once are a crowd.
const MANY: usize = 3;

/// How long a crowd is remembered, blocks of the mix (2 s): the pauses between two words do not make it smaller.
const MEMORY_BLOCKS: u32 = 2 * SAMPLE_RATE_HZ / MIX_SAMPLES as u32;

/// The voices that sounded lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd {
    /// How much longer the last crowd is remembered, blocks.
    remembered_for: u32,
}

impl Crowd {
    /// What a decoder should make of its voice in the next block of the mix, where so many sound now.
    pub(crate) fn effort(&mut self, sounding: usize) -> Effort {
        self.remembered_for = if sounding >= MANY { MEMORY_BLOCKS } else { self.remembered_for.saturating_sub(1) };
        if self.remembered_for > 0 { Effort::OneOfMany } else { Effort::Full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_voices_get_all_and_three_share_until_two_seconds_after() {
        let mut crowd = Crowd::default();
        assert!((0..1_000).all(|_| crowd.effort(2) == Effort::Full));
        assert_eq!(crowd.effort(3), Effort::OneOfMany);
        assert!((1..MEMORY_BLOCKS).all(|_| crowd.effort(1) == Effort::OneOfMany));
        assert_eq!(crowd.effort(1), Effort::Full);
    }
}
