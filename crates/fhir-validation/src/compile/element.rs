//! Reads one ElementDefinition into a rule.

use fhir_definitions::ResourceType;
use fhir_model::{Kind, Severity, Value};
use fhir_path::{Expression, Type};
use fhir_structure::Canonical;
use regex_lite::Regex;

use super::Builder;
use crate::constant::Constant;
use crate::native::{Guard, Native};
use crate::program::{
    Binding, Bounds, Condition, Constraint, ProgramId, Rule, Strength, Target, TypeRule,
    Versioning, aggregation,
};

const TYPE_BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const BEST_PRACTICE: &str =
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
/// Asked of every element; the parser refuses what breaks them, or the walk knows them.
const EVERYWHERE: [&str; 2] = ["ele-1", "ext-1"];
/// A regular expression of a profile may take so much memory when it is compiled.
const REGEX_BYTES: usize = 1 << 20;

/// The text of a member.
pub(super) fn text<'a>(value: Value<'a>, key: &str) -> Option<std::borrow::Cow<'a, str>> {
    value.get(key)?.text()
}

/// The value of an extension that stands on an element of the definition.
fn extension<'a>(value: Value<'a>, url: &str) -> Option<Value<'a>> {
    let list = value.get("extension")?;
    let found = list.items().find(|each| text(*each, "url").is_some_and(|found| found == url))?;
    found.members().find(|(key, _)| key.starts_with("value")).map(|(_, value)| value)
}

impl Builder<'_> {
    /// The rule of an element, but for what connects it with others.
    pub(super) fn read(&mut self, element: Value<'_>, path: &str) -> Rule {
        let id = text(element, "id").map_or_else(|| path.into(), |id| Box::from(&*id));
        let last = path.rsplit('.').next().unwrap_or_default();
        let mut rule = Rule {
            id,
            name: last.strip_suffix("[x]").unwrap_or(last).into(),
            min: count(element.get("min")).unwrap_or(0),
            max: text(element, "max").and_then(|max| max.parse().ok()),
            types: self.types(element),
            binding: binding(element),
            bounds: self.bounds(element, path),
            ..Rule::default()
        };
        for (key, value) in element.members() {
            if let Some(name) = key.strip_prefix("fixed") {
                rule.fixed = Constant::of(value, name);
            } else if let Some(name) = key.strip_prefix("pattern") {
                rule.pattern = Constant::of(value, name);
            }
        }
        rule
    }

    fn types(&self, element: Value<'_>) -> Vec<TypeRule> {
        let list = element.get("type").into_iter().flat_map(Value::items);
        list.map(|each| {
            let code = text(each, "code").unwrap_or_default();
            let texts = |key: &str| {
                let list = each.get(key).into_iter().flat_map(Value::items);
                list.filter_map(Value::text).collect::<Vec<_>>()
            };
            let targets = texts("targetProfile");
            let own = format!("{TYPE_BASE}{code}");
            let is_other = |canonical: &str| Canonical::of(canonical).url != own;
            let profiles = texts("profile");
            let profiles = profiles.iter().filter(|canonical| is_other(canonical));
            TypeRule {
                code: Type::named(&code),
                profiles: profiles.filter_map(|each| self.program(each)).collect(),
                targets: targets.iter().filter_map(|each| self.target(each)).collect(),
                aggregation: texts("aggregation").iter().fold(0, |bits, each| {
                    bits | match &**each {
                        "contained" => aggregation::CONTAINED,
                        "referenced" => aggregation::REFERENCED,
                        "bundled" => aggregation::BUNDLED,
                        _ => 0,
                    }
                }),
                versioning: match text(each, "versioning").as_deref() {
                    Some("independent") => Versioning::Independent,
                    Some("specific") => Versioning::Specific,
                    _ => Versioning::Either,
                },
            }
        })
        .collect()
    }

    fn program(&self, canonical: &str) -> Option<ProgramId> {
        self.library.intern(canonical)
    }

    fn target(&self, canonical: &str) -> Option<Target> {
        let name = Canonical::of(canonical).url.strip_prefix(TYPE_BASE);
        if matches!(name, Some("Resource" | "DomainResource")) {
            return Some(Target::Any);
        }
        let found = name.and_then(ResourceType::named);
        found.map(Target::Type).or_else(|| self.program(canonical).map(Target::Profile))
    }

    fn bounds(&mut self, element: Value<'_>, path: &str) -> Option<Box<Bounds>> {
        let mut bounds = Bounds::default();
        for (key, value) in element.members() {
            if let Some(name) = key.strip_prefix("minValue") {
                bounds.least = Constant::of(value, name);
            } else if let Some(name) = key.strip_prefix("maxValue") {
                bounds.greatest = Constant::of(value, name);
            }
        }
        bounds.max_length = count(element.get("maxLength"));
        if let Some(pattern) = extension(element, REGEX).and_then(Value::text) {
            // The whole value must match, whatever the pattern has of anchors.
            let whole = regex_lite::RegexBuilder::new(&format!("^(?:{pattern})$"))
                .size_limit(REGEX_BYTES)
                .build();
            match whole {
                Ok(regex) => bounds.regex = Some(regex),
                Err(_) => self.fault(path, "its regular expression cannot be read"),
            }
        }
        let is_set = bounds.least.is_some()
            || bounds.greatest.is_some()
            || bounds.max_length.is_some()
            || bounds.regex.as_ref().is_some_and(|regex: &Regex| !regex.as_str().is_empty());
        is_set.then(|| Box::new(bounds))
    }

    /// The constraints of an element, without those that `is_known` says are asked elsewhere.
    pub(super) fn constraints(
        &mut self,
        element: Value<'_>,
        definition: Option<&'static fhir_definitions::TypeDefinition>,
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        for each in element.get("constraint").into_iter().flat_map(Value::items) {
            let key = text(each, "key").unwrap_or_default();
            if EVERYWHERE.contains(&&*key) || is_known(&key) {
                continue;
            }
            let Some(expression) = text(each, "expression") else { continue };
            let native = definition.and_then(|found| Native::of(&expression, found));
            let condition = match (native, Guard::of(&key)) {
                (Some(native), _) => Ok(Condition::Native(native)),
                (None, Some(guard)) => Expression::parse(&expression)
                    .map(|expression| Condition::Guarded(guard, expression)),
                (None, None) => Expression::parse(&expression).map(Condition::Path),
            };
            let condition = match condition {
                Ok(condition) => condition,
                Err(error) => {
                    let text = format!("its expression cannot be read: {error}");
                    self.fault(&key, &text);
                    continue;
                }
            };
            let marked = extension(each, BEST_PRACTICE);
            constraints.push(Constraint {
                human: text(each, "human").unwrap_or_default().into(),
                severity: match text(each, "severity").as_deref() {
                    Some("warning") => Severity::Warning,
                    _ => Severity::Error,
                },
                is_best_practice: marked.is_some_and(|value| value.kind() == Kind::True),
                key: key.into(),
                condition,
            });
        }
        constraints
    }
}

fn count(value: Option<Value<'_>>) -> Option<u32> {
    value?.literal()?.parse().ok()
}

fn binding(element: Value<'_>) -> Option<Box<Binding>> {
    let binding = element.get("binding")?;
    let strength = match text(binding, "strength")?.as_ref() {
        "required" => Strength::Required,
        "extensible" => Strength::Extensible,
        "preferred" => Strength::Preferred,
        _ => return None,
    };
    let max = extension(binding, MAX_VALUE_SET).and_then(Value::text).map(Box::from);
    let value_set = text(binding, "valueSet")?;
    let url = Canonical::of(&value_set).url;
    let codes = fhir_definitions::r4().code_sets.iter().find(|set| set.url == url);
    Some(Box::new(Binding { strength, value_set: (*value_set).into(), codes, max_value_set: max }))
}
