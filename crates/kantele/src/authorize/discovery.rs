//! What the server can do: for SMART apps and for OpenID clients.
//! Specs: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>,
//! <https://openid.net/specs/openid-connect-discovery-1_0.html>

use fhir_security::jose::Signer;
use serde_json::{Value, json};

use super::Authority;
use super::client::ALGORITHMS;

const CAPABILITIES: [&str; 17] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

impl Authority {
    /// The document of SMART, which OpenID's has as well.
    pub(crate) fn smart_configuration(&self) -> Value {
        let algorithms: Vec<&str> = ALGORITHMS.into_iter().map(|each| each.name()).collect();
        let proofs = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        json!({
            "issuer": self.issuer(),
            "jwks_uri": self.url("jwks"),
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "introspection_endpoint": self.url("introspect"),
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": proofs,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": self.scopes_supported(),
            "capabilities": CAPABILITIES,
        })
    }

    /// The document of OpenID Connect.
    pub(super) fn configuration(&self) -> Value {
        let mut document = self.smart_configuration();
        let claims = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"];
        let more = [
            ("response_modes_supported", json!(["query"])),
            ("subject_types_supported", json!(["public"])),
            ("id_token_signing_alg_values_supported", json!([Signer::ALGORITHM.name()])),
            ("claims_supported", json!(claims)),
            ("request_uri_parameter_supported", json!(false)),
        ];
        if let Some(members) = document.as_object_mut() {
            members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
        document
    }

    /// What any client may be granted.
    fn scopes_supported(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.settings.clients.iter().flat_map(|client| client.scopes.words()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
