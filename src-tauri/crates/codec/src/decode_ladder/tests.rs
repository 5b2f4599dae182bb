//! Speech through a decoder that misses frames.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Moment,
    dsp::level_meter::{dbfs, mean_square},
    format::FRAME_SAMPLES,
    redundancy_profile::{LossReport, RedundancyControl, RedundancyScheme},
    redundant_copies::find_copies,
    redundant_encoder::RedundantEncoder,
    testing::{simulated_path::synthetic_speech, synthetic_sound::white_noise},
};

/// Speech in packets, with what loss of 40 % calls for, or with what is sent before anybody knows of any.
fn packets(frames: usize, lossy: bool) -> Vec<Bytes> {
    let mut encoder = RedundantEncoder::new().unwrap();
    let mut control = RedundancyControl::default();
    if lossy {
        let report = LossReport { loss: 0.4, mean_burst: 3.0, available_bitrate: None };
        control.report(report, Moment::default());
        encoder.set_scheme(control.scheme()).unwrap();
    } else {
        assert_eq!(control.scheme(), RedundancyScheme::UNREPORTED);
    }
    let speech = synthetic_speech(frames * FRAME_SAMPLES);
    let frames = speech.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate();
    frames.map(|(n, frame)| encoder.encode(frame, (n * FRAME_SAMPLES) as u32).unwrap().into()).collect()
}

/// Speech with a pause of just noise this loud, dBFS, in some of its frames.
fn with_pause(pause: Range<usize>, noise_dbfs: f32) -> Vec<Bytes> {
    let mut sound = synthetic_speech(150 * FRAME_SAMPLES);
    let noise = white_noise(7, noise_dbfs, 3.0);
    for (sample, noise) in sound.iter_mut().zip(noise).take(at(pause.end) as usize).skip(at(pause.start) as usize) {
        *sample = noise;
    }
    let mut encoder = RedundantEncoder::new().unwrap();
    let frames = sound.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate();
    frames.map(|(n, frame)| encoder.encode(frame, (n * FRAME_SAMPLES) as u32).unwrap().into()).collect()
}

fn enhanced_throughout(packets: &[Bytes]) -> Vec<Vec<f32>> {
    let mut decoder = OpusDecoder::new(Channels::Mono, Effort::Full.complexity()).unwrap();
    let mut sound = vec![0.0; MAX_PACKET_SAMPLES];
    let mut decode = |packet: &Bytes| decoder.decode(packet, &mut sound[..]).map(|samples| sound[..samples].to_vec());
    packets.iter().map(|packet| decode(packet).unwrap()).collect()
}

#[test]
fn the_enhancement_rests_in_a_quiet_pause_and_is_there_with_the_next_word() {
    let packets = with_pause(60..100, -75.0);
    let mut ladder = DecodeLadder::new().unwrap();
    let mut after = Vec::new();
    for (n, (packet, always)) in packets.iter().zip(enhanced_throughout(&packets)).enumerate() {
        let heard = ladder.decode(at(n), packet).unwrap().middle.to_vec();
        // The speech before dies away in the first frame, and five must be quiet.
        assert_eq!(ladder.pause.rests(), (65..100).contains(&n), "{n}");
        match n {
            ..60 => assert_eq!(heard, always),
            60..100 => assert!(n == 60 || dbfs(mean_square(&heard)) < -70.0, "{n}"),
            // The first frame of a word would differ by -23 dB if it were left as it is, and does by -27.
            _ if dbfs(mean_square(&always)) > -60.0 => after.push(noise_db(&always, &heard)),
            _ => {}
        }
    }
    assert!(after.iter().all(|difference| *difference < -25.0), "{after:?}");
    assert!(after[20..].iter().all(|difference| *difference < -40.0), "{after:?}");
}

#[test]
fn the_enhancement_goes_on_in_a_pause_that_can_be_heard() {
    let packets = with_pause(60..100, -50.0);
    let mut ladder = DecodeLadder::new().unwrap();
    for (n, (packet, always)) in packets.iter().zip(enhanced_throughout(&packets)).enumerate() {
        assert_eq!(ladder.decode(at(n), packet).unwrap().middle.to_vec(), always);
    }
}

#[test]
fn a_frame_lost_in_a_pause_ends_the_rest_and_can_still_be_mended() {
    let packets = with_pause(60..120, -75.0);
    let always = enhanced_throughout(&packets);
    let mut ladder = DecodeLadder::new().unwrap();
    for (n, packet) in packets.iter().enumerate() {
        let heard = if n == 80 {
            assert!(ladder.pause.rests());
            ladder.substitute(Some(at(n)), FRAME_SAMPLES, &Substitutes::default()).1.middle.to_vec()
        } else {
            ladder.decode(at(n), packet).unwrap().middle.to_vec()
        };
        if n == 82 {
            assert!(ladder.take_late(at(80), &packets[80]));
        }
        // As long as a step can be mended nothing rests.
        assert!((80..85).all(|busy| busy != n) || !ladder.pause.rests(), "{n}");
        assert!((62..120).all(|quiet| quiet != n) || dbfs(mean_square(&heard)) < -65.0, "{n}");
        assert!(n < 140 || noise_db(&always[n], &heard) < -30.0 || dbfs(mean_square(&heard)) < -60.0, "{n}");
    }
}

fn at(index: usize) -> i64 {
    (index * FRAME_SAMPLES) as i64
}

/// The copy of frame `index` that the packet `later` frames after it carries.
fn copy_of(packets: &[Bytes], index: usize, later: usize) -> Option<Bytes> {
    let copies = find_copies(packets.get(index + later)?);
    copies.into_iter().find(|copy| copy.offset_samples() == later * FRAME_SAMPLES).map(|copy| copy.packet)
}

fn decoded(packets: &[Bytes]) -> Vec<Vec<f32>> {
    let mut ladder = DecodeLadder::new().unwrap();
    packets.iter().enumerate().map(|(n, packet)| ladder.decode(at(n), packet).unwrap().middle.to_vec()).collect()
}

/// Error of `heard` against `said` over both, dB.
fn noise_db(said: &[f32], heard: &[f32]) -> f32 {
    let power = |sound: &mut dyn Iterator<Item = f32>| sound.map(|x| x * x).sum::<f32>();
    let noise = power(&mut said.iter().zip(heard).map(|(a, b)| a - b));
    10.0 * (noise / power(&mut said.iter().copied())).log10()
}

fn everything(packets: &[Bytes], index: usize) -> Substitutes {
    Substitutes {
        copy: copy_of(packets, index, 2),
        next: packets.get(index + 1).cloned(),
        later: packets.get(index + 1).map(|packet| (packet.clone(), FRAME_SAMPLES)),
    }
}

#[test]
fn each_missing_frame_is_made_from_the_best_there_is() {
    let (plain, lossy) = (packets(80, false), packets(80, true));
    let mut ladder = DecodeLadder::new().unwrap();
    for (n, packet) in lossy[..60].iter().enumerate() {
        ladder.decode(at(n), packet).unwrap();
    }
    let all = everything(&lossy, 60);
    assert!(all.copy.is_some());
    let no_copy = Substitutes { copy: None, ..all.clone() };
    let inband = Substitutes { next: Some(plain[61].clone()), ..no_copy.clone() };
    let far = Substitutes { later: Some((lossy[61].clone(), 90_000)), ..Substitutes::default() };
    let mut rung = |substitutes: &Substitutes| ladder.substitute(Some(at(60)), FRAME_SAMPLES, substitutes).0;
    assert_eq!(rung(&all), Rung::Copy);
    assert_eq!(rung(&inband), Rung::InbandCopy);
    assert_eq!(rung(&no_copy), Rung::Deep);
    assert_eq!(rung(&far), Rung::Concealment);
    assert_eq!(rung(&Substitutes::default()), Rung::Concealment);
    let nothing_deep = Substitutes { later: Some((plain[61].clone(), FRAME_SAMPLES)), ..Substitutes::default() };
    assert_eq!(rung(&nothing_deep), Rung::Concealment);
}

#[test]
fn copies_leave_the_decoder_so_that_the_next_frame_is_whole() {
    let packets = packets(300, true);
    let said = decoded(&packets);
    let after_a_gap = |substitutes: fn(&[Bytes], usize) -> Substitutes| {
        let mut ladder = DecodeLadder::new().unwrap();
        let (mut all_said, mut all_heard) = (Vec::new(), Vec::new());
        for (n, packet) in packets.iter().enumerate().take(290) {
            if n > 50 && n % 8 == 0 {
                ladder.substitute(Some(at(n)), FRAME_SAMPLES, &substitutes(&packets, n));
                continue;
            }
            let heard = ladder.decode(at(n), packet).unwrap();
            if n > 50 && n % 8 == 1 {
                all_said.extend_from_slice(&said[n]);
                all_heard.extend_from_slice(heard.middle);
            }
        }
        noise_db(&all_said, &all_heard)
    };
    let copies = after_a_gap(everything);
    let concealed = after_a_gap(|_, _| Substitutes::default());
    assert!(copies < concealed - 6.0, "{copies} dB, after concealment {concealed} dB");
}

#[test]
fn a_late_packet_mends_the_sound_to_come_without_a_step() {
    let packets = packets(80, true);
    let said = decoded(&packets);
    for substitutes in [Substitutes::default(), everything(&packets, 40)] {
        let mut ladder = DecodeLadder::new().unwrap();
        for (n, packet) in packets[..40].iter().enumerate() {
            ladder.decode(at(n), packet).unwrap();
        }
        ladder.substitute(Some(at(40)), FRAME_SAMPLES, &substitutes);
        let last = ladder.decode(at(41), &packets[41]).unwrap().middle[FRAME_SAMPLES - 1];
        assert!(ladder.take_late(at(40), &packets[40]));
        let joint = ladder.decode(at(42), &packets[42]).unwrap().middle.to_vec();
        assert!((joint[0] - last).abs() < 0.1);
        assert!(joint[FADE_SAMPLES..] == said[42][FADE_SAMPLES..]);
        assert!(ladder.decode(at(43), &packets[43]).unwrap().middle == &said[43][..]);
    }
}

#[test]
fn late_packets_mend_whatever_order_they_come_in() {
    let packets = packets(80, true);
    let said = decoded(&packets);
    for order in [[40, 41, 42], [42, 41, 40], [41, 42, 40]] {
        let mut ladder = DecodeLadder::new().unwrap();
        for (n, packet) in packets[..40].iter().enumerate() {
            ladder.decode(at(n), packet).unwrap();
        }
        for n in 40..43 {
            ladder.substitute(Some(at(n)), FRAME_SAMPLES, &everything(&packets, n));
        }
        for n in order {
            assert!(ladder.take_late(at(n), &packets[n]));
            assert!(!ladder.take_late(at(n), &packets[n]));
        }
        let joint = ladder.decode(at(43), &packets[43]).unwrap().middle;
        assert!(joint[FADE_SAMPLES..] == said[43][FADE_SAMPLES..]);
    }
}

#[test]
fn a_packet_that_is_too_late_or_wrong_changes_nothing() {
    let packets = packets(80, true);
    let play = |late: &dyn Fn(&mut DecodeLadder)| {
        let mut ladder = DecodeLadder::new().unwrap();
        for (n, packet) in packets[..40].iter().enumerate() {
            ladder.decode(at(n), packet).unwrap();
        }
        ladder.substitute(Some(at(40)), FRAME_SAMPLES, &Substitutes::default());
        for (n, packet) in packets[..47].iter().enumerate().skip(41) {
            ladder.decode(at(n), packet).unwrap();
        }
        ladder.substitute(Some(at(47)), FRAME_SAMPLES, &Substitutes::default());
        late(&mut ladder);
        ladder.decode(at(48), &packets[48]).unwrap().middle.to_vec()
    };
    let untouched = play(&|_| {});
    let too_late = play(&|ladder| assert!(!ladder.take_late(at(40), &packets[40])));
    let never_missing = play(&|ladder| assert!(!ladder.take_late(at(45), &packets[45])));
    let no_opus = play(&|ladder| assert!(!ladder.take_late(at(47), &Bytes::from_static(&[0xFF; 3]))));
    let other_length = play(&|ladder| assert!(!ladder.take_late(at(47), &Bytes::from_static(&[0x40, 1, 2]))));
    for changed in [too_late, never_missing, no_opus, other_length] {
        assert!(changed == untouched);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_frames_yield_sound_or_nothing(
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), 0_usize..6_000, 0_u8..4), 1..30)
    ) {
        let mut ladder = DecodeLadder::new().unwrap();
        for (n, (bytes, samples, what)) in frames.into_iter().enumerate() {
            let packet = Bytes::from(bytes);
            let all = Substitutes {
                copy: Some(packet.clone()), next: Some(packet.clone()), later: Some((packet.clone(), samples)),
            };
            match what {
                0 => {
                    if let Some(sound) = ladder.decode(at(n), &packet) {
                        prop_assert!(sound.len() <= MAX_PACKET_SAMPLES);
                    }
                }
                1 => {
                    let (_, sound) = ladder.substitute(Some(at(n)), samples, &all);
                    prop_assert_eq!(sound.len(), samples.min(MAX_PACKET_SAMPLES));
                    prop_assert!(sound.left_right().flatten().all(|sample| sample.is_finite()));
                }
                2 => {
                    ladder.substitute(None, samples, &Substitutes::default());
                }
                _ => {
                    ladder.take_late(at(n.saturating_sub(1)), &packet);
                }
            }
        }
    }
}

#[test]
fn the_rest_of_a_frame_that_came_late_is_as_if_nothing_had_been_invented_before_it() {
    let packets = packets(120, false);
    let clean = decoded(&packets);
    let mut ladder = DecodeLadder::new().unwrap();
    for (n, packet) in packets.iter().enumerate() {
        if n % 10 != 7 {
            assert!(ladder.decode(at(n), packet).unwrap().middle == clean[n], "frame {n}");
            continue;
        }
        let before = ladder.substitute(None, SHORT_FRAME_SAMPLES, &Substitutes::default()).1.middle.to_vec();
        let rest = ladder.decode_rest(at(n), packet, SHORT_FRAME_SAMPLES).unwrap().middle;
        assert!(rest[FADE_SAMPLES..] == clean[n][SHORT_FRAME_SAMPLES + FADE_SAMPLES..], "frame {n}");
        let step = (rest[0] - before[SHORT_FRAME_SAMPLES - 1]).abs();
        let usual = clean.concat().windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step <= usual, "a step of {step} into frame {n}");
    }
}

#[test]
fn a_voice_among_many_is_the_same_voice_and_goes_back_to_what_it_would_have_been_alone() {
    let packets = packets(300, false);
    let alone = decoded(&packets);
    let mut ladder = DecodeLadder::new().unwrap();
    let heard: Vec<Vec<f32>> = packets
        .iter()
        .enumerate()
        .map(|(n, packet)| {
            ladder.set_effort(if (100..200).contains(&n) { Effort::OneOfMany } else { Effort::Full });
            ladder.decode(at(n), packet).unwrap().middle.to_vec()
        })
        .collect();
    assert!(heard[..100] == alone[..100]);
    let noise_db = |frames: Range<usize>| noise_db(&alone[frames.clone()].concat(), &heard[frames].concat());
    let (in_crowd, after) = (noise_db(100..200), noise_db(210..300));
    // The enhancement remembers what it did.
    assert!((-60.0..-10.0).contains(&in_crowd) && after < -40.0, "{in_crowd} dB, afterwards {after} dB");
}
