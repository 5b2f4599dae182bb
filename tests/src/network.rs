//! Networks of their own on one computer: two places, each in a network namespace, joined by a cable that runs through
//! this program. It can lose and delay what it carries.
//!
//! Works as root, and for anybody else inside `unshare --map-root-user --net` (unshare(1)), where /dev/net/tun is open
//! to all, as Debian has it.

use std::{
    fs::File,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use crate::{
    Trouble,
    cable::{Lane, Offered},
    error::io as reading,
    namespace::Namespace,
    path_condition::Condition,
    program::run,
    tun,
};

/// May this user make networks? Root may; everybody may be root in a namespace of their own: see [`run_again_as_root`].
pub fn may_be_made() -> bool {
    run(Command::new("unshare").args(["--net", "true"])).is_ok()
}

/// Runs this very program again, as root of a namespace of its own, and gives what it printed.
///
/// # Errors
/// When that is not allowed here, or the program ends badly.
pub fn run_again_as_root(arguments: &[&str]) -> Result<Vec<u8>, Trouble> {
    let own = std::env::current_exe().map_err(reading("looking for this program"))?;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]).arg(own).args(arguments);
    // What it says while it works is for whoever waits.
    run(command.stderr(Stdio::inherit()))
}

/// May this test make networks here and now? False: it has been run by itself as root of a namespace of its own, and
/// all is done.
///
/// # Errors
/// When it went badly there.
pub fn may_be_made_for(test: &str) -> Result<bool, Trouble> {
    let may = may_be_made();
    if !may {
        run_again_as_root(&["--exact", test, "--nocapture"])?;
    }
    Ok(may)
}

/// A network namespace with one end of the cable.
pub struct Place {
    namespace: Namespace,
    /// Its address on the cable.
    pub address: Ipv4Addr,
}

impl Place {
    fn open(name: &str, address: Ipv4Addr, output: &Path) -> Result<(Self, File), Trouble> {
        let namespace = Namespace::open(name, output)?;
        let end = namespace.within(|| tun::open(name))?.map_err(reading("opening /dev/net/tun"))?;
        namespace.ip(&format!("address add {address}/24 dev {name}"))?;
        namespace.ip(&format!("link set {name} up"))?;
        // It leads nowhere, but programs go by it when they look for their own address.
        namespace.ip(&format!("route add default dev {name}"))?;
        Ok((Self { namespace, address }, end))
    }

    /// A command that runs a program here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.namespace.command(program)
    }

    /// Gives nft(8) these rules.
    ///
    /// # Errors
    /// With what it said.
    pub fn nft(&self, rules: &str) -> Result<(), Trouble> {
        self.namespace.nft(rules)
    }

    /// Does something in this place: a socket opened there stays there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn within<T: Send>(&self, doing: impl FnOnce() -> T + Send) -> Result<T, Trouble> {
        self.namespace.within(doing)
    }
}

/// Two places and the cable between them.
pub struct Network {
    /// Where the speaker is.
    pub here: Arc<Place>,
    /// Where the listener is.
    pub there: Arc<Place>,
    lanes: [Arc<Lane>; 2],
    ended: Arc<AtomicBool>,
    carriers: Vec<JoinHandle<()>>,
}

impl Network {
    /// Two places joined by a cable that loses nothing and delays nothing.
    ///
    /// # Errors
    /// When this user may not make networks, or a program for it is missing.
    pub fn build(output: &Path) -> Result<Self, Trouble> {
        let (here, this_end) = Place::open("here", Ipv4Addr::new(10, 77, 0, 1), output)?;
        let (there, that_end) = Place::open("there", Ipv4Addr::new(10, 77, 0, 2), output)?;
        let (this_end, that_end) = (Arc::new(this_end), Arc::new(that_end));
        let ended = Arc::new(AtomicBool::new(false));
        let lanes = [there.address, here.address].map(|to| Arc::new(Lane::new(to)));
        let ends = [(Arc::clone(&this_end), Arc::clone(&that_end)), (that_end, this_end)];
        let carriers = lanes.iter().zip(ends).map(|(lane, (from, to))| {
            let (lane, ended) = (Arc::clone(lane), Arc::clone(&ended));
            std::thread::spawn(move || lane.carry(&from, &to, &ended))
        });
        let carriers = carriers.collect();
        Ok(Self { here: Arc::new(here), there: Arc::new(there), lanes, ended, carriers })
    }

    /// From now on UDP, and media over TCP, meets this fate, each direction with dice of its own.
    pub fn impair(&self, condition: Condition, seed: u64) {
        for (lane, seed) in self.lanes.iter().zip([seed, !seed]) {
            lane.impair(condition, seed);
        }
    }

    /// What [`Network::impair`] says is for all of TCP, too.
    pub fn impair_tcp_as_well(&self) {
        self.lanes.iter().for_each(|lane| lane.impair_tcp_as_well());
    }

    /// Cuts the cable for TCP, or mends it: a house channel and signalling are gone while the sound lives.
    pub fn cut_tcp(&self, is_cut: bool) {
        self.lanes.iter().for_each(|lane| lane.cut_tcp(is_cut));
    }

    /// What was sent from here to there between two moments.
    pub fn sent_there(&self, from: Instant, to: Instant) -> Vec<Offered> {
        self.lanes[0].offered(from, to)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for carrier in self.carriers.drain(..) {
            // A panic in it has been printed by then.
            let _ = carrier.join();
        }
    }
}
