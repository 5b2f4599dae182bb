//! Bytes as what a network does to one speaker's packets: the jitter buffer's decisions, nothing decoded.
#![no_main]

libfuzzer_sys::fuzz_target!(|script: &[u8]| serambi_audio::testing::hostile_input::play_buffer(script));
