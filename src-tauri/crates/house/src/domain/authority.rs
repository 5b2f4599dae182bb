//! One conversation with an authority that signs certificates: an account, an order, an answer in TLS, a certificate.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
    sign::CertifiedKey,
    time_provider::TimeProvider,
};
use serambi_protocol::{Code, DomainName, Refusal};

use super::{
    AcmeConfig,
    fault::{is_account_unknown, of_problem, refusal},
    kept::{Kept, PublicCertificate},
};
use crate::{clock::Clock, error::HouseError, tls::Certificates};

/// How long the authority may take to take a connection, and to answer one question.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes: a chain of certificates has some 6,000.
const ANSWER_BYTES: usize = 256 * 1024;
/// The authority is asked how far it is after 0.5 s and then ever later, unless it says when.
const POLLING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_secs(90));

/// An authority, asked for one name.
pub struct Authority {
    name: DomainName,
    acme: AcmeConfig,
    http: reqwest::Client,
}

impl Authority {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// `profile_broken`: a root is no certificate.
    pub fn new(name: DomainName, acme: AcmeConfig, clock: Clock) -> Result<Self, HouseError> {
        let http = http_client(&acme, clock)?;
        Ok(Self { name, acme, http })
    }

    /// The name.
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// A certificate for the name, with a key of its own.
    ///
    /// # Errors
    /// `acme_…`, `domain_wrong`, `certificate_not_valid_now`, `profile_broken`.
    pub async fn certify(&self, kept: &Kept, certificates: &Certificates) -> Result<PublicCertificate, Refusal> {
        let identifiers = [Identifier::Dns(self.name.to_string())];
        let wanted = NewOrder::new(&identifiers);
        let account = self.account(kept).await?;
        let mut order = match account.new_order(&wanted).await {
            Err(error) if is_account_unknown(&error) => {
                tracing::info!("the authority does not know the account any more; another is made");
                let account = self.new_account(kept).await?;
                account.new_order(&wanted).await.map_err(refusal)?
            }
            order => order.map_err(refusal)?,
        };
        authorize(&mut order, &self.name, certificates).await?;
        self.finish(order).await
    }

    async fn account(&self, kept: &Kept) -> Result<Account, Refusal> {
        let Some(credentials) = kept.read_account().await? else { return self.new_account(kept).await };
        let builder = Account::builder_with_http(Box::new(AuthorityHttp(self.http.clone())));
        builder.from_credentials(credentials).await.map_err(refusal)
    }

    async fn new_account(&self, kept: &Kept) -> Result<Account, Refusal> {
        let contact: Vec<&str> = self.acme.contact.as_deref().into_iter().collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(AuthorityHttp(self.http.clone())));
        let made = builder.create(&wanted, self.acme.directory.clone(), None).await;
        let (account, credentials) = made.map_err(refusal)?;
        kept.write_account(&credentials).await?;
        Ok(account)
    }

    async fn finish(&self, mut order: Order) -> Result<PublicCertificate, Refusal> {
        let unmade = |error: rcgen::Error| Refusal::new(Code::Internal, error.to_string());
        let key = KeyPair::generate().map_err(unmade)?;
        let mut parameters = CertificateParams::new(vec![self.name.to_string()]).map_err(unmade)?;
        parameters.distinguished_name = DistinguishedName::new();
        let request = parameters.serialize_request(&key).map_err(unmade)?;
        order.finalize_csr(request.der()).await.map_err(refusal)?;
        let chain = order.poll_certificate(&POLLING).await.map_err(refusal)?;
        PublicCertificate::new(&self.name, chain.into_bytes(), key.serialize_der())
    }
}

/// Shows the authority that the name leads here, unless it remembers.
async fn authorize(order: &mut Order, name: &DomainName, certificates: &Certificates) -> Result<(), Refusal> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(refusal)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let no_such = || Refusal::new(Code::AcmeRefused, "the authority does not ask over TLS (tls-alpn-01)");
        let mut challenge = challenge.ok_or_else(no_such)?;
        let digest = challenge.key_authorization().digest();
        certificates.answer_challenge(Some(Arc::new(answer(name, digest.as_ref())?)));
        challenge.set_ready().await.map_err(refusal)?;
    }
    let refused = match order.poll_ready(&POLLING).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(_) => why_invalid(order).await,
        Err(error) => refusal(error),
    };
    // Of whatever kind the authority calls it: it has not found the house.
    let code = if refused.code == Code::AcmeRefused { Code::AcmeChallengeRefused } else { refused.code };
    Err(Refusal { code, ..refused })
}

/// The certificate that answers a challenge (RFC 8737 section 3).
fn answer(name: &DomainName, digest: &[u8]) -> Result<CertifiedKey, Refusal> {
    let unmade = |error: rcgen::Error| Refusal::new(Code::Internal, error.to_string());
    let key = KeyPair::generate().map_err(unmade)?;
    let mut parameters = CertificateParams::new(vec![name.to_string()]).map_err(unmade)?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = parameters.self_signed(&key).map_err(unmade)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = rustls::crypto::ring::sign::any_ecdsa_type(&key);
    let signing = signing.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    // Not checked against its key: the answer stands in a critical extension, which no verifier here knows.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// What the authority has against an order, which stands at the challenge.
async fn why_invalid(order: &mut Order) -> Refusal {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return of_problem(problem);
        }
    }
    Refusal::new(Code::AcmeRefused, "the authority calls the order invalid and does not say why")
}

/// The wall clock of a house, for TLS.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.unix_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

fn http_client(acme: &AcmeConfig, clock: Clock) -> Result<reqwest::Client, HouseError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in &acme.roots {
        roots.add(root.clone()).map_err(|error| HouseError::Certificate(format!("the authority's root: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_details(provider, Arc::new(WallClock(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| HouseError::Certificate(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .use_preconfigured_tls(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(ANSWER_LIMIT)
        .build()
        .map_err(|error| HouseError::System(error.to_string()))
}

/// The house's own HTTP client as the protocol's library asks for one. Its errors are [`Refusal`]s.
struct AuthorityHttp(reqwest::Client);

type Answering = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for AuthorityHttp {
    fn request(&self, request: axum::http::Request<BodyWrapper<Bytes>>) -> Answering {
        let http = self.0.clone();
        Box::pin(async move { ask(http, request).await.map_err(|refusal| Error::Other(Box::new(refusal))) })
    }
}

async fn ask(
    http: reqwest::Client,
    request: axum::http::Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Refusal> {
    let unreachable = |error: axum::Error| Refusal::new(Code::AcmeUnreachable, error.to_string());
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), ANSWER_BYTES).await.map_err(unreachable)?;
    let asked = http.request(head.method, head.uri.to_string()).headers(head.headers).body(body);
    let answer = axum::http::Response::<reqwest::Body>::from(asked.send().await.map_err(|error| explain(&error))?);
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(Body::new(body), ANSWER_BYTES).await.map_err(unreachable)?;
    Ok(axum::http::Response::from_parts(head, Body::from(body)).into())
}

/// The innermost error says why.
fn explain(error: &reqwest::Error) -> Refusal {
    let (mut code, mut detail) = (Code::AcmeUnreachable, error.to_string());
    let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = layer {
        detail = error.to_string();
        if is_out_of_time(error) {
            code = Code::CertificateNotValidNow;
        }
        // `io::Error::source` skips the error it wraps, so that one is looked at by itself.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        layer = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    Refusal::new(code, format!("the authority: {detail}"))
}

/// The authority's own certificate is not valid at the time of this computer's clock.
fn is_out_of_time(error: &(dyn std::error::Error + 'static)) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error.downcast_ref::<rustls::Error>(),
        Some(rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ))
    )
}
