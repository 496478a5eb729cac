//! CodeSystem `$lookup` and `$subsumes`.
//! Spec: <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>

use fhir_model::{Failure, FailureKind, ResourceKey, write};
use fhir_terminology::{
    AnySystem, CodeSystem, Concept, Designation, Fault, Grammar, Property, ValueKind,
};

use super::coded::{self, GivenCode, Names, refused, text};
use super::output::{ParametersWriter, quoted};
use super::{Invocation, Site};
use crate::app::ReadFailure;
use crate::request::Answer;
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::terminology::elsewhere::Question;

/// What is known of a code.
///
/// # Errors
/// `InvalidParameter` where code or system are missing, `NotFound` where they are not here.
pub(super) async fn lookup(call: Invocation<'_>) -> Result<Answer, Failure> {
    coded::refuse_other_dates(&call)?;
    let names = Names { system: "system", version: "version" };
    let given = coded::given(&call.arguments, &names)?;
    let given = given.into_iter().next().unwrap_or_default();
    let Some(system) = given.system.clone() else {
        return Err(refused("expected the system of the code in `system`", "http.system"));
    };
    let languages = coded::languages(&call.arguments);
    let properties = call.arguments.texts("property");
    let wanted = Wanted { properties, languages };
    let question = wanted.question(&system, &given);
    let (app, base, url) = (call.app.clone(), call.request.base.clone(), system.clone());
    let work = move |sight: &mut Sight<'_>| {
        let mut codes = Codes::new(&app, sight, &base);
        let terminology = codes.terminology().clone();
        let version = given.version.as_deref();
        let found = match coded::told(terminology.system(&mut codes, &system, version))? {
            Ok(found) => found,
            Err(fault) => return Ok(Err(fault)),
        };
        match found {
            AnySystem::Listed(found) => match found.concept(&given.code) {
                Some(concept) => Ok(Ok(Answer::ok(told(&found, concept, &wanted)))),
                None if found.content.is_part() => Ok(Err(Fault::CodeNotInPart(found.url.clone()))),
                None => Ok(Err(Fault::UnknownCode(found.url.clone()))),
            },
            AnySystem::Grammar(grammar) if grammar.has(&given.code) => {
                Ok(Ok(Answer::ok(by_grammar(grammar, &given.code))))
            }
            AnySystem::Grammar(grammar) => Ok(Err(Fault::UnknownCode(grammar.url().to_owned()))),
        }
    };
    let found = call.app.read(&call.permit, work).await?;
    coded::or_elsewhere(call.app, Some(&url), found, || question).await
}

/// What is asked for.
struct Wanted {
    /// Everything where there are none.
    properties: Vec<String>,
    languages: Vec<String>,
}

impl Wanted {
    /// The same, asked elsewhere.
    fn question(&self, system: &str, given: &GivenCode) -> Option<Question> {
        let mut out = Question::of_code(&given.code)?;
        out.text("system", "valueUri", system);
        if let Some(version) = &given.version {
            out.text("version", "valueString", version);
        }
        if !self.languages.is_empty() {
            out.text("displayLanguage", "valueCode", &self.languages.join(","));
        }
        for property in &self.properties {
            out.text("property", "valueCode", property);
        }
        Some(Question::new("CodeSystem/$lookup", out))
    }

    fn has(&self, code: &str) -> bool {
        self.properties.is_empty()
            || self.properties.iter().any(|wanted| wanted == code || wanted == "*")
    }

    fn has_designation(&self, designation: &Designation<'_>) -> bool {
        self.has("designation")
            || self.properties.iter().any(|wanted| {
                let language = wanted.strip_prefix("lang.");
                language.is_some_and(|language| designation.language == Some(language))
            })
    }
}

fn told(system: &CodeSystem, concept: Concept<'_>, wanted: &Wanted) -> Vec<u8> {
    let mut out = ParametersWriter::new();
    let name = system.name.as_deref().or(system.title.as_deref()).unwrap_or(&system.url);
    out.text("name", "valueString", name);
    if let Some(version) = &system.version {
        out.text("version", "valueString", version);
    }
    let languages: Vec<&str> = wanted.languages.iter().map(String::as_str).collect();
    let display = concept.display_in(&languages).unwrap_or(concept.code());
    out.text("display", "valueString", display);
    for each in concept.designations().filter(|each| wanted.has_designation(each)) {
        designation(&each, &mut out);
    }
    if let Some(definition) = concept.definition().filter(|_| wanted.has("definition")) {
        property(&mut out, "definition", "valueString", &quoted(definition), None);
    }
    let flag = |is_set: bool| if is_set { b"true".to_vec() } else { b"false".to_vec() };
    if wanted.has("inactive") {
        property(&mut out, "inactive", "valueBoolean", &flag(concept.is_inactive()), None);
    }
    if concept.is_abstract() && wanted.has("notSelectable") {
        property(&mut out, "notSelectable", "valueBoolean", b"true", None);
    }
    let related = [("parent", true), ("child", false)];
    for (name, is_parent) in related.into_iter().filter(|(name, _)| wanted.has(name)) {
        let list: Vec<Concept<'_>> =
            if is_parent { concept.parents().collect() } else { concept.children().collect() };
        for other in list {
            property(&mut out, name, "valueCode", &quoted(other.code()), other.display());
        }
    }
    let is_said = |code: &str| {
        matches!(code, "parent" | "child" | "inactive" | "notSelectable" | "definition")
    };
    for each in concept.properties().filter(|each| wanted.has(each.code) && !is_said(each.code)) {
        let (key, json) = value(system, &each);
        let described = system.concept(each.value).filter(|_| each.kind == ValueKind::Code);
        property(&mut out, each.code, key, &json, described.and_then(Concept::display));
    }
    out.finish()
}

fn designation(each: &Designation<'_>, out: &mut ParametersWriter) {
    out.open("designation");
    if let Some(language) = each.language {
        out.text("language", "valueCode", language);
    }
    if let Some(usage) = each.usage {
        out.json("use", "valueCoding", &coding(&usage.system, &usage.code, &usage.display));
    }
    out.text("value", "valueString", each.value);
    out.close();
}

fn property(
    out: &mut ParametersWriter,
    code: &str,
    key: &str,
    json: &[u8],
    description: Option<&str>,
) {
    out.open("property");
    out.text("code", "valueCode", code);
    out.json("value", key, json);
    if let Some(description) = description {
        out.text("description", "valueString", description);
    }
    out.close();
}

/// The member and the JSON of a property's value.
fn value(system: &CodeSystem, each: &Property<'_>) -> (&'static str, Vec<u8>) {
    let declared = system.properties.iter().find(|declared| declared.code == each.code);
    // Embedded systems don't keep the types of values: they are those that are declared.
    let kind = match (each.kind, declared.and_then(|declared| declared.kind)) {
        (ValueKind::String, Some(kind)) => kind,
        (kind, _) => kind,
    };
    let plain = || each.value.as_bytes().to_vec();
    match kind {
        ValueKind::Code => ("valueCode", quoted(each.value)),
        ValueKind::String => ("valueString", quoted(each.value)),
        ValueKind::DateTime => ("valueDateTime", quoted(each.value)),
        ValueKind::Boolean => ("valueBoolean", plain()),
        ValueKind::Integer => ("valueInteger", plain()),
        ValueKind::Decimal => ("valueDecimal", plain()),
        ValueKind::Coding => {
            let (of, display) = each.coding.unwrap_or_default();
            ("valueCoding", coding(of, each.value, display))
        }
    }
}

/// A Coding as JSON; empty parts are left out.
pub(super) fn coding(system: &str, code: &str, display: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (key, text) in [("system", system), ("code", code), ("display", display)] {
        if text.is_empty() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        write::string(key, &mut out);
        out.push(b':');
        write::string(text, &mut out);
    }
    out.push(b'}');
    out
}

fn by_grammar(grammar: Grammar, code: &str) -> Vec<u8> {
    let mut out = ParametersWriter::new();
    out.text("name", "valueString", grammar.name());
    out.text("display", "valueString", &grammar.display(code));
    out.finish()
}

/// URL and version of a stored code system.
///
/// # Errors
/// `NotFound` where there is no such resource.
pub(super) fn system_of(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
) -> Result<(String, Option<String>), ReadFailure> {
    let found = sight.current(key)?.and_then(|stored| stored.body);
    let Some(body) = found else {
        let text = format!("there is no {key} here");
        return Err(Failure::new(FailureKind::NotFound, text).into());
    };
    let resource = body.to_resource(key)?;
    let value = resource.view().value;
    let url =
        text(value, "url").ok_or_else(|| refused("the code system has no url", "CodeSystem"))?;
    Ok((url, text(value, "version")))
}

/// How two codes stand to each other.
///
/// # Errors
/// `InvalidParameter` where codes or system are missing or differ, `NotFound` where they are not
/// here.
pub(super) async fn subsumes(call: Invocation<'_>) -> Result<Answer, Failure> {
    let arguments = &call.arguments;
    let side = |code: &str, coding: &str| {
        let given = arguments.value(coding, "Coding").and_then(GivenCode::of_coding);
        match (arguments.text(code), given) {
            (Some(code), None) => Ok(GivenCode { code, ..GivenCode::default() }),
            (None, Some(given)) => Ok(given),
            (Some(_), Some(_)) | (None, None) => {
                let text = format!("expected one of `{code}` and `{coding}`");
                Err(refused(text, "Parameters.parameter"))
            }
        }
    };
    let (one, other) = (side("codeA", "codingA")?, side("codeB", "codingB")?);
    let system = arguments.text("system").or_else(|| one.system.clone());
    let system = system.or_else(|| other.system.clone());
    let version = arguments.text("version").or_else(|| one.version.clone());
    let site = call.site.clone();
    let (app, base) = (call.app.clone(), call.request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        let (system, version) = match (&site, system) {
            (Site::Instance(key), _) => system_of(sight, key)?,
            (Site::System | Site::Type(_) | Site::Version(..), Some(system)) => (system, version),
            (Site::System | Site::Type(_) | Site::Version(..), None) => {
                return Err(refused("expected the system in `system`", "http.system").into());
            }
        };
        let is_other = |given: &GivenCode| given.system.as_ref().is_some_and(|own| *own != system);
        if is_other(&one) || is_other(&other) {
            let text = "codes of two systems do not subsume each other: expected one system";
            return Err(refused(text, "Parameters.parameter").into());
        }
        let mut codes = Codes::new(&app, sight, &base);
        let terminology = codes.terminology().clone();
        let of = (system.as_str(), version.as_deref());
        let found = coded::told(terminology.subsumes(&mut codes, of, &one.code, &other.code))?;
        let found = found.map(|found| {
            let mut out = ParametersWriter::new();
            out.text("outcome", "valueCode", found.code());
            Answer::ok(out.finish())
        });
        Ok((found, asked_elsewhere(of, &one.code, &other.code), system))
    };
    let (found, question, url) = call.app.read(&call.permit, work).await?;
    coded::or_elsewhere(call.app, Some(&url), found, || question).await
}

/// How two codes stand to each other, asked elsewhere.
fn asked_elsewhere(
    (system, version): (&str, Option<&str>),
    one: &str,
    other: &str,
) -> Option<Question> {
    if !(Question::is_code(one) && Question::is_code(other)) {
        return None;
    }
    let mut out = ParametersWriter::new();
    out.text("codeA", "valueCode", one);
    out.text("codeB", "valueCode", other);
    out.text("system", "valueUri", system);
    if let Some(version) = version {
        out.text("version", "valueString", version);
    }
    Some(Question::new("CodeSystem/$subsumes", out))
}
