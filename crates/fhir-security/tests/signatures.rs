//! Signatures of Bundles, held against the cases in `conformance/`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]
#![allow(clippy::disallowed_methods, reason = "certificates are held against the real clock")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_model::{Instant, Resource};
use fhir_security::jose::Algorithm;
use fhir_security::signature::{Hand, Terms, canonical};
use fhir_security::testing::{Authority, SigningKey, Wanted, hmac_sha256};
use fhir_security::{base64url, from_base64url};
use serde_json::{Value, json};

const UNIT: &str = "1.2.246.10.99999999.10.0";

struct World {
    authority: Authority,
    stranger: Authority,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = Instant(i64::try_from(now.as_micros()).unwrap());
        Self { authority: Authority::new("trusted"), stranger: Authority::new("other"), now }
    }

    fn hand(&self, name: &str) -> Hand {
        let subject = [("O", "Example"), ("serialNumber", UNIT)];
        let (authority, days) = match name {
            "own" => (&self.authority, (-1, 10)),
            "stranger" => (&self.stranger, (-1, 10)),
            "old" => (&self.authority, (-2, -1)),
            "young" => (&self.authority, (1, 10)),
            "rsa" => return self.rsa(),
            other => panic!("no hand {other}"),
        };
        let issued = authority.issue(&Wanted { subject: &subject, is_server: false, days });
        Hand::new(&issued.key_pem, &issued.certificate_pem).unwrap()
    }

    /// A certificate over an RSA key, which is an anchor of its own.
    fn rsa(&self) -> Hand {
        let (key, certificate) = self.authority.rsa_pair();
        Hand::new(&key, &certificate).unwrap()
    }

    fn terms(&self, case: &Value) -> Terms {
        let mut algorithms = vec![Algorithm::Es256, Algorithm::Ps256];
        if let Some(names) = case["terms"]["algorithms"].as_array() {
            algorithms = names
                .iter()
                .map(|name| Algorithm::named(name.as_str().unwrap()).unwrap())
                .collect();
        }
        let mut terms = Terms::new(algorithms, &self.authority.pem()).unwrap();
        terms.max_age_s = case["terms"]["max_age_s"].as_i64();
        terms.who = case["terms"]["who"].as_str().map(str::to_owned);
        terms
    }
}

fn resource(text: &str) -> Resource {
    Resource::trusted(text.as_bytes().to_vec()).unwrap()
}

/// The signature, changed as an attacker or a clumsy sender would.
fn changed(mut signature: Value, change: &str, payload: &[u8]) -> Option<Value> {
    let data = signature["data"].as_str().unwrap().to_owned();
    let jws = String::from_utf8(STANDARD.decode(&data).unwrap()).unwrap();
    let (header, made) = jws.split_once("..").unwrap();
    let mut read: Value = serde_json::from_slice(&from_base64url(header).unwrap()).unwrap();
    let mut put = |header: &Value, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let header = base64url(header.to_string().as_bytes());
        let made = base64url(&sign(format!("{header}.{}", base64url(payload)).as_bytes()));
        signature["data"] = json!(STANDARD.encode(format!("{header}..{made}")));
    };
    match change {
        "none" => return None,
        "other key" => {
            let key = SigningKey::ec("P-256");
            put(&read, &|message| key.sign("ES256", message));
        }
        "alg none" => {
            read["alg"] = json!("none");
            put(&read, &|_| Vec::new());
        }
        "alg HS256" => {
            read["alg"] = json!("HS256");
            let secret = STANDARD.decode(read["x5c"][0].as_str().unwrap()).unwrap();
            put(&read, &|message| hmac_sha256(&secret, message));
        }
        "crit" => {
            read["crit"] = json!(["exp"]);
            put(&read, &|_| from_base64url(made).unwrap());
        }
        "no x5c" => {
            read.as_object_mut().unwrap().remove("x5c");
            put(&read, &|_| from_base64url(made).unwrap());
        }
        "attached" => {
            let inside = format!("{header}.{}.{made}", base64url(payload));
            signature["data"] = json!(STANDARD.encode(inside));
        }
        "garbage" => signature["data"] = json!("!"),
        "no when" => {
            signature.as_object_mut().unwrap().remove("when");
        }
        "when -1" => {
            let when: Instant = signature["when"].as_str().unwrap().parse().unwrap();
            signature["when"] = json!(Instant(when.0 - 1_000_000).to_string());
        }
        other => panic!("no change {other}"),
    }
    Some(signature)
}

#[test]
fn signatures_are_what_their_cases_say() {
    let text = include_str!("../../../conformance/security/signatures.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let world = World::new();
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let hand = world.hand(case["hand"].as_str().unwrap());
        let signed = resource(case["signed"].as_str().unwrap());
        let when = Instant(world.now.0 + case["at"].as_i64().unwrap_or(0) * 1_000_000);
        let urn = format!("urn:oid:{UNIT}");
        let who = case["who"].as_str().unwrap_or(&urn);
        let made = hand.signed(signed.view(), ("urn:ietf:rfc:3986", who), when).unwrap();
        let made: Value = serde_json::from_slice(&made).unwrap();
        let signature = match case["change"].as_str() {
            Some(change) => {
                changed(made["signature"].clone(), change, &canonical(signed.view(), &[]))
            }
            None => Some(made["signature"].clone()),
        };
        let sent = case["sent"].as_str().or(case["signed"].as_str()).unwrap().trim_end();
        let sent = match signature {
            Some(signature) => {
                format!("{},\"signature\":{signature}}}", sent.strip_suffix('}').unwrap())
            }
            None => sent.to_owned(),
        };
        let found = world.terms(case).of_bundle(resource(&sent).view(), world.now);
        let expected: Vec<&str> = case["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault.as_str().unwrap())
            .collect();
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (issue, expected) in found.iter().zip(expected) {
            let (place, words) = expected.split_once(": ").unwrap();
            assert_eq!(issue.expression.as_deref(), Some(place), "{name}: {found:?}");
            assert!(issue.diagnostics.contains(words), "{name}: {found:?}");
        }
    }
}

#[test]
fn a_provenance_signs_its_target() {
    let world = World::new();
    let hand = world.hand("own");
    let target = resource(r#"{"resourceType":"Appointment","status":"booked"}"#);
    let made = hand.signed(target.view(), ("s", "v"), world.now).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let provenance =
        json!({ "resourceType": "Provenance", "signature": [made["signature"].clone()] });
    let provenance = resource(&provenance.to_string());
    let terms = world.terms(&json!({}));
    assert!(terms.of_provenance(provenance.view(), target.view(), world.now).is_empty());
    let other = resource(r#"{"resourceType":"Appointment","status":"cancelled"}"#);
    let found = terms.of_provenance(provenance.view(), other.view(), world.now);
    assert_eq!(found[0].expression.as_deref(), Some("Provenance.signature[0].data"));
}

#[test]
fn what_cannot_sign_is_told() {
    let world = World::new();
    let (own, other) = (world.authority.client("a"), world.authority.client("b"));
    assert!(Hand::new(b"no key", &own.certificate_pem).is_err());
    assert!(Hand::new(&own.key_pem, b"").is_err());
    assert!(Hand::new(&own.key_pem, &other.certificate_pem).is_err());
    assert!(Terms::new(vec![Algorithm::Es256], b"").is_err());
}
