//! Which passages are a gate's own: each gate says under which key it brings browsers, over the TLS that its link pins.

use std::{collections::HashMap, io, net::SocketAddr, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use futures_util::future::join_all;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serambi_protocol::{
    gate::{DESCRIPTION_PATH, GateDescription},
    link::GateAddress,
};
use serambi_reach::HouseEndpoint;
use tokio::{
    net::lookup_host,
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};

/// How long a gate may take to describe itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Gates are asked for the sake of an unknown key so often at most: whoever comes under made-up keys makes us ask.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const DESCRIPTION_BYTES: usize = 4 * 1024;
/// Addresses of one gate that browsers are told of.
const CANDIDATES: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the gates said last.
#[derive(Default)]
pub struct Forwarders {
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// The media ports, by the key of passages.
    ports: HashMap<[u8; 32], Vec<SocketAddr>>,
    asked: Option<Instant>,
}

impl Forwarders {
    /// Where the gate with this key takes the media of browsers; none: no gate of this house has it. A key that was not
    /// heard of may be new, so the gates are asked.
    pub async fn media_of(&self, key: &[u8; 32], endpoint: &HouseEndpoint) -> Option<Vec<SocketAddr>> {
        let mut said = self.said.lock().await;
        if let Some(ports) = said.ports.get(key) {
            return Some(ports.clone());
        }
        if let Some(asked) = said.asked {
            sleep_until(asked + ASK_AGAIN).await;
        }
        said.ports = ask_all(endpoint).await;
        said.asked = Some(Instant::now());
        said.ports.get(key).cloned()
    }
}

async fn ask_all(endpoint: &HouseEndpoint) -> HashMap<[u8; 32], Vec<SocketAddr>> {
    let answers = endpoint.gates().into_iter().map(|(gate, _)| async move {
        match timeout(ANSWER_LIMIT, ask(endpoint, &gate)).await {
            Ok(Ok((description, ports))) => Some((*description.forwarder.as_bytes(), ports)),
            Ok(Err(error)) => {
                tracing::debug!(gate = gate.address, %error, "a gate does not say how it brings browsers");
                None
            }
            Err(_) => None,
        }
    });
    join_all(answers).await.into_iter().flatten().collect()
}

async fn ask(endpoint: &HouseEndpoint, gate: &GateAddress) -> Result<(GateDescription, Vec<SocketAddr>), Failure> {
    let stream = endpoint.connect_to_gate(gate).await?;
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let request = Request::get(DESCRIPTION_PATH).header(header::HOST, &gate.address).body(Body::empty())?;
        let response = requests.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()).into());
        }
        let body = to_bytes(Body::new(response.into_body()), DESCRIPTION_BYTES).await?;
        Ok::<GateDescription, Failure>(serde_json::from_slice(&body)?)
    };
    let description = tokio::select! {
        biased;
        description = asking => description?,
        ended = connection => return Err(ended.err().map_or("it hung up".into(), Failure::from)),
    };
    let ports = media_ports(gate, description.media_port).await?;
    Ok((description, ports))
}

/// The gate's own host, by every address that its name has: browsers come to the same name.
async fn media_ports(gate: &GateAddress, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = lookup_host(&gate.address).await?;
    let mut ports: Vec<SocketAddr> = addresses.map(|address| SocketAddr::new(address.ip(), port)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.truncate(CANDIDATES);
    Ok(ports)
}
