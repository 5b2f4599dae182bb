//! How fast one session may ask: a bucket that fills at a steady rate.

/// Requests a bucket holds when full.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests in one burst.
    pub burst: u32,
    /// Requests per second in the long run.
    pub per_second: u32,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Thousandths of a request.
    level: u64,
    filled_at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now_ms: u64) -> Self {
        Self { level: u64::from(rate.burst) * 1_000, filled_at_ms: now_ms }
    }

    /// Takes one request out of it, if there is one.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        let filled = now_ms.saturating_sub(self.filled_at_ms).saturating_mul(u64::from(rate.per_second));
        self.level = self.level.saturating_add(filled).min(u64::from(rate.burst) * 1_000);
        self.filled_at_ms = now_ms;
        let enough = self.level >= 1_000;
        if enough {
            self.level -= 1_000;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_steady_rate() {
        let rate = Rate { burst: 3, per_second: 2 };
        let mut bucket = Bucket::full(rate, 0);
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(rate, now)).count();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 499), 0);
        assert_eq!(taken(&mut bucket, 1_000), 2);
        assert_eq!(taken(&mut bucket, 1_000_000), 3);
    }
}
