//! The one format inside the engine: planes of 32-bit float at 48 kHz, one for mono and two ([`crate::mid_side`]) for stereo. The microphone's sound moves in blocks of 10 ms, Opus frames are one,
//! two or four of them; the mix for the loudspeaker moves in blocks of 5 ms.

/// Sample rate of everything between the two device edges, Hz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples in one block of the microphone's sound (10 ms): what echo cancelling and noise suppression work on.
pub const BLOCK_SAMPLES: usize = 480;

/// Length of one such block, microseconds.
pub const BLOCK_MICROS: i64 = 10_000;

/// Samples in one Opus frame as it is usually sent (20 ms): best quality per bit of the lengths measured for speech.
pub const FRAME_SAMPLES: usize = 960;

/// Samples in a short frame (10 ms): 10 ms less delay for 20 kbit/s more of packet headers.
pub const SHORT_FRAME_SAMPLES: usize = 480;

/// Samples in a long frame (40 ms): 10 kbit/s less of packet headers for 20 ms more delay.
pub const LONG_FRAME_SAMPLES: usize = 1_920;

/// Samples in the longest packet Opus allows (120 ms, RFC 6716 section 3.1).
pub const LONGEST_PACKET_SAMPLES: usize = 5_760;

/// Samples in one block of the mix (5 ms): as often as a quick sound service asks, so that no frame waits longer than that for its
/// block, and the play-out moves in steps no larger.
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
