//! What a gate counts: how much it carries and what it drops and refuses, never who with whom.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::places::Full;

/// Counts since the gate was opened.
#[derive(Default)]
pub struct Counters {
    bytes_in: AtomicU64,
    datagrams_in: AtomicU64,
    bytes_out: AtomicU64,
    datagrams_out: AtomicU64,
    dropped_to_no_house: AtomicU64,
    dropped_over_rate: AtomicU64,
    dropped_malformed: AtomicU64,
    refused_in_all: AtomicU64,
    refused_of_network: AtomicU64,
    refused_wrong_token: AtomicU64,
}

/// Why a frame goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// From a guest to somebody who is no house here.
    ToNoHouse,
    /// More than a client may send.
    OverRate,
    /// Not readable.
    Malformed,
}

impl Counters {
    /// Datagrams of a client that are passed on.
    pub fn received(&self, bytes: usize, datagrams: u64) {
        add(&self.bytes_in, bytes as u64);
        add(&self.datagrams_in, datagrams);
    }

    /// Datagrams that a client was sent.
    pub fn sent(&self, bytes: usize, datagrams: u64) {
        add(&self.bytes_out, bytes as u64);
        add(&self.datagrams_out, datagrams);
    }

    /// Datagrams of a client that are not passed on.
    pub fn dropped(&self, why: Dropped, datagrams: u64) {
        let counter = match why {
            Dropped::ToNoHouse => &self.dropped_to_no_house,
            Dropped::OverRate => &self.dropped_over_rate,
            Dropped::Malformed => &self.dropped_malformed,
        };
        add(counter, datagrams);
    }

    /// A client for whom there is no place.
    pub fn refused(&self, why: Full) {
        add(if why == Full::InAll { &self.refused_in_all } else { &self.refused_of_network }, 1);
    }

    /// A house with the token of another gate.
    pub fn refused_token(&self) {
        add(&self.refused_wrong_token, 1);
    }

    /// The counts of now.
    pub fn report(&self, clients: usize, houses: usize, to_nobody: u64, discoveries: u64) -> Report {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            clients,
            houses,
            bytes_in: read(&self.bytes_in),
            datagrams_in: read(&self.datagrams_in),
            bytes_out: read(&self.bytes_out),
            datagrams_out: read(&self.datagrams_out),
            dropped: DroppedReport {
                to_no_house: read(&self.dropped_to_no_house),
                over_rate: read(&self.dropped_over_rate),
                malformed: read(&self.dropped_malformed),
                to_nobody,
            },
            refused: RefusedReport {
                in_all: read(&self.refused_in_all),
                of_network: read(&self.refused_of_network),
                wrong_token: read(&self.refused_wrong_token),
            },
            discoveries,
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// What `GET /gate` answers on the gate's own computer. Counts are since it was opened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Connections of now, houses and guests.
    clients: usize,
    /// Keys of houses of now.
    houses: usize,
    /// Frames with datagrams that were passed on, in bytes.
    bytes_in: u64,
    datagrams_in: u64,
    /// What came out at the other side: less than `in` where a queue was full.
    bytes_out: u64,
    datagrams_out: u64,
    dropped: DroppedReport,
    refused: RefusedReport,
    /// Times an address was told.
    discoveries: u64,
}

/// Datagrams that were not passed on, by reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedReport {
    to_no_house: u64,
    over_rate: u64,
    malformed: u64,
    /// Frames to somebody who is not connected.
    to_nobody: u64,
}

/// Clients that were refused, by reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedReport {
    in_all: u64,
    of_network: u64,
    wrong_token: u64,
}
