//! The links that people talk over, by name, each with any seed: what may be missing, and how long the wait may get.

use proptest::prelude::*;

use super::*;

/// A link, and what is asked of the buffer on it.
struct Link {
    name: &'static str,
    path: SimulatedPath,
    /// Frames that arrived and were not played, at most.
    most_unplayed_share: f64,
    /// The wait at the end, at most, ms.
    longest_wait_ms: i64,
}

fn links(seed: u64) -> [Link; 5] {
    let path = SimulatedPath { seed, ..SimulatedPath::default() };
    [
        Link {
            name: "cable",
            path: SimulatedPath { delay_ms: 5.0, jitter_ms: 0.5, ..path.clone() },
            most_unplayed_share: 0.0,
            longest_wait_ms: 12,
        },
        Link {
            name: "home wireless",
            path: SimulatedPath {
                delay_ms: 15.0,
                jitter_ms: 6.0,
                loss: 0.01,
                stall_ms: Some((9_000, 9_120)),
                ..path.clone()
            },
            most_unplayed_share: 0.02,
            longest_wait_ms: 60,
        },
        Link {
            name: "train",
            path: SimulatedPath {
                delay_ms: 60.0,
                jitter_ms: 25.0,
                loss: 0.05,
                stall_ms: Some((9_000, 10_200)),
                ..path.clone()
            },
            most_unplayed_share: 0.10,
            longest_wait_ms: 220,
        },
        Link {
            name: "satellite",
            path: SimulatedPath { delay_ms: 320.0, jitter_ms: 8.0, loss: 0.01, ..path.clone() },
            most_unplayed_share: 0.02,
            longest_wait_ms: 80,
        },
        Link {
            name: "40 % loss",
            path: SimulatedPath { loss: 0.4, ..path },
            most_unplayed_share: 0.0,
            // What a frame in the next packet would take.
            longest_wait_ms: 40,
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_every_link_what_arrives_is_played_in_order_after_a_wait_that_fits_the_link(seed in any::<u64>()) {
        for Link { name, path, most_unplayed_share, longest_wait_ms } in links(seed) {
            let mut buffer = JitterBuffer::default();
            let out = play(&mut buffer, STREAM, &path);
            let mut indices: Vec<usize> = path.carry(STREAM.sent()).into_iter().map(|(_, index)| index).collect();
            indices.sort_unstable();
            let arrived = indices.len();
            let unplayed = (arrived - out.played.len()) as f64 / arrived as f64;
            prop_assert!(rises(&out.played), "{name}");
            prop_assert!(unplayed <= most_unplayed_share, "{name}: {unplayed}, {:?}", buffer.counters());
            prop_assert!(buffer.target_ms() <= longest_wait_ms, "{name}: {} ms", buffer.target_ms());
            // Nobody knows of those before the first and after the last, nor which came first where they overtake each
            // other.
            let lost = (indices[arrived - 1] - indices[0] + 1 - arrived) as i64;
            let missing = buffer.counters().missing.abs_diff(buffer.counters().late) as i64;
            prop_assert!((missing - lost).abs() <= 8, "{name}: {missing} of {lost}, {:?}", buffer.counters());
        }
    }
}
