//! Rows with a mark on the least and the greatest of a resource under a parameter, so that a walk
//! in the order of values meets each resource once.

use std::ops::Deref;

use fhir_search::{NumberRow, StringRow, UriRow};

/// Marks the least row of a resource under a parameter.
pub(crate) const LEAST: i16 = 1;
/// Marks the greatest.
pub(crate) const GREATEST: i16 = 2;

/// A row and its mark.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edged<'a, T> {
    row: &'a T,
    /// [`LEAST`], [`GREATEST`], both or neither.
    pub(crate) edge: i16,
}

impl<T> Copy for Edged<'_, T> {}

impl<T> Clone for Edged<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Deref for Edged<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.row
    }
}

/// By value, whatever the unit.
pub(crate) fn numbers(rows: &[NumberRow]) -> Vec<Edged<'_, NumberRow>> {
    marked(rows, |row| row.p, |row| Some(&row.v))
}

/// By folded text; words of a value are not sorted by.
pub(crate) fn strings(rows: &[StringRow]) -> Vec<Edged<'_, StringRow>> {
    marked(rows, |row| row.p, |row| (row.exact != 0).then_some(&row.folded))
}

/// By text.
pub(crate) fn uris(rows: &[UriRow]) -> Vec<Edged<'_, UriRow>> {
    marked(rows, |row| row.p, |row| Some(&row.text))
}

/// `rows` are those of one resource in key order; what has no value gets no mark.
fn marked<'a, T, V: Ord>(
    rows: &'a [T],
    p: impl Fn(&T) -> i32,
    value: impl Fn(&'a T) -> Option<V>,
) -> Vec<Edged<'a, T>> {
    let mut out: Vec<_> = rows.iter().map(|row| Edged { row, edge: 0 }).collect();
    for group in out.chunk_by_mut(|one, other| p(one.row) == p(other.row)) {
        let values = || {
            let place = |(at, one): (usize, &Edged<'a, T>)| value(one.row).map(|v| (v, at));
            group.iter().enumerate().filter_map(place)
        };
        let (least, greatest) = (values().min(), values().max());
        for (found, edge) in [(least, LEAST), (greatest, GREATEST)] {
            if let Some(one) = found.and_then(|(_, at)| group.get_mut(at)) {
                one.edge |= edge;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_marked_over_all_units() {
        let row = |p, unit, v| NumberRow { p, unit, v: vec![v] };
        let rows = [row(1, 0, 5), row(1, 0, 6), row(1, 9, 2), row(1, 9, 5), row(2, 0, 7)];
        let marks: Vec<i16> = numbers(&rows).iter().map(|one| one.edge).collect();
        assert_eq!(marks, [0, 2, 1, 0, 3]);
    }

    #[test]
    fn words_of_a_string_have_no_mark() {
        let row = |folded: &str, exact| StringRow { p: 1, folded: folded.to_owned(), exact };
        let rows = [row("berg", 0), row("von berg", 7), row("von berg", 8), row("zett", 0)];
        let marks: Vec<i16> = strings(&rows).iter().map(|one| one.edge).collect();
        assert_eq!(marks, [0, 1, 2, 0]);
    }
}
