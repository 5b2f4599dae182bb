//! The blocks that sound moves in, planes of 32-bit float at 48 kHz: 10 ms from the microphone, 5 ms to the
//! loudspeaker.

/// Samples in one block of the microphone's sound (10 ms): what echo cancelling and noise suppression work on.
pub const BLOCK_SAMPLES: usize = 480;

/// Length of one such block, microseconds.
pub const BLOCK_MICROS: i64 = 10_000;

/// Samples in one block of the mix (5 ms): as often as a quick sound service asks, so that no frame waits longer than
/// that for its block, and the play-out moves in steps no larger.
pub const MIX_SAMPLES: usize = 240;

/// Length of one block of the mix, microseconds.
pub const MIX_MICROS: i64 = 5_000;

/// One block of a plane of the microphone's sound, samples in -1.0 ..= 1.0.
pub type Block = [f32; BLOCK_SAMPLES];

/// A block without sound.
pub const SILENT_BLOCK: Block = [0.0; BLOCK_SAMPLES];

/// One block of a plane of the mix, samples in -1.0 ..= 1.0.
pub type MixBlock = [f32; MIX_SAMPLES];

/// A block of the mix without sound.
pub const SILENT_MIX: MixBlock = [0.0; MIX_SAMPLES];
