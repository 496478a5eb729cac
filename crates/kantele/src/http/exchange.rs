//! One FHIR request with what its headers and query say.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use fhir_access::Caller;
use fhir_interaction::{Preferences, Request, Return};
use fhir_model::{Failure, FailureKind};

use super::negotiate::{self, BodyType, Format};
use super::text::{self, Pair};
use super::{State, base};

/// Parameters of every request, which only concern the form of the reply.
const FORM_PARAMETERS: [&str; 2] = ["_format", "_pretty"];

static PREFER: HeaderName = HeaderName::from_static("prefer");

/// A request below the FHIR root, and the form of its reply.
pub(crate) struct Exchange<'a> {
    pub(crate) state: &'a State,
    pub(crate) http: &'a HttpRequest,
    pub(crate) form: Form,
    /// The query, in its order.
    pub(crate) pairs: Vec<Pair>,
}

/// How a reply is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) pretty: bool,
    pub(crate) gzip: bool,
}

impl Form {
    /// What can be said of the reply to a request that is itself faulty.
    pub(crate) fn of_faulty(http: &HttpRequest) -> Self {
        let accept = header(http, &header::ACCEPT);
        let query = http.uri().query().unwrap_or("");
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("_format="));
        let format = negotiate::reply_format(accept, wanted, None).unwrap_or_default();
        Self { format, ..Self::default() }
    }
}

impl<'a> Exchange<'a> {
    /// Reads query and `Accept`.
    ///
    /// # Errors
    /// `InvalidParameter` for a broken query, `NotAcceptable` where no format suits.
    pub(crate) fn open(state: &'a State, http: &'a HttpRequest) -> Result<Self, Failure> {
        let pairs = http.uri().query().map(text::pairs).transpose()?.unwrap_or_default();
        let last = |name: &str| {
            let found = pairs.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let accept = header(http, &header::ACCEPT);
        let own = header(http, &header::CONTENT_TYPE).and_then(|own| {
            match negotiate::body_type(Some(own)) {
                Ok(BodyType::Fhir(format)) => Some(format),
                Ok(BodyType::Form) | Err(_) => None,
            }
        });
        let form = Form {
            format: negotiate::reply_format(accept, last("_format"), own)?,
            pretty: last("_pretty").is_some_and(|value| value == "true"),
            gzip: negotiate::takes_gzip(header(http, &header::ACCEPT_ENCODING)),
        };
        Ok(Self { state, http, form, pairs })
    }

    /// The text of a header, where it has one.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&'a str> {
        header(self.http, name)
    }

    /// What the interactions want to know.
    pub(crate) fn request(&self) -> Request {
        let prefer = self.http.headers().get_all(&PREFER).filter_map(|value| value.to_str().ok());
        Request { caller: Caller::everyone(), base: self.base(), prefer: preferences(prefer) }
    }

    /// The FHIR root as this client sees it.
    pub(crate) fn base(&self) -> String {
        let network = &self.state.network;
        let peer = self.http.peer_addr().map(|peer| peer.ip());
        let is_proxied = peer.is_some_and(|peer| network.is_trusted_proxy(peer));
        base::base_url(network, &self.state.bound, self.http.headers(), is_proxied)
    }

    /// Refuses query parameters where the interaction has none.
    ///
    /// # Errors
    /// `UnknownParameter`, unless the client asks for lenient handling.
    pub(crate) fn refuse_parameters(&self) -> Result<(), Failure> {
        self.refuse_parameters_but(&[])
    }

    /// Refuses query parameters other than these.
    ///
    /// # Errors
    /// As [`Self::refuse_parameters`].
    pub(crate) fn refuse_parameters_but(&self, taken: &[&str]) -> Result<(), Failure> {
        let mut names = self.pairs.iter().map(|(name, _)| name.as_str());
        let is_taken = |name: &str| FORM_PARAMETERS.contains(&name) || taken.contains(&name);
        let Some(name) = names.find(|name| !is_taken(name)) else {
            return Ok(());
        };
        if self.request().prefer.lenient {
            return Ok(());
        }
        let shown: String = name.chars().take(64).collect();
        let text = format!(
            "this interaction takes no parameter `{shown}`; `Prefer: handling=lenient` ignores it"
        );
        Err(Failure::new(FailureKind::UnknownParameter, text))
    }
}

fn header<'a>(http: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    http.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Reads `Prefer`. Unknown preferences are passed over, as RFC 7240 asks.
fn preferences<'a>(headers: impl Iterator<Item = &'a str>) -> Preferences {
    let mut preferences = Preferences::default();
    for preference in headers.flat_map(|header| header.split([',', ';'])) {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        match (name.trim(), value.trim().trim_matches('"')) {
            ("return", "minimal") => preferences.return_ = Return::Minimal,
            ("return", "representation") => preferences.return_ = Return::Representation,
            ("return", "OperationOutcome") => preferences.return_ = Return::OperationOutcome,
            ("handling", "lenient") => preferences.lenient = true,
            ("handling", "strict") => preferences.lenient = false,
            _ => {}
        }
    }
    preferences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_from_all_headers() {
        let found = preferences(["return=minimal, handling=lenient", "respond-async"].into_iter());
        assert_eq!((found.return_, found.lenient), (Return::Minimal, true));
        let found = preferences(["return=\"OperationOutcome\"; x=y"].into_iter());
        assert_eq!((found.return_, found.lenient), (Return::OperationOutcome, false));
        assert_eq!(preferences([].into_iter()), Preferences::default());
    }
}
