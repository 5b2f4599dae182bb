//! Asks the system to run the calling thread before ordinary ones.

/// As urgent as desktop sound services run without real-time rights.
#[cfg(target_os = "linux")]
const NICENESS: i32 = -11;

/// Raises the calling thread, and on Linux the threads that a sound library starts from it: they inherit this.
/// Elsewhere the callback threads are raised by cpal (WASAPI) and by the system (CoreAudio).
///
/// A system that refuses loses nothing but margin under load, so a refusal is not an error.
pub(crate) fn raise_this_thread() {
    if let Err(error) = raise() {
        tracing::debug!(%error, "the system does not raise the priority of the sound threads");
    }
}

#[cfg(target_os = "linux")]
fn raise() -> std::io::Result<()> {
    // Linux keeps niceness per thread, and "no process" means the calling one (sched(7), "The nice value").
    Ok(rustix::process::setpriority_process(None, NICENESS)?)
}

#[cfg(windows)]
fn raise() -> windows::core::Result<()> {
    use windows::Win32::System::Threading::{GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_HIGHEST};
    // SAFETY: the handle means the calling thread and needs no closing.
    unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_HIGHEST) }
}

#[cfg(target_os = "macos")]
fn raise() -> std::io::Result<()> {
    // SAFETY: changes the class of the calling thread and nothing else.
    match unsafe { libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_USER_INTERACTIVE, 0) } {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(code)),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn raise() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
