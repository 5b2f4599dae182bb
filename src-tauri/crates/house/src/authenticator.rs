//! Who somebody is: challenges, sign-ins and the sessions that follow.
//!
//! A session's key is known to its client only; the house keeps a hash, so nothing read out of its memory or a log
//! opens a session.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lru::LruCache;
use serambi_protocol::{
    Code, DomainName, PersonId, Refusal,
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
    rate::{Limit, OverLimit, Rate},
};

/// Unanswered challenges kept; the oldest makes room for a new one.
const MAX_CHALLENGES: usize = 10_000;
/// Sessions in all; the one unused longest makes room for a new one.
const MAX_SESSIONS: usize = 16_384;
/// Sessions of one person; the one unused longest makes room for a new one.
const MAX_SESSIONS_PER_PERSON: usize = 8;
/// A session without a seat and without a channel that was not used for so long has ended.
const MAX_SESSION_IDLE_MS: u64 = 10 * 60 * 1_000;
/// Sessions looked at for each new one, so that no sign-in waits for all of them.
const MAX_SESSIONS_CHECKED: usize = 64;
/// Requests of one session: far more than any hand on a mouse makes.
const SESSION_RATE: Rate = Rate::per_second(60, 20);

/// One signed-in client. A person may be signed in several times and is in a room through one of them.
#[derive(Debug)]
pub struct Session {
    /// Its number within this house.
    pub id: u64,
    /// Who.
    pub person: PersonId,
    /// The display name of this sign-in.
    pub name: String,
    /// Its key never travelled where others could read it. What such a session may not do is said at
    /// [`crate::network::Transport`].
    pub is_confidential: bool,
    /// What the client has been and will be told.
    pub mailbox: Mailbox,
    /// What it is told only if it listens right now.
    pub ephemeral: EphemeralMessages,
    /// The number of the channel that reads the mailbox; an older channel sees that it is not the one any more.
    pub channel: watch::Sender<u64>,
    limit: Limit,
    used_at_ms: AtomicU64,
    /// Wants to be called into rooms.
    callable: AtomicBool,
}

impl Session {
    /// Counts one request.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn check_rate(&self) -> Result<(), OverLimit> {
        self.limit.check()
    }

    /// Notes that the session is in use now.
    pub fn touch(&self, now_ms: u64) {
        self.used_at_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Tells the client something in passing; nothing if it does not listen.
    pub fn say(&self, word: ChannelTell) {
        if self.mailbox.is_read() {
            self.ephemeral.say(word);
        }
    }

    /// Notes whether this client wants to be called into rooms.
    pub fn set_callable(&self, callable: bool) {
        self.callable.store(callable, Ordering::Relaxed);
    }

    fn is_callable(&self) -> bool {
        self.callable.load(Ordering::Relaxed) && self.mailbox.is_read()
    }

    /// When something last came from the client, on its channel or as a request.
    pub fn used_at_ms(&self) -> u64 {
        self.used_at_ms.load(Ordering::Relaxed)
    }

    fn is_idle(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_at_ms()) > MAX_SESSION_IDLE_MS
    }
}

/// The SHA-256 of a session's key.
type KeyHash = [u8; 32];

struct PendingChallenge {
    person: PersonId,
    at_ms: u64,
}

struct Registry {
    /// The newest was asked for last.
    challenges: LruCache<String, PendingChallenge>,
    /// The newest was used last, or seen in use.
    sessions: LruCache<KeyHash, Arc<Session>>,
    by_person: HashMap<PersonId, Vec<KeyHash>>,
    sessions_made: u64,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            challenges: LruCache::unbounded(),
            sessions: LruCache::unbounded(),
            by_person: HashMap::new(),
            sessions_made: 0,
        }
    }
}

impl Registry {
    fn add_challenge(&mut self, challenge: String, pending: PendingChallenge) {
        let now_ms = pending.at_ms;
        while self.challenges.peek_lru().is_some_and(|(_, oldest)| !is_fresh(oldest, now_ms)) {
            self.challenges.pop_lru();
        }
        if self.challenges.len() >= MAX_CHALLENGES {
            self.challenges.pop_lru();
        }
        self.challenges.push(challenge, pending);
    }

    fn add_session(&mut self, key: KeyHash, session: Session) {
        self.by_person.entry(session.person).or_default().push(key);
        self.sessions.push(key, Arc::new(session));
    }

    fn end_session(&mut self, key: &KeyHash) {
        let Some(session) = self.sessions.pop(key) else { return };
        if let Some(theirs) = self.by_person.get_mut(&session.person) {
            theirs.retain(|other| other != key);
            if theirs.is_empty() {
                self.by_person.remove(&session.person);
            }
        }
    }

    /// Ends sessions that nobody uses any more, from the one unused longest on; with `at_least_one` the first of them
    /// also if it was used a moment ago. Was there one?
    fn end_idle_sessions(&mut self, now_ms: u64, mut at_least_one: bool) -> bool {
        for _ in 0..MAX_SESSIONS_CHECKED {
            let Some((key, oldest)) = self.sessions.peek_lru().map(|(key, session)| (*key, session)) else { break };
            if is_held(oldest) {
                oldest.touch(now_ms);
                self.sessions.promote(&key);
            } else if at_least_one || oldest.is_idle(now_ms) {
                self.end_session(&key);
                at_least_one = false;
            } else {
                break;
            }
        }
        !at_least_one
    }

    /// Ends sessions of this person until one more may be opened.
    fn end_surplus_sessions(&mut self, person: &PersonId) {
        let theirs = self.by_person.get(person).map(Vec::as_slice).unwrap_or_default();
        let mut oldest: Vec<(bool, u64, KeyHash)> = theirs
            .iter()
            .filter_map(|key| Some((key, self.sessions.peek(key)?)))
            .map(|(key, session)| (session.mailbox.is_read(), session.used_at_ms(), *key))
            .collect();
        oldest.sort_unstable();
        let surplus = (oldest.len() + 1).saturating_sub(MAX_SESSIONS_PER_PERSON);
        oldest.iter().take(surplus).for_each(|(_, _, key)| self.end_session(key));
    }
}

/// Challenges that wait for an answer, and open sessions.
pub struct Authenticator {
    pin: Pin,
    /// By which visitors know the house who have no pin.
    name: Option<DomainName>,
    clock: Clock,
    registry: Mutex<Registry>,
}

impl Authenticator {
    /// For the house with this fingerprint, and this domain if it has one.
    pub fn new(pin: Pin, name: Option<DomainName>, clock: Clock) -> Self {
        Self { pin, name, clock, registry: Mutex::default() }
    }

    /// Something for `person` to sign.
    pub fn challenge(&self, person: PersonId) -> Challenge {
        let challenge = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let at_ms = self.clock.now_ms();
        self.lock().add_challenge(challenge.clone(), PendingChallenge { person, at_ms });
        Challenge { challenge, pin: self.pin.to_string() }
    }

    /// Opens a session for whoever answers a challenge. `is_confidential`: nobody on the way could read the answer.
    ///
    /// # Errors
    /// `name_…`, `challenge_expired`, `signature_wrong`, `rate_limited` if every session there may be is in use.
    pub fn sign_in(&self, answer: &SignIn, is_confidential: bool) -> Result<api::Session, Refusal> {
        // First what the person can put right without a new challenge.
        let name = read_name(&answer.name)?;
        let now = self.clock.now_ms();
        self.use_challenge(answer, now)?;
        self.verify(answer)?;
        self.open_session(answer.person, name, is_confidential, now)
    }

    /// What was signed must be what the visitor has checked: the pin, or the name of the certificate.
    fn verify(&self, answer: &SignIn) -> Result<(), Refusal> {
        let by = |house: &str| sign_in::verify(&answer.person, house, &answer.challenge, &answer.signature);
        by(self.pin.as_str()).or_else(|refusal| self.name.as_ref().map_or(Err(refusal), |name| by(name.as_str())))
    }

    /// Who holds this key.
    ///
    /// # Errors
    /// `session_expired`.
    pub fn recognise(&self, key: &str) -> Result<Arc<Session>, Refusal> {
        let now = self.clock.now_ms();
        let key = hash(key);
        let mut registry = self.lock();
        let session = registry.sessions.get(&key).ok_or(Code::SessionExpired)?;
        if !is_held(session) && session.is_idle(now) {
            registry.end_session(&key);
            return Err(Code::SessionExpired.into());
        }
        session.touch(now);
        Ok(session.clone())
    }

    /// Every client that listens and wants to be called into rooms.
    pub fn callable_sessions(&self) -> Vec<Arc<Session>> {
        let registry = self.lock();
        registry.sessions.iter().map(|(_, session)| session).filter(|session| session.is_callable()).cloned().collect()
    }

    /// The same of one person.
    pub fn callable_sessions_of(&self, person: &PersonId) -> Vec<Arc<Session>> {
        let registry = self.lock();
        let theirs = registry.by_person.get(person).into_iter().flatten();
        let sessions = theirs.filter_map(|key| registry.sessions.peek(key));
        sessions.filter(|session| session.is_callable()).cloned().collect()
    }

    /// A challenge is gone once it was answered, rightly or wrongly.
    fn use_challenge(&self, answer: &SignIn, now_ms: u64) -> Result<(), Refusal> {
        let mut registry = self.lock();
        let is_theirs = registry.challenges.peek(&answer.challenge).is_some_and(|asked| asked.person == answer.person);
        if !is_theirs {
            return Err(Code::ChallengeExpired.into());
        }
        match registry.challenges.pop(&answer.challenge) {
            Some(asked) if is_fresh(&asked, now_ms) => Ok(()),
            _ => Err(Code::ChallengeExpired.into()),
        }
    }

    fn open_session(
        &self,
        person: PersonId,
        name: String,
        is_confidential: bool,
        now_ms: u64,
    ) -> Result<api::Session, Refusal> {
        let key = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut registry = self.lock();
        registry.end_surplus_sessions(&person);
        let is_full = registry.sessions.len() >= MAX_SESSIONS;
        if !registry.end_idle_sessions(now_ms, is_full) {
            return Err(Refusal::new(Code::RateLimited, "too many people are signed in"));
        }
        registry.sessions_made += 1;
        let session = Session {
            id: registry.sessions_made,
            person,
            name,
            is_confidential,
            mailbox: Mailbox::default(),
            ephemeral: EphemeralMessages::default(),
            channel: watch::Sender::new(0),
            limit: Limit::new(SESSION_RATE, &self.clock),
            used_at_ms: AtomicU64::new(now_ms),
            callable: AtomicBool::new(false),
        };
        registry.add_session(hash(&key), session);
        Ok(api::Session { session: key })
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody else holds it too: a room in which it has a seat, a channel, or a request that is being answered.
fn is_held(session: &Arc<Session>) -> bool {
    Arc::strong_count(session) > 1
}

fn is_fresh(asked: &PendingChallenge, now_ms: u64) -> bool {
    now_ms.saturating_sub(asked.at_ms) <= CHALLENGE_MS
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A session as somebody has who signed in.
#[cfg(test)]
pub fn test_session(number: u16) -> Arc<Session> {
    let mut key = [0; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    Arc::new(Session {
        id: number.into(),
        person: PersonId::from_key(&key),
        name: format!("Person {number}"),
        is_confidential: true,
        mailbox: Mailbox::default(),
        ephemeral: EphemeralMessages::default(),
        channel: watch::Sender::new(0),
        limit: Limit::new(SESSION_RATE, &Clock::default()),
        used_at_ms: AtomicU64::new(0),
        callable: AtomicBool::new(false),
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
        let authenticator = Authenticator::new(Pin::from_digest(&[1; 32]), None, clock.clone());
        (authenticator, clock, Visitor(SigningKey::from_bytes(&[5; 32])))
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_signed_challenge_opens_a_session_with_that_name() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let opened = authenticator.sign_in(&sari.answer(&challenge, &challenge.pin), true).unwrap();
        let session = authenticator.recognise(&opened.session).unwrap();
        assert_eq!((session.person, session.name.as_str()), (sari.id(), "Sari"));
    }

    #[test]
    fn a_challenge_is_good_once_and_for_thirty_seconds() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let answer = sari.answer(&challenge, &challenge.pin);
        assert!(authenticator.sign_in(&answer, true).is_ok());
        assert_eq!(code(authenticator.sign_in(&answer, true)), Some(Code::ChallengeExpired));
        let challenge = authenticator.challenge(sari.id());
        clock.skip_ms(CHALLENGE_MS + 1);
        assert_eq!(
            code(authenticator.sign_in(&sari.answer(&challenge, &challenge.pin), true)),
            Some(Code::ChallengeExpired)
        );
    }

    #[test]
    fn a_wrong_signature_uses_the_challenge_up() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let wrong = SignIn { signature: "AAAA".into(), ..sari.answer(&challenge, &challenge.pin) };
        assert_eq!(code(authenticator.sign_in(&wrong, true)), Some(Code::SignatureWrong));
        assert_eq!(
            code(authenticator.sign_in(&sari.answer(&challenge, &challenge.pin), true)),
            Some(Code::ChallengeExpired)
        );
    }

    #[test]
    fn what_was_signed_for_another_house_or_asked_by_another_person_opens_nothing() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        assert_eq!(
            code(authenticator.sign_in(&sari.answer(&challenge, "another-house"), true)),
            Some(Code::SignatureWrong)
        );
        let challenge = authenticator.challenge(sari.id());
        let wei = Visitor(SigningKey::from_bytes(&[6; 32]));
        assert_eq!(
            code(authenticator.sign_in(&wei.answer(&challenge, &challenge.pin), true)),
            Some(Code::ChallengeExpired)
        );
        assert!(
            authenticator.sign_in(&sari.answer(&challenge, &challenge.pin), true).is_ok(),
            "Wei must not use up Sari's challenge"
        );
    }

    #[test]
    fn a_bad_name_does_not_use_the_challenge_up() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let challenge = authenticator.challenge(sari.id());
        let answer = sari.answer(&challenge, &challenge.pin);
        let nameless = SignIn { name: " ".into(), ..answer.clone() };
        assert_eq!(code(authenticator.sign_in(&nameless, true)), Some(Code::NameEmpty));
        assert!(authenticator.sign_in(&answer, true).is_ok());
    }

    fn open(authenticator: &Authenticator, visitor: &Visitor) -> String {
        let challenge = authenticator.challenge(visitor.id());
        authenticator.sign_in(&visitor.answer(&challenge, &challenge.pin), true).unwrap().session
    }

    fn is_open(authenticator: &Authenticator, key: &str) -> bool {
        authenticator.recognise(key).is_ok()
    }

    /// Known failure: 8,000 sign-ins were kept for a day.
    #[test]
    fn a_session_without_a_seat_and_a_channel_ends_after_ten_minutes_without_use() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let (used, unused) = (open(&authenticator, &sari), open(&authenticator, &sari));
        let seat = authenticator.recognise(&open(&authenticator, &sari)).unwrap();
        clock.skip_ms(MAX_SESSION_IDLE_MS - 1_000);
        assert!(is_open(&authenticator, &used));
        clock.skip_ms(2_000);
        assert!(is_open(&authenticator, &used));
        assert!(!is_open(&authenticator, &unused));
        assert!(!is_open(&authenticator, "made up"));
        open(&authenticator, &sari);
        assert!(authenticator.lock().sessions.iter().any(|(_, session)| Arc::ptr_eq(session, &seat)), "it has a seat");
    }

    #[test]
    fn sessions_that_nobody_uses_leave_nothing_behind() {
        let (authenticator, clock, _) = authenticator_and_visitor();
        for number in 0..100 {
            open(&authenticator, &Visitor(SigningKey::from_bytes(&[number; 32])));
        }
        clock.skip_ms(MAX_SESSION_IDLE_MS + 1);
        let sari = Visitor(SigningKey::from_bytes(&[200; 32]));
        (0..3).for_each(|_| drop(open(&authenticator, &sari)));
        let registry = authenticator.lock();
        assert_eq!((registry.sessions.len(), registry.by_person.len()), (3, 1));
    }

    #[test]
    fn the_ninth_session_of_one_person_ends_the_one_unused_longest() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let first = open(&authenticator, &sari);
        clock.skip_ms(1);
        let others: Vec<String> = (1..MAX_SESSIONS_PER_PERSON).map(|_| open(&authenticator, &sari)).collect();
        assert!(is_open(&authenticator, &first));
        clock.skip_ms(1);
        assert!(others.iter().all(|key| is_open(&authenticator, key)));
        open(&authenticator, &sari);
        assert!(!is_open(&authenticator, &first));
        assert!(others.iter().all(|key| is_open(&authenticator, key)));
    }

    #[test]
    fn a_full_house_ends_the_session_unused_longest_but_none_that_has_a_seat() {
        let (authenticator, clock, _) = authenticator_and_visitor();
        let person = |number: u64| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            PersonId::from_key(&key)
        };
        let session_of = |number: usize| {
            clock.skip_ms(1);
            authenticator.open_session(person(number as u64), "Sari".into(), true, clock.now_ms()).unwrap().session
        };
        let keys: Vec<String> = (0..MAX_SESSIONS).map(session_of).collect();
        let seat = authenticator.recognise(&keys[0]).unwrap();
        session_of(MAX_SESSIONS);
        assert_eq!(authenticator.lock().sessions.len(), MAX_SESSIONS);
        assert!(!is_open(&authenticator, &keys[1]));
        assert!(is_open(&authenticator, &keys[0]) && is_open(&authenticator, &keys[2]));
        drop(seat);
    }

    #[test]
    fn the_oldest_challenge_makes_room_for_one_too_many() {
        let (authenticator, _, sari) = authenticator_and_visitor();
        let first = authenticator.challenge(sari.id());
        let second = authenticator.challenge(sari.id());
        (2..=MAX_CHALLENGES).for_each(|_| drop(authenticator.challenge(sari.id())));
        let answer = |challenge: &Challenge| authenticator.sign_in(&sari.answer(challenge, &challenge.pin), true);
        assert_eq!(code(answer(&first)), Some(Code::ChallengeExpired));
        assert!(answer(&second).is_ok());
    }

    #[test]
    fn a_session_that_asks_without_end_is_slowed_down() {
        let (authenticator, clock, sari) = authenticator_and_visitor();
        let session = authenticator.recognise(&open(&authenticator, &sari)).unwrap();
        let refused = (0..SESSION_RATE.burst.get() + 40).filter(|_| session.check_rate().is_err());
        assert!(refused.count() > 0);
        clock.skip_ms(1_000);
        assert!(session.check_rate().is_ok());
    }
}
