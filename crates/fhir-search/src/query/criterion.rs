//! One search parameter of a query, by its kind, as predicates.

use fhir_definitions::ResourceType;
use fhir_model::{FailureKind, Id};

use super::parse::{Context, Fault, Parsed};
use super::value::{self, Expected, TokenValue};
use super::{DateMatch, Match, NumberRange, Predicate, RowMatch, UnitMatch};
use crate::hash::NONE;
use crate::reference::Target;
use crate::{Component, ParameterKind, SearchParameter};

/// The values of one pair: its name for messages, modifier and raw text.
#[derive(Clone, Copy)]
pub(crate) struct Criterion<'a> {
    pub(crate) name: &'a str,
    pub(crate) modifier: Option<&'a str>,
    pub(crate) text: &'a str,
}

/// Modifiers that R4 defines; the others are unknown rather than unsupported.
const MODIFIERS: [&str; 12] = [
    "missing",
    "exact",
    "contains",
    "text",
    "not",
    "above",
    "below",
    "in",
    "not-in",
    "of-type",
    "identifier",
    "iterate",
];

impl Context<'_> {
    /// `_id`.
    pub(crate) fn id(&self, criterion: Criterion<'_>, out: &mut Parsed) {
        self.predicate(criterion, out, |text| {
            let id: Result<Id, _> = value::unescape(text).parse();
            id.map(|id| vec![Match::Id(id)]).map_err(|error| format!("expected an id: {error}"))
        });
    }

    /// `_lastUpdated`.
    pub(crate) fn last_updated(&self, criterion: Criterion<'_>, out: &mut Parsed) {
        self.predicate(criterion, out, |text| Ok(vec![Match::LastUpdated(self.date(text)?)]));
    }

    /// A parameter with rows, one definition for each type that is searched.
    pub(crate) fn parameter(
        &self,
        criterion: Criterion<'_>,
        parameters: &[&SearchParameter],
        out: &mut Parsed,
    ) {
        let Some(first) = parameters.first() else { return };
        let mut only = None;
        if let Some(modifier) = criterion.modifier {
            only = ResourceType::named(modifier);
            if first.kind != ParameterKind::Reference || only.is_none() {
                out.faults.push(unsupported_modifier(criterion.name, modifier, first.kind));
                return;
            }
        }
        let mut warnings = Vec::new();
        self.predicate_without_modifier(criterion, out, |text| {
            let mut any = Vec::new();
            for parameter in parameters {
                any.extend(self.matches(parameter, text, only, &mut warnings)?);
            }
            Ok(any)
        });
        for warning in warnings {
            out.warn(criterion.name, warning);
        }
    }

    fn predicate(
        &self,
        criterion: Criterion<'_>,
        out: &mut Parsed,
        matches: impl FnMut(&str) -> Result<Vec<Match>, Expected>,
    ) {
        match criterion.modifier {
            Some(modifier) => {
                let kind = ParameterKind::Token;
                out.faults.push(unsupported_modifier(criterion.name, modifier, kind));
            }
            None => self.predicate_without_modifier(criterion, out, matches),
        }
    }

    /// Makes the alternatives of a pair; every faulty one is told.
    fn predicate_without_modifier(
        &self,
        criterion: Criterion<'_>,
        out: &mut Parsed,
        mut matches: impl FnMut(&str) -> Result<Vec<Match>, Expected>,
    ) {
        let mut any = Vec::new();
        let texts = value::split(criterion.text, ',');
        let count = texts.len();
        for (at, text) in texts.into_iter().enumerate() {
            let found = if text.is_empty() {
                Err("expected a value, found none".to_owned())
            } else {
                matches(text)
            };
            match found {
                Ok(found) => any.extend(found),
                Err(expected) if count == 1 => {
                    out.fault(FailureKind::InvalidParameter, criterion.name, expected);
                }
                Err(expected) => {
                    let text = format!("value {} of {count}: {expected}", at + 1);
                    out.fault(FailureKind::InvalidParameter, criterion.name, text);
                }
            }
        }
        out.query.predicates.push(Predicate { any });
    }

    fn matches(
        &self,
        parameter: &SearchParameter,
        text: &str,
        only: Option<ResourceType>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let row = match parameter.kind {
            ParameterKind::Number => {
                RowMatch::Number { p, unit: UnitMatch::Plain, range: value::number(text)? }
            }
            ParameterKind::Date => RowMatch::Date { p, when: self.date(text)? },
            ParameterKind::String => RowMatch::StringPrefix { p, folded: value::string(text)? },
            ParameterKind::Token => match value::token(text, self.hasher)? {
                TokenValue::Code { code, sys } => RowMatch::Token { p, code, sys },
                TokenValue::System(sys) => {
                    let identifiers = RowMatch::Token { p, code: NONE, sys: Some(sys) };
                    let codes = RowMatch::TokenSystem { p, sys };
                    return Ok(vec![Match::Row(identifiers), Match::Row(codes)]);
                }
            },
            ParameterKind::Reference => {
                let targets = self.targets(text, &parameter.targets, only, warnings)?;
                if targets.is_empty() {
                    return Ok(vec![Match::Never]);
                }
                RowMatch::Reference { p, targets }
            }
            ParameterKind::Composite => return self.composite(parameter, text, warnings),
            ParameterKind::Quantity => {
                let (unit, range) = value::quantity(text, self.hasher)?;
                RowMatch::Number { p, unit, range }
            }
            ParameterKind::Uri => {
                let text = value::unescape(text);
                RowMatch::Uri { p, text: self.hasher.uri(&text).into_owned() }
            }
            ParameterKind::Special => return Err("this parameter has no values".to_owned()),
        };
        Ok(vec![Match::Row(row)])
    }

    fn date(&self, text: &str) -> Result<DateMatch, Expected> {
        value::date(text, self.zone, self.settings.now)
    }

    /// The hashes that a reference's text stands for; none where it cannot match.
    fn targets(
        &self,
        text: &str,
        allowed: &[ResourceType],
        only: Option<ResourceType>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<i64>, Expected> {
        let plain = value::unescape(text);
        let is_allowed = |wanted: &ResourceType| allowed.is_empty() || allowed.contains(wanted);
        if let Some(wanted) = only.filter(|wanted| !is_allowed(wanted)) {
            return Err(format!("the parameter never points at a {wanted}{}", list(allowed)));
        }
        if Id::is_valid(&plain) {
            let wanted = ResourceType::all().filter(is_allowed);
            let wanted = wanted.filter(|each| only.is_none_or(|only| only == *each));
            return Ok(wanted.map(|each| self.hasher.local(each, &plain)).collect());
        }
        match Target::read(&plain, self.settings.base.as_deref()) {
            Some(Target::Local(found, _)) if only.is_some_and(|only| only != found) => {
                Err(format!("expected the id of another type than {found}"))
            }
            Some(Target::Local(found, _)) if !is_allowed(&found) => {
                let types = list(allowed);
                warnings.push(format!("it never points at a {found}, so nothing is found{types}"));
                Ok(Vec::new())
            }
            Some(target @ Target::Local(..)) => {
                if plain.contains("/_history/") {
                    warnings.push("the version is left out: every version matches".to_owned());
                }
                let mut targets = vec![target.hash(self.hasher)];
                if plain.contains("://") {
                    // As it stands where the index did not know the root for its own.
                    targets.extend(Target::read(&plain, None).map(|url| url.hash(self.hasher)));
                }
                Ok(targets)
            }
            Some(Target::Url(url, Some(version))) if url.contains(':') => {
                Ok(vec![self.hasher.pair(url, version)])
            }
            Some(target @ Target::Url(url, None)) if url.contains(':') => {
                Ok(vec![target.hash(self.hasher)])
            }
            Some(Target::Url(..) | Target::Contained(_)) | None => Err(format!(
                "expected a reference as id, Type/id, absolute URL or canonical, found a value of \
                 the shape \"{}\"",
                value::shape(&plain)
            )),
        }
    }

    fn composite(
        &self,
        parameter: &SearchParameter,
        text: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let texts = value::split(text, '$');
        if texts.len() != parameter.components.len() {
            let names: Vec<_> =
                parameter.components.iter().map(|component| component.code.as_str()).collect();
            return Err(format!(
                "expected {} values joined by $ ({}), found {}",
                names.len(),
                names.join("$"),
                texts.len()
            ));
        }
        let mut parts = Vec::new();
        for (component, text) in parameter.components.iter().zip(texts) {
            let part = self.part(component, text, warnings);
            parts.push(part.map_err(|expected| format!("{}: {expected}", component.code))?);
        }
        combine(parameter, &parts)
    }

    fn part(
        &self,
        component: &Component,
        text: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Part, Expected> {
        match component.kind {
            ParameterKind::Token => match value::token(text, self.hasher)? {
                TokenValue::Code { code, sys } => Ok(Part::Codes(vec![(code, sys)])),
                TokenValue::System(_) => Err("expected a code, found a system alone".to_owned()),
            },
            ParameterKind::Reference => {
                let targets = self.targets(text, &component.targets, None, warnings)?;
                Ok(Part::Codes(targets.into_iter().map(|target| (target, None)).collect()))
            }
            ParameterKind::Number => Ok(Part::Number(UnitMatch::Plain, value::number(text)?)),
            ParameterKind::Quantity => {
                let (unit, range) = value::quantity(text, self.hasher)?;
                Ok(Part::Number(unit, range))
            }
            ParameterKind::Date => Ok(Part::Date(self.date(text)?)),
            ParameterKind::String => Ok(Part::Text(value::string(text)?)),
            ParameterKind::Uri | ParameterKind::Composite | ParameterKind::Special => {
                Err("this kind of component has no values".to_owned())
            }
        }
    }
}

/// A component's value.
enum Part {
    Codes(Vec<(i64, Option<i64>)>),
    Number(UnitMatch, NumberRange),
    Date(DateMatch),
    Text(String),
}

fn combine(parameter: &SearchParameter, parts: &[Part]) -> Result<Vec<Match>, Expected> {
    let p = parameter.id;
    let Some((Part::Codes(codes), rest)) = parts.split_first() else {
        return Err("composites of this form have no rows".to_owned());
    };
    let mut any = Vec::new();
    for (code, sys) in codes.iter().copied() {
        let row = match rest {
            [Part::Codes(seconds)] => {
                any.extend(seconds.iter().map(|(code2, sys2)| {
                    let (code2, sys2) = (*code2, *sys2);
                    Match::Row(RowMatch::CompositeToken { p, code, sys, code2, sys2 })
                }));
                continue;
            }
            [Part::Number(unit, range)] => RowMatch::CompositeNumber {
                p,
                code,
                sys,
                unit: *unit,
                range: range.clone(),
                range2: None,
            },
            [Part::Number(unit, range), Part::Number(_, range2)] => RowMatch::CompositeNumber {
                p,
                code,
                sys,
                unit: *unit,
                range: range.clone(),
                range2: Some(range2.clone()),
            },
            [Part::Date(when)] => RowMatch::CompositeDate { p, code, sys, when: *when },
            [Part::Text(folded)] => {
                RowMatch::CompositeString { p, code, sys, folded: folded.clone() }
            }
            _ => return Err("composites of this form have no rows".to_owned()),
        };
        any.push(Match::Row(row));
    }
    if any.is_empty() {
        any.push(Match::Never);
    }
    Ok(any)
}

fn list(types: &[ResourceType]) -> String {
    if types.is_empty() || types.len() > 12 {
        return String::new();
    }
    let names: Vec<_> = types.iter().map(|each| each.as_str()).collect();
    format!("; it points at {}", names.join(", "))
}

fn unsupported_modifier(name: &str, modifier: &str, kind: ParameterKind) -> Fault {
    let what = if MODIFIERS.contains(&modifier) || ResourceType::named(modifier).is_some() {
        format!("the modifier :{modifier} is not supported on {} parameters", kind.as_str())
    } else {
        "R4 has no such modifier".to_owned()
    };
    let works = if kind == ParameterKind::Reference {
        "; supported here is the name of a target type, such as :Patient"
    } else {
        "; no modifier is supported here"
    };
    Fault::new(FailureKind::UnsupportedModifier, name, what + works)
}
