//! `Bundle.entry.request`: method, URL and conditions as the request they stand for.

use std::borrow::Cow;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, Limits, ResourceKey, ResourceView, Value, VersionId};
use fhir_patch::Patch;
use fhir_search::Scope;
use fhir_store::HistoryScope;

use crate::bundle::entry::{Action, Get, Operate, Target, Who};
use crate::conditional::Criteria;
use crate::operation::{Called, Site};
use crate::query_string;
use crate::request::{Conditions, Request, Seen, Since};
use crate::search::Place;

/// What an entry asks for.
///
/// # Errors
/// `InvalidParameter` and `NotSupported`, placed at the part of `request` that is wrong.
pub(crate) fn action<'a>(request: &Request, entry: Value<'a>) -> Result<Action<'a>, Failure> {
    let Some(asked) = entry.get("request") else {
        let text = "each entry of a transaction or batch has a request";
        return Err(refused(text, "request.method"));
    };
    let text_of = |name: &str| asked.get(name).and_then(Value::text);
    let method = text_of("method").unwrap_or_default();
    let url = text_of("url").unwrap_or_default();
    let line = Line { asked, entry, path: relative(&url, &request.base) };
    match method.as_ref() {
        "GET" | "HEAD" => line.get(method == "HEAD"),
        "POST" => line.post(),
        "PUT" => {
            line.takes(&["ifMatch", "ifNoneMatch"], "PUT")?;
            let (view, conditions) = (line.resource("a PUT has a resource")?, line.conditions()?);
            Ok(Action::Update { who: line.who()?, view, conditions })
        }
        "PATCH" => {
            line.takes(&["ifMatch"], "PATCH")?;
            let text = "a PATCH has a resource: Parameters, or a Binary with a JSON Patch";
            let view = line.resource(text)?;
            let patch = Patch::of_entry(view, &Limits::default())?;
            Ok(Action::Patch { who: line.who()?, patch, conditions: line.conditions()? })
        }
        "DELETE" => {
            line.takes(&["ifMatch"], "DELETE")?;
            Ok(Action::Delete { who: line.who()?, conditions: line.conditions()? })
        }
        other => {
            let text = format!("expected GET, HEAD, POST, PUT, PATCH or DELETE, found \"{other}\"");
            Err(refused(text, "request.method"))
        }
    }
}

/// The request of one entry, its URL relative to the FHIR root.
struct Line<'a, 'u> {
    asked: Value<'a>,
    entry: Value<'a>,
    path: &'u str,
}

impl<'a> Line<'a, '_> {
    fn text_of(&self, name: &str) -> Option<Cow<'a, str>> {
        self.asked.get(name).and_then(Value::text)
    }

    /// Refuses conditions that mean nothing here: nothing is accepted and then passed over.
    fn takes(&self, names: &[&str], method: &str) -> Result<(), Failure> {
        let all = ["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"];
        let given = |name: &&&str| self.asked.get(name).is_some();
        match all.iter().filter(given).find(|name| !names.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let text = format!("{name} means nothing for this {method}");
                Err(refused(text, &format!("request.{name}")))
            }
        }
    }

    fn view(&self) -> Option<ResourceView<'a>> {
        self.entry.get("resource").and_then(ResourceView::of)
    }

    fn resource(&self, text: &str) -> Result<ResourceView<'a>, Failure> {
        self.view().ok_or_else(|| refused(text, "resource"))
    }

    fn get(&self, is_head: bool) -> Result<Action<'a>, Failure> {
        if let Some((called, pairs)) = operation(self.path)? {
            self.takes(&[], "operation")?;
            let conditions = Conditions::default();
            return Ok(Action::Operate(Operate {
                called,
                pairs,
                view: None,
                conditions,
                is_get: true,
                is_head,
            }));
        }
        let target = target(self.path)?;
        match &target {
            Target::Read(..) | Target::VRead(..) => {
                self.takes(&["ifNoneMatch", "ifModifiedSince"], "GET")?;
            }
            Target::History(..) | Target::Search(..) | Target::Capabilities => {
                self.takes(&[], "GET")?;
            }
        }
        Ok(Action::Get(Get { target, is_head, seen: self.seen()? }))
    }

    fn post(&self) -> Result<Action<'a>, Failure> {
        if let Some((called, pairs)) = operation(self.path)? {
            self.takes(&["ifMatch"], "operation")?;
            let (view, conditions) = (self.view(), self.conditions()?);
            let (is_get, is_head) = (false, false);
            return Ok(Action::Operate(Operate {
                called,
                pairs,
                view,
                conditions,
                is_get,
                is_head,
            }));
        }
        let (path, query) = self.path.split_once('?').unwrap_or((self.path, ""));
        let path = path.trim_end_matches('/');
        if let Some(place) = path.strip_suffix("_search") {
            self.takes(&[], "search")?;
            let target = target(place.trim_end_matches('/'))?;
            let Target::Search(place, mut pairs) = target else {
                return Err(refused("a search is on a type, a compartment or all", "request.url"));
            };
            pairs.extend(query_string::pairs(query));
            let target = Target::Search(place, pairs);
            return Ok(Action::Get(Get { target, is_head: false, seen: Seen::default() }));
        }
        self.takes(&["ifNoneExist"], "POST")?;
        let Some(resource_type) = ResourceType::named(path).filter(|_| query.is_empty()) else {
            let text = "a POST names a resource type, _search or an operation, found another URL";
            return Err(refused(text, "request.url"));
        };
        let view = self.resource("a POST has a resource")?;
        if view.resource_type != resource_type {
            let text = format!(
                "the request creates a {resource_type}, the resource is a {}",
                view.resource_type
            );
            return Err(refused(text, "request.url"));
        }
        let if_none_exist = self.text_of("ifNoneExist").map(Cow::into_owned);
        Ok(Action::Create { view, if_none_exist })
    }

    /// The resource that a write is about: `Patient/1`, or `Patient?identifier=…`.
    fn who(&self) -> Result<Who, Failure> {
        if let Some((name, query)) = self.path.split_once('?') {
            let resource_type = ResourceType::named(name.trim_end_matches('/'));
            let resource_type = resource_type.ok_or_else(|| {
                refused("before the ? of a condition stands a resource type", "request.url")
            })?;
            let pairs = query_string::pairs(query);
            return Ok(Who::Like(Criteria { resource_type, pairs }));
        }
        ResourceKey::from_reference(self.path)
            .filter(|key| key.to_string() == self.path)
            .map(Who::Known)
            .ok_or_else(|| refused("expected Type/id or Type?criteria", "request.url"))
    }

    fn conditions(&self) -> Result<Conditions, Failure> {
        let mut conditions = Conditions::default();
        match self.text_of("ifMatch").as_deref().map(str::trim) {
            None => {}
            Some("*") => conditions.if_exists = true,
            Some(tags) => conditions.if_match = Some(versions(tags, "request.ifMatch")?),
        }
        match self.text_of("ifNoneMatch").as_deref().map(str::trim) {
            None => {}
            Some("*") => conditions.if_absent = true,
            Some(_) => {
                let text = "on a write, ifNoneMatch takes only *";
                return Err(refused(text, "request.ifNoneMatch"));
            }
        }
        Ok(conditions)
    }

    /// What the client of a read has seen already.
    fn seen(&self) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        match self.text_of("ifNoneMatch").as_deref().map(str::trim) {
            None => {}
            Some("*") => seen.any = true,
            Some(tags) => seen.versions = Some(versions(tags, "request.ifNoneMatch")?),
        }
        if let Some(since) = self.text_of("ifModifiedSince") {
            let since = since
                .parse()
                .map_err(|_error| refused("expected an instant", "request.ifModifiedSince"))?;
            seen.since = Some(Since::Instant(since));
        }
        Ok(seen)
    }
}

/// Versions as `W/"3"`, `"3"` or `3`, separated by commas. Tags of others name no version here
/// and match nothing.
fn versions(tags: &str, place: &str) -> Result<Vec<VersionId>, Failure> {
    let mut versions = Vec::new();
    for tag in tags.split(',').map(str::trim) {
        let bare = tag.strip_prefix("W/").unwrap_or(tag);
        let quoted = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = quoted.unwrap_or(bare);
        match text.parse() {
            Ok(version) => versions.push(version),
            Err(_) if quoted.is_some() => {}
            Err(_) => {
                let text = "expected * or ETags such as W/\"3\", separated by commas";
                return Err(refused(text, place));
            }
        }
    }
    Ok(versions)
}

/// The URL without the server's own root.
fn relative<'u>(url: &'u str, base: &str) -> &'u str {
    let path = match url.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        Some(_) | None => url,
    };
    path.strip_prefix('/').unwrap_or(path)
}

type Pairs = Vec<(String, String)>;

/// The operation that a path calls, with the parameters of its query; none where it calls none.
fn operation(path: &str) -> Result<Option<(Called, Pairs)>, Failure> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (place, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !name.starts_with('$') {
        return Ok(None);
    }
    let site = match target(place)? {
        Target::Search(place, _) => match (place.scope, place.compartment) {
            (Scope::All, None) => Site::System,
            (Scope::Type(resource_type), None) => Site::Type(resource_type),
            _ => return Err(no_such_path()),
        },
        Target::Read(key, _) => Site::Instance(key),
        Target::VRead(key, version, _) => Site::Version(key, version),
        Target::History(..) | Target::Capabilities => return Err(no_such_path()),
    };
    let called = Called::find(name, site).map_err(|failure| failure.at("request.url"))?;
    Ok(Some((called, query_string::pairs(query))))
}

fn no_such_path() -> Failure {
    refused("nothing has this path", "request.url")
}

fn target(path: &str) -> Result<Target, Failure> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query_string::pairs(query);
    let named = |name: &str| ResourceType::named(name).ok_or_else(no_such_path);
    let key = |name: &str, id: &str| {
        let id: Option<Id> = id.parse().ok();
        Ok::<_, Failure>(ResourceKey::new(named(name)?, id.ok_or_else(no_such_path)?))
    };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => Ok(Target::Search(Scope::All.into(), pairs)),
        ["metadata"] => Ok(Target::Capabilities),
        ["_history"] => Ok(Target::History(HistoryScope::System, pairs)),
        [name] => Ok(Target::Search(Scope::Type(named(name)?).into(), pairs)),
        [name, "_history"] => Ok(Target::History(HistoryScope::Type(named(name)?), pairs)),
        [name, id] => Ok(Target::Read(key(name, id)?, pairs)),
        [name, id, "_history"] => {
            Ok(Target::History(HistoryScope::Instance(key(name, id)?), pairs))
        }
        [name, id, "_history", version] => {
            let version = version.parse().ok().ok_or_else(no_such_path)?;
            Ok(Target::VRead(key(name, id)?, version, pairs))
        }
        [name, id, inside] => {
            let scope = if *inside == "*" { Scope::All } else { Scope::Type(named(inside)?) };
            Ok(Target::Search(Place { scope, compartment: Some(key(name, id)?) }, pairs))
        }
        _ => Err(no_such_path()),
    }
}

pub(crate) fn refused(text: impl Into<String>, place: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_others_match_nothing() {
        let found = |tags| versions(tags, "request.ifMatch").unwrap();
        assert_eq!(found("W/\"3\", \"12\",7"), [VersionId(3), VersionId(12), VersionId(7)]);
        assert_eq!(found("W/\"abc\""), []);
        assert!(versions("abc", "request.ifMatch").is_err());
    }

    #[test]
    fn the_own_root_is_taken_away_as_a_whole() {
        let base = "http://own/fhir";
        for (url, expected) in [
            ("http://own/fhir/Patient/1", "Patient/1"),
            ("http://own/fhir?_id=1", "?_id=1"),
            ("http://own/fhir", ""),
            ("/Patient", "Patient"),
            ("http://own/fhirplace/Patient/1", "http://own/fhirplace/Patient/1"),
        ] {
            assert_eq!(relative(url, base), expected, "{url}");
        }
    }
}
