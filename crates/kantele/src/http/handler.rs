//! One translation for each interaction, and nothing more.

use actix_web::http::header::HeaderName;
use fhir_definitions::ResourceType;
use fhir_interaction::operation::{Called, Input};
use fhir_interaction::{self as interaction, Answer, Criteria, Place, PostOnly};
use fhir_model::{Failure, FailureKind, Id, Resource, ResourceKey, VersionId};
use fhir_search::Scope;
use fhir_store::HistoryScope;

use super::body::Payload;
use super::exchange::Exchange;
use super::route::Call;
use super::{binary, body, conditions};

/// Calls the interaction that the path and method name.
///
/// # Errors
/// Whatever the interaction refuses, and what is wrong with query, headers and body.
pub(crate) async fn call(
    exchange: &Exchange<'_>,
    call: Call,
    payload: Payload,
) -> Result<Answer, Failure> {
    match call {
        Call::Capabilities => capabilities(exchange),
        Call::Read(key) => read(exchange, &key).await,
        Call::Vread(key, version) => vread(exchange, &key, version).await,
        Call::Create(resource_type) => create(exchange, resource_type, payload).await,
        Call::Update(key) => update(exchange, key, payload).await,
        Call::UpdateWhere(resource_type) => update_where(exchange, resource_type, payload).await,
        Call::Patch(key) => patch(exchange, &key, payload).await,
        Call::PatchWhere(resource_type) => patch_where(exchange, resource_type, payload).await,
        Call::Delete(key) => delete(exchange, &key).await,
        Call::DeleteWhere(resource_type) => delete_where(exchange, resource_type).await,
        Call::HistoryInstance(key) => history(exchange, HistoryScope::Instance(key)).await,
        Call::HistoryType(resource_type) => {
            history(exchange, HistoryScope::Type(resource_type)).await
        }
        Call::HistorySystem => history(exchange, HistoryScope::System).await,
        Call::SearchType(resource_type) => {
            search(exchange, Scope::Type(resource_type).into(), payload).await
        }
        Call::SearchSystem => search(exchange, Scope::All.into(), payload).await,
        Call::SearchCompartment(key, of) => {
            let scope = of.map_or(Scope::All, Scope::Type);
            search(exchange, Place { scope, compartment: Some(key) }, payload).await
        }
        Call::Bundle => bundle(exchange, payload).await,
        Call::Operation(called, is_get) => operation(exchange, &called, is_get, payload).await,
    }
}

fn capabilities(exchange: &Exchange<'_>) -> Result<Answer, Failure> {
    let (app, request) = (&exchange.app, exchange.request());
    let is_mode = |(name, value): &(String, String)| name == "mode" && value == "terminology";
    if exchange.pairs.iter().any(is_mode) {
        return interaction::terminology_capabilities(app, &request);
    }
    interaction::capabilities(app, &request)
}

async fn read(exchange: &Exchange<'_>, key: &ResourceKey) -> Result<Answer, Failure> {
    let app = &exchange.app;
    let seen = conditions::of_read(exchange);
    interaction::read_unless_seen(app, &exchange.request(), key, &exchange.pairs, seen).await
}

async fn vread(
    exchange: &Exchange<'_>,
    key: &ResourceKey,
    version: VersionId,
) -> Result<Answer, Failure> {
    let (app, request) = (&exchange.app, exchange.request());
    let seen = conditions::of_read(exchange);
    interaction::vread_unless_seen(app, &request, (key, version), &exchange.pairs, seen).await
}

async fn create(
    exchange: &Exchange<'_>,
    resource_type: ResourceType,
    payload: Payload,
) -> Result<Answer, Failure> {
    exchange.refuse_parameters()?;
    let resource = resource(exchange, resource_type, None, payload).await?;
    let condition = exchange.header(&HeaderName::from_static("if-none-exist"));
    let condition = condition.map(str::to_owned);
    let app = &exchange.app;
    interaction::create(app, &exchange.request(), resource_type, resource, condition).await
}

async fn update(
    exchange: &Exchange<'_>,
    key: ResourceKey,
    payload: Payload,
) -> Result<Answer, Failure> {
    exchange.refuse_parameters()?;
    let conditions = conditions::of_write(exchange)?;
    let resource = resource(exchange, key.resource_type, Some(&key.id), payload).await?;
    let (app, request) = (&exchange.app, exchange.request());
    interaction::update(app, &request, &key, resource, conditions).await
}

/// The resource to write; that of a Binary may come as the content it holds.
async fn resource(
    exchange: &Exchange<'_>,
    resource_type: ResourceType,
    id: Option<&Id>,
    payload: Payload,
) -> Result<Resource, Failure> {
    if resource_type == ResourceType::BINARY {
        return binary::resource(exchange, payload, id).await;
    }
    body::resource(exchange, payload).await
}

async fn update_where(
    exchange: &Exchange<'_>,
    resource_type: ResourceType,
    payload: Payload,
) -> Result<Answer, Failure> {
    let conditions = conditions::of_write(exchange)?;
    let resource = resource(exchange, resource_type, None, payload).await?;
    let (app, request) = (&exchange.app, exchange.request());
    let criteria = criteria(exchange, resource_type);
    interaction::update_where(app, &request, &criteria, resource, conditions).await
}

async fn patch(
    exchange: &Exchange<'_>,
    key: &ResourceKey,
    payload: Payload,
) -> Result<Answer, Failure> {
    exchange.refuse_parameters()?;
    let conditions = conditions::of_write(exchange)?;
    let patch = body::patch(exchange, payload).await?;
    let (app, request) = (&exchange.app, exchange.request());
    interaction::patch(app, &request, key, &patch, conditions).await
}

async fn patch_where(
    exchange: &Exchange<'_>,
    resource_type: ResourceType,
    payload: Payload,
) -> Result<Answer, Failure> {
    let conditions = conditions::of_write(exchange)?;
    let patch = body::patch(exchange, payload).await?;
    let (app, request) = (&exchange.app, exchange.request());
    let criteria = criteria(exchange, resource_type);
    interaction::patch_where(app, &request, &criteria, &patch, conditions).await
}

async fn delete_where(
    exchange: &Exchange<'_>,
    resource_type: ResourceType,
) -> Result<Answer, Failure> {
    let conditions = conditions::of_write(exchange)?;
    let (app, request) = (&exchange.app, exchange.request());
    let criteria = criteria(exchange, resource_type);
    interaction::delete_where(app, &request, &criteria, conditions).await
}

/// The criteria of a conditional interaction: the whole query.
fn criteria(exchange: &Exchange<'_>, resource_type: ResourceType) -> Criteria {
    Criteria { resource_type, pairs: exchange.pairs.clone() }
}

async fn delete(exchange: &Exchange<'_>, key: &ResourceKey) -> Result<Answer, Failure> {
    exchange.refuse_parameters_but(&[CASCADE])?;
    let conditions = conditions::of_write(exchange)?;
    let (app, request) = (&exchange.app, exchange.request());
    if cascades(exchange)? {
        return interaction::delete_cascading(app, &request, key, conditions).await;
    }
    interaction::delete(app, &request, key, conditions).await
}

/// The parameter that asks for what refers to a resource to be deleted with it.
const CASCADE: &str = "_cascade";

/// Whether a delete takes along what refers to its resource: `_cascade=delete` or the header
/// `X-Cascade: delete`.
fn cascades(exchange: &Exchange<'_>) -> Result<bool, Failure> {
    let asked = exchange.pairs.iter().filter(|(name, _)| name == CASCADE);
    let asked = asked.map(|(_, value)| ("http._cascade", value.as_str()));
    let header = exchange.header(&HeaderName::from_static("x-cascade"));
    let header = header.map(|value| ("http.X-Cascade", value.trim()));
    let mut is_asked = false;
    for (place, value) in asked.chain(header) {
        match value {
            "delete" => is_asked = true,
            "none" => {}
            _ => {
                let text = "expected delete, found another word";
                return Err(Failure::new(FailureKind::InvalidParameter, text).at(place));
            }
        }
    }
    Ok(is_asked)
}

async fn history(exchange: &Exchange<'_>, scope: HistoryScope) -> Result<Answer, Failure> {
    let pairs = exchange.pairs.clone();
    interaction::history(&exchange.app, &exchange.request(), scope, pairs).await
}

async fn search(
    exchange: &Exchange<'_>,
    place: Place,
    payload: Payload,
) -> Result<Answer, Failure> {
    let is_posted = exchange.head.method == actix_web::http::Method::POST;
    let mut pairs = exchange.pairs.clone();
    // Where criteria must not stand in URLs, a POST is no excuse for it.
    let app = &exchange.app;
    let has_own = pairs.iter().any(|(name, _)| !["_format", "_pretty"].contains(&name.as_str()));
    let is_in_url = has_own && app.settings().post_only != PostOnly::Nothing;
    if is_posted {
        let posted = body::form(exchange, payload).await?;
        exchange.read_form_parameters(&posted)?;
        pairs.extend(posted);
    }
    interaction::search(app, &exchange.request(), place, pairs, is_posted && !is_in_url).await
}

async fn operation(
    exchange: &Exchange<'_>,
    called: &Called,
    is_get: bool,
    payload: Payload,
) -> Result<Answer, Failure> {
    let mut input = Input { pairs: exchange.pairs.clone(), ..Input::default() };
    if !is_get {
        input.conditions = conditions::of_write(exchange)?;
        match body::operation(exchange, payload).await {
            Ok((resource, pairs, is_verbatim)) => {
                input.resource = resource;
                input.is_verbatim = is_verbatim;
                input.pairs.extend(pairs);
            }
            Err(failure) => {
                let (app, request) = (&exchange.app, exchange.request());
                return interaction::operation::malformed(app, &request, called, failure);
            }
        }
    }
    let app = &exchange.app;
    interaction::operate(app, &exchange.request(), called, is_get, input).await
}

async fn bundle(exchange: &Exchange<'_>, payload: Payload) -> Result<Answer, Failure> {
    exchange.refuse_parameters()?;
    let bundle = body::bundle(exchange, payload).await?;
    interaction::bundle(&exchange.app, &exchange.request(), bundle).await
}
