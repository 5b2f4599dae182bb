//! What time it is where this computer is.

use std::time::{SystemTime, UNIX_EPOCH};

use serambi_call::WallClock;

/// Now.
pub fn wall_clock() -> WallClock {
    let unix_ms = unix_ms();
    let since_midnight_ms = local_seconds_of_day(unix_ms / 1_000) * 1_000 + unix_ms % 1_000;
    WallClock { unix_ms, since_midnight_ms }
}

/// Now, milliseconds since 1970 in UTC.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The C library's broken-down time (C11 section 7.27.1): these three come first in every library, others follow.
#[repr(C)]
struct BrokenDown {
    second: i32,
    minute: i32,
    hour: i32,
    /// More than the largest library needs (glibc: 56 bytes in all).
    others: [u64; 12],
}

#[cfg(unix)]
unsafe extern "C" {
    fn localtime_r(seconds: *const i64, broken_down: *mut BrokenDown) -> *mut BrokenDown;
}

#[cfg(windows)]
unsafe extern "C" {
    fn _localtime64_s(broken_down: *mut BrokenDown, seconds: *const i64) -> i32;
}

/// Seconds since the last midnight where this computer is, at a time in UTC; where it cannot be found out, in UTC.
fn local_seconds_of_day(unix_seconds: u64) -> u64 {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    let mut local = BrokenDown { second: 0, minute: 0, hour: 0, others: [0; 12] };
    // SAFETY: both pointers are to live values of this frame; `time_t` has 64 bits on every system Serambi runs on, and
    // `BrokenDown` has room for what the library writes.
    #[cfg(unix)]
    let is_known = !unsafe { localtime_r(&raw const seconds, &raw mut local) }.is_null();
    // SAFETY: as above.
    #[cfg(windows)]
    let is_known = unsafe { _localtime64_s(&raw mut local, &raw const seconds) } == 0;
    if !is_known {
        return unix_seconds % 86_400;
    }
    let [hour, minute, second] = [local.hour, local.minute, local.second].map(|part| u64::try_from(part).unwrap_or(0));
    (hour * 60 + minute) * 60 + second
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_of_day_is_the_one_the_system_shows() {
        for unix_seconds in [0_u64, 1_800_000_000, 1_815_600_123] {
            let mut date = std::process::Command::new("date");
            let shown = date.args([&format!("--date=@{unix_seconds}"), "+%H %M %S"]).output().unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            let parts: Vec<u64> = shown.split_whitespace().map(|part| part.parse().unwrap()).collect();
            assert_eq!(local_seconds_of_day(unix_seconds), (parts[0] * 60 + parts[1]) * 60 + parts[2]);
        }
    }

    #[test]
    fn a_moment_is_less_than_a_day_after_midnight() {
        assert!(wall_clock().since_midnight_ms < 25 * 3_600_000);
    }
}
