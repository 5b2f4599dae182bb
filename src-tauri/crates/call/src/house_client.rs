//! Asking a house: signing in, commands and queries over HTTP, on a connection that trusts this one house.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::RwLock;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::{
        Challenge, ChallengeAsked, HouseInfo, JoinRoom, Joined, MediaGrant, RoomCard, Session, SignIn, StartRoom,
        TakeKeys,
    },
    door::{AtDoor, CallablePerson, Knock, Knocked},
    limits::{HOUSE_ADDRESSES, KNOCK_EVERY_MS},
    link::{HouseAddress, HouseProof, Pin},
    name::read_name,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex, watch};

use crate::{
    doors::{Door, Doors},
    house_channel::HouseChannel,
    house_tls::{self, CONNECT_TIMEOUT, code_of},
    identity::Identity,
};

/// How long a house's addresses are asked before its gates are.
const GATES_AFTER: Duration = Duration::from_millis(300);

/// How long a house may think about one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// Whoever signs in while a house refuses newcomers waits for at most this long in all.
const MAX_SIGN_IN_WAIT: Duration = Duration::from_secs(30);

/// A signed-in person at one house. Cheap to clone; signs in again by itself when the session has run out.
#[derive(Clone)]
pub struct HouseClient {
    inner: Arc<Inner>,
}

struct Inner {
    house: HouseAddress,
    identity: Identity,
    name: String,
    /// Made anew when the network changes: connections of before lead nowhere and would be waited for.
    http: RwLock<reqwest::Client>,
    tls: Arc<rustls::ClientConfig>,
    /// The way that answered last.
    way: RwLock<Way>,
    doors: Doors,
    /// Where the house itself said that it is reached; empty while it has not.
    told: RwLock<Vec<String>>,
    /// Where somebody else has seen it; none: nobody looks.
    sightings: OnceLock<Sightings>,
    session: Mutex<Session>,
    /// Wants to be called into rooms of this house.
    callable: watch::Sender<bool>,
}

/// Gives the addresses at which the house with this fingerprint is seen.
type Sightings = Box<dyn Fn(&Pin) -> Vec<String> + Send + Sync>;

/// At most [`HOUSE_ADDRESSES`], in this order.
fn each_once(lists: [Vec<String>; 3]) -> Vec<String> {
    let mut each = Vec::new();
    for address in lists.into_iter().flatten() {
        if !each.contains(&address) && each.len() < HOUSE_ADDRESSES {
            each.push(address);
        }
    }
    each
}

/// How a house is reached.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// `host:port`, the door's if it goes through one.
    pub(crate) address: String,
    pub(crate) door: Option<Arc<Door>>,
}

/// What trusts one house and no other: for new connections, and with those that are open.
#[derive(Clone)]
pub(crate) struct HouseConnections {
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) http: reqwest::Client,
}

impl HouseConnections {
    /// Has a connection for the next question ready, where the last one has been taken for something else.
    pub(crate) async fn make_ready(&self, address: &str) {
        let asked = ask_once(&self.http, address, Method::GET, "/house", None, None::<&()>).await;
        if let Err(Refused { refusal, .. }) = asked.map(|_: serde::de::IgnoredAny| ()) {
            tracing::debug!(%refusal, "no connection is ready for the next question");
        }
    }
}

impl std::fmt::Debug for HouseClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HouseClient({} at {})", self.inner.identity.id().short(), self.address())
    }
}

impl HouseClient {
    /// Signs in at the first address of the house that answers; all are asked at once, and soon after that the house's
    /// gates.
    ///
    /// # Errors
    /// `name_*`: the name cannot be shown. `house_unreachable`: nobody answers. `house_not_the_one`: somebody answers
    /// who is not this house. And whatever the house says.
    pub async fn sign_in(
        house: &HouseAddress,
        identity: &Identity,
        name: &str,
        doors: &Doors,
    ) -> Result<Self, Refusal> {
        let name = read_name(name)?;
        let tls = house_tls::client_config(&house.proof, doors.authorities())?;
        let http = http_client(&tls)?;
        let (way, challenge) = first_to_answer(&http, house, identity, doors).await?;
        let session = answer_challenge(&http, &way.address, &house.proof, identity, &name, challenge).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                house: house.clone(),
                identity: identity.clone(),
                name,
                http: RwLock::new(http),
                tls,
                way: RwLock::new(way),
                doors: doors.clone(),
                told: RwLock::default(),
                sightings: OnceLock::new(),
                session: Mutex::new(session),
                callable: watch::Sender::new(false),
            }),
        })
    }

    /// Who is signed in.
    pub fn person(&self) -> PersonId {
        self.inner.identity.id()
    }

    /// Where the house is and how it is known, as given at first.
    pub fn house(&self) -> &HouseAddress {
        &self.inner.house
    }

    /// The `host:port` that answered last.
    pub fn address(&self) -> String {
        self.inner.way.read().address.clone()
    }

    pub(crate) fn way(&self) -> Way {
        self.inner.way.read().clone()
    }

    /// The door to the house, opened if it is not.
    ///
    /// # Errors
    /// `house_unreachable`: no gate leads to it, or the link names none.
    pub(crate) async fn open_door(&self) -> Result<Arc<Door>, Refusal> {
        let passage = self.inner.house.passage.as_ref();
        let passage = passage.ok_or_else(|| Refusal::new(Code::HouseUnreachable, "no gate in the link"))?;
        self.inner.doors.open(passage).await
    }

    /// Where the house is now, as it says itself, and how it is known.
    pub fn house_now(&self) -> HouseAddress {
        let told = self.inner.told.read().clone();
        let house = self.inner.house.clone();
        if told.is_empty() { house } else { HouseAddress { addresses: told, ..house } }
    }

    /// The house says where it is reached. An address of the own computer never changes, and of another's house it
    /// leads to somebody else: those are left as they were given. A house known by name is nowhere but at that name.
    pub(crate) fn take_addresses(&self, addresses: Vec<String>) {
        if self.inner.house.proof.pin().is_none() {
            return;
        }
        let is_own = |address: &str| address.starts_with("127.") || address.starts_with("[::1]");
        let wanted = addresses.into_iter().filter(|address| !is_own(address));
        *self.inner.told.write() = wanted.take(HOUSE_ADDRESSES).collect();
    }

    /// This computer has another network: what is open leads nowhere.
    pub(crate) fn forget_connections(&self) {
        match http_client(&self.inner.tls) {
            Ok(http) => *self.inner.http.write() = http,
            Err(refusal) => tracing::warn!(%refusal, "connections of before are kept"),
        }
    }

    /// Looks for the house also where it is seen with this fingerprint, as on the local network. Whoever answers there
    /// proves with the certificate to be it. Only the first source counts.
    pub fn look_where_seen(&self, seen: impl Fn(&Pin) -> Vec<String> + Send + Sync + 'static) {
        if self.inner.sightings.set(Box::new(seen)).is_err() {
            tracing::debug!("the house is looked for elsewhere already");
        }
    }

    /// Every address that is known, those that the house told first.
    fn known(&self) -> HouseAddress {
        let Inner { house, sightings, .. } = &*self.inner;
        let seen = sightings.get().zip(house.proof.pin()).map_or_else(Vec::new, |(seen, pin)| seen(pin));
        let mut known = self.house_now();
        known.addresses = each_once([known.addresses, seen, house.addresses.clone()]);
        known
    }

    fn http(&self) -> reqwest::Client {
        self.inner.http.read().clone()
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.inner.tls.clone()
    }

    pub(crate) fn connections(&self) -> HouseConnections {
        HouseConnections { tls: self.tls(), http: self.http() }
    }

    pub(crate) async fn session(&self) -> String {
        self.inner.session.lock().await.session.clone()
    }

    /// What the house says about itself.
    ///
    /// # Errors
    /// `house_unreachable`, `house_not_the_one`.
    pub async fn info(&self) -> Result<HouseInfo, Refusal> {
        self.ask(Method::GET, "/house", None::<&()>).await
    }

    /// The open rooms.
    ///
    /// # Errors
    /// As [`HouseClient::info`].
    pub async fn rooms(&self) -> Result<Vec<RoomCard>, Refusal> {
        self.ask(Method::GET, "/rooms", None::<&()>).await
    }

    /// One room from outside.
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`, and as [`HouseClient::info`].
    pub async fn room(&self, room: &RoomId) -> Result<RoomCard, Refusal> {
        self.ask(Method::GET, &format!("/rooms/{room}"), None::<&()>).await
    }

    /// Starts a room and joins it as its host.
    ///
    /// # Errors
    /// `title_*`, `on_stage_elsewhere`, and as [`HouseClient::info`].
    pub async fn start_room(&self, title: &str, leave_other: bool) -> Result<Joined, Refusal> {
        self.ask(Method::POST, "/rooms", Some(&StartRoom { title: title.to_owned(), leave_other })).await
    }

    /// Joins a room, or comes back to the seat that was kept.
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`, `blocked`, `on_stage_elsewhere`, and as [`HouseClient::info`].
    pub async fn join(&self, room: &RoomId, leave_other: bool) -> Result<Joined, Refusal> {
        self.ask(Method::POST, &format!("/rooms/{room}/join"), Some(&JoinRoom { leave_other })).await
    }

    /// Asks to come into a locked room, says that one still waits, or (`waits` false) asks no longer.
    ///
    /// # Errors
    /// `room_ended`, `blocked`, `removed_recently`, `door_crowded`, and as [`HouseClient::info`].
    pub async fn knock(&self, room: &RoomId, waits: bool) -> Result<AtDoor, Refusal> {
        let knocked: Knocked = self.ask(Method::POST, &format!("/rooms/{room}/door"), Some(&Knock { waits })).await?;
        Ok(knocked.door)
    }

    /// Asks to come in until somebody has answered. Whoever drops this waits no longer, as the house soon notices.
    ///
    /// # Errors
    /// As [`HouseClient::knock`].
    pub async fn wait_at_door(&self, room: &RoomId) -> Result<AtDoor, Refusal> {
        loop {
            let door = self.knock(room, true).await?;
            if door != AtDoor::Waiting {
                return Ok(door);
            }
            tokio::time::sleep(Duration::from_millis(KNOCK_EVERY_MS)).await;
        }
    }

    /// Who can be called into this room.
    ///
    /// # Errors
    /// `not_allowed`, `not_in_room`, and as [`HouseClient::info`].
    pub async fn callable_people(&self, room: &RoomId) -> Result<Vec<CallablePerson>, Refusal> {
        self.ask(Method::GET, &format!("/rooms/{room}/callable"), None::<&()>).await
    }

    /// Whether others may call this person into rooms of this house, as long as there is a channel.
    pub fn set_callable(&self, callable: bool) {
        self.inner.callable.send_replace(callable);
    }

    pub(crate) fn callable(&self) -> watch::Receiver<bool> {
        self.inner.callable.subscribe()
    }

    /// Asks something of a room.
    ///
    /// # Errors
    /// Whatever the room's rules say, and as [`HouseClient::info`].
    pub async fn command(&self, room: &RoomId, command: &Command) -> Result<(), Refusal> {
        self.ask::<serde::de::IgnoredAny>(Method::POST, &format!("/rooms/{room}/commands"), Some(command)).await?;
        Ok(())
    }

    /// Becomes a keeper of the house, once.
    ///
    /// # Errors
    /// `not_allowed` if the code was used or never was one, and as [`HouseClient::info`].
    pub async fn take_keys(&self, code: String) -> Result<(), Refusal> {
        self.ask::<serde::de::IgnoredAny>(Method::POST, "/keeper", Some(&TakeKeys { code })).await?;
        Ok(())
    }

    /// Where the sound of a room is, anew: after a loss the old answer may be stale.
    ///
    /// # Errors
    /// `not_in_room`, and as [`HouseClient::info`].
    pub async fn media(&self, room: &RoomId) -> Result<MediaGrant, Refusal> {
        self.ask(Method::POST, &format!("/rooms/{room}/media"), None::<&()>).await
    }

    /// What happens from now on, after the event with this number. Keeps itself connected until dropped.
    pub fn events(&self, after: u64) -> HouseChannel {
        HouseChannel::open(self.clone(), after)
    }

    /// Signs in again, at any address of the house. `stale` is the session that was refused: when somebody else has
    /// renewed it meanwhile, there is nothing to do.
    pub(crate) async fn renew_session(&self, stale: &str) -> Result<(), Refusal> {
        let mut session = self.inner.session.lock().await;
        if session.session != stale {
            return Ok(());
        }
        let Inner { house, identity, name, doors, .. } = &*self.inner;
        let http = self.http();
        let (way, challenge) = first_to_answer(&http, &self.known(), identity, doors).await?;
        *session = answer_challenge(&http, &way.address, &house.proof, identity, name, challenge).await?;
        *self.inner.way.write() = way;
        Ok(())
    }

    /// Asks all addresses who is there and goes on with the first that answers.
    pub(crate) async fn find_again(&self) -> Result<(), Refusal> {
        let Inner { identity, doors, .. } = &*self.inner;
        let (way, _) = first_to_answer(&self.http(), &self.known(), identity, doors).await?;
        *self.inner.way.write() = way;
        Ok(())
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A, Refusal> {
        let session = self.session().await;
        match ask(&self.http(), &self.address(), method.clone(), path, Some(&session), body).await {
            Err(refusal) if refusal.code == Code::SessionExpired => {
                self.renew_session(&session).await?;
                let session = self.session().await;
                ask(&self.http(), &self.address(), method, path, Some(&session), body).await
            }
            answer => answer,
        }
    }
}

pub(crate) fn http_client(tls: &Arc<rustls::ClientConfig>) -> Result<reqwest::Client, Refusal> {
    reqwest::Client::builder()
        .use_preconfigured_tls((**tls).clone())
        // A house is asked directly: an answer from in between could not hold the certificate anyway.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        // Signalling goes on over the connection that took the join (`websocket::open_on`), which only HTTP/1 gives up.
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .build()
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

/// Asks every address for a challenge, and a little later whoever is behind the house's gates.
async fn first_to_answer(
    http: &reqwest::Client,
    house: &HouseAddress,
    identity: &Identity,
    doors: &Doors,
) -> Result<(Way, Challenge), Refusal> {
    let asked = &ChallengeAsked { person: identity.id() };
    first_way(house, doors, |address| async move { ask_to_sign_in(http, &address, "/challenge", asked).await }).await
}

/// Asks the same on every way to a house; the first good answer wins. A passage costs the gate something and is longer,
/// so it is begun only after the addresses had their time.
pub(crate) async fn first_way<T: Send, F: Future<Output = Result<T, Refusal>> + Send>(
    house: &HouseAddress,
    doors: &Doors,
    ask: impl Fn(String) -> F + Sync,
) -> Result<(Way, T), Refusal> {
    let ask = &ask;
    let directly = house.addresses.iter().map(|address| {
        let way = Way { address: address.clone(), door: None };
        async move { Ok((way, ask(address.clone()).await?)) }.boxed()
    });
    let through_gates = house.passage.iter().map(|passage| {
        let through = async move {
            tokio::time::sleep(GATES_AFTER).await;
            let door = doors.open(passage).await?;
            let way = Way { address: door.address().to_owned(), door: Some(door) };
            let answer = ask(way.address.clone()).await?;
            Ok((way, answer))
        };
        through.boxed()
    });
    first_good(directly.chain(through_gates)).await
}

/// Asks the same at all addresses of a house at once; the first good answer wins.
async fn first_good<T>(asking: impl Iterator<Item = impl Future<Output = Result<T, Refusal>>>) -> Result<T, Refusal> {
    let mut answers: FuturesUnordered<_> = asking.collect();
    let mut worst = Refusal::new(Code::HouseUnreachable, "no address");
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(good) => return Ok(good),
            // That somebody else lives there says more than that nobody does.
            Err(refusal) if worst.code == Code::HouseUnreachable => worst = refusal,
            Err(_) => {}
        }
    }
    Err(worst)
}

async fn answer_challenge(
    http: &reqwest::Client,
    address: &str,
    house: &HouseProof,
    identity: &Identity,
    name: &str,
    challenge: Challenge,
) -> Result<Session, Refusal> {
    let signature = identity.sign_in(house.as_str(), &challenge.challenge);
    let answer = SignIn { person: identity.id(), challenge: challenge.challenge, signature, name: name.to_owned() };
    ask_to_sign_in(http, address, "/session", &answer).await
}

/// A refusal, and when the house wants to be asked again.
struct Refused {
    refusal: Refusal,
    retry_after: Option<Duration>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, retry_after: None }
    }
}

pub(crate) async fn ask<A: DeserializeOwned>(
    http: &reqwest::Client,
    address: &str,
    method: Method,
    path: &str,
    session: Option<&str>,
    body: Option<&impl Serialize>,
) -> Result<A, Refusal> {
    ask_once(http, address, method, path, session, body).await.map_err(|refused| refused.refusal)
}

/// Asks for a challenge or a session. A house that limits its sign-ins says when to ask again, and is asked then.
async fn ask_to_sign_in<A: DeserializeOwned>(
    http: &reqwest::Client,
    address: &str,
    path: &str,
    body: &impl Serialize,
) -> Result<A, Refusal> {
    let mut waited = Duration::ZERO;
    loop {
        let refused = match ask_once(http, address, Method::POST, path, None, Some(body)).await {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        let Some(wait) = refused.retry_after.filter(|wait| waited + *wait <= MAX_SIGN_IN_WAIT) else {
            return Err(refused.refusal);
        };
        // Not all who were refused in the same second come again in the same one.
        let wait = wait.mul_f64(1.0 + rand::random::<f64>() / 2.0);
        tracing::info!(?wait, address, "the house limits its sign-ins; waiting");
        tokio::time::sleep(wait).await;
        waited += wait;
    }
}

async fn ask_once<A: DeserializeOwned>(
    http: &reqwest::Client,
    address: &str,
    method: Method,
    path: &str,
    session: Option<&str>,
    body: Option<&impl Serialize>,
) -> Result<A, Refused> {
    let mut request = http.request(method, format!("https://{address}/api/v1{path}"));
    if let Some(session) = session {
        request = request.bearer_auth(session);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.map_err(|error| explain(address, &error))?;
    let status = response.status();
    let retry_after = retry_after(status, response.headers());
    let bytes = response.bytes().await.map_err(|error| explain(address, &error))?;
    if status.is_success() {
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let unreadable = |error| Refusal::new(Code::Internal, format!("{path}: the house's answer: {error}"));
        Ok(serde_json::from_slice(text).map_err(unreadable)?)
    } else {
        Err(Refused { refusal: read_refusal(status, &bytes), retry_after })
    }
}

/// When to ask again, of an answer 429 (RFC 9110 section 10.2.3; RFC 6585 section 4).
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Some(Duration::from_secs(seconds.unwrap_or(1).max(1)))
}

fn read_refusal(status: StatusCode, body: &[u8]) -> Refusal {
    serde_json::from_slice(body).unwrap_or_else(|_| match status {
        // A house that is shutting down or a stranger in between; both may pass.
        status if status.is_server_error() => Refusal::new(Code::HouseUnreachable, format!("HTTP {status}")),
        status => Refusal::new(Code::BadRequest, format!("HTTP {status}")),
    })
}

/// What stands behind an error of a request to this address.
pub(crate) fn explain(address: &str, error: &reqwest::Error) -> Refusal {
    let mut detail = format!("{address}: ");
    let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = layer {
        // The innermost says why; the outer ones repeat the address.
        detail.truncate(address.len() + 2);
        detail.push_str(&error.to_string());
        layer = error.source();
    }
    Refusal::new(code_of(error), detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_and_anything_else_gets_one() {
        let body = br#"{"code":"room_ended","detail":"at noon"}"#;
        assert_eq!(read_refusal(StatusCode::GONE, body), Refusal::new(Code::RoomEnded, "at noon"));
        assert_eq!(read_refusal(StatusCode::BAD_GATEWAY, b"<html>").code, Code::HouseUnreachable);
        assert_eq!(read_refusal(StatusCode::NOT_FOUND, b"").code, Code::BadRequest);
    }

    // In a burst of arrivals behind one address a refused sign-in was not tried again.
    #[test]
    fn a_house_that_refuses_newcomers_is_asked_again_when_it_says() {
        let wait = |status, seconds: Option<&'static str>| {
            let headers = seconds.map(|seconds| (RETRY_AFTER, seconds.parse().unwrap())).into_iter().collect();
            retry_after(status, &headers)
        };
        assert_eq!(wait(StatusCode::TOO_MANY_REQUESTS, Some("3")), Some(Duration::from_secs(3)));
        assert_eq!(wait(StatusCode::TOO_MANY_REQUESTS, Some("soon")), Some(Duration::from_secs(1)));
        assert_eq!(wait(StatusCode::TOO_MANY_REQUESTS, None), Some(Duration::from_secs(1)));
        assert_eq!(wait(StatusCode::FORBIDDEN, Some("3")), None);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_shown_is_refused_before_anybody_is_asked() {
        let house = HouseAddress::by_pin(vec!["127.0.0.1:1".into()], Pin::from_digest(&[1; 32]));
        let refusal = HouseClient::sign_in(&house, &Identity::make(), " ", &Doors::default()).await.unwrap_err();
        assert_eq!(refusal.code, Code::NameEmpty);
    }

    #[test]
    fn a_house_is_asked_where_it_said_then_where_it_is_seen_then_where_it_was() {
        let list = |addresses: &[&str]| addresses.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>();
        let asked = each_once([list(&["b:1", "c:1"]), list(&["d:1", "b:1"]), list(&["a:1", "c:1"])]);
        assert_eq!(asked, ["b:1", "c:1", "d:1", "a:1"]);
        let many: Vec<String> = (0..100).map(|number| format!("h{number}:1")).collect();
        assert_eq!(each_once([many, Vec::new(), list(&["a:1"])]).len(), HOUSE_ADDRESSES);
    }

    #[tokio::test]
    async fn a_house_that_is_gone_is_unreachable() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let house = HouseAddress::by_pin(vec![free.to_string()], Pin::from_digest(&[1; 32]));
        let refusal = HouseClient::sign_in(&house, &Identity::make(), "Ratna", &Doors::default()).await.unwrap_err();
        assert_eq!(refusal.code, Code::HouseUnreachable);
    }
}
