//! Bytes as an Opus packet with extensions in its padding.
#![no_main]

libfuzzer_sys::fuzz_target!(|packet: &[u8]| serambi_codec::testing::hostile_packet::take_apart(packet));
