//! A client's WebSocket as the relay reads and writes it: binary messages, each one frame, of which only those come in
//! that the client may send.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket},
};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use iroh_relay::{ExportKeyingMaterial, protos::streams::StreamError};

use super::{places::Place, traffic::Traffic};

/// The socket of one client, which holds its place.
pub struct ClientSocket {
    socket: WebSocket,
    /// None until the client has proved its key: the handshake is between it and the relay alone.
    traffic: Option<Traffic>,
    _place: Place,
}

impl ClientSocket {
    pub fn new(socket: WebSocket, place: Place) -> Self {
        Self { socket, traffic: None, _place: place }
    }

    /// From now on every frame is looked at.
    pub fn admit(&mut self, traffic: Traffic) {
        self.traffic = Some(traffic);
    }

    fn passes(&self, frame: &[u8]) -> bool {
        self.traffic.as_ref().is_none_or(|traffic| traffic.passes(frame))
    }
}

impl Stream for ClientSocket {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.socket.poll_next_unpin(context)) {
                Some(Ok(Message::Binary(frame))) if self.passes(&frame) => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(StreamError::from_std(error)))),
            }
        }
    }
}

impl Sink<Bytes> for ClientSocket {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.socket.poll_ready_unpin(context).map_err(StreamError::from_std)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Bytes) -> Result<(), StreamError> {
        if let Some(traffic) = &self.traffic {
            traffic.sends(&frame);
        }
        self.socket.start_send_unpin(Message::Binary(frame)).map_err(StreamError::from_std)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.socket.poll_flush_unpin(context).map_err(StreamError::from_std)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.socket.poll_close_unpin(context).map_err(StreamError::from_std)
    }
}

/// TLS ends below the HTTP server, so a client proves its key by a challenge instead: one more round trip.
impl ExportKeyingMaterial for ClientSocket {
    fn export_keying_material<T: AsMut<[u8]>>(&self, _: T, _: &[u8], _: Option<&[u8]>) -> Option<T> {
        None
    }
}
