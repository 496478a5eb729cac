//! ConceptMap `$translate`.
//! Spec: <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use std::sync::Arc;

use fhir_model::{Failure, FailureKind, Resource, ResourceType, Value};
use fhir_terminology::{ConceptMap, Stored, Translation, Wanted};

use super::coded::{self, GivenCode, Names, refused, text};
use super::lookup::coding;
use super::output::ParametersWriter;
use super::{Invocation, Site};
use crate::app::ReadFailure;
use crate::request::Answer;
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::terminology::elsewhere::{Question, passed_on};

/// What a code is in another system or value set.
///
/// # Errors
/// `InvalidParameter` for parameters that don't go together, `NotFound` for an unknown map.
pub(super) async fn translate(call: Invocation<'_>) -> Result<Answer, Failure> {
    let names = Names { system: "system", version: "version" };
    let given = coded::given(&call.arguments, &names)?;
    if given.iter().any(|given| given.system.is_none()) {
        return Err(refused("expected the system of the code in `system`", "http.system"));
    }
    let url = call.arguments.text("url");
    let version = call.arguments.text("conceptMapVersion");
    let site = call.site.clone();
    let (app, base, arguments) = (call.app.clone(), call.request.base.clone(), call.arguments);
    let work = move |sight: &mut Sight<'_>| {
        let mut resources: Vec<Arc<Resource>> = Vec::new();
        let mut maps: Vec<ConceptMap> = Vec::new();
        match (&site, &url, arguments.resource("conceptMap")) {
            (Site::Instance(key), None, None) => {
                let found = sight.current(key)?.and_then(|stored| stored.body);
                let Some(body) = found else {
                    let text = format!("there is no {key} here");
                    return Err(Failure::new(FailureKind::NotFound, text).into());
                };
                resources.push(Arc::new(body.to_resource(key)?));
            }
            (_, None, Some(view)) => maps.push(ConceptMap::of(view)),
            (_, Some(url), None) => {
                let url = url.split('|').next().unwrap_or_default().to_owned();
                let of = version.as_deref();
                let mut codes = Codes::new(&app, sight, &base);
                resources = codes.canonicals(ResourceType::CONCEPT_MAP, &url, of)?;
                resources = fhir_terminology::newest(resources).into_iter().collect();
                if resources.is_empty() {
                    let fault = fhir_terminology::Fault::UnknownConceptMap(url);
                    return Err(coded::failure(fhir_terminology::Problem::Fault(fault)));
                }
            }
            (_, None, None) => {
                resources = Codes::new(&app, sight, &base).concept_maps()?;
            }
            (_, Some(_), Some(_)) => {
                let text = "expected one of `url`, `conceptMap` and the resource in the path";
                return Err(refused(text, "Parameters.parameter").into());
            }
        }
        maps.extend(resources.iter().map(|resource| ConceptMap::of(resource.view())));
        let mut codes = Codes::new(&app, sight, &base);
        let found = translated(&mut codes, maps, &given, &arguments)?;
        let question = match given.as_slice() {
            [one] if found.is_empty() && site.key().is_none() => elsewhere(one, &arguments),
            _ => None,
        };
        let system = given.into_iter().find_map(|each| each.system);
        Ok((answer(&found), question, system))
    };
    let (found, question, system) = call.app.read(&call.permit, work).await?;
    let external = call.app.external_for(&[system.as_deref()]);
    if let Some((external, question)) = external.zip(question)
        && let Ok(Some(other)) = external.ask(question).await
    {
        return Ok(Answer::ok(passed_on(&other)));
    }
    Ok(found)
}

/// The same, asked elsewhere: where no map here has anything to say.
fn elsewhere(given: &GivenCode, arguments: &super::input::Arguments) -> Option<Question> {
    let is_whole = arguments.given("dependency").next().is_none()
        && arguments.resource("conceptMap").is_none();
    if !is_whole {
        return None;
    }
    let mut out = Question::of_code(&given.code)?;
    out.text("system", "valueUri", given.system.as_deref()?);
    if let Some(version) = &given.version {
        out.text("version", "valueString", version);
    }
    for name in ["url", "source", "target", "targetsystem"] {
        if let Some(uri) = arguments.text(name) {
            out.text(name, "valueUri", &uri);
        }
    }
    if let Some(version) = arguments.text("conceptMapVersion") {
        out.text("conceptMapVersion", "valueString", &version);
    }
    if arguments.boolean("reverse") == Some(true) {
        out.json("reverse", "valueBoolean", b"true");
    }
    Some(Question::new("ConceptMap/$translate", out))
}

fn translated(
    codes: &mut Codes<'_, '_>,
    maps: Vec<ConceptMap>,
    given: &[GivenCode],
    arguments: &super::input::Arguments,
) -> Result<Vec<Translation>, ReadFailure> {
    let dependencies = dependencies(arguments)?;
    let (source, target) = (arguments.text("source"), arguments.text("target"));
    let target_system = arguments.text("targetsystem");
    let is_reverse = arguments.boolean("reverse") == Some(true);
    let mut found: Vec<Translation> = Vec::new();
    for each in given {
        let wanted = Wanted {
            system: each.system.as_deref().unwrap_or_default(),
            version: each.version.as_deref(),
            code: &each.code,
            source: source.as_deref(),
            target: target.as_deref(),
            target_system: target_system.as_deref(),
            dependencies: &dependencies,
            is_reverse,
        };
        // Maps that others name for what they don't map are looked for as they are met.
        let mut open: Vec<ConceptMap> = maps.clone();
        let mut seen: Vec<String> = Vec::new();
        while let Some(map) = open.pop() {
            let answer = map.translate(&wanted);
            found.extend(answer.matches);
            for other in answer.others {
                if seen.contains(&other) {
                    continue;
                }
                let (url, version) = other.split_once('|').unzip();
                let url = url.unwrap_or(&other);
                let maps = codes.canonicals(ResourceType::CONCEPT_MAP, url, version)?;
                let newest = fhir_terminology::newest(maps);
                open.extend(newest.map(|resource| ConceptMap::of(resource.view())));
                seen.push(other);
            }
        }
    }
    Ok(found)
}

fn dependencies(
    arguments: &super::input::Arguments,
) -> Result<Vec<(String, String, String)>, Failure> {
    let mut all = Vec::new();
    for given in arguments.given("dependency") {
        let parts = given.parts();
        let part = |name: &str| {
            parts.iter().find(|part| text(**part, "name").as_deref() == Some(name)).copied()
        };
        let element = part("element").and_then(|part| text(part, "valueUri"));
        let concept = part("concept").and_then(|part| part.get("valueCodeableConcept"));
        let (Some(element), Some(concept)) = (element, concept) else {
            let text = "`dependency` takes the parts `element` and `concept`";
            return Err(refused(text, "Parameters.parameter"));
        };
        let codings = concept.get("coding").into_iter().flat_map(Value::items);
        for coding in codings.filter_map(GivenCode::of_coding) {
            all.push((element.clone(), coding.system.unwrap_or_default(), coding.code));
        }
    }
    Ok(all)
}

fn answer(found: &[Translation]) -> Answer {
    let result = found.iter().any(Translation::is_match);
    let mut out = ParametersWriter::new();
    out.json("result", "valueBoolean", if result { b"true" } else { b"false" });
    if found.is_empty() {
        out.text("message", "valueString", "no concept map here has a translation of the code");
    }
    for each in found {
        out.open("match");
        out.text("equivalence", "valueCode", &each.equivalence);
        if let Some(code) = &each.code {
            let display = each.display.as_deref().unwrap_or_default();
            out.json("concept", "valueCoding", &coding(&each.system, code, display));
        }
        for product in &each.products {
            out.open("product");
            out.text("element", "valueUri", &product.property);
            let json = coding(&product.system, &product.code, &product.display);
            out.json("concept", "valueCoding", &json);
            out.close();
        }
        if let Some(source) = &each.map {
            out.text("source", "valueUri", source);
        }
        out.close();
    }
    Answer::ok(out.finish())
}
