//! A request's body that is read to its end whoever answers: a connection that is closed on unread bytes is reset by
//! the system, and the answer is lost on the way.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What is read of a body nobody wants, in bytes.
const MAX_DRAINED_BYTES: usize = 1024 * 1024;
/// How long that may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// One body with two readers: the handler, and after it whoever drains what is left.
#[derive(Clone, Debug)]
pub struct RequestBody(Arc<Mutex<Incoming>>);

impl RequestBody {
    /// The body as it comes in.
    pub fn new(incoming: Incoming) -> Self {
        Self(Arc::new(Mutex::new(incoming)))
    }

    /// Reads and drops what is left, up to a megabyte and two seconds.
    pub async fn drain(self) {
        // Whatever stays unread after that is lost with the connection.
        let _ = tokio::time::timeout(DRAIN_LIMIT, self.read_rest()).await;
    }

    async fn read_rest(self) {
        let mut drained = 0;
        while drained < MAX_DRAINED_BYTES && !self.lock().is_end_stream() {
            match poll_fn(|context| Pin::new(&mut *self.lock()).poll_frame(context)).await {
                Some(Ok(frame)) => drained += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
