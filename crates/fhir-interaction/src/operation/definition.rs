//! Where an operation is defined: in R4, or here.
//!
//! Our own definitions are written as values and served as OperationDefinition resources under
//! `OperationDefinition/kantele-<name>`, unless somebody stores a resource there.

mod booking;

use fhir_definitions::{ResourceType, r4};
use fhir_model::{Id, ResourceKey, write};

use super::list::Operation;
use super::table::OPERATIONS;

pub(super) use booking::{BOOK, CANCEL, FIND, HOLD};

/// Where the definition of an operation is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Definition {
    /// In R4, by its canonical URL.
    R4(&'static str),
    /// Here.
    Own(&'static Own),
}

/// A definition of ours.
#[derive(Debug)]
pub(super) struct Own {
    /// Canonical URL.
    url: &'static str,
    /// The id under which it is served.
    id: &'static str,
    title: &'static str,
    description: &'static str,
    parameters: &'static [OwnParameter],
}

/// A parameter of a definition of ours.
#[derive(Debug)]
struct OwnParameter {
    name: &'static str,
    is_input: bool,
    min: u16,
    max: &'static str,
    /// None where it has parts.
    kind: Option<&'static str>,
    documentation: &'static str,
}

/// A parameter as the check of arguments needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) is_input: bool,
    pub(super) min: usize,
    /// None for any number.
    pub(super) max: Option<usize>,
    /// The name of its type; none where it has parts.
    pub(super) kind: Option<&'static str>,
}

impl Parameter {
    fn new(
        name: &'static str,
        is_input: bool,
        min: u16,
        max: &str,
        kind: Option<&'static str>,
    ) -> Self {
        Self { name, is_input, min: usize::from(min), max: max.parse().ok(), kind }
    }

    /// Whether it takes a resource.
    pub(super) fn is_resource(&self) -> bool {
        self.kind.is_some_and(|kind| {
            matches!(kind, "Resource" | "Any" | "DomainResource")
                || ResourceType::named(kind).is_some()
        })
    }
}

/// Parameters that R4 lets stand once and that are taken any number of times here: a resource is
/// often meant for several profiles.
const REPEATED: &[(&str, &str)] =
    &[("http://hl7.org/fhir/OperationDefinition/Resource-validate", "profile")];

impl Definition {
    /// The canonical URL.
    pub(super) fn url(&self) -> &'static str {
        match self {
            Self::R4(url) => url,
            Self::Own(own) => own.url,
        }
    }

    /// All parameters, in and out.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        match self {
            Self::R4(url) => {
                let found = r4().operations.iter().find(|definition| definition.url == *url);
                let parameters = found.map(|definition| definition.parameters.as_slice());
                let read = |p: &fhir_definitions::OperationParameter| {
                    let max = if REPEATED.contains(&(*url, p.name)) { "*" } else { p.max };
                    Parameter::new(p.name, p.is_input, p.min, max, p.value_type)
                };
                parameters.unwrap_or_default().iter().map(read).collect()
            }
            Self::Own(own) => {
                let read =
                    |p: &OwnParameter| Parameter::new(p.name, p.is_input, p.min, p.max, p.kind);
                own.parameters.iter().map(read).collect()
            }
        }
    }
}

/// The OperationDefinition that is served under this key: one of our own.
pub(crate) fn own_definition(key: &ResourceKey) -> Option<Vec<u8>> {
    if key.resource_type != ResourceType::OPERATION_DEFINITION {
        return None;
    }
    OPERATIONS.iter().find_map(|operation| match operation.definition {
        Definition::Own(own) if is_id(&key.id, own.id) => Some(written(operation, own)),
        Definition::Own(_) | Definition::R4(_) => None,
    })
}

fn is_id(id: &Id, own: &str) -> bool {
    id.as_str() == own
}

fn written(operation: &Operation, own: &Own) -> Vec<u8> {
    let mut out = b"{\"resourceType\":\"OperationDefinition\"".to_vec();
    let code = operation.name.trim_start_matches('$');
    let name: String = code.split('-').map(capital).collect();
    let texts = [
        ("id", own.id),
        ("url", own.url),
        ("version", env!("CARGO_PKG_VERSION")),
        ("name", &name),
        ("title", own.title),
        ("status", "active"),
        ("kind", "operation"),
        ("description", own.description),
    ];
    for (key, text) in texts {
        member(key, text, &mut out);
    }
    flag("affectsState", operation.affects_state(), &mut out);
    member("code", code, &mut out);
    for (at, of) in operation.types().iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"resource\":[" } else { b"," });
        write::string(of.as_str(), &mut out);
    }
    if operation.types().is_empty() {
        out.extend_from_slice(b",\"resource\":[\"Resource\"");
    }
    out.push(b']');
    let (system, of_type, instance) = operation.levels();
    flag("system", system, &mut out);
    flag("type", of_type, &mut out);
    flag("instance", instance, &mut out);
    for (at, parameter) in own.parameters.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"parameter\":[{\"name\":" } else { b",{\"name\":" });
        write::string(parameter.name, &mut out);
        member("use", if parameter.is_input { "in" } else { "out" }, &mut out);
        out.extend_from_slice(b",\"min\":");
        write::integer(i64::from(parameter.min), &mut out);
        member("max", parameter.max, &mut out);
        member("documentation", parameter.documentation, &mut out);
        if let Some(kind) = parameter.kind {
            member("type", kind, &mut out);
        }
        out.push(b'}');
    }
    if !own.parameters.is_empty() {
        out.push(b']');
    }
    out.push(b'}');
    out
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(name, out);
    out.push(b':');
    write::string(value, out);
}

fn flag(name: &str, value: bool, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(name, out);
    out.extend_from_slice(if value { b":true" } else { b":false" });
}

const fn input(
    name: &'static str,
    min: u16,
    max: &'static str,
    kind: Option<&'static str>,
    documentation: &'static str,
) -> OwnParameter {
    OwnParameter { name, is_input: true, min, max, kind, documentation }
}

const fn output(
    name: &'static str,
    max: &'static str,
    kind: Option<&'static str>,
    documentation: &'static str,
) -> OwnParameter {
    OwnParameter { name, is_input: false, min: 0, max, kind, documentation }
}

const STATE: OwnParameter = output(
    "searchParameter",
    "*",
    None,
    "Each search parameter that came while the server ran or is built once more, in parts: url, \
     base, code, state (building, live, rebuilding or retired), done and total (resources).",
);

pub(super) static VALIDATE: Own = Own {
    url: "urn:kantele:OperationDefinition:validate",
    id: "kantele-validate",
    title: "Validate a resource of any type",
    description: "As $validate of the specification, which is called on a type or a resource.",
    parameters: &[
        input("resource", 0, "1", Some("Any"), "The resource."),
        input("mode", 0, "1", Some("code"), "create, update or profile."),
        input("profile", 0, "*", Some("uri"), "Canonicals of profiles that it is held to as well."),
        output("return", "1", Some("OperationOutcome"), "What was found."),
    ],
};

pub(super) static ACTIVATE: Own = Own {
    url: "urn:kantele:OperationDefinition:activate",
    id: "kantele-activate",
    title: "Put a stored search parameter in force",
    description: "From now on writes are indexed by it; the resources that were there before \
                  follow in the background, and then searches may use it.",
    parameters: &[STATE],
};

pub(super) static DEACTIVATE: Own = Own {
    url: "urn:kantele:OperationDefinition:deactivate",
    id: "kantele-deactivate",
    title: "Take a stored search parameter out of use",
    description: "Searches cannot use it any more; its index rows go.",
    parameters: &[STATE],
};

pub(super) static REINDEX: Own = Own {
    url: "urn:kantele:OperationDefinition:reindex",
    id: "kantele-reindex",
    title: "Build index rows once more, or tell how far that is",
    description: "By POST the rows of one search parameter or of all are gone through once more \
                  while they answer; by GET nothing is started and the state is told.",
    parameters: &[
        input("url", 0, "1", Some("uri"), "Only the search parameter with this canonical URL."),
        STATE,
        output(
            "fullText",
            "1",
            None,
            "Without a url: the words of _text and _content, in parts: state (live, building or \
             off), and while they are indexed done and total (resources).",
        ),
    ],
};

pub(super) static PURGE: Own = Own {
    url: "urn:kantele:OperationDefinition:purge",
    id: "kantele-purge",
    title: "Remove a resource for good",
    description: "Every version, index row and word of a resource goes, deleted or not; with a \
                  Patient all of the patient's compartment but groups and other persons. The \
                  answer reports what was removed, and what was found left when the tables were \
                  gone through once more.",
    parameters: &[
        output("resources", "1", None, "Removed resources, a part for each type."),
        output("versions", "1", Some("decimal"), "Removed versions, deletes among them."),
        output("removed", "1", None, "Removed rows, a part for each table."),
        output("left", "1", None, "Rows found afterwards, a part for each table: 0 everywhere."),
        output("referring", "1", Some("decimal"), "Live resources that still refer to them."),
        output("clean", "1", Some("boolean"), "Whether nothing was left."),
    ],
};

pub(super) static FHIRPATH: Own = Own {
    url: "urn:kantele:OperationDefinition:fhirpath",
    id: "kantele-fhirpath",
    title: "Evaluate a FHIRPath expression",
    description: "Asked and answered in the form of the public FHIRPath Lab. Nothing stored is \
                  read; resolve() finds what is contained or in the same Bundle.",
    parameters: &[
        input("expression", 1, "1", Some("string"), "The expression."),
        input("context", 0, "1", Some("string"), "Evaluate on each item that this one gives."),
        input(
            "resource",
            1,
            "1",
            Some("Any"),
            "The resource, or an extension json-value or xml-value that has it as text.",
        ),
        input("variables", 0, "*", None, "A part for each variable: its name and its value."),
        input(
            "validate",
            0,
            "1",
            Some("boolean"),
            "Taken and without effect: types are always told.",
        ),
        input("terminologyserver", 0, "1", Some("string"), "Taken and never asked."),
        output("parameters", "1", None, "What was asked, the evaluator and the expected types."),
        output("result", "*", None, "For each context a part for each item, and the traces."),
    ],
};

pub(super) static STATS: Own = Own {
    url: "urn:kantele:OperationDefinition:stats",
    id: "kantele-stats",
    title: "How much there is",
    description: "Counts of what the caller may see, and the size of the database.",
    parameters: &[
        output("live", "1", None, "Live resources: total, and a part for each type."),
        output("versions", "1", Some("decimal"), "Versions, deletes among them."),
        output("databaseBytes", "1", Some("decimal"), "Bytes of the database, index included."),
        output("ownSearchParameters", "1", None, "Stored search parameters by their state."),
    ],
};

pub(super) static VALUE_SETS: Own = Own {
    url: "urn:kantele:OperationDefinition:value-sets",
    id: "kantele-value-sets",
    title: "Which value sets can be expanded",
    description: "The number of codes of each value set, or the reason why it cannot be expanded: \
                  those of R4, of the installed packages and of the store.",
    parameters: &[
        input("url", 0, "*", Some("uri"), "Value sets to look at; all where none is named."),
        input("lacking", 0, "1", Some("boolean"), "Only those that cannot be expanded."),
        output(
            "valueSet",
            "*",
            None,
            "Each value set in parts: url, source (stored, package or r4), codes or reason, and \
             partial for each code system of which only a part is here.",
        ),
        output("expandable", "1", Some("decimal"), "How many can be expanded."),
        output("lacking", "1", Some("decimal"), "How many cannot."),
    ],
};

const PACKAGE: OwnParameter = output(
    "package",
    "*",
    None,
    "Each package in parts: name, version, what became of it (fate: new, replaced or unchanged) or \
     its status (ok or faults), counts by type of what is kept and what is left out, what meets each \
     dependency, faults of resources, canonicals that another package has too.",
);

pub(super) static PACKAGE_INSTALL: Own = Own {
    url: "urn:kantele:OperationDefinition:package-install",
    id: "kantele-package-install",
    title: "Install packages",
    description: "All of the given packages are installed, or none. What they depend on has to be \
                  given too, or installed, or built in (hl7.fhir.r4.core).",
    parameters: &[
        input("package", 1, "*", Some("Binary"), "A package: the archive (.tgz) as its data."),
        input("without", 0, "*", Some("string"), "The name of a package that may be missing."),
        input(
            "anyVersion",
            0,
            "1",
            Some("boolean"),
            "A dependency may be met by another version than the wished one.",
        ),
        input("dryRun", 0, "1", Some("boolean"), "Nothing is written; the answer is the same."),
        PACKAGE,
    ],
};

pub(super) static PACKAGE_UNINSTALL: Own = Own {
    url: "urn:kantele:OperationDefinition:package-uninstall",
    id: "kantele-package-uninstall",
    title: "Remove packages",
    description: "All of the named packages go, or none. Refused while others need them.",
    parameters: &[
        input("package", 1, "*", Some("string"), "A name, for all versions, or name#version."),
        input("force", 0, "1", Some("boolean"), "They go although others need them."),
        input("dryRun", 0, "1", Some("boolean"), "Nothing is written; the answer is the same."),
        output("removed", "*", Some("string"), "Each package that is gone, as name#version."),
    ],
};

pub(super) static PACKAGE_LIST: Own = Own {
    url: "urn:kantele:OperationDefinition:package-list",
    id: "kantele-package-list",
    title: "The installed packages",
    description: "Each with its status and what was found when it was installed.",
    parameters: &[PACKAGE],
};
