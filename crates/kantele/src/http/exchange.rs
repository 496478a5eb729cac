//! One FHIR request with what its headers and query say.

use std::cell::Cell;
use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, Uri};
use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_interaction::{App, Preferences, Request, Return};
use fhir_model::{Failure, FailureKind};

use super::coding::Coding;
use super::negotiate::{self, BodyType, Format};
use super::text::{self, Pair};
use super::{State, base};

/// Parameters of every request, which only concern the form of the reply.
const FORM_PARAMETERS: [&str; 2] = ["_format", "_pretty"];

static PREFER: HeaderName = HeaderName::from_static("prefer");

/// What stands before the body of a request.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
}

impl<'a> Head<'a> {
    pub(crate) fn of(http: &'a HttpRequest) -> Self {
        let (method, uri) = (http.method(), http.uri());
        Self { method, uri, headers: http.headers(), peer: http.peer_addr() }
    }

    /// The text of a header, where it has one.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Accept`; several headers of that name are one list.
    fn accept(&self) -> Option<String> {
        let mut values = self.headers.get_all(&header::ACCEPT).filter_map(|it| it.to_str().ok());
        let mut accept = values.next()?.to_owned();
        for value in values {
            accept.push(',');
            accept.push_str(value);
        }
        Some(accept)
    }
}

/// A request below the FHIR root, and the form of its reply.
pub(crate) struct Exchange<'a> {
    pub(crate) state: &'a State,
    pub(crate) head: Head<'a>,
    /// The application, as the service sees it that the request is for.
    pub(crate) app: App,
    /// The root of that service.
    pub(crate) own_base: Option<String>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// What the request leaves in the trace.
    pub(crate) record: Record,
    /// The query, in its order.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) accept: Option<String>,
    form: Cell<Form>,
}

/// How a reply is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) names_version: bool,
    pub(crate) pretty: bool,
    pub(crate) coding: Coding,
}

impl Form {
    /// What can be said of the reply to a request that is itself faulty.
    pub(crate) fn of_faulty(head: &Head<'_>) -> Self {
        let query = head.uri.query().unwrap_or("");
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("_format="));
        let wanted = wanted.and_then(|wanted| text::decode_percent(wanted, true).ok());
        let accept = head.accept();
        let format = |wanted| negotiate::reply_format(accept.as_deref(), wanted, None);
        let agreed = format(wanted.as_deref()).or_else(|_| format(None)).unwrap_or_default();
        Self { format: agreed.format, ..Self::default() }
    }
}

impl<'a> Exchange<'a> {
    /// Reads query and `Accept`. Where the reply may be of any type, no `Accept` is refused.
    ///
    /// # Errors
    /// `InvalidParameter` for a broken query, `NotAcceptable` where no format suits.
    pub(crate) fn open(
        state: &'a State,
        head: Head<'a>,
        (caller, record): (Caller, Record),
        takes_any_accept: bool,
    ) -> Result<Self, Failure> {
        let pairs = head.uri.query().map(text::pairs).transpose()?.unwrap_or_default();
        let accept = head.accept();
        let form = Cell::new(Form::default());
        let (app, own_base) = (state.app.clone(), None);
        let exchange = Self { state, head, app, own_base, caller, record, pairs, accept, form };
        let agreed = exchange.agree(&exchange.pairs);
        let is_open = takes_any_accept && exchange.pairs.is_empty();
        exchange.form.set(if is_open { agreed.unwrap_or_default() } else { agreed? });
        Ok(exchange)
    }

    /// How the reply is written.
    pub(crate) fn form(&self) -> Form {
        self.form.get()
    }

    /// Lets the parameters of a posted form decide how the reply is written.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn read_form_parameters(&self, posted: &[Pair]) -> Result<(), Failure> {
        if posted.iter().any(|(name, _)| FORM_PARAMETERS.contains(&name.as_str())) {
            let all: Vec<Pair> = self.pairs.iter().chain(posted).cloned().collect();
            self.form.set(self.agree(&all)?);
        }
        Ok(())
    }

    /// Refuses an `Accept` that was passed over, where no other reply suits after all.
    ///
    /// # Errors
    /// `NotAcceptable`.
    pub(crate) fn insist(&self) -> Result<(), Failure> {
        self.agree(&self.pairs).map(|_form| ())
    }

    fn agree(&self, pairs: &[Pair]) -> Result<Form, Failure> {
        let last = |name: &str| {
            let found = pairs.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let own = self.header(&header::CONTENT_TYPE).and_then(|own| {
            match negotiate::body_type(Some(own)) {
                Ok(BodyType::Fhir(format)) => Some(format),
                Ok(BodyType::Form) | Err(_) => None,
            }
        });
        let agreed = negotiate::reply_format(self.accept.as_deref(), last("_format"), own)?;
        let pretty = match last("_pretty") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                let failure =
                    Failure::new(FailureKind::InvalidParameter, "_pretty takes `true` or `false`");
                return Err(failure.at("http._pretty"));
            }
        };
        let coding = Coding::of(self.header(&header::ACCEPT_ENCODING));
        Ok(Form { format: agreed.format, names_version: agreed.names_version, pretty, coding })
    }

    /// The text of a header, where it has one.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&'a str> {
        self.head.header(name)
    }

    /// What the interactions want to know.
    pub(crate) fn request(&self) -> Request {
        Request {
            caller: self.caller.clone(),
            base: self.base(),
            prefer: preferences(self.preferred()).said,
            record: self.record.clone(),
        }
    }

    /// Whether the client would rather come back for the answer than wait for it.
    pub(crate) fn prefers_async(&self) -> bool {
        preferences(self.preferred()).is_async
    }

    fn preferred(&self) -> impl Iterator<Item = &'a str> {
        self.head.headers.get_all(&PREFER).filter_map(|value| value.to_str().ok())
    }

    /// The FHIR root as this client sees it.
    pub(crate) fn base(&self) -> String {
        self.own_base.clone().unwrap_or_else(|| self.state.base(&self.head))
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

impl State {
    /// The FHIR root as the client of this request sees it.
    pub(crate) fn base(&self, head: &Head<'_>) -> String {
        let network = &self.network;
        let peer = head.peer.map(|peer| peer.ip());
        let is_proxied = peer.is_some_and(|peer| network.is_trusted_proxy(peer));
        base::base_url(network, &self.bound, head.headers, is_proxied)
    }
}

/// What `Prefer` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Preferred {
    said: Preferences,
    is_async: bool,
}

/// Reads `Prefer`. Unknown preferences are passed over and the first of several counts, as
/// RFC 7240 asks.
fn preferences<'a>(headers: impl Iterator<Item = &'a str>) -> Preferred {
    let mut preferred = Preferred::default();
    let (mut has_return, mut has_handling) = (false, false);
    for preference in headers.flat_map(|header| header.split([',', ';'])) {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "return" if !has_return => {
                has_return = true;
                preferred.said.return_ = match value {
                    "minimal" => Return::Minimal,
                    "representation" => Return::Representation,
                    "OperationOutcome" => Return::OperationOutcome,
                    _ => Return::Usual,
                };
            }
            "handling" if !has_handling => {
                has_handling = true;
                preferred.said.lenient = value == "lenient";
            }
            "respond-async" => preferred.is_async = true,
            _ => {}
        }
    }
    preferred
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_from_all_headers() {
        let found = preferences(["return=minimal, handling=lenient", "respond-async"].into_iter());
        assert_eq!((found.said.return_, found.said.lenient), (Return::Minimal, true));
        assert!(found.is_async);
        let found = preferences(["Return=\"OperationOutcome\"; x=y"].into_iter());
        assert_eq!((found.said.return_, found.said.lenient), (Return::OperationOutcome, false));
        assert_eq!(preferences([].into_iter()), Preferred::default());
    }

    #[test]
    fn the_first_of_several_preferences_counts() {
        let all = ["return=minimal, return=representation", "handling=strict, handling=lenient"];
        let found = preferences(all.into_iter()).said;
        assert_eq!((found.return_, found.lenient), (Return::Minimal, false));
    }
}
