//! `$validate-code` on value sets and on code systems.
//! Spec: <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>
//!
//! A code whose system is not here is answered `false` with a warning that names the system:
//! nobody can tell. A value set that was asked about before is answered without the store.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::failure::outcome_json;
use fhir_model::{Failure, Issue, IssueType, Severity};
use fhir_terminology::{
    AnySystem, CodeOptions, CodeSystem, Fault, Problem, Reason, Subject, Terminology, Verdict,
};

use super::coded::{self, GivenCode, Names, refused};
use super::output::ParametersWriter;
use super::{Invocation, Site};
use crate::app::App;
use crate::request::Answer;
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::terminology::elsewhere::{self, External, Within};

/// What was found about each code.
type Verdicts = Vec<Result<Verdict, Fault>>;

/// Whether a code is in a value set.
///
/// # Errors
/// `InvalidParameter` for parameters that don't go together, `NotFound` for an unknown value set,
/// `NotSupported` for `context`.
pub(super) async fn in_value_set(call: Invocation<'_>) -> Result<Answer, Failure> {
    let arguments = &call.arguments;
    coded::refuse_context(arguments)?;
    coded::refuse_other_dates(&call)?;
    let names = Names { system: "system", version: "systemVersion" };
    let given = coded::given(arguments, &names)?;
    let asked = Asked::of(&call);
    let name = coded::value_set(&call)?;
    let external = external(call.app, name.as_deref(), &given, &asked);
    if let (Some(name), Some(generation)) = (&name, call.app.known_codes(&call.permit)) {
        let terminology = call.app.knowledge().terminology();
        let known = known(terminology, generation, name, &given, &asked);
        let is_whole =
            |verdicts: &Verdicts| external.is_none() || verdicts.iter().all(Result::is_ok);
        if let Some(verdicts) = known.filter(is_whole) {
            return Ok(answer(&given, &verdicts));
        }
    }
    let (app, base, arguments) = (call.app.clone(), call.request.base.clone(), call.arguments);
    let (is_asked, named) = (external.is_some(), name.clone());
    let work = move |sight: &mut Sight<'_>| {
        let mut codes = Codes::new(&app, sight, &base);
        let terminology = codes.terminology().clone();
        let languages = asked.languages();
        let options = asked.options(&languages);
        let mut verdicts = Verdicts::new();
        for each in &given {
            let found = match (&named, arguments.resource("valueSet")) {
                (Some(name), _) => codes.verdict(name, &each.coded(), &options),
                (None, Some(view)) => terminology.validate_in(
                    &mut codes,
                    Subject::Resource(view),
                    &each.coded(),
                    &options,
                ),
                (None, None) => Err(Problem::Fault(Fault::NoCanonical)),
            };
            verdicts.push(coded::told(found)?);
        }
        let definition = match &named {
            Some(name) if is_asked => codes
                .value_set_resource(name)
                .map_err(coded::failure)?
                .and_then(|found| elsewhere::definition(&found)),
            Some(_) | None => None,
        };
        Ok((given, verdicts, definition))
    };
    let (given, mut verdicts, definition) = call.app.read(&call.permit, work).await?;
    if let (Some(external), Some(name)) = (external, &name) {
        let within = Within::ValueSet(name, definition.as_deref());
        let asked = given.iter().map(|each| (within, each));
        ask(&external, asked, &mut verdicts).await;
    }
    let faults = verdicts.iter().filter_map(|verdict| verdict.as_ref().err());
    match faults.into_iter().find(|fault| is_of_request(fault, name.as_deref())) {
        Some(fault) => Err(coded::refusal(fault)),
        None => Ok(answer(&given, &verdicts)),
    }
}

/// The server elsewhere, where it may be asked. What a display is called in all languages is not
/// asked there, nor whether a code stands for its group only.
fn external(
    app: &App,
    name: Option<&str>,
    given: &[GivenCode],
    asked: &Asked,
) -> Option<Arc<External>> {
    let systems = given.iter().map(|each| each.system.as_deref());
    let urls: Vec<Option<&str>> = systems.chain([name]).collect();
    app.external_for(&urls).filter(|_| !asked.no_abstract)
}

/// Asks elsewhere about the codes of which nobody here can tell.
async fn ask<'a>(
    external: &Arc<External>,
    asked: impl Iterator<Item = (Within<'a>, &'a GivenCode)>,
    verdicts: &mut Verdicts,
) {
    for ((within, given), verdict) in asked.zip(verdicts) {
        let Err(fault) = verdict else { continue };
        let coded = given.coded();
        if let Some(question) = external.about(&within, &coded).filter(|_| fault.is_open()) {
            let reply = external.ask(question).await;
            *verdict = elsewhere::verdict(reply, &within, &coded, fault);
        }
    }
}

/// Faults about the value set itself are the request's; others are about the code.
fn is_of_request(fault: &Fault, name: Option<&str>) -> bool {
    match fault {
        Fault::UnknownValueSet(unknown) => name == Some(unknown.as_str()),
        Fault::NoCanonical | Fault::Circle(_) | Fault::TooDeep(_) | Fault::Broken { .. } => true,
        Fault::UnknownCodeSystem(_)
        | Fault::UnknownConceptMap(_)
        | Fault::CodesNotPresent(_)
        | Fault::CodeNotInPart(_)
        | Fault::Grammar(_)
        | Fault::ImplicitForm(_)
        | Fault::OtherVersion { .. }
        | Fault::UnknownVersion { .. }
        | Fault::UnknownCode(_)
        | Fault::NoSystem
        | Fault::Filter { .. }
        | Fault::NoSubsumption { .. }
        | Fault::TooLarge { .. }
        | Fault::Elsewhere { .. }
        | Fault::NoContent(_) => false,
    }
}

/// The verdicts where the value set was made ready before.
fn known(
    terminology: &Terminology,
    generation: u64,
    name: &str,
    given: &[GivenCode],
    asked: &Asked,
) -> Option<Verdicts> {
    let languages = asked.languages();
    let options = asked.options(&languages);
    let mut verdicts = Verdicts::new();
    for each in given {
        let found = terminology.validate_known(generation, name, &each.coded(), &options)?;
        if found.as_ref().is_err_and(|fault| is_of_request(fault, Some(name))) {
            return None;
        }
        verdicts.push(found);
    }
    Some(verdicts)
}

/// Whether a code is one of a code system.
///
/// # Errors
/// `InvalidParameter` for parameters that don't go together, `NotFound` for an unknown system.
pub(super) async fn in_code_system(call: Invocation<'_>) -> Result<Answer, Failure> {
    coded::refuse_other_dates(&call)?;
    let names = Names { system: "url", version: "version" };
    let mut given = coded::given(&call.arguments, &names)?;
    let url = call.arguments.text("url");
    for each in &mut given {
        each.version = each.version.take().or_else(|| call.arguments.text("version"));
    }
    let asked = Asked::of(&call);
    let external = external(call.app, url.as_deref(), &given, &asked);
    let is_shared =
        matches!(call.site, Site::Type(_)) && call.arguments.resource("codeSystem").is_none();
    if let (true, Some(generation)) = (is_shared, call.app.known_codes(&call.permit)) {
        let terminology = call.app.knowledge().terminology();
        let known = known_systems(terminology, generation, url.as_deref(), &given, &asked);
        let is_whole =
            |verdicts: &Verdicts| external.is_none() || verdicts.iter().all(Result::is_ok);
        if let Some(verdicts) = known.filter(is_whole) {
            return Ok(answer(&given, &verdicts));
        }
    }
    let site = call.site.clone();
    let (app, base, arguments) = (call.app.clone(), call.request.base.clone(), call.arguments);
    let work = move |sight: &mut Sight<'_>| {
        let inline = arguments.resource("codeSystem");
        let inline = inline.map(|view| {
            CodeSystem::of(view).ok_or_else(|| refused("the code system has no url", "CodeSystem"))
        });
        let inline = inline.transpose()?.map(|system| AnySystem::Listed(system.into()));
        let own = match &site {
            Site::Instance(key) => Some(super::lookup::system_of(sight, key)?),
            Site::System | Site::Type(_) | Site::Version(..) => None,
        };
        let mut codes = Codes::new(&app, sight, &base);
        let terminology = codes.terminology().clone();
        let languages = asked.languages();
        let options = asked.options(&languages);
        let mut verdicts = Verdicts::new();
        for each in &given {
            let coded = each.coded();
            if let Some(inline) = &inline {
                verdicts.push(terminology.validate_given(inline, &coded, &options));
                continue;
            }
            let named = own.as_ref().map(|(url, version)| (url.as_str(), version.as_deref()));
            let named = named.or(url.as_deref().map(|url| (url, None)));
            let (system, version) = match looked_for(each, named)? {
                Ok(found) => found,
                Err(reason) => {
                    verdicts.push(Ok(Verdict::Out(reason)));
                    continue;
                }
            };
            let found =
                terminology.validate_in_system(&mut codes, system, version, &coded, &options);
            verdicts.push(coded::told(found)?);
        }
        let named = own.map(|(url, _)| url).or(url);
        Ok((given, verdicts, named))
    };
    let (given, mut verdicts, named) = call.app.read(&call.permit, work).await?;
    if let Some(external) = external {
        let systems = given.iter().map(|each| named.as_deref().or(each.system.as_deref()));
        let asked = systems.zip(&given);
        let asked = asked.map(|(url, each)| (Within::CodeSystem(url.unwrap_or_default()), each));
        ask(&external, asked, &mut verdicts).await;
    }
    // A system that the request names must be here; that of a coding may be missing.
    let is_missing = |fault: &&Fault| {
        matches!(fault, Fault::UnknownCodeSystem(_) | Fault::UnknownVersion { .. })
    };
    let mut faults = verdicts.iter().filter_map(|verdict| verdict.as_ref().err());
    match faults.find(is_missing).filter(|_| named.is_some()) {
        Some(fault) => Err(coded::refusal(fault)),
        None => Ok(answer(&given, &verdicts)),
    }
}

/// The system, with its version, in which a code is looked for: the one that the request names, or
/// the code's own. They must not differ.
fn looked_for<'a>(
    given: &'a GivenCode,
    named: Option<(&'a str, Option<&'a str>)>,
) -> Result<Result<(&'a str, Option<&'a str>), Reason>, Failure> {
    let own = given.system.as_deref();
    let Some((system, version)) = named.or(own.map(|own| (own, None))) else {
        let text = "expected the code system as one of `url`, `codeSystem`, the system of the \
                    coding and the resource in the path";
        return Err(refused(text, "Parameters.parameter"));
    };
    Ok(match own.filter(|own| *own != system) {
        Some(own) => {
            let (value_set, system) = (system.to_owned(), own.to_owned());
            Err(Reason::OtherSystem { value_set, system })
        }
        None => Ok((system, version.or(given.version.as_deref()))),
    })
}

/// The verdicts where all systems were read before.
fn known_systems(
    terminology: &Terminology,
    generation: u64,
    url: Option<&str>,
    given: &[GivenCode],
    asked: &Asked,
) -> Option<Verdicts> {
    let languages = asked.languages();
    let options = asked.options(&languages);
    let mut verdicts = Verdicts::new();
    for each in given {
        let verdict = match looked_for(each, url.map(|url| (url, None))).ok()? {
            Ok(system) => {
                terminology.validate_known_system(generation, system, &each.coded(), &options)?
            }
            Err(reason) => Ok(Verdict::Out(reason)),
        };
        verdicts.push(verdict);
    }
    Some(verdicts)
}

/// How the code is to be looked at.
struct Asked {
    languages: Vec<String>,
    no_abstract: bool,
}

impl Asked {
    fn of(call: &Invocation<'_>) -> Self {
        Self {
            languages: coded::languages(&call.arguments),
            no_abstract: call.arguments.boolean("abstract") == Some(false),
        }
    }

    fn languages(&self) -> Vec<&str> {
        self.languages.iter().map(String::as_str).collect()
    }

    const fn options<'a>(&self, languages: &'a [&'a str]) -> CodeOptions<'a> {
        CodeOptions { languages, no_abstract: self.no_abstract, active_only: false }
    }
}

/// The answer: true where one of the codes is in, and with its right display.
fn answer(given: &[GivenCode], verdicts: &[Result<Verdict, Fault>]) -> Answer {
    let is_good = |verdict: &&Result<Verdict, Fault>| matches!(verdict, Ok(Verdict::In(member)) if !member.has_wrong_display);
    let is_in = |verdict: &&Result<Verdict, Fault>| matches!(verdict, Ok(Verdict::In(_)));
    let best = verdicts.iter().find(is_good).or_else(|| verdicts.iter().find(is_in));
    let result = best.is_some_and(|best| is_good(&best));
    let mut issues = Vec::new();
    for (at, verdict) in verdicts.iter().enumerate() {
        let place = if given.len() > 1 {
            format!("codeableConcept.coding[{at}]")
        } else {
            "code".to_owned()
        };
        issues.extend(issue(verdict, result).map(|issue| issue.at(place)));
    }
    let mut out = ParametersWriter::new();
    out.json("result", "valueBoolean", if result { b"true" } else { b"false" });
    if !issues.is_empty() {
        let texts: Vec<&str> = issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
        out.text("message", "valueString", &texts.join("; "));
    }
    if let Some(Ok(Verdict::In(member))) = best {
        if let Some(display) = &member.display {
            out.text("display", "valueString", display);
        }
        out.text("code", "valueCode", &member.code);
        if !member.system.is_empty() {
            out.text("system", "valueUri", &member.system);
        }
        if let Some(version) = &member.version {
            out.text("version", "valueString", version);
        }
        if member.is_inactive {
            out.json("inactive", "valueBoolean", b"true");
        }
    }
    if !issues.is_empty() {
        out.json("issues", "resource", &outcome_json(&issues));
    }
    Answer::ok(out.finish())
}

/// What is to be said of one code; codes never stand in it.
fn issue(verdict: &Result<Verdict, Fault>, result: bool) -> Option<Issue> {
    let mut issue = match verdict {
        Ok(Verdict::In(member)) if member.has_wrong_display => {
            let right = member.display.as_deref().unwrap_or_default();
            let text = format!("the display is none of the code's names; it is called `{right}`");
            Issue::error(IssueType::Invalid, text)
        }
        Ok(Verdict::In(member)) if member.is_inactive => {
            Issue::warning(IssueType::BusinessRule, "the code is retired")
        }
        Ok(Verdict::In(_)) => return None,
        Ok(Verdict::Out(reason)) => Issue::error(IssueType::CodeInvalid, reason.to_string()),
        Err(fault) => Issue::warning(IssueType::NotFound, fault.to_string()),
    };
    if result && matches!(issue.severity, Severity::Error) {
        issue.severity = Severity::Information;
    }
    Some(issue)
}

/// The types that the operations are on.
pub(super) const ON_VALUE_SET: &[ResourceType] = &[ResourceType::VALUE_SET];
pub(super) const ON_CODE_SYSTEM: &[ResourceType] = &[ResourceType::CODE_SYSTEM];
pub(super) const ON_CONCEPT_MAP: &[ResourceType] = &[ResourceType::CONCEPT_MAP];
