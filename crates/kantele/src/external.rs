//! The external terminology server over HTTP.

use fhir_interaction::Elsewhere;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::config::External;

/// The most of an answer that is read.
const MAX_REPLY_BYTES: u64 = 32 << 20;

/// A FHIR server that is asked about codes.
pub(crate) struct Server {
    agent: ureq::Agent,
    base: String,
    authorization: Option<String>,
}

impl Server {
    pub(crate) fn new(settings: &External) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(settings.timeout))
            // A token goes where the operator said, and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .build();
        let authorization = settings.token.as_ref().map(|token| format!("Bearer {}", token.0));
        Self { agent: config.into(), base: settings.url.clone(), authorization }
    }
}

impl Elsewhere for Server {
    fn ask(&self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
        let mut request = self
            .agent
            .post(format!("{}/{path}", self.base))
            .header("accept", "application/fhir+json")
            .header("content-type", "application/fhir+json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let answered = request.send(body).map_err(|error| error.to_string())?;
        let status = answered.status().as_u16();
        let mut body = answered.into_body();
        let body = body.with_config().limit(MAX_REPLY_BYTES).read_to_vec();
        Ok((status, body.map_err(|error| error.to_string())?))
    }
}
