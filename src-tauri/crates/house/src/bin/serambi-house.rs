//! `serambi-house`: a house without a window.

use std::{net::IpAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serambi_house::{
    AcmeConfig, DomainCertificate, DomainConfig, DomainState, House, HouseConfig, HouseError, LETS_ENCRYPT,
    MediaServer, Origin, OutsideAddress, Page, PortMapping, RoomStarters,
};
#[cfg(feature = "reach")]
use serambi_house::{AdmittedHouses, GateCertificate, GateConfig};
use serambi_protocol::{
    Code, DomainName,
    limits::{HOUSE_PORT, MEDIA_PORT},
    link::{GateLink, HTTPS_PORT},
};
#[cfg(feature = "reach")]
use serambi_protocol::{
    limits::{GATE_DISCOVERY_PORT, GATE_MEDIA_PORT},
    link::HouseKey,
};
use tokio::sync::watch;

/// How long the first link waits for the certificate.
const CERTIFICATE_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

const EXITS: &str = "\
Exit codes:
  0  closed after SIGINT or SIGTERM; on Windows after Ctrl+C or Ctrl+Break, with its console, at log-off or shutdown
  1  something that should not happen; the log says more
  2  the arguments cannot be read
  3  every port tried is taken, or the system keeps the port for programs with more rights
  4  the folder or the file in it cannot be read or written
  5  another program has this house open
  6  the media server does not start

The log goes to stderr and to a file per day; SERAMBI_LOG, or else RUST_LOG, chooses what is in it.";

/// A Serambi house: rooms for people who drop in.
///
/// Prints one line when it is open: the link to the house. With --domain it waits for the certificate first, at most
/// 30 s; when it comes later, the link is printed once more.
#[derive(Parser)]
#[command(name = "serambi-house", version, after_help = EXITS)]
struct Arguments {
    /// Where the house keeps its identity and its settings.
    #[arg(long, env = "SERAMBI_FOLDER", default_value = "serambi-house")]
    folder: PathBuf,
    /// Where a log file per day is kept, seven of them; `logs` in the house's folder if not given.
    #[arg(long, env = "SERAMBI_LOG_FOLDER")]
    log_folder: Option<PathBuf>,
    /// The house's name.
    #[arg(long, env = "SERAMBI_NAME", default_value = "Serambi")]
    name: String,
    /// The address to listen on: 0.0.0.0 for all networks of this computer, IPv4 and IPv6.
    #[arg(long, env = "SERAMBI_LISTEN", default_value = "0.0.0.0")]
    listen: IpAddr,
    /// How the house is seen from outside, where a router or a cloud passes its ports on: HOST[:TCP[:UDP]]. Ports that
    /// are not named are the same outside.
    #[arg(long, env = "SERAMBI_OUTSIDE", value_name = "HOST[:TCP[:UDP]]")]
    outside: Option<OutsideAddress>,
    /// Wait for guests at this gate as well, by the link that the gate gave: where no address leads to this house.
    /// Given several times: where the first is not reached.
    #[arg(
        long = "through",
        env = "SERAMBI_THROUGH",
        value_name = "GATE-LINK",
        value_delimiter = ',',
        value_parser = GateLink::read,
        hide_env_values = true
    )]
    gates: Vec<GateLink>,
    /// Ask the router (PCP, NAT-PMP, UPnP) to pass the ports on for as long as the house is open.
    #[arg(long, env = "SERAMBI_MAP_PORTS")]
    map_ports: bool,
    /// The TCP port; the next free one of twenty is used. 0: any. With --domain this one or none.
    /// [default: 7410; 443 with --domain, if the certificate is the house's]
    #[arg(long, env = "SERAMBI_PORT")]
    port: Option<u16>,
    #[command(flatten)]
    domain: DomainArguments,
    /// The UDP port of the embedded media server; the next free one of twenty is used. 0: any.
    #[arg(long, env = "SERAMBI_MEDIA_PORT", default_value_t = MEDIA_PORT)]
    media_port: u16,
    /// A folder of static files to serve at `/` instead of the page in the program.
    #[arg(long, env = "SERAMBI_PAGE")]
    page: Option<PathBuf>,
    /// Who may start rooms.
    #[arg(long, env = "SERAMBI_ROOMS_BY", value_enum, default_value_t = RoomsBy::Anybody)]
    rooms_by: RoomsBy,
    /// Print a link whose first opener becomes one more keeper. A house without a keeper prints one anyway.
    #[arg(long)]
    new_keeper: bool,
    /// Do not announce the house on the local network.
    #[arg(long, env = "SERAMBI_NO_DISCOVERY")]
    no_discovery: bool,
    /// Let web pages of this origin use the house, such as https://house.example behind a reverse proxy on this
    /// computer. Comma-separated, or given several times.
    #[arg(long = "origin", env = "SERAMBI_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    origins: Vec<Origin>,
    /// Use this LiveKit server instead of the embedded one: ws:// or wss://.
    #[arg(long, env = "SERAMBI_LIVEKIT_URL", requires_all = ["livekit_key", "livekit_secret"])]
    livekit_url: Option<String>,
    /// Where that server's RoomService is, if not at the same address.
    #[arg(long, env = "SERAMBI_LIVEKIT_API_URL", requires = "livekit_url")]
    livekit_api_url: Option<String>,
    /// Its API key.
    #[arg(long, env = "SERAMBI_LIVEKIT_KEY", requires = "livekit_url")]
    livekit_key: Option<String>,
    /// Its API secret. Better in the environment than on the command line, where others can read it.
    #[arg(long, env = "SERAMBI_LIVEKIT_SECRET", requires = "livekit_url", hide_env_values = true)]
    livekit_secret: Option<String>,
    #[cfg(feature = "reach")]
    #[command(flatten)]
    gate: GateArguments,
}

/// What gives a house a name.
#[derive(clap::Args)]
struct DomainArguments {
    /// The house's domain, such as rooms.example.org, which leads to this computer. A certificate for it is had from an
    /// authority (ACME) and renewed; the authority asks the house itself, on port 443 as seen from outside.
    #[arg(long, env = "SERAMBI_DOMAIN", value_name = "NAME")]
    domain: Option<DomainName>,
    /// A reverse proxy on this computer has the certificate for the domain: no authority is asked.
    #[arg(long, env = "SERAMBI_BEHIND_PROXY", requires = "domain")]
    behind_proxy: bool,
    /// The authority, by the address of its directory. Using it says that you agree to its terms.
    #[arg(
        long,
        env = "SERAMBI_ACME_DIRECTORY",
        value_name = "URL",
        default_value = LETS_ENCRYPT,
        requires = "domain",
        conflicts_with = "behind_proxy"
    )]
    acme_directory: String,
    /// Root certificates (PEM) to know the authority by, besides those of the public web.
    #[arg(
        long,
        env = "SERAMBI_ACME_ROOT",
        value_name = "FILE",
        value_parser = Roots::read,
        requires = "domain",
        conflicts_with = "behind_proxy"
    )]
    acme_root: Option<Roots>,
    /// Where the authority may write to when something is wrong with the certificate.
    #[arg(
        long,
        env = "SERAMBI_ACME_CONTACT",
        value_name = "MAIL-ADDRESS",
        requires = "domain",
        conflicts_with = "behind_proxy"
    )]
    acme_contact: Option<String>,
}

/// Root certificates out of a file.
#[derive(Clone)]
struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    fn read(file: &str) -> Result<Self, String> {
        let read = CertificateDer::pem_file_iter(file).and_then(|read| read.collect::<Result<Vec<_>, _>>());
        match read {
            Ok(roots) if roots.is_empty() => Err("no certificate in it".to_owned()),
            Ok(roots) => Ok(Self(roots)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl DomainArguments {
    /// The port on which a house with these listens, if none is named.
    const fn usual_port(&self) -> u16 {
        if self.domain.is_some() && !self.behind_proxy { HTTPS_PORT } else { HOUSE_PORT }
    }

    fn config(self) -> Option<DomainConfig> {
        let acme = AcmeConfig {
            directory: self.acme_directory,
            roots: self.acme_root.map_or_else(Vec::new, |roots| roots.0),
            contact: self.acme_contact.map(|address| format!("mailto:{}", address.trim_start_matches("mailto:"))),
        };
        let certificate =
            if self.behind_proxy { DomainCertificate::ReverseProxy } else { DomainCertificate::Acme(acme) };
        self.domain.map(|name| DomainConfig { name, certificate })
    }
}

/// What makes a house a gate.
#[cfg(feature = "reach")]
#[derive(clap::Args)]
struct GateArguments {
    /// Be a gate: lead guests to houses behind routers, on a machine that everybody can reach. Prints the link that
    /// admits a house, to stderr. Needs the TCP port, UDP 7412 for address discovery, and UDP 7413 for browsers' media.
    #[arg(long = "gate", env = "SERAMBI_GATE")]
    is_gate: bool,
    /// Houses that need no token: a house's key, or `any` for all. Comma-separated, or given several times.
    #[arg(long, env = "SERAMBI_GATE_FOR", value_name = "KEY|any", value_delimiter = ',', requires = "is_gate")]
    gate_for: Vec<GateFor>,
    /// What one house or guest may send through the gate, in bytes per second.
    #[arg(
        long,
        env = "SERAMBI_GATE_RATE",
        value_name = "BYTES_PER_SECOND",
        default_value_t = serambi_house::DEFAULT_BYTES_PER_SECOND,
        requires = "is_gate"
    )]
    gate_rate: std::num::NonZeroU32,
    /// Houses and guests that may be connected at once.
    #[arg(
        long,
        env = "SERAMBI_GATE_CLIENTS",
        value_name = "NUMBER",
        default_value_t = serambi_house::DEFAULT_MAX_CLIENTS,
        requires = "is_gate"
    )]
    gate_clients: usize,
    /// The UDP port of address discovery, where a router or a cloud passes 7412 on to another one. 0: any.
    #[arg(long, env = "SERAMBI_GATE_UDP_PORT", default_value_t = GATE_DISCOVERY_PORT, requires = "is_gate")]
    gate_udp_port: u16,
    /// The UDP port of browsers' media, which houses tell their guests of. 0: any.
    #[arg(long, env = "SERAMBI_GATE_MEDIA_PORT", default_value_t = GATE_MEDIA_PORT, requires = "is_gate")]
    gate_media_port: u16,
    /// Guests and houses see a certificate of the public web (from a reverse proxy): the link has no fingerprint.
    #[arg(long, env = "SERAMBI_GATE_WEB_CERTIFICATE", requires = "is_gate")]
    gate_web_certificate: bool,
}

/// Who needs no token.
#[cfg(feature = "reach")]
#[derive(Clone)]
enum GateFor {
    Any,
    Key(HouseKey),
}

#[cfg(feature = "reach")]
impl std::str::FromStr for GateFor {
    type Err = serambi_protocol::Refusal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "any" { Ok(Self::Any) } else { HouseKey::try_from(text.to_owned()).map(Self::Key) }
    }
}

#[cfg(feature = "reach")]
impl GateArguments {
    fn config(self) -> Option<GateConfig> {
        let keys: Option<Vec<HouseKey>> = self.gate_for.into_iter().map(GateFor::key).collect();
        let houses = keys.map_or(AdmittedHouses::Any, |also| AdmittedHouses::WithToken { also });
        let certificate = if self.gate_web_certificate { GateCertificate::PublicWeb } else { GateCertificate::Own };
        self.is_gate.then_some(GateConfig {
            houses,
            bytes_per_second: self.gate_rate,
            max_clients: self.gate_clients,
            discovery_port: self.gate_udp_port,
            media_port: self.gate_media_port,
            certificate,
        })
    }
}

#[cfg(feature = "reach")]
impl GateFor {
    /// None: every key.
    fn key(self) -> Option<HouseKey> {
        match self {
            Self::Any => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// Who may start rooms.
#[derive(Clone, Copy, ValueEnum)]
enum RoomsBy {
    /// Whoever is let through the door.
    Anybody,
    /// Members and keepers.
    Members,
    /// Keepers alone.
    Keepers,
}

impl From<RoomsBy> for RoomStarters {
    fn from(by: RoomsBy) -> Self {
        match by {
            RoomsBy::Anybody => Self::Anybody,
            RoomsBy::Members => Self::Members,
            RoomsBy::Keepers => Self::Keepers,
        }
    }
}

impl Arguments {
    fn config(self) -> HouseConfig {
        let media = match (self.livekit_url, self.livekit_key, self.livekit_secret) {
            (Some(url), Some(key), Some(secret)) => {
                let api_url = self.livekit_api_url.unwrap_or_else(|| http_address(&url));
                MediaServer::LiveKit { url, api_url, key, secret }
            }
            _ => MediaServer::Embedded,
        };
        HouseConfig {
            folder: self.folder,
            name: self.name,
            listen: self.listen,
            outside: self.outside,
            gates: self.gates,
            port_mapping: self.map_ports,
            port: self.port.unwrap_or(self.domain.usual_port()),
            media_port: self.media_port,
            discoverable: !self.no_discovery,
            domain: self.domain.config(),
            origins: self.origins,
            media,
            owner: None,
            starters: self.rooms_by.into(),
            page: self.page.map_or(Page::Inside(serambi_page::FILES), Page::Folder),
            #[cfg(feature = "reach")]
            gate: self.gate.config(),
        }
    }
}

/// A LiveKit server answers WebSockets and HTTP at the same address.
fn http_address(url: &str) -> String {
    match url.strip_prefix("ws") {
        Some(rest) => format!("http{rest}"),
        None => url.to_owned(),
    }
}

fn exit_code(error: &HouseError) -> u8 {
    match error.code() {
        Code::NameEmpty | Code::NameTooLong | Code::NameUnreadable => 2,
        Code::PortTaken | Code::PortNotAllowed => 3,
        Code::ProfileBroken => 4,
        Code::ProfileInUse => 5,
        Code::MediaFailed => 6,
        _ => 1,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let logs = arguments.log_folder.clone().unwrap_or_else(|| arguments.folder.join("logs"));
    // Held to the end: dropping it completes the file.
    let _log_file = match serambi_logging::start("serambi-house", Some(&logs)) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("serambi-house: {error}");
            None
        }
    };
    let new_keeper = arguments.new_keeper;
    match run(arguments.config(), new_keeper).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(code = %error.code(), %error, "the house does not open");
            eprintln!("serambi-house: {}: {error}", error.code());
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn run(config: HouseConfig, new_keeper: bool) -> Result<(), HouseError> {
    let asked = config.port;
    // Before anything else: whoever reads the link may already send a signal.
    let end = Signals::listen()?;
    let house = House::start(config).await?;
    if asked != 0 && house.port() != asked {
        tracing::warn!(asked, used = house.port(), "the port was taken; the next free one is used");
    }
    if let Some(mut mapping) = house.port_mapping() {
        // With what the router says the link is whole. The house itself limits how long that may take.
        if mapping.wait_for(|mapping| *mapping != PortMapping::Asking).await.is_err() {
            tracing::debug!("the house closes before the router has answered");
        }
    }
    let mut domain = house.domain();
    if let Some(state) = &mut domain {
        wait_for_certificate(state).await;
    }
    println!("{}", house.link());
    #[cfg(feature = "reach")]
    if let Some(link) = house.gate_link() {
        // Not in the log: whoever has it may bring a house.
        eprintln!("Whoever brings a house to this gate gives it this link: {link}");
    }
    if new_keeper || !house.has_keeper().await? {
        // Not in the log: whoever opens this first runs the house.
        eprintln!("Whoever opens this link first keeps the house: {}", house.offer_keys().await?);
    }
    tokio::select! {
        () = end.wait() => {}
        () = follow_domain(&house, domain) => {}
    }
    house.suspend().await;
    Ok(())
}

/// Returns when the authority has answered in one way or the other, or takes long.
async fn wait_for_certificate(state: &mut watch::Receiver<DomainState>) {
    let is_answered = |state: &DomainState| state.valid_until_ms.is_some() || state.trouble.is_some();
    let answered = tokio::time::timeout(CERTIFICATE_LIMIT, state.wait_for(is_answered)).await;
    if answered.is_err() {
        tracing::info!("the authority takes its time; the link is by fingerprint until then");
    }
}

/// Says what stands in the way of a certificate, and the link by name once there is one. Does not end.
async fn follow_domain(house: &House, state: Option<watch::Receiver<DomainState>>) {
    let Some(mut state) = state else { return std::future::pending().await };
    let mut told = house.link();
    loop {
        let trouble = state.borrow_and_update().trouble.clone();
        if let Some(trouble) = trouble {
            eprintln!("serambi-house: no certificate for the domain: {trouble}");
        }
        let link = house.link();
        if link.house.proof != told.house.proof {
            println!("{link}");
            told = link;
        }
        if state.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What ends the program.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self, HouseError> {
        use tokio::signal::unix::{SignalKind, signal};
        let wrong = |error: std::io::Error| HouseError::System(error.to_string());
        let interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
        let terminate = signal(SignalKind::terminate()).map_err(wrong)?;
        Ok(Self { interrupt, terminate })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What ends the program: a key, the console window's own button, and Windows that logs off or shuts down. The system
/// waits some seconds for it to end by itself.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    break_key: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    log_off: tokio::signal::windows::CtrlLogoff,
    shut_down: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> Result<Self, HouseError> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
        let all = || -> std::io::Result<Self> {
            Ok(Self {
                interrupt: ctrl_c()?,
                break_key: ctrl_break()?,
                close: ctrl_close()?,
                log_off: ctrl_logoff()?,
                shut_down: ctrl_shutdown()?,
            })
        };
        all().map_err(|error| HouseError::System(error.to_string()))
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.break_key.recv() => {}
            _ = self.close.recv() => {}
            _ = self.log_off.recv() => {}
            _ = self.shut_down.recv() => {}
        }
    }
}
