//! What the executor needs of a database: put-together statements, and bodies by row.

use std::sync::Arc;
use std::time::Instant;

use crate::core::{Core, Definitions};
use crate::error::StoreError;
use crate::explain::Touched;
use crate::read::{Hit, RowKey, StoredVersion};
use crate::sql::{Dialect, Sql};

/// One open snapshot of a database. The executor is the same for both.
pub(crate) trait Reading {
    /// Which texts it understands.
    fn dialect(&self) -> Dialect;
    /// What the store knows beside the database.
    fn core(&self) -> &Core;
    /// Rows with `rid`, `dk` and sort values, named after their kind.
    fn hits(&mut self, sql: &Sql) -> Result<Vec<Hit>, StoreError>;
    /// Rows of three integers.
    fn numbers(&mut self, sql: &Sql) -> Result<Vec<(i64, i64, i64)>, StoreError>;
    /// Rows of one text.
    fn texts(&mut self, sql: &Sql) -> Result<Vec<String>, StoreError>;
    /// The current versions of rows, in the order asked.
    fn bodies(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError>;
    /// The database's own plan of a statement, line by line.
    fn plan_of(&mut self, sql: &Sql) -> Result<Vec<String>, StoreError>;
    /// Whether a resource may have more than one value under a date or number parameter.
    fn repeats(&mut self, p: i32) -> Result<bool, StoreError>;
    /// What has been done and what may still be.
    fn work(&mut self) -> &mut Work;
}

/// The account of one reader.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// What has been touched.
    pub(crate) touched: Touched,
    /// When the reader has to be done.
    pub(crate) deadline: Option<Instant>,
    /// The search asks for words somewhere: what is read for comparison needs them.
    pub(crate) asks_words: bool,
    /// The statements of a search that is being explained.
    pub(crate) trace: Option<Vec<Sql>>,
}

impl Work {
    /// An account with a time budget; 0 means no limit.
    pub(crate) fn within(budget_ms: u64) -> Self {
        let budget = std::time::Duration::from_millis(budget_ms);
        let deadline = (budget_ms > 0).then(|| Instant::now().checked_add(budget)).flatten();
        Self { deadline, ..Self::default() }
    }

    /// Whether there is time left; every loop asks.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(StoreError::Timeout),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes a statement and what came back.
    pub(crate) fn note(&mut self, sql: &Sql, rows: usize) {
        self.touched.statements += 1;
        self.touched.rows += rows as u64;
        if let Some(trace) = &mut self.trace {
            trace.push(sql.clone());
        }
    }
}

/// The definitions in force, for one search.
pub(crate) fn definitions(reading: &impl Reading) -> Arc<Definitions> {
    reading.core().definitions()
}
