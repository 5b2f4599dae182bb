//! A thread that talks to the system's sound service in place of those who must not wait for ever: a service that hangs
//! holds up this thread and nobody else.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    time::Duration,
};

use crate::{device::priority::raise_this_thread, error::AudioError};

type Work<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A thread with a state of its own that does one piece of work after the other.
pub(crate) struct DeviceWorker<S> {
    works: Sender<Work<S>>,
    /// Tells of the end of a piece of work that took longer than somebody would wait.
    overdue: Option<Receiver<()>>,
}

impl<S: Default + 'static> DeviceWorker<S> {
    /// Starts the thread. It ends once this value is dropped and the work that was given to it is done.
    pub(crate) fn start() -> Result<Self, AudioError> {
        let (works, given) = channel::<Work<S>>();
        std::thread::Builder::new()
            .name("device-worker".into())
            .spawn(move || {
                raise_this_thread();
                let mut state = S::default();
                given.into_iter().for_each(|work| work(&mut state));
            })
            .map_err(|_| AudioError::EngineStopped)?;
        Ok(Self { works, overdue: None })
    }

    /// Whether it still does what somebody has stopped waiting for.
    pub(crate) fn is_held_up(&mut self) -> bool {
        let held_up = self.overdue.as_ref().is_some_and(|end| end.try_recv() == Err(TryRecvError::Empty));
        if !held_up {
            self.overdue = None;
        }
        held_up
    }

    /// What `work` gives; `None` if it takes longer than `limit` or the thread is held up. Work that is late is done
    /// all the same, and what it gives is dropped on the thread.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Option<T> {
        if self.is_held_up() {
            return None;
        }
        self.hand_over(limit, work)
    }

    /// The same for work that must be done also if it has to wait: it is given to a thread that is held up as well.
    pub(crate) fn hand_over<T: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Option<T> {
        let held_up = self.is_held_up();
        let (reply, answer) = channel();
        let (done, end) = channel();
        let whole = move |state: &mut S| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(work(state));
            let _ = done.send(());
        };
        self.works.send(Box::new(whole)).ok()?;
        let limit = if held_up { Duration::ZERO } else { limit };
        match answer.recv_timeout(limit) {
            Ok(given) => Some(given),
            Err(RecvTimeoutError::Timeout) => {
                self.overdue = Some(end);
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn work_is_done_in_order_on_one_state() {
        let mut worker = DeviceWorker::<Vec<u32>>::start().unwrap();
        for n in 0..3 {
            assert_eq!(worker.ask(LONG, move |state| state.push(n)), Some(()));
        }
        assert_eq!(worker.ask(LONG, |state| state.clone()), Some(vec![0, 1, 2]));
    }

    #[test]
    fn while_it_is_held_up_nobody_waits_and_nothing_more_is_asked() {
        let mut worker = DeviceWorker::<Vec<u32>>::start().unwrap();
        let (release, released) = channel::<()>();
        assert_eq!(worker.ask(SHORT, move |_| released.recv().is_ok()), None);
        assert!(worker.is_held_up());
        assert_eq!(worker.ask(LONG, |state| state.push(1)), None);
        assert_eq!(worker.hand_over(LONG, |state| state.push(2)), None);
        release.send(()).unwrap();
        while worker.is_held_up() {
            std::thread::yield_now();
        }
        assert_eq!(worker.ask(LONG, |state| state.clone()), Some(vec![2]));
    }
}
