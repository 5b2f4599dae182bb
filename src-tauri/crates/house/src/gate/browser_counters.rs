//! What a gate counts of browsers: how much it forwards and drops, never for whom.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counts since the gate was opened.
#[derive(Default)]
pub struct BrowserCounters {
    requests: AtomicU64,
    refused: AtomicU64,
    bytes_in: AtomicU64,
    packets_in: AtomicU64,
    bytes_out: AtomicU64,
    packets_out: AtomicU64,
    dropped: AtomicU64,
}

impl BrowserCounters {
    /// A request that a house answered.
    pub fn answered(&self) {
        add(&self.requests, 1);
    }

    /// A request that went no further.
    pub fn refused(&self) {
        add(&self.refused, 1);
    }

    /// A packet of a browser that was passed on.
    pub fn received(&self, bytes: usize) {
        add(&self.bytes_in, bytes as u64);
        add(&self.packets_in, 1);
    }

    /// A packet that a browser was sent.
    pub fn sent(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
        add(&self.packets_out, 1);
    }

    /// A packet of media that went no further, either way.
    pub fn dropped(&self) {
        add(&self.dropped, 1);
    }

    /// The counts of now.
    pub fn report(&self, sockets: usize) -> BrowserReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BrowserReport {
            sockets,
            requests: read(&self.requests),
            refused: read(&self.refused),
            bytes_in: read(&self.bytes_in),
            packets_in: read(&self.packets_in),
            bytes_out: read(&self.bytes_out),
            packets_out: read(&self.packets_out),
            dropped: read(&self.dropped),
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// The part of `GET /gate` about browsers. Counts are since the gate was opened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrowserReport {
    /// Sockets of browsers of now; a person has two or more.
    sockets: usize,
    requests: u64,
    refused: u64,
    bytes_in: u64,
    packets_in: u64,
    bytes_out: u64,
    packets_out: u64,
    dropped: u64,
}
