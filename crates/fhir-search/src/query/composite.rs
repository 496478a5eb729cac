//! Composite parameters: values of one element joined by `$`.
//! Spec: <https://hl7.org/fhir/R4/search.html#composite>

use super::parse::Context;
use super::quantity::QuantityValue;
use super::token::Code;
use super::value::{self, Expected, TokenValue};
use super::{DateMatch, Match, NumberRange, RowMatch, UnitMatch};
use crate::{Component, ParameterKind, SearchParameter};

/// A component's value.
enum Part {
    Codes(Vec<Code>),
    Number(NumberRange),
    Quantity(QuantityValue),
    Date(DateMatch),
    Text(String),
}

impl Context<'_> {
    /// The alternatives that one value of a composite parameter stands for.
    pub(crate) fn composite(
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
            ParameterKind::Number => Ok(Part::Number(value::number(text)?)),
            ParameterKind::Quantity => Ok(Part::Quantity(self.quantity_value(text)?)),
            ParameterKind::Date => Ok(Part::Date(self.date(text)?)),
            ParameterKind::String => Ok(Part::Text(value::string(text)?)),
            ParameterKind::Uri | ParameterKind::Composite | ParameterKind::Special => {
                Err("this kind of component has no values".to_owned())
            }
        }
    }
}

fn combine(parameter: &SearchParameter, parts: &[Part]) -> Result<Vec<Match>, Expected> {
    let p = parameter.id;
    let Some((Part::Codes(codes), rest)) = parts.split_first() else {
        return Err("composites of this form have no rows".to_owned());
    };
    let mut any = Vec::new();
    for (code, sys) in codes.iter().copied() {
        let number = |range: &NumberRange, range2: Option<&NumberRange>| {
            let (range, range2) = (range.clone(), range2.cloned());
            RowMatch::CompositeNumber { p, code, sys, unit: UnitMatch::Plain, range, range2 }
        };
        let row = match rest {
            [Part::Codes(seconds)] => {
                any.extend(seconds.iter().map(|(code2, sys2)| {
                    let (code2, sys2) = (*code2, *sys2);
                    Match::Row(RowMatch::CompositeToken { p, code, sys, code2, sys2 })
                }));
                continue;
            }
            [Part::Quantity(quantity)] => {
                any.push(quantity.matches(p, Some((code, sys))));
                continue;
            }
            [Part::Number(range)] => number(range, None),
            [Part::Number(range), Part::Number(range2)] => number(range, Some(range2)),
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
