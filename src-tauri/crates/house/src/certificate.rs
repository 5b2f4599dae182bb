//! The certificate a house is known by: made at first start, kept, never renewed.
//!
//! Nobody signs it. A link carries its SHA-256 (the *pin*), so a visitor knows the house without an authority.

use std::sync::Arc;

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use serambi_protocol::link::Pin;
use sha2::{Digest, Sha256};

use crate::{error::HouseError, storage::Storage};

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private_key";

/// Certificate and key (both DER).
pub struct Certificate {
    certificate: Vec<u8>,
    private_key: Vec<u8>,
}

impl Certificate {
    /// The one kept in `storage`; at the first start a new one.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn load_or_make(storage: &Storage) -> Result<Self, HouseError> {
        match (storage.settings().read(CERTIFICATE).await?, storage.settings().read(PRIVATE_KEY).await?) {
            // Whatever stands there was written by a house that has given its fingerprint to people.
            (Some(certificate), Some(private_key)) if certificate.is_empty() || private_key.is_empty() => {
                Err(HouseError::Certificate("it is empty".into()))
            }
            (Some(certificate), Some(private_key)) => Ok(Self { certificate, private_key }),
            (None, None) => {
                let made = Self::make()?;
                storage
                    .settings()
                    .write(vec![(CERTIFICATE, made.certificate.clone()), (PRIVATE_KEY, made.private_key.clone())])
                    .await?;
                Ok(made)
            }
            _ => Err(HouseError::Certificate("half of it is missing".into())),
        }
    }

    /// ECDSA on P-256, which every TLS library accepts. The names in it mean nothing: the pin is checked instead.
    fn make() -> Result<Self, HouseError> {
        let wrong = |error: rcgen::Error| HouseError::Certificate(error.to_string());
        let key = rcgen::KeyPair::generate().map_err(wrong)?;
        let mut parameters = rcgen::CertificateParams::new(vec!["serambi-house".to_owned()]).map_err(wrong)?;
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "serambi-house");
        let certificate = parameters.self_signed(&key).map_err(wrong)?;
        Ok(Self { certificate: certificate.der().to_vec(), private_key: key.serialize_der() })
    }

    /// The house's fingerprint.
    pub fn pin(&self) -> Pin {
        Pin::from_digest(&Sha256::digest(&self.certificate).into())
    }

    /// What TLS signs with.
    ///
    /// # Errors
    /// `profile_broken` if what was kept is not a certificate and its key.
    pub fn key(&self) -> Result<Arc<CertifiedKey>, HouseError> {
        let chain = vec![CertificateDer::from(self.certificate.clone())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.private_key.clone()));
        let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider());
        certified.map(Arc::new).map_err(|error| HouseError::Certificate(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::Code;

    #[tokio::test]
    async fn a_house_keeps_its_certificate_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let first = Certificate::load_or_make(&storage).await.unwrap();
        let again = Certificate::load_or_make(&storage).await.unwrap();
        assert_eq!(first.pin(), again.pin());
        assert!(again.key().is_ok());
    }

    #[tokio::test]
    async fn a_certificate_that_was_damaged_is_profile_broken() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        storage.settings().write(vec![(CERTIFICATE, b"rubbish".to_vec())]).await.unwrap();
        assert_eq!(Certificate::load_or_make(&storage).await.err().unwrap().code(), Code::ProfileBroken);
        storage.settings().write(vec![(PRIVATE_KEY, b"rubbish".to_vec())]).await.unwrap();
        let rubbish = Certificate::load_or_make(&storage).await.unwrap();
        assert_eq!(rubbish.key().err().unwrap().code(), Code::ProfileBroken);
    }

    #[tokio::test]
    async fn an_empty_certificate_is_damage_and_no_first_start() {
        for empty in [CERTIFICATE, PRIVATE_KEY] {
            let folder = tempfile::tempdir().unwrap();
            let storage = Storage::open(folder.path().into()).await.unwrap();
            Certificate::load_or_make(&storage).await.unwrap();
            storage.settings().write(vec![(empty, Vec::new())]).await.unwrap();
            let refused = Certificate::load_or_make(&storage).await.err().unwrap();
            assert_eq!(refused.code(), Code::ProfileBroken, "{empty}");
            assert_eq!(storage.settings().read(empty).await.unwrap(), Some(Vec::new()), "nothing is made anew");
        }
    }
}
