//! TLS as a house speaks it: which certificate a visitor is shown, and what may be spoken inside.
//!
//! Whoever asks for the house's domain is shown the certificate of the public web, if there is one; everybody else, and
//! whoever names nobody, the house's own, which links with a pin know it by. Clients with a pin therefore name nobody.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serambi_protocol::DomainName;

use crate::error::HouseError;

/// How an authority asks whether a name leads here (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";
/// HTTP/2 (RFC 9113 section 3.1).
pub const HTTP_2: &[u8] = b"h2";
/// HTTP/1.1 (RFC 7301 section 6).
const HTTP_1: &[u8] = b"http/1.1";

/// The certificates of a house. Those of its domain may change while it is open; connections that are open stay.
#[derive(Debug)]
pub struct Certificates {
    own: Arc<CertifiedKey>,
    /// None: the house has no certificate but its own.
    domain: Option<DomainName>,
    public: RwLock<Option<Arc<CertifiedKey>>>,
    challenge: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// The house's own certificate, and for this domain later another.
    pub fn new(own: Arc<CertifiedKey>, domain: Option<DomainName>) -> Self {
        Self { own, domain, public: RwLock::default(), challenge: RwLock::default() }
    }

    /// What is shown from now on to whoever asks for the domain.
    pub fn show(&self, public: Arc<CertifiedKey>) {
        *self.public.write() = Some(public);
    }

    /// What an authority is shown that asks whether the domain leads here; none: nobody asks.
    pub fn answer_challenge(&self, challenge: Option<Arc<CertifiedKey>>) {
        *self.challenge.write() = challenge;
    }

    /// TLS with these certificates.
    ///
    /// # Errors
    /// `profile_broken`: the cryptography speaks no TLS, which cannot happen with the one we build with.
    pub fn tls(self: &Arc<Self>) -> Result<Arc<ServerConfig>, HouseError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| HouseError::Certificate(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        if self.domain.is_some() {
            config.alpn_protocols.push(ACME_TLS.to_vec());
        }
        Ok(Arc::new(config))
    }

    fn is_domain(&self, asked: Option<&str>) -> bool {
        let asked = asked.zip(self.domain.as_ref());
        asked.is_some_and(|(asked, domain)| asked.eq_ignore_ascii_case(domain.as_str()))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_domain = self.is_domain(hello.server_name());
        let is_challenge = hello.alpn().is_some_and(|spoken| spoken.eq([ACME_TLS]));
        if is_challenge {
            return self.challenge.read().clone().filter(|_| is_domain);
        }
        let public = self.public.read().clone().filter(|_| is_domain);
        Some(public.unwrap_or_else(|| self.own.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustls::{
        ClientConfig, ClientConnection, ServerConnection,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    };

    fn certificate(name: &str) -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = rustls::crypto::ring::default_provider();
        Arc::new(CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap())
    }

    /// Believes everything: what is shown is looked at afterwards.
    #[derive(Debug)]
    struct Anything;

    impl ServerCertVerifier for Anything {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }

    /// What somebody is shown who asks for `name` and speaks `alpn`, and what is spoken then; none: they are sent away.
    fn shown(house: &Arc<Certificates>, name: &str, alpn: &[&[u8]]) -> Option<(CertificateDer<'static>, Vec<u8>)> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anything))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(house.tls().unwrap()).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets().ok()?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets().ok()?;
        }
        let certificate = client.peer_certificates()?.first()?.clone().into_owned();
        Some((certificate, client.alpn_protocol().unwrap_or_default().to_vec()))
    }

    fn house() -> (Arc<Certificates>, [CertificateDer<'static>; 3]) {
        let [own, public, challenge] = ["serambi-house", "rooms.example", "challenge.example"].map(certificate);
        let leaves = [&own, &public, &challenge].map(|key| key.cert[0].clone());
        let house = Arc::new(Certificates::new(own, Some("rooms.example".parse().unwrap())));
        assert_eq!(shown(&house, "rooms.example", &[]).unwrap().0, leaves[0], "there is none yet");
        house.show(public);
        house.answer_challenge(Some(challenge));
        (house, leaves)
    }

    #[test]
    fn the_domain_is_shown_its_certificate_and_everybody_else_the_houses_own() {
        let (house, [own, public, _]) = house();
        for (name, expected) in [
            ("rooms.example", &public),
            ("ROOMS.example", &public),
            ("other.example", &own),
            ("a.rooms.example", &own),
            ("192.0.2.1", &own),
        ] {
            assert_eq!(shown(&house, name, &[]).unwrap().0, *expected, "{name}");
        }
        let renewed = certificate("rooms.example");
        house.show(renewed.clone());
        assert_eq!(shown(&house, "rooms.example", &[]).unwrap().0, renewed.cert[0]);
    }

    #[test]
    fn an_authority_is_shown_its_answer_for_the_domain_alone_and_only_while_it_asks() {
        let (house, [.., challenge]) = house();
        let (shown_to_it, spoken) = shown(&house, "rooms.example", &[ACME_TLS]).unwrap();
        assert_eq!((shown_to_it, &*spoken), (challenge.clone(), ACME_TLS));
        assert_eq!(shown(&house, "other.example", &[ACME_TLS]), None);
        let (beside_others, spoken) = shown(&house, "rooms.example", &[HTTP_1, ACME_TLS]).unwrap();
        assert!(beside_others != challenge && spoken == HTTP_1, "RFC 8737 section 3: alone");
        house.answer_challenge(None);
        assert_eq!(shown(&house, "rooms.example", &[ACME_TLS]), None);
        let plain = Arc::new(Certificates::new(certificate("serambi-house"), None));
        assert_eq!(shown(&plain, "rooms.example", &[ACME_TLS]), None);
    }

    #[test]
    fn http_2_is_spoken_by_those_who_can_and_http_1_by_the_others() {
        let (house, _) = house();
        for (spoken, expected) in [(&[HTTP_1, HTTP_2][..], HTTP_2), (&[HTTP_1][..], HTTP_1), (&[][..], &[][..])] {
            assert_eq!(shown(&house, "rooms.example", spoken).unwrap().1, expected);
        }
    }
}
