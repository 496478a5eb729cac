//! The statements of histories, newest first and in the order of changes, for both databases.
//!
//! Versions are named by rows of `change`. On SQLite those are keyed by time, so the versions of
//! some resources are gathered from `resource` and `version` instead.

use fhir_model::{ResourceKey, VersionId};

use super::row;
use crate::error::StoreError;
use crate::read::{HistoryPosition, HistoryScope, HistoryWindow, RowKey};
use crate::sql::{Dialect, Sql};

/// Whose versions, by row.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    All,
    Type(i32),
    /// These rows; where a version is named, only that one.
    Listed(Vec<(RowKey, Option<VersionId>)>),
}

impl Rows {
    /// The rows of a scope, each found by `locate`; none where nobody has ever heard of them.
    ///
    /// # Errors
    /// What `locate` fails with.
    pub(crate) fn of(
        scope: &HistoryScope,
        mut locate: impl FnMut(&ResourceKey) -> Result<Option<RowKey>, StoreError>,
    ) -> Result<Option<Self>, StoreError> {
        let listed = match scope {
            HistoryScope::System => return Ok(Some(Self::All)),
            HistoryScope::Type(kind) => return Ok(Some(Self::Type(row::number_of(*kind)))),
            HistoryScope::Instance(key) => &[(key.clone(), None)],
            HistoryScope::Listed(listed) => listed.as_slice(),
        };
        let mut rows = Vec::with_capacity(listed.len());
        for (key, version) in listed {
            rows.extend(locate(key)?.map(|row| (row, *version)));
        }
        Ok((!rows.is_empty()).then_some(Self::Listed(rows)))
    }
}

/// Where an ascending walk starts: behind this place in the order of changes.
pub(crate) type Place = [i64; 3];

/// A page, newest first, strictly after `after`.
pub(crate) fn page(
    dialect: Dialect,
    rows: &Rows,
    window: HistoryWindow,
    after: Option<&HistoryPosition>,
    limit: usize,
) -> Sql {
    let mut sql = Sql::new("SELECT ");
    columns(dialect, &mut sql);
    source(dialect, rows, &mut sql);
    conditions(dialect, rows, window, &mut sql);
    if let Some(after) = after {
        match dialect {
            // No two versions have the same instant.
            Dialect::Sqlite => sql.push(" AND c.updated < ").integer(after.updated.0),
            Dialect::Postgres => {
                sql.push(" AND (c.updated, c.rid, c.version) < (").integer(after.updated.0);
                sql.push(", ").integer(after.rid).push(", ").integer(after.version.0).push(")")
            }
        };
    }
    sql.push(match dialect {
        Dialect::Sqlite => " ORDER BY c.updated DESC",
        Dialect::Postgres => " ORDER BY c.updated DESC, c.rid DESC, c.version DESC",
    });
    sql.limit(row::limit_of(limit));
    sql
}

/// The next versions in the order of changes. On PostgreSQL the columns begin with the
/// transaction, and only transactions are read below which none is open: whatever commits later
/// stands above them.
pub(crate) fn changes(
    dialect: Dialect,
    rows: &Rows,
    window: HistoryWindow,
    after: Place,
    limit: usize,
) -> Sql {
    let [first, second, third] = after;
    let mut sql = Sql::new(match dialect {
        Dialect::Sqlite => "SELECT ",
        Dialect::Postgres => "SELECT c.xid, ",
    });
    columns(dialect, &mut sql);
    source(dialect, rows, &mut sql);
    conditions(dialect, rows, window, &mut sql);
    match dialect {
        Dialect::Sqlite => sql.push(" AND c.updated > ").integer(first).push(" ORDER BY c.updated"),
        Dialect::Postgres => {
            sql.push(" AND c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
            sql.push(" AND (c.xid, c.rid, c.version) > (").integer(first).push(", ");
            sql.integer(second).push(", ").integer(third);
            sql.push(") ORDER BY c.xid, c.rid, c.version")
        }
    };
    sql.limit(row::limit_of(limit));
    sql
}

/// How many versions there are.
pub(crate) fn count(dialect: Dialect, rows: &Rows, window: HistoryWindow) -> Sql {
    let mut sql = Sql::new("SELECT count(*)");
    source(dialect, rows, &mut sql);
    conditions(dialect, rows, window, &mut sql);
    sql
}

fn columns(dialect: Dialect, sql: &mut Sql) {
    sql.push(match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "c.dk, ",
    });
    sql.push(
        "c.rid, c.type, r.id, c.version, c.updated, \
         CASE WHEN r.version = c.version THEN r.method ELSE v.method END, \
         CASE WHEN r.version = c.version THEN r.dict ELSE v.dict END, \
         CASE WHEN r.version = c.version THEN r.body ELSE v.body END",
    );
}

fn source(dialect: Dialect, rows: &Rows, sql: &mut Sql) {
    match (dialect, rows) {
        (Dialect::Sqlite, Rows::All | Rows::Type(_)) => {
            sql.push(" FROM change c");
        }
        (Dialect::Sqlite, Rows::Listed(listed)) => {
            let rids = || listed.iter().map(|(row, _)| row.rid).collect();
            sql.push(" FROM (SELECT updated, type, rid, version FROM resource WHERE rid");
            sql.in_list(dialect, rids());
            sql.push(
                " UNION ALL SELECT o.updated, k.type, o.rid, o.version FROM version o \
                 JOIN resource k ON k.rid = o.rid WHERE o.rid",
            );
            sql.in_list(dialect, rids()).push(") c");
        }
        (Dialect::Postgres, _) => {
            sql.push(
                " FROM change c JOIN resource r ON r.dk = c.dk AND r.rid = c.rid LEFT JOIN \
                 version v ON v.dk = c.dk AND v.rid = c.rid AND v.version = c.version",
            );
            return;
        }
    }
    sql.push(
        " CROSS JOIN resource r ON r.rid = c.rid \
         LEFT JOIN version v ON v.rid = c.rid AND v.version = c.version",
    );
}

fn conditions(dialect: Dialect, rows: &Rows, window: HistoryWindow, sql: &mut Sql) {
    let (since, before) = row::bounds_of(window);
    sql.push(" WHERE c.updated >= ").integer(since).push(" AND c.updated < ").integer(before);
    match rows {
        Rows::All => {}
        Rows::Type(kind) => {
            sql.push(" AND c.type = ").integer(*kind);
        }
        Rows::Listed(listed) => listed_rows(dialect, listed, sql),
    }
    if let Some(start) = window.current_at {
        let keyed = match dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => "n.dk = c.dk AND ",
        };
        // A version ends when the next one comes.
        sql.push(" AND (c.version = r.version OR c.updated >= ").integer(start.0);
        sql.push(" OR CASE WHEN r.version = c.version + 1 THEN r.updated ELSE (SELECT n.updated ");
        sql.push("FROM version n WHERE ").push(keyed);
        sql.push("n.rid = c.rid AND n.version = c.version + 1) END > ").integer(start.0).push(")");
    }
}

fn listed_rows(dialect: Dialect, listed: &[(RowKey, Option<VersionId>)], sql: &mut Sql) {
    if dialect == Dialect::Postgres {
        let pairs: Vec<_> = listed.iter().map(|(row, _)| (row.dk, row.rid)).collect();
        sql.push(" AND (c.dk, c.rid)").in_pairs(dialect, &pairs);
    }
    if listed.iter().all(|(_, version)| version.is_none()) {
        return;
    }
    let whole: Vec<i64> =
        listed.iter().filter(|(_, version)| version.is_none()).map(|(row, _)| row.rid).collect();
    let single: Vec<(i64, i64)> =
        listed.iter().filter_map(|(row, version)| Some((row.rid, (*version)?.0))).collect();
    sql.push(" AND (c.rid").in_list(dialect, whole).push(" OR (c.rid, c.version)");
    sql.in_pairs(dialect, &single).push(")");
}
