//! One WebSocket, over TLS or in the clear, on a connection of its own or on one that is there already: the house
//! channel and the media signalling both use it.

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Request, StatusCode,
    header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY},
};
use serambi_protocol::{Code, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, client::IntoClientRequest, handshake::derive_accept_key, protocol::Role},
};

use crate::{
    house_client::explain,
    house_tls::{self, CONNECT_TIMEOUT, ConnectError},
};

/// What a WebSocket runs over: TLS, or TCP alone where a media server on this machine asks for no more.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

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

/// Opens `url` (whose host and port are `address`) on a connection that `http` has there already: what was just
/// answered is idle again, and TCP and TLS cost no round trips. Where none is idle, one is made.
pub(crate) async fn open_on(
    http: &reqwest::Client,
    url: &str,
    address: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<WebSocket, OpenError> {
    let (head, ()) = request(url, headers)?.into_parts();
    let wanted = head.headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let asked = http.get(url.replacen("ws", "http", 1)).headers(head.headers);
    let response = asked.send().await.map_err(|error| explain(address, &error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(OpenError::Status(response.status().as_u16()));
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if accepted != wanted.as_deref() {
        let detail = format!("{address}: the answer is to another WebSocket");
        return Err(Refusal::new(Code::HouseUnreachable, detail).into());
    }
    let stream: Box<dyn ByteStream> = Box::new(response.upgrade().await.map_err(|error| explain(address, &error))?);
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    use futures_util::StreamExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    async fn next_head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    // Signalling made a connection of its own: two round trips, while the one of the question before lay idle.
    #[tokio::test]
    async fn a_websocket_goes_on_over_the_connection_of_the_question_before() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            next_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            let upgrade = next_head(&mut stream).await;
            let key = upgrade.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
            let accepted = derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accepted}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // A text frame of the server (RFC 6455 section 5.2).
            stream.write_all(&[0x81, 2, b'h', b'i']).await.unwrap();
            (upgrade, stream)
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("http://{address}/first")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
        let headers = [("authorization".to_owned(), "Bearer pass".to_owned())];
        let mut socket = open_on(&http, &format!("ws://{address}/rtc?a=b"), &address, headers).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap().as_str(), "hi");
        let (upgrade, _stream) = server.await.unwrap();
        assert!(upgrade.starts_with("GET /rtc?a=b HTTP/1.1\r\n"), "{upgrade}");
        assert!(upgrade.contains("authorization: Bearer pass\r\n"), "{upgrade}");
    }

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
