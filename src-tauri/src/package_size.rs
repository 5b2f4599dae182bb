//! How large the package of an update may become while it is fetched.

/// Some three times our largest package, an `AppImage` with WebKitGTK in it, bytes.
const MAX_BYTES: u64 = 300 * 1_000_000;

/// What has come of one package.
#[derive(Debug, Default)]
pub struct PackageSize {
    bytes: u64,
}

impl PackageSize {
    /// Takes the next piece, of so many bytes; `announced`: the whole, as its sender says. False: it is too large.
    pub fn takes(&mut self, bytes: usize, announced: Option<u64>) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.bytes.max(announced.unwrap_or(0)) <= MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_as_too_large_is_not_waited_for() {
        assert!(PackageSize::default().takes(1, Some(MAX_BYTES)));
        assert!(!PackageSize::default().takes(1, Some(MAX_BYTES + 1)));
    }

    #[test]
    fn what_goes_on_coming_beyond_what_was_announced_is_too_large_in_the_end() {
        let half = usize::try_from(MAX_BYTES / 2).unwrap_or(usize::MAX);
        for announced in [None, Some(10)] {
            let mut size = PackageSize::default();
            assert!(size.takes(half, announced) && size.takes(half, announced));
            assert!(!size.takes(1, announced));
        }
    }
}
