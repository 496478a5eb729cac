//! From the resource to [`CustomParameter`], with all faults.

use std::collections::BTreeMap;
use std::str::FromStr;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, IssueType, ResourceView, Value};

use super::CustomParameter;
use crate::{Component, ParameterId, ParameterKind, Registry, index};

pub(super) fn read(
    view: ResourceView<'_>,
    registry: &Registry,
) -> Result<CustomParameter, Failure> {
    let mut reader = Reader { view, registry, issues: Vec::new(), collides: false };
    let parameter = reader.parameter();
    match parameter {
        Some(parameter) if reader.issues.is_empty() => Ok(parameter),
        _ => {
            let only_collides = reader.collides && reader.issues.len() == 1;
            let kind =
                if only_collides { FailureKind::Conflict } else { FailureKind::InvalidResource };
            Err(Failure::with_issues(kind, reader.issues))
        }
    }
}

struct Reader<'a> {
    view: ResourceView<'a>,
    registry: &'a Registry,
    issues: Vec<Issue>,
    /// The code is taken, which is no fault of the definition itself.
    collides: bool,
}

impl Reader<'_> {
    fn fault(&mut self, place: &str, diagnostics: impl Into<String>) {
        let place = format!("SearchParameter.{place}");
        self.issues.push(Issue::error(IssueType::Invariant, diagnostics).at(place));
    }

    fn parameter(&mut self) -> Option<CustomParameter> {
        if self.view.resource_type != ResourceType::SEARCH_PARAMETER {
            let told = format!("expected a SearchParameter, found {}", self.view.resource_type);
            self.issues.push(Issue::error(IssueType::Invariant, told));
            return None;
        }
        let url = self.required("url");
        let code = self.code();
        let kind = self.kind();
        let bases = self.bases();
        let expression = self.required("expression");
        let targets = self.types("target");
        let components = self.components(kind);
        let (url, code) = (url?, code?);
        self.collisions(&bases, &code, &url);
        let parameter = CustomParameter {
            url,
            code,
            kind: kind?,
            bases,
            expression: expression?,
            targets,
            components,
        };
        if self.issues.is_empty() {
            self.expressions(&parameter);
        }
        Some(parameter)
    }

    /// Each type of the parameter must be able to give values of its type. Types with the same
    /// fault are told together.
    fn expressions(&mut self, parameter: &CustomParameter) {
        let mut faults: BTreeMap<(Option<usize>, String), Vec<&str>> = BTreeMap::new();
        for one in parameter.parameters(&mut |_, _, _| ParameterId(1)) {
            if let Some(misfit) = index::misfit(&one) {
                let fault = (misfit.component, misfit.reason);
                faults.entry(fault).or_default().push(one.base.as_str());
            }
        }
        for ((component, reason), bases) in faults {
            let place = match component {
                Some(at) => format!("component[{at}].expression"),
                None => "expression".to_owned(),
            };
            if bases.len() == parameter.bases.len() {
                self.fault(&place, reason);
            } else {
                self.fault(&place, format!("for {}: {reason}", bases.join(", ")));
            }
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.view.value.get(key)?.text().map(std::borrow::Cow::into_owned)
    }

    fn required(&mut self, key: &str) -> Option<String> {
        let found = self.text(key).filter(|text| !text.is_empty());
        if found.is_none() {
            self.fault(key, format!("a search parameter in use needs its {key}"));
        }
        found
    }

    /// The code stands between `?` or `&` and `:`, `.` or `=` in a URL.
    fn code(&mut self) -> Option<String> {
        let code = self.required("code")?;
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if code.starts_with('_') || !code.chars().all(is_part) {
            self.fault(
                "code",
                "expected letters, digits, hyphens and underscores, no underscore first",
            );
            return None;
        }
        Some(code)
    }

    fn kind(&mut self) -> Option<ParameterKind> {
        let kind = ParameterKind::from_str(&self.required("type")?).ok();
        if kind.is_none_or(|kind| kind == ParameterKind::Special) {
            self.fault("type", "expected a type of search parameter other than special");
            return None;
        }
        kind
    }

    fn bases(&mut self) -> Vec<ResourceType> {
        let names = self.view.value.get("base").map_or_else(Vec::new, names);
        if names.is_empty() {
            self.fault("base", "expected at least one resource type");
        }
        if names.iter().any(|name| ["Resource", "DomainResource"].contains(&name.as_str())) {
            let is_domain = names.iter().all(|name| name != "Resource");
            let definitions = fhir_definitions::r4();
            let has_text = |base: &ResourceType| {
                !is_domain || definitions.resource(*base).element("contained").is_some()
            };
            return ResourceType::all().filter(has_text).collect();
        }
        self.types("base")
    }

    fn types(&mut self, key: &str) -> Vec<ResourceType> {
        let names = self.view.value.get(key).map_or_else(Vec::new, names);
        let mut types = Vec::new();
        for (at, name) in names.iter().enumerate() {
            match name.parse() {
                Ok(found) if !types.contains(&found) => types.push(found),
                Ok(_) => {}
                Err(_) => self.fault(&format!("{key}[{at}]"), "expected a resource type of R4"),
            }
        }
        types
    }

    fn components(&mut self, kind: Option<ParameterKind>) -> Vec<Component> {
        let listed: Vec<_> =
            self.view.value.get("component").into_iter().flat_map(Value::items).collect();
        match kind {
            Some(ParameterKind::Composite) if listed.len() < 2 => {
                self.fault("component", "a composite needs two components or more");
            }
            Some(kind) if kind != ParameterKind::Composite && !listed.is_empty() => {
                self.fault("component", "only composites have components");
            }
            _ => {}
        }
        let mut components = Vec::new();
        for (at, component) in listed.into_iter().enumerate() {
            let text = |key: &str| component.get(key).and_then(Value::text).unwrap_or_default();
            let (definition, expression) = (text("definition"), text("expression"));
            let url = definition.split_once('|').map_or(&*definition, |(url, _)| url);
            let Some((code, kind, targets)) = self.registry.definition(url) else {
                let place = format!("component[{at}].definition");
                self.fault(&place, "expected the URL of a search parameter in use");
                continue;
            };
            if expression.is_empty() {
                self.fault(&format!("component[{at}].expression"), "expected an expression");
            }
            let expression = expression.into_owned();
            components.push(Component { code, kind, expression, targets });
        }
        components
    }

    fn collisions(&mut self, bases: &[ResourceType], code: &str, url: &str) {
        let taken = bases
            .iter()
            .filter(|base| self.registry.known(**base, code).is_some_and(|other| other.url != url));
        let taken: Vec<&str> = taken.map(|base| base.as_str()).collect();
        if !taken.is_empty() {
            let told = format!("another search parameter has this code for {}", taken.join(", "));
            self.fault("code", told);
            self.collides = true;
        }
    }
}

fn names(list: Value<'_>) -> Vec<String> {
    list.items().filter_map(|name| Some(name.text()?.into_owned())).collect()
}
