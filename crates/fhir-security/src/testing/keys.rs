//! Private keys that sign tokens as an issuer does.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

use crate::base64url;

/// A key pair of an issuer.
pub struct SigningKey {
    key: PKey<Private>,
    curve: Option<(&'static str, i32)>,
}

/// HMAC with SHA-256: what an attacker makes of a public key.
pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC fills short keys up with zeros, so that these two are the same; OpenSSL takes no empty one.
    let key = PKey::hmac(if secret.is_empty() { &[0] } else { secret }).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.sign_oneshot_to_vec(message).unwrap()
}

impl SigningKey {
    pub fn rsa(bits: u32) -> Self {
        Self { key: PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(), curve: None }
    }

    /// `P-256`, `P-384` or `P-521`.
    pub fn ec(curve: &str) -> Self {
        let (nid, curve) = match curve {
            "P-256" => (Nid::X9_62_PRIME256V1, ("P-256", 32)),
            "P-384" => (Nid::SECP384R1, ("P-384", 48)),
            "P-521" => (Nid::SECP521R1, ("P-521", 66)),
            other => panic!("no curve {other}"),
        };
        let group = EcGroup::from_curve_name(nid).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self { key, curve: Some(curve) }
    }

    pub fn ed25519() -> Self {
        Self { key: PKey::generate_ed25519().unwrap(), curve: None }
    }

    /// The public half as a JSON Web Key with further members.
    pub fn jwk(&self, more: &Value) -> Value {
        let mut jwk = match (self.key.rsa(), self.curve) {
            (Ok(rsa), _) => json!({"kty": "RSA", "n": base64url(&rsa.n().to_vec()),
                "e": base64url(&rsa.e().to_vec())}),
            (Err(_), Some((curve, width))) => {
                let ec = self.key.ec_key().unwrap();
                let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
                let mut context = BigNumContext::new().unwrap();
                ec.public_key()
                    .affine_coordinates(ec.group(), &mut x, &mut y, &mut context)
                    .unwrap();
                let text = |number: &BigNum| base64url(&number.to_vec_padded(width).unwrap());
                json!({"kty": "EC", "crv": curve, "x": text(&x), "y": text(&y)})
            }
            (Err(_), None) => json!({"kty": "OKP", "crv": "Ed25519",
                "x": base64url(&self.key.raw_public_key().unwrap())}),
        };
        for (name, value) in more.as_object().into_iter().flatten() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// The key itself in PEM form (PKCS#8), for programs that sign with it.
    pub fn private_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// The public half in PEM form: what key confusion takes for a secret.
    pub fn public_pem(&self) -> Vec<u8> {
        self.key.public_key_to_pem().unwrap()
    }

    /// A signature as `alg` says; any other algorithm than those of the key panics.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let digest = match algorithm.get(2..) {
            Some("256") => MessageDigest::sha256(),
            Some("384") => MessageDigest::sha384(),
            Some("512") => MessageDigest::sha512(),
            _ => {
                let mut signer = Signer::new_without_digest(&self.key).unwrap();
                return signer.sign_oneshot_to_vec(message).unwrap();
            }
        };
        let mut signer = Signer::new(digest, &self.key).unwrap();
        if algorithm.starts_with("PS") {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_mgf1_md(digest).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        let signature = signer.sign_oneshot_to_vec(message).unwrap();
        let Some((_, width)) = self.curve else { return signature };
        let pair = EcdsaSig::from_der(&signature).unwrap();
        let mut both = pair.r().to_vec_padded(width).unwrap();
        both.extend(pair.s().to_vec_padded(width).unwrap());
        both
    }

    /// A signed token.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let algorithm = header["alg"].as_str().unwrap();
        format!("{signed}.{}", base64url(&self.sign(algorithm, signed.as_bytes())))
    }
}
