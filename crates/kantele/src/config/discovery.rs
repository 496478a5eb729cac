//! What SMART discovery tells of the authorization server.
//! Spec: <https://hl7.org/fhir/smart-app-launch/conformance.html>

use super::access::is_url;
use super::layers::{Layers, Setting};

pub(super) static AUTHORIZATION_ENDPOINT: Setting = Setting {
    key: "access.authorization_endpoint",
    default: "",
    flag: None,
    about: "For SMART discovery: where apps send users.",
};
pub(super) static TOKEN_ENDPOINT: Setting = Setting {
    key: "access.token_endpoint",
    default: "",
    flag: None,
    about: "For SMART discovery: where apps get tokens. Without it there is no discovery document.",
};
pub(super) static CAPABILITIES: Setting = Setting {
    key: "access.capabilities",
    default: "launch-standalone,client-public,client-confidential-asymmetric,permission-patient,\
              permission-user,permission-v1,permission-v2",
    flag: None,
    about: "For SMART discovery: what the authorization server can do.",
};
pub(super) static SCOPES_SUPPORTED: Setting = Setting {
    key: "access.scopes_supported",
    default: "",
    flag: None,
    about: "For SMART discovery: scopes that apps may ask for.",
};

/// What SMART discovery tells about the authorization server.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) scopes_supported: Vec<String>,
}

/// None where no token endpoint is named.
pub(super) fn read(layers: &mut Layers) -> Option<Discovery> {
    let discovery = Discovery {
        authorization_endpoint: layers.text(&AUTHORIZATION_ENDPOINT).to_owned(),
        token_endpoint: layers.text(&TOKEN_ENDPOINT).to_owned(),
        capabilities: layers.list(&CAPABILITIES),
        scopes_supported: layers.list(&SCOPES_SUPPORTED),
    };
    for (setting, text) in [
        (&AUTHORIZATION_ENDPOINT, &discovery.authorization_endpoint),
        (&TOKEN_ENDPOINT, &discovery.token_endpoint),
    ] {
        if !text.is_empty() && !is_url(text) {
            layers.refuse(setting, "must be an http or https URL");
        }
    }
    (!discovery.token_endpoint.is_empty()).then_some(discovery)
}
