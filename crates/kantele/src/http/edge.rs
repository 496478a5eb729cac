//! Where every request enters and leaves: who may come in, how many at once, for how long; the
//! request id, the count, the log line; and the last net under panics.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use fhir_access::Caller;
use fhir_access::trace::{Head as Traced, Record};
use fhir_model::{Failure, FailureKind};
use fhir_security::certificate::Certificate;

use super::base::{self, ROOT};
use super::body::Payload;
use super::exchange::{Exchange, Form, Head};
use super::jobs::{self, Jobs, Work};
use super::once::{self, CORRELATION_ID, REQUEST_ID};
use super::route::{Call, Target};
use super::{
    State, authorize, binary, cors, health, identity, openapi, reply, service, smart, status, trace,
};
use crate::access::Refused;

/// What is told of a request once it is answered.
pub(super) struct Noted<'a> {
    pub(super) interaction: &'static str,
    request_id: &'a str,
    pub(super) record: Record,
    /// Whether the reply has an id of its own.
    pub(super) own_ids: bool,
}

impl Noted<'_> {
    /// Begins the request's record, where accesses are traced.
    ///
    /// The path is that below a root: of the plain interface, or of a service.
    pub(super) fn begin(
        &mut self,
        state: &State,
        head: &Head<'_>,
        (root, below): (&str, &str),
        caller: &Caller,
    ) {
        if !state.is_traced {
            return;
        }
        let path = below.strip_prefix('/').unwrap_or(below);
        let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let traced = Traced {
            request_id: Some(self.request_id.to_owned()),
            address: head.peer.map(|peer| peer.ip().to_string()),
            server: base::below(&state.base(head), root),
            request: format!("{} {path}{query}", head.method),
        };
        self.record = Record::begin(traced, caller);
    }
}

/// Answers any request.
pub(crate) async fn handle(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let started = Instant::now();
    let Some(state) = http.app_data::<Data<State>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let head = Head::of(&http);
    let request_id = request_id(state, &http);
    let mut noted = Noted {
        interaction: "other",
        request_id: &request_id,
        record: Record::default(),
        own_ids: state.services.plain.own,
    };
    let mut reply = match admit(state, &http).await {
        Ok(Some(reply)) => reply,
        Ok(None) => {
            let certificate = http.conn_data::<Certificate>();
            let answered = fhir(state, head, certificate, payload, &mut noted);
            caught(answered).await.unwrap_or_else(|| {
                let failure =
                    Failure::new(FailureKind::Bug, "the server failed; its log knows why");
                reply::failure(Form::of_faulty(&head), &failure)
            })
        }
        Err(failure) => reply::failure(Form::of_faulty(&head), &failure),
    };
    // What cannot be traced is not answered.
    if let Err(failure) = state.app.close(&noted.record, reply.status().as_u16()).await {
        reply = reply::failure(Form::of_faulty(&head), &failure);
    }
    identity::harden(state, &mut reply);
    cors::permit(state, &head, &mut reply);
    let interaction = noted.interaction;
    let status = reply.status().as_u16();
    let took = started.elapsed();
    state.metrics.count(interaction, status, took);
    tracing::debug!(
        request.id = %request_id, http.method = %http.method(), http.status = status,
        duration_us = took.as_micros(), "{interaction} {status}",
    );
    if noted.own_ids {
        let own = once::uuid();
        tracing::debug!(request.id = %request_id, reply.id = %own, "the reply has its own id");
        reply::set(&mut reply, REQUEST_ID.clone(), &own);
        if head.headers.contains_key(&REQUEST_ID) {
            reply::set(&mut reply, CORRELATION_ID.clone(), &request_id);
        }
    } else {
        reply::set(&mut reply, REQUEST_ID.clone(), &request_id);
    }
    reply
}

/// Lets a request in, or answers it right here.
async fn admit(state: &State, http: &HttpRequest) -> Result<Option<HttpResponse>, Failure> {
    if let Some(reply) = health::answer(state, http).await {
        return Ok(Some(reply));
    }
    if let Some(reply) = cors::preflight(state, &Head::of(http)) {
        return Ok(Some(reply));
    }
    if !http.peer_addr().is_some_and(|peer| state.network.admits(peer.ip())) {
        let text = "this server answers only the proxies that its operator named";
        return Err(Failure::new(FailureKind::Forbidden, text));
    }
    let length = http.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if length > state.limits.max_url_bytes {
        let most = state.limits.max_url_bytes;
        let text =
            format!("the URL is longer than {most} bytes; search by POST to _search instead");
        return Err(Failure::new(FailureKind::UrlTooLong, text));
    }
    let sizes = http.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if sizes.sum::<usize>() > state.limits.max_header_bytes {
        let most = state.limits.max_header_bytes;
        let text = format!("the headers of the request are longer than {most} bytes");
        return Err(Failure::new(FailureKind::HeadersTooLong, text));
    }
    if state.guard.is_required() && !http.peer_addr().is_some_and(|it| it.ip().is_loopback()) {
        return Ok(None);
    }
    Ok(health::metrics(state, http))
}

/// Answers what lies below the FHIR root, within the bounds of number and time.
async fn fhir(
    state: &Data<State>,
    head: Head<'_>,
    certificate: Option<&Certificate>,
    payload: web::Payload,
    noted: &mut Noted<'_>,
) -> HttpResponse {
    let _place = match state.admission.admit(&head, &state.limits, &state.network) {
        Ok(place) => place,
        Err(failure) => return reply::failure(Form::of_faulty(&head), &failure),
    };
    let payload = Payload::Arriving(payload);
    let answered = answer(state, head, certificate, payload, noted);
    let answered = tokio::time::timeout(state.limits.request_timeout, answered).await;
    let answered = answered.unwrap_or_else(|_| {
        let text = "the answer took too long; a write that was under way may still take effect";
        Err(Failure::new(FailureKind::OutOfTime, text))
    });
    answered.unwrap_or_else(|failure| reply::failure(Form::of_faulty(&head), &failure))
}

async fn answer(
    state: &Data<State>,
    head: Head<'_>,
    certificate: Option<&Certificate>,
    payload: Payload,
    noted: &mut Noted<'_>,
) -> Result<HttpResponse, Failure> {
    if head.uri.path().strip_prefix(ROOT).unwrap_or(head.uri.path()) == smart::PATH {
        noted.interaction = "capabilities";
        return smart::answer(state, &head);
    }
    if let Some(asked) = authorize::of(state, &head) {
        return authorize::answer(state, &head, asked, payload).await;
    }
    if let Some((service, below)) = service::of(state, &head) {
        let who = (certificate, payload);
        return Ok(service::answer(state, head, (&service, below), who, noted).await);
    }
    let below = head.uri.path().strip_prefix(ROOT);
    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/')).ok_or_else(|| {
        let text = format!("nothing has this path; the FHIR root is {ROOT}");
        Failure::new(FailureKind::NotFound, text)
    })?;
    cors::refuse_foreign(state, &head)?;
    let caller = match identity::of(state, &head, certificate).await {
        Ok(caller) => caller,
        // What the server can do, and how to become known, may be asked by anyone.
        Err(Refused::Missing) if is_public(&head, below) => Caller::unknown(),
        Err(why) => {
            noted.begin(state, &head, (ROOT, below), &Caller::unknown());
            return Ok(identity::refused(state, &head, &why));
        }
    };
    state.admission.admit_caller(&caller, &state.limits)?;
    if let Some(id) = below.strip_prefix(jobs::PATH) {
        noted.interaction = "async";
        noted.begin(state, &head, (ROOT, below), &caller);
        return status::answer(state, head, (caller, noted.record.clone()), id);
    }
    if below == openapi::PATH {
        noted.interaction = "capabilities";
        return openapi::answer(state, head, caller);
    }
    noted.begin(state, &head, (ROOT, below), &caller);
    if let Some(rest) = trace::below(below) {
        noted.interaction = "trace";
        return trace::answer(state, head, (caller, noted.record.clone()), rest, payload).await;
    }
    let target = Target::parse(below)?;
    let allow = target.methods();
    let Some(call) = target.call(head.method) else {
        let is_question = head.method == Method::OPTIONS;
        if is_question {
            noted.record = Record::default();
        }
        let refused = || reply::method_not_allowed(Form::of_faulty(&head), allow);
        return Ok(if is_question { reply::options(allow) } else { refused() });
    };
    noted.interaction = call.name();
    if call == Call::Capabilities {
        noted.record = Record::default();
    }
    let who = (caller, noted.record.clone());
    let mut exchange = Exchange::open(state, head, who, binary::may_be(&call))?;
    if state.jobs.are_on() && jobs::may_wait(&call) && exchange.prefers_async() {
        let work = Work::take(&exchange, call, payload).await?;
        let id = Jobs::submit(state, work)?;
        // From here on the record is the work's.
        noted.record = Record::default();
        return Ok(status::accepted(&exchange, &id));
    }
    let may_be_native = binary::may_be(&call) && exchange.pairs.is_empty();
    let answered = once::call(&mut exchange, call, payload).await;
    let replied = answered.and_then(|answer| reply::answer(&exchange, answer, may_be_native));
    Ok(replied.unwrap_or_else(|failure| reply::failure(exchange.form(), &failure)))
}

/// What is answered to somebody unknown: the description of the server, and OPTIONS.
fn is_public(head: &Head<'_>, below: &str) -> bool {
    let is_description = ["/metadata", openapi::PATH].contains(&below);
    let reads = [Method::GET, Method::HEAD].contains(head.method);
    (is_description && reads) || *head.method == Method::OPTIONS
}

/// The client's id where it is short and plain, else one of our own.
fn request_id(state: &State, http: &HttpRequest) -> String {
    let given = http.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |text: &&str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match given.filter(is_plain) {
        Some(given) => given.to_owned(),
        None => format!("{:016x}", state.next_request.fetch_add(1, Relaxed)),
    }
}

/// Runs `work`; nothing comes back where it panicked. The panic hook has logged it by then.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_panic_is_caught() {
        assert_eq!(caught(async { 1 }).await, Some(1));
        assert_eq!(caught::<()>(async { std::panic::panic_any("test") }).await, None);
    }
}
