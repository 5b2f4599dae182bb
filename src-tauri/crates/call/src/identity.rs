//! Who a person is: an Ed25519 key made at first start and kept in the profile folder.

use std::{fs, io, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use serambi_protocol::{Code, PersonId, Refusal, sign_in};

use crate::private_file;

/// The key's file in the profile folder: 32 secret bytes as base64url.
const KEY_FILE: &str = "identity.key";

/// A person's secret key. Whoever has it is that person, in every house.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.id().short())
    }
}

impl Identity {
    /// A new person.
    pub fn make() -> Self {
        Self { key: SigningKey::from_bytes(&rand::random()) }
    }

    /// The identity of this profile folder, made if there is none. A damaged key is never replaced in silence:
    /// that would make another person of its owner. An empty file never was a key: the disk was full, or the power cut.
    ///
    /// # Errors
    /// `profile_broken`: unreadable, unwritable or damaged.
    pub fn load_or_make(folder: &Path) -> Result<Self, Refusal> {
        let path = folder.join(KEY_FILE);
        let broken = |error: io::Error| Refusal::new(Code::ProfileBroken, format!("{}: {error}", path.display()));
        match fs::read_to_string(&path) {
            Ok(text) if text.is_empty() => Self::make_in(&path).map_err(broken),
            Ok(text) => {
                private_file::tighten(&path).map_err(broken)?;
                Self::read(&text, &path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make_in(&path).map_err(broken),
            Err(error) => Err(broken(error)),
        }
    }

    /// The public name of this person.
    pub fn id(&self) -> PersonId {
        PersonId::from_key(self.key.verifying_key().as_bytes())
    }

    /// Answers a house's challenge; `house` is the fingerprint or the name that was checked, not what the house
    /// claims.
    pub fn sign_in(&self, house: &str, challenge: &str) -> String {
        sign_in::sign(&self.key, house, challenge)
    }

    fn read(text: &str, path: &Path) -> Result<Self, Refusal> {
        let damaged = || Refusal::new(Code::ProfileBroken, format!("{} is damaged", path.display()));
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| damaged())?;
        let secret: [u8; 32] = bytes.try_into().map_err(|_| damaged())?;
        Ok(Self { key: SigningKey::from_bytes(&secret) })
    }

    fn make_in(path: &Path) -> io::Result<Self> {
        let identity = Self::make();
        private_file::replace(path, URL_SAFE_NO_PAD.encode(identity.key.to_bytes()).as_bytes())?;
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_person_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::load_or_make(folder.path()).unwrap();
        let again = Identity::load_or_make(folder.path()).unwrap();
        assert_eq!(first.id(), again.id());
        assert_ne!(first.id(), Identity::make().id());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_on_the_computer_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Identity::load_or_make(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY_FILE), "not a key").unwrap();
        assert_eq!(Identity::load_or_make(folder.path()).map_err(|e| e.code).unwrap_err(), Code::ProfileBroken);
        assert_eq!(fs::read_to_string(folder.path().join(KEY_FILE)).unwrap(), "not a key");
    }

    // A disk that was full at the very first start broke the profile for good.
    #[test]
    fn an_empty_key_file_is_no_key_and_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY_FILE), "").unwrap();
        let first = Identity::load_or_make(folder.path()).unwrap();
        assert_eq!(Identity::load_or_make(folder.path()).unwrap().id(), first.id());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_was_loosened_is_tightened() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Identity::load_or_make(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Identity::load_or_make(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_house_can_check_the_answer_and_the_log_shows_no_secret() {
        let identity = Identity::make();
        let answer = identity.sign_in("pin", "challenge");
        assert_eq!(sign_in::verify(&identity.id(), "pin", "challenge", &answer), Ok(()));
        assert!(!format!("{identity:?}").contains(&URL_SAFE_NO_PAD.encode(identity.key.to_bytes())));
    }
}
