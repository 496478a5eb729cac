//! Dates as they stand in rows: with a mark on the least and the greatest of a resource.

use fhir_search::DateRow;

/// A row of `date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    pub(crate) p: i32,
    pub(crate) lo: i64,
    pub(crate) hi: i64,
    /// 1: the least `lo` of the resource under the parameter, 2: the greatest, 3: both.
    pub(crate) edge: i16,
}

/// The rows of one resource with their marks, in key order.
///
/// Short and long spans of a parameter (`p` and `-p`) are marked together, since a sort looks at
/// both.
pub(crate) fn intervals(rows: &[DateRow]) -> Vec<Interval> {
    let mut out: Vec<Interval> =
        rows.iter().map(|row| Interval { p: row.p, lo: row.lo, hi: row.hi, edge: 0 }).collect();
    out.sort_unstable_by_key(|row| (row.p.abs(), row.lo, row.p, row.hi));
    let mut previous = None;
    for row in &mut out {
        if previous != Some(row.p.abs()) {
            row.edge |= 1;
        }
        previous = Some(row.p.abs());
    }
    previous = None;
    for row in out.iter_mut().rev() {
        if previous != Some(row.p.abs()) {
            row.edge |= 2;
        }
        previous = Some(row.p.abs());
    }
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_has_one_least_and_one_greatest() {
        let row = |p, lo, hi| DateRow { p, lo, hi };
        let marked = intervals(&[row(-7, 1, 900), row(7, 5, 6), row(7, 8, 9), row(8, 3, 4)]);
        let edge = |p, lo| marked.iter().find(|one| (one.p, one.lo) == (p, lo)).unwrap().edge;
        assert_eq!((edge(-7, 1), edge(7, 5), edge(7, 8), edge(8, 3)), (1, 0, 2, 3));
    }
}
