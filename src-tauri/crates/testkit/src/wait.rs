//! Waiting for a condition, with a limit; never for a time.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::Trouble;

/// Pause after the first look; each pause is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// What one look and its pause count at most: a computer that stops this process for a while has not waited.
const MAX_COUNTED: Duration = Duration::from_millis(500);

/// Looks until `look` finds something. An error ends the waiting.
///
/// # Errors
/// `TooLong` with what `seen` says after `limit`; whatever `look` fails with.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Trouble>,
    seen: impl FnOnce() -> String,
) -> Result<T, Trouble> {
    let (mut waited, mut looked, mut pause) = (Duration::ZERO, Instant::now(), FIRST_PAUSE);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        waited += looked.elapsed().min(MAX_COUNTED);
        looked = Instant::now();
        if waited > limit {
            return Err(Trouble::TooLong { what: what.to_owned(), limit, seen: seen() });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn waiting_ends_with_what_was_found_or_with_what_was_seen_instead() {
        let mut looks = 0;
        let third = until(
            "the third look",
            Duration::from_secs(5),
            || {
                looks += 1;
                Ok((looks == 3).then_some(looks))
            },
            String::new,
        );
        assert_eq!(third.unwrap(), 3);
        let never = until::<()>("nothing", Duration::ZERO, || Ok(None), || "an empty room".to_owned());
        assert!(never.unwrap_err().to_string().contains("an empty room"));
    }
}
