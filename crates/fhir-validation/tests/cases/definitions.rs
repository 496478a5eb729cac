//! The definitions of a case: inline ones, shorthands, and those of `profiles/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use fhir_model::{Resource, ResourceType};
use fhir_structure::{Structures, make_snapshot};
use serde_json::{Map, Value, json};

use crate::case::{Case, File};

/// What a case and its file define, before what `profiles/` has.
pub(crate) struct Definitions {
    own: Vec<Arc<Resource>>,
    /// Which definitions of `profiles/` need a snapshot of their own, where others take the ready one.
    changed: Option<BTreeSet<String>>,
}

impl Definitions {
    pub(crate) fn of(file: &File, case: &Case) -> Result<Self, String> {
        let given = case.definitions.iter().chain(&file.definitions);
        let own = given.map(|each| {
            let written = written(each).ok_or_else(|| format!("what is {each}"))?;
            parse(&written).map(Arc::new)
        });
        Ok(Self { own: own.collect::<Result<_, _>>()?, changed: None })
    }

    /// Those of `profiles/` alone.
    pub(crate) fn none() -> Self {
        Self { own: Vec::new(), changed: None }
    }

    /// Those of `profiles/` with one that is changed, on which the snapshots of `changed` stand.
    pub(crate) fn changed(definition: Arc<Resource>, changed: BTreeSet<String>) -> Self {
        Self { own: vec![definition], changed: Some(changed) }
    }

    /// All resources of a type with this URL, of one version where one is given.
    pub(crate) fn all(
        &self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Vec<Arc<Resource>> {
        let is_it = |each: &&Arc<Resource>| {
            each.resource_type() == resource_type
                && text(each, "url").as_deref() == Some(url)
                && (version.is_none() || text(each, "version").as_deref() == version)
        };
        let own: Vec<_> = self.own.iter().filter(is_it).cloned().collect();
        if own.is_empty() {
            let packaged = by_url().get(url).into_iter().flatten();
            packaged.filter(is_it).cloned().collect()
        } else {
            own
        }
    }
}

impl Structures for Definitions {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let (url, version) = split(canonical);
        if self.changed.as_ref().is_some_and(|changed| !changed.contains(url)) {
            return snapshots().get(url).cloned();
        }
        let mut found = self.all(ResourceType::STRUCTURE_DEFINITION, url, version);
        found.sort_by_key(|each| text(each, "version"));
        found.pop()
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// URL and version of a canonical.
pub(crate) fn split(canonical: &str) -> (&str, Option<&str>) {
    canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)))
}

fn parse(value: &Value) -> Result<Resource, String> {
    Resource::trusted(value.to_string().into_bytes()).map_err(|failure| failure.to_string())
}

/// The text of a member of a resource.
pub(crate) fn text(resource: &Resource, key: &str) -> Option<String> {
    Some(resource.view().value.get(key)?.text()?.into_owned())
}

/// The definitions of all packages in `profiles/`.
pub(crate) fn packaged() -> &'static [Arc<Resource>] {
    static FOUND: OnceLock<Vec<Arc<Resource>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Vec::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"), &mut found);
        found
    })
}

/// The same by URL.
fn by_url() -> &'static BTreeMap<String, Vec<Arc<Resource>>> {
    static FOUND: OnceLock<BTreeMap<String, Vec<Arc<Resource>>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found: BTreeMap<String, Vec<Arc<Resource>>> = BTreeMap::new();
        for each in packaged() {
            found.entry(text(each, "url").unwrap_or_default()).or_default().push(Arc::clone(each));
        }
        found
    })
}

/// The profiles of `profiles/` with their snapshots, by URL.
fn snapshots() -> &'static BTreeMap<String, Arc<Resource>> {
    static FOUND: OnceLock<BTreeMap<String, Arc<Resource>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let is_profile =
            |each: &&Arc<Resource>| each.resource_type() == ResourceType::STRUCTURE_DEFINITION;
        let made = |each: &Arc<Resource>| {
            let made = make_snapshot(each, &Definitions::none()).definition;
            (text(each, "url").unwrap_or_default(), made.unwrap())
        };
        packaged().iter().filter(is_profile).map(made).collect()
    })
}

fn collect(folder: &Path, found: &mut Vec<Arc<Resource>>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let resource = Resource::trusted(std::fs::read(&path).unwrap());
            found.extend(resource.ok().map(Arc::new));
        }
    }
}

/// A definition written out: itself, or what a shorthand stands for.
fn written(given: &Value) -> Option<Value> {
    let text = |key: &str| given.get(key).and_then(Value::as_str);
    if text("resourceType").is_some() {
        return Some(given.clone());
    }
    let mut written = if let Some(url) = text("profile") {
        profile(given, url)?
    } else if let Some(url) = text("extension") {
        extension(given, url)?
    } else if let Some(url) = text("valueSet") {
        let include = given
            .get("codes")?
            .as_object()?
            .iter()
            .map(|(system, codes)| json!({ "system": system, "concept": concepts(codes) }));
        let include: Vec<Value> = include.collect();
        json!({ "resourceType": "ValueSet", "url": url, "status": "active",
                "compose": { "include": include } })
    } else {
        let url = text("codeSystem")?;
        json!({ "resourceType": "CodeSystem", "url": url, "status": "active",
                "content": "complete", "caseSensitive": true,
                "concept": concepts(given.get("codes")?) })
    };
    if let Some(version) = given.get("version") {
        written.as_object_mut()?.insert("version".to_owned(), version.clone());
    }
    Some(written)
}

/// Codes as concepts: texts, or concepts as they are.
fn concepts(codes: &Value) -> Vec<Value> {
    let concept = |code: &Value| match code.as_str() {
        Some(code) => json!({ "code": code }),
        None => code.clone(),
    };
    codes.as_array().into_iter().flatten().map(concept).collect()
}

fn profile(given: &Value, url: &str) -> Option<Value> {
    let of = given.get("of")?.as_str()?;
    let resource_type = given.get("type").and_then(Value::as_str).unwrap_or(of);
    let base = if of.contains(':') {
        of.to_owned()
    } else {
        format!("http://hl7.org/fhir/StructureDefinition/{of}")
    };
    let is_resource = ResourceType::named(resource_type).is_some();
    Some(json!({
        "resourceType": "StructureDefinition", "url": url, "name": "Case", "status": "active",
        "kind": if is_resource { "resource" } else { "complex-type" }, "abstract": false,
        "type": resource_type, "baseDefinition": base, "derivation": "constraint",
        "differential": { "element": elements(given, resource_type) }
    }))
}

/// An extension of one value; `elements` may say more.
fn extension(given: &Value, url: &str) -> Option<Value> {
    let context = given.get("context").cloned().unwrap_or_else(|| json!(["Element"]));
    let context = context.as_array()?.iter().map(|each| match each.as_str() {
        Some(expression) => json!({ "type": "element", "expression": expression }),
        None => each.clone(),
    });
    let context: Vec<Value> = context.collect();
    let mut elements = elements(given, "Extension");
    elements.insert(1, json!({ "id": "Extension.url", "path": "Extension.url", "fixedUri": url }));
    if let Some(value) = given.get("value") {
        elements.push(json!({ "id": "Extension.extension", "path": "Extension.extension",
                              "max": "0" }));
        elements.push(json!({ "id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1,
                              "type": [{ "code": value }] }));
    }
    Some(json!({
        "resourceType": "StructureDefinition", "url": url, "name": "Case", "status": "active",
        "kind": "complex-type", "abstract": false, "type": "Extension", "context": context,
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint", "differential": { "element": elements }
    }))
}

/// The elements, each with an id; the root is there whether it is written or not.
fn elements(given: &Value, root: &str) -> Vec<Value> {
    let list = given.get("elements").and_then(Value::as_array);
    let mut elements: Vec<Value> = list.into_iter().flatten().cloned().collect();
    if elements.first().and_then(|first| first.get("path")).is_none_or(|path| path != root) {
        elements.insert(0, json!({ "path": root }));
    }
    for members in elements.iter_mut().filter_map(Value::as_object_mut) {
        if !members.contains_key("id") {
            let id = id_of(members);
            members.insert("id".to_owned(), Value::String(id));
        }
    }
    elements
}

/// The path, with the name of the slice where the element is one.
fn id_of(element: &Map<String, Value>) -> String {
    let text = |key: &str| element.get(key).and_then(Value::as_str);
    let path = text("path").unwrap_or_default();
    text("sliceName").map_or_else(|| path.to_owned(), |name| format!("{path}:{name}"))
}
