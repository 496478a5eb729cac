//! Integrity of references: what a resource may refer to, and that nobody refers to what goes.
//! Spec: <https://hl7.org/fhir/R4/http.html#integrity>
//!
//! What the text of a reference says is judged here, before the commit; whether its target is
//! there is judged by the store inside the commit, and so is whether a deleted resource is still
//! referred to. Every group passes here on its way to the store, whichever interaction made it.

mod walk;

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_model::{Body, Failure, FailureKind, Issue, IssueType, ResourceKey, VersionId};
use fhir_store::{
    Action, BrokenReference, Method, ReferenceTarget, Referrers, WriteFault, WriteGroup,
};

use crate::app::App;
use walk::Found;

/// The most broken references of one resource that are told.
const MOST_TOLD: usize = 50;

/// How strictly references are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// Anything may be referred to, and anything may be deleted.
    #[default]
    Off,
    /// References to this server point at what is there, and what is referred to is not deleted.
    Local,
    /// As `Local`; other servers are referred to only where the settings name them, and the
    /// target is of a type that the element takes.
    Strict,
}

/// What the operator chose about references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// How strictly references are taken.
    pub integrity: Integrity,
    /// Under `Strict`: the beginnings of absolute references that are let through.
    pub allowed: Vec<String>,
    /// The most resources that one cascading delete takes away.
    pub max_cascade: usize,
}

impl Default for References {
    fn default() -> Self {
        Self { integrity: Integrity::Off, allowed: Vec::new(), max_cascade: 1000 }
    }
}

/// Says in a group what must hold of its references. Gives the operations whose references cannot
/// stand whatever is stored, by their index.
pub(crate) fn claim(app: &App, group: &mut WriteGroup) -> BTreeMap<usize, WriteFault> {
    let mut refused = BTreeMap::new();
    let is_asked_by_service = app.bound().is_some_and(|bound| bound.holds_references);
    if app.settings().references.integrity == Integrity::Off && !is_asked_by_service {
        return refused;
    }
    // A service may end a resource and tell of its end in the same transaction.
    let tells_ends = app.bound().is_some_and(|bound| !bound.service.is_empty());
    let ended: Vec<ResourceKey> = group
        .ops
        .iter()
        .filter(|op| tells_ends && matches!(op.action, Action::Delete))
        .map(|op| op.key.clone())
        .collect();
    for (index, op) in group.ops.iter_mut().enumerate() {
        match &op.action {
            Action::Delete => op.preconditions.unreferenced = !tells_ends,
            Action::Put { body, method, .. } => match targets(app, &op.key, body) {
                Ok(mut targets) => {
                    targets.retain(|target| !ended.contains(&target.key));
                    if *method == Method::Put {
                        targets
                            .retain(|target| app.is_held_to(op.key.resource_type, &target.place));
                    }
                    op.preconditions.targets = targets;
                }
                Err(broken) => {
                    refused.insert(index, WriteFault::BrokenReferences(broken));
                }
            },
        }
    }
    refused
}

/// What a resource refers to on this server.
fn targets(
    app: &App,
    key: &ResourceKey,
    body: &Body,
) -> Result<Vec<ReferenceTarget>, Vec<BrokenReference>> {
    // A Bundle is a world of its own: what is inside refers to its entries.
    if key.resource_type == ResourceType::BUNDLE {
        return Ok(Vec::new());
    }
    // The body was written a moment ago by this program.
    let Ok(resource) = body.to_resource(key) else { return Ok(Vec::new()) };
    let view = resource.view();
    let definitions = app.definitions();
    let settings = &app.settings().references;
    let rules =
        Rules { base: definitions.indexer.base(), settings, contained: walk::contained(view) };
    let mut targets = Vec::new();
    let mut broken = Vec::new();
    for found in walk::references(view) {
        match rules.judge(&found) {
            Ok(Some((key, version))) => {
                targets.push(ReferenceTarget { key, version, place: found.place });
            }
            Ok(None) => {}
            Err(told) if broken.len() < MOST_TOLD => {
                broken.push(BrokenReference { place: found.place, told });
            }
            Err(_) => {}
        }
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    targets.sort_unstable();
    targets.dedup_by(|one, other| (&one.key, one.version) == (&other.key, other.version));
    Ok(targets)
}

struct Rules<'a> {
    /// The server's own root, where it is configured.
    base: Option<&'a str>,
    settings: &'a References,
    /// Local ids of contained resources with their types.
    contained: BTreeMap<String, Option<ResourceType>>,
}

impl Rules<'_> {
    /// What a reference asks of the store, or what is wrong with it.
    fn judge(&self, found: &Found<'_>) -> Result<Option<(ResourceKey, Option<VersionId>)>, String> {
        let text = found.text.as_str();
        if let Some(local) = text.strip_prefix('#') {
            return self.judge_contained(found, local).map(|()| None);
        }
        let own = self.base.and_then(|base| text.strip_prefix(base)?.strip_prefix('/'));
        let relative = own.unwrap_or(text);
        let relative = relative.split_once('#').map_or(relative, |(before, _)| before);
        if let Some(key) = ResourceKey::from_reference(relative) {
            self.judge_type(found, Some(key.resource_type))?;
            let version = relative.split_once("/_history/").map(|(_, version)| version.parse());
            return match version.transpose() {
                Ok(version) => Ok(Some((key, version))),
                Err(_) => Err(format!("there is no such version of {key}")),
            };
        }
        let is_condition =
            relative.split_once('?').is_some_and(|(name, _)| ResourceType::named(name).is_some());
        if is_condition {
            let text = "conditional references are resolved in transactions only";
            return Err(text.to_owned());
        }
        let is_absolute = text.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
        if own.is_some() || !is_absolute {
            return Err("expected Type/id, an absolute URL or #id, found none of them".to_owned());
        }
        if self.settings.integrity == Integrity::Strict {
            if !self.settings.allowed.iter().any(|allowed| text.starts_with(allowed.as_str())) {
                let text = "refers to another server, and only what the setting \
                            references.allowed names may be referred to";
                return Err(text.to_owned());
            }
            self.judge_type(found, walk::named_type(text))?;
        }
        Ok(None)
    }

    fn judge_contained(&self, found: &Found<'_>, local: &str) -> Result<(), String> {
        // `#` alone is what contains.
        if local.is_empty() {
            return Ok(());
        }
        match self.contained.get(local) {
            Some(resource_type) => self.judge_type(found, *resource_type),
            None => Err("there is no contained resource with this id".to_owned()),
        }
    }

    /// Under `Strict` the type of the target is one that the element takes, and the one that the
    /// reference itself names.
    fn judge_type(&self, found: &Found<'_>, target: Option<ResourceType>) -> Result<(), String> {
        let Some(target) = target.filter(|_| self.settings.integrity == Integrity::Strict) else {
            return Ok(());
        };
        let is_any = found.targets.is_empty() || found.targets.contains(&"Resource");
        if !is_any && !found.targets.contains(&target.as_str()) {
            let takes = found.targets.join(", ");
            return Err(format!("expected a reference to {takes}, found one to {target}"));
        }
        match &found.named {
            Some(named) if named != target.as_str() => {
                Err(format!("its type says another type than {target}"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What a client is told about references that may not stand.
pub(crate) fn broken(broken: &[BrokenReference]) -> Failure {
    let issue = |each: &BrokenReference| {
        Issue::error(IssueType::NotFound, each.told.clone())
            .rule("referential integrity")
            .at(each.place.clone())
    };
    Failure::with_issues(FailureKind::InvalidResource, broken.iter().map(issue).collect())
}

/// What a client is told who deletes what others refer to: how many of which type, and no more.
pub(crate) fn referenced(key: &ResourceKey, referrers: &Referrers) -> Failure {
    let counts: Vec<String> = referrers
        .by_type
        .iter()
        .map(|(resource_type, count)| format!("{resource_type}: {count}"))
        .collect();
    let more = if referrers.has_more { " or more" } else { "" };
    let text = format!(
        "other resources refer to {key} ({}{more}); delete or change them first, or ask for \
         _cascade=delete",
        counts.join(", ")
    );
    Failure::new(FailureKind::Conflict, text)
}

/// The types and places that [`walk`] finds are held against whole resources.
#[cfg(test)]
mod tests {
    use fhir_model::{Limits, Resource};

    use super::*;

    fn judged(json: &str, integrity: Integrity) -> Vec<String> {
        let resource = Resource::from_json(json.as_bytes().to_vec(), &Limits::default()).unwrap();
        let settings = References {
            integrity,
            allowed: vec!["https://known.example/".to_owned(), "urn:uuid:".to_owned()],
            ..References::default()
        };
        let rules = Rules {
            base: Some("https://own.example/fhir"),
            settings: &settings,
            contained: walk::contained(resource.view()),
        };
        walk::references(resource.view())
            .iter()
            .map(|found| match rules.judge(found) {
                Ok(None) => format!("{} free", found.place),
                Ok(Some((key, version))) => {
                    let version = version.map_or(String::new(), |version| format!(" v{version}"));
                    format!("{} {key}{version}", found.place)
                }
                Err(told) => format!("{} refused: {told}", found.place),
            })
            .collect()
    }

    fn observation(reference: &str) -> String {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                "subject":{{"reference":"{reference}"}}}}"#
        )
    }

    #[test]
    fn texts_of_references_are_told_apart() {
        for (text, local, strict) in [
            ("Patient/1", "Patient/1", "Patient/1"),
            ("Patient/1/_history/2", "Patient/1 v2", "Patient/1 v2"),
            ("https://own.example/fhir/Patient/1", "Patient/1", "Patient/1"),
            ("Patient/1/_history/x", "refused: there is no such", "refused: there is no such"),
            ("https://known.example/Patient/1", "free", "free"),
            ("https://other.example/Patient/1", "free", "refused: refers to another server"),
            ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "free", "free"),
            ("urn:oid:1.2.3", "free", "refused: refers to another server"),
            ("Practitioner/1", "Practitioner/1", "refused: expected a reference to Patient"),
            (
                "https://known.example/Practitioner/1",
                "free",
                "refused: expected a reference to Patient",
            ),
            ("Patient?name=x", "refused: conditional", "refused: conditional"),
            ("nonsense", "refused: expected Type/id", "refused: expected Type/id"),
            ("Nonsense/1", "refused: expected Type/id", "refused: expected Type/id"),
            (
                "https://own.example/fhir/nonsense",
                "refused: expected Type/id",
                "refused: expected Type/id",
            ),
            ("#", "free", "free"),
            ("#gone", "refused: there is no contained", "refused: there is no contained"),
        ] {
            for (integrity, expected) in [(Integrity::Local, local), (Integrity::Strict, strict)] {
                let found = judged(&observation(text), integrity);
                let expected = format!("Observation.subject {expected}");
                assert!(found[0].starts_with(&expected), "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let json = r##"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "contained":[{"resourceType":"Patient","id":"p",
                "managingOrganization":{"reference":"Organization/in"}}],
            "extension":[{"url":"http://x.example/e","valueReference":{"reference":"Basic/ext"}}],
            "_status":{"extension":[{"url":"http://x.example/e",
                "valueReference":{"reference":"Basic/sibling"}}]},
            "subject":{"reference":"#p","identifier":{"value":"1",
                "assigner":{"reference":"Organization/assigner"}}},
            "performer":[{"reference":"Practitioner/1"},{"display":"nobody"},
                {"reference":"Practitioner/2","type":"Patient"}],
            "note":[{"text":"n","authorReference":{"reference":"Patient/author"}}]}"##;
        let found = judged(json, Integrity::Strict);
        let expected = [
            "Observation.contained[0].managingOrganization Organization/in",
            "Observation.extension[0].value Basic/ext",
            "Observation.status.extension[0].value Basic/sibling",
            "Observation.subject free",
            "Observation.subject.identifier.assigner Organization/assigner",
            "Observation.performer[0] Practitioner/1",
            "Observation.performer[2] refused: its type says another type than Practitioner",
            "Observation.note[0].author Patient/author",
        ];
        assert_eq!(found, expected);
    }
}
