//! A wire between two namespaces that runs through this program, which delays what it carries and loses some.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crate::{Trouble, cable::Lane, error::io as reading, namespace::Namespace, path_condition::Condition, tun};

/// A wire. It is cut with the value.
pub struct SlowWire {
    lanes: [Arc<Lane>; 2],
    ended: Arc<AtomicBool>,
    carriers: Vec<JoinHandle<()>>,
}

/// One end: where it is, the interface's name, and its address with the prefix's length.
type End<'a> = (&'a Namespace, &'a str, &'a str);

impl SlowWire {
    /// Lays one for IPv4 that carries at once whatever comes.
    ///
    /// # Errors
    /// When this user may not make interfaces.
    pub fn lay(one: End<'_>, other: End<'_>) -> Result<Self, Trouble> {
        let (one, other) = (Arc::new(open(one)?), Arc::new(open(other)?));
        let lanes = [(); 2].map(|()| Arc::new(Lane::to_the_world()));
        let ended = Arc::new(AtomicBool::new(false));
        let ends = [(Arc::clone(&one), Arc::clone(&other)), (other, one)];
        let carriers = lanes.iter().zip(ends).map(|(lane, (from, to))| {
            let (lane, ended) = (Arc::clone(lane), Arc::clone(&ended));
            std::thread::spawn(move || lane.carry(&from, &to, &ended))
        });
        Ok(Self { carriers: carriers.collect(), lanes, ended })
    }

    /// From now on everything meets this fate, each direction with dice of its own.
    pub fn impair(&self, condition: Condition, seed: u64) {
        for (lane, seed) in self.lanes.iter().zip([seed, !seed]) {
            lane.impair_tcp_as_well();
            lane.impair(condition, seed);
        }
    }
}

impl Drop for SlowWire {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for carrier in self.carriers.drain(..) {
            // A panic in it has been printed by then.
            let _ = carrier.join();
        }
    }
}

fn open((place, name, address): End<'_>) -> Result<File, Trouble> {
    let end = place.within(|| tun::open(name))?.map_err(reading("opening /dev/net/tun"))?;
    place.ip(&format!("address add {address} dev {name}"))?;
    place.ip(&format!("link set {name} up"))?;
    Ok(end)
}
