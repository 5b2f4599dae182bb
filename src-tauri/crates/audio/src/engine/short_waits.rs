//! Waits that end when they should. Windows rounds the wait of a thread up to its timer's period, 15.6 ms as a rule,
//! and the engine wakes every 5 ms.

/// While one of these lives the system's timer ticks every millisecond.
pub(crate) struct ShortWaits(());

/// The timer's period, milliseconds: the shortest that Windows grants everybody.
#[cfg(windows)]
const PERIOD_MS: u32 = 1;

impl ShortWaits {
    /// Asks for it.
    pub(crate) fn begin() -> Self {
        #[cfg(windows)]
        // SAFETY: no requirement; `drop` takes it back with the same period.
        unsafe {
            windows::Win32::Media::timeBeginPeriod(PERIOD_MS);
        }
        Self(())
    }
}

impl Drop for ShortWaits {
    fn drop(&mut self) {
        #[cfg(windows)]
        // SAFETY: ends what `begin` began.
        unsafe {
            windows::Win32::Media::timeEndPeriod(PERIOD_MS);
        }
    }
}
