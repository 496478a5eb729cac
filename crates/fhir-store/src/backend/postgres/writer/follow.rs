//! What goes with a new version: its change, and the rows that searches read.

use diesel::QueryResult;
use fhir_search::{IndexRows, TextRow};

use super::super::rows;
use super::apply::{Step, Transaction};
use crate::backend::{row, words};
use crate::read::RowKey;
use crate::sql::{Bind, Sql};

impl Transaction<'_> {
    /// Everything that goes with a new version: change, index, access, coding and unit rows.
    pub(super) fn follow(
        &mut self,
        step: &Step,
        old: Option<&IndexRows>,
        new: Option<&IndexRows>,
    ) -> QueryResult<()> {
        let RowKey { rid, dk } = step.row;
        let mut sql = Sql::new("INSERT INTO change (dk, rid, version, updated, type, xid) SELECT ");
        sql.integer(dk).push(", ").integer(rid).push(", ").integer(step.version).push(", ");
        sql.integer(step.updated).push(", ").integer(step.kind);
        if step.version == 1 {
            sql.push(", pg_current_xact_id()::text::bigint");
        } else {
            // The transaction of the version before, which is committed under this one's lock,
            // may have begun later: this version must not come before it.
            sql.push(", greatest(xid, pg_current_xact_id()::text::bigint) FROM change WHERE dk = ");
            sql.integer(dk).push(" AND rid = ").integer(rid).push(" AND version = ");
            sql.integer(step.version.saturating_sub(1));
        }
        self.run(&sql)?;
        rows::replace(self.connection, step.row, old, new)?;
        let access = |rows: &'_ IndexRows| (rows.access.clone(), rows.present.clone());
        if old.map(access) != new.map(access) {
            self.access(step, new)?;
        }
        let words = words(step.row, old.map(|rows| &rows.text), new.map(|rows| &rows.text));
        if let Some(sql) = words {
            self.run(&sql)?;
        }
        if let Some(rows) = new {
            self.noted.add(rows);
        }
        Ok(())
    }

    fn access(&mut self, step: &Step, new: Option<&IndexRows>) -> QueryResult<()> {
        let Step { row, kind, .. } = *step;
        let mut sql = Sql::default();
        match new {
            None => {
                sql.push("DELETE FROM access WHERE type = ").integer(kind);
                sql.push(" AND rid = ").integer(row.rid).push(" AND dk = ").integer(row.dk);
            }
            Some(rows) => {
                let [present, present2] = self.core.presence(rows);
                sql.push("INSERT INTO access (dk, rid, type, person, present, present2, labels) ");
                sql.push("VALUES (").integer(row.dk).push(", ").integer(row.rid).push(", ");
                sql.integer(kind).push(", ").integer(rows.access.person).push(", ");
                sql.integer(present).push(", ").integer(present2).push(", ");
                let labels = row::labels_of(&rows.access.labels);
                sql.bind(labels.map_or(Bind::NoBytes, Bind::Bytes));
                sql.push(
                    ") ON CONFLICT (type, rid, dk) DO UPDATE SET person = excluded.person, \
                     present = excluded.present, present2 = excluded.present2, \
                     labels = excluded.labels",
                );
            }
        }
        self.run(&sql).map(|_| ())
    }
}

/// The statement that brings the words of a row from `old` to `new`, if there is anything to do.
pub(crate) fn words(row: RowKey, old: Option<&TextRow>, new: Option<&TextRow>) -> Option<Sql> {
    let old = old.filter(|text| !words::is_empty(text));
    let new = new.filter(|text| !words::is_empty(text));
    if old == new {
        return None;
    }
    let mut sql = Sql::default();
    match new {
        None => {
            sql.push("DELETE FROM words WHERE rid = ").integer(row.rid);
            sql.push(" AND dk = ").integer(row.dk);
        }
        Some(text) => {
            sql.push("INSERT INTO words (dk, rid, words) VALUES (").integer(row.dk);
            sql.push(", ").integer(row.rid).push(", ");
            sql.bind(Bind::Text(words::vector(text))).push("::tsvector) ");
            sql.push("ON CONFLICT (rid, dk) DO UPDATE SET words = excluded.words");
        }
    }
    Some(sql)
}
