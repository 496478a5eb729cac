//! Composite parameters: values of several components from the same element.

use fhir_model::Value;

use super::builder::Builder;
use super::trie::NodeId;
use crate::ParameterKind;
use crate::hash::NONE;
use crate::rows::{
    CompositeDateRow, CompositeNumberRow, CompositeStringRow, CompositeTokenRow, IndexRows, UnitRow,
};

/// Combinations that one element may give; further ones are left out. An element of real data
/// gives a handful, while a made-up one of a few kilobytes could give millions.
const MAX_COMBINATIONS: usize = 4_096;

/// One composite parameter.
#[derive(Debug)]
pub(crate) struct Composite {
    pub(crate) shape: Shape,
    /// In the parameter's order.
    pub(crate) parts: Vec<Part>,
}

/// One component.
#[derive(Debug)]
pub(crate) struct Part {
    /// Where its expression stands, as a trie of its own inside the type's trie.
    pub(crate) node: NodeId,
    /// The expression begins at the resource (`%resource`), not at the element.
    pub(crate) from_resource: bool,
}

/// Which table a composite's rows stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Token,
    Number,
    Date,
    String,
}

impl Shape {
    /// The table for components of these kinds, none where there is no table for them.
    pub(crate) fn of(kinds: &[ParameterKind]) -> Option<Self> {
        use ParameterKind as K;
        match kinds {
            [K::Token | K::Reference, K::Token | K::Reference] => Some(Self::Token),
            [K::Token, K::Number | K::Quantity] | [K::Token, K::Number, K::Number] => {
                Some(Self::Number)
            }
            [K::Token, K::Date] => Some(Self::Date),
            [K::Token, K::String] => Some(Self::String),
            _ => None,
        }
    }
}

impl Builder<'_> {
    /// Adds the rows of one element: every combination of its components' values.
    pub(crate) fn composite(&mut self, at: u32, p: i32, element: Value<'_>) {
        let trie = self.trie;
        let Some(composite) = trie.composites.get(at as usize) else { return };
        // The last component is the rarest: without a quantity the code need not be read.
        let mut parts: Vec<IndexRows> = Vec::new();
        for part in composite.parts.iter().rev() {
            let mut builder = self.beside();
            let from = if part.from_resource { self.resource } else { element };
            trie.walk(part.node, from, &mut builder);
            self.coded = builder.coded;
            if builder.rows.count() == 0 {
                return;
            }
            self.rows.coding.append(&mut builder.rows.coding);
            parts.push(builder.rows);
        }
        parts.reverse();
        self.combine(composite.shape, p, parts);
    }

    /// Adds the rows that the components' values give together.
    pub(crate) fn combine(&mut self, shape: Shape, p: i32, parts: Vec<IndexRows>) {
        let Some((first, rest)) = parts.split_first() else { return };
        let Some(second) = rest.first() else { return };
        self.rows.unit.extend(second.unit.iter().map(|unit| UnitRow { p, ..unit.clone() }));
        let before = self.rows.count();
        for (code, sys) in tokens(first) {
            if self.rows.count() - before > MAX_COMBINATIONS {
                return;
            }
            match shape {
                Shape::Token => {
                    let row = |(code2, sys2)| CompositeTokenRow { p, code, sys, code2, sys2 };
                    self.rows
                        .composite_token
                        .extend(tokens(second).take(MAX_COMBINATIONS).map(row));
                }
                Shape::Number => self.numbers(p, (code, sys), second, rest.get(1)),
                Shape::Date => {
                    let rows = second
                        .date
                        .iter()
                        .take(MAX_COMBINATIONS)
                        .map(|date| CompositeDateRow { p, code, sys, lo: date.lo, hi: date.hi });
                    self.rows.composite_date.extend(rows);
                }
                Shape::String => {
                    let rows = second.string.iter().take(MAX_COMBINATIONS).map(|string| {
                        CompositeStringRow { p, code, sys, folded: string.folded.clone() }
                    });
                    self.rows.composite_string.extend(rows);
                }
            }
        }
    }

    fn numbers(
        &mut self,
        p: i32,
        (code, sys): (i64, i64),
        second: &IndexRows,
        third: Option<&IndexRows>,
    ) {
        for number in second.number.iter().take(MAX_COMBINATIONS) {
            let row = |v2: Vec<u8>| CompositeNumberRow {
                p,
                code,
                sys,
                unit: number.unit,
                v: number.v.clone(),
                v2,
            };
            match third {
                None => self.rows.composite_number.push(row(Vec::new())),
                Some(third) => {
                    let rows = third.number.iter().map(|last| row(last.v.clone()));
                    self.rows.composite_number.extend(rows);
                }
            }
        }
    }
}

/// Codes with systems, or targets without.
fn tokens(rows: &IndexRows) -> impl Iterator<Item = (i64, i64)> {
    let codes = rows.token.iter().map(|row| (row.code, row.sys));
    codes.chain(rows.reference.iter().map(|row| (row.target, NONE)))
}
