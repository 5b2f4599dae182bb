//! Browsers at a gate: what a page under `/h/KEY/` asks goes to that house, through the gate's own passage, as one
//! connection each.
//!
//! The page itself is the gate's own and never a house's: all houses of a gate share its origin, and a page of one
//! could act in the name of the others' guests. For the same reason an answer of a house is data and nothing else
//! ([`super::forwarded_head`]).

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use hyper::{body::Incoming, client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use serambi_protocol::{
    Code, Refusal,
    gate::{DESCRIPTION_PATH, GateDescription, HOUSES_PATH},
    link::HouseKey,
};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    browser_counters::{BrowserCounters, BrowserReport},
    forwarded_head,
    house_passages::{HousePassages, InUse},
    media_port::MediaPort,
    traffic::Houses,
};
use crate::{
    api::Refused,
    clock::Clock,
    network::{Network, Peer},
    rate::{KeyedLimit, Rate},
};

/// What one network may ask: a page asks some ten times while it opens and once every two seconds then.
const REQUESTS: Rate = Rate::per_second(3_000, 200);
/// Networks whose requests are counted at the same time.
const MAX_NETWORKS: usize = 10_000;
/// How long a house may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// An answer of a house, in bytes: the list of a room's people is some tens of kilobytes.
const ANSWER_BYTES: usize = 1024 * 1024;

/// The way for browsers.
pub struct Browsers {
    houses: Houses,
    passages: HousePassages,
    media: MediaPort,
    description: GateDescription,
    requests: KeyedLimit<Network>,
    counters: Arc<BrowserCounters>,
    /// Makes what stands for a network at a house; the house cannot undo it.
    disguise: RandomState,
    stop: CancellationToken,
    conversations: TaskTracker,
}

impl Browsers {
    pub fn new(
        houses: Houses,
        passages: HousePassages,
        media: MediaPort,
        description: GateDescription,
        counters: Arc<BrowserCounters>,
        clock: &Clock,
        stop: CancellationToken,
    ) -> Self {
        let requests = KeyedLimit::new(REQUESTS, MAX_NETWORKS, clock);
        let (disguise, conversations) = (RandomState::new(), TaskTracker::new());
        Self { houses, passages, media, description, requests, counters, disguise, stop, conversations }
    }

    /// The counts of now.
    pub fn report(&self) -> BrowserReport {
        self.counters.report(self.media.browsers())
    }

    /// Lets everybody go. `stop` must have been cancelled before.
    pub async fn close(&self) {
        self.conversations.close();
        self.conversations.wait().await;
        self.passages.close().await;
    }

    async fn forward(&self, key: &str, from: IpAddr, request: Request) -> Result<Response, Refused> {
        let house = HouseKey::try_from(key.to_owned())?;
        self.requests.check(from.into())?;
        if !self.houses.contains(house.as_bytes()) {
            return Err(Refusal::new(Code::HouseUnreachable, "no such house is at this gate").into());
        }
        let beginning = format!("{HOUSES_PATH}/{key}");
        let unreachable = |why: String| Refused::from(Refusal::new(Code::HouseUnreachable, why));
        match timeout(ANSWER_LIMIT, self.ask(&house, from, &beginning, request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable("the house takes too long".to_owned())),
        }
    }

    async fn ask(
        &self,
        house: &HouseKey,
        from: IpAddr,
        beginning: &str,
        mut request: Request,
    ) -> Result<Response, Failure> {
        let from_browser = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let forwarded = Request::from_parts(forwarded_head::request(&head, beginning)?, body);
        let (mut stream, in_use) = self.passages.connect(*house.as_bytes()).await?;
        stream.write_all(&self.stand_in(from)).await?;
        let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let (stop, held) = (self.stop.clone(), in_use.clone());
        self.conversations.spawn(async move {
            let _held = held;
            if let Some(Err(error)) = stop.run_until_cancelled(connection.with_upgrades()).await {
                tracing::debug!(%error, "a connection to a house ended badly");
            }
        });
        let response = requests.send_request(forwarded).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(self.join(from_browser, response, in_use));
        }
        let (head, body) = response.into_parts();
        let body = to_bytes(Body::new(body), ANSWER_BYTES).await?;
        Ok(Response::from_parts(forwarded_head::answer(&head)?, body.into()))
    }

    /// A WebSocket from end to end, as bytes.
    fn join(&self, from_browser: OnUpgrade, mut response: hyper::Response<Incoming>, in_use: InUse) -> Response {
        let from_house = hyper::upgrade::on(&mut response);
        let stop = self.stop.clone();
        self.conversations.spawn(async move {
            let _in_use = in_use;
            let carried = stop.run_until_cancelled(async {
                let (browser, house) = tokio::try_join!(from_browser, from_house)?;
                let (mut browser, mut house) = (TokioIo::new(browser), TokioIo::new(house));
                copy_bidirectional(&mut browser, &mut house).await?;
                Ok::<(), Failure>(())
            });
            if let Some(Err(error)) = carried.await {
                tracing::debug!(%error, "a browser's channel ended badly");
            }
        });
        Response::from_parts(forwarded_head::upgrade(&response.into_parts().0), Body::empty())
    }

    /// 16 bytes that are the same for one network and say nothing else of it.
    fn stand_in(&self, from: IpAddr) -> [u8; 16] {
        let network = Network::from(from);
        let halves = [0_u8, 1].map(|half| self.disguise.hash_one((half, network)).to_be_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(halves.into_iter().flatten()).for_each(|(to, from)| *to = from);
        bytes
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Its routes.
pub fn router(browsers: Arc<Browsers>) -> Router {
    Router::new()
        .route(&format!("{HOUSES_PATH}/{{key}}/api/{{*rest}}"), any(forward))
        .route(&format!("{HOUSES_PATH}/{{key}}/rtc"), any(forward))
        .route(&format!("{HOUSES_PATH}/{{key}}/rtc/{{*rest}}"), any(forward))
        .route(DESCRIPTION_PATH, get(describe))
        .with_state(browsers)
}

async fn describe(State(browsers): State<Arc<Browsers>>) -> Json<GateDescription> {
    Json(browsers.description.clone())
}

async fn forward(
    State(browsers): State<Arc<Browsers>>,
    Extension(peer): Extension<Peer>,
    Path(path): Path<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let key = path.into_iter().find(|(name, _)| name == "key").map(|(_, key)| key).unwrap_or_default();
    let from = address_of(peer, request.headers());
    match browsers.forward(&key, from, request).await {
        Ok(response) => {
            browsers.counters.answered();
            response
        }
        Err(refused) => {
            browsers.counters.refused();
            refused.into_response()
        }
    }
}

/// Where a browser is. A reverse proxy on this computer says for whom it asks; nobody else is believed.
fn address_of(peer: Peer, headers: &HeaderMap) -> IpAddr {
    let said = || headers.get_all("x-forwarded-for").into_iter().next_back()?.to_str().ok()?.rsplit(',').next();
    let said = peer.is_this_computer().then(said).flatten().and_then(|ip| ip.trim().parse().ok());
    said.unwrap_or(peer.ip)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reverse_proxy_on_this_computer_is_believed_and_nobody_else() {
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), "1.2.3.4, 192.0.2.9".parse().unwrap())]);
        let at = |ip: &str| address_of(Peer { ip: ip.parse().unwrap() }, &headers).to_string();
        assert_eq!(at("127.0.0.1"), "192.0.2.9");
        assert_eq!(at("198.51.100.1"), "198.51.100.1");
        let proxy = Peer { ip: "127.0.0.1".parse().unwrap() };
        assert_eq!(address_of(proxy, &HeaderMap::new()), proxy.ip);
    }
}
