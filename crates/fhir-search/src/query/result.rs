//! Parameters that shape the result: `_sort`, `_count`, `_include` and their kind.
//! Spec: <https://hl7.org/fhir/R4/search.html#return>

use fhir_definitions::ResourceType;
use fhir_model::FailureKind;

use super::near::hint;
use super::parse::{Context, Parsed};
use super::value::{self, Expected};
use super::{ContainedMode, ContainedType, Include, SortBy, SortKey, SummaryMode, TotalMode};
use crate::{ParameterId, ParameterKind, SearchParameter};

/// All result parameters, and what belongs to every request: they shape an answer and select
/// nothing.
pub const RESULT: [&str; 13] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
    "_explain",
    "_type",
    "_format",
    "_pretty",
];

/// Those that may come once only.
pub(crate) const ONCE: [&str; 8] =
    ["_sort", "_count", "_summary", "_total", "_contained", "_containedType", "_explain", "_type"];

impl Context<'_> {
    /// Reads a result parameter. `modifier` is what follows the name's colon.
    pub(crate) fn result(
        &self,
        name: &str,
        modifier: Option<&str>,
        text: &str,
        out: &mut Parsed,
    ) -> Result<(), Expected> {
        let is_include = matches!(name, "_include" | "_revinclude");
        let is_iterate = is_include && matches!(modifier, Some("iterate" | "recurse"));
        if let Some(modifier) = modifier.filter(|_| !is_iterate) {
            let works = if is_include { "; supported here is :iterate" } else { "" };
            let text = format!("the modifier :{modifier} has no meaning here{works}");
            out.notes.fault(FailureKind::UnsupportedModifier, name, text);
            return Ok(());
        }
        match name {
            "_sort" => {
                for key in text.split(',') {
                    out.query.sort.push(self.sort_key(key)?);
                }
            }
            "_count" => {
                let count: u32 = text.parse().map_err(|_error| {
                    format!("expected a whole number from 0, found \"{}\"", value::shape(text))
                })?;
                out.query.count = count.min(self.settings.max_count);
            }
            "_contained" => out.query.contained = contained(text)?,
            "_containedType" => out.query.contained_type = contained_type(text)?,
            "_explain" => self.explain(text, out)?,
            "_summary" => out.query.summary = summary(text)?,
            "_total" => out.query.total = total(text)?,
            "_elements" => {
                for element in text.split(',') {
                    let element = self.element(element)?;
                    if !out.query.elements.contains(&element) {
                        out.query.elements.push(element);
                    }
                }
            }
            "_include" => {
                let includes = self.include(text, is_iterate)?;
                for include in includes.iter().filter(|include| !include.iterate) {
                    if self.types().all(|searched| searched != include.source) {
                        let source = include.source;
                        out.notes
                            .warn(name, format!("no match is a {source}, so nothing is included"));
                    }
                }
                out.query.include.extend(includes);
            }
            "_revinclude" => out.query.revinclude.extend(self.revinclude(text, is_iterate)?),
            _ => {}
        }
        Ok(())
    }

    fn explain(&self, text: &str, out: &mut Parsed) -> Result<(), Expected> {
        match text {
            _ if !self.settings.explain => {
                let text = "plans are not shown on this server".to_owned();
                out.notes.fault(FailureKind::NotSupported, "_explain", text);
            }
            "true" => out.query.explain = true,
            "false" => out.query.explain = false,
            _ => return Err("expected true or false".to_owned()),
        }
        Ok(())
    }

    fn sort_key(&self, text: &str) -> Result<SortKey, Expected> {
        let (code, descending) = match text.strip_prefix('-') {
            Some(code) => (code, true),
            None => (text, false),
        };
        let by = match code {
            "_id" => SortBy::Id,
            "_lastUpdated" => SortBy::LastUpdated,
            "_score" => {
                let text = "no search has scores; sort by a parameter of the type";
                return Err(text.to_owned());
            }
            code => self.sort_by(code)?,
        };
        Ok(SortKey { by, descending })
    }

    fn sort_by(&self, code: &str) -> Result<SortBy, Expected> {
        let parameters = self.parameters(code).ok_or_else(|| {
            let names = self.codes().into_iter().chain(["_id", "_lastUpdated"]);
            let name = shown(code);
            format!("there is no parameter {name} to sort by{}", hint(code, names))
        })?;
        let ids: Vec<ParameterId> = parameters.iter().map(|parameter| parameter.id).collect();
        let kind = parameters.first().map_or(ParameterKind::Special, |first| first.kind);
        match kind {
            ParameterKind::Date => Ok(SortBy::Date(ids)),
            ParameterKind::String => Ok(SortBy::String(ids)),
            ParameterKind::Number | ParameterKind::Quantity => Ok(SortBy::Number(ids)),
            ParameterKind::Uri => Ok(SortBy::Uri(ids)),
            ParameterKind::Token => Ok(SortBy::Token(ids)),
            ParameterKind::Reference => Ok(SortBy::Reference(ids)),
            ParameterKind::Composite | ParameterKind::Special => Err(format!(
                "{code} is a {} parameter, which has no order; sort by _id, _lastUpdated or a \
                 parameter of another type",
                kind.as_str()
            )),
        }
    }

    /// A top-level element, by its key or by the name of its choice, with or without its type
    /// (`Patient.name`).
    fn element(&self, name: &str) -> Result<String, Expected> {
        let (types, element) = match name.split_once('.') {
            None => (self.types().collect::<Vec<_>>(), name),
            Some((of, element)) => {
                let of = resource_type(of).map_err(|_expected| {
                    "expected elements at the root, such as name or Patient.name".to_owned()
                })?;
                (vec![of], element)
            }
        };
        let definitions = fhir_definitions::r4();
        let has = |of: &ResourceType| {
            let definition = definitions.resource(*of);
            let is_choice = definition.groups.iter().any(|group| group.name == element);
            is_choice || definition.element(element).is_some()
        };
        if types.iter().any(has) {
            return Ok(name.to_owned());
        }
        let first = types.first().map(|of| definitions.resource(*of));
        let keys = first.into_iter().flat_map(|of| &of.elements).map(|element| element.key);
        let near = hint(element, keys);
        let of = match types.as_slice() {
            [one] => one.as_str(),
            _ => "what is searched",
        };
        Err(format!("{of} has no element {}{near}", shown(element)))
    }

    fn include(&self, text: &str, iterate: bool) -> Result<Vec<Include>, Expected> {
        if text == "*" {
            let all = |source| self.all_references(source, |_| true, iterate);
            return Ok(self.types().filter_map(all).collect());
        }
        self.named_include(text, iterate).map(|include| vec![include])
    }

    fn revinclude(&self, text: &str, iterate: bool) -> Result<Vec<Include>, Expected> {
        if text == "*" {
            let points_here = |parameter: &SearchParameter| {
                let targets = &parameter.targets;
                targets.is_empty() || self.types().any(|each| targets.contains(&each))
            };
            let all = |source| self.all_references(source, points_here, iterate);
            return Ok(ResourceType::all().filter_map(all).collect());
        }
        self.named_include(text, iterate).map(|include| vec![include])
    }

    /// `Source:parameter`, `Source:parameter:Target` or `Source:*`.
    fn named_include(&self, text: &str, iterate: bool) -> Result<Include, Expected> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, code, target) = match parts.as_slice() {
            [source, code] => (*source, *code, None),
            [source, code, target] => (*source, *code, Some(*target)),
            _ => {
                let text = "expected Type:parameter, Type:parameter:TargetType, Type:* or *";
                return Err(text.to_owned());
            }
        };
        let source = resource_type(source)?;
        let target = target.map(resource_type).transpose()?;
        if code == "*" {
            let points = |parameter: &SearchParameter| {
                let targets = &parameter.targets;
                target.is_none_or(|target| targets.is_empty() || targets.contains(&target))
            };
            let all = self.all_references(source, points, iterate);
            let all = all.map(|include| Include { target, ..include });
            return all.ok_or_else(|| format!("{source} has no reference parameters"));
        }
        let references = || {
            let parameters = self.registry.of_type(source).filter(|parameter| parameter.is_live);
            parameters.filter(|parameter| parameter.kind == ParameterKind::Reference)
        };
        let parameter = references().find(|parameter| parameter.code == code).ok_or_else(|| {
            let near = hint(code, references().map(|parameter| parameter.code.as_str()));
            format!("{source} has no reference parameter {}{near}", shown(code))
        })?;
        let never = |target: &ResourceType| {
            !parameter.targets.is_empty() && !parameter.targets.contains(target)
        };
        if let Some(target) = target.filter(never) {
            return Err(format!("{source}:{code} never points at a {target}"));
        }
        Ok(Include { source, parameters: vec![parameter.id], target, iterate })
    }

    fn all_references(
        &self,
        source: ResourceType,
        points: impl Fn(&SearchParameter) -> bool,
        iterate: bool,
    ) -> Option<Include> {
        let parameters = self.registry.of_type(source).filter(|parameter| parameter.is_live);
        let parameters = parameters
            .filter(|each| each.kind == ParameterKind::Reference && points(each))
            .map(|each| each.id);
        let parameters: Vec<ParameterId> = parameters.collect();
        (!parameters.is_empty()).then_some(Include { source, parameters, target: None, iterate })
    }
}

fn total(text: &str) -> Result<TotalMode, Expected> {
    match text {
        "none" => Ok(TotalMode::None),
        "estimate" => Ok(TotalMode::Estimate),
        "accurate" => Ok(TotalMode::Accurate),
        _ => Err("expected none, estimate or accurate".to_owned()),
    }
}

fn contained(text: &str) -> Result<ContainedMode, Expected> {
    match text {
        "false" => Ok(ContainedMode::False),
        "true" => Ok(ContainedMode::True),
        "both" => Ok(ContainedMode::Both),
        _ => Err("expected false, true or both".to_owned()),
    }
}

fn contained_type(text: &str) -> Result<ContainedType, Expected> {
    match text {
        "container" => Ok(ContainedType::Container),
        "contained" => Ok(ContainedType::Contained),
        _ => Err("expected container or contained".to_owned()),
    }
}

fn summary(text: &str) -> Result<SummaryMode, Expected> {
    match text {
        "true" => Ok(SummaryMode::True),
        "false" => Ok(SummaryMode::False),
        "text" => Ok(SummaryMode::Text),
        "data" => Ok(SummaryMode::Data),
        "count" => Ok(SummaryMode::Count),
        _ => Err("expected true, false, text, data or count".to_owned()),
    }
}

/// The resource type of this name.
pub(crate) fn resource_type(name: &str) -> Result<ResourceType, Expected> {
    ResourceType::named(name).ok_or_else(|| {
        let near = hint(name, ResourceType::all().map(ResourceType::as_str));
        format!("there is no resource type {}{near}", shown(name))
    })
}

/// A name that may be shown: what no name can be is shown by its shape.
pub(crate) fn shown(name: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if name.len() <= 64 && name.bytes().all(is_plain) {
        return format!("\"{name}\"");
    }
    format!("of the shape \"{}\"", value::shape(name))
}
