//! A device that went away: told only if nothing took its place soon. Whoever pulls out a headset is to hear where the
//! sound went, not first that there is none.

use std::time::{Duration, Instant};

use serambi_protocol::Refusal;

/// The engine finds another device within this time, or there is none.
const SETTLING: Duration = Duration::from_secs(1);

/// What became of one device.
#[derive(Debug, Default)]
pub(crate) enum DeviceLoss {
    /// It works, or nobody needs it.
    #[default]
    None,
    /// It is away; perhaps another takes its place.
    Fresh { since: Instant, refusal: Refusal },
    /// It is away, and that was told.
    Told,
}

impl DeviceLoss {
    pub(crate) fn begin(&mut self, refusal: Refusal, now: Instant) {
        if matches!(self, Self::None) {
            *self = Self::Fresh { since: now, refusal };
        }
    }

    /// What is to be told now: once, when it has lasted.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Refusal> {
        match self {
            Self::Fresh { since, refusal } if now.saturating_duration_since(*since) >= SETTLING => {
                let refusal = refusal.clone();
                *self = Self::Told;
                Some(refusal)
            }
            _ => None,
        }
    }

    /// A device works again; true if the loss had been told.
    pub(crate) fn end(&mut self) -> bool {
        matches!(std::mem::take(self), Self::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serambi_protocol::Code;

    fn lost() -> (DeviceLoss, Instant) {
        let (mut loss, now) = (DeviceLoss::default(), Instant::now());
        loss.begin(Code::NoLoudspeaker.into(), now);
        (loss, now)
    }

    #[test]
    fn a_headset_that_is_replaced_at_once_was_never_lost() {
        let (mut loss, now) = lost();
        assert_eq!(loss.due(now + Duration::from_millis(200)), None);
        assert!(!loss.end());
        assert_eq!(loss.due(now + SETTLING * 2), None);
    }

    #[test]
    fn a_loss_that_lasts_is_told_once_and_so_is_its_end() {
        let (mut loss, now) = lost();
        assert_eq!(loss.due(now + SETTLING).map(|refusal| refusal.code), Some(Code::NoLoudspeaker));
        loss.begin(Code::LoudspeakerFailed.into(), now + SETTLING);
        assert_eq!(loss.due(now + SETTLING * 3), None);
        assert!(loss.end());
        assert!(!loss.end());
    }
}
