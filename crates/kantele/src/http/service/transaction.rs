//! A transaction of a service: held to its shape and rules, to what is stored, and run.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir_access::Interaction;
use fhir_interaction::{self as interaction, Answer, Bound, Claim};
use fhir_model::{
    Failure, FailureKind, Instant, Issue, IssueType, ResourceKey, ResourceView, Value, VersionId,
};
use fhir_service::{Facts, Held, Service};

use super::super::body::{self, Payload};
use super::super::exchange::Exchange;
use super::super::once;
use super::{bound, facts, refuse_held};

/// Runs a transaction, or tells everything that is wrong with it.
///
/// # Errors
/// What is wrong, and what the transaction fails with; nothing is stored then.
pub(super) async fn run(
    service: &Arc<Service>,
    exchange: &mut Exchange<'_>,
    payload: Payload,
) -> Result<Answer, Failure> {
    if !exchange.pairs.is_empty() {
        exchange.refuse_parameters()?;
    }
    let payload = if service.requests.repeated {
        once::name(exchange, &service.name, payload).await?
    } else {
        payload
    };
    let app = exchange.app.clone();
    let request = exchange.request();
    if let Some(answer) = interaction::repeated(&app, &request).await? {
        return Ok(answer);
    }
    let bundle = body::bundle(exchange, payload).await?;
    let facts = facts(exchange, "transaction");
    let mut wrong = service.wrong_transaction(bundle.view(), &facts);
    wrong.extend(too_early(service, bundle.view(), &facts));
    wrong.extend(badly_signed(service, exchange, bundle.view(), facts.now));
    let mut asked = bound(service, facts.now);
    if wrong.is_empty() {
        let judged = replacements(service, exchange, bundle.view(), &facts).await?;
        wrong.extend(judged.wrong);
        asked.expected = judged.expected;
        asked.claims = claims(service, bundle.view(), facts.now);
    }
    refuse_held(wrong)?;
    exchange.app = rebound(exchange, asked);
    let app = exchange.app.clone();
    once::done_once(exchange, interaction::bundle(&app, &request, bundle)).await
}

/// What is wrong with the signatures of a transaction and of its companions, where the service
/// wants them to be good. That there is none is told where the shape is.
fn badly_signed(
    service: &Service,
    exchange: &Exchange<'_>,
    bundle: ResourceView<'_>,
    now: Instant,
) -> Vec<Held> {
    let (Some(shape), Some(terms)) = (&service.shape, &exchange.state.services.signatures) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if shape.signature.is_checked() && bundle.value.get("signature").is_some() {
        faults.extend(terms.of_bundle(bundle, now));
    }
    if shape.companion_signature.is_checked() {
        for pair in service.pairs_of(bundle) {
            let found = terms.of_provenance(pair.companion, pair.content, now);
            faults.extend(found.into_iter().map(|mut issue| {
                let inside = issue.expression.as_deref().and_then(|place| place.split_once('.'));
                issue.expression = inside.map(|(_, place)| format!("{}.{place}", pair.place));
                issue
            }));
        }
    }
    let (kind, rule) = (FailureKind::BusinessRule, &shape.rules.signature);
    faults.into_iter().map(|issue| Held { kind, issue: issue.rule(rule.clone()) }).collect()
}

/// The application with more to hold a write to, under the name that the request has.
pub(super) fn rebound(exchange: &Exchange<'_>, asked: Bound) -> interaction::App {
    let name = exchange.app.name();
    let app = exchange.state.app.bound_by(asked);
    match name {
        Some(name) => app.named(name),
        None => app,
    }
}

/// The written resources of a transaction: with their place, and their key for a PUT.
fn written<'a>(
    bundle: ResourceView<'a>,
) -> impl Iterator<Item = (usize, ResourceView<'a>, Option<ResourceKey>)> {
    let entries = bundle.value.get("entry").into_iter().flat_map(Value::items);
    entries.enumerate().filter_map(|(index, entry)| {
        let view = ResourceView::of(entry.get("resource")?)?;
        let request = entry.get("request")?;
        let method = request.get("method").and_then(Value::text)?;
        let url = request.get("url").and_then(Value::text)?;
        let key = (method == "PUT").then(|| ResourceKey::from_reference(&url)).flatten();
        Some((index, view, key))
    })
}

fn too_early(service: &Service, bundle: ResourceView<'_>, facts: &Facts<'_>) -> Option<Held> {
    let mut types = written(bundle).map(|(_, view, _)| view.resource_type);
    types.find_map(|of| service.too_early(of, facts.claims, facts.now))
}

#[derive(Default)]
struct Judged {
    wrong: Vec<Held>,
    expected: BTreeMap<ResourceKey, VersionId>,
}

/// Holds each replacement to what it replaces.
async fn replacements(
    service: &Service,
    exchange: &Exchange<'_>,
    bundle: ResourceView<'_>,
    facts: &Facts<'_>,
) -> Result<Judged, Failure> {
    let mut judged = Judged::default();
    let request = exchange.request();
    for (index, view, key) in written(bundle) {
        let Some(key) = key else { continue };
        let rules: Vec<_> =
            service.sames.iter().filter(|rule| rule.resource_type == view.resource_type).collect();
        if rules.is_empty() {
            continue;
        }
        let place = format!("Bundle.entry[{index}].resource");
        let found =
            interaction::replaced(&exchange.app, &request, Interaction::Update, &key).await?;
        let (version, before) = match found {
            Some(found) => found,
            None => {
                let id = rules.first().map(|rule| rule.id.clone()).unwrap_or_default();
                let at = format!("Bundle.entry[{index}].request.url");
                judged.wrong.push(broken(&id, at, "there is nothing to replace under this id"));
                continue;
            }
        };
        judged.wrong.extend(differing(service, (before.view(), view), &place, facts.now));
        judged.expected.insert(key, version);
    }
    Ok(judged)
}

/// What a replacement does not have in common with what it replaces, though it should.
pub(super) fn differing(
    service: &Service,
    (before, after): (ResourceView<'_>, ResourceView<'_>),
    place: &str,
    now: Instant,
) -> Vec<Held> {
    let rules = service.sames.iter().filter(|rule| rule.resource_type == after.resource_type);
    let differ = rules.filter(|rule| {
        let differs = |path: &fhir_service::Path| {
            sorted(path.texts(after, now)) != sorted(path.texts(before, now))
        };
        rule.expressions.iter().any(differs)
    });
    differ.map(|rule| broken(&rule.id, place.to_owned(), &rule.text)).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}

fn broken(id: &str, at: String, text: &str) -> Held {
    let kind = FailureKind::BusinessRule;
    Held { kind, issue: Issue::error(IssueType::BusinessRule, text).at(at).rule(id.to_owned()) }
}

/// What there may be one of, among what is written.
fn claims(service: &Service, bundle: ResourceView<'_>, now: Instant) -> Vec<Claim> {
    let all = written(bundle).flat_map(|(index, view, owner)| {
        claims_of(service, (view, owner), &format!("Bundle.entry[{index}].resource"), now)
    });
    all.collect()
}

/// What there may be one of, of a resource that is written under the key of its owner, if any.
pub(super) fn claims_of(
    service: &Service,
    (view, owner): (ResourceView<'_>, Option<ResourceKey>),
    place: &str,
    now: Instant,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    let rules = service.uniques.iter().filter(|it| it.resource_type == view.resource_type);
    for rule in rules {
        if rule.when.as_ref().is_some_and(|when| !when.is_so(view, now)) {
            continue;
        }
        let values = rule.search.iter().map(|(name, path)| {
            let texts = path.texts(view, now);
            let texts: Vec<String> =
                texts.iter().map(|text| text.replace('\\', "\\\\").replace(',', "\\,")).collect();
            (name.clone(), texts.join(","))
        });
        let pairs: Vec<(String, String)> = values.collect();
        if pairs.iter().any(|(_, value)| value.is_empty()) {
            continue;
        }
        let issue = Issue::error(IssueType::Duplicate, rule.text.clone());
        let issue = issue.at(place.to_owned()).rule(rule.id.clone());
        claims.push(Claim {
            resource_type: view.resource_type,
            pairs,
            owner: owner.clone(),
            refusal: Failure::with_issues(FailureKind::Conflict, vec![issue]),
        });
    }
    claims
}
