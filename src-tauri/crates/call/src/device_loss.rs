//! A device that went away: told only if nothing took its place soon. After a headset is pulled out, the first word is
//! where the sound went, not that there is none.

use std::time::{Duration, Instant};

use crate::error::CallError;

/// The engine finds another device within this time, or there is none.
const SETTLING: Duration = Duration::from_secs(1);

/// What became of one device, and which it was when it last worked.
#[derive(Debug, Default)]
pub(crate) struct DeviceLoss {
    loss: Loss,
    device: Option<String>,
}

#[derive(Debug, Default)]
enum Loss {
    /// It works, or nobody needs it.
    #[default]
    None,
    /// It is away; perhaps another takes its place.
    Fresh { since: Instant, error: CallError },
    /// It is away, and that was told.
    Told,
}

/// What is to be said about a device that works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// That it works again: its loss was told.
    Back,
    /// Where the sound is now.
    Elsewhere,
    /// Nothing: it stumbled.
    Unnoticed,
}

impl DeviceLoss {
    /// This device is in use.
    pub(crate) fn note_device(&mut self, device: Option<String>) {
        if device.is_some() && matches!(self.loss, Loss::None) {
            self.device = device;
        }
    }

    pub(crate) fn begin(&mut self, error: CallError, now: Instant) {
        if matches!(self.loss, Loss::None) {
            self.loss = Loss::Fresh { since: now, error };
        }
    }

    /// What is to be told now: once, when it has lasted.
    pub(crate) fn due(&mut self, now: Instant) -> Option<CallError> {
        match &self.loss {
            Loss::Fresh { since, error } if now.saturating_duration_since(*since) >= SETTLING => {
                let error = error.clone();
                self.loss = Loss::Told;
                Some(error)
            }
            _ => None,
        }
    }

    /// `device` works.
    pub(crate) fn end(&mut self, device: &str) -> Return {
        let was_told = matches!(std::mem::take(&mut self.loss), Loss::Told);
        let is_same = self.device.replace(device.to_owned()).is_some_and(|before| before == device);
        match (was_told, is_same) {
            (true, _) => Return::Back,
            (false, true) => Return::Unnoticed,
            (false, false) => Return::Elsewhere,
        }
    }

    /// It was closed: nobody misses it.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serambi_audio::AudioError;
    use serambi_protocol::Code;

    fn lost(device: &str) -> (DeviceLoss, Instant) {
        let (mut loss, now) = (DeviceLoss::default(), Instant::now());
        loss.note_device(Some(device.into()));
        loss.begin(CallError::Loudspeaker(AudioError::NoLoudspeaker), now);
        loss.note_device(None);
        (loss, now)
    }

    #[test]
    fn a_headset_that_is_replaced_at_once_was_never_lost() {
        let (mut loss, now) = lost("Headset");
        assert_eq!(loss.due(now + Duration::from_millis(200)), None);
        assert_eq!(loss.end("Speakers"), Return::Elsewhere);
        assert_eq!(loss.due(now + SETTLING * 2), None);
    }

    #[test]
    fn a_device_that_stumbles_is_not_worth_a_word() {
        assert_eq!(lost("Speakers").0.end("Speakers"), Return::Unnoticed);
    }

    #[test]
    fn a_loss_that_lasts_is_told_once_and_so_is_its_end() {
        let (mut loss, now) = lost("Headset");
        assert_eq!(loss.due(now + SETTLING).map(|error| error.code()), Some(Code::NoLoudspeaker));
        loss.begin(CallError::Loudspeaker(AudioError::EngineStopped), now + SETTLING);
        assert_eq!(loss.due(now + SETTLING * 3), None);
        assert_eq!(loss.end("Headset"), Return::Back);
        assert_eq!(loss.end("Headset"), Return::Unnoticed);
    }
}
