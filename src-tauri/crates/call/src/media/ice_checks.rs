//! A nomination that is believed at once, and a handshake that begins right behind it.
//!
//! `rtc-ice` 0.21.1 nominates the best pair that has answered by a second check, lets nothing out before that one is
//! answered too, and the handshake then begins with the next timer. But data may go over any pair that has answered
//! (RFC 8445 section 12.1). So the sockets answer the nominating check themselves, which saves its round trip, and say
//! it to the server until it must have heard; and for [`HURRY`] after that the connection does not sleep long.

use std::{
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rtc::{
    crypto::default_provider,
    stun::{
        attributes::ATTR_USE_CANDIDATE,
        integrity::MessageIntegrity,
        message::{BINDING_REQUEST, BINDING_SUCCESS, Message, is_stun_message},
    },
};

/// The time in which the handshake begins.
const HURRY: Duration = ms(40);
/// The longest sleep in it.
const SHORT_SLEEP: Duration = ms(1);
/// When a nominating check is said again, counted from the time before: at 40 % loss the server has not heard any of
/// them once in 1,500 joins.
pub(super) const NOMINATION_PAUSES: [Duration; 7] = [ms(50), ms(50), ms(100), ms(200), ms(400), ms(800), ms(1_600)];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What one connection knows of the server's ICE, and since when its own has a way.
#[derive(Default)]
pub(super) struct IceChecks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the server; with it alone its answers are believed.
    password: Option<String>,
    nominated_at: Option<Instant>,
}

impl fmt::Debug for IceChecks {
    /// The password is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceChecks").finish_non_exhaustive()
    }
}

impl IceChecks {
    /// Takes the password of the server's description.
    pub(super) fn take_description(&self, sdp: &str) {
        let password = sdp.lines().find_map(|line| line.trim_end().strip_prefix("a=ice-pwd:"));
        self.state.lock().password = password.map(str::to_owned);
    }

    /// The answer that the server would give, if this is a check that nominates.
    pub(super) fn believe(&self, datagram: &[u8], now: Instant) -> Option<Vec<u8>> {
        let check = nomination(datagram)?;
        let mut state = self.state.lock();
        let password = state.password.clone()?;
        let provider = default_provider().ok()?;
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(password, provider.crypto());
        let mut answer = Message::new();
        answer.build(&[Box::new(check), Box::new(BINDING_SUCCESS), Box::new(integrity)]).ok()?;
        state.nominated_at = Some(now);
        Some(answer.raw)
    }

    /// How long the connection sleeps that wants to sleep for so long.
    pub(super) fn sleep(&self, wanted: Duration, now: Instant) -> Duration {
        let nominated_at = self.state.lock().nominated_at;
        let hurries = nominated_at.is_some_and(|at| now.saturating_duration_since(at) < HURRY);
        if hurries { wanted.min(SHORT_SLEEP) } else { wanted }
    }
}

fn nomination(datagram: &[u8]) -> Option<Message> {
    if !is_stun_message(datagram) {
        return None;
    }
    let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
    message.decode().ok()?;
    (message.typ == BINDING_REQUEST && message.contains(ATTR_USE_CANDIDATE)).then_some(message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rtc::stun::message::TransactionId;

    const PASSWORD: &str = "the-password-of-the-server";

    fn request(nominates: bool) -> Message {
        let mut message = Message::new();
        message.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
        if nominates {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        message
    }

    fn checks() -> IceChecks {
        let checks = IceChecks::default();
        checks.take_description(&format!("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:{PASSWORD}\r\n"));
        checks
    }

    #[test]
    fn a_nominating_check_is_answered_with_the_servers_password() {
        let nomination = request(true);
        let raw = checks().believe(&nomination.raw, Instant::now()).unwrap();
        let mut answer = Message { raw, ..Message::default() };
        answer.decode().unwrap();
        assert_eq!((answer.typ, answer.transaction_id), (BINDING_SUCCESS, nomination.transaction_id));
        let provider = default_provider().unwrap();
        MessageIntegrity::check(&mut answer, PASSWORD.as_bytes(), provider.crypto()).unwrap();
    }

    #[test]
    fn whatever_else_leaves_waits_for_the_server() {
        let now = Instant::now();
        assert_eq!(checks().believe(&request(false).raw, now), None, "a check");
        assert_eq!(checks().believe(&[128, 4], now), None, "a voice packet");
        assert_eq!(IceChecks::default().believe(&request(true).raw, now), None, "the password is not known");
    }

    // The handshake began with the next timer, up to 50 ms later.
    #[test]
    fn the_handshake_begins_soon_after_the_nomination() {
        let (checks, now) = (checks(), Instant::now());
        assert_eq!(checks.sleep(ms(250), now), ms(250));
        assert!(checks.believe(&request(true).raw, now).is_some());
        assert_eq!(checks.sleep(ms(250), now + ms(5)), SHORT_SLEEP);
        assert_eq!(checks.sleep(ms(250), now + HURRY), ms(250));
    }
}
