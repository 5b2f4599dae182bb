//! A little HTTP server on loopback that offers one signed release, as Tauri's updater asks for it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;

use crate::{Trouble, error::io};

/// minisign's algorithm that signs the bytes themselves, and the number of our key.
const ALGORITHM: &[u8; 2] = b"Ed";
const KEY_NUMBER: [u8; 8] = [7; 8];

/// A key pair of minisign's.
pub struct ReleaseKey(SigningKey);

impl ReleaseKey {
    /// The one that this seed makes.
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    /// The public key, one line.
    pub fn public(&self) -> String {
        STANDARD.encode([&ALGORITHM[..], &KEY_NUMBER, self.0.verifying_key().as_bytes()].concat())
    }

    /// The signature of a package of this version, as a release names it: the whole file of minisign's, in base64.
    fn sign(&self, package: &[u8], version: &str) -> String {
        let comment = format!("timestamp:1\tfile:package\tversion:{version}");
        let signature = self.0.sign(package).to_bytes();
        let all = self.0.sign(&[&signature[..], comment.as_bytes()].concat()).to_bytes();
        let line = STANDARD.encode([&ALGORITHM[..], &KEY_NUMBER, &signature].concat());
        let trusted = format!("trusted comment: {comment}");
        STANDARD.encode(["untrusted comment: test", &line, &trusted, &STANDARD.encode(all), ""].join("\n"))
    }
}

/// What a server offers.
#[derive(Clone, Copy)]
pub struct Release<'a> {
    /// The version that the address names.
    pub named: &'a str,
    /// The version that the package was signed for.
    pub signed_for: &'a str,
    /// The package.
    pub package: &'static [u8],
    /// How long the server says that the package is, bytes; none: as it is.
    pub announced: Option<u64>,
}

impl<'a> Release<'a> {
    /// An honest one.
    pub fn of(version: &'a str, package: &'static [u8]) -> Self {
        Self { named: version, signed_for: version, package, announced: None }
    }
}

/// The server; its thread ends with the process.
pub struct ReleaseServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl ReleaseServer {
    /// Offers this release, signed with this key.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(release: Release<'_>, key: &ReleaseKey) -> Result<Self, Trouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("listening"))?;
        let address = listener.local_addr().map_err(io("listening"))?;
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let Release { named, signed_for, package, announced } = release;
        let signature = key.sign(package, signed_for);
        let offered = json!({ "url": format!("http://{address}/package"), "signature": signature });
        let newest = json!({ "version": named, "platforms": { platform: offered } }).to_string();
        let announced = announced.unwrap_or(package.len() as u64);
        let asked = Arc::<AtomicUsize>::default();
        let counted = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                // Whoever hangs up is not waited for.
                let _ = answer(stream, newest.as_bytes(), (package, announced));
            }
        });
        Ok(Self { address, asked })
    }

    /// Where the newest release is asked for, with the key that is believed.
    pub fn source(&self, key: &ReleaseKey) -> String {
        format!("http://{}/latest.json#{}", self.address, key.public())
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, newest: &[u8], package: (&[u8], u64)) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (body, announced) = if request.contains(" /package ") { package } else { (newest, newest.len() as u64) };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(body)
}
