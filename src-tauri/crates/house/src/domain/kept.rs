//! What is kept of a domain in the house's file: the account with the authority, and the certificate with its key.

use std::sync::Arc;

use instant_acme::AccountCredentials;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use serambi_protocol::{Code, DomainName, Refusal};

use crate::{error::HouseError, storage::SettingRepository};

/// The authority's directory that the account is of.
const ACCOUNT_OF: &str = "acme_account_of";
/// The account: JSON with its key.
const ACCOUNT: &str = "acme_account";
/// The authority's directory that the certificate is of.
const CERTIFICATE_OF: &str = "acme_certificate_of";
/// The certificate and those between it and a root (PEM).
const CERTIFICATE: &str = "acme_certificate";
/// Its key (PKCS #8, DER).
const PRIVATE_KEY: &str = "acme_private_key";

/// What is kept that one authority gave.
pub struct Kept {
    settings: SettingRepository,
    directory: String,
}

impl Kept {
    /// Of the authority with this directory.
    pub fn new(settings: SettingRepository, directory: &str) -> Self {
        Self { settings, directory: directory.to_owned() }
    }

    /// The account, if this authority has given one.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn read_account(&self) -> Result<Option<AccountCredentials>, HouseError> {
        if !self.is_ours(ACCOUNT_OF).await? {
            return Ok(None);
        }
        let account = self.settings.read(ACCOUNT).await?.unwrap_or_default();
        // One that cannot be read is worth no more than none: another is had for the asking.
        Ok(serde_json::from_slice(&account).ok())
    }

    /// Keeps an account.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn write_account(&self, account: &AccountCredentials) -> Result<(), HouseError> {
        let account = serde_json::to_vec(account).map_err(|error| HouseError::Certificate(error.to_string()))?;
        self.settings.write(vec![(ACCOUNT_OF, self.directory.clone().into_bytes()), (ACCOUNT, account)]).await
    }

    /// The certificate for this name, if this authority has given one.
    ///
    /// # Errors
    /// `profile_broken`: the file cannot be read.
    pub async fn read_certificate(&self, name: &DomainName) -> Result<Option<PublicCertificate>, HouseError> {
        if !self.is_ours(CERTIFICATE_OF).await? {
            return Ok(None);
        }
        let chain = self.settings.read(CERTIFICATE).await?.unwrap_or_default();
        let private_key = self.settings.read(PRIVATE_KEY).await?.unwrap_or_default();
        match PublicCertificate::new(name, chain, private_key) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(refusal) => {
                tracing::warn!(detail = refusal.detail, "the kept certificate is of no use; another is asked for");
                Ok(None)
            }
        }
    }

    /// Keeps a certificate.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn write_certificate(&self, certificate: &PublicCertificate) -> Result<(), HouseError> {
        let values = vec![
            (CERTIFICATE_OF, self.directory.clone().into_bytes()),
            (CERTIFICATE, certificate.chain.clone()),
            (PRIVATE_KEY, certificate.private_key.clone()),
        ];
        self.settings.write(values).await
    }

    async fn is_ours(&self, key: &'static str) -> Result<bool, HouseError> {
        Ok(self.settings.read(key).await?.is_some_and(|directory| directory == self.directory.as_bytes()))
    }
}

/// A certificate of the public web with its key.
pub struct PublicCertificate {
    key: Arc<CertifiedKey>,
    chain: Vec<u8>,
    private_key: Vec<u8>,
    valid_from_ms: i64,
    valid_until_ms: i64,
}

impl PublicCertificate {
    /// Of a chain (PEM) and a key (PKCS #8, DER).
    ///
    /// # Errors
    /// `acme_refused`: it is none, its key is another one, or it is for another name.
    pub fn new(name: &DomainName, chain: Vec<u8>, private_key: Vec<u8>) -> Result<Self, Refusal> {
        let wrong = |what: String| Refusal::new(Code::AcmeRefused, format!("the certificate: {what}"));
        let unfit = |error: rustls::Error| wrong(error.to_string());
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        let leaf = certificates.first().ok_or_else(|| wrong("there is none".to_owned()))?;
        let (valid_from_ms, valid_until_ms) = validity_ms(leaf).map_err(wrong)?;
        let server = ServerName::try_from(name.to_string()).map_err(|error| wrong(error.to_string()))?;
        rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf).map_err(unfit)?, &server)
            .map_err(unfit)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(private_key.clone()));
        let key =
            CertifiedKey::from_der(certificates, key, &rustls::crypto::ring::default_provider()).map_err(unfit)?;
        Ok(Self { key: Arc::new(key), chain, private_key, valid_from_ms, valid_until_ms })
    }

    /// What TLS signs with.
    pub fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// Until when it is valid, Unix ms.
    pub const fn valid_until_ms(&self) -> i64 {
        self.valid_until_ms
    }

    /// When another is asked for, Unix ms: after two thirds of its time, as Let's Encrypt advises.
    pub const fn renewed_at_ms(&self) -> i64 {
        self.valid_from_ms + (self.valid_until_ms - self.valid_from_ms) / 3 * 2
    }

    /// How long it is used at least, in milliseconds, whatever the wall clock says: a third of its time.
    pub fn least_use_ms(&self) -> u64 {
        u64::try_from((self.valid_until_ms - self.valid_from_ms) / 3).unwrap_or_default()
    }

    /// Is it valid at that moment?
    ///
    /// # Errors
    /// `certificate_not_valid_now`.
    pub fn check_time(&self, now_ms: i64) -> Result<(), Refusal> {
        if (self.valid_from_ms..self.valid_until_ms).contains(&now_ms) {
            return Ok(());
        }
        let detail = format!(
            "a certificate just made is valid from {} to {} (ms since 1970), and this computer's clock says {now_ms}",
            self.valid_from_ms, self.valid_until_ms
        );
        Err(Refusal::new(Code::CertificateNotValidNow, detail))
    }
}

fn validity_ms(certificate: &CertificateDer<'_>) -> Result<(i64, i64), String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    let validity = parsed.validity();
    let ms = |seconds: i64| seconds.saturating_mul(1_000);
    Ok((ms(validity.not_before.timestamp()), ms(validity.not_after.timestamp())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::Storage;

    const ROOMS: &str = "rooms.example";

    fn made(name: &str) -> (Vec<u8>, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem().into_bytes(), made.signing_key.serialize_der())
    }

    fn certificate() -> PublicCertificate {
        let (chain, key) = made(ROOMS);
        PublicCertificate::new(&ROOMS.parse().unwrap(), chain, key).unwrap()
    }

    #[tokio::test]
    async fn a_certificate_is_there_again_after_a_restart_for_the_same_name_and_authority_only() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let kept = |directory| Kept::new(storage.settings(), directory);
        let name = ROOMS.parse().unwrap();
        assert!(kept("https://a").read_certificate(&name).await.unwrap().is_none());
        kept("https://a").write_certificate(&certificate()).await.unwrap();
        assert!(kept("https://a").read_certificate(&name).await.unwrap().is_some());
        assert!(kept("https://b").read_certificate(&name).await.unwrap().is_none());
        assert!(kept("https://a").read_certificate(&"other.example".parse().unwrap()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_certificate_that_was_damaged_is_asked_for_anew() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let kept = Kept::new(storage.settings(), "https://a");
        let name = ROOMS.parse().unwrap();
        for damaged in [CERTIFICATE, PRIVATE_KEY] {
            kept.write_certificate(&certificate()).await.unwrap();
            storage.settings().write(vec![(damaged, b"rubbish".to_vec())]).await.unwrap();
            assert!(kept.read_certificate(&name).await.unwrap().is_none(), "{damaged}");
        }
        storage.settings().write(vec![(ACCOUNT_OF, b"https://a".to_vec()), (ACCOUNT, b"{".to_vec())]).await.unwrap();
        assert!(kept.read_account().await.unwrap().is_none());
    }

    #[test]
    fn a_key_of_another_certificate_is_none() {
        let name: DomainName = ROOMS.parse().unwrap();
        let ((chain, _), (_, key)) = (made(ROOMS), made(ROOMS));
        assert_eq!(PublicCertificate::new(&name, chain, key).err().unwrap().code, Code::AcmeRefused);
    }

    #[test]
    fn a_clock_before_or_after_the_certificates_time_is_said_to_be_wrong() {
        let certificate = PublicCertificate { valid_from_ms: 3_000, valid_until_ms: 6_000, ..certificate() };
        assert_eq!(certificate.renewed_at_ms(), 5_000);
        for (now_ms, is_right) in [(2_999, false), (3_000, true), (5_999, true), (6_000, false)] {
            let code = certificate.check_time(now_ms).err().map(|refusal| refusal.code);
            assert_eq!(code, (!is_right).then_some(Code::CertificateNotValidNow), "{now_ms}");
        }
    }
}
