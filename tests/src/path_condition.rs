//! What a path does to packets: loses them, one by one or in bursts, and delays them. Pure and by seed, with time as an
//! argument: two programs that send at the same moments meet the same fate.

use std::time::Duration;

/// Bursts are counted in slots of this length, the packets that most programs send: a burst of three is 60 ms long
/// also for a program that sends twice as many packets.
pub const BURST_SLOT: Duration = Duration::from_millis(20);

/// Which packets never arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each with this probability, whatever happened to the one before.
    Random {
        /// 0 to 1.
        share: f64,
    },
    /// Gilbert's model (Bell System Technical Journal 39, 1960) with everything lost in the bad state: it is bad for
    /// this share of the time, and so many slots long in the mean.
    Bursts {
        /// 0 to 1.
        share: f64,
        /// In slots of [`BURST_SLOT`], at least 1.
        mean_slots: f64,
    },
}

/// By how much packets are late: a normal distribution; what falls outside the limits is drawn again. Each packet for
/// itself, so that packets overtake each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// ms.
    pub mean_ms: f64,
    /// Standard deviation, ms.
    pub deviation_ms: f64,
    /// ms; the span of limits must hold a fair part of the distribution.
    pub limits_ms: (f64, f64),
}

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Loss.
    pub loss: Loss,
    /// Delay, if there is any.
    pub jitter: Option<Jitter>,
}

impl Condition {
    /// Everything arrives at once.
    pub const WHOLE: Self = Self { loss: Loss::None, jitter: None };
    /// Nothing arrives.
    pub const CUT: Self = Self { loss: Loss::Random { share: 1.0 }, jitter: None };
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives after this time.
    Delayed(Duration),
}

/// One direction of a path, with its dice.
#[derive(Clone, Debug)]
pub struct Path {
    condition: Condition,
    loss_dice: SplitMix64,
    delay_dice: SplitMix64,
    slot: u128,
    is_bad: bool,
}

impl Path {
    /// A path that begins now.
    pub fn new(condition: Condition, seed: u64) -> Self {
        let mut seeds = SplitMix64(seed);
        let (loss_dice, delay_dice) = (SplitMix64(seeds.next()), SplitMix64(seeds.next()));
        Self { condition, loss_dice, delay_dice, slot: 0, is_bad: false }
    }

    /// Decides about a packet that comes `since_begin` after the path's beginning; packets come in order.
    pub fn fate(&mut self, since_begin: Duration) -> Fate {
        if self.loses(since_begin) { Fate::Lost } else { Fate::Delayed(self.delay()) }
    }

    fn loses(&mut self, since_begin: Duration) -> bool {
        match self.condition.loss {
            Loss::None => false,
            Loss::Random { share } => self.loss_dice.unit() < share,
            Loss::Bursts { share, mean_slots } => {
                let now = since_begin.as_nanos() / BURST_SLOT.as_nanos();
                while self.slot < now {
                    self.slot += 1;
                    self.step_chain(share, mean_slots);
                }
                self.is_bad
            }
        }
    }

    /// Bursts end with 1 / mean; the share of bad slots then follows from how often they begin.
    fn step_chain(&mut self, share: f64, mean_slots: f64) {
        let ends = 1.0 / mean_slots;
        let begins = ends * share / (1.0 - share);
        let dice = self.loss_dice.unit();
        self.is_bad = if self.is_bad { dice >= ends } else { dice < begins };
    }

    fn delay(&mut self) -> Duration {
        let Some(Jitter { mean_ms, deviation_ms, limits_ms: (least, most) }) = self.condition.jitter else {
            return Duration::ZERO;
        };
        loop {
            let ms = mean_ms + deviation_ms * self.delay_dice.normal();
            if (least..=most).contains(&ms) {
                return Duration::from_secs_f64(ms / 1_000.0);
            }
        }
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1, in 53 bits.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mean 0, deviation 1 (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fates of 50 packets a second.
    fn fates(condition: Condition, seed: u64, packets: u32) -> Vec<Fate> {
        let mut path = Path::new(condition, seed);
        (0..packets).map(|n| path.fate(BURST_SLOT * n)).collect()
    }

    fn lost_share(fates: &[Fate]) -> f64 {
        fates.iter().filter(|fate| **fate == Fate::Lost).count() as f64 / fates.len() as f64
    }

    #[test]
    fn the_generator_gives_the_numbers_of_its_authors() {
        let mut dice = SplitMix64(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_same_seed_means_the_same_fate_and_another_seed_another() {
        let condition = Condition { loss: Loss::Random { share: 0.2 }, jitter: None };
        assert_eq!(fates(condition, 7, 500), fates(condition, 7, 500));
        assert_ne!(fates(condition, 7, 500), fates(condition, 8, 500));
    }

    #[test]
    fn as_much_is_lost_as_was_ordered() {
        for loss in [Loss::Random { share: 0.2 }, Loss::Bursts { share: 0.2, mean_slots: 3.0 }] {
            let share = lost_share(&fates(Condition { loss, jitter: None }, 1, 100_000));
            assert!((share - 0.2).abs() < 0.01, "{loss:?}: {share}");
        }
        assert!(lost_share(&fates(Condition { loss: Loss::None, jitter: None }, 1, 1_000)) == 0.0);
    }

    #[test]
    fn bursts_are_as_long_as_ordered_also_for_who_sends_more_packets() {
        let loss = Loss::Bursts { share: 0.2, mean_slots: 3.0 };
        for packets_per_slot in [1_u32, 2, 4] {
            let mut path = Path::new(Condition { loss, jitter: None }, 5);
            let lost: Vec<bool> =
                (0..200_000).map(|n| path.fate(BURST_SLOT * n / packets_per_slot) == Fate::Lost).collect();
            let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
            let mean = lost.iter().filter(|lost| **lost).count() as f64 / bursts / f64::from(packets_per_slot);
            assert!((mean - 3.0).abs() < 0.15, "{packets_per_slot}: {mean}");
        }
    }

    #[test]
    fn delays_keep_to_their_limits_and_scatter_as_ordered() {
        let jitter = Jitter { mean_ms: 60.0, deviation_ms: 20.0, limits_ms: (0.0, 120.0) };
        let condition = Condition { loss: Loss::None, jitter: Some(jitter) };
        let delays: Vec<f64> = fates(condition, 3, 20_000)
            .into_iter()
            .map(|fate| match fate {
                Fate::Delayed(time) => time.as_secs_f64() * 1_000.0,
                Fate::Lost => f64::NAN,
            })
            .collect();
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let variance = delays.iter().map(|ms| (ms - mean).powi(2)).sum::<f64>() / delays.len() as f64;
        assert!(delays.iter().all(|ms| (0.0..=120.0).contains(ms)));
        assert!((mean - 60.0).abs() < 1.0 && (variance.sqrt() - 20.0).abs() < 1.0, "{mean} {variance}");
    }
}
