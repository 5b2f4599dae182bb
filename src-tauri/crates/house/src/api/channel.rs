//! The channel of one client: a WebSocket over which a house tells what happens, numbered, so that it can be resumed.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::rejection::QueryRejection,
    extract::{
        Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use serambi_protocol::{
    Code, Refusal,
    api::{ChannelSay, ChannelTell},
};
use serde::Deserialize;
use tokio::sync::watch;

use super::{
    ApiState, Refused,
    extract::{Travelled, bearer, recognise},
};
use crate::{
    authenticator::Session,
    mailbox::News,
    rate::{Limit, Rate},
};

/// A client that says nothing for so long is gone. It pings every three seconds.
const SILENCE_MS: u64 = 10_000;
/// A client that does not take what it is sent for so long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// What a client may say: it pings and reports, once in some seconds each, and after a stall all at once.
const SAID_RATE: Rate = Rate::per_second(60, 20);
/// The largest message of a client, in bytes: a report about a full stage is a third of it.
const SAID_BYTES: usize = 4 * 1024;
/// What is read at once, and what is written at once, in bytes. Each channel keeps as much for as long as it is open;
/// the WebSocket's own defaults are 128 KiB each, for clients that say more than these do.
const BUFFER_BYTES: usize = 1_024;

/// Close codes (RFC 6455 section 7.4.1 and, from 4000, our own).
mod closing {
    /// The house closes.
    pub const GOING_AWAY: u16 = 1001;
    /// What the client said cannot be read.
    pub const UNREADABLE: u16 = 1008;
    /// The same session has opened another channel.
    pub const REPLACED: u16 = 4000;
    /// The client was silent for too long.
    pub const SILENT: u16 = 4001;
    /// The client says more than anybody needs to.
    pub const TOO_MUCH: u16 = 4002;
}

/// What stands behind the question mark.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    after: u64,
    session: Option<String>,
}

/// What happens, as it happens: a WebSocket of [`ChannelTell`]s, of which the first says where the house is reached.
/// `after=N` begins with event N+1; if that is no longer kept, with an `opened` event that holds the whole view.
/// A client that says so is told when somebody calls its person into a room.
/// Besides, both sides tell what they measured: a ping is answered with the house's clock, listeners report what they
/// miss of each voice, speakers are told what all of them together miss; speakers say when their voice was made, and
/// everybody in the room is told. Such messages have no number and are not repeated. Both sides ignore types of
/// messages that they do not know.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    params(
        ("after" = Option<u64>, Query, description = "The last event this session has seen"),
        ("session" = Option<String>, Query, description = "The session's key, where no header can be set")
    ),
    responses(
        (status = 101, description = "A WebSocket: the house sends `ChannelTell`, the client `ChannelSay`")
    ),
    security(("session" = []), ())
)]
pub async fn events(
    State(state): State<Arc<ApiState>>,
    Travelled(transport): Travelled,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let Query(asked) = asked.map_err(|error| Refusal::new(Code::BadRequest, error.body_text()))?;
    let key = bearer(&headers).or(asked.session.as_deref()).ok_or(Code::SessionExpired)?;
    let session = recognise(&state, key, transport)?;
    let upgrade = upgrade.map_err(|error| Refusal::new(Code::BadRequest, error.body_text()))?;
    let upgrade = upgrade.max_message_size(SAID_BYTES).max_frame_size(SAID_BYTES);
    let upgrade = upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| hold(state, session, socket, asked.after)))
}

async fn hold(state: Arc<ApiState>, session: Arc<Session>, socket: WebSocket, after: u64) {
    session.touch(state.clock.now_ms());
    let number = state.rooms.attach(&session);
    let channel = Channel {
        news: session.mailbox.watch(),
        newest: session.channel.subscribe(),
        addresses: state.addresses.clone(),
        heard_at_ms: state.clock.now_ms(),
        limit: Limit::new(SAID_RATE, &state.clock),
        seen: after,
        number,
        state: state.clone(),
        session: session.clone(),
        socket,
    };
    let ended = channel.run().await;
    tracing::debug!(person = session.person.short(), session = session.id, ?ended, "a channel has closed");
    session.touch(state.clock.now_ms());
    state.rooms.detach(&session, number);
}

/// Why a channel ended.
#[derive(Debug)]
enum Ended {
    /// The client, or the network, closed it.
    ByClient,
    /// The house does, with this code.
    ByHouse(u16),
}

struct Channel {
    state: Arc<ApiState>,
    session: Arc<Session>,
    socket: WebSocket,
    news: watch::Receiver<u64>,
    newest: watch::Receiver<u64>,
    addresses: watch::Receiver<Vec<String>>,
    number: u64,
    /// The last event that was sent.
    seen: u64,
    heard_at_ms: u64,
    limit: Limit,
}

impl Channel {
    async fn run(mut self) -> Ended {
        let ended = self.talk().await;
        if let Ended::ByHouse(code) = ended {
            let frame = CloseFrame { code, reason: "".into() };
            // A client that is gone does not mind.
            let _ = tokio::time::timeout(SEND_LIMIT, self.socket.send(Message::Close(Some(frame)))).await;
        }
        ended
    }

    async fn talk(&mut self) -> Ended {
        if let Err(ended) = self.send_addresses().await {
            return ended;
        }
        loop {
            self.news.mark_unchanged();
            if let Err(ended) = self.send_news().await {
                return ended;
            }
            if *self.newest.borrow_and_update() != self.number {
                return Ended::ByHouse(closing::REPLACED);
            }
            let silent_at = self.heard_at_ms + SILENCE_MS;
            let (state, session, stop) = (self.state.clone(), self.session.clone(), self.state.stop.clone());
            let heard = tokio::select! {
                // What has been said already counts before silence does.
                biased;
                heard = self.socket.recv() => self.hear(heard).await,
                _ = self.news.changed() => Ok(()),
                _ = self.newest.changed() => Ok(()),
                Ok(()) = self.addresses.changed() => self.send_addresses().await,
                () = session.ephemeral.any() => self.send_ephemeral().await,
                () = state.clock.reach(silent_at) => Err(Ended::ByHouse(closing::SILENT)),
                () = stop.cancelled() => {
                    // The last events say that all rooms have ended.
                    let _ = self.send_news().await;
                    Err(Ended::ByHouse(closing::GOING_AWAY))
                }
            };
            if let Err(ended) = heard {
                return ended;
            }
        }
    }

    async fn hear(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), Ended> {
        self.heard_at_ms = self.state.clock.now_ms();
        self.session.touch(self.heard_at_ms);
        if matches!(heard, Some(Ok(_))) && self.limit.check().is_err() {
            return Err(Ended::ByHouse(closing::TOO_MUCH));
        }
        match heard {
            Some(Ok(Message::Text(text))) => match read_message(&text) {
                Ok(Some(said)) => self.take(said).await,
                Ok(None) => Ok(()),
                Err(Unreadable) => Err(Ended::ByHouse(closing::UNREADABLE)),
            },
            Some(Ok(Message::Binary(_))) => Err(Ended::ByHouse(closing::UNREADABLE)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Ended::ByClient),
        }
    }

    async fn take(&mut self, said: ChannelSay) -> Result<(), Ended> {
        match said {
            ChannelSay::Ping { sent_micros } => {
                let house_time = Some(self.state.clock.now());
                self.send(&ChannelTell::Pong { sent_micros, house_time }).await
            }
            ChannelSay::Callable { callable } => {
                self.session.set_callable(callable);
                Ok(())
            }
            ChannelSay::Heard(report) => {
                self.state.rooms.take_report(&self.session, report);
                Ok(())
            }
            ChannelSay::Captured { room, mark } => {
                self.state.rooms.take_mark(&self.session, &room, mark);
                Ok(())
            }
        }
    }

    async fn send_addresses(&mut self) -> Result<(), Ended> {
        let addresses = self.addresses.borrow_and_update().clone();
        self.send(&ChannelTell::Addresses { addresses }).await
    }

    async fn send_ephemeral(&mut self) -> Result<(), Ended> {
        for word in self.session.ephemeral.take() {
            self.send(&word).await?;
        }
        Ok(())
    }

    async fn send_news(&mut self) -> Result<(), Ended> {
        loop {
            match self.session.mailbox.after(self.seen) {
                News::Events(events) if events.is_empty() => return Ok(()),
                News::Events(events) => {
                    for envelope in events {
                        self.seen = envelope.seq;
                        self.send(&ChannelTell::Event(envelope)).await?;
                    }
                }
                News::Gap => {
                    let before = self.state.rooms.reopen(self.session.clone()).await;
                    self.seen = before.map_err(|_| Ended::ByHouse(closing::GOING_AWAY))?;
                }
            }
        }
    }

    async fn send(&mut self, tell: &ChannelTell) -> Result<(), Ended> {
        let text = serde_json::to_string(tell).map_err(|_| Ended::ByClient)?;
        match tokio::time::timeout(SEND_LIMIT, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended::ByClient),
        }
    }
}

/// Not JSON, not an object with a `type`, or one of a known type whose fields cannot be read.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

/// The types of [`ChannelSay`].
const KNOWN_TYPES: [&str; 4] = ["ping", "callable", "heard", "captured"];

/// Nothing: a message of a type that only a newer program knows.
fn read_message(text: &str) -> Result<Option<ChannelSay>, Unreadable> {
    #[derive(Deserialize)]
    struct AnyMessage {
        #[serde(rename = "type")]
        kind: String,
    }
    match serde_json::from_str(text) {
        Ok(said) => Ok(Some(said)),
        Err(error) => {
            let AnyMessage { kind } = serde_json::from_str(text).map_err(|_| Unreadable)?;
            tracing::debug!(%error, "a message on a channel that cannot be read");
            if KNOWN_TYPES.contains(&kind.as_str()) { Err(Unreadable) } else { Ok(None) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_client_says_is_ignored_and_what_is_no_message_is_not() {
        assert_eq!(read_message(r#"{"type":"ping"}"#), Ok(Some(ChannelSay::Ping { sent_micros: None })));
        assert_eq!(read_message(r#"{"type":"wave","hand":"left"}"#), Ok(None));
        for rubbish in ["", "rubbish", "[]", "7", r#"{"hand":"left"}"#, r#"{"type":7}"#, r#"{"type":"wave""#] {
            assert_eq!(read_message(rubbish), Err(Unreadable), "{rubbish}");
        }
    }

    #[test]
    fn the_known_types_are_those_of_the_protocol() {
        for kind in KNOWN_TYPES {
            let said = format!(r#"{{"type":"{kind}","sentMicros":"x","room":7}}"#);
            let error = serde_json::from_str::<ChannelSay>(&said).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| !error.contains("unknown variant")), "{kind}");
            assert_eq!(read_message(&said), Err(Unreadable), "{kind}");
        }
    }
}
