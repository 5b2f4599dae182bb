//! One WebSocket, over TLS or in the clear: the house channel and the media signalling both use it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request};
use serambi_protocol::{Code, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, client::IntoClientRequest},
};

use crate::house_tls::{self, CONNECT_TIMEOUT, ConnectError};

/// What a WebSocket runs over: TLS, or TCP alone where a media server on this machine asks for no more.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> ByteStream for S {}

pub(crate) type WebSocket = WebSocketStream<Box<dyn ByteStream>>;

/// Why a WebSocket did not come up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// No house listens there.
    #[error("{0}: connection refused")]
    Refused(String),
    /// TCP or TLS failed.
    #[error("{0}")]
    Connection(Refusal),
    /// The other end answered, but with this HTTP status.
    #[error("HTTP status {0}")]
    Status(u16),
}

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> Self {
        Self::Connection(refusal)
    }
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(address) => Self::Refused(address),
            ConnectError::Failed(refusal) => Self::Connection(refusal),
        }
    }
}

/// Opens `url` (whose host and port are `address`) with these headers; without `tls` in the clear.
pub(crate) async fn open(
    url: &str,
    address: &str,
    tls: Option<Arc<rustls::ClientConfig>>,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<WebSocket, OpenError> {
    let request = request(url, headers)?;
    let stream: Box<dyn ByteStream> = match tls {
        Some(tls) => Box::new(house_tls::connect(address, tls).await?),
        None => Box::new(house_tls::connect_in_the_clear(address).await?),
    };
    match timeout(CONNECT_TIMEOUT, client_async(request, stream)).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => Err(OpenError::Status(response.status().as_u16())),
        Ok(Err(error)) => Err(Refusal::new(Code::HouseUnreachable, format!("{address}: {error}")).into()),
        Err(_) => Err(Refusal::new(Code::HouseUnreachable, format!("{address}: no answer")).into()),
    }
}

fn request(url: &str, headers: impl IntoIterator<Item = (String, String)>) -> Result<Request<()>, Refusal> {
    let wrong = |what: &str| Refusal::new(Code::BadRequest, format!("{what} of the WebSocket request"));
    let mut request = url.into_client_request().map_err(|_| wrong("address"))?;
    for (name, value) in headers {
        let name = name.parse::<HeaderName>().map_err(|_| wrong("header name"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| wrong("header"))?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// The host of `host:port`, IPv6 without brackets.
pub(crate) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// `host:port` of a `ws://` or `wss://` address.
pub(crate) fn host_and_port(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "ws" => 80,
        "wss" => 443,
        _ => return None,
    };
    Some(format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_host_and_port_and_not_by_what_follows() {
        for (url, address) in [
            ("wss://192.168.1.20:7410/rtc?access_token=x", Some("192.168.1.20:7410")),
            ("wss://[fe80::1]:7410/rtc", Some("[fe80::1]:7410")),
            ("wss://house.example/rtc", Some("house.example:443")),
            ("ws://127.0.0.1/rtc", Some("127.0.0.1:80")),
            ("https://house.example/rtc", None),
            ("nonsense", None),
        ] {
            assert_eq!(host_and_port(url).as_deref(), address, "{url}");
        }
    }
}
