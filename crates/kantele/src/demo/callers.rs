//! Tokens for each kind of caller, signed with a key that lives as long as the process.

use std::time::{SystemTime, UNIX_EPOCH};

use fhir_security::jose::Signer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::world::World;
use crate::Error;

/// `iss` of the demo's tokens.
pub(super) const ISSUER: &str = "https://demo.example.org";
/// `aud` of the demo's tokens.
pub(super) const AUDIENCE: &str = "kantele-demo";
/// How long tokens are good, in seconds: a day's work.
const LIFE_S: u64 = 12 * 3_600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "caller")]
    callers: Vec<Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    about: String,
    claims: Map<String, Value>,
}

/// Somebody who asks, with a token.
pub(super) struct Caller {
    /// The name of the variable.
    pub(super) name: String,
    pub(super) about: String,
    pub(super) token: String,
}

/// All of `callers.toml`.
///
/// # Errors
/// Where the file is not what it should be, or OpenSSL cannot sign.
pub(super) fn all(world: &World, signer: &Signer) -> Result<Vec<Caller>, Error> {
    let mut text = include_str!("callers.toml").to_owned();
    for person in &world.persons {
        let identity = format!("urn:oid:1.2.246.21|{}", person.code()?);
        text = text.replace(&format!("{{{}}}", person.id), &identity);
    }
    let file: File = toml::from_str(&text)?;
    let with_token = |described: Described| {
        let Described { name, about, claims } = described;
        let subject = name.to_lowercase().replace('_', "-");
        Ok(Caller { token: signed(signer, &subject, claims)?, name, about })
    };
    file.callers.into_iter().map(with_token).collect()
}

/// A token of this app for somebody who is known to it by a Patient.
///
/// # Errors
/// Where OpenSSL cannot sign.
pub(super) fn of_app(signer: &Signer, client: &str, patient: &str) -> Result<String, Error> {
    let mut claims = Map::new();
    for (member, value) in
        [("client_id", client), ("scope", "patient/*.cruds"), ("patient", patient)]
    {
        claims.insert(member.to_owned(), json!(value));
    }
    signed(signer, patient, claims)
}

fn signed(signer: &Signer, subject: &str, own: Map<String, Value>) -> Result<String, Error> {
    let now_s = now_s()?;
    let mut claims = Map::new();
    for (member, value) in [
        ("iss", json!(ISSUER)),
        ("aud", json!(AUDIENCE)),
        ("sub", json!(subject)),
        ("client_id", json!("demo")),
        ("scope", json!("user/*.cruds")),
        ("iat", json!(now_s)),
        ("exp", json!(now_s + LIFE_S)),
    ] {
        claims.insert(member.to_owned(), value);
    }
    claims.extend(own);
    Ok(signer.sign("at+jwt", &claims)?)
}

/// The token of a caller.
///
/// # Errors
/// Where there is none of this name.
pub(super) fn token<'a>(callers: &'a [Caller], name: &str) -> Result<&'a str, Error> {
    let found = callers.iter().find(|own| own.name == name);
    found.map(|own| own.token.as_str()).ok_or_else(|| format!("there is no caller {name}").into())
}

#[expect(clippy::disallowed_methods, reason = "tokens expire by the machine's clock")]
fn now_s() -> Result<u64, Error> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
