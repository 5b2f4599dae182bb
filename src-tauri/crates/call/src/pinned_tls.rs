//! TLS to a house: whoever holds the certificate with the fingerprint in the link is the house, nobody else.
//!
//! A house signs its own certificate, so no authority is asked and no name or date is checked: the link says it all.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serambi_protocol::{Code, Refusal, link::Pin};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long a house may take to answer the telephone: TCP and TLS together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

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

/// A TLS configuration that trusts this one certificate.
///
/// # Errors
/// `internal`: the cryptography does not speak TLS 1.2 or 1.3, which cannot happen with the one we build with.
pub(crate) fn client_config(pin: &Pin) -> Result<Arc<ClientConfig>, Refusal> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PinVerifier { pin: pin.clone(), provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
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
    let code = if is_wrong_certificate(error) { Code::HouseNotTheOne } else { Code::HouseUnreachable };
    Refusal::new(code, format!("{address}: {error}"))
}

/// Did our verifier refuse the certificate? Looks through every layer that may be wrapped around its answer.
pub(crate) fn is_wrong_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let refused = rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
    let mut layer = Some(error);
    while let Some(error) = layer {
        if error.downcast_ref::<rustls::Error>() == Some(&refused) {
            return true;
        }
        // `io::Error::source` skips the error it wraps, so that one is looked at by itself.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        layer = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_under_every_wrapping() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, refused);
        assert!(is_wrong_certificate(&wrapped));
        let twice = io::Error::other(wrapped);
        assert!(is_wrong_certificate(&twice));
        assert!(!is_wrong_certificate(&io::Error::from(io::ErrorKind::ConnectionRefused)));
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
        let config = client_config(&Pin::from_digest(&[1; 32])).unwrap();
        let error = connect(&free.to_string(), config).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    }
}
