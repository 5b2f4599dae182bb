//! The computer kept awake while somebody depends on it. The display may sleep.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// Is it wanted, and is that over?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wish {
    awake: bool,
    over: bool,
}

#[derive(Default)]
struct Wishes {
    newest: Mutex<Wish>,
    changed: Condvar,
}

/// Holds the computer awake from a thread of its own: Windows counts by thread, Linux waits for the system's answer.
pub struct KeepAwake {
    wishes: Arc<Wishes>,
    holder: Option<JoinHandle<()>>,
}

impl KeepAwake {
    /// Not held yet. `reason` is shown by the system to whoever asks what keeps it awake.
    pub fn start(reason: &'static str) -> Self {
        let wishes = Arc::<Wishes>::default();
        let heard = wishes.clone();
        let held = thread::Builder::new().name("keep-awake".to_owned()).spawn(move || hold(&heard, reason));
        let holder = held.inspect_err(|error| tracing::warn!(%error, "the computer is not kept awake")).ok();
        Self { wishes, holder }
    }

    /// Held from now on, or let go.
    pub fn set(&self, awake: bool) {
        self.wishes.change(|wish| wish.awake = awake);
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        self.wishes.change(|wish| wish.over = true);
        if let Some(holder) = self.holder.take()
            && holder.join().is_err()
        {
            tracing::error!("what keeps the computer awake has failed");
        }
    }
}

impl Wishes {
    fn change(&self, change: impl FnOnce(&mut Wish)) {
        let mut newest = self.lock();
        let before = *newest;
        change(&mut newest);
        if *newest != before {
            self.changed.notify_one();
        }
    }

    fn wait_for_other_than(&self, known: Wish) -> Wish {
        let waiting = self.changed.wait_while(self.lock(), |newest| *newest == known);
        *waiting.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hold(wishes: &Wishes, reason: &str) {
    let mut held = None;
    let mut has_failed = false;
    let mut known = Wish::default();
    loop {
        known = wishes.wait_for_other_than(known);
        if known.over {
            return;
        }
        held = match (held, known.awake) {
            (Some(held), true) => Some(held),
            (_, false) => None,
            (None, true) => ask(reason, &mut has_failed),
        };
        tracing::debug!(awake = held.is_some(), "keeping the computer awake");
    }
}

/// Asks the system. Where it cannot (a container, a system without such a service) is said once, in the log.
fn ask(reason: &str, has_failed: &mut bool) -> Option<keepawake::KeepAwake> {
    let asked = keepawake::Builder::default()
        .idle(true)
        .sleep(true)
        .reason(reason)
        .app_name("Serambi")
        .app_reverse_domain("org.serambi.Serambi")
        .create();
    match asked {
        Ok(held) => Some(held),
        Err(error) => {
            if !std::mem::replace(has_failed, true) {
                tracing::info!(%error, "this system does not let itself be kept awake");
            }
            None
        }
    }
}
