//! Tokens that this program issues itself.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use crate::{base64url, sha256};

/// Bits of a new key: what SMART and OpenID Connect ask for at least.
const BITS: u32 = 2_048;

/// A private key that signs tokens with RS256, which every OpenID client understands.
///
/// It lives as long as the process: nothing writes it anywhere.
pub struct Signer {
    key: PKey<Private>,
    /// The public half, with `kid`.
    public: Value,
    id: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Signer({})", self.id)
    }
}

/// OpenSSL could not make a key or a signature.
#[derive(Debug, thiserror::Error)]
#[error("no key or signature could be made")]
pub struct SigningError(#[from] ErrorStack);

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// Where OpenSSL cannot make one.
    pub fn generate() -> Result<Self, SigningError> {
        let rsa = Rsa::generate(BITS)?;
        let (e, n) = (base64url(&rsa.e().to_vec()), base64url(&rsa.n().to_vec()));
        // The thumbprint of RFC 7638: the required members in the order of their names.
        let required = format!("{{\"e\":\"{e}\",\"kty\":\"RSA\",\"n\":\"{n}\"}}");
        let id = base64url(&sha256(required.as_bytes()));
        let alg = Self::ALGORITHM.name();
        let public = json!({"kty": "RSA", "use": "sig", "alg": alg, "kid": &id, "n": n, "e": e});
        Ok(Self { key: PKey::from_rsa(rsa)?, public, id })
    }

    /// How it signs.
    pub const ALGORITHM: Algorithm = Algorithm::Rs256;

    /// The JSON Web Key Set with its public half.
    #[must_use]
    pub fn key_set(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A signed token in the compact form, with this `typ`.
    ///
    /// # Errors
    /// Where OpenSSL cannot sign.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, SigningError> {
        let header = json!({"alg": Self::ALGORITHM.name(), "typ": typ, "kid": self.id});
        let claims = serde_json::Value::Object(claims.clone()).to_string();
        let signed = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.as_bytes())
        );
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key)?;
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64url(&signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Issuer, KeySet, Limits, Presented, TokenError, Verifier};

    #[test]
    fn what_it_signs_is_verified_with_its_own_public_key_only() {
        let (own, other) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let issuer = Issuer {
            name: "i".to_owned(),
            audiences: vec!["a".to_owned()],
            algorithms: vec![Signer::ALGORITHM],
            leeway_s: 0,
            is_single_use: false,
        };
        let verifier = Verifier::new(vec![issuer], Limits::default());
        verifier.set_keys(0, KeySet::parse(own.key_set().to_string().as_bytes()).unwrap());
        let claims = json!({"iss": "i", "aud": "a", "exp": 2_000});
        let verify = |signer: &Signer| {
            let token = signer.sign("at+jwt", claims.as_object().unwrap()).unwrap();
            verifier.verify(&Presented { token: &token, now_s: 1_000, certificate: None })
        };
        assert_eq!(verify(&own).unwrap().claims["aud"], "a");
        assert_eq!(verify(&other).unwrap_err(), TokenError::Key);
        assert!(!format!("{own:?}").contains(own.public["n"].as_str().unwrap()));
    }
}
