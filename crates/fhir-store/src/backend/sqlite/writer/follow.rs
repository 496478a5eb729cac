//! What goes with a new version: its change, and the rows that searches read.

use diesel::RunQueryDsl;
use diesel::result::QueryResult;
use fhir_search::{IndexRows, TextRow};

use super::super::rows;
use super::super::statements::{
    DeleteAccess, DeleteWords, InsertChange, InsertCoding, InsertRepeating, InsertUnit,
    InsertWords, PutAccess,
};
use super::apply::{Step, Writer};
use crate::backend::interval::intervals;
use crate::backend::{row, words};

impl Writer {
    /// Everything that goes with a new version: change, index, access, coding and unit rows.
    pub(super) fn follow(
        &mut self,
        step: Step,
        old: Option<&IndexRows>,
        new: Option<&IndexRows>,
    ) -> QueryResult<()> {
        let Step { kind, rid, version, updated } = step;
        InsertChange::new(updated, kind, rid, version).execute(&mut self.connection)?;
        rows::replace(&mut self.connection, rid, old, new)?;
        self.access(kind, rid, old, new)?;
        self.words(rid, old.map(|rows| &rows.text), new.map(|rows| &rows.text))?;
        match new {
            Some(rows) => self.note(rows),
            None => Ok(()),
        }
    }

    fn access(
        &mut self,
        kind: i32,
        rid: i64,
        old: Option<&IndexRows>,
        new: Option<&IndexRows>,
    ) -> QueryResult<()> {
        fn parts(rows: &IndexRows) -> impl PartialEq + '_ {
            (&rows.access, &rows.present, rows.main_date, &rows.main_number)
        }
        if old.map(parts) == new.map(parts) {
            return Ok(());
        }
        let Some(rows) = new else {
            return DeleteAccess::new(kind, rid).execute(&mut self.connection).map(drop);
        };
        let labels = row::labels_of(&rows.access.labels);
        let [present, present2] = self.core.presence(rows);
        let person = rows.access.person;
        let labels = labels.as_deref();
        let (lo, hi) = rows.main_date.unzip();
        let number = rows.main_number.as_ref();
        let (unit, v) = (number.map(|(unit, _)| *unit), number.map(|(_, v)| v.as_slice()));
        PutAccess::new(kind, rid, person, present, present2, labels, lo, hi, unit, v)
            .execute(&mut self.connection)
            .map(drop)
    }

    pub(super) fn words(
        &mut self,
        rid: i64,
        old: Option<&TextRow>,
        new: Option<&TextRow>,
    ) -> QueryResult<()> {
        let old = old.filter(|text| !words::is_empty(text));
        let new = new.filter(|text| !words::is_empty(text));
        if old == new {
            return Ok(());
        }
        if old.is_some() {
            DeleteWords::new(rid).execute(&mut self.connection)?;
        }
        if let Some(text) = new {
            InsertWords::new(rid, &text.narrative, &words::outside(text))
                .execute(&mut self.connection)?;
        }
        Ok(())
    }

    /// Codings and units not seen before, and parameters under which a resource has two values.
    pub(crate) fn note(&mut self, rows: &IndexRows) -> QueryResult<()> {
        for coding in &rows.coding {
            let place = (coding.sys, coding.code);
            if !self.codings.committed.contains(&place) {
                InsertCoding::new(coding.sys, coding.code, &coding.system, &coding.value)
                    .execute(&mut self.connection)?;
                self.codings.fresh.push(place);
            }
        }
        for unit in &rows.unit {
            let place = (unit.p, unit.unit);
            if !self.units.committed.contains(&place) {
                InsertUnit::new(unit.p, unit.unit, unit.sys, unit.code, unit.text, &unit.ucum)
                    .execute(&mut self.connection)?;
                self.units.fresh.push(place);
            }
        }
        if rows.date.len() > 1 {
            for row in intervals(&rows.date).iter().filter(|row| row.edge != 3) {
                self.note_repeating(row.p.abs())?;
            }
        }
        for (one, next) in rows.number.iter().zip(rows.number.iter().skip(1)) {
            if one.p == next.p {
                self.note_repeating(one.p)?;
            }
        }
        Ok(())
    }

    fn note_repeating(&mut self, p: i32) -> QueryResult<()> {
        if self.repeating.insert(p) {
            InsertRepeating::new(p).execute(&mut self.connection)?;
        }
        Ok(())
    }
}
