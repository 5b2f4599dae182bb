//! Who somebody is: challenges, sign-ins and the sessions that follow.
//!
//! A session's key is known to its client only; the house keeps a hash, so nothing read out of its memory or a log
//! opens a session.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serambi_protocol::{
    Code, PersonId, Refusal,
    api::{self, Challenge, ChannelTell, SignIn},
    limits::CHALLENGE_MS,
    link::Pin,
    name::read_name,
    sign_in,
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{
    clock::Clock,
    ephemeral::EphemeralMessages,
    mailbox::Mailbox,
    rate::{Bucket, Rate},
};

/// Unanswered challenges kept; the oldest makes room for a new one.
const CHALLENGES_KEPT: usize = 10_000;
/// Sessions of one person; the one unused longest makes room for a new one.
const SESSIONS_PER_PERSON: usize = 8;
/// A session that was not used for so long has ended.
const SESSION_IDLE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Requests of one session: far more than any hand on a mouse makes.
const SESSION_RATE: Rate = Rate { burst: 60, per_second: 20 };

/// One signed-in client. A person may be signed in several times and is in a room through one of them.
#[derive(Debug)]
pub struct Session {
    /// Its number within this house.
    pub id: u64,
    /// Who.
    pub person: PersonId,
    /// The display name of this sign-in.
    pub name: String,
    /// What the client has been and will be told.
    pub mailbox: Mailbox,
    /// What it is told only if it listens right now.
    pub ephemeral: EphemeralMessages,
    /// The number of the channel that reads the mailbox; an older channel sees that it is not the one any more.
    pub channel: watch::Sender<u64>,
    bucket: Mutex<Bucket>,
    used_at_ms: AtomicU64,
}

impl Session {
    /// Counts one request.
    ///
    /// # Errors
    /// `rate_limited`.
    fn ask(&self, now_ms: u64) -> Result<(), Refusal> {
        self.used_at_ms.store(now_ms, Ordering::Relaxed);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.take(SESSION_RATE, now_ms) { Ok(()) } else { Err(Code::RateLimited.into()) }
    }

    /// Tells the client something in passing; nothing if it does not listen.
    pub fn say(&self, word: ChannelTell) {
        if self.mailbox.is_read() {
            self.ephemeral.say(word);
        }
    }

    /// Something came from the client, on its channel or as a request.
    pub fn hear(&self, now_ms: u64) {
        self.used_at_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When something last came from the client.
    pub fn heard_at_ms(&self) -> u64 {
        self.used_at_ms.load(Ordering::Relaxed)
    }

    fn is_idle(&self, now_ms: u64) -> bool {
        // A channel that is open is use enough: somebody reads the mailbox.
        !self.mailbox.is_read() && now_ms.saturating_sub(self.used_at_ms.load(Ordering::Relaxed)) > SESSION_IDLE_MS
    }
}

struct Asked {
    person: PersonId,
    at_ms: u64,
}

#[derive(Default)]
struct Registry {
    challenges: HashMap<String, Asked>,
    /// By the SHA-256 of their keys.
    sessions: HashMap<[u8; 32], Arc<Session>>,
    sessions_made: u64,
}

/// Challenges that wait for an answer, and open sessions.
pub struct Authenticator {
    pin: Pin,
    clock: Clock,
    registry: Mutex<Registry>,
}

impl Authenticator {
    /// For the house with this fingerprint.
    pub fn new(pin: Pin, clock: Clock) -> Self {
        Self { pin, clock, registry: Mutex::default() }
    }

    /// Something for `person` to sign.
    pub fn challenge(&self, person: PersonId) -> Challenge {
        let challenge = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let now = self.clock.now_ms();
        let mut registry = self.lock();
        registry.challenges.retain(|_, asked| is_fresh(asked, now));
        if registry.challenges.len() >= CHALLENGES_KEPT {
            let oldest = registry.challenges.iter().min_by_key(|(_, asked)| asked.at_ms).map(|(key, _)| key.clone());
            oldest.and_then(|key| registry.challenges.remove(&key));
        }
        registry.challenges.insert(challenge.clone(), Asked { person, at_ms: now });
        Challenge { challenge, pin: self.pin.to_string() }
    }

    /// Opens a session for whoever answers a challenge.
    ///
    /// # Errors
    /// `name_…`, `challenge_expired`, `signature_wrong`.
    pub fn sign_in(&self, answer: &SignIn) -> Result<api::Session, Refusal> {
        // First what the person can put right without a new challenge.
        let name = read_name(&answer.name)?;
        let now = self.clock.now_ms();
        self.use_challenge(answer, now)?;
        sign_in::verify(&answer.person, self.pin.as_str(), &answer.challenge, &answer.signature)?;
        Ok(self.open_session(answer.person.clone(), name, now))
    }

    /// Who holds this key.
    ///
    /// # Errors
    /// `session_expired`, `rate_limited`.
    pub fn recognise(&self, key: &str) -> Result<Arc<Session>, Refusal> {
        let now = self.clock.now_ms();
        let session = self.lock().sessions.get(&hash(key)).cloned();
        let session = session.filter(|session| !session.is_idle(now)).ok_or(Code::SessionExpired)?;
        session.ask(now)?;
        Ok(session)
    }

    /// A challenge is gone once it was answered, rightly or wrongly.
    fn use_challenge(&self, answer: &SignIn, now_ms: u64) -> Result<(), Refusal> {
        let mut registry = self.lock();
        let is_theirs = registry.challenges.get(&answer.challenge).is_some_and(|asked| asked.person == answer.person);
        if !is_theirs {
            return Err(Code::ChallengeExpired.into());
        }
        match registry.challenges.remove(&answer.challenge) {
            Some(asked) if is_fresh(&asked, now_ms) => Ok(()),
            _ => Err(Code::ChallengeExpired.into()),
        }
    }

    fn open_session(&self, person: PersonId, name: String, now_ms: u64) -> api::Session {
        let key = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut registry = self.lock();
        registry.sessions.retain(|_, session| !session.is_idle(now_ms));
        make_room(&mut registry.sessions, &person);
        registry.sessions_made += 1;
        let session = Session {
            id: registry.sessions_made,
            person,
            name,
            mailbox: Mailbox::default(),
            ephemeral: EphemeralMessages::default(),
            channel: watch::Sender::new(0),
            bucket: Mutex::new(Bucket::full(SESSION_RATE, now_ms)),
            used_at_ms: AtomicU64::new(now_ms),
        };
        registry.sessions.insert(hash(&key), Arc::new(session));
        api::Session { session: key }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(asked: &Asked, now_ms: u64) -> bool {
    now_ms.saturating_sub(asked.at_ms) <= CHALLENGE_MS
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn make_room(sessions: &mut HashMap<[u8; 32], Arc<Session>>, person: &PersonId) {
    let mut theirs: Vec<(bool, u64, [u8; 32])> = sessions
        .iter()
        .filter(|(_, session)| session.person == *person)
        .map(|(key, session)| (session.mailbox.is_read(), session.used_at_ms.load(Ordering::Relaxed), *key))
        .collect();
    theirs.sort_unstable();
    let surplus = (theirs.len() + 1).saturating_sub(SESSIONS_PER_PERSON);
    for (_, _, key) in theirs.into_iter().take(surplus) {
        sessions.remove(&key);
    }
}

/// A session as somebody has who signed in.
#[cfg(test)]
pub fn test_session(number: u8) -> Arc<Session> {
    Arc::new(Session {
        id: number.into(),
        person: PersonId::from_key(&[number; 32]),
        name: format!("Person {number}"),
        mailbox: Mailbox::default(),
        ephemeral: EphemeralMessages::default(),
        channel: watch::Sender::new(0),
        bucket: Mutex::new(Bucket::full(SESSION_RATE, 0)),
        used_at_ms: AtomicU64::new(0),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ed25519_dalek::SigningKey;

    struct Visitor(SigningKey);

    impl Visitor {
        fn id(&self) -> PersonId {
            PersonId::from_key(self.0.verifying_key().as_bytes())
        }

        fn answer(&self, challenge: &Challenge, pin: &str) -> SignIn {
            SignIn {
                person: self.id(),
                challenge: challenge.challenge.clone(),
                signature: sign_in::sign(&self.0, pin, &challenge.challenge),
                name: "Sari".into(),
            }
        }
    }

    fn authenticator_and_visitor() -> (Authenticator, Clock, Visitor) {
        let clock = Clock::default();
        let authenticator = Authenticator::new(Pin::from_digest(&[1; 32]), clock.clone());
        (authenticator, clock, Visitor(SigningKey::from_bytes(&[5; 32])))
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_signed_challenge_opens_a_session_with_that_name() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let opened = authenticator.sign_in(&sari.answer(&challenge, &challenge.pin)).unwrap();
        let session = authenticator.recognise(&opened.session).unwrap();
        assert_eq!((session.person.clone(), session.name.as_str()), (sari.id(), "Sari"));
    }

    #[test]
    fn a_challenge_is_good_once_and_for_thirty_seconds() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let answer = sari.answer(&challenge, &challenge.pin);
        assert!(authenticator.sign_in(&answer).is_ok());
        assert_eq!(code(authenticator.sign_in(&answer)), Some(Code::ChallengeExpired));
        let challenge = authenticator.challenge(sari.id());
        clock.skip_ms(CHALLENGE_MS + 1);
        assert_eq!(code(authenticator.sign_in(&sari.answer(&challenge, &challenge.pin))), Some(Code::ChallengeExpired));
    }

    #[test]
    fn a_wrong_signature_uses_the_challenge_up() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let wrong = SignIn { signature: "AAAA".into(), ..sari.answer(&challenge, &challenge.pin) };
        assert_eq!(code(authenticator.sign_in(&wrong)), Some(Code::SignatureWrong));
        assert_eq!(code(authenticator.sign_in(&sari.answer(&challenge, &challenge.pin))), Some(Code::ChallengeExpired));
    }

    #[test]
    fn what_was_signed_for_another_house_or_asked_by_another_person_opens_nothing() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        assert_eq!(code(authenticator.sign_in(&sari.answer(&challenge, "another-house"))), Some(Code::SignatureWrong));
        let challenge = authenticator.challenge(sari.id());
        let wei = Visitor(SigningKey::from_bytes(&[6; 32]));
        assert_eq!(code(authenticator.sign_in(&wei.answer(&challenge, &challenge.pin))), Some(Code::ChallengeExpired));
        assert!(
            authenticator.sign_in(&sari.answer(&challenge, &challenge.pin)).is_ok(),
            "Wei must not use up Sari's challenge"
        );
    }

    #[test]
    fn a_bad_name_does_not_use_the_challenge_up() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let answer = sari.answer(&challenge, &challenge.pin);
        let nameless = SignIn { name: " ".into(), ..answer.clone() };
        assert_eq!(code(authenticator.sign_in(&nameless)), Some(Code::NameEmpty));
        assert!(authenticator.sign_in(&answer).is_ok());
    }

    #[test]
    fn a_session_ends_after_a_day_without_use_and_the_ninth_ends_the_first() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let sign_in = || {
            let challenge = authenticator.challenge(sari.id());
            authenticator.sign_in(&sari.answer(&challenge, &challenge.pin)).unwrap().session
        };
        let first = sign_in();
        clock.skip_ms(1);
        let others: Vec<String> = (1..SESSIONS_PER_PERSON).map(|_| sign_in()).collect();
        assert!(authenticator.recognise(&first).is_ok());
        clock.skip_ms(1);
        others.iter().for_each(|key| assert!(authenticator.recognise(key).is_ok()));
        sign_in();
        assert_eq!(code(authenticator.recognise(&first)), Some(Code::SessionExpired));
        clock.skip_ms(SESSION_IDLE_MS + 1);
        assert_eq!(code(authenticator.recognise(&others[0])), Some(Code::SessionExpired));
        assert_eq!(code(authenticator.recognise("made up")), Some(Code::SessionExpired));
    }

    #[test]
    fn a_session_that_asks_without_end_is_slowed_down() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let session = authenticator.sign_in(&sari.answer(&challenge, &challenge.pin)).unwrap().session;
        let refused =
            (0..SESSION_RATE.burst + 40).filter(|_| code(authenticator.recognise(&session)) == Some(Code::RateLimited));
        assert!(refused.count() > 0);
        clock.skip_ms(1_000);
        assert!(authenticator.recognise(&session).is_ok());
    }
}
