//! A house's domain: its certificate of the public web, had from an authority (ACME, RFC 8555) and renewed while the
//! house is open.
//!
//! The authority connects to the house itself and looks for an answer in its TLS (RFC 8737), so the domain has to lead
//! to this very listener, on port 443 as seen from outside. Until there is a certificate, and where there is none, the
//! house is what it is without a domain.

mod authority;
mod fault;
mod kept;
mod pause;

use std::{sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use serambi_protocol::{Code, DomainName, Refusal, link::HTTPS_PORT};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    authority::Authority,
    kept::{Kept, PublicCertificate},
    pause::pause,
};
use crate::{
    clock::Clock, error::HouseError, listener::Origin, outside_address::OutsideAddress, storage::Storage,
    tls::Certificates,
};

/// Let's Encrypt: asks for no money, and every browser and this program's clients know its root.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// How long one try may take, waiting for the authority included.
const TRY_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How often the wall clock is looked at while a renewal is far away: it may be set, and a computer may have slept.
const LOOK_AGAIN_MS: u64 = 60 * 60 * 1_000;

/// A house's domain, and who has its certificate.
#[derive(Clone, Debug)]
pub struct DomainConfig {
    /// The name.
    pub name: DomainName,
    /// Who shows visitors the certificate.
    pub certificate: DomainCertificate,
}

/// Who shows visitors the certificate of a domain.
#[derive(Clone, Debug)]
pub enum DomainCertificate {
    /// The house, which has it from this authority.
    Acme(AcmeConfig),
    /// A reverse proxy on this computer, at port 443.
    ReverseProxy,
}

impl DomainConfig {
    /// The name for which this very listener shows a certificate.
    pub fn shown_here(&self) -> Option<DomainName> {
        matches!(self.certificate, DomainCertificate::Acme(_)).then(|| self.name.clone())
    }

    /// How the house is seen from outside, if nobody says otherwise.
    pub fn outside(&self) -> OutsideAddress {
        let proxy = matches!(self.certificate, DomainCertificate::ReverseProxy).then_some(HTTPS_PORT);
        OutsideAddress::of_name(&self.name, proxy)
    }

    /// Where its media is seen from outside, if nobody says otherwise: no reverse proxy carries that.
    pub fn outside_of_media(&self) -> OutsideAddress {
        OutsideAddress::of_name(&self.name, None)
    }

    /// Where its page comes from.
    pub fn origin(&self) -> Origin {
        Origin::from(&self.name)
    }
}

/// Which authority is asked, and how.
#[derive(Clone, Debug)]
pub struct AcmeConfig {
    /// The address of its directory.
    pub directory: String,
    /// Whom to believe that this is the authority, besides the public web's roots.
    pub roots: Vec<CertificateDer<'static>>,
    /// Whom the authority may tell that something is wrong, such as `mailto:ratna@example.org`.
    pub contact: Option<String>,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self { directory: LETS_ENCRYPT.to_owned(), roots: Vec::new(), contact: None }
    }
}

/// How a domain stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainState {
    /// Until when the certificate is valid that visitors are shown, Unix ms, which may be over; none: they are shown
    /// the house's own.
    pub valid_until_ms: Option<i64>,
    /// What the last try came to, if it brought no certificate; none: it brought one, or the first is under way.
    pub trouble: Option<Refusal>,
}

/// A domain as guests see it.
#[derive(Clone)]
pub struct Domain {
    /// The name.
    pub name: DomainName,
    /// None: a reverse proxy has the certificate.
    pub state: Option<watch::Receiver<DomainState>>,
    /// Certificates end by the wall clock.
    pub clock: Clock,
}

impl Domain {
    /// Guests are shown a certificate of the public web.
    pub fn is_certified(&self) -> bool {
        let now_ms = self.clock.unix_ms();
        let is_valid = |state: &DomainState| state.valid_until_ms.is_some_and(|until_ms| now_ms < until_ms);
        self.state.as_ref().is_none_or(|state| is_valid(&state.borrow()))
    }
}

/// Shows the certificate that was kept, if there is one. Asks nobody yet.
///
/// # Errors
/// `profile_broken`.
pub async fn open(
    config: &DomainConfig,
    storage: &Storage,
    certificates: Arc<Certificates>,
    clock: Clock,
) -> Result<(Domain, Option<Renewal>), HouseError> {
    let name = config.name.clone();
    let DomainCertificate::Acme(acme) = &config.certificate else {
        return Ok((Domain { name, state: None, clock }, None));
    };
    let (renewal, state) = Renewal::open(name.clone(), acme.clone(), storage, certificates, clock.clone()).await?;
    Ok((Domain { name, state: Some(state), clock }, Some(renewal)))
}

/// Has the certificate of a domain at hand, and renews it.
pub struct Renewal {
    authority: Authority,
    kept: Kept,
    certificates: Arc<Certificates>,
    clock: Clock,
    state: watch::Sender<DomainState>,
    held: Option<PublicCertificate>,
}

impl Renewal {
    async fn open(
        name: DomainName,
        acme: AcmeConfig,
        storage: &Storage,
        certificates: Arc<Certificates>,
        clock: Clock,
    ) -> Result<(Self, watch::Receiver<DomainState>), HouseError> {
        let kept = Kept::new(storage.settings(), &acme.directory);
        let held = kept.read_certificate(&name).await?;
        let authority = Authority::new(name, acme, clock.clone())?;
        let (state, told) = watch::channel(DomainState::default());
        let renewal = Self { authority, kept, certificates, clock, state, held };
        renewal.show_held();
        Ok((renewal, told))
    }

    /// Sees to it until the house closes.
    pub async fn keep(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_renewed()).await;
    }

    async fn keep_renewed(mut self) {
        let mut failures = 0;
        loop {
            self.wait_until_due().await;
            match self.try_once().await {
                Ok(()) => {
                    failures = 0;
                    // A clock that is ahead calls every certificate due; the authority is not asked in a circle.
                    self.wait_ms(self.held.as_ref().map_or(0, PublicCertificate::least_use_ms)).await;
                }
                Err(refusal) => {
                    let pause = pause(refusal.code, failures);
                    failures += 1;
                    tracing::warn!(code = %refusal.code, detail = refusal.detail, again_in = ?pause, "no certificate");
                    self.state.send_modify(|state| state.trouble = Some(refusal));
                    self.wait_ms(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)).await;
                }
            }
        }
    }

    /// Returns at once if there is nothing to renew.
    async fn wait_until_due(&self) {
        while let Some(held) = &self.held {
            let left_ms = held.renewed_at_ms().saturating_sub(self.clock.unix_ms());
            let Ok(left_ms @ 1..) = u64::try_from(left_ms) else { return };
            self.wait_ms(left_ms.min(LOOK_AGAIN_MS)).await;
        }
    }

    async fn wait_ms(&self, ms: u64) {
        self.clock.reach(self.clock.now_ms().saturating_add(ms)).await;
    }

    /// One certificate, shown and kept.
    async fn try_once(&mut self) -> Result<(), Refusal> {
        let asking = self.authority.certify(&self.kept, &self.certificates);
        let timed = tokio::time::timeout(TRY_LIMIT, asking).await;
        self.certificates.answer_challenge(None);
        let late = |_| Refusal::new(Code::AcmeUnreachable, "the authority takes too long");
        let certificate = timed.map_err(late)??;
        // Shown even if the disk refuses, or if this computer's clock calls it wrong: visitors have their own.
        let kept = self.kept.write_certificate(&certificate).await;
        let timeliness = certificate.check_time(self.clock.unix_ms());
        tracing::info!(domain = %self.authority.name(), valid_until_ms = certificate.valid_until_ms(), "a certificate");
        self.held = Some(certificate);
        self.show_held();
        timeliness?;
        kept.map_err(Refusal::from)
    }

    /// Visitors are shown what is held.
    fn show_held(&self) {
        let Some(held) = &self.held else { return };
        self.certificates.show(held.key());
        self.state.send_replace(DomainState { valid_until_ms: Some(held.valid_until_ms()), trouble: None });
    }
}
