//! Pebble, an authority that signs certificates over ACME, for tests alone: who asks, and where, is up to the test.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};
use serde_json::json;

use crate::{Trouble, error::io, program::Program, wait};

/// `xtask::pebble` installs this one.
const VERSION: &str = "2.10.3";
const START_LIMIT: Duration = Duration::from_secs(20);
/// Below the ports that Linux gives to whoever asks for any (32768 and more).
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 5_000;
/// How many this process has looked at.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// Pebble's program; none: it is not installed, which is said in the name of this test.
pub fn program_for(test: &str, target: &Path) -> Option<PathBuf> {
    let program = target.join("xtask/pebble").join(VERSION).join("pebble");
    if program.is_file() {
        return Some(program);
    }
    eprintln!("{test}: left out, no Pebble {VERSION}; with Go: cargo xtask setup --tests");
    None
}

/// Where an authority is and whom it asks.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Its directory's.
    pub directory: u16,
    /// Where its own root can be had.
    pub management: u16,
    /// Where it connects to, to see whether a name leads there.
    pub house: u16,
}

impl Ports {
    /// Three that are free on loopback, and that the system gives nobody who asks for any: other tests run beside, and
    /// the house's is to be free again after a restart.
    ///
    /// # Errors
    /// When there are none.
    pub fn free() -> Result<Self, Trouble> {
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let own = FIRST_PORT + u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
        let candidates = std::iter::repeat_with(|| own + TAKEN.fetch_add(1, Ordering::Relaxed));
        let mut free = candidates.take(usize::from(PORTS)).filter(is_free);
        match (free.next(), free.next(), free.next()) {
            (Some(directory), Some(management), Some(house)) => Ok(Self { directory, management, house }),
            _ => Err(Trouble::Unexpected("no free ports".to_owned())),
        }
    }
}

/// A running authority. What it signed and whom it knows is forgotten when it ends.
pub struct Pebble {
    program: Program,
    ports: Ports,
    root: PathBuf,
}

impl Pebble {
    /// Starts it by this command, which runs its program somewhere; certificates are good for so long.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn start(
        mut command: Command,
        ports: Ports,
        name_server: SocketAddr,
        validity: Duration,
        folder: &Path,
    ) -> Result<Self, Trouble> {
        let root = certify(folder)?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        let config = json!({ "pebble": {
            "listenAddress": at(ports.directory),
            "managementListenAddress": at(ports.management),
            "certificate": folder.join("pebble.pem"),
            "privateKey": folder.join("pebble.key"),
            "httpPort": 1,
            "tlsPort": ports.house,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 },
            "keyAlgorithm": "ecdsa",
            "profiles": { "default": { "description": "for a test", "validityPeriod": validity.as_secs() } },
        } });
        let config_file = folder.join("pebble.json");
        fs::write(&config_file, config.to_string()).map_err(io("configuring Pebble"))?;
        command.arg("-config").arg(&config_file).args(["-dnsserver", &name_server.to_string()]);
        // It would sleep at random before it asks.
        command.env("PEBBLE_VA_NOSLEEP", "1");
        let said = folder.join("pebble.out");
        let output = File::create(&said).map_err(io("making Pebble's log"))?;
        let mut program = Program::start(&command, output.into(), &folder.join("pebble.log"))?;
        let is_there = || {
            program.still_runs()?;
            let said = fs::read_to_string(&said).map_err(io("reading Pebble's log"))?;
            Ok(said.contains("ACME directory available").then_some(()))
        };
        wait::until("Pebble", START_LIMIT, is_there, || fs::read_to_string(&said).unwrap_or_default())?;
        Ok(Self { program, ports, root })
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        directory_at(self.ports)
    }

    /// Where the root of what it signs can be had (PEM).
    pub fn issuing_root(&self) -> String {
        format!("https://127.0.0.1:{}/roots/0", self.ports.management)
    }

    /// The root by which the authority itself is known (PEM).
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// That it has not ended.
    ///
    /// # Errors
    /// When it has, with what it said.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        self.program.still_runs()
    }
}

/// Where a directory will be.
pub fn directory_at(ports: Ports) -> String {
    format!("https://127.0.0.1:{}/dir", ports.directory)
}

/// A root and a certificate of it for loopback, good from 2020 to 2040, made once; gives the root's file.
///
/// # Errors
/// When they cannot be made or written.
pub fn certify(folder: &Path) -> Result<PathBuf, Trouble> {
    let root_file = folder.join("root.pem");
    if !root_file.exists() {
        let signed = sign(&["127.0.0.1"]).map_err(|error| Trouble::Unexpected(error.to_string()))?;
        for (file, text) in [("root.pem", &signed.root), ("pebble.pem", &signed.chain), ("pebble.key", &signed.key)] {
            fs::write(folder.join(file), text).map_err(io("writing a certificate"))?;
        }
    }
    Ok(root_file)
}

/// A certificate and its key and root, each PEM.
pub struct Signed {
    /// The root.
    pub root: String,
    /// The certificate.
    pub chain: String,
    /// Its key.
    pub key: String,
}

/// A certificate for these names or addresses, by a root of its own, good from 2020 to 2040.
///
/// # Errors
/// When a name is none.
pub fn sign(names: &[&str]) -> Result<Signed, rcgen::Error> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "a root for a test");
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    // With its root's name it would count as signed by itself.
    parameters.distinguished_name = DistinguishedName::new();
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2040, 1, 1);
    let certificate = parameters.signed_by(&key, &root)?;
    Ok(Signed { root: root.pem(), chain: certificate.pem(), key: key.serialize_pem() })
}
