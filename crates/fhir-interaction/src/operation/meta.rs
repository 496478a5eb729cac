//! `$meta`, `$meta-add` and `$meta-delete`.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>
//!
//! The specification leaves open whether a change of tags is a version. Here it is one: histories,
//! ETags and whoever follows the changes would otherwise tell a thing that is not so any more. A
//! change that changes nothing makes none. Historical versions stay as they are.

use std::collections::BTreeSet;

use fhir_model::{
    Failure, FailureKind, Resource, ResourceType, ResourceView, Value, rewrite, write,
};
use fhir_search::{Match, ParameterId, Predicate, Registry, SearchQuery};
use fhir_store::WriteFault;

use super::output::ParametersWriter;
use super::{Invocation, Site};
use crate::app::ReadFailure;
use crate::read;
use crate::request::{Answer, Conditions, Return};
use crate::sight::{self, Sight};
use crate::subset::Subset;
use crate::write::{update, write_fault};

/// The lists of a Meta that are sets.
const LISTS: [&str; 3] = ["profile", "security", "tag"];
/// The search parameters that tell what has some of them.
const PARAMETERS: [&str; 3] = ["_profile", "_security", "_tag"];
/// Resources that a summary over a type or over everything looks at.
const MAX_SUMMED: usize = 20_000;
/// How often a change is tried again that others overtake.
const ATTEMPTS: usize = 8;

/// The meta of a resource or of a version; over a type or the system all profiles, security
/// labels and tags in use.
///
/// # Errors
/// `NotFound` and `Deleted` as for a read; `TooCostly` where more resources have some than are
/// looked at in one request.
pub(super) async fn meta(call: Invocation<'_>) -> Result<Answer, Failure> {
    let site = call.site.clone();
    let answer = call.app.read(&call.permit, move |sight| match &site {
        Site::Instance(key) => read::current(sight, key, &Subset::Whole),
        Site::Version(key, version) => read::one_version(sight, key, *version, &Subset::Whole),
        Site::Type(resource_type) => summary(sight, Some(*resource_type)),
        Site::System => summary(sight, None),
    });
    let answer = answer.await?;
    if call.site.key().is_none() {
        return Ok(answer);
    }
    Ok(Answer { body: Some(returned(&answer)?), ..answer })
}

/// Adds the profiles, security labels and tags that are not there yet.
///
/// # Errors
/// As for a read and an update.
pub(super) async fn add(call: Invocation<'_>) -> Result<Answer, Failure> {
    change(call, Change::Add).await
}

/// Takes profiles, security labels and tags away; it is no fault where they are not there.
///
/// # Errors
/// As for a read and an update.
pub(super) async fn delete(call: Invocation<'_>) -> Result<Answer, Failure> {
    change(call, Change::Delete).await
}

/// What becomes of the entries that are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Add,
    Delete,
}

async fn change(call: Invocation<'_>, change: Change) -> Result<Answer, Failure> {
    let key = call.key()?.clone();
    let mut request = call.request.clone();
    request.prefer.return_ = Return::Representation;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let wanted = key.clone();
        let current = call
            .app
            .read(&call.permit, move |sight| read::current(sight, &wanted, &Subset::Whole))
            .await?;
        let version = current.version;
        if let Some(wanted) = &call.conditions.if_match
            && !version.is_some_and(|version| wanted.contains(&version))
        {
            let fault = WriteFault::VersionMismatch { current: version };
            return Err(write_fault(&key, &fault));
        }
        let resource = Resource::trusted(current.body.unwrap_or_default())?;
        let Some(given) = call.arguments.value("meta", "Meta") else {
            return Err(Failure::new(FailureKind::Bug, "the meta was checked and is gone"));
        };
        let changed = Resource::trusted(with_meta(resource.view(), given, change))?;
        let if_match = version.map(|one| vec![one]);
        let conditions = Conditions { if_match, ..Conditions::default() };
        match update(call.app, &request, &key, changed, conditions).await {
            // Somebody else was faster: their version is what the tags go on.
            Err(failure) if failure.kind == FailureKind::VersionMismatch => last = Some(failure),
            Err(failure) => return Err(failure),
            Ok(answer) => {
                let body = Some(returned(&answer)?);
                return Ok(Answer { status: 200, body, location: None, ..answer });
            }
        }
    }
    let overtaken = || Failure::new(FailureKind::Conflict, "others kept changing the resource");
    Err(last.unwrap_or_else(overtaken))
}

/// Parameters whose `return` is the meta of the resource of an answer.
fn returned(answer: &Answer) -> Result<Vec<u8>, Failure> {
    let resource = Resource::trusted(answer.body.clone().unwrap_or_default())?;
    let meta = resource.view().value.get("meta");
    let mut out = ParametersWriter::new();
    out.json("return", "valueMeta", meta.map_or(b"{}".as_slice(), Value::raw));
    Ok(out.finish())
}

/// The resource with another meta.
pub(crate) fn with_meta(view: ResourceView<'_>, given: Value<'_>, change: Change) -> Vec<u8> {
    let own = view.value.get("meta");
    let mut meta = b"{".to_vec();
    let is_set = |key: &str| LISTS.contains(&key.strip_prefix('_').unwrap_or(key));
    for (key, value) in own.into_iter().flat_map(Value::members) {
        if !is_set(&key) {
            member(&key, value.raw(), &mut meta);
        }
    }
    for list in LISTS {
        let mut entries = entries(own, list);
        let given = self::entries(Some(given), list);
        match change {
            Change::Add => {
                for entry in given {
                    if !entries.iter().any(|known| known.identity == entry.identity) {
                        entries.push(entry);
                    }
                }
            }
            Change::Delete => {
                entries.retain(|known| !given.iter().any(|one| one.identity == known.identity));
            }
        }
        write_list(list, &entries, &mut meta);
    }
    meta.push(b'}');
    let mut out = b"{".to_vec();
    for (key, value) in view.value.members() {
        if key != "meta" {
            member(&key, value.raw(), &mut out);
        }
    }
    if meta.len() > 2 {
        member("meta", &meta, &mut out);
    }
    out.push(b'}');
    out
}

/// One entry of a list: what makes it the same as another, its JSON, and what stands beside it.
struct Entry {
    identity: (String, String),
    json: Vec<u8>,
    beside: Option<Vec<u8>>,
}

fn entries(meta: Option<Value<'_>>, list: &str) -> Vec<Entry> {
    let at = |key: &str| meta.and_then(|meta| meta.get(key));
    let beside: Vec<_> = at(&format!("_{list}")).into_iter().flat_map(Value::items).collect();
    let minified = |value: Value<'_>| {
        let mut out = Vec::new();
        rewrite::minified(value, &mut out);
        out
    };
    let text = |value: Option<Value<'_>>| {
        value.and_then(Value::text).map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    let values = at(list).into_iter().flat_map(Value::items).enumerate();
    let entry = |(position, value): (usize, Value<'_>)| Entry {
        identity: match list {
            "profile" => (text(Some(value)), String::new()),
            _ => (text(value.get("system")), text(value.get("code"))),
        },
        json: minified(value),
        beside: beside.get(position).filter(|one| !one.is_null()).map(|one| minified(*one)),
    };
    values.map(entry).collect()
}

fn write_list(name: &str, entries: &[Entry], out: &mut Vec<u8>) {
    if entries.is_empty() {
        return;
    }
    let joined = |parts: Vec<&[u8]>| {
        let mut list = b"[".to_vec();
        list.extend_from_slice(&parts.join(&b','));
        list.push(b']');
        list
    };
    let values = entries.iter().map(|entry| entry.json.as_slice()).collect();
    member(name, &joined(values), out);
    if entries.iter().any(|entry| entry.beside.is_some()) {
        let beside = entries.iter().map(|entry| entry.beside.as_deref().unwrap_or(b"null"));
        member(&format!("_{name}"), &joined(beside.collect()), out);
    }
}

/// Writes a member of an object that begins with `{`.
fn member(key: &str, json: &[u8], out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
    write::string(key, out);
    out.push(b':');
    out.extend_from_slice(json);
}

/// The profiles, security labels and tags that were found.
type Found = [BTreeSet<(String, String)>; 3];

/// All profiles, security labels and tags of a type, or of everything.
fn summary(sight: &mut Sight<'_>, of: Option<ResourceType>) -> Result<Answer, ReadFailure> {
    let mut found = Found::default();
    let mut seen = 0;
    // Type by type: the parameters of all types are more values than a statement takes.
    let types = of.map_or_else(|| ResourceType::all().collect(), |of| vec![of]);
    for of in types {
        sum_up(sight, of, &mut seen, &mut found)?;
    }
    let mut meta = b"{".to_vec();
    for (list, all) in LISTS.into_iter().zip(&found) {
        let entries: Vec<Entry> = all.iter().map(|identity| summed(list, identity)).collect();
        write_list(list, &entries, &mut meta);
    }
    meta.push(b'}');
    let mut out = ParametersWriter::new();
    // FHIR has no empty elements: where nothing is in use, there is nothing to return.
    if meta.len() > 2 {
        out.json("return", "valueMeta", &meta);
    }
    Ok(Answer::ok(out.finish()))
}

fn summed(list: &str, (first, second): &(String, String)) -> Entry {
    let mut json = Vec::new();
    if list == "profile" {
        write::string(first, &mut json);
    } else {
        json.push(b'{');
        for (key, text) in [("system", first), ("code", second)] {
            if !text.is_empty() {
                member(key, &super::output::quoted(text), &mut json);
            }
        }
        json.push(b'}');
    }
    Entry { identity: Default::default(), json, beside: None }
}

/// Adds what the resources of a type have.
fn sum_up(
    sight: &mut Sight<'_>,
    of: ResourceType,
    seen: &mut usize,
    found: &mut Found,
) -> Result<(), ReadFailure> {
    let query = with_some(sight.registry(), of);
    let most = MAX_SUMMED.saturating_sub(*seen);
    let is_whole = sight.each(&query, most, |_, resource| {
        *seen += 1;
        for (list, all) in LISTS.into_iter().zip(found.iter_mut()) {
            let meta = resource.view().value.get("meta");
            all.extend(entries(meta, list).into_iter().map(|entry| entry.identity));
        }
    })?;
    if is_whole {
        return Ok(());
    }
    let text = format!(
        "{MAX_SUMMED} resources or more have profiles, labels or tags, too many to sum up in one \
         request; ask for a type, or for an instance"
    );
    Err(Failure::new(FailureKind::TooCostly, text).into())
}

/// The search for what has a profile, a label or a tag.
fn with_some(registry: &Registry, of: ResourceType) -> SearchQuery {
    let found = PARAMETERS.iter().filter_map(|code| registry.get(of, code));
    let parameters: Vec<ParameterId> = found.map(|parameter| parameter.id).collect();
    let predicates = vec![Predicate { any: vec![Match::Present(parameters)] }];
    sight::of_type(of, predicates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(resource: &str, meta: &str, change: Change) -> String {
        let resource = Resource::trusted(resource.as_bytes().to_vec()).unwrap();
        let given = format!(r#"{{"resourceType":"Basic","meta":{meta}}}"#);
        let given = Resource::trusted(given.into_bytes()).unwrap();
        let given = given.view().value.get("meta").unwrap();
        String::from_utf8(with_meta(resource.view(), given, change)).unwrap()
    }

    #[test]
    fn tags_are_sets_by_system_and_code() {
        let basic = r#"{"resourceType":"Basic","meta":{"source":"urn:x","tag":[{"system":"a","code":"1","display":"old"}]},"language":"fi"}"#;
        let added = changed(
            basic,
            r#"{"tag":[{"system":"a","code":"1","display":"new"}, {"code":"2"}],"profile":["urn:p"]}"#,
            Change::Add,
        );
        let expected = r#"{"resourceType":"Basic","language":"fi","meta":{"source":"urn:x","profile":["urn:p"],"tag":[{"system":"a","code":"1","display":"old"},{"code":"2"}]}}"#;
        assert_eq!(added, expected);
        let deleted = changed(basic, r#"{"tag":[{"system":"a","code":"1"}]}"#, Change::Delete);
        assert_eq!(
            deleted,
            r#"{"resourceType":"Basic","language":"fi","meta":{"source":"urn:x"}}"#
        );
        let bare = changed(
            r#"{"resourceType":"Basic","meta":{"tag":[{"code":"1"}]}}"#,
            r#"{"tag":[{"code":"1"}]}"#,
            Change::Delete,
        );
        assert_eq!(bare, r#"{"resourceType":"Basic"}"#);
    }

    #[test]
    fn what_stands_beside_a_profile_goes_with_it() {
        let basic = r#"{"resourceType":"Basic","meta":{"profile":["urn:a","urn:b"],"_profile":[null,{"id":"x"}]}}"#;
        let deleted = changed(basic, r#"{"profile":["urn:a"]}"#, Change::Delete);
        assert_eq!(
            deleted,
            r#"{"resourceType":"Basic","meta":{"profile":["urn:b"],"_profile":[{"id":"x"}]}}"#
        );
        let added = changed(basic, r#"{"profile":["urn:c"]}"#, Change::Add);
        assert!(added.contains(r#""_profile":[null,{"id":"x"},null]"#), "{added}");
    }
}
