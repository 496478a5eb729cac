//! Codes together with what they are asked for most: a date, a number.
//!
//! What two long lists have in common costs a walk of the shorter one. Three pairs that clients ask
//! for all the time have a list of their own: a type's main code with its main date, in rows made
//! for it, and the main code with the main number, in those of the composite that the specification
//! has for both.

use crate::hash::NONE;
use crate::rows::{CodeDateRow, IndexRows, LONG_SPAN_US, MANY_DATES, TokenRow};
use crate::{ParameterId, ParameterKind, SearchParameter};

/// Token parameters that say what a thing is, best first.
const CODES: [&str; 3] = ["code", "vaccine-code", "type"];

/// Composites of a code and a number that both come from the resource itself, not from a part of
/// it. That one of their rows stands for each pair is checked with every resource.
const COMPOSITES: [&str; 1] =
    ["http://hl7.org/fhir/SearchParameter/Observation-code-value-quantity"];

/// More rows of one resource with several dates are not written.
const MOST: usize = 64;

/// The pairs of a type.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// The code that says what a thing is.
    pub(crate) code: Option<i32>,
    /// The date beside it.
    date: Option<i32>,
    /// The number beside it, and the composite of both.
    pub(crate) number: Option<(i32, i32)>,
}

impl Pairs {
    /// Of a type with these parameters.
    pub(crate) fn new(own: &[&SearchParameter], date: Option<i32>, number: Option<i32>) -> Self {
        let tokens = || own.iter().filter(|one| one.kind == ParameterKind::Token);
        let code = CODES.iter().find_map(|code| tokens().find(|one| one.code == *code));
        let Some(code) = code else { return Self::default() };
        let composite = own.iter().find(|one| COMPOSITES.contains(&one.url.as_str()));
        let number = number.zip(composite.map(|composite| composite.id.0));
        Self { code: Some(code.id.0), date, number }
    }

    /// Adds the rows of codes with dates, and notes a resource whose codes and numbers do not all
    /// stand in the composite as a token without code and system under that. The rows are settled,
    /// and are so afterwards.
    pub(crate) fn note(&self, rows: &mut IndexRows) {
        let Some(code) = self.code else { return };
        if let Some(date) = self.date {
            rows.code_date = code_dates(rows, code, date);
        }
        let Some((number, composite)) = self.number else { return };
        let codes = rows.token.iter().filter(|row| row.p == code).count();
        let numbers = rows.number.iter().filter(|row| row.p == number).count();
        let both = rows.composite_number.iter().filter(|row| row.p == composite).count();
        if codes.saturating_mul(numbers) != both {
            let row = TokenRow { p: composite, code: NONE, sys: NONE };
            if let Err(place) = rows.token.binary_search(&row) {
                rows.token.insert(place, row);
            }
        }
    }

    /// Whether one of these parameters is part of a pair.
    pub(crate) fn have(&self, of: &[ParameterId]) -> bool {
        let (number, composite) = self.number.unzip();
        let mut own = [self.code, self.date, number, composite].into_iter().flatten();
        own.any(|p| of.contains(&ParameterId(p)))
    }

    /// Takes what comes of pairs over from the rows of all parameters.
    pub(crate) fn take_over(&self, whole: &IndexRows, rows: &mut IndexRows) {
        rows.code_date.clone_from(&whole.code_date);
        let Some((_, composite)) = self.number else { return };
        rows.token.retain(|row| row.p != composite);
        rows.token.extend(whole.token.iter().filter(|row| row.p == composite));
        rows.token.sort_unstable();
    }
}

fn code_dates(rows: &IndexRows, code: i32, date: i32) -> Vec<CodeDateRow> {
    let mut codes: Vec<i64> =
        rows.token.iter().filter(|row| row.p == code).map(|row| row.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let dates = || rows.date.iter().filter(|row| row.p.abs() == date);
    let many = dates().count();
    if many > 1 && many.saturating_mul(codes.len()) > MOST {
        let row = |hash| CodeDateRow { p: ParameterId(code).long(), code: hash, lo: MANY_DATES };
        return codes.into_iter().map(row).collect();
    }
    let mut out = Vec::with_capacity(many.saturating_mul(codes.len()));
    for date in dates() {
        let is_long = date.hi.saturating_sub(date.lo) > LONG_SPAN_US;
        let p = if is_long { ParameterId(code).long() } else { code };
        out.extend(codes.iter().map(|hash| CodeDateRow { p, code: *hash, lo: date.lo }));
    }
    out.sort_unstable();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::DateRow;

    fn rows(codes: i64, dates: i64) -> IndexRows {
        let token = |code| TokenRow { p: 3, code, sys: 0 };
        let date = |lo| DateRow { p: 4, lo, hi: lo + 1 };
        let mut rows = IndexRows {
            token: (1..=codes).map(token).collect(),
            date: (1..=dates).map(date).collect(),
            ..IndexRows::default()
        };
        let pairs = Pairs { code: Some(3), date: Some(4), number: None };
        pairs.note(&mut rows);
        rows
    }

    #[test]
    fn several_codes_and_dates_give_every_pair_up_to_a_bound() {
        assert_eq!(rows(8, 8).code_date.len(), 64);
        assert_eq!(rows(65, 1).code_date.len(), 65);
        let many = rows(5, 13).code_date;
        let told: Vec<_> = many.iter().map(|row| (row.p, row.code, row.lo)).collect();
        let expected: Vec<_> = (1..=5).map(|code| (-3, code, MANY_DATES)).collect();
        assert_eq!(told, expected);
    }
}
