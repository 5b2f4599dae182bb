//! Dialling back: a gate tells a house whether an address outside leads to it, by going there.
//!
//! A gate goes to no other address than the one that the question came from, only for whoever has its token, for one of
//! a network at a time and seldom: nobody can make it knock at somebody else's door.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::HeaderMap,
    routing::post,
};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use serambi_protocol::{
    Code, Refusal,
    outside_test::{OutsideAnswered, Probe, TEST_PATH, TestOutside},
};
use tokio::{
    net::{TcpStream, UdpSocket, lookup_host},
    time::{Instant, interval, timeout},
};
use tokio_rustls::TlsConnector;

use super::relay::Relay;
use crate::{
    api::{Refused, bearer},
    clock::Clock,
    network::{Network, Peer},
    rate::{KeyedLimit, Rate},
};

/// Finding the name's addresses.
const LOOKUP_LIMIT: Duration = Duration::from_secs(1);
/// TCP and TLS together.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The probe and its way back.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// A datagram may be lost: the probe is sent this often within its limit.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// Questions of one network: a house has two or three addresses and asks again when they change.
const QUESTIONS: Rate = Rate::per_minute(12, 12);
/// Networks whose questions are counted.
const MAX_NETWORKS: usize = 10_000;
/// Tests of all houses at the same time.
const MAX_AT_ONCE: usize = 32;
/// The largest question, in bytes: a name of a host has 255.
const QUESTION_BYTES: usize = 2_048;

/// Dials back for the houses of one gate.
pub struct DialBack {
    relay: Arc<Relay>,
    questions: KeyedLimit<Network>,
    under_way: Arc<Mutex<HashSet<Network>>>,
}

/// One network's turn, over when it is dropped.
struct Turn {
    under_way: Arc<Mutex<HashSet<Network>>>,
    network: Network,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.network);
    }
}

/// The route.
pub fn router(relay: Arc<Relay>, clock: &Clock) -> Router {
    let questions = KeyedLimit::new(QUESTIONS, MAX_NETWORKS, clock);
    let dial_back = DialBack { relay, questions, under_way: Arc::default() };
    Router::new()
        .route(TEST_PATH, post(test))
        .layer(DefaultBodyLimit::max(QUESTION_BYTES))
        .with_state(Arc::new(dial_back))
}

/// `POST /gate/test`.
async fn test(
    State(dial_back): State<Arc<DialBack>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    question: Result<Json<TestOutside>, JsonRejection>,
) -> Result<Json<OutsideAnswered>, Refused> {
    if !dial_back.relay.admits_house(bearer(&headers)) {
        return Err(Refusal::new(Code::GateRefused, "the token is not this gate's").into());
    }
    let Json(question) = question.map_err(|error| Refusal::new(Code::BadRequest, error.to_string()))?;
    if peer.is_this_computer() {
        // A reverse proxy here may speak for anybody, and this computer's own doors are nobody's to try.
        return Err(Refusal::new(Code::OutsideElsewhere, "the gate does not see where the house is").into());
    }
    dial_back.questions.check(peer.ip.into())?;
    let _turn = dial_back.take_turn(peer.ip.into())?;
    let host = find(&question.host, peer.ip).await?;
    Ok(Json(dial(host, &question).await?))
}

impl DialBack {
    fn take_turn(&self, network: Network) -> Result<Turn, Refusal> {
        let mut under_way = self.under_way.lock();
        if under_way.len() >= MAX_AT_ONCE || !under_way.insert(network) {
            return Err(Refusal::new(Code::Busy, "another address is being tested"));
        }
        Ok(Turn { under_way: self.under_way.clone(), network })
    }
}

/// The one address to go to.
///
/// # Errors
/// `outside_elsewhere`: `host` is another one, or none.
async fn find(host: &str, asker: IpAddr) -> Result<IpAddr, Refusal> {
    let elsewhere = |detail: String| Refusal::new(Code::OutsideElsewhere, detail);
    let found = match timeout(LOOKUP_LIMIT, lookup_host((host, 0))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(elsewhere(error.to_string())),
        Err(_) => return Err(elsewhere("the name is not found in time".to_owned())),
    };
    let mut found = found.map(|address| address.ip().to_canonical());
    found.find(|ip| *ip == asker).ok_or_else(|| elsewhere(format!("the house is seen at {asker}")))
}

/// Goes there.
///
/// # Errors
/// `outside_closed`, `outside_not_the_one`.
async fn dial(host: IpAddr, question: &TestOutside) -> Result<OutsideAnswered, Refusal> {
    let began = Instant::now();
    let at = SocketAddr::new(host, question.tcp);
    match timeout(ANSWER_LIMIT, shake_hands(at, question)).await {
        Ok(answered) => answered?,
        Err(_) => return Err(Refusal::new(Code::OutsideClosed, format!("{at} does not answer"))),
    }
    let ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
    let udp = match question.udp {
        Some(port) => Some(comes_back(SocketAddr::new(host, port), &question.probe).await),
        None => None,
    };
    Ok(OutsideAnswered { ms, udp })
}

async fn shake_hands(at: SocketAddr, question: &TestOutside) -> Result<(), Refusal> {
    let internal = |error: io::Error| Refusal::new(Code::Internal, error.to_string());
    let config = serambi_reach::tls_to(&at.ip().to_string(), Some(&question.pin)).map_err(internal)?;
    let connection = TcpStream::connect(at).await.map_err(|error| unanswered(&error))?;
    let name = ServerName::IpAddress(at.ip().into());
    TlsConnector::from(Arc::new(config)).connect(name, connection).await.map_err(|error| unanswered(&error))?;
    Ok(())
}

/// What is no TLS, or is TLS with another certificate, is invalid data to the library.
fn unanswered(error: &io::Error) -> Refusal {
    let is_other = error.kind() == io::ErrorKind::InvalidData;
    Refusal::new(if is_other { Code::OutsideNotTheOne } else { Code::OutsideClosed }, error.to_string())
}

/// Whether a probe that is sent there comes back.
async fn comes_back(at: SocketAddr, probe: &Probe) -> bool {
    let probed = async {
        let any: IpAddr = if at.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(at).await?;
        exchange(&socket, &probe.datagram()).await
    };
    matches!(timeout(PROBE_LIMIT, probed).await, Ok(Ok(())))
}

async fn exchange(socket: &UdpSocket, probe: &[u8]) -> io::Result<()> {
    let mut sending = interval(PROBE_EVERY);
    let mut answer = vec![0; probe.len() + 1];
    loop {
        tokio::select! {
            _ = sending.tick() => drop(socket.send(probe).await?),
            received = socket.recv(&mut answer) => match received {
                Ok(bytes) if answer.get(..bytes) == Some(probe) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::link::Pin;

    use super::*;
    use crate::{certificate::Certificate, storage::Storage, tls::Certificates};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn question(tcp: u16, udp: Option<u16>, pin: Pin) -> TestOutside {
        TestOutside { host: "127.0.0.1".to_owned(), tcp, udp, pin, probe: Probe::new([7; 16]) }
    }

    /// Somebody with a certificate, on a port of this computer.
    async fn answering() -> (u16, Pin) {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::load_or_make(&Storage::open(folder.path().into()).await.unwrap()).await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(
            Arc::new(Certificates::new(certificate.key().unwrap(), None)).tls().unwrap(),
        );
        let listener = tokio::net::TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(acceptor.accept(connection));
            }
        });
        (port, certificate.pin())
    }

    #[tokio::test]
    async fn a_house_that_answers_is_told_how_long_that_took_and_whether_datagrams_come_back() {
        let (tcp, pin) = answering().await;
        let echo = UdpSocket::bind((HERE, 0)).await.unwrap();
        let udp = echo.local_addr().unwrap().port();
        let echoing = async {
            let mut bytes = [0; 64];
            let (length, from) = echo.recv_from(&mut bytes).await.unwrap();
            echo.send_to(b"something else", from).await.unwrap();
            echo.send_to(&bytes[..length], from).await.unwrap();
        };
        let asked = question(tcp, Some(udp), pin.clone());
        let (answered, ()) = tokio::join!(dial(HERE, &asked), echoing);
        assert_eq!(answered.unwrap().udp, Some(true));
        let silent = UdpSocket::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port();
        assert_eq!(dial(HERE, &question(tcp, Some(silent), pin.clone())).await.unwrap().udp, Some(false));
        assert_eq!(dial(HERE, &question(tcp, None, pin)).await.unwrap().udp, None);
    }

    /// A router gave the mapped port to somebody else.
    #[tokio::test]
    async fn somebody_else_who_answers_and_nobody_are_told_apart() {
        let (tcp, _) = answering().await;
        let asked = question(tcp, None, Pin::from_digest(&[9; 32]));
        assert_eq!(dial(HERE, &asked).await.unwrap_err().code, Code::OutsideNotTheOne);
        let nobody = std::net::TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
        let asked = question(nobody, None, Pin::from_digest(&[9; 32]));
        assert_eq!(dial(HERE, &asked).await.unwrap_err().code, Code::OutsideClosed);
    }

    #[tokio::test]
    async fn it_goes_to_the_address_of_the_question_and_to_no_other() {
        assert_eq!(find("127.0.0.1", HERE).await.unwrap(), HERE);
        let other = "192.0.2.1".parse().unwrap();
        for host in ["127.0.0.1", "192.0.2.2", "::1", "no such name", ""] {
            assert_eq!(find(host, other).await.unwrap_err().code, Code::OutsideElsewhere, "{host:?}");
        }
    }

    #[test]
    fn a_network_has_one_turn_at_a_time_and_all_together_have_some() {
        let dial_back = DialBack {
            relay: Arc::new(Relay::for_tests()),
            questions: KeyedLimit::new(QUESTIONS, MAX_NETWORKS, &Clock::default()),
            under_way: Arc::default(),
        };
        let network = |last: u8| Network::from(IpAddr::from([192, 0, 2, last]));
        let first = dial_back.take_turn(network(1)).unwrap();
        assert_eq!(dial_back.take_turn(network(1)).err().unwrap().code, Code::Busy);
        let others: Vec<Turn> =
            (2..=MAX_AT_ONCE as u8).map(|last| dial_back.take_turn(network(last)).unwrap()).collect();
        assert_eq!(dial_back.take_turn(network(200)).err().unwrap().code, Code::Busy);
        drop(first);
        assert!(dial_back.take_turn(network(1)).is_ok());
        drop(others);
        assert!(dial_back.under_way.lock().is_empty());
    }
}
