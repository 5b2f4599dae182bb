//! The tasks of one call: every one is started here, ends when the call closes, and is waited for.

use std::time::Duration;

use tokio::{task::AbortHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tasks end within this time of the call's end; a sound system that hangs may hold a thread for longer.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Starts tasks and ends them together. Clones share the tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    closing: CancellationToken,
}

impl Tasks {
    /// Runs until it ends or the call closes, whichever is first.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let closing = self.closing.clone();
        let until_closed = async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = work => {}
            }
        };
        self.tracker.spawn(until_closed).abort_handle()
    }

    /// Runs to its own end also when the call closes: for what says good-bye or lets go of something.
    pub(crate) fn spawn_to_the_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Runs on a thread on which it may block.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.tracker.spawn_blocking(work);
    }

    /// The call closes.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Ends all tasks; they have ended when this returns, but for threads that a hanging sound system holds.
    pub(crate) async fn end(&self) {
        self.closing.cancel();
        self.tracker.close();
        if timeout(END_LIMIT, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "tasks of a call did not end in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn every_task_has_ended_when_the_end_returns() {
        struct Ended(Arc<AtomicBool>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let (tasks, has_ended) = (Tasks::default(), Arc::new(AtomicBool::new(false)));
        let witness = Ended(has_ended.clone());
        tasks.spawn(async move {
            let _witness = witness;
            std::future::pending::<()>().await;
        });
        tasks.end().await;
        assert!(has_ended.load(Ordering::Acquire));
    }
}
