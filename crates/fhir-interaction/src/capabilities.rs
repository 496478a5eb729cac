//! The `CapabilityStatement`, built from what is wired: [`INTERACTIONS`] and the search parameters
//! of the registry. Nothing is claimed by hand.

use fhir_access::{Interaction, Level};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, Instant, write};
use fhir_search::{FullText, ParameterKind, Registry, SearchParameter};

use crate::app::{App, Authorization, InteractionSettings};
use crate::check;
use crate::operation;
use crate::reference::Integrity;
use crate::request::{Answer, Request};

/// All interactions that this crate answers. `CapabilityStatement.rest` is derived from the list,
/// and each function asks the gate for the interaction that stands here.
pub const INTERACTIONS: &[Interaction] = &[
    Interaction::Read,
    Interaction::VRead,
    Interaction::Update,
    Interaction::Patch,
    Interaction::Delete,
    Interaction::HistoryInstance,
    Interaction::HistoryType,
    Interaction::Create,
    Interaction::SearchType,
    Interaction::Transaction,
    Interaction::Batch,
    Interaction::HistorySystem,
    Interaction::SearchSystem,
    Interaction::Capabilities,
];

/// The media types in which the server reads and writes, as `CapabilityStatement.format`.
const FORMATS: &[&str] = &["application/fhir+json", "application/fhir+xml", "json", "xml"];

/// The media types of patches, as `CapabilityStatement.patchFormat`.
const PATCH_FORMATS: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/fhir+json",
    "application/fhir+xml",
];

/// `CapabilityStatement.rest.documentation`: what all searches have in common.
const SEARCHING: &str = "Searches take _sort, _count, _total, _summary, _elements, _include and \
    _revinclude (with :iterate and *), _contained and _containedType, chains and _has; over types \
    also _type. Pages are walked by the links first, previous and next. Unknown parameters are \
    refused, or ignored with a word under Prefer: handling=lenient. A zone-less date means the \
    zone of the server.";

/// The statement about this server.
///
/// # Errors
/// What the gate refuses.
pub fn capabilities(app: &App, request: &Request) -> Result<Answer, Failure> {
    app.gate(request, Interaction::Capabilities, None)?;
    Ok(Answer::ok(app.statement().for_base(&request.base)))
}

/// The bytes of the statement around the one place that depends on the request.
pub(crate) struct Statement {
    before_base: Vec<u8>,
    after_base: Vec<u8>,
}

impl Statement {
    pub(crate) fn new(registry: &Registry, since: Instant, settings: &InteractionSettings) -> Self {
        let mut out = Vec::with_capacity(256 * 1024);
        out.extend_from_slice(b"{\"resourceType\":\"CapabilityStatement\",\"status\":\"active\"");
        out.extend_from_slice(b",\"date\":\"");
        since.write_rfc3339(&mut out);
        out.extend_from_slice(b"\",\"kind\":\"instance\",\"software\":{\"name\":\"Kantele\"");
        member("version", env!("CARGO_PKG_VERSION"), &mut out);
        out.extend_from_slice(b"},\"implementation\":{\"description\":");
        write::string("FHIR R4 server", &mut out);
        out.extend_from_slice(b",\"url\":");
        let before_base = std::mem::take(&mut out);
        out.extend_from_slice(b"},\"fhirVersion\":\"4.0.1\",\"format\":");
        strings(FORMATS, &mut out);
        out.extend_from_slice(b",\"patchFormat\":");
        strings(PATCH_FORMATS, &mut out);
        out.extend_from_slice(b",\"rest\":[{\"mode\":\"server\"");
        member("documentation", SEARCHING, &mut out);
        if let Some(authorization) = &settings.authorization {
            write_security(authorization, &mut out);
        }
        out.extend_from_slice(b",\"resource\":[");
        let endpoints = ResourceType::all().filter(|each| check::storable(*each).is_ok());
        for (at, resource_type) in endpoints.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_type(registry, resource_type, settings, &mut out);
        }
        out.push(b']');
        interactions(Level::System, &mut out);
        out.extend_from_slice(b",\"searchParam\":[");
        common(registry, &mut out);
        out.push(b']');
        operation::write_operations(None, &mut out);
        let compartments = &fhir_definitions::r4().compartments;
        let urls: Vec<String> = compartments.iter().map(|each| each.url.to_owned()).collect();
        list("compartment", &urls, &mut out);
        out.extend_from_slice(b"}]}");
        Self { before_base, after_base: out }
    }

    fn for_base(&self, base: &str) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.before_base.len() + self.after_base.len() + base.len() + 2);
        out.extend_from_slice(&self.before_base);
        write::string(base, &mut out);
        out.extend_from_slice(&self.after_base);
        out
    }
}

/// Where apps get their tokens, in the extension that SMART's clients know.
fn write_security(authorization: &Authorization, out: &mut Vec<u8>) {
    const URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
    const SERVICES: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";
    let uris = [("token", &authorization.token), ("authorize", &authorization.authorize)];
    let mut told = uris.into_iter().filter(|(_, uri)| !uri.is_empty()).peekable();
    out.extend_from_slice(b",\"security\":{");
    if told.peek().is_some() {
        out.extend_from_slice(b"\"extension\":[{\"url\":");
        write::string(URIS, out);
        out.extend_from_slice(b",\"extension\":[");
        for (at, (name, uri)) in told.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"url\":");
            write::string(name, out);
            member("valueUri", uri, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}],");
    }
    out.extend_from_slice(b"\"service\":[{\"coding\":[{\"system\":");
    write::string(SERVICES, out);
    member("code", "SMART-on-FHIR", out);
    out.extend_from_slice(b"}]}]");
    if let Some(description) = &authorization.description {
        member("description", description, out);
    }
    out.push(b'}');
}

/// What holds of references, as `CapabilityStatement.rest.resource.referencePolicy`.
const fn reference_policy(integrity: Integrity) -> &'static [&'static str] {
    match integrity {
        Integrity::Off => &["literal", "logical"],
        Integrity::Local => &["literal", "logical", "enforced"],
        Integrity::Strict => &["literal", "logical", "enforced", "local"],
    }
}

fn write_type(
    registry: &Registry,
    resource_type: ResourceType,
    settings: &InteractionSettings,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"type\":");
    write::string(resource_type.as_str(), out);
    member("profile", &format!("http://hl7.org/fhir/StructureDefinition/{resource_type}"), out);
    if settings.post_only.has(resource_type) {
        let text = "Searched by POST to _search alone: criteria in URLs are refused.";
        member("documentation", text, out);
    }
    interactions(Level::Type, out);
    // What is said here is what the interactions do: create takes If-None-Exist, update makes
    // resources under new ids, update, patch and delete take criteria, reads answer If-None-Match
    // and If-Modified-Since with 304.
    out.extend_from_slice(
        b",\"versioning\":\"versioned-update\",\"readHistory\":true,\"updateCreate\":true\
          ,\"conditionalCreate\":true,\"conditionalRead\":\"full-support\"\
          ,\"conditionalUpdate\":true",
    );
    member("conditionalDelete", settings.conditional_delete.code(), out);
    out.extend_from_slice(b",\"referencePolicy\":");
    strings(reference_policy(settings.references.integrity), out);
    let is_reference = |parameter: &&SearchParameter| {
        parameter.is_live && parameter.kind == ParameterKind::Reference
    };
    let named = |parameter: &SearchParameter| format!("{}:{}", parameter.base, parameter.code);
    let all = || std::iter::once("*".to_owned());
    let references = registry.of_type(resource_type).filter(is_reference).map(named);
    list("searchInclude", &all().chain(references).collect::<Vec<_>>(), out);
    let referring = registry
        .all()
        .filter(is_reference)
        .filter(|parameter| parameter.targets.contains(&resource_type))
        .map(named);
    list("searchRevInclude", &all().chain(referring).collect::<Vec<_>>(), out);
    out.extend_from_slice(b",\"searchParam\":[");
    columns(out);
    for each in registry.of_type(resource_type).filter(|each| is_answered(each)) {
        out.push(b',');
        parameter(&each.code, &each.url, each.kind, out);
    }
    special(registry, out);
    out.push(b']');
    operation::write_operations(Some(resource_type), out);
    out.push(b'}');
}

/// Parameters with a syntax of their own, which no index row stands behind.
const SPECIAL: [(&str, &str); 5] = [
    ("_filter", "All operators, and, or, not, parentheses and chains."),
    ("_has", "_has:Type:reference:parameter=value, nested and in chains."),
    ("_list", "The id of a List; no $current- lists."),
    ("_text", "Words of the narrative."),
    ("_content", "Words of everything."),
];

fn special(registry: &Registry, out: &mut Vec<u8>) {
    let is_answered = |name: &str| {
        !["_text", "_content"].contains(&name) || registry.full_text() == FullText::Live
    };
    for (name, documentation) in SPECIAL.into_iter().filter(|(name, _)| is_answered(name)) {
        out.extend_from_slice(b",{\"name\":");
        write::string(name, out);
        member("type", "special", out);
        member("documentation", documentation, out);
        out.push(b'}');
    }
}

/// The parameters of searches over types: those that all types have alike.
fn common(registry: &Registry, out: &mut Vec<u8>) {
    columns(out);
    let Some(first) = ResourceType::all().next() else { return };
    for each in registry.of_type(first).filter(|each| is_answered(each)) {
        let is_common = |of: ResourceType| {
            registry.get(of, &each.code).is_some_and(|found| found.kind == each.kind)
        };
        if ResourceType::all().all(is_common) {
            out.push(b',');
            parameter(&each.code, &each.url, each.kind, out);
        }
    }
    special(registry, out);
}

/// What every resource has without an index row.
fn columns(out: &mut Vec<u8>) {
    let base = "http://hl7.org/fhir/SearchParameter/Resource-";
    out.extend_from_slice(b"{\"name\":\"_id\"");
    member("definition", &format!("{base}id"), out);
    member("type", "token", out);
    out.extend_from_slice(b"},{\"name\":\"_lastUpdated\"");
    member("definition", &format!("{base}lastUpdated"), out);
    member("type", "date", out);
    out.push(b'}');
}

/// What a parameter of this kind may carry behind its name, and before its value.
const fn modifiers(kind: ParameterKind) -> Option<&'static str> {
    match kind {
        ParameterKind::String => Some("Modifiers: missing, exact, contains, text."),
        ParameterKind::Token => {
            Some("Modifiers: missing, text, not, above, below, in, not-in, of-type.")
        }
        ParameterKind::Reference => Some(
            "Modifiers: missing, identifier, above, below, the name of a target type. Chains of \
             any depth.",
        ),
        ParameterKind::Uri => Some("Modifiers: missing, above, below."),
        ParameterKind::Date | ParameterKind::Number | ParameterKind::Quantity => {
            Some("Modifier: missing. Prefixes: eq, ne, gt, lt, ge, le, sa, eb, ap.")
        }
        ParameterKind::Special => Some("latitude|longitude|distance|units."),
        ParameterKind::Composite => None,
    }
}

fn is_answered(parameter: &SearchParameter) -> bool {
    parameter.is_live
        && !parameter.is_contained()
        && !matches!(parameter.code.as_str(), "_id" | "_lastUpdated")
}

fn parameter(code: &str, url: &str, kind: ParameterKind, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    write::string(code, out);
    member("definition", url, out);
    member("type", kind.as_str(), out);
    if let Some(modifiers) = modifiers(kind) {
        member("documentation", modifiers, out);
    }
    out.push(b'}');
}

fn interactions(level: Level, out: &mut Vec<u8>) {
    let codes = INTERACTIONS.iter().filter(|each| each.level() == level).map(|each| each.code());
    for (at, code) in codes.enumerate() {
        out.extend_from_slice(if at == 0 { b",\"interaction\":[" } else { b"," });
        out.extend_from_slice(b"{\"code\":");
        write::string(code, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(name, out);
    out.push(b':');
    write::string(value, out);
}

fn list(name: &str, values: &[String], out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    out.push(b',');
    write::string(name, out);
    out.push(b':');
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    strings(&values, out);
}

fn strings(values: &[&str], out: &mut Vec<u8>) {
    for (at, value) in values.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        write::string(value, out);
    }
    out.push(b']');
}
