//! Being served first: what is measured must not wait for whatever else this machine does.

use std::process::Command;

use crate::{Trouble, process_load::Family, program::run};

/// Above everything ordinary, below the kernel's own (sched(7)).
const PRIORITY: &str = "10";

/// While it lives, this program and whatever it starts has the processor before ordinary programs do (`SCHED_RR`).
/// Where the right is missing, nothing changes.
pub struct Precedence {
    is_granted: bool,
}

impl Precedence {
    /// For all threads of this program and of everything it has started, and for what it starts from now on. Taken when
    /// all of that runs: starting a browser needs a processor for long, and some programs lower their threads again.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn take() -> Result<Self, Trouble> {
        let own = Self { is_granted: change(std::process::id(), &["--rr", "--pid", PRIORITY]) };
        if own.is_granted {
            for process in Family::of(std::process::id())?.members() {
                change(*process, &["--all-tasks", "--rr", "--pid", PRIORITY]);
            }
        }
        Ok(own)
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if self.is_granted {
            change(std::process::id(), &["--all-tasks", "--other", "--pid", "0"]);
        }
    }
}

/// A process may have ended meanwhile.
fn change(process: u32, how: &[&str]) -> bool {
    run(Command::new("chrt").args(how).arg(process.to_string())).is_ok()
}
