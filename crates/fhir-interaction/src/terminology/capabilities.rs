//! The `TerminologyCapabilities`: what `GET /metadata?mode=terminology` answers.
//! Spec: <https://hl7.org/fhir/R4/terminologycapabilities.html>

use std::collections::BTreeMap;

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, write};
use fhir_terminology::Grammar;

use crate::app::App;
use crate::request::{Answer, Request};

/// The parameters of `$expand` that are answered, and what they do.
const PARAMETERS: &[(&str, &str)] = &[
    ("activeOnly", "retired codes are left out"),
    ("check-system-version", "another version is refused"),
    ("count", "the most codes of a page"),
    ("date", "today's; answers as of another day are refused"),
    ("designation", "designations of these languages and uses"),
    ("displayLanguage", "names in this language, where there are some"),
    ("exclude-system", "codes of these systems are left out"),
    ("excludeNested", "a flat list"),
    ("excludeNotForUI", "a flat list without abstract codes"),
    ("excludePostCoordinated", "no expansion here has post-coordinated codes"),
    ("filter", "each word begins a word of a name, or the code"),
    ("force-system-version", "this version, whatever the value set names"),
    ("includeDefinition", "the compose of the value set"),
    ("includeDesignations", "all designations"),
    ("offset", "codes that are passed over"),
    ("system-version", "this version where the value set names none"),
    ("url", "the value set"),
    ("valueSet", "the value set itself"),
    ("valueSetVersion", "its version"),
];

/// What this server is able to do about codes.
///
/// The code systems are those of R4, of the installed packages and of imports; what clients store
/// comes on top.
///
/// # Errors
/// What the gate refuses, and the store's failures.
pub fn terminology_capabilities(app: &App, request: &Request) -> Result<Answer, Failure> {
    app.gate(request, Interaction::Capabilities, None)?;
    let mut out = b"{\"resourceType\":\"TerminologyCapabilities\"".to_vec();
    member("url", &format!("{}/metadata?mode=terminology", request.base), &mut out);
    for (key, text) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("name", "KanteleTerminology"),
        ("title", "Terminology of this Kantele"),
        ("status", "active"),
    ] {
        member(key, text, &mut out);
    }
    member("date", &app.now().to_string(), &mut out);
    member("kind", "instance", &mut out);
    out.extend_from_slice(b",\"software\":{\"name\":\"Kantele\"");
    member("version", env!("CARGO_PKG_VERSION"), &mut out);
    out.extend_from_slice(b"},\"implementation\":{\"description\":");
    write::string(&description(app), &mut out);
    member("url", &request.base, &mut out);
    out.extend_from_slice(b"},\"lockedDate\":false");
    write_systems(&systems(app)?, &mut out);
    out.extend_from_slice(
        b",\"expansion\":{\"hierarchical\":true,\"paging\":true,\"incomplete\":false",
    );
    for (at, (name, documentation)) in PARAMETERS.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"parameter\":[{\"name\":" } else { b",{\"name\":" });
        write::string(name, &mut out);
        member("documentation", documentation, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]");
    let filter = "words in any order, in any language, without regard to case";
    member("textFilter", filter, &mut out);
    out.extend_from_slice(b"},\"codeSearch\":\"all\",\"validateCode\":{\"translations\":true}");
    out.extend_from_slice(
        b",\"translation\":{\"needsMap\":true},\"closure\":{\"translation\":false}}",
    );
    Ok(Answer::ok(out))
}

/// What this server is, and whom it asks.
fn description(app: &App) -> String {
    match app.asks_elsewhere_about() {
        [] => "Kantele".to_owned(),
        prefixes => format!(
            "Kantele; what nobody here can tell is asked of another terminology server, for code \
             systems and value sets that begin with {}",
            prefixes.join(", ")
        ),
    }
}

/// Versions by URL.
fn systems(app: &App) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut systems: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for url in app.knowledge().terminology().embedded_code_systems() {
        systems.entry(url.to_owned()).or_default();
    }
    for grammar in [Grammar::Ucum, Grammar::Bcp47, Grammar::Bcp13] {
        systems.entry(grammar.url().to_owned()).or_default();
    }
    for (url, version) in app.packages().canonicals(ResourceType::CODE_SYSTEM) {
        systems.entry(url).or_default().extend(version);
    }
    for imported in app.imported_code_systems()? {
        let (url, version) = imported.canonical.split_once('|').unwrap_or_default();
        systems.entry(url.to_owned()).or_default().push(version.to_owned());
    }
    Ok(systems)
}

fn write_systems(systems: &BTreeMap<String, Vec<String>>, out: &mut Vec<u8>) {
    for (at, (url, versions)) in systems.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"codeSystem\":[{\"uri\":" } else { b",{\"uri\":" });
        write::string(url, out);
        let mut versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        versions.sort_unstable();
        versions.dedup();
        for (at, version) in versions.iter().enumerate() {
            out.extend_from_slice(if at == 0 {
                b",\"version\":[{\"code\":"
            } else {
                b",{\"code\":"
            });
            write::string(version, out);
            out.push(b'}');
        }
        if !versions.is_empty() {
            out.push(b']');
        }
        out.push(b'}');
    }
    if !systems.is_empty() {
        out.push(b']');
    }
}

fn member(key: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(key, out);
    out.push(b':');
    write::string(text, out);
}
