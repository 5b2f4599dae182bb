//! Signing in: a person proves to hold the key behind their id, to this house and no other.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::{
    code::{Code, Refusal},
    id::PersonId,
};

/// What is signed. How the visitor knows the house stands in it (the fingerprint, or the name of a certificate of the
/// public web), so that a house cannot pass a challenge of another house on to a visitor and sign in there as that
/// visitor. No fingerprint reads like a name, which has a dot.
pub fn bytes_to_sign(house: &str, challenge: &str) -> Vec<u8> {
    format!("serambi sign-in 1\n{house}\n{challenge}\n").into_bytes()
}

/// The signature for [`crate::api::SignIn::signature`].
pub fn sign(key: &SigningKey, house: &str, challenge: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.sign(&bytes_to_sign(house, challenge)).to_bytes())
}

/// Checks a signature, strictly (RFC 8032 without cofactor, and no key or point of small order: such keys accept
/// signatures that anybody can make).
///
/// # Errors
/// `signature_wrong`.
pub fn verify(person: &PersonId, house: &str, challenge: &str, signature: &str) -> Result<(), Refusal> {
    let wrong = |detail: &str| Refusal::new(Code::SignatureWrong, detail);
    let key = VerifyingKey::from_bytes(person.key()).map_err(|_| wrong("not a key"))?;
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("not base64url"))?;
    let signature = Signature::from_slice(&bytes).map_err(|_| wrong("not a signature"))?;
    key.verify_strict(&bytes_to_sign(house, challenge), &signature).map_err(|_| wrong("does not fit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> (SigningKey, PersonId) {
        let key = SigningKey::from_bytes(&[9; 32]);
        let id = PersonId::from_key(key.verifying_key().as_bytes());
        (key, id)
    }

    #[test]
    fn a_signature_is_good_for_one_person_one_house_and_one_challenge() {
        let (key, id) = person();
        let signature = sign(&key, "house-a", "challenge");
        assert_eq!(verify(&id, "house-a", "challenge", &signature), Ok(()));
        assert!(verify(&id, "house-b", "challenge", &signature).is_err());
        assert!(verify(&id, "house-a", "another", &signature).is_err());
        let other = PersonId::from_key(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes());
        assert!(verify(&other, "house-a", "challenge", &signature).is_err());
        assert!(verify(&id, "house-a", "challenge", "rubbish").is_err());
    }

    /// Known failure: the neutral point as a key, with the neutral point as R and zero as S, signed everything.
    #[test]
    fn a_key_of_small_order_signs_nothing() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&neutral);
        let id = PersonId::from_key(&neutral);
        assert!(verify(&id, "house-a", "challenge", &URL_SAFE_NO_PAD.encode(signature)).is_err());
    }
}
