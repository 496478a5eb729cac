//! Codings and units, which stand once in a database: gathered, then written in one order, so
//! that transactions which bring the same ones don't wait for each other crosswise.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{PgConnection, QueryResult, RunQueryDsl};
use fhir_search::{IndexRows, UnitRow};

use crate::sql::{Bind, Sql};

/// What a transaction has seen.
#[derive(Default)]
pub(crate) struct Noted {
    /// By system and code.
    codings: BTreeMap<(i64, i64), (String, String)>,
    units: BTreeSet<UnitRow>,
}

impl Noted {
    pub(crate) fn add(&mut self, rows: &IndexRows) {
        for coding in &rows.coding {
            let texts = || (coding.system.clone(), coding.value.clone());
            self.codings.entry((coding.sys, coding.code)).or_insert_with(texts);
        }
        self.units.extend(rows.unit.iter().cloned());
    }

    pub(crate) fn write(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        self.write_codings(connection)?;
        self.write_units(connection)
    }

    /// Only codings that are not there are inserted, in key order: no row is locked in vain.
    fn write_codings(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        if self.codings.is_empty() {
            return Ok(());
        }
        let (keys, texts): (Vec<_>, Vec<_>) = std::mem::take(&mut self.codings).into_iter().unzip();
        let (systems, codes) = keys.into_iter().unzip();
        let (system_texts, values) = texts.into_iter().unzip();
        let mut sql =
            Sql::new("INSERT INTO coding (sys, code, system, value) SELECT x.* FROM unnest(");
        sql.bind(Bind::Integers(systems)).push(", ").bind(Bind::Integers(codes)).push(", ");
        sql.bind(Bind::Texts(system_texts)).push(", ").bind(Bind::Texts(values));
        sql.push(
            ") AS x(sys, code, system, value) WHERE NOT EXISTS (SELECT 1 FROM coding c \
             WHERE c.sys = x.sys AND c.code = x.code) ORDER BY x.sys, x.code \
             ON CONFLICT DO NOTHING",
        );
        sql.typed::<()>().execute(connection).map(|_| ())
    }

    /// As [`Self::write_codings`].
    fn write_units(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        if self.units.is_empty() {
            return Ok(());
        }
        let units = std::mem::take(&mut self.units);
        let hashes = |of: fn(&UnitRow) -> i64| Bind::Integers(units.iter().map(of).collect());
        let mut sql =
            Sql::new("INSERT INTO unit (p, unit, sys, code, text, ucum) SELECT x.* FROM unnest(");
        sql.bind(Bind::Numbers(units.iter().map(|one| one.p).collect()));
        sql.push(", ").bind(hashes(|one| one.unit)).push(", ").bind(hashes(|one| one.sys));
        sql.push(", ").bind(hashes(|one| one.code)).push(", ").bind(hashes(|one| one.text));
        sql.push(", ").bind(Bind::Texts(units.iter().map(|one| one.ucum.clone()).collect()));
        sql.push(
            ") AS x(p, unit, sys, code, text, ucum) WHERE NOT EXISTS (SELECT 1 FROM unit u \
             WHERE u.p = x.p AND u.unit = x.unit) ORDER BY x.p, x.unit \
             ON CONFLICT DO NOTHING",
        );
        sql.typed::<()>().execute(connection).map(|_| ())
    }
}
