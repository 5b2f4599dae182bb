//! TLS to gates, and from a gate to a house: who is pinned is whoever holds the certificate with that fingerprint, any
//! other is checked by the rules of the public web.

use std::{collections::HashMap, io, sync::Arc};

use iroh::tls::CaTlsConfig;
use parking_lot::RwLock;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring::default_provider},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serambi_protocol::link::{GateAddress, Pin};
use sha2::{Digest, Sha256};

use crate::gate_name;

/// The fingerprints of gates, by host as TLS knows it: gates on several ports of one host share their pins.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatePins {
    by_host: Arc<RwLock<HashMap<String, Vec<Pin>>>>,
}

impl GatePins {
    /// From now on whoever answers at this gate's host must hold its certificate.
    pub(crate) fn trust(&self, gate: &GateAddress) {
        if let Some(pin) = &gate.pin {
            self.trust_at(host(&gate.address), pin);
        }
    }

    fn trust_at(&self, host: &str, pin: &Pin) {
        let mut by_host = self.by_host.write();
        let pins = by_host.entry(host.to_owned()).or_default();
        if !pins.contains(pin) {
            pins.push(pin.clone());
        }
    }

    /// The configuration with which iroh talks to its relays.
    pub(crate) fn tls(&self) -> CaTlsConfig {
        let pins = self.clone();
        CaTlsConfig::custom_server_cert_verifier(Arc::new(move |provider| {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let public_web = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(io::Error::other)?;
            Ok(Arc::new(GateVerifier { pins: pins.clone(), public_web, provider }))
        }))
    }

    /// None: the host has no pin.
    fn fit(&self, host: &str, certificate: &CertificateDer<'_>) -> Option<bool> {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        let meant = gate_name::meaning(host).map(|ip| ip.to_string());
        let host = meant.as_deref().unwrap_or(host);
        self.by_host.read().get(host).map(|pins| pins.iter().any(|pin| pin.fits(&digest)))
    }
}

/// TLS to one host (an IPv6 address without brackets), whose certificate has this fingerprint; none: one of the public
/// web.
///
/// # Errors
/// When the cryptography does not speak TLS 1.2 or 1.3, which cannot happen with the one we build with.
pub fn tls_to(host: &str, pin: Option<&Pin>) -> io::Result<ClientConfig> {
    let pins = GatePins::default();
    pin.iter().for_each(|pin| pins.trust_at(host, pin));
    pins.tls().client_config(Arc::new(default_provider()))
}

/// The host of `host:port`, an IPv6 address without its brackets.
pub(crate) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[derive(Debug)]
struct GateVerifier {
    pins: GatePins,
    public_web: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for GateVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.pins.fit(&name.to_str(), certificate) {
            Some(true) => Ok(ServerCertVerified::assertion()),
            Some(false) => Err(CertificateError::ApplicationVerificationFailure.into()),
            None => self.public_web.verify_server_cert(certificate, intermediates, name, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pinned_host_takes_its_certificates_and_no_other_and_an_unknown_one_is_for_the_public_web() {
        let certificate = CertificateDer::from(vec![1, 2, 3]);
        let digest: [u8; 32] = Sha256::digest(&certificate).into();
        let pins = GatePins::default();
        let gate = |address: &str, pin| GateAddress { address: address.to_owned(), pin };
        pins.trust(&gate("gate.example:7410", Some(Pin::from_digest(&digest))));
        pins.trust(&gate("[2001:db8::1]:7410", Some(Pin::from_digest(&[9; 32]))));
        pins.trust(&gate("public.example:443", None));
        assert_eq!(pins.fit("gate.example", &certificate), Some(true));
        assert_eq!(pins.fit("2001:db8::1", &certificate), Some(false));
        assert_eq!(pins.fit("public.example", &certificate), None);
        pins.trust(&gate("[2001:db8::1]:443", Some(Pin::from_digest(&digest))));
        assert_eq!(pins.fit("2001:db8::1", &certificate), Some(true), "two gates on one host");
    }
}
