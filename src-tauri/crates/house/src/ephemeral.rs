//! Ephemeral messages of a channel: not numbered, not kept while nobody listens, the oldest dropped first.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use serambi_protocol::api::ChannelTell;
use tokio::sync::Notify;

/// Messages that wait for a client that reads slowly: some ten seconds of them.
const MAX_WAITING: usize = 32;

/// The messages that wait for one session's channel.
#[derive(Debug, Default)]
pub struct EphemeralMessages {
    waiting: Mutex<VecDeque<ChannelTell>>,
    any: Notify,
}

impl EphemeralMessages {
    /// Something to be told soon or never.
    pub fn say(&self, word: ChannelTell) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(word);
        self.any.notify_one();
    }

    /// Everything that waits.
    pub fn take(&self) -> Vec<ChannelTell> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Returns once something may be waiting.
    pub async fn any(&self) {
        self.any.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(number: i64) -> ChannelTell {
        ChannelTell::Pong { sent_micros: Some(number), house_time: None }
    }

    #[tokio::test]
    async fn whoever_reads_slowly_loses_the_oldest() {
        let words = EphemeralMessages::default();
        (0..40).for_each(|number| words.say(word(number)));
        words.any().await;
        let taken = words.take();
        assert_eq!(taken.len(), MAX_WAITING);
        assert_eq!((taken.first(), taken.last()), (Some(&word(8)), Some(&word(39))));
        assert!(words.take().is_empty());
    }
}
