//! Bytes as what a network does to one speaker's packets: jitter buffer, decode ladder, stretch.
#![no_main]

libfuzzer_sys::fuzz_target!(|script: &[u8]| serambi_audio::testing::hostile_input::play_script(script));
