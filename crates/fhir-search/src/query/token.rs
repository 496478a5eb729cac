//! Tokens: codes, identifiers, booleans and whatever else is compared as a whole.
//! Spec: <https://hl7.org/fhir/R4/search.html#token>

use super::modifier::Modifier;
use super::parse::Context;
use super::value::{self, Expected, TokenValue};
use super::{Direction, Lookup, Match, RowMatch};
use crate::hash::NONE;
use crate::index::Reads;
use crate::{ParameterId, SearchParameter};

/// The system of `true` and `false`.
const SPECIAL_VALUES: &str = "http://hl7.org/fhir/special-values";

/// A code with what is said of its system, as in [`RowMatch::Token`].
pub(crate) type Code = (i64, Option<i64>);

impl Context<'_> {
    /// The alternatives that one value of a token parameter stands for; `:not` and `:not-in` are
    /// put around all of them by the caller.
    pub(crate) fn token(
        &self,
        parameter: &SearchParameter,
        modifier: Option<Modifier>,
        text: &str,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        match modifier {
            Some(Modifier::Text) => {
                let folded = value::string(text)?;
                Ok(vec![Match::Row(RowMatch::StringPrefix { p, folded })])
            }
            Some(Modifier::In | Modifier::NotIn) => {
                let value_set = value::unescape(text);
                Ok(vec![Match::Lookup(Lookup::ValueSet { p, value_set })])
            }
            Some(Modifier::Above) => subsumed(p, text, Direction::Above),
            Some(Modifier::Below) => subsumed(p, text, Direction::Below),
            Some(Modifier::OfType) => self.of_type(p, text),
            _ => self.token_value(p, self.registry.reads(parameter), text),
        }
    }

    fn token_value(
        &self,
        p: ParameterId,
        reads: Reads,
        text: &str,
    ) -> Result<Vec<Match>, Expected> {
        let rows = match value::token(text, self.hasher)? {
            TokenValue::Code { code, sys } => {
                let is_boolean = sys == Some(self.hasher.hash(SPECIAL_VALUES));
                let sys = if is_boolean && reads.has_booleans() { None } else { sys };
                vec![RowMatch::Token { p, code, sys }]
            }
            TokenValue::System(sys) => vec![
                RowMatch::Token { p, code: NONE, sys: Some(sys) },
                RowMatch::TokenSystem { p, sys },
            ],
        };
        Ok(rows.into_iter().map(Match::Row).collect())
    }

    /// `system|code|value`: type and value of one identifier.
    fn of_type(&self, p: ParameterId, text: &str) -> Result<Vec<Match>, Expected> {
        let parts: Vec<String> = value::split(text, '|').into_iter().map(value::unescape).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [system, code, value] if ![system, code, value].iter().any(|part| part.is_empty()) => {
                Ok(vec![Match::Row(RowMatch::CompositeToken {
                    p,
                    code: self.hasher.code(code),
                    sys: Some(self.hasher.hash(system)),
                    code2: self.hasher.code(value),
                    sys2: None,
                })])
            }
            _ => Err(value::expected(
                "the type and the value of an identifier as system|code|value, all three of them",
                text,
            )),
        }
    }
}

/// Place of a code in its system.
fn subsumed(p: ParameterId, text: &str, direction: Direction) -> Result<Vec<Match>, Expected> {
    let parts: Vec<String> = value::split(text, '|').into_iter().map(value::unescape).collect();
    let (system, code) = match parts.as_slice() {
        [code] if !code.is_empty() => (None, code),
        [system, code] if !system.is_empty() && !code.is_empty() => (Some(system.clone()), code),
        _ => return Err(value::expected("a concept as code or system|code", text)),
    };
    Ok(vec![Match::Lookup(Lookup::Subsumed { p, system, code: code.clone(), direction })])
}
