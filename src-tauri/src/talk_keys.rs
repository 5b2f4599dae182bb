//! Push to talk at work: keys come in, the microphone follows, one thing after the other.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::push_to_talk::{Key, Microphone, PushToTalk};

/// With nothing due the keys are waited for; this is how long an empty wait lasts.
const LONG: Duration = Duration::from_secs(3_600);

#[derive(Default)]
struct Held {
    keys: PushToTalk,
    /// What the microphone is to do next; only the newest counts.
    next: Option<Microphone>,
}

/// The keys that are held, and what they ask of the microphone.
#[derive(Default)]
pub struct TalkKeys {
    held: Mutex<Held>,
    changed: Notify,
}

impl TalkKeys {
    /// A key went down.
    pub fn press(&self, key: Key) {
        self.change(|keys| keys.press(key));
    }

    /// A key came up.
    pub fn release(&self, key: Key) {
        self.change(|keys| {
            keys.release(key, Instant::now());
            None
        });
    }

    /// A moderator closed the microphone.
    pub fn overrule(&self) {
        self.change(|keys| {
            keys.overrule();
            None
        });
    }

    /// There are other keys from now on, or none.
    pub fn let_go(&self) {
        self.change(PushToTalk::let_go);
    }

    /// Has the microphone follow the keys, for as long as the program lasts. An opening that is waited for is given up
    /// when the key comes up.
    pub async fn follow<F: Future<Output = ()>>(&self, set: impl Fn(Microphone) -> F) {
        loop {
            match self.next().await {
                Microphone::Mute => set(Microphone::Mute).await,
                Microphone::Unmute => tokio::select! {
                    biased;
                    () = set(Microphone::Unmute) => {}
                    () = self.is_to_be_muted() => {}
                },
            }
        }
    }

    async fn next(&self) -> Microphone {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut held = self.lock();
                held.pass_to(Instant::now());
                if let Some(next) = held.next.take() {
                    return next;
                }
                held.wait()
            };
            // Either way it is looked at again.
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }

    async fn is_to_be_muted(&self) {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut held = self.lock();
                held.pass_to(Instant::now());
                if held.next == Some(Microphone::Mute) {
                    return;
                }
                held.wait()
            };
            // Either way it is looked at again.
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut PushToTalk) -> Option<Microphone>) {
        let mut held = self.lock();
        let next = change(&mut held.keys);
        held.next = next.or(held.next);
        drop(held);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn pass_to(&mut self, now: Instant) {
        self.next = self.keys.pass_to(now).or(self.next);
    }

    fn wait(&self) -> Duration {
        self.keys.due().map_or(LONG, |due| due.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// What the microphone was told, and how many times opening it may succeed.
    fn follow(keys: &Arc<TalkKeys>, openings: usize) -> mpsc::Receiver<Microphone> {
        let (told, hear) = mpsc::channel(8);
        let house = Arc::new(Semaphore::new(openings));
        let keys = keys.clone();
        tokio::spawn(async move {
            let set = |microphone| {
                let (told, house) = (told.clone(), house.clone());
                async move {
                    // A house that does not answer holds an opening up for good.
                    if microphone == Microphone::Unmute
                        && let Ok(agreed) = house.acquire().await
                    {
                        agreed.forget();
                    }
                    assert!(told.send(microphone).await.is_ok());
                }
            };
            keys.follow(set).await;
        });
        hear
    }

    async fn told(hear: &mut mpsc::Receiver<Microphone>) -> Option<Microphone> {
        tokio::time::timeout(LIMIT, hear.recv()).await.ok().flatten()
    }

    #[tokio::test]
    async fn the_microphone_opens_with_the_key_and_closes_after_it() {
        let keys = Arc::<TalkKeys>::default();
        let mut hear = follow(&keys, 1);
        keys.press(Key::Anywhere);
        assert_eq!(told(&mut hear).await, Some(Microphone::Unmute));
        keys.release(Key::Anywhere);
        assert_eq!(told(&mut hear).await, Some(Microphone::Mute));
    }

    #[tokio::test]
    async fn a_key_that_comes_up_while_the_house_is_still_asked_closes_the_microphone() {
        let keys = Arc::<TalkKeys>::default();
        let mut hear = follow(&keys, 0);
        keys.press(Key::Anywhere);
        keys.release(Key::Anywhere);
        assert_eq!(told(&mut hear).await, Some(Microphone::Mute));
    }
}
