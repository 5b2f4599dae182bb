//! A house with a domain: its certificate is had from an authority (Pebble), shown to whoever asks by name, renewed and
//! kept, and what stands in the way is said; links with a fingerprint work all the while.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serambi_house::{AcmeConfig, Clock, DomainCertificate, DomainConfig, DomainState, House, HouseConfig};
use serambi_protocol::{
    Code,
    api::{HouseInfo, Session},
    sign_in,
};
use serambi_testkit::{
    name_server::NameServer,
    pebble::{self, Pebble, Ports},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::visitor::{TestHouse, Visitor};

const NAME: &str = "rooms.example";
/// Leads to this computer, but to no house.
const ELSEWHERE: &str = "elsewhere.example";
/// Let's Encrypt's.
const VALIDITY: Duration = Duration::from_secs(90 * DAY_S);
const DAY_S: u64 = 24 * 60 * 60;
/// An authority takes some seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// An authority that finds the house by its name, if it is started.
struct Place {
    program: PathBuf,
    ports: Ports,
    names: NameServer,
    folder: TempDir,
}

impl Place {
    /// None: Pebble is not installed, which was said.
    fn find(test: &str) -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target"));
        let program = pebble::program_for(test, &target)?;
        let names = [(NAME, Ipv4Addr::LOCALHOST), (ELSEWHERE, Ipv4Addr::new(127, 0, 0, 9))];
        let names = NameServer::start(&names).unwrap();
        Some(Self { program, ports: Ports::free().unwrap(), names, folder: tempfile::tempdir().unwrap() })
    }

    fn authority(&self) -> Pebble {
        let command = Command::new(&self.program);
        Pebble::start(command, self.ports, self.names.address(), VALIDITY, self.folder.path()).unwrap()
    }

    async fn house(&self, name: &str, clock: &Clock) -> House {
        let root = pebble::certify(self.folder.path()).unwrap();
        let acme = AcmeConfig {
            directory: pebble::directory_at(self.ports),
            roots: vec![CertificateDer::from_pem_file(root).unwrap()],
            contact: Some("mailto:ratna@example.org".into()),
        };
        let certificate = DomainCertificate::Acme(acme);
        let mut config = HouseConfig::new(self.folder.path(), "Teras").on_loopback();
        config.port = self.ports.house;
        config.discoverable = false;
        #[cfg(feature = "reach")]
        {
            config.gate = Some(serambi_house::GateConfig { discovery_port: 0, media_port: 0, ..Default::default() });
        }
        config.domain = Some(DomainConfig { name: name.parse().unwrap(), certificate });
        House::start_at(config, clock.clone()).await.unwrap()
    }

    /// What somebody is shown who asks the house by its name and believes this authority alone.
    async fn connect(&self, roots: &RootCertStore, spoken: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut tls = believing(roots);
        tls.alpn_protocols = spoken.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.house)).await?;
        TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from(NAME).unwrap(), stream).await
    }
}

/// TLS that believes what these sign.
fn believing(roots: &RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth()
}

/// The root of what this authority signs.
async fn issuing_root(authority: &Pebble) -> RootCertStore {
    let mut known = RootCertStore::empty();
    known.add(CertificateDer::from_pem_file(authority.root()).unwrap()).unwrap();
    let http = reqwest::Client::builder().use_preconfigured_tls(believing(&known)).no_proxy().build().unwrap();
    let pem = http.get(authority.issuing_root()).send().await.unwrap().bytes().await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    roots
}

fn leaf(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn becomes(house: &House, what: &str, is_so: impl Fn(&DomainState) -> bool) -> DomainState {
    let mut state = house.domain().unwrap();
    let waited = tokio::time::timeout(LIMIT, state.wait_for(|state| is_so(state))).await;
    let found = waited.map(|state| state.unwrap().clone());
    found.unwrap_or_else(|_| panic!("{what}: {:?}", *house.domain().unwrap().borrow()))
}

async fn is_certified(house: &House) -> DomainState {
    becomes(house, "no certificate", |state| state.valid_until_ms.is_some() && state.trouble.is_none()).await
}

async fn is_in_trouble(house: &House, code: Code) {
    let is_so = |state: &DomainState| state.trouble.as_ref().is_some_and(|trouble| trouble.code == code);
    becomes(house, code.as_str(), is_so).await;
}

/// Whoever has a link with the fingerprint comes in, and reads how it stands with the domain.
async fn seen_by_pin(house: &House, folder: TempDir) -> (HouseInfo, TempDir) {
    let place = TestHouse { house: house.clone(), folder };
    let info = place.visitor("Wei").await.get("house").await.unwrap();
    (info, place.folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_has_a_certificate_for_its_domain_and_keeps_it_for_the_next_start() {
    let Some(place) = Place::find("a_house_has_a_certificate_for_its_domain_and_keeps_it_for_the_next_start") else {
        return;
    };
    let authority = place.authority();
    let roots = issuing_root(&authority).await;
    let house = place.house(NAME, &Clock::default()).await;
    is_certified(&house).await;
    assert_eq!(house.link().to_string(), format!("serambi://{NAME}:{}", place.ports.house));
    #[cfg(feature = "reach")]
    assert_eq!(house.gate_link().unwrap().gate.pin, None, "a gate with this name needs none either");
    let shown = place.connect(&roots, &[&b"http/1.1"[..], b"h2"]).await.unwrap();
    assert_eq!(shown.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let own_folder = tempfile::tempdir().unwrap();
    let (info, _folder) = seen_by_pin(&house, own_folder).await;
    assert_eq!(info.domain.as_deref(), Some(NAME));
    let no_more = place.connect(&roots, &[b"acme-tls/1"]).await;
    assert!(no_more.is_err(), "the authority has its answer; nobody else gets one");
    house.suspend().await;
    drop(authority);

    let again = place.house(NAME, &Clock::default()).await;
    assert_eq!(again.link().to_string(), format!("serambi://{NAME}:{}", place.ports.house), "before anybody is asked");
    assert_eq!(leaf(&place.connect(&roots, &[]).await.unwrap()), leaf(&shown));
    again.suspend().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_the_house_is_open_also_by_an_authority_that_forgot_the_house() {
    let Some(place) =
        Place::find("a_certificate_is_renewed_while_the_house_is_open_also_by_an_authority_that_forgot_the_house")
    else {
        return;
    };
    let authority = place.authority();
    let clock = Clock::default();
    let house = place.house(NAME, &clock).await;
    let first = is_certified(&house).await;
    let open_since = place.connect(&issuing_root(&authority).await, &[]).await.unwrap();
    drop(authority);
    let authority = place.authority();
    clock.skip_ms(61 * DAY_S * 1_000);
    let is_another = |state: &DomainState| state.valid_until_ms > first.valid_until_ms && state.trouble.is_none();
    becomes(&house, "not renewed", is_another).await;
    let shown = place.connect(&issuing_root(&authority).await, &[]).await.unwrap();
    assert_ne!(leaf(&shown), leaf(&open_since));
    house.suspend().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_is_said_to_and_links_by_fingerprint_work() {
    let Some(place) = Place::find("a_name_that_leads_elsewhere_is_said_to_and_links_by_fingerprint_work") else {
        return;
    };
    let _authority = place.authority();
    for name in [ELSEWHERE, "nowhere.example"] {
        let house = place.house(name, &Clock::default()).await;
        is_in_trouble(&house, Code::AcmeChallengeRefused).await;
        let link = house.link().to_string();
        assert!(link.starts_with(&format!("serambi://{name}:{}?pin=", place.ports.house)), "{link}");
        assert_eq!(seen_by_pin(&house, tempfile::tempdir().unwrap()).await.0.domain, None);
        house.suspend().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_does_not_answer_is_asked_again_until_it_does() {
    let Some(place) = Place::find("an_authority_that_does_not_answer_is_asked_again_until_it_does") else {
        return;
    };
    let clock = Clock::default();
    let house = place.house(NAME, &clock).await;
    is_in_trouble(&house, Code::AcmeUnreachable).await;
    let _authority = place.authority();
    clock.skip_ms(10 * 60 * 1_000);
    is_certified(&house).await;
    house.suspend().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_said_to_be_and_put_right_the_certificate_comes() {
    let Some(place) = Place::find("a_clock_that_is_wrong_is_said_to_be_and_put_right_the_certificate_comes") else {
        return;
    };
    let authority = place.authority();
    let clock = Clock::default();
    let years_ms = |years: i64| years * 365 * 24 * 60 * 60 * 1_000;
    clock.set_wall_ahead_ms(years_ms(30));
    let house = place.house(NAME, &clock).await;
    // The authority's own certificate seems to have run out.
    is_in_trouble(&house, Code::CertificateNotValidNow).await;
    clock.set_wall_ahead_ms(years_ms(1));
    clock.skip_ms(5 * 60 * 1_000);
    // And now the one that was just made.
    let is_made = |state: &DomainState| state.valid_until_ms.is_some() && state.trouble.is_some();
    let state = becomes(&house, "not made", is_made).await;
    assert_eq!(state.trouble.unwrap().code, Code::CertificateNotValidNow);
    assert!(house.link().to_string().contains("?pin="), "by this clock it is no good");
    assert!(place.connect(&issuing_root(&authority).await, &[]).await.is_ok(), "guests have clocks of their own");
    clock.set_wall_ahead_ms(0);
    assert_eq!(house.link().to_string(), format!("serambi://{NAME}:{}", place.ports.house));
    house.suspend().await;
}

/// Over a reverse proxy a visitor knows the house by its name alone, and signs that.
#[tokio::test]
async fn a_visitor_signs_what_they_know_the_house_by_and_no_other_name_counts() {
    let place = TestHouse::open_with(|config| {
        let domain = DomainConfig { name: NAME.parse().unwrap(), certificate: DomainCertificate::ReverseProxy };
        HouseConfig { domain: Some(domain), ..config }
    })
    .await;
    assert_eq!(place.house.link().to_string(), format!("serambi://{NAME}:443"));
    let visitor = place.stranger("Sari");
    let signed_for = |house: &'static str, visitor: Visitor| async move {
        let mut answer = visitor.answer_to(&visitor.challenge().await);
        answer.signature = sign_in::sign(&visitor.key, house, &answer.challenge);
        visitor.post::<Session>("session", &answer).await
    };
    assert!(signed_for(NAME, visitor.clone()).await.is_ok());
    for other in ["other.example", "", "ROOMS.example"] {
        let (_, refusal) = signed_for(other, visitor.clone()).await.map(drop).unwrap_err();
        assert_eq!(refusal.code, Code::SignatureWrong, "{other}");
    }
}
