//! Signature algorithms, and one signature held against one key.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};

/// What a key is made of, as far as algorithms ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

macro_rules! algorithms {
    ($($name:ident = $code:literal, $material:ident),* $(,)?) => {
        /// A signature algorithm with public keys. There is no `none` and no HMAC: what cannot be
        /// named cannot be allowed by mistake. Spec: <https://www.rfc-editor.org/rfc/rfc7518#section-3.1>
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the specification")]
        pub enum Algorithm { $($name),* }

        impl Algorithm {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The value of `alg`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What a key for it is made of.
            pub(crate) const fn material(self) -> Material {
                match self { $(Self::$name => Material::$material),* }
            }
        }
    };
}

algorithms! {
    Rs256 = "RS256", Rsa, Rs384 = "RS384", Rsa, Rs512 = "RS512", Rsa,
    Ps256 = "PS256", Rsa, Ps384 = "PS384", Rsa, Ps512 = "PS512", Rsa,
    Es256 = "ES256", P256, Es384 = "ES384", P384, Es512 = "ES512", P521,
    EdDsa = "EdDSA", Ed25519,
}

impl Algorithm {
    /// The algorithm with this name, in exactly this case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }

    fn digest(self) -> MessageDigest {
        match self {
            Self::Rs384 | Self::Ps384 | Self::Es384 => MessageDigest::sha384(),
            Self::Rs512 | Self::Ps512 | Self::Es512 => MessageDigest::sha512(),
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::EdDsa => MessageDigest::sha256(),
        }
    }

    /// Whether `signature` over `message` was made with the private half of `key`. Whatever
    /// OpenSSL cannot make sense of is no signature.
    pub(crate) fn verifies(self, key: &PKey<Public>, message: &[u8], signature: &[u8]) -> bool {
        let made_of = match self.material() {
            Material::Rsa => Id::RSA,
            Material::P256 | Material::P384 | Material::P521 => Id::EC,
            Material::Ed25519 => Id::ED25519,
        };
        // Without this, OpenSSL would take an RSA signature where none but EdDSA's is asked for.
        if key.id() != made_of {
            return false;
        }
        let verified = match self.material() {
            Material::Rsa => self.rsa(key, message, signature),
            Material::P256 => self.ecdsa(key, message, signature, 32),
            Material::P384 => self.ecdsa(key, message, signature, 48),
            Material::P521 => self.ecdsa(key, message, signature, 66),
            Material::Ed25519 => Verifier::new_without_digest(key)
                .and_then(|mut verifier| verifier.verify_oneshot(signature, message)),
        };
        verified.unwrap_or(false)
    }

    /// A signature over `message`, in the form that tokens have it.
    ///
    /// # Errors
    /// Where the key is not for this algorithm, or OpenSSL cannot sign.
    pub(crate) fn sign(self, key: &PKey<Private>, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let width = match self.material() {
            Material::Ed25519 => {
                return Signer::new_without_digest(key)?.sign_oneshot_to_vec(message);
            }
            Material::Rsa => 0,
            Material::P256 => 32,
            Material::P384 => 48,
            Material::P521 => 66,
        };
        let mut signer = Signer::new(self.digest(), key)?;
        if matches!(self, Self::Ps256 | Self::Ps384 | Self::Ps512) {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_mgf1_md(self.digest())?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        let signature = signer.sign_oneshot_to_vec(message)?;
        if width == 0 {
            return Ok(signature);
        }
        let pair = EcdsaSig::from_der(&signature)?;
        let mut both = pair.r().to_vec_padded(width)?;
        both.extend(pair.s().to_vec_padded(width)?);
        Ok(both)
    }

    fn rsa(self, key: &PKey<Public>, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let digest = self.digest();
        let mut verifier = Verifier::new(digest, key)?;
        if matches!(self, Self::Ps256 | Self::Ps384 | Self::Ps512) {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_mgf1_md(digest)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        } else {
            verifier.set_rsa_padding(Padding::PKCS1)?;
        }
        verifier.verify_oneshot(signature, message)
    }

    /// Tokens carry r and s side by side, each as long as the curve; OpenSSL wants them in DER.
    fn ecdsa(
        self,
        key: &PKey<Public>,
        message: &[u8],
        signature: &[u8],
        width: usize,
    ) -> Result<bool, ErrorStack> {
        let Some((r, s)) = signature.split_at_checked(width).filter(|(_, s)| s.len() == width)
        else {
            return Ok(false);
        };
        let pair =
            EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        Verifier::new(self.digest(), key)?.verify_oneshot(&pair.to_der()?, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_base64url;
    use crate::jose::KeySet;

    /// The examples of RFC 7515 (A.2, A.3) and RFC 8037 (A.4): tokens that others made.
    const EXAMPLES: [(&str, &str, &str, &str); 3] = [
        (
            "RS256",
            r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            "ES256",
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            "EdDSA",
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];

    #[test]
    fn the_examples_of_the_specifications_verify_and_nothing_near_them_does() {
        for (name, key, message, signature) in EXAMPLES {
            let algorithm = Algorithm::named(name).unwrap();
            let set = KeySet::parse(format!("{{\"keys\":[{key}]}}").as_bytes()).unwrap();
            let key = set.keys()[0].public();
            let signature = from_base64url(signature).unwrap();
            assert!(algorithm.verifies(key, message.as_bytes(), &signature), "{name}");
            let mut broken = signature.clone();
            broken[7] ^= 1;
            assert!(!algorithm.verifies(key, message.as_bytes(), &broken), "{name}");
            assert!(!algorithm.verifies(key, b"another", &signature), "{name}");
            assert!(!algorithm.verifies(key, message.as_bytes(), &[]), "{name}");
            for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
                assert!(!other.verifies(key, message.as_bytes(), &signature), "{name} {other:?}");
            }
        }
    }

    #[test]
    fn a_signature_of_zeros_is_none() {
        let set = KeySet::parse(format!("{{\"keys\":[{}]}}", EXAMPLES[1].1).as_bytes()).unwrap();
        assert!(!Algorithm::Es256.verifies(set.keys()[0].public(), b"message", &[0; 64]));
    }
}
