//! The console that the app was started from. On Windows a release build is no console program, and what it prints is
//! lost until it joins that console: `--help`, and what is wrong with an argument.

/// Joins it. Where the app was started with a click there is none.
#[cfg(windows)]
pub fn join() {
    use windows_sys::Win32::System::Console::{ATTACH_PARENT_PROCESS, AttachConsole};
    // SAFETY: no requirement. It fails where there is no console or it is joined already, and either is as well.
    unsafe {
        AttachConsole(ATTACH_PARENT_PROCESS);
    }
}

/// Elsewhere every program has the terminal it was started from.
#[cfg(not(windows))]
pub fn join() {}
