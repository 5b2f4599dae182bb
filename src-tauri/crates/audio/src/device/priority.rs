//! Asks the system to run the calling thread, and the threads it starts from here on, before ordinary ones.

/// As urgent as desktop sound services run without real-time rights.
#[cfg(target_os = "linux")]
const NICENESS: i32 = -11;

/// Raises the calling thread. Threads that a sound library starts from it inherit this.
///
/// A system that refuses loses nothing but margin under load, so a refusal is not an error.
#[cfg(target_os = "linux")]
pub(crate) fn raise_this_thread() {
    // Linux keeps niceness per thread, and "no process" means the calling one (sched(7), "The nice value").
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the system does not raise the priority of the sound threads");
    }
}

/// CoreAudio and WASAPI raise their callback threads themselves; the engine thread keeps its ordinary priority.
#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_this_thread() {}
