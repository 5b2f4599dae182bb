//! Links that come before the app has begun: macOS tells of the one that started it in an event of its own, which may
//! come before there is a window or a profile, and a second start may be quicker than the first.

use std::sync::{Mutex, PoisonError};

/// Where they wait.
pub struct EarlyLinks {
    waiting: Mutex<Waiting>,
}

impl Default for EarlyLinks {
    /// None has come.
    fn default() -> Self {
        Self { waiting: Mutex::new(Waiting::ForBeginning(None)) }
    }
}

enum Waiting {
    /// The app has not begun; the newest link so far.
    ForBeginning(Option<String>),
    /// It has: whatever comes is shown at once.
    NoMore,
}

impl EarlyLinks {
    /// Somebody wants to see the window, and this link if there is one. True: the app has begun and can show both;
    /// until then the link is kept, and the window comes by itself.
    pub fn may_show(&self, link: Option<&String>) -> bool {
        match &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            Waiting::NoMore => true,
            Waiting::ForBeginning(kept) => {
                if let Some(link) = link {
                    *kept = Some(link.clone());
                }
                false
            }
        }
    }

    /// The app begins, with this link if one has come.
    pub fn begin(&self) -> Option<String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *waiting, Waiting::NoMore) {
            Waiting::ForBeginning(link) => link,
            Waiting::NoMore => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_comes_before_the_app_has_begun_is_what_it_begins_with() {
        let links = EarlyLinks::default();
        assert!(!links.may_show(Some(&"serambi://one".to_owned())));
        assert!(!links.may_show(Some(&"serambi://two".to_owned())));
        assert!(!links.may_show(None), "pressing its icon does not lose the link");
        assert_eq!(links.begin().as_deref(), Some("serambi://two"));
    }

    #[test]
    fn a_link_that_comes_later_is_shown_at_once_and_by_nobody_else() {
        let links = EarlyLinks::default();
        assert_eq!(links.begin(), None);
        assert!(links.may_show(Some(&"serambi://one".to_owned())));
        assert_eq!(links.begin(), None);
    }
}
