//! A server with the embedded authorization server, and what apps do with it.

use std::time::{SystemTime, UNIX_EPOCH};

use fhir_security::testing::SigningKey;
use fhir_security::{base64url, sha256};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Backend, Options, Reply, TestServer};

/// Where apps are sent back to. Nobody listens there: tests read the address.
pub const CALLBACK: &str = "http://localhost:8765/callback";

/// The secret of the client `confidential`, with what forms and headers must encode.
pub const SECRET: &str = "not so: secret+/ä";

/// What proves a code, as `app` makes it.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const FILE: &str = r#"
access_token_s = 600

[[user]]
name = "aava"
fhir_user = "Patient/aava"
scopes = ["patient/*.cruds", "user/*.rs"]

[[user]]
name = "doctor"
kind = "professional"
fhir_user = "Practitioner/doctor"
patients = ["aava", "eino"]
scopes = ["patient/*.rs", "user/*.rs"]

[[user]]
name = "keeper"
kind = "administrator"
scopes = ["user/*.cruds"]

[[client]]
id = "app"
redirect_uris = ["http://localhost:8765/callback", "http://localhost:8765/other?a=b"]
scopes = ["openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access",
    "patient/*.rs", "user/*.rs"]

[[client]]
id = "confidential"
secret = "not so: secret+/ä"
redirect_uris = ["http://localhost:8765/callback"]
scopes = ["openid", "offline_access", "patient/*.cruds", "user/*.cruds"]

[[client]]
id = "backend"
jwks_file = "keys.json"
redirect_uris = ["http://localhost:8765/callback"]
scopes = ["openid", "patient/*.rs", "system/*.cruds"]

[[launch]]
name = "ward-1"
patient = "eino"
encounter = "visit"
need_patient_banner = true
fhir_context = [{ reference = "Location/ward" }]
"#;

/// A running server.
pub struct Development {
    /// The server.
    pub server: TestServer,
    /// The key of the client `backend`.
    pub key: SigningKey,
    folder: TempDir,
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Percent-encoded pairs.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let of = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(of).collect()
}

/// A parameter of the address that somebody is sent to.
pub fn parameter(reply: &Reply, name: &str) -> Option<String> {
    let location = reply.header("location")?;
    let (_, query) = location.split_once('?')?;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    let mut bytes = Vec::new();
    let mut rest = pair.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    Some(String::from_utf8(bytes).unwrap())
}

impl Development {
    /// A server over an empty database, with these users and clients.
    pub fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[])
    }

    /// The same with more settings.
    pub fn start_with(backend: Backend, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::ec("P-384");
        let keys = json!({"keys": [key.jwk(&json!({"kid": "one", "alg": "ES384"}))]});
        std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
        let file = folder.path().join("development.toml");
        std::fs::write(&file, FILE).unwrap();
        let mut arguments = Vec::new();
        let file = file.display().to_string();
        for (name, value) in
            [("access.mode", "required"), ("access.development_server", &file)].iter().chain(more)
        {
            arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        let server = TestServer::start_with(backend, Options { arguments, ..Options::default() });
        Self { server, key, folder }
    }

    /// The folder with the file of users and clients.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The name of the issuer, below which the endpoints lie.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/auth", self.server.port())
    }

    /// An authorization request of `app` that is right, with changes; an empty value takes a
    /// parameter away.
    pub fn request(&self, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let challenge = base64url(&sha256(VERIFIER.as_bytes()));
        let mut pairs: Vec<(String, String)> = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid fhirUser launch/patient patient/*.rs"),
            ("state", "state of the app & more"),
            ("aud", self.server.client().base()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("nonce", "nonce-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in changes {
            pairs.retain(|(each, _)| each != name);
            if !value.is_empty() {
                pairs.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        pairs
    }

    /// Sends a form to an endpoint.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Reply {
        let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        let path = format!("//auth/{path}");
        self.server.client().send("POST", &path, &all, form(pairs).as_bytes())
    }

    /// Opens the page of the authorization endpoint.
    pub fn open(&self, request: &[(String, String)]) -> Reply {
        let pairs: Vec<(&str, &str)> =
            request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.server.client().get(&format!("//auth/authorize?{}", form(&pairs)))
    }

    /// Decides on the page of the authorization endpoint.
    pub fn decide(&self, request: &[(String, String)], decision: &[(&str, &str)]) -> Reply {
        let pairs = request.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<(&str, &str)> = pairs.chain(decision.iter().copied()).collect();
        self.post("authorize", &[], &pairs)
    }

    /// A code for this user.
    pub fn code(&self, user: &str, changes: &[(&str, &str)]) -> String {
        let decision = [("decision", "allow"), ("user", user)];
        let reply = self.decide(&self.request(changes), &decision).expecting(303);
        parameter(&reply, "code").unwrap_or_else(|| panic!("{:?}", reply.header("location")))
    }

    /// The answer to a code of `app`.
    pub fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Reply {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "app"),
        ];
        for (name, value) in changes {
            pairs.retain(|(each, _)| each != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        self.post("token", &[], &pairs)
    }

    /// An assertion of `backend` that is right, with changed claims.
    pub fn assertion(&self, changes: &Value) -> String {
        let mut claims = json!({"iss": "backend", "sub": "backend", "exp": now_s() + 240,
            "aud": format!("{}/token", self.issuer()), "jti": format!("assertion-{}", unique())});
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.key.token(&json!({"alg": "ES384", "kid": "one", "typ": "JWT"}), &claims)
    }

    /// The answer to an assertion.
    pub fn assert(&self, assertion: &str, scope: &str) -> Reply {
        self.post(
            "token",
            &[],
            &[
                ("grant_type", "client_credentials"),
                ("scope", scope),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
            ],
        )
    }

    /// The `Authorization` header of a system that may do everything.
    pub fn system(&self) -> String {
        let reply = self.assert(&self.assertion(&json!({})), "system/*.cruds").expecting(200);
        format!("Bearer {}", reply.json()["access_token"].as_str().unwrap())
    }

    /// Stores two patients with an observation each.
    pub fn fill(&self) {
        let system = self.system();
        let headers =
            [("Authorization", system.as_str()), ("Content-Type", "application/fhir+json")];
        for id in ["aava", "eino"] {
            let patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": id}]});
            let observation = json!({"resourceType": "Observation", "id": format!("of-{id}"),
                "status": "final", "code": {"text": "pulse"},
                "subject": {"reference": format!("Patient/{id}")}});
            for resource in [patient, observation] {
                let path = format!(
                    "{}/{}",
                    resource["resourceType"].as_str().unwrap(),
                    resource["id"].as_str().unwrap()
                );
                let body = resource.to_string();
                let client = self.server.client();
                client.send("PUT", &path, &headers, body.as_bytes()).expecting(201);
            }
        }
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}
