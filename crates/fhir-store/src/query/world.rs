//! The other resources that a comparison in memory looks at, read once for a search.

use std::collections::HashMap;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{Found, ParameterId, World};

use super::condition::{numbers, within};
use super::reading::Reading;
use super::source::Piece;
use crate::backend::row;
use crate::error::StoreError;
use crate::read::{RowKey, StoredVersion};
use crate::sql::Sql;

/// More resources than this are forgotten and read again.
const KEPT: usize = 20_000;
/// Referring resources are read by this many.
const PIECE: i64 = 500;

/// What has been read already; one snapshot long.
#[derive(Default)]
pub(crate) struct Cache {
    targets: HashMap<i64, Vec<Found>>,
    rows: HashMap<RowKey, Found>,
}

/// A reading as a [`World`].
pub(crate) struct Sight<'a, S> {
    pub(crate) reading: &'a mut S,
    pub(crate) cache: &'a mut Cache,
}

/// A stored version with its index rows; none for a deleted one.
pub(crate) fn found<S: Reading>(
    reading: &mut S,
    version: &StoredVersion,
) -> Result<Option<Found>, StoreError> {
    let Some(body) = &version.body else { return Ok(None) };
    reading.work().touched.compared += 1;
    let asks_words = reading.work().asks_words;
    let core = reading.core();
    let rows = match asks_words {
        true => core.rows_of(&version.key, body)?,
        false => core.rows_without_text(&version.key, body)?,
    };
    let rows = Arc::new(rows);
    let hash = core.hasher.reference(&version.key);
    Ok(Some(Found { key: version.key.clone(), hash, updated: version.updated, rows }))
}

impl<S: Reading> Sight<'_, S> {
    fn read(&mut self, rows: &[RowKey]) -> Result<Vec<Found>, StoreError> {
        let absent: Vec<RowKey> =
            rows.iter().copied().filter(|row| !self.cache.rows.contains_key(row)).collect();
        for piece in absent.chunks(64) {
            self.reading.work().check()?;
            for version in self.reading.bodies(piece)? {
                if let Some(found) = found(self.reading, &version)? {
                    self.cache.rows.insert(version.row, found);
                }
            }
        }
        let out = rows.iter().filter_map(|row| self.cache.rows.get(row).cloned()).collect();
        if self.cache.rows.len() > KEPT {
            self.cache.rows.clear();
        }
        Ok(out)
    }
}

impl<S: Reading> World for Sight<'_, S> {
    type Error = StoreError;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, StoreError> {
        let dialect = self.reading.dialect();
        let mut absent: Vec<i64> = hashes.to_vec();
        absent.retain(|hash| !self.cache.targets.contains_key(hash));
        absent.sort_unstable();
        absent.dedup();
        if !absent.is_empty() {
            if self.cache.targets.len() > KEPT {
                self.cache.targets.clear();
                absent = hashes.to_vec();
            }
            let dk = super::source::columns(dialect, "c");
            let mut sql = Sql::new(&format!("SELECT {dk}, c.hash FROM resource c WHERE c.hash"));
            within(&mut sql, dialect, &absent);
            sql.push(" AND c.body IS NOT NULL");
            let rows = self.reading.numbers(&sql)?;
            let rows: Vec<RowKey> =
                rows.into_iter().map(|(rid, dk, _)| RowKey { rid, dk }).collect();
            for hash in absent {
                self.cache.targets.insert(hash, Vec::new());
            }
            for found in self.read(&rows)? {
                self.cache.targets.entry(found.hash).or_default().push(found);
            }
        }
        let mut out = Vec::new();
        for hash in hashes {
            let found = self.cache.targets.get(hash).into_iter().flatten();
            out.extend(found.filter(|found| found.key.resource_type == target).cloned());
        }
        Ok(out)
    }

    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, StoreError> {
        let dialect = self.reading.dialect();
        let mut out = Vec::new();
        for p in numbers(parameters) {
            let mut piece = Piece { after: None, is_backwards: false, limit: PIECE };
            loop {
                let columns = super::source::columns(dialect, "c");
                let mut sql = Sql::new(&format!("SELECT {columns}, "));
                sql.push("CAST(0 AS bigint) FROM reference c WHERE c.p = ").integer(p);
                sql.push(" AND c.target = ").integer(hash);
                piece.keyset(&mut sql, dialect, "c");
                piece.order(&mut sql, dialect, "c.");
                let rows = self.reading.numbers(&sql)?;
                let rows: Vec<RowKey> =
                    rows.into_iter().map(|(rid, dk, _)| RowKey { rid, dk }).collect();
                out.extend(self.read(&rows)?);
                match rows.last() {
                    Some(last) if row::limit_of(rows.len()) == PIECE => piece.after = Some(*last),
                    _ => break,
                }
            }
        }
        Ok(out)
    }
}
