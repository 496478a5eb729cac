//! One alternative of a predicate as a condition on one table.

use fhir_search::rows::{LONG_SPAN_US, MANY_DATES};
use fhir_search::{Comparator, DateMatch, NumberRange, ParameterId, PlaceRow, RowMatch, UnitMatch};

use crate::sql::{Bind, Dialect, Sql};

/// A condition on the rows of one table; its column names are unqualified.
#[derive(Clone, Debug)]
pub(crate) struct Arm {
    pub(crate) table: &'static str,
    pub(crate) condition: Sql,
    /// The rows that hold stand in row order, and a given row is found by one seek.
    pub(crate) is_point: bool,
    /// No two rows that hold belong to one resource.
    pub(crate) is_unique: bool,
}

impl Arm {
    fn new(table: &'static str, p: i32) -> Self {
        let mut condition = Sql::new("p = ");
        condition.integer(p);
        Self { table, condition, is_point: false, is_unique: false }
    }

    fn beside() -> Self {
        Self { table: "access", condition: Sql::default(), is_point: false, is_unique: true }
    }

    fn equal(mut self, column: &str, value: Bind) -> Self {
        self.condition.push(" AND ").push(column).push(" = ").bind(value);
        self
    }

    fn hash(self, column: &str, value: i64) -> Self {
        self.equal(column, Bind::Integer(value))
    }

    fn system(self, column: &str, sys: Option<i64>) -> Self {
        match sys {
            Some(sys) => self.hash(column, sys),
            None => self,
        }
    }

    /// The units are few and looked up first, so that each of them is a start of the key.
    fn unit(self, p: ParameterId, unit: UnitMatch) -> Self {
        let mut arm = match unit {
            UnitMatch::Plain => return self.hash("unit", 0),
            UnitMatch::Unit(unit) => return self.hash("unit", unit),
            UnitMatch::Any | UnitMatch::Code(_) | UnitMatch::SystemCode(..) => self,
        };
        let condition = &mut arm.condition;
        condition.push(" AND unit IN (SELECT u.unit FROM unit u WHERE u.p = ").integer(p.0);
        match unit {
            UnitMatch::Plain | UnitMatch::Unit(_) | UnitMatch::Any => {}
            UnitMatch::Code(code) => {
                condition.push(" AND (u.code = ").integer(code);
                condition.push(" OR u.text = ").integer(code).push(")");
            }
            UnitMatch::SystemCode(sys, code) => {
                condition.push(" AND u.sys = ").integer(sys).push(" AND u.code = ").integer(code);
            }
        }
        condition.push(")");
        arm
    }

    fn prefix(self, folded: &str) -> Self {
        self.begins("folded", folded)
    }

    fn begins(mut self, column: &str, start: &str) -> Self {
        if !start.is_empty() {
            let end = format!("{start}\u{10ffff}");
            self.condition.push(" AND ").push(column).push(" >= ");
            self.condition.bind(Bind::Text(start.to_owned())).push(" AND ").push(column);
            self.condition.push(" < ").bind(Bind::Text(end));
        }
        self
    }

    /// Holds `part` somewhere: every row of the parameter is looked at.
    fn contains(mut self, dialect: Dialect, part: &str) -> Self {
        if !part.is_empty() {
            self.condition.push(match dialect {
                Dialect::Sqlite => " AND instr(folded, ",
                Dialect::Postgres => " AND strpos(folded, ",
            });
            self.condition.bind(Bind::Text(part.to_owned())).push(") > 0");
        }
        self
    }

    /// Ends with `end`, likewise. A text that is shorter gives a shorter end, which is another.
    fn ends(mut self, end: &str) -> Self {
        if !end.is_empty() {
            let end = Bind::Text(end.to_owned());
            self.condition.push(" AND substr(folded, length(folded) - length(");
            self.condition.bind(end.clone()).push(") + 1) = ").bind(end);
        }
        self
    }

    /// `text` itself, or with one of some letters behind it.
    fn below(self, text: &str) -> Self {
        let base = Bind::Text(text.to_owned());
        let mut arm = self.begins("text", text);
        arm.condition.push(" AND (text = ").bind(base.clone());
        arm.condition
            .push(" OR substr(text, length(")
            .bind(base)
            .push(") + 1, 1) IN ('/', '|', '#'");
        // A version is above those that go on from it: 1 is above 1.2.
        arm.condition.push(if text.contains('|') { ", '.'))" } else { "))" });
        arm
    }

    /// Within a straight distance: a slab of the first coordinate, and in it the exact distance.
    fn near(mut self, place: &PlaceRow, chord: i64) -> Self {
        // Nothing on the earth is further apart; squares stay far below 2^63.
        let chord = chord.clamp(-1, MAX_CHORD);
        if chord < 0 {
            self.condition.push(" AND 1 = 0");
            return self;
        }
        let axes = [("x", place.x), ("y", place.y), ("z", place.z)];
        for (axis, middle) in axes {
            self.condition.push(" AND ").push(axis).push(" >= ").integer(middle - chord);
            self.condition.push(" AND ").push(axis).push(" <= ").integer(middle + chord);
        }
        for (at, (axis, middle)) in axes.into_iter().enumerate() {
            self.condition.push(if at == 0 { " AND " } else { " + " });
            self.condition.push(&format!("({axis} - ")).integer(middle);
            self.condition.push(&format!(") * ({axis} - ")).integer(middle).push(")");
        }
        self.condition.push(" <= ").integer(chord * chord);
        self
    }

    fn range(mut self, column: &str, range: &NumberRange) -> Self {
        let negated = range.negated;
        let ends = [
            (&range.min, if negated { ("<", "<=") } else { (">=", ">") }),
            (&range.max, if negated { (">", ">=") } else { ("<=", "<") }),
        ];
        let mut parts = Vec::new();
        for (end, (with, without)) in ends {
            if let Some((value, inclusive)) = end {
                let mut part = Sql::new(column);
                part.push(if *inclusive { with } else { without });
                part.bind(Bind::Bytes(value.clone()));
                parts.push(part);
            }
        }
        if parts.is_empty() {
            self.condition.push(if negated { " AND 1 = 0" } else { "" });
            return self;
        }
        self.condition.push(" AND (");
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                self.condition.push(if negated { " OR " } else { " AND " });
            }
            self.condition.append(part);
        }
        self.condition.push(")");
        self
    }

    /// `span_us`: no row of this table has a longer range, so that `lo` can be bounded.
    fn date(mut self, when: &DateMatch, span_us: Option<i64>) -> Self {
        let (lo, hi) = (when.lo, when.hi);
        let mut bounds: Vec<(&str, i64)> = Vec::new();
        let mut rest: (&str, Vec<i64>) = ("", Vec::new());
        match when.comparator {
            Comparator::Eq => bounds.extend([("lo >= ", lo), ("lo <= ", hi), ("hi <= ", hi)]),
            Comparator::Ne => rest = ("(lo < ? OR hi > ?)", vec![lo, hi]),
            Comparator::Gt => {
                bounds.extend(span_us.map(|span| ("lo >= ", hi.saturating_sub(span))));
                bounds.push(("hi > ", hi));
            }
            Comparator::Lt => bounds.push(("lo < ", lo)),
            Comparator::Ge => {
                bounds.extend(span_us.map(|span| ("lo >= ", lo.min(hi.saturating_sub(span)))));
                rest = ("(hi > ? OR lo >= ?)", vec![hi, lo]);
            }
            Comparator::Le => {
                bounds.push(("lo <= ", hi));
                rest = ("(lo < ? OR hi <= ?)", vec![lo, hi]);
            }
            Comparator::Sa => bounds.push(("lo >= ", hi)),
            Comparator::Eb => bounds.extend([("lo <= ", lo), ("hi <= ", lo)]),
            Comparator::Ap => {
                bounds.extend(span_us.map(|span| ("lo >= ", lo.saturating_sub(span))));
                bounds.extend([("lo < ", hi), ("hi > ", lo)]);
            }
        }
        for (text, value) in bounds {
            self.condition.push(" AND ").push(text).integer(value);
        }
        let (text, values) = rest;
        if !text.is_empty() {
            self.condition.push(" AND ");
            let mut parts = text.split('?');
            self.condition.push(parts.next().unwrap_or_default());
            for (value, part) in values.iter().zip(parts) {
                self.condition.integer(*value).push(part);
            }
        }
        self
    }

    /// Where a range starts that may satisfy `when`; `None` where it may start anywhere.
    fn starts(mut self, when: &DateMatch, span_us: Option<i64>) -> Option<Self> {
        let (lo, hi) = (when.lo, when.hi);
        let since = |end: i64| span_us.map(|span| end.saturating_sub(span));
        let (from, to) = match when.comparator {
            Comparator::Ne => return None,
            Comparator::Eq => (Some(lo), Some(hi)),
            Comparator::Gt => (since(hi), None),
            Comparator::Ge => (since(hi).map(|start| start.min(lo)), None),
            Comparator::Lt => (None, Some(lo)),
            Comparator::Le => (None, Some(hi)),
            Comparator::Sa => (Some(hi), None),
            Comparator::Eb => (None, Some(lo)),
            Comparator::Ap => (since(lo), Some(hi)),
        };
        for (text, bound) in [(" AND lo >= ", from), (" AND lo <= ", to)] {
            if let Some(bound) = bound {
                self.condition.push(text).integer(bound);
            }
        }
        Some(self)
    }

    fn point(mut self, is_unique: bool) -> Self {
        self.is_point = true;
        self.is_unique = is_unique;
        self
    }
}

/// Longer than the way through the earth, in the units of [`PlaceRow`].
const MAX_CHORD: i64 = 200_000_000;

/// The conditions any of which makes `row` hold.
pub(crate) fn arms(dialect: Dialect, row: &RowMatch) -> Vec<Arm> {
    match row {
        RowMatch::Token { p, code, sys } => {
            let arm = Arm::new("token", p.0).hash("code", *code).system("sys", *sys);
            vec![arm.point(sys.is_some())]
        }
        RowMatch::TokenSystem { p, sys } => {
            let mut arm = Arm::new("token", p.0).hash("sys", *sys);
            arm.condition.push(" AND code IN (SELECT code FROM coding WHERE sys = ");
            arm.condition.integer(*sys).push(")");
            vec![arm]
        }
        RowMatch::Reference { p, targets } => targets
            .iter()
            .map(|target| Arm::new("reference", p.0).hash("target", *target).point(true))
            .collect(),
        RowMatch::Date { p, when } => dates(*p, when),
        RowMatch::Number { p, unit, range } => {
            vec![Arm::new("number", p.0).unit(*p, *unit).range("v", range)]
        }
        RowMatch::StringPrefix { p, folded } => vec![Arm::new("string", p.0).prefix(folded)],
        RowMatch::StringExact { p, folded, exact } => {
            let arm = Arm::new("string", p.0).equal("folded", Bind::Text(folded.clone()));
            vec![arm.hash("exact", i64::from(*exact)).point(true)]
        }
        RowMatch::StringIs { p, folded } => {
            let arm = Arm::new("string", p.0).equal("folded", Bind::Text(folded.clone()));
            vec![arm.point(false)]
        }
        RowMatch::StringContains { p, folded } => {
            vec![Arm::new("string", p.0).contains(dialect, folded)]
        }
        RowMatch::StringEnds { p, folded } => vec![Arm::new("string", p.0).ends(folded)],
        RowMatch::TokenSet { p, codes } => token_set(dialect, *p, codes),
        RowMatch::UriBelow { p, text } => vec![Arm::new("uri", p.0).below(text)],
        RowMatch::Near { p, place, chord } => vec![Arm::new("place", p.0).near(place, *chord)],
        RowMatch::Uri { p, text } => {
            vec![Arm::new("uri", p.0).equal("text", Bind::Text(text.clone())).point(true)]
        }
        RowMatch::CompositeToken { p, code, sys, code2, sys2 } => {
            let arm = Arm::new("composite_token", p.0).hash("code", *code).hash("code2", *code2);
            let arm = arm.system("sys", *sys).system("sys2", *sys2);
            vec![arm.point(sys.is_some() && sys2.is_some())]
        }
        RowMatch::CompositeNumber { p, code, sys, unit, range, range2 } => {
            let arm = Arm::new("composite_number", p.0).hash("code", *code).unit(*p, *unit);
            let arm = arm.range("v", range).system("sys", *sys);
            vec![match range2 {
                Some(range2) => arm.range("v2", range2),
                None => arm,
            }]
        }
        RowMatch::CompositeDate { p, code, sys, when } => {
            let arm = Arm::new("composite_date", p.0).hash("code", *code);
            vec![arm.date(when, None).system("sys", *sys)]
        }
        RowMatch::CompositeString { p, code, sys, folded } => {
            let arm = Arm::new("composite_string", p.0).hash("code", *code);
            vec![arm.prefix(folded).system("sys", *sys)]
        }
    }
}

/// Codes of any system, and codes of one: each kind with one bind, however many they are.
fn token_set(dialect: Dialect, p: ParameterId, codes: &[(i64, Option<i64>)]) -> Vec<Arm> {
    let anywhere: Vec<i64> =
        codes.iter().filter(|(_, sys)| sys.is_none()).map(|(code, _)| *code).collect();
    let exact: Vec<(i64, i64)> =
        codes.iter().filter_map(|(code, sys)| sys.map(|sys| (*code, sys))).collect();
    let mut arms = Vec::new();
    if !anywhere.is_empty() {
        let mut arm = Arm::new("token", p.0);
        arm.condition.push(" AND code").in_list(dialect, anywhere);
        arms.push(arm);
    }
    if !exact.is_empty() {
        let mut arm = Arm::new("token", p.0);
        arm.condition.push(" AND (code, sys)").in_pairs(dialect, &exact);
        arms.push(arm);
    }
    arms
}

/// A date is looked for among the short spans and among the long ones.
fn dates(p: ParameterId, when: &DateMatch) -> Vec<Arm> {
    vec![
        Arm::new("date", p.0).date(when, Some(LONG_SPAN_US)),
        Arm::new("date", p.long()).date(when, None),
    ]
}

/// Where a code stands with dates that may satisfy all of `whens`: among the short ranges, among
/// the long ones, and where a resource has too many dates. `None` where a condition bounds nothing.
pub(crate) fn code_dates(p: ParameterId, code: i64, whens: &[DateMatch]) -> Option<Vec<Arm>> {
    let arm = |p: i32| Arm::new("code_date", p).hash("code", code);
    let (mut short, mut long) = (arm(p.0), arm(p.long()));
    for when in whens {
        short = short.starts(when, Some(LONG_SPAN_US))?;
        long = long.starts(when, None)?;
    }
    Some(vec![short, long, arm(p.long()).hash("lo", MANY_DATES)])
}

/// The condition of a date or number on what stands beside a row of `access`, with ` AND ` in
/// front; `None` where no such thing stands there. The columns are NULL where there is no value.
pub(crate) fn beside(row: &RowMatch) -> Option<Sql> {
    if let RowMatch::Date { when, .. } = row {
        return Some(Arm::beside().date(when, None).condition);
    }
    let RowMatch::Number { p, unit, range } = row else { return None };
    if *unit != UnitMatch::Any {
        return Some(Arm::beside().unit(*p, *unit).range("v", range).condition);
    }
    let mut condition = Arm::beside().range("v", range).condition;
    condition.push(if condition.is_empty() { " AND v IS NOT NULL" } else { "" });
    Some(condition)
}

/// The condition of `_lastUpdated` on a column with points in time.
pub(crate) fn updated(column: &str, when: &DateMatch) -> Sql {
    let (lo, hi) = (when.lo, when.hi);
    // A stored instant t is the range [t, t + 1).
    let (text, values): (&str, &[i64]) = match when.comparator {
        Comparator::Eq => ("(c >= ? AND c < ?)", &[lo, hi]),
        Comparator::Ne => ("(c < ? OR c >= ?)", &[lo, hi]),
        Comparator::Gt | Comparator::Sa => ("c >= ?", &[hi]),
        Comparator::Lt | Comparator::Eb => ("c < ?", &[lo]),
        Comparator::Ge => ("c >= ?", &[lo]),
        Comparator::Le => ("c < ?", &[hi]),
        Comparator::Ap => ("(c >= ? AND c < ?)", &[lo, hi]),
    };
    let mut sql = Sql::default();
    let mut parts = text.split('?');
    let name = |part: &str| part.replace("c ", &format!("{column} "));
    sql.push(&name(parts.next().unwrap_or_default()));
    for (value, part) in values.iter().zip(parts) {
        sql.integer(*value).push(&name(part));
    }
    sql
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::{Integer, Text};
    use diesel::sqlite::SqliteConnection;
    use diesel::{Connection, RunQueryDsl};

    use super::*;

    fn plan(connection: &mut SqliteConnection, row: &RowMatch) -> String {
        let [arm] = arms(Dialect::Sqlite, row).try_into().unwrap();
        let mut sql = Sql::new("EXPLAIN QUERY PLAN SELECT rid FROM ");
        sql.push(arm.table).push(" WHERE ").append(&arm.condition);
        let steps: Vec<(i32, i32, i32, String)> =
            sql.typed::<(Integer, Integer, Integer, Text)>().load(connection).unwrap();
        steps.into_iter().map(|(.., detail)| detail).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_form_of_a_unit_leaves_the_whole_key_in_use() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let schema = include_str!("../../migrations/sqlite/2026-01-05_core/up.sql");
        connection.batch_execute(schema).unwrap();
        let p = ParameterId(1);
        let range = NumberRange { min: Some((vec![1], true)), ..NumberRange::default() };
        let units =
            [UnitMatch::Plain, UnitMatch::Any, UnitMatch::Code(1), UnitMatch::SystemCode(1, 1)];
        for unit in units {
            let found = plan(&mut connection, &RowMatch::Number { p, unit, range: range.clone() });
            assert!(found.contains("PRIMARY KEY (p=? AND unit=? AND v>?)"), "{unit:?}: {found}");
            let row = RowMatch::CompositeNumber {
                p,
                code: 1,
                sys: None,
                unit,
                range: range.clone(),
                range2: None,
            };
            let found = plan(&mut connection, &row);
            let key = "PRIMARY KEY (p=? AND code=? AND unit=? AND v>?)";
            assert!(found.contains(key), "{unit:?}: {found}");
        }
    }
}
