//! Services with rules of their own: which request is for one, and what it may ask there.
//!
//! What a service asks stands in its file and is held by `fhir-service`; the interactions are
//! those of the plain interface. Here requests are read, and faults are told in the service's words.

mod plain;
mod transaction;
mod wanted;

use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder};
use fhir_access::Caller;
use fhir_definitions::ResourceType;
use fhir_interaction::{self as interaction, Answer, Bound, Terms};
use fhir_model::{Failure, FailureKind, Instant, Issue, ResourceView};
use fhir_search::Scope;
use fhir_security::certificate::Certificate;
use fhir_service::{Asked, Facts, Held, IdsFrom, SearchKind, Service};

use super::body::{self, Payload};
use super::edge::Noted;
use super::exchange::{Exchange, Form, Head};
use super::negotiate::{self, BodyType, Format};
use super::{State, base, cors, identity, reply};
use crate::access::Refused;
use wanted::Wanted;

/// The service that a request is for, and the path below its base.
pub(crate) fn of<'a>(state: &State, head: &Head<'a>) -> Option<(Arc<Service>, &'a str)> {
    state.services.all.iter().find_map(|service| {
        let below = head.uri.path().strip_prefix(service.base.as_str())?;
        (below.is_empty() || below.starts_with('/')).then(|| (Arc::clone(service), below))
    })
}

/// Answers a request for a service.
pub(crate) async fn answer(
    state: &Data<State>,
    head: Head<'_>,
    (service, below): (&Arc<Service>, &str),
    (certificate, payload): (Option<&Certificate>, Payload),
    noted: &mut Noted<'_>,
) -> HttpResponse {
    noted.own_ids = service.requests.own;
    let caller = match known(state, head, (service, below), certificate).await {
        Ok(caller) => caller,
        Err(reply) => {
            noted.begin(state, &head, (&service.base, below), &Caller::unknown());
            return reply;
        }
    };
    noted.begin(state, &head, (&service.base, below), &caller);
    let answered = run(state, head, (service, below), (caller, payload), noted).await;
    answered.unwrap_or_else(|failure| failed(service, &failure))
}

/// Who asks; what is known of a service may be asked by anyone.
async fn known(
    state: &Data<State>,
    head: Head<'_>,
    (service, below): (&Arc<Service>, &str),
    certificate: Option<&Certificate>,
) -> Result<Caller, HttpResponse> {
    cors::refuse_foreign(state, &head).map_err(|failure| failed(service, &failure))?;
    let is_description = below == "/metadata" && [Method::GET, Method::HEAD].contains(head.method);
    match identity::of(state, &head, certificate).await {
        Ok(caller) => Ok(caller),
        Err(Refused::Missing) if is_description => Ok(Caller::unknown()),
        Err(why) => {
            let mut refused = identity::refused(state, &head, &why);
            if refused.status() != StatusCode::UNAUTHORIZED {
                return Err(refused);
            }
            let failure = Failure::new(FailureKind::Unauthenticated, why.to_string());
            let mut told = failed(service, &failure.at("http.Authorization"));
            if let Some(challenge) = refused.headers_mut().remove(header::WWW_AUTHENTICATE).next() {
                told.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            Err(told)
        }
    }
}

async fn run(
    state: &Data<State>,
    head: Head<'_>,
    (service, below): (&Arc<Service>, &str),
    (caller, payload): (Caller, Payload),
    noted: &mut Noted<'_>,
) -> Result<HttpResponse, Failure> {
    state.admission.admit_caller(&caller, &state.limits)?;
    let who = (caller, noted.record.clone());
    let mut exchange = Exchange::open(state, head, who, false)?;
    exchange.app = state.app.bound_by(bound(service, state.app.present()));
    exchange.own_base = Some(base::below(&state.base(&head), &service.base));
    let wanted = match wanted::read(service, &head, below)? {
        Ok(wanted) => wanted,
        Err((allow, refused)) => {
            return Ok(match refused {
                None => allowed(HttpResponse::NoContent(), &allow).finish(),
                Some(failure) => {
                    let mut reply = failed(service, &failure);
                    if let Ok(allow) = HeaderValue::from_str(&allow) {
                        reply.headers_mut().insert(header::ALLOW, allow);
                    }
                    reply
                }
            });
        }
    };
    noted.interaction = wanted.name();
    if exchange.form().format != Format::Json {
        let text = "this service speaks FHIR JSON alone";
        return Err(Failure::new(FailureKind::NotAcceptable, text).at("http.Accept"));
    }
    let body_type = exchange.header(&header::CONTENT_TYPE);
    let body_type = body_type.and_then(|text| negotiate::body_type(Some(text)).ok());
    if body_type == Some(BodyType::Fhir(Format::Xml)) {
        return Err(negotiate::unsupported("this service speaks FHIR JSON alone"));
    }
    if wanted != Wanted::Statement {
        admit(service, &exchange, wanted.writes())?;
    }
    let answer = match wanted {
        Wanted::Statement => {
            noted.record = fhir_access::trace::Record::default();
            statement(service, &exchange)
        }
        Wanted::Transaction => transaction::run(service, &mut exchange, payload).await?,
        Wanted::Search(of) => search(service, &exchange, of, payload).await?,
        Wanted::History(of) => history(service, &exchange, of, payload).await?,
        Wanted::Plain(call) => plain::run(service, &mut exchange, *call, payload).await?,
    };
    reply::answer(&exchange, answer, false)
}

fn allowed(mut reply: HttpResponseBuilder, allow: &str) -> HttpResponseBuilder {
    reply.insert_header((header::ALLOW, allow.to_owned()));
    reply
}

/// Holds headers and token against the tables of the service.
fn admit(service: &Service, exchange: &Exchange<'_>, writes: bool) -> Result<(), Failure> {
    let header = |name: &str| -> Vec<String> {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Vec::new() };
        let all = exchange.head.headers.get_all(&name);
        all.map(|value| value.to_str().unwrap_or("\u{FFFD}").to_owned()).collect()
    };
    let asked = Asked { caller: &exchange.caller, header: &header, writes };
    if exchange.state.guard.is_required() {
        refuse(FailureKind::Forbidden, service.wrong_claims(&asked))?;
    }
    refuse(FailureKind::InvalidParameter, service.wrong_headers(&asked))
}

fn refuse(kind: FailureKind, issues: Vec<Issue>) -> Result<(), Failure> {
    if issues.is_empty() { Ok(()) } else { Err(Failure::with_issues(kind, issues)) }
}

/// All that is wrong as one failure, of the kind of the first.
fn refuse_held(held: Vec<Held>) -> Result<(), Failure> {
    let Some(first) = held.first() else { return Ok(()) };
    let kind = first.kind;
    Err(Failure::with_issues(kind, held.into_iter().map(|each| each.issue).collect()))
}

/// What a service asks of every request.
fn bound(service: &Arc<Service>, now: Instant) -> Bound {
    let types = || service.types.iter();
    let gives = types().filter(|each| each.ids == IdsFrom::Client);
    let keeps = types().filter(|each| !each.update_creates);
    Bound {
        service: service.name.clone(),
        validated: types().map(|each| each.resource_type).collect(),
        given_ids: gives.map(|each| each.resource_type).collect(),
        no_update_creates: keeps.map(|each| each.resource_type).collect(),
        holds_references: service.holds_references,
        unheld_on_update: types()
            .map(|each| (each.resource_type, each.unheld_on_update.clone()))
            .collect(),
        terms: Some(Arc::new(Past { service: Arc::clone(service), now })),
        ..Bound::default()
    }
}

/// By what all versions of a service's resources are found.
struct Past {
    service: Arc<Service>,
    now: Instant,
}

impl Terms for Past {
    fn of(&self, view: ResourceView<'_>) -> Vec<(String, String)> {
        let Some(of_type) = self.service.of_type(view.resource_type) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, path) in &of_type.history_by {
            found.extend(path.texts(view, self.now).into_iter().map(|value| (name.clone(), value)));
        }
        found
    }
}

fn statement(service: &Service, exchange: &Exchange<'_>) -> Answer {
    let date = exchange.app.present().to_string();
    let body = fhir_service::statement(service, &exchange.base(), &date);
    Answer { status: 200, body: Some(body), ..Answer::default() }
}

/// The parameters of a form; what stands in the URL is refused or taken along, as the service
/// says.
async fn parameters(
    service: &Service,
    exchange: &Exchange<'_>,
    payload: Payload,
) -> Result<Vec<(String, String)>, Failure> {
    let is_posted = *exchange.head.method == Method::POST;
    let has_own = exchange.pairs.iter().any(|(name, _)| name != "_cursor");
    if let (Some(rule), true) =
        (&service.post_only, has_own || is_posted && !exchange.pairs.is_empty())
    {
        let text = "parameters come in the form of a POST, never in the URL";
        let issue = Issue::error(FailureKind::InvalidParameter.answer().1, text);
        let issue = issue.at("http.url").rule(rule.clone());
        return Err(Failure::with_issues(FailureKind::InvalidParameter, vec![issue]));
    }
    let mut pairs = exchange.pairs.clone();
    if is_posted {
        let posted = body::form(exchange, payload).await?;
        exchange.read_form_parameters(&posted)?;
        pairs.extend(posted);
    }
    Ok(pairs)
}

async fn search(
    service: &Service,
    exchange: &Exchange<'_>,
    of: ResourceType,
    payload: Payload,
) -> Result<Answer, Failure> {
    let pairs = parameters(service, exchange, payload).await?;
    let claims = exchange.caller.claims();
    let rewritten = service.rewrite(of, SearchKind::Latest, &pairs, claims);
    let rewritten = rewritten.or_else(|held| refuse_held(held).map(|()| Default::default()))?;
    let asked = (rewritten.pairs, rewritten.offset);
    let is_posted = *exchange.head.method == Method::POST;
    let (app, request) = (&exchange.app, exchange.request());
    interaction::search_from(app, &request, Scope::Type(of), asked, is_posted).await
}

async fn history(
    service: &Service,
    exchange: &Exchange<'_>,
    of: ResourceType,
    payload: Payload,
) -> Result<Answer, Failure> {
    let pairs = parameters(service, exchange, payload).await?;
    let claims = exchange.caller.claims();
    let rewritten = service.rewrite(of, SearchKind::History, &pairs, claims);
    rewritten.map(|_| ()).or_else(refuse_held)?;
    let is_own = |(name, _): &&(String, String)| !["_format", "_pretty"].contains(&name.as_str());
    let values: Vec<_> = pairs.iter().filter(is_own).cloned().collect();
    let (app, request) = (&exchange.app, exchange.request());
    interaction::history_by_values(app, &request, of, &values).await
}

/// What rules may know of a request.
fn facts<'a>(exchange: &'a Exchange<'_>, interaction: &'static str) -> Facts<'a> {
    let (claims, kind) = (exchange.caller.claims(), exchange.caller.kind());
    Facts { claims, kind, interaction, now: exchange.app.present() }
}

/// A failure in the words of the service.
fn failed(service: &Service, failure: &Failure) -> HttpResponse {
    let told = service.told(failure);
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = HttpResponseBuilder::new(status);
    if let Some(seconds) = failure.retry_after_s {
        reply.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if failure.kind == FailureKind::Unauthenticated {
        reply.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    match told.body {
        Some(body) => reply::write(reply, Form::default(), body),
        None => reply.finish(),
    }
}
