//! The format of all sound: planes of 32-bit float at 48 kHz, one for mono and two ([`crate::dsp::mid_side`]) for
//! stereo, in Opus frames of 10, 20 or 40 ms.

/// Sample rate of everything between the two device edges, Hz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples in one Opus frame as it is usually sent (20 ms): best quality per bit of the lengths measured for speech.
pub const FRAME_SAMPLES: usize = 960;

/// Samples in a short frame (10 ms): 10 ms less delay for 20 kbit/s more of packet headers.
pub const SHORT_FRAME_SAMPLES: usize = 480;

/// Samples in a long frame (40 ms): 10 kbit/s less of packet headers for 20 ms more delay.
pub const LONG_FRAME_SAMPLES: usize = 1_920;

/// Samples in the longest packet Opus allows (120 ms, RFC 6716 section 3.1).
pub const MAX_PACKET_SAMPLES: usize = 5_760;
