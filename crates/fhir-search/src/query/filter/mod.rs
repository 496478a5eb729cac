//! `_filter`: comparisons joined by and, or, not.
//!
//! Which operators a parameter takes is the table of the specification; where it says nothing
//! (uri, the columns) the nearest type's row is taken. Decisions where it leaves room:
//! - `ne` on tokens, strings and URIs holds where there is a value and none is equal; on dates,
//!   numbers and quantities where one value is unequal, as the prefix `ne` has it.
//! - Strings have no `gt`, `lt`, `ge`, `le`, and numbers and dates no `co`.
//! - `a[filter].b` holds where one target of the reference `a` satisfies both.
//!
//! Spec: <https://hl7.org/fhir/R4/search_filter.html>
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the operators that a type does not take are refused before they get so far"
)]

mod grammar;

use fhir_model::Id;

use self::grammar::{Filter, OPERATORS, Operator, Test};
use super::chain::Step;
use super::modifier::Modifier;
use super::notes::Notes;
use super::parse::Context;
use super::result::{resource_type, shown};
use super::value::{self, Expected};
use super::{Comparator, DateMatch, Match, Predicate, RowMatch, UnitMatch};
use crate::{ParameterId, ParameterKind, SearchParameter};

/// Names that stand for systems.
const SYSTEMS: [(&str, &str); 4] = [
    ("loinc", "http://loinc.org"),
    ("snomed", "http://snomed.info/sct"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("ucum", "http://unitsofmeasure.org"),
];

/// A name that stands only in filters: two values of one element, which a composite holds.
/// Spec: <https://hl7.org/fhir/R4/search_filter.html#params>
struct Grouped {
    base: &'static str,
    name: &'static str,
    composite: &'static str,
    /// The name in brackets and the one behind them.
    names: [&'static str; 2],
    /// Which of both is the composite's first component.
    first: usize,
}

/// Those of the specification whose parameters R4 still has.
const GROUPED: [Grouped; 2] = [
    Grouped {
        base: "DocumentReference",
        name: "relatesTo",
        composite: "relationship",
        names: ["code", "target"],
        first: 1,
    },
    Grouped {
        base: "Group",
        name: "characteristic",
        composite: "characteristic-value",
        names: ["code", "value"],
        first: 0,
    },
];

impl Context<'_> {
    /// The predicate of a filter; `depth` counts the references that lead here.
    pub(crate) fn filter(
        &self,
        place: &str,
        text: &str,
        depth: usize,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        match grammar::parse(text) {
            Ok(filter) => self.subfilter(place, &filter, depth, notes),
            Err(expected) => {
                notes.invalid(place, expected);
                None
            }
        }
    }

    fn subfilter(
        &self,
        place: &str,
        filter: &Filter,
        depth: usize,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        match filter {
            Filter::Test(test) => {
                let mut own = Notes { chains: notes.chains, ..Notes::default() };
                let found = self.through(place, test, &test.through, depth, &mut own);
                notes.chains = own.chains;
                for fault in &mut own.faults {
                    let said = &mut fault.issue.diagnostics;
                    if !said.starts_with("position ") {
                        *said = format!("position {}: {said}", test.at);
                    }
                }
                notes.faults.append(&mut own.faults);
                notes.warnings.append(&mut own.warnings);
                found
            }
            Filter::Not(inner) => {
                let none = self.subfilter(place, inner, depth, notes)?.any;
                Some(Predicate { any: vec![Match::Not(none)] })
            }
            Filter::And(left, right) => {
                let left = self.subfilter(place, left, depth, notes);
                let right = self.subfilter(place, right, depth, notes);
                Some(Predicate { any: vec![Match::All(vec![left?, right?])] })
            }
            Filter::Or(left, right) => {
                let left = self.subfilter(place, left, depth, notes);
                let right = self.subfilter(place, right, depth, notes);
                let (mut any, more) = (left?.any, right?.any);
                any.extend(more);
                Some(Predicate { any })
            }
        }
    }

    /// Follows the references that have filters of their own, then the names behind them.
    fn through(
        &self,
        place: &str,
        test: &Test,
        through: &[(String, Filter)],
        depth: usize,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        let Some(((name, filter), rest)) = through.split_first() else {
            return self.path(place, &test.name, depth, notes, &|context, rest, _, notes| {
                context.test(place, rest, test, notes)
            });
        };
        self.path(place, name, depth, notes, &|context, last, depth, notes| {
            let bases = context.types().map(fhir_definitions::ResourceType::as_str);
            let bases: Vec<&str> = bases.take(2).collect();
            let mut grouped = GROUPED.iter();
            if let Some(grouped) =
                grouped.find(|each| each.name == last && bases.as_slice() == [each.base])
            {
                return context.grouped(place, grouped, filter, test, notes);
            }
            let (code, only) = match last.split_once(':') {
                Some((code, only)) => (code, Some(only)),
                None => (last, None),
            };
            let only = match only.map(resource_type).transpose() {
                Ok(only) => only,
                Err(text) => {
                    notes.invalid(place, text);
                    return None;
                }
            };
            let tail = rest.first().map_or(test.name.as_str(), |(name, _)| name);
            context.chain(&Step { place, code, only, tail }, notes, &|target, notes| {
                let filter = target.subfilter(place, filter, depth + 1, notes);
                let rest = target.through(place, test, rest, depth + 1, notes);
                Some(vec![filter?, rest?])
            })
        })
    }

    /// `name[inner eq value].outer eq value` on one element.
    fn grouped(
        &self,
        place: &str,
        grouped: &Grouped,
        filter: &Filter,
        test: &Test,
        notes: &mut Notes,
    ) -> Option<Predicate> {
        let [inner, outer] = grouped.names;
        let is_equal = |operator| matches!(operator, Operator::Eq | Operator::Re);
        let values = match filter {
            Filter::Test(own)
                if own.name == inner
                    && test.name == outer
                    && is_equal(own.operator)
                    && is_equal(test.operator) =>
            {
                [&own.value, &test.value].map(|value| with_system(value, 0).replace('$', "\\$"))
            }
            _ => {
                let name = grouped.name;
                notes.invalid(place, format!("expected {name}[{inner} eq …].{outer} eq …"));
                return None;
            }
        };
        let [inner, outer] = values;
        let text = if grouped.first == 0 {
            format!("{inner}${outer}")
        } else {
            format!("{outer}${inner}")
        };
        let parameters = self.parameters(grouped.composite)?;
        let mut warnings = Vec::new();
        let mut any = Vec::new();
        for parameter in parameters {
            match self.composite(parameter, &text, &mut warnings) {
                Ok(found) => any.extend(found),
                Err(expected) => notes.invalid(place, expected),
            }
        }
        warnings.into_iter().for_each(|warning| notes.warn(place, warning));
        notes.faults.is_empty().then_some(Predicate { any })
    }

    /// One comparison in the scope that its path leads to.
    fn test(&self, place: &str, code: &str, test: &Test, notes: &mut Notes) -> Option<Predicate> {
        let found = match code {
            "_id" => self.id_test(test),
            "_lastUpdated" => self.updated_test(test),
            _ => match self.parameters(code) {
                Some(parameters) => {
                    let mut warnings = Vec::new();
                    let found = self.row_test(&parameters, test, &mut warnings);
                    warnings.into_iter().for_each(|warning| notes.warn(place, warning));
                    found
                }
                None => {
                    self.unknown(place, code, notes);
                    return None;
                }
            },
        };
        match found {
            Ok(any) => Some(Predicate { any }),
            Err(expected) => {
                notes.invalid(place, format!("{}: {expected}", shown(code)));
                None
            }
        }
    }

    fn id_test(&self, test: &Test) -> Result<Vec<Match>, Expected> {
        let id = || {
            let id: Result<Id, _> = value::unescape(&test.value).parse();
            id.map(Match::Id).map_err(|error| format!("expected an id: {error}"))
        };
        match test.operator {
            Operator::Eq => Ok(vec![id()?]),
            Operator::Ne => Ok(vec![Match::Not(vec![id()?])]),
            _ => Err(refusal(test.operator, "ids", &[Operator::Eq, Operator::Ne])),
        }
    }

    fn updated_test(&self, test: &Test) -> Result<Vec<Match>, Expected> {
        Ok(vec![Match::LastUpdated(self.compared_date(test, "dates")?)])
    }

    fn row_test(
        &self,
        parameters: &[&SearchParameter],
        test: &Test,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let kind = parameters.first().map_or(ParameterKind::Special, |first| first.kind);
        let taken = taken(kind);
        if !taken.contains(&test.operator) {
            return Err(refusal(test.operator, &format!("{} parameters", kind.as_str()), taken));
        }
        let ids: Vec<ParameterId> = parameters.iter().map(|parameter| parameter.id).collect();
        if test.operator == Operator::Pr {
            let present = Match::Present(ids);
            return match test.value.as_str() {
                "true" => Ok(vec![present]),
                "false" => Ok(vec![Match::Not(vec![present])]),
                _ => Err("expected true or false".to_owned()),
            };
        }
        let mut any = Vec::new();
        for parameter in parameters {
            any.extend(self.compared(parameter, test, warnings)?);
        }
        let is_ordered =
            matches!(kind, ParameterKind::Date | ParameterKind::Number | ParameterKind::Quantity);
        Ok(match test.operator {
            Operator::Ne if !is_ordered => vec![Match::All(vec![
                Predicate { any: vec![Match::Present(ids)] },
                Predicate { any: vec![Match::Not(any)] },
            ])],
            Operator::Ni => vec![Match::Not(any)],
            _ => any,
        })
    }

    fn compared(
        &self,
        parameter: &SearchParameter,
        test: &Test,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let modifier = match test.operator {
            Operator::In | Operator::Ni => Some(Modifier::In),
            // The value subsumes what is below it.
            Operator::Ss => Some(Modifier::Below),
            Operator::Sb => Some(Modifier::Above),
            _ => None,
        };
        let row = match parameter.kind {
            ParameterKind::String => {
                let folded = value::string(&test.value)?;
                match test.operator {
                    Operator::Co => RowMatch::StringContains { p, folded },
                    Operator::Sw => RowMatch::StringPrefix { p, folded },
                    Operator::Ew => RowMatch::StringEnds { p, folded },
                    _ => RowMatch::StringIs { p, folded },
                }
            }
            ParameterKind::Date => {
                RowMatch::Date { p, when: self.compared_date(test, "date parameters")? }
            }
            ParameterKind::Number => {
                let comparator = comparator(test.operator);
                let range = value::compared_number(comparator, &test.value)?.range()?;
                RowMatch::Number { p, unit: UnitMatch::Plain, range }
            }
            ParameterKind::Quantity => {
                let text = with_system(&test.value, 1);
                let number = value::split(&text, '|').first().copied().unwrap_or_default();
                let number = value::compared_number(comparator(test.operator), number)?;
                return Ok(vec![self.quantity_with(&text, number)?.matches(p, None)]);
            }
            ParameterKind::Token => {
                let text = with_system(&test.value, 0);
                return self.values(parameter, modifier, &text, warnings);
            }
            ParameterKind::Reference | ParameterKind::Uri => {
                return self.values(parameter, modifier, &test.value, warnings);
            }
            ParameterKind::Composite | ParameterKind::Special => {
                return Err("this parameter cannot be compared".to_owned());
            }
        };
        Ok(vec![Match::Row(row)])
    }

    fn compared_date(&self, test: &Test, what: &str) -> Result<DateMatch, Expected> {
        let taken = taken(ParameterKind::Date);
        if !taken.contains(&test.operator) || test.operator == Operator::Pr {
            return Err(refusal(test.operator, what, taken));
        }
        let (zone, now) = (self.zone, self.settings.now);
        if test.operator == Operator::Po {
            let when = value::compared_date(Comparator::Eq, &test.value, zone, now)?;
            return Ok(DateMatch { comparator: Comparator::Ap, ..when });
        }
        value::compared_date(comparator(test.operator), &test.value, zone, now)
    }
}

/// The operators that a type of parameter takes.
fn taken(kind: ParameterKind) -> &'static [Operator] {
    use Operator as O;
    match kind {
        ParameterKind::String => &[O::Eq, O::Ne, O::Co, O::Sw, O::Ew, O::Pr],
        ParameterKind::Number | ParameterKind::Quantity => {
            &[O::Eq, O::Ne, O::Gt, O::Lt, O::Ge, O::Le, O::Ap, O::Sa, O::Eb, O::Pr]
        }
        ParameterKind::Date => {
            &[O::Eq, O::Ne, O::Gt, O::Lt, O::Ge, O::Le, O::Ap, O::Sa, O::Eb, O::Po, O::Pr]
        }
        ParameterKind::Token => &[O::Eq, O::Ne, O::Ss, O::Sb, O::In, O::Ni, O::Pr],
        ParameterKind::Reference => &[O::Re, O::Pr],
        ParameterKind::Uri => &[O::Eq, O::Ne, O::Ss, O::Sb, O::Pr],
        ParameterKind::Composite | ParameterKind::Special => &[],
    }
}

fn comparator(operator: Operator) -> Comparator {
    match operator {
        Operator::Ne => Comparator::Ne,
        Operator::Gt => Comparator::Gt,
        Operator::Lt => Comparator::Lt,
        Operator::Ge => Comparator::Ge,
        Operator::Le => Comparator::Le,
        Operator::Ap => Comparator::Ap,
        Operator::Sa => Comparator::Sa,
        Operator::Eb => Comparator::Eb,
        _ => Comparator::Eq,
    }
}

fn refusal(operator: Operator, what: &str, taken: &[Operator]) -> Expected {
    let code = |operator: &Operator| {
        OPERATORS.iter().find(|(_, own)| own == operator).map_or("", |(code, _)| *code)
    };
    let codes: Vec<&str> = taken.iter().map(code).collect();
    let works = if codes.is_empty() {
        "they cannot stand in a filter".to_owned()
    } else {
        format!("they take {}", codes.join(", "))
    };
    format!("the operator {} is not for {what}; {works}", code(&operator))
}

/// The value with the system in full where one of the short names stands at this part.
fn with_system(text: &str, at: usize) -> String {
    let mut parts = value::split(text, '|');
    let is_alone = parts.len() <= at + 1;
    if let Some(part) = parts.get_mut(at).filter(|_| !is_alone) {
        let short = SYSTEMS.iter().find(|(name, _)| name == part);
        *part = short.map_or(*part, |(_, system)| system);
    }
    parts.join("|")
}
