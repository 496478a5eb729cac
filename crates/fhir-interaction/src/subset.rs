//! Parts of resources: `_summary` and `_elements`.
//! Spec: <https://hl7.org/fhir/R4/search.html#summary>
//!
//! A part is cut out of the stored text along the element table; no values are copied into a tree
//! and none changes its spelling. Mandatory elements stay, whatever is asked for, and each part
//! carries the tag `SUBSETTED`, so that nobody takes it for the whole.

use fhir_definitions::{ElementDefinition, TypeDefinition, TypeIndex, ValueType, r4};
use fhir_model::{
    Failure, FailureKind, Kind, Resource, ResourceType, ResourceView, Value, VersionId, write,
};
use fhir_search::{Scope, SearchQuery, SummaryMode};
use fhir_store::StoredVersion;

use crate::app::App;
use crate::request::Request;

/// The tag on what is not whole.
const SUBSETTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"Resource encoded in summary mode"}"#;
const SUBSETTED_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// Elements at the root that can change the meaning of everything else: they stay when elements
/// are picked by name.
const MODIFIERS: [&str; 2] = ["implicitRules", "modifierExtension"];

/// Parameters that choose parts, and those that choose the form of a reply.
const OWN: [&str; 2] = ["_summary", "_elements"];
const FORM: [&str; 2] = ["_format", "_pretty"];

/// Which parts of resources a reply holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subset {
    /// All.
    #[default]
    Whole,
    /// `_summary=true`
    Summary,
    /// `_summary=text`
    Text,
    /// `_summary=data`
    Data,
    /// `_summary=count`: no resources at all.
    Count,
    /// `_elements`
    Elements(Vec<Wanted>),
}

/// One name of `_elements`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `Patient` in `Patient.name`.
    resource_type: Option<ResourceType>,
    element: String,
}

impl Subset {
    /// What a search asks for.
    ///
    /// # Errors
    /// `InvalidParameter` where it asks for things that exclude each other.
    pub(crate) fn of(query: &SearchQuery) -> Result<Self, Failure> {
        let has_includes = !query.include.is_empty() || !query.revinclude.is_empty();
        let refused =
            |text: &str| Err(Failure::new(FailureKind::InvalidParameter, text).at("http._summary"));
        let summary = match query.summary {
            SummaryMode::False if query.elements.is_empty() => return Ok(Self::Whole),
            SummaryMode::False => {
                let wanted = query.elements.iter().map(|name| Wanted::named(name)).collect();
                return Ok(Self::Elements(wanted));
            }
            SummaryMode::Count => return Ok(Self::Count),
            SummaryMode::Text if has_includes => {
                return refused("_summary=text cannot be mixed with _include and _revinclude");
            }
            SummaryMode::True => Self::Summary,
            SummaryMode::Text => Self::Text,
            SummaryMode::Data => Self::Data,
        };
        if !query.elements.is_empty() {
            return refused("_summary and _elements cannot be mixed: each chooses the elements");
        }
        Ok(summary)
    }

    /// What a read or a history asks for. Of `pairs` only those are looked at that choose parts.
    ///
    /// # Errors
    /// As for a search.
    pub(crate) fn asked(
        app: &App,
        request: &Request,
        scope: Scope,
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        let is_own = |pair: &&(String, String)| OWN.contains(&pair.0.as_str());
        let own: Vec<_> = pairs.iter().filter(is_own).cloned().collect();
        if own.is_empty() {
            return Ok(Self::Whole);
        }
        Self::of(&app.parse(request, scope, &own)?)
    }

    /// What a read asks for: as [`Subset::asked`], and no other parameters are taken.
    ///
    /// # Errors
    /// `UnknownParameter` for others, unless handling is lenient; `InvalidParameter` for a count,
    /// which one resource has none of.
    pub(crate) fn of_read(
        app: &App,
        request: &Request,
        resource_type: ResourceType,
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        let is_known = |name: &str| OWN.contains(&name) || FORM.contains(&name);
        let unknown = pairs.iter().map(|(name, _)| name).find(|name| !is_known(name));
        if let Some(name) = unknown.filter(|_| !request.prefer.lenient) {
            let shown: String = name.chars().take(64).collect();
            let text = format!(
                "a read takes _summary and _elements, not `{shown}`; \
                 `Prefer: handling=lenient` ignores it"
            );
            return Err(Failure::new(FailureKind::UnknownParameter, text));
        }
        let subset = Self::asked(app, request, Scope::Type(resource_type), pairs)?;
        if subset == Self::Count {
            let text = "_summary=count is for searches and histories; a read gives one resource";
            return Err(Failure::new(FailureKind::InvalidParameter, text).at("http._summary"));
        }
        Ok(subset)
    }

    /// What is left of this for included resources: names of elements are about matches alone.
    pub(crate) fn of_included(&self) -> Self {
        match self {
            Self::Elements(_) => Self::Whole,
            Self::Whole | Self::Summary | Self::Text | Self::Data | Self::Count => self.clone(),
        }
    }

    /// Whether resources of this type are given whole.
    fn is_whole(&self, resource_type: ResourceType) -> bool {
        match self {
            Self::Whole => true,
            // Names that are all about other types say nothing about this one.
            Self::Elements(wanted) => {
                !wanted.iter().any(|each| each.resource_type.is_none_or(|of| of == resource_type))
            }
            Self::Summary | Self::Text | Self::Data | Self::Count => false,
        }
    }

    /// Writes the wanted part of a version with its key, version and time; nothing for a delete.
    ///
    /// # Errors
    /// `MalformedBody` where the stored bytes are no resource.
    pub(crate) fn write(&self, stored: &StoredVersion, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(body) = &stored.body else { return Ok(()) };
        let version: Option<VersionId> = Some(stored.version);
        if self.is_whole(stored.key.resource_type) {
            body.write_json(&stored.key, version, Some(stored.updated), out);
            return Ok(());
        }
        let mut whole = Vec::with_capacity(body.as_bytes().len() + 192);
        body.write_json(&stored.key, version, Some(stored.updated), &mut whole);
        self.cut(Resource::trusted(whole)?.view(), out);
        Ok(())
    }

    /// Writes the wanted part of a resource.
    pub(crate) fn cut(&self, view: ResourceView<'_>, out: &mut Vec<u8>) {
        if self.is_whole(view.resource_type) {
            out.extend_from_slice(view.value.raw());
            return;
        }
        let definition = r4().resource(view.resource_type);
        let mut has_meta = false;
        let mut separator = b'{';
        for (key, value) in view.value.members() {
            let is_meta = key == "meta";
            let part = match key.as_ref() {
                "resourceType" | "id" => Part::Whole,
                "meta" => Part::Whole,
                _ => self.part(view.resource_type, definition, &key),
            };
            if part == Part::Nothing {
                continue;
            }
            out.push(separator);
            separator = b',';
            write::string(&key, out);
            out.push(b':');
            match part {
                _ if is_meta => marked(Some(value), None, out),
                Part::Summary(of) => summary(value, of, out),
                Part::Whole | Part::Nothing => out.extend_from_slice(value.raw()),
            }
            has_meta |= is_meta;
        }
        if !has_meta {
            out.push(separator);
            out.extend_from_slice(b"\"meta\":");
            marked(None, None, out);
        }
        out.push(b'}');
    }

    fn part(&self, own: ResourceType, definition: &TypeDefinition, key: &str) -> Part {
        let name = key.strip_prefix('_').unwrap_or(key);
        let Some(element) = definition.element(name) else { return Part::Nothing };
        let is_kept = match self {
            Self::Whole => true,
            Self::Count => false,
            Self::Summary => return summary_part(definition, element),
            Self::Text => name == "text" || is_mandatory(definition, element),
            Self::Data => name != "text",
            Self::Elements(wanted) => {
                is_mandatory(definition, element)
                    || MODIFIERS.contains(&name)
                    || wanted.iter().any(|each| each.means(own, definition, element))
            }
        };
        if is_kept { Part::Whole } else { Part::Nothing }
    }
}

impl Wanted {
    fn named(name: &str) -> Self {
        let typed = name.split_once('.').and_then(|(of, element)| {
            Some(Self {
                resource_type: Some(ResourceType::named(of)?),
                element: element.to_owned(),
            })
        });
        typed.unwrap_or_else(|| Self { resource_type: None, element: name.to_owned() })
    }

    /// Whether `element` is meant: by its key, or by the name of its choice (`value`).
    fn means(
        &self,
        own: ResourceType,
        definition: &TypeDefinition,
        element: &ElementDefinition,
    ) -> bool {
        let name = self.element.strip_suffix("[x]").unwrap_or(&self.element);
        let choice = element.group.and_then(|group| definition.groups.get(usize::from(group)));
        self.resource_type.is_none_or(|of| of == own)
            && (name == element.key || choice.is_some_and(|choice| choice.name == name))
    }
}

/// What becomes of one member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Whole,
    /// The summary elements of an object of this type.
    Summary(TypeIndex),
}

fn is_mandatory(definition: &TypeDefinition, element: &ElementDefinition) -> bool {
    let choice = element.group.and_then(|group| definition.groups.get(usize::from(group)));
    element.min > 0 || choice.is_some_and(|choice| choice.min > 0)
}

fn summary_part(definition: &TypeDefinition, element: &ElementDefinition) -> Part {
    let is_kept = element.is_summary || element.is_modifier || is_mandatory(definition, element);
    match element.value {
        _ if !is_kept => Part::Nothing,
        ValueType::Complex(of) => Part::Summary(of),
        ValueType::Primitive(_) | ValueType::Resource => Part::Whole,
    }
}

/// Writes the summary elements of an object or of each object of an array. An object that has
/// none is written whole: an empty one is no FHIR.
fn summary(value: Value<'_>, of: TypeIndex, out: &mut Vec<u8>) {
    if value.kind() == Kind::Array {
        let mut separator = b'[';
        for item in value.items() {
            out.push(separator);
            summary(item, of, out);
            separator = b',';
        }
        out.push(b']');
        return;
    }
    let definition = r4().get(of);
    let start = out.len();
    for (key, member) in value.members() {
        let name = key.strip_prefix('_').unwrap_or(&key);
        let part = match definition.element(name) {
            Some(element) => summary_part(definition, element),
            None => Part::Nothing,
        };
        if part == Part::Nothing {
            continue;
        }
        out.push(if out.len() == start { b'{' } else { b',' });
        write::string(&key, out);
        out.push(b':');
        match part {
            // Beside a primitive stands an Element, which is kept with it.
            Part::Summary(inner) => summary(member, inner, out),
            Part::Whole | Part::Nothing => out.extend_from_slice(member.raw()),
        }
    }
    if out.len() == start {
        out.extend_from_slice(value.raw());
    } else {
        out.push(b'}');
    }
}

/// Writes `meta` with the tag of what is not whole, and with a security label where one is given;
/// each is there once.
pub(crate) fn marked(meta: Option<Value<'_>>, label: Option<&str>, out: &mut Vec<u8>) {
    let mut separator = b'{';
    for (key, value) in meta.into_iter().flat_map(Value::members) {
        if key == "tag" || (key == "security" && label.is_some()) {
            continue;
        }
        out.push(separator);
        separator = b',';
        write::string(&key, out);
        out.push(b':');
        out.extend_from_slice(value.raw());
    }
    if let Some(label) = label {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(b"\"security\":");
        with_coding(meta.and_then(|meta| meta.get("security")), "REDACTED", label, out);
    }
    out.push(separator);
    out.extend_from_slice(b"\"tag\":");
    with_coding(meta.and_then(|meta| meta.get("tag")), "SUBSETTED", SUBSETTED, out);
    out.push(b'}');
}

/// Writes codings with one more, unless it is there.
fn with_coding(codings: Option<Value<'_>>, code: &str, coding: &str, out: &mut Vec<u8>) {
    let is_it = |item: &Value<'_>| {
        let is = |name: &str, expected: &str| {
            item.get(name).and_then(Value::text).is_some_and(|text| text == expected)
        };
        is("code", code) && is("system", SUBSETTED_SYSTEM)
    };
    out.push(b'[');
    let mut is_there = false;
    for (at, item) in codings.into_iter().flat_map(Value::items).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item.raw());
        is_there |= is_it(&item);
    }
    if !is_there {
        if codings.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(coding.as_bytes());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use fhir_model::Limits;

    use super::*;

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[{"code":"x"}]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"contained":[{"resourceType":"Organization","id":"o","name":"Org"}],"active":true,"_active":{"id":"f"},"name":[{"family":"Virtanen","extension":[{"url":"http://example.org/e","valueDecimal":1.50}]},{"extension":[{"url":"http://example.org/e","valueDecimal":1.50}]}],"photo":[{"data":"AAAA"}],"contact":[{"name":{"text":"y"}}],"communication":[{"language":{"text":"fi"},"preferred":true}],"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}]}"#;
    const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","modifierExtension":[{"url":"http://example.org/m","valueBoolean":true}],"status":"final","code":{"text":"c"},"valueQuantity":{"value":1.50},"note":[{"text":"n"}]}"#;

    fn cut(subset: &Subset, source: &str) -> String {
        let resource = Resource::from_json(source.as_bytes().to_vec(), &Limits::default()).unwrap();
        let mut out = Vec::new();
        subset.cut(resource.view(), &mut out);
        // Whatever is left is still a resource.
        Resource::from_json(out.clone(), &Limits::default()).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn elements(names: &[&str]) -> Subset {
        Subset::Elements(names.iter().map(|name| Wanted::named(name)).collect())
    }

    fn keys(text: &str) -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_summary_has_the_summary_elements_at_every_depth() {
        let text = cut(&Subset::Summary, PATIENT);
        for kept in
            ["\"active\":true", "\"_active\":{\"id\":\"f\"}", "\"link\":[{\"other\"", "Virtanen"]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for left in ["\"text\":", "contained", "photo", "contact", "communication"] {
            assert!(!text.contains(left), "{left}: {text}");
        }
        // The first name loses its extension, the second one has nothing else.
        assert_eq!(text.matches("1.50").count(), 1, "{text}");
    }

    #[test]
    fn text_and_data_exclude_each_other() {
        assert_eq!(keys(&cut(&Subset::Text, PATIENT)), ["id", "meta", "resourceType", "text"]);
        let text = cut(&Subset::Text, OBSERVATION);
        assert_eq!(keys(&text), ["code", "id", "meta", "resourceType", "status"]);
        let data = cut(&Subset::Data, PATIENT);
        assert!(!data.contains("\"text\":{\"status\"") && data.contains("contained"), "{data}");
    }

    #[test]
    fn elements_are_picked_by_name_beside_mandatory_ones() {
        let text = cut(&elements(&["value"]), OBSERVATION);
        let expected =
            ["code", "id", "meta", "modifierExtension", "resourceType", "status", "valueQuantity"];
        assert_eq!(keys(&text), expected);
        assert!(text.contains("1.50"));
        let active = cut(&elements(&["Patient.active", "Observation.value"]), PATIENT);
        assert_eq!(keys(&active), ["_active", "active", "id", "meta", "resourceType"]);
        assert_eq!(cut(&elements(&["Patient.active"]), OBSERVATION), OBSERVATION);
    }

    #[test]
    fn the_tag_is_there_once_beside_others() {
        for source in [PATIENT, OBSERVATION] {
            let once = cut(&Subset::Summary, source);
            let twice = cut(&Subset::Summary, &once);
            assert_eq!(once, twice);
            let value: serde_json::Value = serde_json::from_str(&once).unwrap();
            let tags = value["meta"]["tag"].as_array().unwrap();
            assert_eq!(tags.last().unwrap()["code"], "SUBSETTED");
            assert_eq!(tags.len(), if source == PATIENT { 2 } else { 1 });
        }
    }
}
