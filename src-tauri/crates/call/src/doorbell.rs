//! A connection to a house that is kept while this person is in no room there, so that they can be called.

use std::time::Duration;

use serambi_protocol::{Refusal, door::Called};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    house_channel::{ChannelNews, HouseChannel},
    house_client::HouseClient,
};

/// A house that was lost for so long is looked for less and less often.
const LOST_FOR: Duration = Duration::from_secs(15);
/// The first pause; the next are twice as long each time. Nobody waits for a doorbell.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// The bell of one house; dropping it takes it down.
#[derive(Debug)]
pub struct Doorbell {
    task: JoinHandle<()>,
}

impl Doorbell {
    /// Signs in with `sign_in`, again whenever the house was lost for a while, and calls `ring` for each call.
    pub fn hang<S: Future<Output = Result<HouseClient, Refusal>> + Send + 'static>(
        sign_in: impl Fn() -> S + Send + Sync + 'static,
        ring: impl Fn(&HouseClient, Called) + Send + Sync + 'static,
    ) -> Self {
        Self { task: tokio::spawn(async move { keep_ringing(&sign_in, &ring).await }) }
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_ringing<S: Future<Output = Result<HouseClient, Refusal>> + Send>(
    sign_in: &(impl Fn() -> S + Send + Sync),
    ring: &(impl Fn(&HouseClient, Called) + Send + Sync),
) {
    let mut tries = 0;
    loop {
        match sign_in().await {
            Ok(house) if listen(&house, ring).await => tries = 0,
            Ok(_) => {}
            Err(refusal) => tracing::debug!(code = %refusal.code, "a house in which nobody can be called now"),
        }
        sleep(pause(tries, rand::random())).await;
        tries += 1;
    }
}

/// Until the house is lost for a while; whether it was there at all.
async fn listen(house: &HouseClient, ring: &impl Fn(&HouseClient, Called)) -> bool {
    house.set_callable(true);
    let mut channel: HouseChannel = house.events(0);
    let mut was_up = false;
    let mut lost_at = Some(Instant::now());
    loop {
        let gives_up = lost_at.map(|at| at + LOST_FOR);
        tokio::select! {
            news = channel.next() => match news {
                Some(ChannelNews::Up) => (was_up, lost_at) = (true, None),
                Some(ChannelNews::Down(_)) => _ = lost_at.get_or_insert_with(Instant::now),
                Some(ChannelNews::Called(called)) => ring(house, *called),
                Some(_) => {}
                None => return was_up,
            },
            () = at(gives_up) => {
                channel.close().await;
                return was_up;
            }
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long to leave a house alone after so many tries in vain. `jitter` (0 to 1) spreads many clients.
fn pause(tries: u32, jitter: f64) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE);
    pause.mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_house_that_is_gone_for_days_is_asked_once_in_two_minutes() {
        let seconds: Vec<u64> = (0..8).map(|tries| pause(tries, 0.5).as_secs()).collect();
        assert_eq!(seconds, [4, 8, 16, 32, 64, 120, 120, 120]);
        assert!(pause(u32::MAX, 1.0) <= LONGEST_PAUSE.mul_f64(1.25));
    }
}
