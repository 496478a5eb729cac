//! One parameter of a query with its modifier and values, as a predicate.

use fhir_model::{FailureKind, Id};

use super::modifier::Modifier;
use super::near::hint;
use super::notes::Notes;
use super::parse::Context;
use super::result::{RESULT, shown};
use super::value::{self, Expected};
use super::{DateMatch, Lookup, Match, Predicate, RowMatch, Scope, TextField, UnitMatch};
use super::{position, words};
use crate::{FullText, ParameterKind, SearchParameter};

/// The values of one parameter.
#[derive(Clone, Copy)]
pub(crate) struct Criterion<'a> {
    /// The whole name as the client wrote it, for messages.
    pub(crate) place: &'a str,
    /// The parameter's name alone.
    pub(crate) code: &'a str,
    pub(crate) modifier: Option<&'a str>,
    pub(crate) text: &'a str,
}

/// Parameters of every type that are no index.
pub(crate) const COLUMNS: [&str; 2] = ["_id", "_lastUpdated"];

/// Parameters of every type with a grammar of their own.
pub(crate) const OWN: [&str; 6] = ["_text", "_content", "_list", "_filter", "_query", "_has"];

impl Context<'_> {
    /// The predicate of one parameter in this scope; none where something is wrong with it.
    pub(crate) fn criterion(
        &self,
        criterion: Criterion<'_>,
        depth: usize,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        let Criterion { place, code, modifier, text } = criterion;
        if let Some(modifier) = modifier.filter(|_| OWN.contains(&code)) {
            let text = format!("the modifier :{} has no meaning here", shown(modifier));
            notes.fault(FailureKind::UnsupportedModifier, place, text);
            return None;
        }
        match code {
            "_id" => self.column(criterion, notes, |text| {
                let id: Result<Id, _> = value::unescape(text).parse();
                id.map(Match::Id).map_err(|error| format!("expected an id: {error}"))
            }),
            "_lastUpdated" => {
                self.column(criterion, notes, |text| Ok(Match::LastUpdated(self.date(text)?)))
            }
            "_text" => self.words(TextField::Narrative, criterion, notes),
            "_content" => self.words(TextField::Content, criterion, notes),
            "_list" => alternatives(criterion, notes, |text| Ok(vec![listed(text)?]))
                .map(|any| Predicate { any }),
            "_filter" => self.filter(place, text, depth, notes),
            "_query" => {
                let text = "no named query is defined on this server".to_owned();
                notes.fault(FailureKind::NotSupported, place, text);
                None
            }
            "_has" => {
                notes.invalid(place, "expected _has:Type:parameter:… with a parameter of Type");
                None
            }
            _ => match self.parameters(code) {
                Some(parameters) => self.rows(criterion, &parameters, notes),
                None => {
                    self.unknown(place, code, notes);
                    None
                }
            },
        }
    }

    /// `_text` and `_content`, where words are indexed. Passing over them would find everything,
    /// even where the client asks for leniency.
    fn words(
        &self,
        field: TextField,
        criterion: Criterion<'_>,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        let text = match self.registry.full_text() {
            FullText::Live => return words::predicate(field, criterion, notes),
            FullText::Building => {
                "the words of resources are being indexed; $reindex tells how far"
            }
            FullText::Off => {
                "no words are indexed on this server: its setting store.full_text is off"
            }
        };
        notes.fault(FailureKind::NotSupported, criterion.place, text.to_owned());
        None
    }

    /// `_id` and `_lastUpdated`, which every resource has.
    fn column(
        &self,
        criterion: Criterion<'_>,
        notes: &mut Notes,
        mut matches: impl FnMut(&str) -> Result<Match, Expected>,
    ) -> Option<Predicate> {
        let is_id = criterion.code == "_id";
        match criterion.modifier.map(|text| (text, Modifier::read(text))) {
            None => {}
            Some((_, Some(Modifier::Missing))) => {
                let is_missing = missing(criterion, notes)?;
                let each = if is_missing { Match::Never } else { Match::All(Vec::new()) };
                return Some(Predicate { any: vec![each] });
            }
            Some((_, Some(Modifier::Not))) if is_id => {}
            Some((text, _)) => {
                let works = if is_id { ":missing and :not" } else { ":missing" };
                let what = format!("the modifier :{} is not supported here", shown(text));
                let text = format!("{what}; supported here: {works}");
                notes.fault(FailureKind::UnsupportedModifier, criterion.place, text);
                return None;
            }
        }
        let any = alternatives(criterion, notes, |text| Ok(vec![matches(text)?]))?;
        let any = if criterion.modifier.is_some() { vec![Match::Not(any)] } else { any };
        Some(Predicate { any })
    }

    /// A parameter with rows, one definition for each type that is searched.
    fn rows(
        &self,
        criterion: Criterion<'_>,
        parameters: &[&SearchParameter],
        notes: &mut Notes,
    ) -> Option<Predicate> {
        let modifier = match criterion.modifier {
            None => None,
            Some(text) => match self.modifier(text, parameters) {
                Ok(modifier) => Some(modifier),
                Err(text) => {
                    notes.fault(FailureKind::UnsupportedModifier, criterion.place, text);
                    return None;
                }
            },
        };
        if modifier == Some(Modifier::Missing) {
            let is_missing = missing(criterion, notes)?;
            let present = Match::Present(parameters.iter().map(|each| each.id).collect());
            let each = if is_missing { Match::Not(vec![present]) } else { present };
            return Some(Predicate { any: vec![each] });
        }
        let mut warnings = Vec::new();
        let any = alternatives(criterion, notes, |text| {
            let mut any = Vec::new();
            for parameter in parameters {
                any.extend(self.values(parameter, modifier, text, &mut warnings)?);
            }
            Ok(any)
        });
        for warning in warnings {
            notes.warn(criterion.place, warning);
        }
        let is_not = matches!(modifier, Some(Modifier::Not | Modifier::NotIn));
        any.map(|any| Predicate { any: if is_not { vec![Match::Not(any)] } else { any } })
    }

    /// The modifier of this text, if these parameters take it.
    fn modifier(&self, text: &str, parameters: &[&SearchParameter]) -> Result<Modifier, String> {
        let kind = parameters.first().map_or(ParameterKind::Special, |first| first.kind);
        let modifier = Modifier::read(text);
        let fits = |modifier: Modifier| {
            modifier.applies_to(kind)
                && parameters.iter().all(|parameter| self.takes(parameter, modifier))
        };
        if let Some(modifier) = modifier.filter(|modifier| fits(*modifier)) {
            return Ok(modifier);
        }
        let works = Modifier::listed(kind);
        Err(match modifier {
            None => format!("R4 has no such modifier{works}"),
            Some(modifier) if modifier.applies_to(kind) => {
                format!("what this parameter reads has no use for the modifier :{text}")
            }
            Some(_) => {
                let kind = kind.as_str();
                format!("the modifier :{text} is not supported on {kind} parameters{works}")
            }
        })
    }

    /// Whether a modifier of its kind has a meaning for what the parameter reads.
    fn takes(&self, parameter: &SearchParameter, modifier: Modifier) -> bool {
        match modifier {
            Modifier::OfType => self.registry.reads(parameter).has_identifiers(),
            Modifier::Identifier => self.registry.reads(parameter).has_references(),
            Modifier::Above | Modifier::Below if parameter.kind == ParameterKind::Reference => {
                self.registry.reads(parameter).has_canonicals() || self.has_tree(parameter)
            }
            Modifier::Missing
            | Modifier::Exact
            | Modifier::Contains
            | Modifier::Text
            | Modifier::Not
            | Modifier::Above
            | Modifier::Below
            | Modifier::In
            | Modifier::NotIn
            | Modifier::Type(_) => true,
        }
    }

    /// The alternatives of one value.
    pub(crate) fn values(
        &self,
        parameter: &SearchParameter,
        modifier: Option<Modifier>,
        text: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let row = match parameter.kind {
            ParameterKind::Number => {
                RowMatch::Number { p, unit: UnitMatch::Plain, range: value::number(text)? }
            }
            ParameterKind::Date => RowMatch::Date { p, when: self.date(text)? },
            ParameterKind::String => self.string(parameter, modifier, text)?,
            ParameterKind::Token => return self.token(parameter, modifier, text),
            ParameterKind::Reference => {
                return self.reference(parameter, modifier, text, warnings);
            }
            ParameterKind::Composite => return self.composite(parameter, text, warnings),
            ParameterKind::Quantity => {
                return Ok(vec![self.quantity_value(text)?.matches(p, None)]);
            }
            ParameterKind::Uri => return self.uri(parameter, modifier, text),
            ParameterKind::Special if parameter.code == "near" => {
                return Ok(vec![position::near(p, text)?]);
            }
            ParameterKind::Special => return Err("this parameter has no values".to_owned()),
        };
        Ok(vec![Match::Row(row)])
    }

    fn string(
        &self,
        parameter: &SearchParameter,
        modifier: Option<Modifier>,
        text: &str,
    ) -> Result<RowMatch, Expected> {
        let p = parameter.id;
        let folded = value::string(text)?;
        Ok(match modifier {
            Some(Modifier::Exact) => {
                let exact = self.hasher.exact(&value::unescape(text));
                RowMatch::StringExact { p, folded, exact }
            }
            Some(Modifier::Contains | Modifier::Text) => RowMatch::StringContains { p, folded },
            _ => RowMatch::StringPrefix { p, folded },
        })
    }

    pub(crate) fn date(&self, text: &str) -> Result<DateMatch, Expected> {
        value::date(text, self.zone, self.settings.now)
    }

    /// Says that no parameter has this name, or that its rows are not complete yet.
    pub(crate) fn unknown(&self, place: &str, code: &str, notes: &mut Notes) {
        let mut types = self.types();
        if types.any(|base| self.registry.known(base, code).is_some_and(|known| !known.is_live)) {
            // Passing over it would find everything, even where the client asks for leniency.
            let text = "the rows of this search parameter are being built; $reindex tells how far";
            notes.fault(FailureKind::NotSupported, place, text.to_owned());
            return;
        }
        let own = OWN.into_iter().chain(COLUMNS).chain(RESULT);
        let near = hint(code, self.codes().into_iter().chain(own));
        let of = match self.scope {
            Scope::Type(resource_type) => resource_type.as_str(),
            Scope::Types(_) => "all of the types",
            Scope::All => "all types",
        };
        let text = format!("{of} has no search parameter {}{near}", shown(code));
        notes.fault(FailureKind::UnknownParameter, place, text);
    }
}

/// The members of a List.
fn listed(text: &str) -> Result<Match, Expected> {
    let plain = value::unescape(text);
    if plain.starts_with('$') {
        return Err("expected the id of a List: lists by their function, such as \
                    $current-allergies, are not kept here"
            .to_owned());
    }
    let id: Result<Id, _> = plain.strip_prefix("List/").unwrap_or(&plain).parse();
    id.map(|id| Match::Lookup(Lookup::List(id)))
        .map_err(|_error| value::expected("the id of a List", &plain))
}

/// The value of `:missing`.
fn missing(criterion: Criterion<'_>, notes: &mut Notes) -> Option<bool> {
    match criterion.text {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            notes.invalid(criterion.place, "expected true or false");
            None
        }
    }
}

/// The alternatives of comma-separated values; every faulty one is told.
pub(crate) fn alternatives(
    criterion: Criterion<'_>,
    notes: &mut Notes,
    mut matches: impl FnMut(&str) -> Result<Vec<Match>, Expected>,
) -> Option<Vec<Match>> {
    let mut any = Vec::new();
    let mut is_right = true;
    let texts = value::split(criterion.text, ',');
    let count = texts.len();
    for (at, text) in texts.into_iter().enumerate() {
        let found = if text.is_empty() {
            Err("expected a value, found none".to_owned())
        } else {
            value::check_escapes(text).and_then(|()| matches(text))
        };
        match found {
            Ok(found) => any.extend(found),
            Err(expected) => {
                is_right = false;
                let of = if count == 1 {
                    String::new()
                } else {
                    format!("value {} of {count}: ", at + 1)
                };
                notes.invalid(criterion.place, format!("{of}{expected}"));
            }
        }
    }
    is_right.then_some(any)
}
