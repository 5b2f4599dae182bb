//! TLS that believes one fingerprint and nothing else, as a link asks for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serambi_protocol::link::Pin;
use sha2::{Digest, Sha256};

use crate::visitor::LIMIT;

/// Accepts the one certificate with this fingerprint.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
    /// Other certificates that were shown.
    refused: Arc<AtomicUsize>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pin.fits(&Sha256::digest(certificate).into()) {
            Ok(ServerCertVerified::assertion())
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Err(rustls::Error::General("another house".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes only this fingerprint and counts the others it was shown.
pub fn pinned_verifier(pin: &Pin, refused: &Arc<AtomicUsize>) -> Arc<dyn ServerCertVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Arc::new(Pinned { pin: pin.clone(), provider, refused: refused.clone() })
}

/// TLS that believes only this fingerprint.
pub fn pinned_tls(pin: &Pin) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(pinned_verifier(pin, &Arc::default()))
        .with_no_client_auth()
}

/// An HTTP client that believes only this fingerprint.
pub fn pinned_http(pin: &Pin) -> reqwest::Client {
    reqwest::Client::builder().use_preconfigured_tls(pinned_tls(pin)).no_proxy().timeout(LIMIT).build().unwrap()
}
