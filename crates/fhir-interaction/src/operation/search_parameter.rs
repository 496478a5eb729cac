//! Search parameters that are resources: put in force, taken out, built again, and how far they are.
//!
//! A stored SearchParameter does nothing until `$activate`. Then every write is indexed by it,
//! the resources that were there before follow in the background, and searches may use it once
//! `$reindex` calls it live.

use fhir_model::{Failure, FailureKind, Limits, Resource, ResourceView, Value};
use fhir_search::{CustomParameter, FullText};
use fhir_store::{Activation, FullTextStatus, ParameterState, ParameterStatus};

use super::Invocation;
use super::output::ParametersWriter;
use crate::app::{App, ReadFailure};
use crate::package;
use crate::request::Answer;

/// Where the state of what was started is told.
const OPERATION: &str = "$reindex";

/// `SearchParameter/x/$activate`: puts the definition that is stored under this id, or else that of
/// an installed package, in force. 202 where rows are being
/// built, 200 where it was in force already.
///
/// # Errors
/// `NotFound`, `InvalidResource` with all that is wrong with the definition, and `Conflict` where
/// a type has another parameter of its code.
pub(super) async fn activate(call: Invocation<'_>) -> Result<Answer, Failure> {
    let app = call.app;
    let (json, resource) = definition(&call).await?;
    let (url, is_new) = put_in_force(app, &json, resource.view())?;
    status_of(app, if is_new { 202 } else { 200 }, Some(&url))
}

/// Puts a SearchParameter resource in force that the server itself needs; whoever calls this is the
/// operator.
///
/// # Errors
/// `InvalidResource` with all that is wrong with the definition, and `Conflict` where a type has
/// another parameter of its code.
pub fn require_parameter(app: &App, json: &str) -> Result<(), Failure> {
    let resource = Resource::from_json(json.as_bytes().to_vec(), &Limits::default())?;
    put_in_force(app, json.as_bytes(), resource.view()).map(|_| ())
}

/// The URL of a definition that is in force now, and whether it wasn't before.
///
/// # Errors
/// `InvalidResource`, and `Conflict` or `TooCostly` where a type has no place for it.
pub(crate) fn put_in_force(
    app: &App,
    json: &[u8],
    view: ResourceView<'_>,
) -> Result<(String, bool), Failure> {
    let definitions = app.definitions();
    let custom = CustomParameter::read(view, &definitions.registry)?;
    match app.activate(&custom, json)? {
        Activation::Unchanged => Ok((custom.url, false)),
        Activation::Started => Ok((custom.url, true)),
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
pub(super) async fn deactivate(call: Invocation<'_>) -> Result<Answer, Failure> {
    let (_, resource) = definition(&call).await?;
    let url = resource.view().value.get("url").and_then(Value::text).unwrap_or_default();
    if !call.app.retire(&url)? {
        let text = "no search parameter of this resource is in use";
        return Err(Failure::new(FailureKind::NotFound, text));
    }
    status_of(call.app, 200, Some(&url))
}

/// `$reindex`. By POST it goes through the rows of the parameter with this URL, or of all, once
/// more while they answer; by GET it tells how far that is, and the parameters that came while
/// the server ran.
///
/// # Errors
/// `NotFound` where no live parameter has this URL.
pub(super) fn reindex(call: &Invocation<'_>) -> Result<Answer, Failure> {
    let url = call.arguments.text("url");
    if call.is_get {
        return status_of(call.app, 200, url.as_deref());
    }
    if !call.app.rebuild(url.as_deref())? {
        let text = "no search parameter with this url is in use";
        return Err(Failure::new(FailureKind::NotFound, text).at("http.url"));
    }
    status_of(call.app, 202, url.as_deref())
}

async fn definition(call: &Invocation<'_>) -> Result<(Vec<u8>, Resource), Failure> {
    let wanted = call.key()?.clone();
    let inside = call.app.clone();
    let found = call
        .app
        .read(&call.permit, move |sight| {
            let stored = sight.current(&wanted)?;
            let stored = stored.or_else(|| package::with_id(&inside, &wanted));
            let body = stored.and_then(|stored| stored.body);
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
    let mut out = ParametersWriter::new();
    for one in all.iter().filter(|one| url.is_none_or(|url| url == one.url)) {
        write_status(one, &mut out);
    }
    if url.is_none() {
        write_full_text(&app.full_text_status()?, &mut out);
    }
    let location = (status == 202).then(|| OPERATION.to_owned());
    Ok(Answer { status, body: Some(out.finish()), content_location: location, ..Answer::default() })
}

fn write_full_text(status: &FullTextStatus, out: &mut ParametersWriter) {
    out.open("fullText");
    match status.state {
        FullText::Live => out.text("state", "valueCode", "live"),
        FullText::Off => out.text("state", "valueCode", "off"),
        FullText::Building => {
            out.text("state", "valueCode", "building");
            out.json("done", "valueDecimal", status.done.to_string().as_bytes());
            out.json("total", "valueDecimal", status.total.to_string().as_bytes());
        }
    }
    out.close();
}

fn write_status(one: &ParameterStatus, out: &mut ParametersWriter) {
    let state = match one.state {
        ParameterState::Live => "live",
        ParameterState::Building => "building",
        ParameterState::Rebuilding => "rebuilding",
        ParameterState::Retired => "retired",
    };
    out.open("searchParameter");
    out.text("url", "valueUri", &one.url);
    out.text("base", "valueCode", one.base.as_str());
    out.text("code", "valueCode", &one.code);
    out.text("state", "valueCode", state);
    out.json("done", "valueDecimal", one.done.to_string().as_bytes());
    out.json("total", "valueDecimal", one.total.to_string().as_bytes());
    out.close();
}
