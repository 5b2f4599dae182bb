//! Houses on the local network: announcing one's own, and browsing for others (mDNS, RFC 6762 and 6763).
//!
//! A house that listens on a loopback address is announced on the loopback interface only; browsing likewise.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use serambi_protocol::{
    Code,
    limits::MDNS_SERVICE,
    link::{HouseAddress, HouseProof, Pin},
    name::read_name,
};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

/// The version of what is announced.
const VERSION: &str = "1";
/// A TXT entry, key included, has at most 255 bytes (RFC 6763 section 6.1).
const NAME_BYTES: usize = 240;
/// The limit of an announcement's goodbye.
const MAX_GOODBYE: Duration = Duration::from_secs(1);
/// Sightings that wait for a browser's owner; the daemon is slowed down beyond.
const MAX_WAITING_SIGHTINGS: usize = 64;
/// Houses of one network that are shown.
const MAX_KNOWN_HOUSES: usize = 256;
/// Addresses of one house that are tried.
const MAX_ADDRESSES: usize = 8;

/// The local network cannot be searched or told.
#[derive(Debug, thiserror::Error)]
#[error("finding houses: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

impl DiscoveryError {
    /// The stable code, to match on and to translate.
    pub fn code(&self) -> Code {
        Code::Internal
    }
}

/// A house that announces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundHouse {
    /// Its name.
    pub name: String,
    /// Where it is and how to know it.
    pub address: HouseAddress,
}

/// What a browser sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A house is there, or has changed.
    Here(FoundHouse),
    /// This house is no longer announced.
    Gone(HouseProof),
}

/// A search of the local network, ended by dropping it.
pub struct Browser {
    daemon: ServiceDaemon,
    sightings: mpsc::Receiver<Sighting>,
    reading: JoinHandle<()>,
}

impl Browser {
    /// The next thing that is seen. None: browsing is no longer possible.
    pub async fn next(&mut self) -> Option<Sighting> {
        self.sightings.recv().await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.reading.abort();
        if let Err(error) = self.daemon.shutdown() {
            tracing::debug!(%error, "the search of the network did not end well");
        }
    }
}

/// Begins to look for houses on the network that `listen` belongs to.
///
/// # Errors
/// `internal` if the system does not let us.
pub fn browse(listen: IpAddr) -> Result<Browser, DiscoveryError> {
    let daemon = daemon_on(listen)?;
    let events = daemon.browse(MDNS_SERVICE)?;
    let (found, sightings) = mpsc::channel(MAX_WAITING_SIGHTINGS);
    let reading = tokio::spawn(async move {
        let mut known = KnownHouses::default();
        while let Ok(event) = events.recv_async().await {
            let Some(sighting) = known.sighting_of(event) else { continue };
            if found.send(sighting).await.is_err() {
                return;
            }
        }
    });
    Ok(Browser { daemon, sightings, reading })
}

/// An announced house. Closing it says goodbye; dropping it is like pulling the plug.
pub struct Announcement {
    daemon: ServiceDaemon,
    instance: String,
}

impl Announcement {
    /// Announces a house that listens there.
    ///
    /// # Errors
    /// `internal` if the system does not let us.
    pub fn new(listen: IpAddr, port: u16, name: &str, pin: &Pin) -> Result<Self, DiscoveryError> {
        let daemon = daemon_on(listen)?;
        let label = label(pin);
        let host = format!("{label}.local.");
        let text = [("pin", pin.as_str()), ("name", shorten(name)), ("v", VERSION)];
        let mut service = if listen.is_unspecified() {
            // The computer may change networks while the house is open.
            ServiceInfo::new(MDNS_SERVICE, &label, &host, "", port, &text[..])?.enable_addr_auto()
        } else {
            ServiceInfo::new(MDNS_SERVICE, &label, &host, listen, port, &text[..])?
        };
        // The name is made of the fingerprint: nobody else has it, so there is nobody to ask.
        service.set_requires_probe(false);
        if listen.is_loopback() {
            service.set_interfaces(vec![IfKind::Predicate(loopback_only())]);
        }
        let instance = service.get_fullname().to_owned();
        daemon.register(service)?;
        Ok(Self { daemon, instance })
    }

    /// Says goodbye, so that nobody lists a house that is gone.
    pub async fn close(self) {
        match self.daemon.unregister(&self.instance) {
            Ok(done) => {
                // A network that is gone takes no goodbye.
                let _ = tokio::time::timeout(MAX_GOODBYE, done.recv_async()).await;
            }
            Err(error) => tracing::debug!(%error, "no goodbye could be said"),
        }
        if let Err(error) = self.daemon.shutdown() {
            tracing::debug!(%error, "announcing did not end well");
        }
    }
}

fn loopback_only() -> mdns_sd::IfPredicate {
    mdns_sd::IfPredicate::new(|interface| interface.is_loopback())
}

fn daemon_on(listen: IpAddr) -> Result<ServiceDaemon, DiscoveryError> {
    let daemon = ServiceDaemon::new()?;
    if listen.is_loopback() {
        // Carried out in this order before anything is asked or announced.
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Predicate(loopback_only()))?;
    }
    Ok(daemon)
}

/// A DNS label that is this house's alone: names are case-insensitive, fingerprints are not, so it is hexadecimal.
fn label(pin: &Pin) -> String {
    let digest: [u8; 32] = Sha256::digest(pin.as_str().as_bytes()).into();
    let hex: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("serambi-{hex}")
}

fn shorten(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

/// Houses that were sighted, by the name of their mDNS instance: a goodbye names nothing else.
#[derive(Default)]
struct KnownHouses(HashMap<String, HouseProof>);

impl KnownHouses {
    fn sighting_of(&mut self, event: ServiceEvent) -> Option<Sighting> {
        match event {
            ServiceEvent::ServiceResolved(service) => self.add(&service.fullname, read_house(&service)?),
            ServiceEvent::ServiceRemoved(_, instance) => self.0.remove(&instance).map(Sighting::Gone),
            _ => None,
        }
    }

    /// Anybody on the network can announce without end, so there is a limit.
    fn add(&mut self, instance: &str, house: FoundHouse) -> Option<Sighting> {
        if self.0.len() >= MAX_KNOWN_HOUSES && !self.0.contains_key(instance) {
            tracing::warn!(houses = self.0.len(), "too many houses on this network; another is not shown");
            return None;
        }
        self.0.insert(instance.to_owned(), house.address.proof.clone());
        Some(Sighting::Here(house))
    }
}

/// The house behind a resolved service; none for anything that is not announced as this version does.
fn read_house(service: &ResolvedService) -> Option<FoundHouse> {
    if service.get_property_val_str("v") != Some(VERSION) {
        return None;
    }
    let pin = Pin::try_from(service.get_property_val_str("pin")?.to_owned()).ok()?;
    let name = read_name(service.get_property_val_str("name")?).ok()?;
    let mut ips: Vec<IpAddr> =
        service.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(is_usable).collect();
    // IPv4 before IPv6, this computer last.
    ips.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
    ips.dedup();
    ips.truncate(MAX_ADDRESSES);
    let port = service.get_port();
    let addresses: Vec<String> = ips.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect();
    (!addresses.is_empty()).then_some(FoundHouse { name, address: HouseAddress::by_pin(addresses, pin) })
}

fn is_usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    const LIMIT: Duration = Duration::from_secs(20);

    async fn wait_for(browser: &mut Browser, wanted: impl Fn(&Sighting) -> bool) -> Option<Sighting> {
        tokio::time::timeout(LIMIT, async {
            loop {
                let sighting = browser.next().await?;
                if wanted(&sighting) {
                    return Some(sighting);
                }
            }
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_house_on_loopback_is_found_there_and_says_goodbye() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let pin = Pin::from_digest(&rand::random());
        let house = Announcement::new(here, 7_999, "Serambi 廊", &pin).unwrap();
        let mut browser = browse(here).unwrap();
        let address = HouseAddress::by_pin(vec!["127.0.0.1:7999".into()], pin.clone());
        let expected = Sighting::Here(FoundHouse { name: "Serambi 廊".into(), address });
        let proof = HouseProof::Pin(pin);
        let ours = |sighting: &Sighting| matches!(sighting, Sighting::Here(house) if house.address.proof == proof);
        assert_eq!(wait_for(&mut browser, ours).await, Some(expected));
        house.close().await;
        assert!(wait_for(&mut browser, |sighting| *sighting == Sighting::Gone(proof.clone())).await.is_some());
    }

    /// Anybody on the network could fill the memory of whoever looks at Home.
    #[test]
    fn a_network_that_announces_houses_without_end_is_not_believed_without_end() {
        let mut known = KnownHouses::default();
        let house = |pin: &Pin| {
            let address = HouseAddress::by_pin(vec!["192.0.2.1:7410".into()], pin.clone());
            FoundHouse { name: "Teras".into(), address }
        };
        let pin = Pin::from_digest(&[1; 32]);
        for number in 0..MAX_KNOWN_HOUSES {
            assert!(known.add(&number.to_string(), house(&pin)).is_some(), "{number}");
        }
        assert_eq!(known.add("one too many", house(&pin)), None);
        assert!(known.add("7", house(&pin)).is_some(), "a house that is known may change");
        let gone = ServiceEvent::ServiceRemoved(MDNS_SERVICE.into(), "7".into());
        assert_eq!(known.sighting_of(gone), Some(Sighting::Gone(HouseProof::Pin(pin.clone()))));
        assert!(known.add("one too many", house(&pin)).is_some());
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        let long = "周".repeat(100);
        assert_eq!(shorten(&long), "周".repeat(NAME_BYTES / 3));
    }

    #[test]
    fn every_house_has_its_own_label() {
        let (one, other) = (label(&Pin::from_digest(&[1; 32])), label(&Pin::from_digest(&[2; 32])));
        assert_ne!(one, other);
        assert!(
            one.len() < 63
                && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }
}
