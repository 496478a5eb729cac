//! Where candidates come from: the index rows of one predicate, or all resources of the types.

use fhir_definitions::ResourceType;
use fhir_search::{Match, Predicate, RowMatch};

use super::arm::{self, Arm};
use super::condition::{Conditions, within};
use super::text;
use crate::read::RowKey;
use crate::sql::{Dialect, Sql};

/// So many ordered lists are merged; more are gathered and sorted.
const MERGED: usize = 8;

/// Live resources by their hash. The index on the hash has all of it but whether they live, which
/// the short rows of `access` tell: a page of bodies is not touched for each.
pub(crate) const LIVE_BY_HASH: &str = "(SELECT r.rid, r.hash, r.type FROM resource r WHERE EXISTS \
    (SELECT 1 FROM access l WHERE l.type = r.type AND l.rid = r.rid))";

/// The rows of a predicate that can be walked.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where they are; a row may stand in several.
    pub(crate) arms: Vec<Arm>,
    /// Each arm is walked in row order from any row on.
    pub(crate) is_ordered: bool,
    /// Every row of the source satisfies the predicate.
    pub(crate) is_exact: bool,
    /// Rows of other types than the asked ones may be among them, or of deleted resources.
    pub(crate) is_of_any_type: bool,
}

impl Source {
    pub(crate) fn new(arms: Vec<Arm>) -> Self {
        let is_ordered = arms.len() <= MERGED && arms.iter().all(|arm| arm.is_point);
        Self { arms, is_ordered, is_exact: true, is_of_any_type: false }
    }

    /// All live resources of the types, in row order.
    pub(crate) fn of_types(types: &[ResourceType]) -> Self {
        let arm = |of: &ResourceType| {
            let mut condition = Sql::new("type = ");
            condition.integer(of.index());
            Arm { table: "access", condition, is_point: true, is_unique: true }
        };
        let arms = types.iter().map(arm).collect();
        Self { arms, is_ordered: true, is_exact: true, is_of_any_type: false }
    }

    /// Where everything that satisfies the predicate can be found; `None` where no index knows.
    pub(crate) fn of(
        conditions: &Conditions<'_>,
        predicate: &Predicate,
        types: &[ResourceType],
    ) -> Option<Self> {
        let mut arms = Vec::new();
        let (mut is_exact, mut is_of_any_type) = (true, false);
        let mut each_alone: Vec<&Match> = predicate.any.iter().collect();
        if let Some(Group { parameters, targets, others }) = same_targets(&each_alone)
            && parameters.len() > MERGED
        {
            arms.push(among(conditions.dialect, &parameters, targets));
            each_alone = others;
        }
        for each in each_alone {
            let part = of_match(conditions, each, types)?;
            is_exact &= part.is_exact;
            is_of_any_type |= part.is_of_any_type;
            arms.extend(part.arms);
        }
        let is_exact = is_exact || arms.is_empty();
        Some(Self { is_exact, is_of_any_type, ..Self::new(arms) })
    }

    /// The rows that satisfy several conditions on one date: only where no resource has two.
    pub(crate) fn of_dates(
        conditions: &Conditions<'_>,
        all: &[Predicate],
        types: &[ResourceType],
    ) -> Option<Self> {
        let mut parts = all.iter().map(|each| Self::of(conditions, each, types));
        let mut merged = parts.next()??;
        for part in parts {
            for (arm, more) in merged.arms.iter_mut().zip(part?.arms) {
                arm.condition.push(" AND ").append(&more.condition);
            }
        }
        Some(merged)
    }

    /// How many rows there are, counted up to a limit.
    pub(crate) fn count(&self, limit: i64) -> Sql {
        let mut sql = Sql::new("SELECT count(*), CAST(0 AS bigint), CAST(0 AS bigint) FROM (");
        if self.arms.is_empty() {
            sql.push("SELECT 1 WHERE 1 = 0");
        }
        for (place, arm) in self.arms.iter().enumerate() {
            sql.push(if place > 0 { " UNION ALL " } else { "" });
            sql.push("SELECT 1 FROM ").push(arm.table).push(" WHERE ").append(&arm.condition);
        }
        sql.limit(limit).push(") AS probe");
        sql
    }
}

fn of_match(conditions: &Conditions<'_>, each: &Match, types: &[ResourceType]) -> Option<Source> {
    Some(match each {
        Match::Row(RowMatch::Reference { p, targets }) if targets.len() > MERGED => {
            Source::new(vec![among(conditions.dialect, &[i64::from(p.0)], targets)])
        }
        Match::Row(row) => Source::new(arm::arms(conditions.dialect, row)),
        Match::Id(id) => {
            let hash = |of: &ResourceType| conditions.hasher.local(*of, id.as_str());
            let hashes: Vec<i64> = types.iter().map(hash).collect();
            by_hash(conditions.dialect, &hashes, types)
        }
        Match::Keys(keys) => {
            let hashes: Vec<i64> =
                keys.iter().map(|key| conditions.hasher.reference(key)).collect();
            by_hash(conditions.dialect, &hashes, types)
        }
        Match::Hashes(hashes) => by_hash(conditions.dialect, hashes, types),
        Match::LastUpdated(when) => {
            let arm = |of: &ResourceType| {
                let mut condition = Sql::new("type = ");
                condition.integer(of.index()).push(" AND body IS NOT NULL AND ");
                condition.append(&arm::updated("updated", when));
                Arm { table: "resource", condition, is_point: false, is_unique: true }
            };
            Source::new(types.iter().map(arm).collect())
        }
        Match::All(all) => {
            let mut parts = all.iter().filter_map(|each| Source::of(conditions, each, types));
            let first = parts.next()?;
            let mut best =
                parts.fold(
                    first,
                    |best, next| {
                        if next.is_ordered && !best.is_ordered { next } else { best }
                    },
                );
            best.is_exact = false;
            best
        }
        Match::Never | Match::Lookup(_) => Source::new(Vec::new()),
        Match::Text(wanted) => {
            let found = text::arm(conditions.dialect, wanted);
            if found.is_complement {
                return None;
            }
            // Words stand for resources of every type.
            Source { is_of_any_type: true, ..Source::new(vec![found.arm]) }
        }
        Match::Not(_)
        | Match::Present(_)
        | Match::Chain(_)
        | Match::Has(_)
        | Match::OfType(_)
        | Match::Person(_) => {
            return None;
        }
    })
}

/// Alternatives that ask for the same targets of references, by whatever parameter.
pub(crate) struct Group<'m> {
    pub(crate) parameters: Vec<i64>,
    pub(crate) targets: &'m [i64],
    /// The alternatives beside them.
    pub(crate) others: Vec<&'m Match>,
}

/// The alternatives that ask for what the first one asks for; none where there are not two.
pub(crate) fn same_targets<'m>(any: &[&'m Match]) -> Option<Group<'m>> {
    let Some(Match::Row(RowMatch::Reference { targets, .. })) = any.first() else { return None };
    let mut group = Group { parameters: Vec::new(), targets, others: Vec::new() };
    for each in any.iter().copied() {
        if let Match::Row(RowMatch::Reference { p, targets: own }) = each
            && own == targets
        {
            group.parameters.push(i64::from(p.0));
        } else {
            group.others.push(each);
        }
    }
    (group.parameters.len() > 1).then_some(group)
}

/// References by any of the parameters to any of the targets.
fn among(dialect: Dialect, parameters: &[i64], targets: &[i64]) -> Arm {
    let mut condition = Sql::new("p");
    within(&mut condition, dialect, parameters);
    condition.push(" AND target");
    within(&mut condition, dialect, targets);
    Arm { table: "reference", condition, is_point: false, is_unique: false }
}

fn by_hash(dialect: Dialect, hashes: &[i64], types: &[ResourceType]) -> Source {
    let numbers: Vec<i64> = types.iter().map(|of| i64::from(of.index())).collect();
    let mut condition = Sql::new("hash");
    within(&mut condition, dialect, hashes);
    // Without the sign SQLite may take an index on the type, which is the whole type.
    condition.push(" AND +type");
    within(&mut condition, dialect, &numbers);
    // Of one type, whether they live is asked for those that a page is chosen from.
    let is_of_any_type = dialect == Dialect::Sqlite && types.len() == 1;
    let table = match dialect {
        Dialect::Sqlite if is_of_any_type => "resource",
        Dialect::Sqlite => LIVE_BY_HASH,
        Dialect::Postgres => {
            condition.push(" AND body IS NOT NULL");
            "resource"
        }
    };
    let arm = Arm { table, condition, is_point: false, is_unique: true };
    Source { is_of_any_type, ..Source::new(vec![arm]) }
}

/// ` AND c` is of one of the types.
pub(crate) fn is_of_types(dialect: Dialect, types: &[ResourceType]) -> Sql {
    let numbers: Vec<i64> = types.iter().map(|of| i64::from(of.index())).collect();
    let mut sql = Sql::new(" AND EXISTS (SELECT 1 FROM access a WHERE a.type");
    within(&mut sql, dialect, &numbers);
    sql.push(" AND a.rid = c.rid");
    sql.push(if dialect == Dialect::Postgres { " AND a.dk = c.dk)" } else { ")" });
    sql
}

/// A piece of a walk in row order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Strictly after this row (before it, where the walk goes backwards).
    pub(crate) after: Option<RowKey>,
    /// Largest row first.
    pub(crate) is_backwards: bool,
    /// So many rows.
    pub(crate) limit: i64,
}

impl Piece {
    pub(crate) fn keyset(&self, sql: &mut Sql, dialect: Dialect, alias: &str) {
        let Some(row) = self.after else { return };
        let side = if self.is_backwards { "<" } else { ">" };
        match dialect {
            Dialect::Sqlite => sql.push(&format!(" AND {alias}.rid {side} ")).integer(row.rid),
            Dialect::Postgres => {
                sql.push(&format!(" AND ({alias}.rid, {alias}.dk) {side} (")).integer(row.rid);
                sql.push(", ").integer(row.dk).push(")")
            }
        };
    }

    pub(crate) fn order(&self, sql: &mut Sql, dialect: Dialect, alias: &str) {
        let direction = if self.is_backwards { " DESC" } else { "" };
        sql.push(&format!(" ORDER BY {alias}rid{direction}"));
        if dialect == Dialect::Postgres {
            sql.push(&format!(", {alias}dk{direction}"));
        }
        sql.limit(self.limit);
    }
}

/// `rid` and `dk` under an alias.
pub(crate) fn columns(dialect: Dialect, alias: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{alias}.rid AS rid, 0 AS dk"),
        Dialect::Postgres => format!("{alias}.rid AS rid, {alias}.dk AS dk"),
    }
}

impl Source {
    /// A piece of a source in row order: rows that satisfy `probes`, conditions on `c`, each in
    /// front with ` AND `. A row may come several times, one behind the other. Columns: rid, dk, 1.
    pub(crate) fn walk(&self, dialect: Dialect, piece: &Piece, probes: &Sql) -> Sql {
        let columns = format!("{}, CAST(1 AS bigint) AS ok", columns(dialect, "c"));
        let list = |arm: &Arm| {
            let mut sql = Sql::new("SELECT ");
            sql.push(&columns).push(" FROM ").push(arm.table).push(" c WHERE ");
            sql.append(&arm.condition);
            piece.keyset(&mut sql, dialect, "c");
            sql.append(probes);
            piece.order(&mut sql, dialect, "c.");
            sql
        };
        self.merged(dialect, piece, "rid, dk, ok", list)
    }

    /// Whether it is all resources of one type.
    pub(crate) fn is_of_types(&self) -> bool {
        matches!(self.arms.as_slice(), [arm] if arm.table == "access" && arm.is_point)
    }

    /// The first and the last row of a source of one list in SQLite; zeros where it is empty.
    pub(crate) fn ends(&self) -> Sql {
        let mut sql = Sql::new("SELECT ");
        for (word, next) in [("min", ", "), ("max", ", 0")] {
            sql.push(&format!("coalesce((SELECT {word}(rid) FROM "));
            for arm in self.arms.iter().take(1) {
                sql.push(arm.table).push(" WHERE ").append(&arm.condition);
            }
            sql.push("), 0)").push(next);
        }
        sql
    }

    /// Among the first rows of a piece of a list, `fuel` of them, those that satisfy `probes`.
    /// Only for an ordered source of one list. Columns: rid, dk, 1.
    pub(crate) fn walk_some(
        &self,
        dialect: Dialect,
        piece: &Piece,
        probes: &Sql,
        fuel: u64,
    ) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c")).push(", CAST(1 AS bigint) AS ok FROM (SELECT * FROM ");
        for arm in self.arms.iter().take(1) {
            sql.push(arm.table).push(" s WHERE ").append(&arm.condition);
        }
        piece.keyset(&mut sql, dialect, "s");
        let limit = i64::try_from(fuel).unwrap_or(i64::MAX);
        Piece { limit, ..*piece }.order(&mut sql, dialect, "s.");
        sql.push(") AS c WHERE TRUE").append(probes);
        piece.order(&mut sql, dialect, "c.");
        sql
    }

    /// The last of those rows; none where the list ends sooner.
    pub(crate) fn end_of_some(&self, dialect: Dialect, piece: &Piece, fuel: u64) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c")).push(", CAST(1 AS bigint) AS ok FROM ");
        for arm in self.arms.iter().take(1) {
            sql.push(arm.table).push(" c WHERE ").append(&arm.condition);
        }
        piece.keyset(&mut sql, dialect, "c");
        Piece { limit: 1, ..*piece }.order(&mut sql, dialect, "c.");
        sql.push(" OFFSET ");
        sql.integer(i64::try_from(fuel.saturating_sub(1)).unwrap_or(i64::MAX));
        sql
    }

    /// A piece of a source without an order: its rows in row order, and whether each satisfies
    /// `probes`. A row may come several times, one behind the other. Columns: rid, dk, 1 or 0.
    pub(crate) fn gather(&self, dialect: Dialect, piece: &Piece, probes: &Sql) -> Sql {
        // Each list is cut by itself: SQLite then keeps the least rows only, and sorts no more.
        let list = |arm: &Arm| {
            let mut sql = Sql::new("SELECT ");
            sql.push(&columns(dialect, "s")).push(" FROM ").push(arm.table).push(" s WHERE ");
            sql.append(&arm.condition);
            piece.keyset(&mut sql, dialect, "s");
            piece.order(&mut sql, dialect, "s.");
            sql
        };
        let rows = self.merged(dialect, piece, "rid, dk", list);
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c")).push(", CASE WHEN TRUE").append(probes);
        sql.push(" THEN CAST(1 AS bigint) ELSE CAST(0 AS bigint) END AS ok FROM (");
        sql.append(&rows).push(") AS c");
        Piece { limit: i64::MAX, ..*piece }.order(&mut sql, dialect, "c.");
        sql
    }

    /// The lists of all arms as one, in row order.
    fn merged(
        &self,
        dialect: Dialect,
        piece: &Piece,
        columns: &str,
        list: impl Fn(&Arm) -> Sql,
    ) -> Sql {
        if let [one] = self.arms.as_slice() {
            return list(one);
        }
        let mut sql = Sql::new(&format!("SELECT {columns} FROM ("));
        if self.arms.is_empty() {
            sql.push("SELECT CAST(0 AS bigint) AS rid, CAST(0 AS bigint) AS dk");
            sql.push(", CAST(1 AS bigint) AS ok WHERE 1 = 0");
        }
        for (place, arm) in self.arms.iter().enumerate() {
            sql.push(if place > 0 { " UNION ALL " } else { "" });
            sql.push("SELECT * FROM (").append(&list(arm)).push(&format!(") AS a{place}"));
        }
        sql.push(") AS u");
        piece.order(&mut sql, dialect, "");
        sql
    }

    /// All rows once, on SQLite.
    pub(crate) fn rows(&self) -> Sql {
        let mut sql = Sql::default();
        if self.arms.is_empty() {
            sql.push("SELECT 0 AS rid WHERE 1 = 0");
        }
        for (place, arm) in self.arms.iter().enumerate() {
            let is_alone = arm.is_unique && self.arms.len() == 1;
            sql.push(if place > 0 { " UNION " } else { "" });
            sql.push(if is_alone { "SELECT rid FROM " } else { "SELECT DISTINCT rid FROM " });
            sql.push(arm.table).push(" WHERE ").append(&arm.condition);
        }
        sql
    }

    /// How many rows satisfy `probes`.
    pub(crate) fn total(&self, dialect: Dialect, probes: &Sql) -> Sql {
        let mut sql = Sql::new("SELECT count(*), CAST(0 AS bigint), CAST(0 AS bigint) FROM ");
        if let [arm] = self.arms.as_slice() {
            let rows = columns(dialect, "c");
            let (open, close) = match arm.is_unique {
                true => (String::new(), ""),
                false => (format!("(SELECT DISTINCT {rows} FROM "), ") AS found"),
            };
            sql.push(&open).push(arm.table).push(" c WHERE ");
            sql.append(&arm.condition).append(probes).push(close);
            return sql;
        }
        sql.push("(");
        for (place, arm) in self.arms.iter().enumerate() {
            sql.push(if place > 0 { " UNION SELECT " } else { "SELECT DISTINCT " });
            sql.push(&columns(dialect, "c")).push(" FROM ").push(arm.table).push(" c WHERE ");
            sql.append(&arm.condition);
        }
        if self.arms.is_empty() {
            sql.push("SELECT CAST(0 AS bigint) AS rid, CAST(0 AS bigint) AS dk WHERE 1 = 0");
        }
        sql.push(") AS c WHERE TRUE").append(probes);
        sql
    }
}
