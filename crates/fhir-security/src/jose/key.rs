//! Public keys of an issuer, from a JSON Web Key Set.
//! Spec: <https://www.rfc-editor.org/rfc/rfc7517>

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Material};
use super::strict;
use crate::from_base64url;

/// The longest document that is read.
const MOST_BYTES: usize = 512 * 1024;
/// The most keys of one set.
const MOST_KEYS: usize = 64;
/// Shorter RSA keys are not safe, longer ones only slow.
const RSA_BITS: std::ops::RangeInclusive<i32> = 2_048..=8_192;

/// One public key that signatures can be held against.
#[derive(Debug)]
pub struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
    public: PKey<Public>,
}

/// The usable keys of an issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    passed_over: usize,
}

/// Why a document gives no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is longer, or has more keys, than any issuer needs.
    #[error("the key set is longer than {MOST_BYTES} bytes or has more than {MOST_KEYS} keys")]
    TooLong,
    /// It is no JSON object with a list `keys`.
    #[error("the document is no JSON Web Key Set: a JSON object with a list `keys`")]
    Malformed,
    /// It holds what only the issuer may know: whoever wrote it has to change all of its keys.
    #[error("the key set holds private or symmetric keys; its issuer must replace them")]
    Secret,
    /// None of its keys can verify a signature here.
    #[error(
        "no key of the set is a public key for signatures: RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"
    )]
    Empty,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys for other uses and of other kinds are passed over.
    ///
    /// # Errors
    /// Where there is no usable key in it, or something that must not be there.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > MOST_BYTES {
            return Err(KeySetError::TooLong);
        }
        let parsed = strict::parse(document, 8).ok_or(KeySetError::Malformed)?;
        let listed = parsed.get("keys").and_then(Value::as_array).ok_or(KeySetError::Malformed)?;
        if listed.len() > MOST_KEYS {
            return Err(KeySetError::TooLong);
        }
        let mut set = Self::default();
        for entry in listed {
            let entry = entry.as_object().ok_or(KeySetError::Malformed)?;
            if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
                .iter()
                .any(|it| entry.contains_key(*it))
            {
                return Err(KeySetError::Secret);
            }
            match Key::parse(entry) {
                Some(key) => set.keys.push(key),
                None => set.passed_over += 1,
            }
        }
        if set.keys.is_empty() { Err(KeySetError::Empty) } else { Ok(set) }
    }

    /// The usable keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many keys were passed over: for encryption, of other kinds, or broken.
    #[must_use]
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// The one key for a token with this `kid` and `alg`. Without a `kid` there must be just one
    /// that fits: trying several is how a wrong key gets its chance.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }
}

impl Key {
    fn parse(entry: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(operations) = entry.get("key_ops")
            && !operations.as_array()?.iter().any(|it| it.as_str() == Some("verify"))
        {
            return None;
        }
        let algorithm = match entry.get("alg") {
            Some(name) => Some(Algorithm::named(name.as_str()?)?),
            None => None,
        };
        let id = match entry.get("kid") {
            Some(id) => Some(id.as_str()?.to_owned()),
            None => None,
        };
        let bytes = |name: &str| text(name).and_then(from_base64url);
        let (material, public) = match (text("kty")?, text("crv")) {
            ("RSA", None) => (Material::Rsa, rsa(&bytes("n")?, &bytes("e")?)?),
            ("EC", Some("P-256")) => {
                (Material::P256, point(Nid::X9_62_PRIME256V1, 32, &bytes("x")?, &bytes("y")?)?)
            }
            ("EC", Some("P-384")) => {
                (Material::P384, point(Nid::SECP384R1, 48, &bytes("x")?, &bytes("y")?)?)
            }
            ("EC", Some("P-521")) => {
                (Material::P521, point(Nid::SECP521R1, 66, &bytes("x")?, &bytes("y")?)?)
            }
            ("OKP", Some("Ed25519")) => {
                let public = PKey::public_key_from_raw_bytes(&bytes("x")?, Id::ED25519).ok()?;
                (Material::Ed25519, public)
            }
            _ => return None,
        };
        let is_consistent = algorithm.is_none_or(|algorithm| algorithm.material() == material);
        is_consistent.then_some(Self { id, algorithm, material, public })
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether a token may say that it was signed with this key by `algorithm`.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.material == algorithm.material() && self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(crate) fn public(&self) -> &PKey<Public> {
        &self.public
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<PKey<Public>> {
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if exponent.len() > 4 || !is_odd || exponent == [1] {
        return None;
    }
    let made = || -> Result<_, ErrorStack> {
        let key = Rsa::from_public_components(
            BigNum::from_slice(modulus)?,
            BigNum::from_slice(exponent)?,
        )?;
        let bits = key.n().num_bits();
        Ok((PKey::from_rsa(key)?, bits))
    };
    made().ok().filter(|(_, bits)| RSA_BITS.contains(bits)).map(|(key, _)| key)
}

/// A point on a curve; OpenSSL refuses those beside it.
fn point(curve: Nid, width: usize, x: &[u8], y: &[u8]) -> Option<PKey<Public>> {
    if x.len() != width || y.len() != width {
        return None;
    }
    let made = || -> Result<_, ErrorStack> {
        let group = EcGroup::from_curve_name(curve)?;
        let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
        let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
        key.check_key()?;
        PKey::from_ec_key(key)
    };
    made().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    fn set(keys: &[&str]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    #[test]
    fn what_is_not_for_signatures_is_passed_over() {
        let good = format!("{{{P256},\"kid\":\"a\"}}");
        for other in [
            format!("{{{P256},\"use\":\"enc\"}}"),
            format!("{{{P256},\"key_ops\":[\"encrypt\"]}}"),
            format!("{{{P256},\"alg\":\"RS256\"}}"),
            format!("{{{P256},\"alg\":\"HS256\"}}"),
            format!("{{{P256},\"alg\":\"ECDH-ES\"}}"),
            P256.replace("P-256", "P-384").replace("\"kty\"", "{\"kty\"") + "}",
            // A point beside the curve.
            format!("{{{}}}", P256.replace("x_FEzRu", "x_FEzRv")),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            r#"{"kty":"unheard-of"}"#.to_owned(),
        ] {
            let found = set(&[&good, &other]).unwrap();
            assert_eq!((found.keys().len(), found.passed_over()), (1, 1), "{other}");
            assert_eq!(set(&[&other]).unwrap_err(), KeySetError::Empty, "{other}");
        }
    }

    #[test]
    fn secrets_and_other_documents_are_refused() {
        let private = format!("{{{P256},\"d\":\"AQAB\"}}");
        assert_eq!(set(&[&private]).unwrap_err(), KeySetError::Secret);
        let symmetric = r#"{"kty":"oct","k":"AQAB"}"#;
        assert_eq!(set(&[symmetric]).unwrap_err(), KeySetError::Secret);
        let good = format!("{{{P256}}}");
        assert_eq!(set(&vec![good.as_str(); 65]).unwrap_err(), KeySetError::TooLong);
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "<html>"] {
            assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), KeySetError::Malformed);
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_or_because_it_is_the_only_one() {
        let (a, b) = (format!("{{{P256},\"kid\":\"a\"}}"), format!("{{{P256},\"kid\":\"b\"}}"));
        let one = set(&[&a]).unwrap();
        assert!(one.find(None, Algorithm::Es256).is_some());
        assert!(one.find(Some("b"), Algorithm::Es256).is_none());
        assert!(one.find(Some("a"), Algorithm::Es384).is_none());
        let two = set(&[&a, &b]).unwrap();
        assert!(two.find(None, Algorithm::Es256).is_none());
        assert_eq!(two.find(Some("b"), Algorithm::Es256).unwrap().id(), Some("b"));
    }
}
