//! Seals: signatures (Ed25519) under texts of this server's own, such as checkpoints.
//!
//! The key is made at first use and kept by the caller, who alone knows where secrets lie.

use std::fmt;

use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};

/// Why a key or a seal cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The bytes are no key.
    #[error("the bytes are no Ed25519 key of 32 bytes")]
    NoKey,
    /// OpenSSL fails: it has no randomness or no memory.
    #[error("the cryptographic library fails")]
    Library,
}

/// The private key that seals. `Debug` shows nothing of it.
pub struct SealKey(PKey<Private>);

impl fmt::Debug for SealKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SealKey")
    }
}

impl SealKey {
    /// A new key.
    ///
    /// # Errors
    /// `Library`.
    pub fn generate() -> Result<Self, SealError> {
        PKey::generate_ed25519().map(Self).map_err(|_error| SealError::Library)
    }

    /// The key that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// `NoKey`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key = PKey::private_key_from_raw_bytes(bytes, Id::ED25519);
        key.map(Self).map_err(|_error| SealError::NoKey)
    }

    /// The 32 secret bytes, to be kept where nobody else reads.
    ///
    /// # Errors
    /// `Library`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealError> {
        self.0.raw_private_key().map_err(|_error| SealError::Library)
    }

    /// The public half, for whoever checks seals.
    ///
    /// # Errors
    /// `Library`.
    pub fn public(&self) -> Result<SealPublicKey, SealError> {
        let bytes = self.0.raw_public_key().map_err(|_error| SealError::Library)?;
        SealPublicKey::from_bytes(&bytes)
    }

    /// The seal of a text: 64 bytes.
    ///
    /// # Errors
    /// `Library`.
    pub fn seal(&self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let sealed = Signer::new_without_digest(&self.0)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(text));
        sealed.map_err(|_error| SealError::Library)
    }
}

/// The public key that checks seals.
#[derive(Debug)]
pub struct SealPublicKey(PKey<Public>);

impl SealPublicKey {
    /// The key that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// `NoKey`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key = PKey::public_key_from_raw_bytes(bytes, Id::ED25519);
        key.map(Self).map_err(|_error| SealError::NoKey)
    }

    /// Its 32 bytes, which anybody may know.
    ///
    /// # Errors
    /// `Library`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealError> {
        self.0.raw_public_key().map_err(|_error| SealError::Library)
    }

    /// Whether `seal` was made for exactly this text with the private half.
    #[must_use]
    pub fn holds(&self, text: &[u8], seal: &[u8]) -> bool {
        let checked = Verifier::new_without_digest(&self.0)
            .and_then(|mut verifier| verifier.verify_oneshot(seal, text));
        checked.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_its_text_and_key_alone() {
        let key = SealKey::generate().unwrap();
        let seal = key.seal(b"row 17, hash abc").unwrap();
        let public = SealPublicKey::from_bytes(&key.public().unwrap().to_bytes().unwrap()).unwrap();
        assert!(public.holds(b"row 17, hash abc", &seal));
        assert!(!public.holds(b"row 18, hash abc", &seal));
        let mut broken = seal.clone();
        broken[3] ^= 1;
        assert!(!public.holds(b"row 17, hash abc", &broken) && !public.holds(b"", &[]));
        let other = SealKey::generate().unwrap().public().unwrap();
        assert!(!other.holds(b"row 17, hash abc", &seal));
    }

    #[test]
    fn a_kept_key_makes_the_same_seals_and_is_not_shown() {
        let key = SealKey::generate().unwrap();
        let bytes = key.to_bytes().unwrap();
        assert_eq!(bytes.len(), 32);
        let again = SealKey::from_bytes(&bytes).unwrap();
        assert_eq!(key.seal(b"x").unwrap(), again.seal(b"x").unwrap());
        assert_eq!(format!("{key:?}"), "SealKey");
        assert_eq!(SealKey::from_bytes(b"short").unwrap_err(), SealError::NoKey);
        assert_eq!(SealPublicKey::from_bytes(b"short").unwrap_err(), SealError::NoKey);
    }
}
