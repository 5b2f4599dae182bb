//! A house from opening to closing: everything below it put together.

use std::{num::NonZeroU16, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serambi_discovery::Announcement;
use serambi_protocol::{
    GateState, PersonId,
    link::{GateAddress, GateLink, HouseAddress, KeeperLink, Link, Pin},
    name::read_name,
};
use serambi_sfu::{MediaAddresses, Tunnel};
use tokio::sync::watch;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    api::{self, ApiState, RequestLimits},
    authenticator::Authenticator,
    certificate::Certificate,
    clock::Clock,
    domain::{self, Domain, DomainConfig, DomainState, Renewal},
    entrance::Entrance,
    error::HouseError,
    framed_media::{self, FramedMedia},
    house_config::HouseConfig,
    listener::{self, ConnectionLimiter, Listener, OriginPolicy},
    media::{MediaServer, embedded::Embedded, keys::Keys, media_reach::MediaReach, room_service::RoomService},
    open_files,
    outside_test::OutsideTests,
    page,
    port_mapping::{self, PortMapping, Ports},
    reached::Reached,
    recent_calls::RecentCalls,
    registry::{Media, Presence, RoomRegistry},
    room_actor::Ending,
    storage::{PersonRepository, Standing, Storage},
    tls::Certificates,
};
#[cfg(feature = "reach")]
use crate::{
    gate::{self, Gate},
    outside_test::{Asker, keep_tested},
};

const NAME: &str = "name";
/// Randomness of a keeper's code.
const KEEPER_CODE_BYTES: usize = 24;

/// An open house. Clones are the same house; when the last one is dropped it closes without a goodbye.
#[derive(Clone)]
pub struct House {
    inside: Arc<Inside>,
}

struct Inside {
    name: String,
    pin: Pin,
    reached: Reached,
    told_addresses: watch::Receiver<Vec<String>>,
    clock: Clock,
    rooms: RoomRegistry,
    people: PersonRepository,
    embedded: Option<Embedded>,
    entrance: Entrance,
    #[cfg(feature = "reach")]
    gate: Option<Gate>,
    /// What is put away on closing.
    open: Mutex<Option<Open>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

struct Open {
    announcement: Option<Announcement>,
    storage: Storage,
}

impl House {
    /// Opens a house.
    ///
    /// # Errors
    /// [`HouseError`]; the code says what a person can do about it.
    pub async fn start(config: HouseConfig) -> Result<Self, HouseError> {
        Self::start_at(config, Clock::default()).await
    }

    /// The same with a clock that a test can move.
    ///
    /// # Errors
    /// [`HouseError`].
    pub async fn start_at(config: HouseConfig, clock: Clock) -> Result<Self, HouseError> {
        let name = read_name(&config.name).map_err(HouseError::Name)?;
        let storage = Storage::open(config.folder.clone()).await?;
        let certificate = Certificate::load_or_make(&storage).await?;
        storage.settings().write(vec![(NAME, name.clone().into_bytes())]).await?;
        let people = storage.people();
        if let Some(owner) = config.owner {
            people.set(owner, Standing::Keeper, clock.unix_ms()).await?;
        }
        let pin = certificate.pin();

        let listener = match config.domain {
            // A name leads to one port.
            Some(_) => listener::open_at(config.listen, config.port).await?,
            None => listener::open(config.listen, config.port).await?,
        };
        let listening = listener.local_addr().map_err(|error| HouseError::System(error.to_string()))?;
        let named = config.domain.as_ref();
        let certificates = Arc::new(Certificates::new(certificate.key()?, named.and_then(DomainConfig::shown_here)));
        let (domain, renewal) = open_domain(named, &storage, &certificates, &clock).await?;
        let outside = config.outside.clone().or_else(|| named.map(DomainConfig::outside));
        let outside_of_media = config.outside.clone().or_else(|| named.map(DomainConfig::outside_of_media));
        let (mapping_state, mapping) = maps_ports(&config).then(|| watch::channel(PortMapping::Asking)).unzip();
        let (told_tests, tests) = watch::channel(OutsideTests::default());
        let reached = Reached { listen: config.listen, outside, mapping, port: listening.port(), tests, domain };
        let reach = MediaReach::new(Reached { outside: outside_of_media, ..reached.clone() });
        let media_addresses = reach.addresses().await;
        #[cfg(feature = "reach")]
        let (tunnel, tunnel_end) = crate::entrance::tunnel();
        let (framed, framed_end) = framed_media::tunnel();
        let tunnels = vec![
            framed,
            #[cfg(feature = "reach")]
            tunnel,
        ];
        let (media, embedded) = open_media(&config, media_addresses.clone(), tunnels)?;

        let stop = CancellationToken::new();
        let rooms =
            RoomRegistry::open(clock.clone(), media, storage.rooms(), people.clone(), config.starters, stop.clone())
                .await?;
        let (told, told_addresses) = watch::channel(reached.addresses());
        let state = ApiState {
            name: name.clone(),
            pin: pin.to_string(),
            clock: clock.clone(),
            authenticator: Authenticator::new(pin.clone(), named.map(|domain| domain.name.clone()), clock.clone()),
            rooms: rooms.clone(),
            people: people.clone(),
            embedded: embedded.clone(),
            addresses: told_addresses.clone(),
            reached: reached.clone(),
            stop: stop.clone(),
            limits: RequestLimits::new(&clock),
            recent_calls: RecentCalls::new(&clock),
        };
        let mut router = api::router(Arc::new(state));
        if let Some(embedded) = &embedded {
            router = router.merge(embedded.router());
        }
        let tls = certificates.tls()?;
        #[cfg(feature = "reach")]
        let (gate, gate_service) = match &config.gate {
            Some(gate) => {
                let site = gate::Site { listening, pin: &pin, tls: &tls };
                Some(gate::open(gate, site, &storage, &clock, stop.clone()).await?)
            }
            None => None,
        }
        .unzip();
        #[cfg(feature = "reach")]
        if let Some(service) = &gate_service {
            router = router.merge(service.router());
        }
        let media_url = match &config.media {
            MediaServer::Embedded => None,
            MediaServer::LiveKit { url, .. } => Some(url.as_str()),
        };
        #[cfg(feature = "reach")]
        let is_gate = config.gate.is_some();
        #[cfg(not(feature = "reach"))]
        let is_gate = false;
        let router = page::serve(router, &config.page, media_url, is_gate);
        let tasks = TaskTracker::new();
        #[cfg(feature = "reach")]
        if let Some(service) = gate_service {
            tasks.spawn(service.serve());
        }
        tasks.spawn(keep_beating(rooms.clone(), stop.clone()));
        if let (Some(state), Some(ports)) = (mapping_state, ports(listening.port(), embedded.as_ref())) {
            tasks.spawn(port_mapping::keep_mapped(ports, state, stop.clone()));
        }
        tasks.spawn(reached.clone().follow(told, stop.clone()));
        if let Some(embedded) = embedded.clone() {
            tasks.spawn(follow_addresses(reach, embedded, media_addresses, stop.clone()));
        }
        let max_files = open_files::raise_limit();
        let connections = ConnectionLimiter::new(max_files);
        let origins =
            OriginPolicy::new(config.origins.iter().cloned().chain(named.map(DomainConfig::origin)).collect());
        let (framed, carrying) = FramedMedia::new(framed_end, stop.clone());
        tasks.spawn(carrying);
        let framed = embedded.is_some().then_some(framed);
        let listeners = Listener::new(tls, router, connections, origins, framed, stop.clone());
        #[cfg(feature = "reach")]
        let entrance = Entrance::new(&storage, listeners.clone(), tunnel_end, stop.clone(), tasks.clone()).await?;
        #[cfg(not(feature = "reach"))]
        let entrance = Entrance::new(told_tests);
        entrance.open(config.gates.clone()).await?;
        #[cfg(feature = "reach")]
        {
            let asker = Asker { pin: pin.clone(), embedded: embedded.clone() };
            tasks.spawn(keep_tested(asker, reached.clone(), entrance.clone(), told_tests, stop.clone()));
        }
        if let Some(plain) = listener::open_for_redirects(listening, named).await {
            tasks.spawn(listeners.clone().serve(plain));
        }
        tasks.spawn(listeners.serve(listener));
        if let Some(renewal) = renewal {
            // Only now is anybody there whom the authority could ask.
            tasks.spawn(renewal.keep(stop.clone()));
        }
        let announcement = if config.discoverable { announce(&config, listening.port(), &name, &pin) } else { None };
        tracing::info!(port = listening.port(), "the house is open");
        let inside = Inside {
            name,
            pin,
            reached,
            told_addresses,
            clock,
            rooms,
            people,
            embedded,
            entrance,
            #[cfg(feature = "reach")]
            gate,
            open: Mutex::new(Some(Open { announcement, storage })),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            tasks,
        };
        Ok(Self { inside: Arc::new(inside) })
    }

    /// Where the house is reached and how it is known. The interfaces are looked at anew each time.
    pub fn address(&self) -> HouseAddress {
        self.inside.reached.address(&self.inside.pin, self.inside.entrance.address())
    }

    /// The `host:port`s of [`House::address`], followed: at most half a second old.
    pub fn addresses(&self) -> watch::Receiver<Vec<String>> {
        self.inside.told_addresses.clone()
    }

    /// How the house stands with the gates at which it waits.
    pub fn gates(&self) -> watch::Receiver<Vec<(GateAddress, GateState)>> {
        self.inside.entrance.gates()
    }

    /// Waits at these gates from now on, and at no other. Guests of the gates before are sent away.
    ///
    /// # Errors
    /// `internal`, `link_wrong`: an address of a gate.
    pub async fn set_gates(&self, gates: Vec<GateLink>) -> Result<(), HouseError> {
        self.inside.entrance.open(gates).await
    }

    /// How the domain stands, if the house has the certificate for one.
    pub fn domain(&self) -> Option<watch::Receiver<DomainState>> {
        self.inside.reached.domain.as_ref().and_then(|domain| domain.state.clone())
    }

    /// Whether the router passes the ports on, if it is asked.
    pub fn port_mapping(&self) -> Option<watch::Receiver<PortMapping>> {
        self.inside.reached.mapping.clone()
    }

    /// What came of trying its addresses outside; a gate does it.
    pub fn outside_tests(&self) -> watch::Receiver<OutsideTests> {
        self.inside.reached.tests.clone()
    }

    /// The link to the house itself.
    pub fn link(&self) -> Link {
        Link { house: self.address(), room: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inside.name
    }

    /// The certificate's fingerprint.
    pub fn pin(&self) -> Pin {
        self.inside.pin.clone()
    }

    /// The TCP port in use.
    pub fn port(&self) -> u16 {
        self.inside.reached.port
    }

    /// The UDP port in use, if the media server is the embedded one.
    pub fn media_port(&self) -> Option<u16> {
        self.inside.embedded.as_ref().map(Embedded::udp_port)
    }

    /// What admits a house to this gate, if it is one. A secret.
    #[cfg(feature = "reach")]
    pub fn gate_link(&self) -> Option<GateLink> {
        self.inside.gate.as_ref().and_then(|gate| gate.link(&self.address()))
    }

    /// The UDP port at which this gate tells addresses, if it is one.
    #[cfg(feature = "reach")]
    pub fn gate_discovery_port(&self) -> Option<u16> {
        self.inside.gate.as_ref().map(Gate::discovery_port)
    }

    /// The house's clock.
    pub fn clock(&self) -> Clock {
        self.inside.clock.clone()
    }

    /// Who would be cut off if the house closed now, not counting `except` (whoever closes it).
    pub fn presence(&self, except: Option<PersonId>) -> Presence {
        self.inside.rooms.presence(except)
    }

    /// Ends all rooms, tells everybody, says goodbye on the network and closes the file.
    pub async fn close(&self) {
        self.close_with(Ending::Over).await;
    }

    /// The same, but rooms are kept for the next start: their people are told that the house is away.
    pub async fn suspend(&self) {
        self.close_with(Ending::Kept).await;
    }

    /// A link that makes whoever opens it first a keeper of this house. An earlier one that was not used is void.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn offer_keys(&self) -> Result<KeeperLink, HouseError> {
        let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEEPER_CODE_BYTES]>());
        self.inside.people.offer_keys(&code).await?;
        Ok(KeeperLink { house: self.address(), code })
    }

    /// Does the house have a keeper yet?
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn has_keeper(&self) -> Result<bool, HouseError> {
        Ok(self.inside.people.keepers().await? > 0)
    }

    async fn close_with(&self, ending: Ending) {
        let open = self.inside.open.lock().take();
        let Some(Open { announcement, storage }) = open else {
            // Somebody else is closing it already.
            return self.inside.tasks.wait().await;
        };
        self.inside.rooms.close(ending).await;
        self.inside.entrance.close().await;
        self.inside.stop.cancel();
        self.inside.tasks.close();
        self.inside.tasks.wait().await;
        if let Some(embedded) = &self.inside.embedded {
            embedded.close().await;
        }
        if let Some(announcement) = announcement {
            announcement.close().await;
        }
        storage.close().await;
        tracing::info!("the house is closed");
    }
}

/// The domain as guests see it, and what has its certificate renewed, if that is the house.
async fn open_domain(
    config: Option<&DomainConfig>,
    storage: &Storage,
    certificates: &Arc<Certificates>,
    clock: &Clock,
) -> Result<(Option<Domain>, Option<Renewal>), HouseError> {
    let Some(config) = config else { return Ok((None, None)) };
    let (domain, renewal) = domain::open(config, storage, certificates.clone(), clock.clone()).await?;
    Ok((Some(domain), renewal))
}

/// Ports are of use outside if media has one of them, and if anybody else can reach them at all.
fn maps_ports(config: &HouseConfig) -> bool {
    config.port_mapping && !config.listen.is_loopback() && matches!(config.media, MediaServer::Embedded)
}

fn ports(tcp: u16, embedded: Option<&Embedded>) -> Option<Ports> {
    Some(Ports { tcp: NonZeroU16::new(tcp)?, udp: NonZeroU16::new(embedded?.udp_port())? })
}

/// The house notes that it is alive until it closes.
async fn keep_beating(rooms: RoomRegistry, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = rooms.keep_beating() => {}
    }
}

/// Sound is where the house's networks are until it closes.
async fn follow_addresses(reach: MediaReach, embedded: Embedded, told: MediaAddresses, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = reach.follow(&embedded, told) => {}
    }
}

fn open_media(
    config: &HouseConfig,
    addresses: MediaAddresses,
    tunnels: Vec<Tunnel>,
) -> Result<(Media, Option<Embedded>), HouseError> {
    match &config.media {
        MediaServer::Embedded => {
            let keys = Keys::random();
            let embedded = Embedded::start(&keys, config.listen, config.media_port, addresses, tunnels)?;
            let service = RoomService::embedded(embedded.clone(), keys.clone());
            Ok((Media { url: None, keys, service, embedded: Some(embedded.clone()) }, Some(embedded)))
        }
        MediaServer::LiveKit { url, api_url, key, secret } => {
            let keys = Keys::new(key.clone(), secret.clone());
            let service = RoomService::new(api_url, keys.clone())?;
            Ok((Media { url: Some(url.clone()), keys, service, embedded: None }, None))
        }
    }
}

/// A house that cannot be announced is still a house: links work.
fn announce(config: &HouseConfig, port: u16, name: &str, pin: &Pin) -> Option<Announcement> {
    match Announcement::new(config.listen, port, name, pin) {
        Ok(announcement) => Some(announcement),
        Err(error) => {
            tracing::warn!(%error, "the house is not announced");
            None
        }
    }
}
