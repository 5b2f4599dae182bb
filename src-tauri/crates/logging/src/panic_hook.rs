//! A panic in the log, with its place and a backtrace, before the hook that was there.

use std::{backtrace::Backtrace, panic, thread};

/// Adds the log to the present hook.
pub fn install() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            thread = thread.name(),
            place,
            message = panic.payload_as_str(),
            backtrace = %Backtrace::force_capture(),
            "panic"
        );
        previous(panic);
    }));
}
