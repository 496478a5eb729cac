//! A server that asks everybody who they are, with keys and certificates of this run.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fhir_security::testing::{Authority, Issued, SigningKey, TlsClient};
use kantele_tests::{Backend, Options, TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const ISSUER: &str = "https://idp.example.org";

/// A server with an issuer of its own.
pub(crate) struct Guarded {
    pub(crate) server: TestServer,
    pub(crate) key: SigningKey,
    pub(crate) folder: TempDir,
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn write_keys(path: &Path, keys: &[(&SigningKey, &str)]) {
    let keys: Vec<Value> = keys.iter().map(|(key, id)| key.jwk(&json!({"kid": id}))).collect();
    std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

pub(crate) fn set(arguments: &mut Vec<String>, key: &str, value: &str) {
    arguments.push("--set".to_owned());
    arguments.push(format!("{key}={value}"));
}

impl Guarded {
    /// Plain HTTP, with more settings.
    pub(crate) fn start(backend: Backend, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::ec("P-256");
        let keys = folder.path().join("keys.json");
        write_keys(&keys, &[(&key, "one")]);
        let mut arguments = Vec::new();
        set(&mut arguments, "access.mode", "required");
        set(&mut arguments, "access.issuers", &format!("{ISSUER}={}", keys.display()));
        set(&mut arguments, "access.audience", "kantele");
        for (name, value) in more {
            set(&mut arguments, name, value);
        }
        let options = Options { arguments, ..Options::default() };
        Self { server: TestServer::start_with(backend, options), key, folder }
    }

    /// A token that is right, with changed claims.
    pub(crate) fn token(&self, changes: &Value) -> String {
        let mut claims = json!({"iss": ISSUER, "aud": "kantele", "sub": "somebody",
            "scope": "system/*.cruds", "iat": now_s() - 5, "exp": now_s() + 300});
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.key.token(&json!({"alg": "ES256", "kid": "one"}), &claims)
    }

    pub(crate) fn bearer(&self, changes: &Value) -> String {
        format!("Bearer {}", self.token(changes))
    }
}

/// Files of TLS in a folder of their own.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            servers: Authority::new("Servers"),
            clients: Authority::new("Clients"),
        };
        files.write("ca.pem", &files.clients.pem());
        files.install(&files.servers.server());
        files.revoke(&[]);
        files
    }

    /// Puts a file in its place at once, as careful operators do.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let temporary = self.folder.path().join("new");
        std::fs::write(&temporary, bytes).unwrap();
        std::fs::rename(temporary, self.folder.path().join(name)).unwrap();
    }

    /// One file holds both, so that no reader sees halves of two pairs.
    pub(crate) fn install(&self, server: &Issued) {
        let both = [server.certificate_pem.clone(), server.key_pem.clone()].concat();
        self.write("server.pem", &both);
    }

    pub(crate) fn revoke(&self, revoked: &[&Issued]) {
        self.write("crl.pem", &self.clients.revocation_list(revoked, (-1, 5)));
    }

    /// The arguments for a server with TLS.
    pub(crate) fn arguments(&self, client_certificates: &str, more: &[(&str, &str)]) -> Options {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut arguments = Vec::new();
        set(&mut arguments, "tls.certificate", &path("server.pem"));
        set(&mut arguments, "tls.key", &path("server.pem"));
        set(&mut arguments, "tls.reload_every_s", "1");
        set(&mut arguments, "tls.client_certificates", client_certificates);
        if client_certificates != "off" {
            set(&mut arguments, "tls.client_ca", &path("ca.pem"));
            set(&mut arguments, "tls.crl", &path("crl.pem"));
        }
        for (name, value) in more {
            set(&mut arguments, name, value);
        }
        Options { arguments, ..Options::default() }
    }

    pub(crate) fn client(&self, own: Option<&Issued>) -> TlsClient {
        TlsClient::new(&self.servers.pem(), own)
    }
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {answer}"));
    word.parse().unwrap()
}

/// Waits for something that happens soon; how soon is not the point.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not happen");
        std::thread::yield_now();
    }
}
