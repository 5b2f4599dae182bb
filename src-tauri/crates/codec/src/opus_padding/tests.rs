//! The padding held against libopus: what it parses, what it decodes.

#![allow(clippy::unwrap_used)]

use opus::{Application, Bitrate, Channels, Decoder, Encoder};
use proptest::prelude::*;

use super::extensions::Extensions;
use super::*;
use crate::testing::simulated_path::Chance;

/// A packet of 60 bytes as VOIP at 24 kbit/s makes it (hybrid, super-wideband, 20 ms).
fn hybrid_packet() -> Vec<u8> {
    let mut packet = vec![0x68 | 0x10];
    packet.extend(1..60);
    packet
}

#[test]
fn one_frame_with_a_block_is_laid_out_as_the_format_says() {
    let mut block = vec![0xA1, 0x82, 0x1E];
    block.extend([0xCC; 30]);
    block.push(0x06);
    block.extend([0xDD; 30]);
    let attached = attach(&hybrid_packet(), 121, &block).unwrap();
    let mut expected = vec![0x7B, 0x41, 0x41];
    expected.extend(1..60);
    expected.extend([0xF2, 0xA1, 0x82, 0x1E]);
    expected.extend([0xCC; 30]);
    expected.push(0x06);
    expected.extend([0xDD; 30]);
    assert_eq!(attached, expected);
    assert_eq!(attached.len(), 127);
    assert_eq!(find(&attached, 121), Some(&block[..]));
}

#[test]
fn a_new_block_takes_the_place_of_an_old_one_and_of_nothing_else() {
    let packet = attach(&hybrid_packet(), 126, b"D\x0Cdeep").unwrap();
    let packet = attach(&packet, 121, b"old").unwrap();
    let packet = attach(&packet, 121, b"new").unwrap();
    assert_eq!(find(&packet, 121), Some(&b"new"[..]));
    assert_eq!(find(&packet, 126), Some(&b"D\x0Cdeep"[..]));
    let parsed = OpusPacket::parse(&packet).unwrap();
    // ID 121 with a length in front, ID 126 to the end.
    assert_eq!(parsed.padding, b"\xF3\x03new\xFCD\x0Cdeep");
}

#[test]
fn ids_with_a_meaning_of_their_own_are_refused() {
    for id in (0..32).chain(128..=255) {
        assert_eq!(attach(&hybrid_packet(), id, b""), None);
    }
    assert_eq!(attach(b"", 121, b""), None);
}

#[test]
fn lengths_at_the_limits_of_their_bytes_survive() {
    for length in [0, 1, 250, 251, 252, 253, 254, 255, 256, 507, 508, 509, 510, 511, 1_000] {
        let payload = vec![7; length];
        let packet = attach(&hybrid_packet(), 121, &payload).unwrap();
        let packet = attach(&packet, 120, b"in front").unwrap();
        assert_eq!(find(&packet, 121), Some(&payload[..]), "{length}");
        let packet = attach(&packet, 121, &payload).unwrap();
        assert_eq!(find(&packet, 121), Some(&payload[..]), "{length}");
        assert_eq!(opus::packet::parse(&packet).unwrap().frames, [&hybrid_packet()[1..]]);
    }
}

#[test]
fn repetition_gives_later_frames_payloads_of_their_own() {
    // Frame 0 has short 5 with one byte and long 40; both again for frames 1 and 2, the last long one without a length.
    let padding = [5 << 1 | 1, b'a', 40 << 1 | 1, 2, b'b', b'c', 2 << 1, b'd', 1, b'e', b'f', b'g', b'h', b'i'];
    let read = read_extensions(&padding, 3);
    assert!(read.intact);
    let all: Vec<(u8, usize, &[u8])> = read.extensions.iter().map(|e| (e.id, e.frame, e.payload)).collect();
    let expected: [(u8, usize, &[u8]); 6] =
        [(5, 0, b"a"), (40, 0, b"bc"), (5, 1, b"d"), (40, 1, b"e"), (5, 2, b"f"), (40, 2, b"ghi")];
    assert_eq!(all, expected);
}

#[test]
fn a_mistake_ends_the_reading_and_keeps_what_came_before() {
    let beyond_the_last_frame = read_extensions(&[5 << 1, 1 << 1, 6 << 1], 1);
    assert!(!beyond_the_last_frame.intact);
    assert_eq!(beyond_the_last_frame.extensions, [Extension { id: 5, frame: 0, payload: b"" }]);
    assert!(!read_extensions(&[40 << 1 | 1, 9, 0], 1).intact);
    assert!(read_extensions(&[0; 40], 1).extensions.is_empty());
}

/// Packets with a good share of valid ones among them.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..120),
        (any::<u8>(), any::<u8>(), prop::collection::vec(0_u8..12, 0..80)).prop_map(|(toc, number, rest)| [
            vec![toc | 3, number & 0xC7],
            rest
        ]
        .concat()),
        (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..2_000)).prop_map(|(toc, number, rest)| [
            vec![toc, number],
            rest
        ]
        .concat()),
    ]
}

fn extension() -> impl Strategy<Value = (u8, usize, Vec<u8>)> {
    prop_oneof![
        (3_u8..32, 0_usize..48, prop::collection::vec(any::<u8>(), 0..2)),
        (32_u8..128, 0_usize..48, prop::collection::vec(any::<u8>(), 0..600)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn garbage_is_parsed_exactly_as_libopus_parses_it(packet in garbage()) {
        let ours = OpusPacket::parse(&packet);
        // The binding hands a negative count on as a huge capacity, so ask for the count first.
        let theirs = opus::packet::get_nb_samples(&packet, 48_000).ok().and_then(|_| opus::packet::parse(&packet).ok());
        prop_assert_eq!(ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            prop_assert_eq!(&ours.frames, &theirs.frames);
            prop_assert_eq!(ours.samples(), opus::packet::get_nb_samples(&packet, 48_000).unwrap());
            let built = ours.build();
            prop_assert_eq!(OpusPacket::parse(&built), Some(ours.clone()));
        }
    }

    #[test]
    fn attaching_leaves_the_frames_and_the_other_extensions_alone(
        packet in garbage(), id in 32_u8..128, payload in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        let before = OpusPacket::parse(&packet);
        let attached = attach(&packet, id, &payload);
        prop_assert_eq!(before.is_some(), attached.is_some());
        let (Some(before), Some(attached)) = (before, attached) else { return Ok(()) };
        let after = OpusPacket::parse(&attached).unwrap();
        prop_assert_eq!(&before.frames, &after.frames);
        prop_assert_eq!(before.toc, after.toc);
        prop_assert_eq!(find(&attached, id), Some(&payload[..]));
        let others = |packet: &OpusPacket<'_>| {
            let read = read_extensions(packet.padding, packet.frames.len());
            let mut kept: Vec<(usize, u8, Vec<u8>)> = read.extensions.iter()
                .filter(|extension| read.intact && extension.id != id)
                .map(|extension| (extension.frame, extension.id, extension.payload.to_vec()))
                .collect();
            kept.sort();
            kept
        };
        prop_assert_eq!(others(&before), others(&after));
    }

    #[test]
    fn what_was_written_is_read(mut all in prop::collection::vec(extension(), 0..12)) {
        all.sort_by_key(|(_, frame, _)| *frame);
        let extensions: Vec<Extension<'_>> =
            all.iter().map(|(id, frame, payload)| Extension { id: *id, frame: *frame, payload }).collect();
        let padding = write_extensions(&extensions);
        prop_assert_eq!(read_extensions(&padding, 48), Extensions { extensions, intact: true });
    }

    #[test]
    fn hostile_padding_does_no_harm(padding in prop::collection::vec(any::<u8>(), 0..300), frames in 1_usize..=48) {
        for extension in read_extensions(&padding, frames).extensions {
            prop_assert!(extension.frame < frames && extension.id > 2);
        }
    }
}

/// Packets of every mode from an encoder that changes its mind.
fn varied_packets(seed: u64, packets: usize) -> Vec<Vec<u8>> {
    let mut chance = Chance::seeded(seed);
    let application = [Application::Voip, Application::Audio, Application::LowDelay][(seed % 3) as usize];
    let mut encoder = Encoder::new(48_000, Channels::Mono, application).unwrap();
    let mut phase = 0.0_f32;
    (0..packets)
        .map(|index| {
            if index % 20 == 0 {
                encoder.set_bitrate(Bitrate::Bits(6_000 + (chance.share() * 90_000.0) as i32)).unwrap();
                encoder.set_inband_fec(chance.share() < 0.5).unwrap();
                encoder.set_packet_loss_perc((chance.share() * 30.0) as i32).unwrap();
                encoder.set_vbr(chance.share() < 0.7).unwrap();
                encoder.set_dtx(chance.share() < 0.3).unwrap();
            }
            let samples = [480, 960, 1_920, 2_880][(index / 40) % 4];
            let loud = if (index / 15) % 3 == 2 { 0.0 } else { 0.3 };
            let sound: Vec<f32> = (0..samples)
                .map(|_| {
                    phase += 0.02;
                    loud * (phase.sin() + 0.5 * (3.1 * phase).sin()) + loud * 0.1 * (chance.share() as f32 - 0.5)
                })
                .collect();
            encoder.encode_vec_float(&sound, 1_275).unwrap()
        })
        .collect()
}

fn decode(decoder: &mut Decoder, packet: &[u8], fec: bool) -> (Vec<f32>, u32) {
    let mut sound = vec![0.0; 2_880];
    let samples = decoder.decode_float(packet, &mut sound, fec).unwrap();
    sound.truncate(samples);
    (sound, decoder.get_final_range().unwrap())
}

#[test]
fn libopus_hears_no_difference() {
    for seed in 0..12 {
        let mut chance = Chance::seeded(seed + 100);
        let mut plain = Decoder::new(48_000, Channels::Mono).unwrap();
        let mut padded = Decoder::new(48_000, Channels::Mono).unwrap();
        for packet in varied_packets(seed, 160) {
            let length = (chance.share() * 515.0) as usize;
            let payload: Vec<u8> = (0..length).map(|_| (chance.share() * 256.0) as u8).collect();
            let attached = attach(&packet, 121, &payload).unwrap();
            if chance.share() < 0.1 {
                // A loss, recovered from this packet as far as it can be.
                assert_eq!(decode(&mut plain, &packet, true).0, decode(&mut padded, &attached, true).0);
            }
            assert_eq!(decode(&mut plain, &packet, false), decode(&mut padded, &attached, false));
        }
    }
}
