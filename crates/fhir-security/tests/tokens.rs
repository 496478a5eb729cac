//! The cases of `conformance/security/tokens.json`: what is accepted, what is refused and why.
//!
//! Keys are made anew in each run. A case changes a token that is right: members of header and
//! claims, the key that signs, or the text itself. Claims of time are written relative to now.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::string_slice, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]

use fhir_security::base64url;
use fhir_security::jose::{Algorithm, Issuer, KeySet, Limits, Presented, TokenError, Verifier};
use fhir_security::testing::{SigningKey, hmac_sha256};
use serde_json::{Map, Value, json};

const NOW_S: u64 = 1_800_000_000;
const IDP: &str = "https://idp.example.org";
const SECOND: &str = "https://second.example.org";
const SINGLE: &str = "https://single.example.org";
const ONCE: &str = "https://once.example.org";

struct Keys(Vec<(&'static str, SigningKey)>);

impl Keys {
    fn new() -> Self {
        Self(vec![
            ("rsa", SigningKey::rsa(2_048)),
            ("pss", SigningKey::rsa(2_048)),
            ("p256", SigningKey::ec("P-256")),
            ("p384", SigningKey::ec("P-384")),
            ("p521", SigningKey::ec("P-521")),
            ("ed", SigningKey::ed25519()),
            ("enc", SigningKey::rsa(2_048)),
            ("short", SigningKey::rsa(1_024)),
            ("second", SigningKey::rsa(2_048)),
            ("single", SigningKey::ec("P-256")),
            ("stranger", SigningKey::rsa(2_048)),
        ])
    }

    fn get(&self, name: &str) -> &SigningKey {
        let found = self.0.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("no key {name}")).1
    }

    fn set(&self, keys: &[(&str, Value)]) -> KeySet {
        let keys: Vec<Value> = keys.iter().map(|(name, more)| self.get(name).jwk(more)).collect();
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }
}

fn issuer(name: &str, algorithms: &[Algorithm], is_single_use: bool) -> Issuer {
    let audiences = vec!["https://fhir.example.org/fhir".to_owned(), "kantele".to_owned()];
    let (name, algorithms) = (name.to_owned(), algorithms.to_vec());
    Issuer { name, audiences, algorithms, leeway_s: 30, is_single_use }
}

fn verifier(keys: &Keys) -> Verifier {
    let usual: Vec<Algorithm> =
        Algorithm::ALL.iter().copied().filter(|it| *it != Algorithm::Es512).collect();
    let issuers = vec![
        issuer(IDP, &usual, false),
        issuer(SECOND, &[Algorithm::Rs256], false),
        issuer(SINGLE, &usual, false),
        issuer(ONCE, &usual, true),
    ];
    let verifier = Verifier::new(issuers, Limits::default());
    verifier.set_keys(
        0,
        keys.set(&[
            ("rsa", json!({"kid": "rsa", "use": "sig"})),
            ("pss", json!({"kid": "pss", "alg": "PS256"})),
            ("p256", json!({"kid": "p256", "key_ops": ["verify"]})),
            ("p384", json!({"kid": "p384"})),
            ("p521", json!({"kid": "p521"})),
            ("ed", json!({"kid": "ed", "alg": "EdDSA"})),
            ("enc", json!({"kid": "enc", "use": "enc"})),
            ("short", json!({"kid": "short"})),
        ]),
    );
    verifier.set_keys(1, keys.set(&[("second", json!({"kid": "rsa"}))]));
    verifier.set_keys(2, keys.set(&[("single", json!({}))]));
    verifier.set_keys(3, keys.set(&[("single", json!({"kid": "once"}))]));
    verifier
}

/// `base` with the members of `changes`; null takes one away.
fn changed(base: Value, changes: &Value) -> Value {
    let mut changed = base;
    for (name, value) in changes.as_object().into_iter().flatten() {
        let map = changed.as_object_mut().unwrap();
        match value {
            Value::Null => {
                map.remove(name);
            }
            Value::String(text) if text.starts_with("now") => {
                let offset: i64 = text[3..].parse().unwrap_or(0);
                let at = i64::try_from(NOW_S).unwrap() + offset;
                map.insert(name.clone(), json!(at));
            }
            Value::String(text) if text.starts_with("long") => {
                map.insert(name.clone(), json!("x".repeat(text[4..].parse().unwrap())));
            }
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                map.insert(name.clone(), value.clone());
            }
        }
    }
    changed
}

fn token(case: &Value, keys: &Keys) -> String {
    let header = json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"});
    let claims = json!({"iss": IDP, "aud": "kantele", "sub": "somebody",
        "iat": NOW_S - 10, "exp": NOW_S + 300});
    let header = changed(header, &case["header"]);
    let claims = changed(claims, &case["claims"]);
    let written = |name: &str, value: &Value| match case[name].as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    let header_part = base64url(written("header_text", &header).as_bytes());
    let claims_part = base64url(written("claims_text", &claims).as_bytes());
    let signed = format!("{header_part}.{claims_part}");
    let signer = case["sign"].as_str().unwrap_or("rsa");
    let by = case["by"].as_str().or(header["alg"].as_str()).unwrap_or("RS256");
    let signature = match signer {
        "nothing" => Vec::new(),
        "zeros" => vec![0; 64],
        "public-pem" => hmac_sha256(&keys.get("rsa").public_pem(), signed.as_bytes()),
        "empty-secret" => hmac_sha256(b"", signed.as_bytes()),
        name => keys.get(name).sign(by, signed.as_bytes()),
    };
    let signature = base64url(&signature);
    match case["text"].as_str() {
        None => format!("{signed}.{signature}"),
        Some(template) => {
            let other =
                base64url(changed(claims, &json!({"sub": "another"})).to_string().as_bytes());
            template
                .replace("{h}", &header_part)
                .replace("{c}", &claims_part)
                .replace("{s}", &signature)
                .replace("{other}", &other)
        }
    }
}

fn thumbprint(name: &str) -> [u8; 32] {
    fhir_security::sha256(name.as_bytes())
}

fn answer(case: &Value, keys: &Keys, verifier: &Verifier) -> String {
    let mut case = case.clone();
    if let Some(bound) = case["bound_to"].as_str().map(|name| base64url(&thumbprint(name))) {
        case["claims"]["cnf"] = json!({"x5t#S256": bound});
    }
    let token = token(&case, keys);
    let certificate = case["certificate"].as_str().map(thumbprint);
    let now_s = NOW_S.saturating_add_signed(case["at"].as_i64().unwrap_or(0));
    let presented = Presented { token: &token, now_s, certificate: certificate.as_ref() };
    let mut found = verifier.verify(&presented);
    if case["again"] == true {
        found = verifier.verify(&presented);
    }
    if let Err(error) = &found {
        assert_safe(*error);
    }
    found.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

/// No error says anything that stood in a token.
fn assert_safe(error: TokenError) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains("somebody") && !text.contains("example.org"), "{text}");
}

fn cases() -> Vec<Map<String, Value>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/security/tokens.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_case_is_answered_as_it_says() {
    let keys = Keys::new();
    let verifier = verifier(&keys);
    let cases = cases();
    let mut faults = Vec::new();
    for case in &cases {
        let case = Value::Object(case.clone());
        let found = answer(&case, &keys, &verifier);
        if found != case["then"] {
            faults.push(format!("{}: {found}, not {}", case["name"], case["then"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(cases.len() >= 60, "{} cases", cases.len());
}

#[test]
fn every_refusal_has_a_case() {
    let answers: Vec<String> =
        cases().iter().filter_map(|case| Some(case["then"].as_str()?.to_owned())).collect();
    use TokenError as E;
    for error in [
        E::TooLong,
        E::Form,
        E::Header,
        E::Claims,
        E::Algorithm,
        E::Critical,
        E::Type,
        E::Issuer,
        E::Key,
        E::Signature,
        E::Expired,
        E::NotYet,
        E::Audience,
        E::Binding,
        E::Replay,
    ] {
        assert!(answers.iter().any(|answer| answer == error.code()), "{}", error.code());
    }
}

#[test]
fn new_keys_replace_old_ones() {
    let keys = Keys::new();
    let verifier = verifier(&keys);
    let text = token(&json!({}), &keys);
    let presented = Presented { token: &text, now_s: NOW_S, certificate: None };
    let verified = verifier.verify(&presented).unwrap();
    assert_eq!((verified.issuer, verified.key.as_deref()), (0, Some("rsa")));
    assert_eq!((verified.until_s, verified.is_bound), (NOW_S + 329, false));
    assert_eq!(verified.claims["sub"], "somebody");
    verifier.set_keys(0, keys.set(&[("stranger", json!({"kid": "new"}))]));
    assert_eq!(verifier.verify(&presented).unwrap_err(), TokenError::Key);
    assert_eq!(verifier.claimed_issuer(&text), Some(0));
    verifier.set_keys(0, keys.set(&[("rsa", json!({"kid": "rsa"}))]));
    assert!(verifier.verify(&presented).is_ok());
}
