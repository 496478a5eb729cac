//! A server with the shipped services that asks everybody who they are.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fhir_security::testing::SigningKey;
use kantele_tests::{Backend, Options, TestServer, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

const ISSUER: &str = "https://idp.example.org";

const CLAIMS: &str = r#"
[[claim]]
from = "role"
to = "kind"
values = { "professional" = "professional", "citizen" = "citizen", "admin" = "administrator" }

[[claim]]
from = "organisation"
to = "organisation"
system = "urn:oid:1.2.246.10"

[[claim]]
from = "register"
to = "register"
system = "urn:ietf:rfc:3986"

[[claim]]
from = "client_id"
to = "client"

[[claim]]
from = "register_type"
to = "register_type"

[[claim]]
from = "unit"
to = "unit"

[[claim]]
from = "person"
to = "person"

[[claim]]
from = "job"
to = "role"

[[claim]]
from = "purpose"
to = "purpose"
"#;

/// A server with an issuer of its own.
pub(crate) struct Guarded {
    pub(crate) server: TestServer,
    key: SigningKey,
    _folder: TempDir,
}

impl Guarded {
    /// With the services of these files.
    pub(crate) fn start(backend: Backend, services: &[&Path], more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::ec("P-256");
        let keys = folder.path().join("keys.json");
        let set = json!({ "keys": [key.jwk(&json!({"kid": "one"}))] });
        std::fs::write(&keys, set.to_string()).unwrap();
        let claims = folder.path().join("claims.toml");
        std::fs::write(&claims, CLAIMS).unwrap();
        let files: Vec<String> = services.iter().map(|path| path.display().to_string()).collect();
        let profiles = repository("").join("profiles").display().to_string();
        let issuers = format!("{ISSUER}={}", keys.display());
        let (claims, files) = (claims.display().to_string(), files.join(","));
        let mut all = vec![
            ("access.mode", "required"),
            ("access.issuers", issuers.as_str()),
            ("access.audience", "kantele"),
            ("access.claims_file", claims.as_str()),
            ("packages.folders", profiles.as_str()),
            ("packages.without", "hl7.fhir.r4.core"),
            ("packages.any_version", "true"),
            ("services.files", files.as_str()),
        ];
        all.extend_from_slice(more);
        let arguments =
            all.iter().flat_map(|(name, value)| ["--set".to_owned(), format!("{name}={value}")]);
        let options = Options { arguments: arguments.collect(), ..Options::default() };
        Self { server: TestServer::start_with(backend, options), key, _folder: folder }
    }

    /// `Authorization` with a token that is right, with changed claims; those that are null are
    /// left out.
    pub(crate) fn bearer(&self, changes: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({"iss": ISSUER, "aud": "kantele", "sub": "somebody",
            "organisation": "1.2.246.10.99999999.10.0", "client_id": "system-1",
            "scope": "system/*.cruds", "iat": now - 5, "exp": now + 300});
        for (name, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        format!("Bearer {}", self.key.token(&json!({"alg": "ES256", "kid": "one"}), &claims))
    }
}
