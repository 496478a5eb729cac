//! Entries of a Bundle as the requests they stand for.

use std::borrow::Cow;

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{
    Failure, FailureKind, Id, Instant, Issue, Resource, ResourceKey, ResourceView, Value, VersionId,
};
use fhir_search::Scope;
use fhir_store::HistoryScope;

use crate::app::App;
use crate::query_string;
use crate::request::{Conditions, Request};
use crate::search::Place;

/// One entry, understood.
pub(crate) struct Entry<'a> {
    /// Its place in the Bundle.
    pub(crate) index: usize,
    pub(crate) full_url: Option<Cow<'a, str>>,
    pub(crate) action: Action<'a>,
}

/// What an entry asks for.
pub(crate) enum Action<'a> {
    Delete { key: ResourceKey, conditions: Conditions },
    Create { view: ResourceView<'a>, if_none_exist: Option<String> },
    Update { key: ResourceKey, view: ResourceView<'a>, conditions: Conditions },
    Get(Get),
}

/// A GET or HEAD.
pub(crate) struct Get {
    pub(crate) target: Target,
    /// HEAD: the response has no resource.
    pub(crate) is_head: bool,
    pub(crate) if_none_match: Option<VersionId>,
    pub(crate) if_modified_since: Option<Instant>,
}

/// What a GET asks for.
#[derive(Clone)]
pub(crate) enum Target {
    Read(ResourceKey, Vec<(String, String)>),
    VRead(ResourceKey, VersionId, Vec<(String, String)>),
    History(HistoryScope, Vec<(String, String)>),
    Search(Place, Vec<(String, String)>),
    Capabilities,
}

/// When an entry of a transaction takes effect; the order of the variants is the rule.
/// Spec: <https://hl7.org/fhir/R4/http.html#trules>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Delete,
    Post,
    Put,
    Get,
}

impl Target {
    /// The one resource that is asked for.
    pub(crate) fn key(&self) -> Option<&ResourceKey> {
        match self {
            Self::Read(key, _) | Self::VRead(key, ..) => Some(key),
            Self::History(HistoryScope::Instance(key), _) => Some(key),
            Self::History(..) | Self::Search(..) | Self::Capabilities => None,
        }
    }
}

impl Entry<'_> {
    pub(crate) fn stage(&self) -> Stage {
        match self.action {
            Action::Delete { .. } => Stage::Delete,
            Action::Create { .. } => Stage::Post,
            Action::Update { .. } => Stage::Put,
            Action::Get(_) => Stage::Get,
        }
    }
}

/// All entries of a Bundle; for each either what it asks for or what is wrong with it.
///
/// # Errors
/// `TooLarge` where there are more entries than the server takes.
pub(crate) fn read_all<'a>(
    app: &App,
    request: &Request,
    bundle: &'a Resource,
) -> Result<Vec<Result<Entry<'a>, Failure>>, Failure> {
    let entries = bundle.view().value.get("entry");
    let mut read = Vec::new();
    for (index, value) in entries.into_iter().flat_map(Value::items).enumerate() {
        if index >= app.settings().max_bundle_entries {
            let text = format!(
                "a Bundle may have {} entries here; send several",
                app.settings().max_bundle_entries
            );
            return Err(Failure::new(FailureKind::TooLarge, text).at("Bundle.entry"));
        }
        let full_url = value.get("fullUrl").and_then(Value::text);
        let entry = action(request, value)
            .and_then(|action| {
                allowed(app, request, &action)?;
                Ok(Entry { index, full_url, action })
            })
            .map_err(|failure| at_entry(failure, index));
        read.push(entry);
    }
    Ok(read)
}

/// The gate of the single request that an entry stands for; reads pass it when they run.
fn allowed(app: &App, request: &Request, action: &Action<'_>) -> Result<(), Failure> {
    let (interaction, resource_type) = match action {
        Action::Delete { key, .. } => (Interaction::Delete, key.resource_type),
        Action::Create { view, .. } => (Interaction::Create, view.resource_type),
        Action::Update { key, .. } => (Interaction::Update, key.resource_type),
        Action::Get(_) => return Ok(()),
    };
    app.gate(request, interaction, Some(resource_type)).map(|_| ())
}

/// The failure with every issue placed inside the entry.
pub(crate) fn at_entry(mut failure: Failure, index: usize) -> Failure {
    for issue in &mut failure.issues {
        place(issue, index);
    }
    failure
}

fn place(issue: &mut Issue, index: usize) {
    let entry = format!("Bundle.entry[{index}]");
    let inner = issue.expression.as_deref().unwrap_or_default();
    issue.expression = Some(match inner.split_once('.') {
        _ if inner.starts_with("Bundle.entry[") => inner.to_owned(),
        Some(("http", "If-None-Exist")) => format!("{entry}.request.ifNoneExist"),
        Some(("http", "If-Match")) => format!("{entry}.request.ifMatch"),
        Some(("http", "If-None-Match")) => format!("{entry}.request.ifNoneMatch"),
        Some(("http", _)) => format!("{entry}.request.url"),
        Some(("request", _)) => format!("{entry}.{inner}"),
        Some((_, element)) => format!("{entry}.resource.{element}"),
        None if inner.is_empty() => entry,
        None => format!("{entry}.resource"),
    });
}

fn action<'a>(request: &Request, entry: Value<'a>) -> Result<Action<'a>, Failure> {
    let Some(asked) = entry.get("request") else {
        let text = "each entry of a transaction or batch has a request";
        return Err(refused(text, "request.method"));
    };
    let text_of = |name: &str| asked.get(name).and_then(Value::text);
    let method = text_of("method").unwrap_or_default();
    let url = text_of("url").unwrap_or_default();
    let path = relative(&url, &request.base);
    match method.as_ref() {
        "GET" | "HEAD" => Ok(Action::Get(Get {
            target: target(path)?,
            is_head: method == "HEAD",
            if_none_match: text_of("ifNoneMatch").map(|text| version(&text)).transpose()?,
            if_modified_since: text_of("ifModifiedSince").and_then(|text| text.parse().ok()),
        })),
        "POST" => {
            let view = resource(entry)?;
            let resource_type = post_type(path)?;
            if view.resource_type != resource_type {
                let text = format!(
                    "the request creates a {resource_type}, the resource is a {}",
                    view.resource_type
                );
                return Err(refused(text, "request.url"));
            }
            let if_none_exist = text_of("ifNoneExist").map(Cow::into_owned);
            Ok(Action::Create { view, if_none_exist })
        }
        "PUT" => {
            let view = resource(entry)?;
            let key = instance(path, "update")?;
            Ok(Action::Update { key, view, conditions: conditions(asked)? })
        }
        "DELETE" => {
            let key = instance(path, "delete")?;
            Ok(Action::Delete { key, conditions: conditions(asked)? })
        }
        "PATCH" => {
            let text = "this server has no patch yet; send the whole resource with PUT";
            Err(not_supported(text, "request.method"))
        }
        other => {
            let text = format!("expected GET, HEAD, POST, PUT or DELETE, found \"{other}\"");
            Err(refused(text, "request.method"))
        }
    }
}

fn resource(entry: Value<'_>) -> Result<ResourceView<'_>, Failure> {
    entry
        .get("resource")
        .and_then(ResourceView::of)
        .ok_or_else(|| refused("a POST or PUT has a resource", "request.method"))
}

fn conditions(asked: Value<'_>) -> Result<Conditions, Failure> {
    let if_match = asked.get("ifMatch").and_then(Value::text);
    let if_match = if_match.map(|text| version(&text)).transpose()?.map(|version| vec![version]);
    let if_absent = match asked.get("ifNoneMatch").and_then(Value::text).as_deref() {
        None => false,
        Some("*") => true,
        Some(_) => {
            let text = "a write takes only * here";
            return Err(not_supported(text, "request.ifNoneMatch"));
        }
    };
    Ok(Conditions { if_match, if_absent, ..Conditions::default() })
}

/// A version as `W/"3"`, `"3"` or `3`.
fn version(text: &str) -> Result<VersionId, Failure> {
    let bare = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    bare.parse().map_err(|fault| {
        let text = format!("{fault}; expected W/\"3\", found \"{text}\"");
        refused(text, "request.ifMatch")
    })
}

fn relative<'u>(url: &'u str, base: &str) -> &'u str {
    let path = url.strip_prefix(base).unwrap_or(url);
    path.strip_prefix('/').unwrap_or(path)
}

fn post_type(path: &str) -> Result<ResourceType, Failure> {
    let path = path.trim_end_matches('/');
    if let Some(resource_type) = ResourceType::named(path) {
        return Ok(resource_type);
    }
    if path.contains('$') {
        let text = format!("this server has no operation {path}");
        return Err(not_supported(text, "request.url"));
    }
    if path.contains("_search") {
        let text = "inside a Bundle a search is a GET";
        return Err(not_supported(text, "request.url"));
    }
    Err(refused(format!("expected a resource type, found \"{path}\""), "request.url"))
}

fn instance(path: &str, word: &str) -> Result<ResourceKey, Failure> {
    if path.contains('?') {
        let text = format!("this server has no conditional {word} yet; name the resource by id");
        return Err(not_supported(text, "request.url"));
    }
    ResourceKey::from_reference(path)
        .filter(|key| key.to_string() == path)
        .ok_or_else(|| refused(format!("expected Type/id, found \"{path}\""), "request.url"))
}

fn target(path: &str) -> Result<Target, Failure> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query_string::pairs(query);
    let invalid = || refused(format!("no such path: \"{path}\""), "request.url");
    let named = |name: &str| ResourceType::named(name).ok_or_else(invalid);
    let key = |name: &str, id: &str| {
        let id: Option<Id> = id.parse().ok();
        Ok::<_, Failure>(ResourceKey::new(named(name)?, id.ok_or_else(invalid)?))
    };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => Ok(Target::Search(Scope::All.into(), pairs)),
        ["metadata"] => Ok(Target::Capabilities),
        ["_history"] => Ok(Target::History(HistoryScope::System, pairs)),
        [name] if name.contains('$') => {
            Err(not_supported(format!("this server has no operation {path}"), "request.url"))
        }
        [name] => Ok(Target::Search(Scope::Type(named(name)?).into(), pairs)),
        [name, "_history"] => Ok(Target::History(HistoryScope::Type(named(name)?), pairs)),
        [name, id] => Ok(Target::Read(key(name, id)?, pairs)),
        [name, id, "_history"] => {
            Ok(Target::History(HistoryScope::Instance(key(name, id)?), pairs))
        }
        [name, id, "_history", version] => {
            let version = version.parse().ok().ok_or_else(invalid)?;
            Ok(Target::VRead(key(name, id)?, version, pairs))
        }
        [name, id, inside] if !inside.starts_with('$') => {
            let scope = if *inside == "*" { Scope::All } else { Scope::Type(named(inside)?) };
            Ok(Target::Search(Place { scope, compartment: Some(key(name, id)?) }, pairs))
        }
        _ => Err(invalid()),
    }
}

fn refused(text: impl Into<String>, place: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(place)
}

fn not_supported(text: impl Into<String>, place: &str) -> Failure {
    Failure::new(FailureKind::NotSupported, text).at(place)
}
