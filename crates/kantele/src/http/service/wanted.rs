//! From method and path to what is asked of a service: its own part of the map.

use actix_web::http::Method;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue};
use fhir_service::{Direct, Service};

use super::super::exchange::Head;
use super::super::once;
use super::super::route::{Call, Target};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Statement,
    Transaction,
    Search(ResourceType),
    History(ResourceType),
    Plain(Box<Call>),
}

impl Wanted {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Statement => "capabilities",
            Self::Transaction => "transaction",
            Self::Search(_) => "search-type",
            Self::History(_) => "history-type",
            Self::Plain(call) => call.name(),
        }
    }

    pub(super) fn writes(&self) -> bool {
        match self {
            Self::Statement | Self::Search(_) | Self::History(_) => false,
            Self::Transaction => true,
            Self::Plain(call) => once::writes(call),
        }
    }
}

/// A path that is here and a method that is not: what is, and the refusal; none for OPTIONS.
type Other = (String, Option<Failure>);

/// Reads a path below the base of a service.
///
/// # Errors
/// `NotFound` and the like for paths that the service does not have.
pub(super) fn read(
    service: &Service,
    head: &Head<'_>,
    below: &str,
) -> Result<Result<Wanted, Other>, Failure> {
    let target = Target::parse(below)?;
    let methods = methods(service, &target);
    if methods.is_empty() {
        let text = "this service does not have this path; GET metadata tells what it has";
        return Err(Failure::new(FailureKind::NotFound, text));
    }
    let (mut allow, mut found) = (Vec::new(), None);
    for (method, wanted) in methods {
        let is_asked = method != "OPTIONS" && method == head.method.as_str()
            || (method == "GET" && *head.method == Method::HEAD);
        if is_asked && found.is_none() {
            found = Some(wanted);
        }
        if !allow.contains(&method) {
            allow.push(method);
        }
    }
    // A walk goes on by a link, which holds a sealed cursor and nothing else.
    let is_walk = *head.method == Method::GET
        && head
            .uri
            .query()
            .is_some_and(|query| query.starts_with("_cursor=") && !query.contains('&'));
    if let (None, Target::Type(of), true) = (&found, &target, is_walk)
        && service.answers(*of, Direct::SearchType)
    {
        return Ok(Ok(Wanted::Search(*of)));
    }
    Ok(match found {
        Some(wanted) => Ok(wanted),
        None => {
            if !allow.contains(&"OPTIONS") {
                allow.push("OPTIONS");
            }
            let allow = allow.join(", ");
            let is_question = *head.method == Method::OPTIONS;
            let refused = (!is_question).then(|| refusal(service, head, &target, &allow));
            Err((allow, refused))
        }
    })
}

fn refusal(service: &Service, head: &Head<'_>, target: &Target, allow: &str) -> Failure {
    let asks = matches!(target, Target::Type(_) | Target::TypeSearch(_) | Target::TypeHistory(_))
        && *head.method == Method::GET;
    let kind = FailureKind::MethodNotAllowed;
    let issue = Issue::error(kind.answer().1, format!("this path answers {allow}"));
    let issue = issue.at("http.method");
    let issue = match &service.post_only {
        Some(rule) if asks => issue.rule(rule.clone()),
        _ => issue,
    };
    Failure::with_issues(kind, vec![issue])
}

/// What a path answers, by method.
fn methods(service: &Service, target: &Target) -> Vec<(&'static str, Wanted)> {
    let mut found = Vec::new();
    let mut plain = |method: &'static str, kind: ResourceType, direct: Direct, call: Call| {
        if service.answers(kind, direct) {
            found.push((method, Wanted::Plain(Box::new(call))));
        }
    };
    match target {
        Target::Metadata => return vec![("GET", Wanted::Statement)],
        Target::System => {
            let takes = service.shape.as_ref().map(|_| ("POST", Wanted::Transaction));
            return takes.into_iter().collect();
        }
        Target::Type(of) => {
            plain("POST", *of, Direct::Create, Call::Create(*of));
            if service.answers(*of, Direct::SearchType) && service.post_only.is_none() {
                found.push(("GET", Wanted::Search(*of)));
            }
            // It is there, and answers nothing but walks.
            if found.is_empty() && service.answers(*of, Direct::SearchType) {
                found.push(("OPTIONS", Wanted::Statement));
            }
        }
        Target::TypeSearch(of) => {
            if service.answers(*of, Direct::SearchType) {
                found.push(("POST", Wanted::Search(*of)));
            }
        }
        Target::TypeHistory(of) => {
            let by_value = service.of_type(*of).is_some_and(|it| !it.history_by.is_empty());
            if by_value && service.answers(*of, Direct::HistoryType) {
                found.push(("POST", Wanted::History(*of)));
            } else {
                plain("GET", *of, Direct::HistoryType, Call::HistoryType(*of));
            }
        }
        Target::Instance(key) => {
            let of = key.resource_type;
            plain("GET", of, Direct::Read, Call::Read(key.clone()));
            plain("PUT", of, Direct::Update, Call::Update(key.clone()));
            plain("PATCH", of, Direct::Patch, Call::Patch(key.clone()));
            plain("DELETE", of, Direct::Delete, Call::Delete(key.clone()));
            // A type of the service whose URLs answer nothing is there all the same.
            if found.is_empty() && service.of_type(of).is_some() {
                found.push(("OPTIONS", Wanted::Statement));
            }
        }
        Target::InstanceHistory(key) => {
            let call = Call::HistoryInstance(key.clone());
            plain("GET", key.resource_type, Direct::HistoryInstance, call);
        }
        Target::Version(key, version) => {
            let call = Call::Vread(key.clone(), *version);
            plain("GET", key.resource_type, Direct::Vread, call);
        }
        Target::SystemSearch
        | Target::SystemHistory
        | Target::Compartment(..)
        | Target::CompartmentSearch(..)
        | Target::Operation(_) => {}
    }
    found
}
