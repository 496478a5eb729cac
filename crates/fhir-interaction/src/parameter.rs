//! Search parameters that are resources: put in force, taken out, built again, and how far they are.
//!
//! A stored SearchParameter does nothing until `$activate`. Then every write is indexed by it,
//! the resources that were there before follow in the background, and searches may use it once
//! `$reindex` calls it live.

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, Value, write};
use fhir_search::CustomParameter;
use fhir_store::{Activation, ParameterState, ParameterStatus};

use crate::app::{App, ReadFailure};
use crate::request::{Answer, Request};

/// Operations of this module, with the OperationDefinition that says what they do here.
const OPERATION: &str = "$reindex";

/// `SearchParameter/x/$activate`: puts the stored definition in force. 202 where rows are being
/// built, 200 where it was in force already.
///
/// # Errors
/// `NotFound`, `InvalidResource` with all that is wrong with the definition, and `Conflict` where
/// a type has another parameter of its code.
pub async fn activate(app: &App, request: &Request, key: &ResourceKey) -> Result<Answer, Failure> {
    let (json, resource) = definition(app, request, key).await?;
    let definitions = app.definitions();
    let custom = CustomParameter::read(resource.view(), &definitions.registry)?;
    match app.activate(&custom, &json)? {
        Activation::Unchanged => status_of(app, 200, Some(&custom.url)),
        Activation::Started => status_of(app, 202, Some(&custom.url)),
        Activation::Clash(base) => {
            let text = format!("{base} has another search parameter with the code of this one");
            Err(Failure::new(FailureKind::Conflict, text).at("SearchParameter.code"))
        }
        Activation::Full(base) => {
            let text = format!("{base} has as many search parameters as can be told apart");
            Err(Failure::new(FailureKind::TooCostly, text).at("SearchParameter.base"))
        }
    }
}

/// `SearchParameter/x/$deactivate`: takes the definition with this URL out of use.
///
/// # Errors
/// `NotFound` where there is no such resource, or none of its URL is in use.
pub async fn deactivate(
    app: &App,
    request: &Request,
    key: &ResourceKey,
) -> Result<Answer, Failure> {
    let (_, resource) = definition(app, request, key).await?;
    let url = resource.view().value.get("url").and_then(Value::text).unwrap_or_default();
    if !app.retire(&url)? {
        let text = "no search parameter of this resource is in use";
        return Err(Failure::new(FailureKind::NotFound, text));
    }
    status_of(app, 200, Some(&url))
}

/// `$reindex` by POST: goes through the rows of the parameter with this URL, or of all, once more
/// while they answer.
///
/// # Errors
/// `NotFound` where no live parameter has this URL.
pub fn reindex(app: &App, request: &Request, url: Option<&str>) -> Result<Answer, Failure> {
    app.gate(request, Interaction::Operation, None)?;
    if !app.rebuild(url)? {
        let text = "no search parameter with this url is in use";
        return Err(Failure::new(FailureKind::NotFound, text).at("http.url"));
    }
    status_of(app, 202, url)
}

/// `$reindex` by GET: how far the parameters are that came while the server ran, and those that
/// are gone through once more.
///
/// # Errors
/// What the gate refuses.
pub fn reindex_status(app: &App, request: &Request, url: Option<&str>) -> Result<Answer, Failure> {
    app.gate(request, Interaction::Operation, None)?;
    status_of(app, 200, url)
}

async fn definition(
    app: &App,
    request: &Request,
    key: &ResourceKey,
) -> Result<(Vec<u8>, Resource), Failure> {
    let permit = app.gate(request, Interaction::Operation, Some(ResourceType::SEARCH_PARAMETER))?;
    let wanted = key.clone();
    let found = app
        .read(&permit, move |sight| {
            let body = sight.current(&wanted)?.and_then(|stored| stored.body);
            let body = body.ok_or_else(|| {
                let text = format!("there is no {wanted}");
                ReadFailure::Client(Failure::new(FailureKind::NotFound, text))
            })?;
            let mut json = Vec::new();
            body.write_json(&wanted, None, None, &mut json);
            Ok(json)
        })
        .await?;
    let resource = Resource::trusted(found.clone())?;
    Ok((found, resource))
}

fn status_of(app: &App, status: u16, url: Option<&str>) -> Result<Answer, Failure> {
    let all = app.parameter_status()?;
    let wanted = all.iter().filter(|one| url.is_none_or(|url| url == one.url));
    let mut out = b"{\"resourceType\":\"Parameters\"".to_vec();
    for (at, one) in wanted.enumerate() {
        out.extend_from_slice(if at == 0 { b",\"parameter\":[" } else { b"," });
        write_status(one, &mut out);
    }
    if out.last() == Some(&b'}') {
        out.push(b']');
    }
    out.push(b'}');
    let location = (status == 202).then(|| OPERATION.to_owned());
    Ok(Answer { status, body: Some(out), content_location: location, ..Answer::default() })
}

fn write_status(one: &ParameterStatus, out: &mut Vec<u8>) {
    let state = match one.state {
        ParameterState::Live => "live",
        ParameterState::Building => "building",
        ParameterState::Rebuilding => "rebuilding",
        ParameterState::Retired => "retired",
    };
    out.extend_from_slice(b"{\"name\":\"searchParameter\",\"part\":[");
    let texts = [
        ("url", "valueUri", one.url.as_str()),
        ("base", "valueCode", one.base.as_str()),
        ("code", "valueCode", &one.code),
        ("state", "valueCode", state),
    ];
    for (name, kind, value) in texts {
        out.extend_from_slice(format!("{{\"name\":\"{name}\",\"{kind}\":").as_bytes());
        write::string(value, out);
        out.extend_from_slice(b"},");
    }
    for (name, value) in [("done", one.done), ("total", one.total)] {
        let part = format!("{{\"name\":\"{name}\",\"valueDecimal\":{value}}},");
        out.extend_from_slice(part.as_bytes());
    }
    out.pop();
    out.extend_from_slice(b"]}");
}
