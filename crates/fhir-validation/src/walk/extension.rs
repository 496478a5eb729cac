//! Extensions: whether they are known, and whether they may stand where they do.

use fhir_model::{Severity, Value};
use fhir_path::{Item, Type};

use super::Walk;
use crate::at::At;
use crate::inquiry::Scope;
use crate::path::Path;
use crate::program::{Context, Program};
use crate::report::RuleKind;

impl<'a> Walk<'a> {
    /// Looks up the definition of an extension, puts it on top and holds it to its context.
    pub(super) fn extension(
        &mut self,
        at: &At<'a>,
        (from, is_modifier): (usize, bool),
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        self.value_or_parts(at, path);
        let Some(url) = at.text("url") else { return };
        // A name without a scheme is a part of the extension around it, whose definition it is in.
        if !url.contains(':') {
            if self.hosts.last().is_some_and(|host| host.name != "Extension") {
                let text = "expected an absolute url, found a name".to_owned();
                // Published definitions do fix such urls; a modifier nobody knows is worse.
                let severity = if is_modifier { Severity::Error } else { Severity::Warning };
                let what = (severity, RuleKind::Extension);
                self.find(what, at.offset(), path, "Extension.url".to_owned(), text);
            }
            return;
        }
        let id = self.inquiry.library.known(&url);
        let program = id.and_then(|id| self.program(id));
        let Some(program) = program else {
            return self.unknown(&url, at, is_modifier, path);
        };
        let Some(usage) = program.usage.as_deref() else {
            let text = "expected the url of an extension, found that of something else".to_owned();
            let what = (Severity::Error, RuleKind::Extension);
            return self.find(what, at.offset(), path, program.url.to_string(), text);
        };
        if usage.is_modifier != is_modifier {
            let (expected, found) = if usage.is_modifier {
                ("modifierExtension", "extension")
            } else {
                ("extension", "modifierExtension")
            };
            let text = format!("expected it in {expected}, found it in {found}");
            let what = (Severity::Error, RuleKind::Extension);
            self.find(what, at.offset(), path, program.url.to_string(), text);
        }
        self.context(program, at, path, scope);
        self.roots(from, program);
    }

    /// `ext-1`: an extension has a value or extensions, and not both.
    fn value_or_parts(&mut self, at: &At<'a>, path: &Path<'_>) {
        let (mut has_value, mut has_parts) = (false, false);
        for (key, _) in at.value.into_iter().flat_map(Value::members) {
            has_parts |= key == "extension";
            has_value |= key.strip_prefix('_').unwrap_or(&key).starts_with("value");
        }
        if has_value == has_parts {
            let text = "constraint ext-1 fails: Must have either extensions or value[x], not both";
            let what = (Severity::Error, RuleKind::Invariant);
            self.find(what, at.offset(), path, "ext-1".to_owned(), text.to_owned());
        }
    }

    #[cold]
    fn unknown(&mut self, url: &str, at: &At<'a>, is_modifier: bool, path: &Path<'_>) {
        let severity = if is_modifier {
            Severity::Error
        } else if url.starts_with("http://hl7.org/fhir/StructureDefinition/") {
            Severity::Warning
        } else {
            Severity::Information
        };
        let kind = if is_modifier { "modifier extension" } else { "extension" };
        let text = format!("the definition of the {kind} {url} is not here");
        let what = (severity, RuleKind::Extension);
        self.find(what, at.offset(), path, url.to_owned(), text);
    }

    fn context(
        &mut self,
        program: &'a Program,
        at: &At<'a>,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let Some(usage) = program.usage.as_deref() else { return };
        let Some(host) = self.hosts.last().copied() else { return };
        let what = (Severity::Error, RuleKind::Extension);
        let is_here = |context: &Context| match context {
            Context::Element(wanted) => is_element(wanted, &host, path),
            Context::Extension(url) => host.at.text("url").is_some_and(|found| *found == **url),
            Context::Path(expression) => {
                let focus = [Item::resource(scope.resource)];
                let found = expression.evaluate(scope.environment, &focus).unwrap_or_default();
                let offset = |item: &Item<'a>| {
                    let node = item.node()?;
                    node.value().or(node.beside()).map(Value::offset)
                };
                found.iter().any(|item| offset(item) == Some(host.at.offset()))
            }
        };
        if !usage.contexts.is_empty() && !usage.contexts.iter().any(is_here) {
            let wanted: Vec<&str> = usage
                .contexts
                .iter()
                .map(|context| match context {
                    Context::Element(text) | Context::Extension(text) => &**text,
                    Context::Path(_) => "what an expression says",
                })
                .collect();
            let text = format!("expected it on {}, found it on {}", wanted.join(", "), host.name);
            self.find(what, at.offset(), path, program.url.to_string(), text);
        }
        for (text, invariant) in &usage.invariants {
            let focus = [host.at.item()];
            if invariant.holds(scope.environment, &focus) == Ok(Some(false)) {
                let text = format!("what must hold where it stands does not: {text}");
                self.find(what, at.offset(), path, program.url.to_string(), text);
            }
        }
    }
}

/// The element that an extension stands on.
#[derive(Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) at: At<'a>,
    /// `Patient.contact`, `HumanName`: the name of its type.
    pub(super) name: &'static str,
    /// The type that it is an element of, and its name there.
    pub(super) place: Option<(&'static str, &'static str)>,
}

/// Whether an element is the one that a context names: by type, by the path in its type, or by
/// the whole path.
fn is_element(wanted: &str, host: &Host<'_>, path: &Path<'_>) -> bool {
    let wanted = wanted.strip_suffix("[x]").unwrap_or(wanted);
    // A profile's element: `url#Element.path`.
    let wanted = wanted.split_once('#').map_or(wanted, |(_, path)| path);
    let kind = host.at.kind;
    let is_type = match wanted {
        // Resources count as elements here: R4's own extensions on resources say `Element`.
        "Element" => true,
        "BackboneElement" => kind.is_a(Type::BackboneElement),
        "Resource" => kind.is_resource(),
        "DomainResource" => kind.is_a(Type::DomainResource),
        "CanonicalResource" | "MetadataResource" => {
            kind.is_resource() && is_canonical_resource(kind)
        }
        _ => host.name == wanted || kind.name() == wanted,
    };
    if is_type {
        return true;
    }
    let is_owned = host.place.is_some_and(|(owner, name)| {
        wanted.strip_suffix(name).and_then(|rest| rest.strip_suffix('.')) == Some(owner)
    });
    is_owned || path.parent.is_some_and(|parent| parent.plain() == wanted)
}

/// Whether resources of a type have a canonical url.
fn is_canonical_resource(kind: Type) -> bool {
    let Type::Complex(index) = kind else { return false };
    let definition = fhir_definitions::r4().get(index);
    definition.element("url").is_some() && definition.element("status").is_some()
}
