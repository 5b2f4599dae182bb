//! TLS to a house: whoever holds the certificate with the fingerprint in the link is the house, or, for a link by name,
//! whoever holds a certificate of the public web for that name; nobody else.
//!
//! A house with a fingerprint signs its own certificate, so no authority is asked and no name or date is checked: the
//! link says it all.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serambi_protocol::{
    Code, DomainName, Refusal,
    link::{HouseProof, Pin},
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long a house may take to answer the telephone: TCP and TLS together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Who may sign the certificate of a house that is known by name: Mozilla's authorities, and those that were named. The
/// environment has no say in it.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    also: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Mozilla's, and the root certificates of this file (PEM).
    ///
    /// # Errors
    /// `bad_request`: there is none in it.
    pub fn and(pem: &[u8]) -> Result<Self, Refusal> {
        let wrong = |detail: String| Refusal::new(Code::BadRequest, format!("root certificates: {detail}"));
        let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let also = read.map_err(|error| wrong(error.to_string()))?;
        if also.is_empty() { Err(wrong("there is none".to_owned())) } else { Ok(Self { also }) }
    }

    fn roots(&self) -> Result<RootCertStore, Refusal> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in &self.also {
            roots.add(root.clone()).map_err(|error| Refusal::new(Code::BadRequest, format!("a root: {error}")))?;
        }
        Ok(roots)
    }
}

/// Takes certificates for one name, whatever address was dialled.
#[derive(Debug)]
struct NameVerifier {
    name: ServerName<'static>,
    public_web: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for NameVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.public_web.verify_server_cert(certificate, intermediates, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.public_web.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.public_web.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.public_web.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        if self.pin.fits(&digest) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS configuration that trusts this one house.
///
/// # Errors
/// `internal`: the cryptography does not speak TLS 1.2 or 1.3, which cannot happen with the one we build with.
/// `bad_request`: a root that was named is none.
pub(crate) fn client_config(house: &HouseProof, authorities: &Authorities) -> Result<Arc<ClientConfig>, Refusal> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (verifier, asks_by_name): (Arc<dyn ServerCertVerifier>, bool) = match house {
        HouseProof::Pin(pin) => (Arc::new(PinVerifier { pin: pin.clone(), provider: provider.clone() }), false),
        HouseProof::Name(name) => (Arc::new(name_verifier(name, authorities, provider.clone())?), true),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A house with a domain shows whoever asks by name the certificate of the public web, whose fingerprint is another.
    config.enable_sni = asks_by_name;
    Ok(Arc::new(config))
}

fn name_verifier(
    name: &DomainName,
    authorities: &Authorities,
    provider: Arc<CryptoProvider>,
) -> Result<NameVerifier, Refusal> {
    let wrong = |error: &dyn std::fmt::Display| Refusal::new(Code::Internal, error.to_string());
    let server = ServerName::try_from(name.to_string()).map_err(|error| wrong(&error))?;
    let roots = Arc::new(authorities.roots()?);
    let public_web = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    Ok(NameVerifier { name: server, public_web: public_web.map_err(|error| wrong(&error))? })
}

/// TLS by the rules of the public web: Mozilla's authorities, names and dates.
///
/// # Errors
/// `internal`: as [`client_config`].
pub(crate) fn public_web_config() -> Result<Arc<ClientConfig>, Refusal> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Why a connection to a house did not come up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The computer is there and no house listens on it: it is being started, or it is gone.
    #[error("{0}: connection refused")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(Refusal),
}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal)
    }
}

/// TCP and TLS to `host:port`.
///
/// # Errors
/// `house_unreachable`, `house_not_the_one`.
pub(crate) async fn connect(address: &str, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = server_name(address)?;
    let attempt = async { TlsConnector::from(config).connect(name, open_tcp(address).await?).await };
    in_time(address, attempt).await
}

/// TCP to `host:port`, without TLS.
///
/// # Errors
/// `house_unreachable`.
pub(crate) async fn connect_in_the_clear(address: &str) -> Result<TcpStream, ConnectError> {
    in_time(address, open_tcp(address)).await
}

async fn open_tcp(address: &str) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

async fn in_time<S>(address: &str, attempt: impl Future<Output = io::Result<S>>) -> Result<S, ConnectError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(ConnectError::Refused(address.to_owned()))
        }
        Ok(Err(error)) => Err(explain(address, &error).into()),
        Err(_) => Err(Refusal::new(Code::HouseUnreachable, format!("{address}: no answer")).into()),
    }
}

fn server_name(address: &str) -> Result<ServerName<'static>, Refusal> {
    let wrong = || Refusal::new(Code::LinkWrong, format!("{address} is not host:port"));
    let (host, _port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| wrong())
}

fn explain(address: &str, error: &io::Error) -> Refusal {
    Refusal::new(code_of(error), format!("{address}: {error}"))
}

/// Whether it was the certificate that our verifier refused, and why; anything else is `house_unreachable`. Looks
/// through every layer that may be wrapped around the verifier's answer.
pub(crate) fn code_of(error: &(dyn std::error::Error + 'static)) -> Code {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let mut layer = Some(error);
    while let Some(error) = layer {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            )) => return Code::CertificateNotValidNow,
            Some(rustls::Error::InvalidCertificate(_)) => return Code::HouseNotTheOne,
            _ => {}
        }
        // `io::Error::source` skips the error it wraps, so that one is looked at by itself.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        layer = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    Code::HouseUnreachable
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_under_every_wrapping() {
        for (refused, code) in [
            (CertificateError::ApplicationVerificationFailure, Code::HouseNotTheOne),
            (CertificateError::UnknownIssuer, Code::HouseNotTheOne),
            (CertificateError::Expired, Code::CertificateNotValidNow),
            (CertificateError::NotValidYet, Code::CertificateNotValidNow),
        ] {
            let wrapped = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(refused));
            assert_eq!(code_of(&wrapped), code);
            assert_eq!(code_of(&io::Error::other(wrapped)), code);
        }
        assert_eq!(code_of(&io::Error::from(io::ErrorKind::ConnectionRefused)), Code::HouseUnreachable);
    }

    /// What somebody reads who opens a link by this name to a house with this certificate, at this time.
    fn judged(name: &str, authorities: &Authorities, certificate: &rcgen::Certificate, at: UnixTime) -> Option<Code> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = name_verifier(&name.parse().unwrap(), authorities, provider).unwrap();
        let dialled = ServerName::try_from("192.0.2.1").unwrap();
        let verified = verifier.verify_server_cert(certificate.der(), &[], &dialled, &[], at);
        verified.err().map(|error| code_of(&error))
    }

    #[test]
    fn a_house_known_by_name_is_believed_with_a_certificate_of_an_authority_for_that_name_and_time_only() {
        let mut root = rcgen::CertificateParams::default();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = rcgen::CertifiedIssuer::self_signed(root, rcgen::KeyPair::generate().unwrap()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["rooms.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 3, 1);
        let signed = parameters.clone().signed_by(&key, &root).unwrap();
        let self_signed = parameters.self_signed(&key).unwrap();
        let at = |unix_s| UnixTime::since_unix_epoch(Duration::from_secs(unix_s));
        let [before, during, after] = [1_760_000_000, 1_770_000_000, 1_780_000_000].map(at);
        let known = Authorities::and(root.pem().as_bytes()).unwrap();
        assert_eq!(judged("rooms.example", &known, &signed, during), None);
        assert_eq!(judged("other.example", &known, &signed, during), Some(Code::HouseNotTheOne));
        assert_eq!(judged("rooms.example", &known, &signed, before), Some(Code::CertificateNotValidNow));
        assert_eq!(judged("rooms.example", &known, &signed, after), Some(Code::CertificateNotValidNow));
        assert_eq!(judged("rooms.example", &known, &self_signed, during), Some(Code::HouseNotTheOne));
        let public_web = Authorities::default();
        assert_eq!(judged("rooms.example", &public_web, &signed, during), Some(Code::HouseNotTheOne));
    }

    #[test]
    fn only_whoever_knows_a_house_by_name_asks_by_name() {
        let by = |proof| client_config(&proof, &Authorities::default()).unwrap().enable_sni;
        assert!(by(HouseProof::Name("rooms.example".parse().unwrap())));
        assert!(!by(HouseProof::Pin(Pin::from_digest(&[1; 32]))));
    }

    #[test]
    fn a_file_without_a_root_is_refused() {
        for wrong in ["", "rubbish", "-----BEGIN CERTIFICATE-----\n"] {
            assert_eq!(Authorities::and(wrong.as_bytes()).unwrap_err().code, Code::BadRequest, "{wrong}");
        }
    }

    #[test]
    fn a_house_may_live_at_any_kind_of_address() {
        for address in ["192.168.1.20:7410", "[fe80::1]:7410", "house.example:7410"] {
            assert!(server_name(address).is_ok(), "{address}");
        }
        assert_eq!(server_name("nowhere").unwrap_err().code, Code::LinkWrong);
    }

    #[tokio::test]
    async fn a_house_that_is_not_running_is_told_from_one_that_is_not_reached() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = client_config(&HouseProof::Pin(Pin::from_digest(&[1; 32])), &Authorities::default()).unwrap();
        let error = connect(&free.to_string(), config).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    }
}
