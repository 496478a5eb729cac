//! Runs the cases of conformance/terminology: questions over a few stored resources, with the
//! codes or the fault that must come. All failures come in one report.
#![cfg(test)]

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use fhir_model::{Resource, ResourceType};
use fhir_terminology::{
    CodeOptions, Coded, Entry, ExpandOptions, Limits, Problem, Stored, Subject, Terminology,
    Verdict, Versions,
};
use serde_json::Value;

#[test]
fn questions_are_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/terminology");
    let mut count = 0;
    let mut faults = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        // Cases about a second server are run where there are servers.
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let file: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut shelf = Shelf::of(&file["given"]);
        for case in file["cases"].as_array().unwrap() {
            count += 1;
            if let Err(fault) = check(case, &mut shelf) {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                faults.push(format!("{name} {case}: {fault}"));
            }
        }
    }
    assert!(count > 200, "{count} cases");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

type Answer = Result<(Vec<String>, Vec<String>), Problem<Infallible>>;

fn check(case: &Value, shelf: &mut Shelf) -> Result<(), String> {
    let found = ask(case, shelf);
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    match (found, case["fault"].as_str()) {
        (Ok((codes, partial)), None) => {
            // What an outside grammar calls a code is its own business.
            let is_right = match case.get("prefix") {
                Some(prefix) => codes.starts_with(&texts(prefix)),
                None => codes == texts(&case["codes"]),
            };
            if !is_right {
                return Err(format!("found {codes:?}"));
            }
            (partial == texts(&case["partial"])).then_some(()).ok_or(format!("of {partial:?}"))
        }
        (Err(Problem::Fault(fault)), Some(wanted)) => {
            let failure = fault.failure();
            let kind = format!("{:?}", failure.kind);
            let is_kind = case["kind"].as_str().is_none_or(|wanted| wanted == kind);
            let is_it = fault.to_string().starts_with(wanted) && is_kind;
            let is_clients = (400..500).contains(&failure.status());
            (is_it && is_clients).then_some(()).ok_or(format!("found {kind}: {fault}"))
        }
        (Ok((codes, _)), Some(_)) => Err(format!("found {codes:?}")),
        (Err(problem), _) => Err(format!("found {problem:?}")),
    }
}

fn ask(case: &Value, shelf: &mut Shelf) -> Answer {
    let limit = |key: &str, default: usize| {
        case[key].as_u64().map_or(default, |number| usize::try_from(number).unwrap())
    };
    let default = Limits::default();
    let terminology = Terminology::embedded().with_limits(Limits {
        max_codes: limit("max_codes", default.max_codes),
        max_depth: limit("max_depth", default.max_depth),
        max_value_sets: limit("max_value_sets", default.max_value_sets),
    });
    let pair = |key: &str| Some((case[key][0].as_str()?, case[key][1].as_str()?));
    if let Some((system, code)) = pair("below") {
        return terminology.below(shelf, system, code).map(|codes| (codes, Vec::new()));
    }
    if let Some((system, code)) = pair("above") {
        return terminology.above(shelf, system, code).map(|codes| (codes, Vec::new()));
    }
    if let Some(asked) = case.get("validate") {
        return validate(&terminology, shelf, asked);
    }
    if let Some([system, one, other]) = case["subsumes"].as_array().map(Vec::as_slice) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (system, one, other) = (text(system), text(one), text(other));
        let found = terminology.subsumes(shelf, (&system, None), &one, &other)?;
        return Ok((vec![found.code().to_owned()], Vec::new()));
    }
    if let Some(asked) = case.get("list") {
        return list(&terminology, shelf, asked);
    }
    let codes = terminology.expand(shelf, case["expand"].as_str().unwrap())?;
    let pairs = codes.as_slice().iter().map(|code| format!("{}|{}", code.system, code.code));
    Ok((pairs.collect(), codes.partial_systems().to_vec()))
}

fn texts_of(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// `in`, display and marks; or `out` and why.
fn validate(terminology: &Terminology, shelf: &mut Shelf, asked: &Value) -> Answer {
    let text = |key: &str| asked[key].as_str();
    let coded = Coded {
        system: text("system"),
        version: text("version"),
        code: text("code").unwrap(),
        display: text("display"),
    };
    let languages = texts_of(&asked["languages"]);
    let options = CodeOptions {
        languages: &languages,
        no_abstract: asked["no_abstract"] == true,
        active_only: asked["active_only"] == true,
    };
    let verdict = match text("set") {
        Some(set) => terminology.validate_code(shelf, set, &coded, &options)?,
        None => {
            let system = coded.system.unwrap();
            terminology.validate_in_system(shelf, system, coded.version, &coded, &options)?
        }
    };
    let told = match verdict {
        Verdict::In(member) => {
            let mut told = vec!["in".to_owned()];
            told.extend(member.display);
            let marks = [
                ("wrong display", member.has_wrong_display),
                ("abstract", member.is_abstract),
                ("inactive", member.is_inactive),
                ("of a part", member.is_of_part),
            ];
            told.extend(marks.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()));
            told
        }
        Verdict::Out(reason) => vec!["out".to_owned(), reason.to_string()],
    };
    Ok((told, Vec::new()))
}

/// `depth code display` of each entry, and the total last.
fn list(terminology: &Terminology, shelf: &mut Shelf, asked: &Value) -> Answer {
    let number = |key: &str| asked[key].as_u64().map(|number| usize::try_from(number).unwrap());
    let languages = texts_of(&asked["languages"]);
    let of: Vec<String> = texts_of(&asked["designation"]).into_iter().map(str::to_owned).collect();
    let options = ExpandOptions {
        filter: asked["filter"].as_str(),
        offset: number("offset").unwrap_or(0),
        count: number("count"),
        active_only: asked["active_only"] == true,
        no_abstract: asked["no_abstract"] == true,
        nested: asked["nested"] == true,
        languages: &languages,
        designations: !of.is_empty(),
        designations_of: &of,
    };
    let subject = Subject::Canonical(asked["set"].as_str().unwrap());
    let found = terminology.list(shelf, subject, &Versions::default(), &options)?;
    let entry = |entry: &Entry| {
        let display = entry.display.as_deref().unwrap_or_default();
        let names: Vec<&str> = entry.designations.iter().map(|(_, _, it)| it.as_str()).collect();
        format!("{} {} {display} {}", entry.depth, entry.code, names.join("/")).trim().to_owned()
    };
    let mut told: Vec<String> = found.entries.iter().map(entry).collect();
    told.push(found.total.to_string());
    Ok((told, found.partial))
}

/// Stored resources without a store.
struct Shelf(Vec<Arc<Resource>>);

impl Shelf {
    fn of(given: &Value) -> Self {
        let resource =
            |value: &Value| Arc::new(Resource::trusted(value.to_string().into_bytes()).unwrap());
        Self(given.as_array().unwrap().iter().map(resource).collect())
    }

    fn find(&self, kind: ResourceType, wanted: &[(&str, &str)]) -> Vec<Arc<Resource>> {
        let has = |resource: &Arc<Resource>, (key, wanted): &(&str, &str)| {
            let value = resource.view().value.get(key);
            value.and_then(fhir_model::Value::text).as_deref() == Some(wanted)
        };
        let is_wanted = |resource: &&Arc<Resource>| {
            resource.resource_type() == kind && wanted.iter().all(|pair| has(resource, pair))
        };
        self.0.iter().filter(is_wanted).cloned().collect()
    }

    fn canonical(
        &self,
        kind: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Vec<Arc<Resource>> {
        let mut wanted = vec![("url", url)];
        wanted.extend(version.map(|version| ("version", version)));
        self.find(kind, &wanted)
    }
}

impl Stored for Shelf {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(self.canonical(of, url, version))
    }

    fn supplements(&mut self, url: &str) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(self.find(ResourceType::CODE_SYSTEM, &[("supplements", url)]))
    }

    fn value_set_by_id(&mut self, id: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(self.find(ResourceType::VALUE_SET, &[("id", id)]).pop())
    }
}
