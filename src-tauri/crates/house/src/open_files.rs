//! How many files and connections this program may have open at once.

/// What systems without such a limit are taken to give, and more than a house can use.
const MAX_USEFUL: u64 = 1 << 20;

/// Raises the soft limit to the hard one and gives what is allowed now. Many systems begin at 1,024, which some 330
/// guests use up; the hard limit is usually some hundred times that.
#[cfg(unix)]
pub fn raise_limit() -> usize {
    let allowed = rlimit::increase_nofile_limit(MAX_USEFUL).or_else(|error| {
        tracing::warn!(%error, "the limit of open files stays as it is");
        rlimit::Resource::NOFILE.get_soft()
    });
    // 1,024 is what POSIX systems begin with.
    let allowed = allowed.unwrap_or(1_024).min(MAX_USEFUL);
    tracing::debug!(allowed, "open files");
    usize::try_from(allowed).unwrap_or(usize::MAX)
}

/// Sockets are no files there, and have no limit of this kind.
#[cfg(windows)]
pub fn raise_limit() -> usize {
    usize::try_from(MAX_USEFUL).unwrap_or(usize::MAX)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        let allowed = raise_limit() as u64;
        assert_eq!(allowed, hard.min(MAX_USEFUL).max(soft.min(MAX_USEFUL)));
        assert_eq!(rlimit::Resource::NOFILE.get_soft().unwrap().min(MAX_USEFUL), allowed);
    }
}
