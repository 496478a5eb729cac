//! Writing to PostgreSQL: one transaction a group, run again when it lost a race.
//!
//! Rows are locked in one order before anything is decided: first the criteria of conditional
//! creates, as rows of `directory`, then the resources. Preconditions are judged under these
//! locks, so that they hold at the commit.

mod apply;
mod follow;
mod mark;
mod noted;

pub(crate) use follow::words;
pub(crate) use noted::Noted;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use diesel::PgConnection;
use diesel::result::{DatabaseErrorKind, Error};
use fhir_model::Instant;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::trace::Tracer;
use crate::codec::Packed;
use crate::core::Core;
use crate::error::StoreError;
use crate::trace::TracedWrite;
use crate::write::{WriteFault, WriteGroup, Written};

/// So often a transaction is tried before the store calls itself busy.
const TRIES: u64 = 24;

/// 2020-01-01T00:00:00Z: rows are numbered by the time since then.
const EPOCH_US: i64 = 1_577_836_800_000_000;

/// Low bits of a row number that tell processes apart.
const PROCESS_BITS: u32 = 11;

/// Gives row numbers and instants that grow within this process.
pub(crate) struct RowNumbers {
    process: i64,
    last_row: AtomicI64,
    last_instant: AtomicI64,
}

impl RowNumbers {
    pub(crate) fn draw() -> Self {
        let process = StdRng::from_os_rng().random_range(0..1_i64 << PROCESS_BITS);
        Self { process, last_row: AtomicI64::new(0), last_instant: AtomicI64::new(0) }
    }

    fn row(&self, now: Instant) -> i64 {
        let slot = now.0.saturating_sub(EPOCH_US).max(1);
        (next(&self.last_row, slot) << PROCESS_BITS) | self.process
    }

    /// Later than `last`, and than every instant given before.
    fn instant(&self, now: Instant, last: Option<i64>) -> i64 {
        let least = last.map_or(i64::MIN, |last| last.saturating_add(1));
        next(&self.last_instant, now.0.max(least))
    }
}

/// Raises `last` to `value`, or by one where it is there already.
fn next(last: &AtomicI64, value: i64) -> i64 {
    let raise = |last: i64| Some(value.max(last.saturating_add(1)));
    match last.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise) {
        Ok(before) | Err(before) => value.max(before.saturating_add(1)),
    }
}

/// Writes a group; comes back once it is committed.
pub(crate) fn write(
    (core, rows, tracer): (&Core, &RowNumbers, &Arc<Tracer>),
    connection: &mut PgConnection,
    group: &WriteGroup,
    bodies: &[Option<Packed>],
) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
    let _stamped = core.tidings.writing(group.stamps.iter().copied());
    let apply = |connection: &mut PgConnection| {
        apply::Transaction::new(core, rows, connection).group(group, bodies)
    };
    let Some(trace) = &group.trace else { return in_turn(core, connection, apply) };
    tracer.in_turn(connection, |connection, tracing| {
        let answers = apply(connection)?;
        let written: Vec<TracedWrite> = answers.iter().map(TracedWrite::of).collect();
        tracing.add(connection, std::iter::once((trace, &*written)))?;
        Ok(answers)
    })
}

/// A transaction that runs again when it lost a race.
pub(crate) fn in_turn<T>(
    core: &Core,
    connection: &mut PgConnection,
    work: impl Fn(&mut PgConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let _writing = core.writing.read().unwrap_or_else(PoisonError::into_inner);
    for attempt in 1..=TRIES {
        let result = connection.build_transaction().read_committed().run(&work);
        match result {
            Err(StoreError::Database(error)) if is_lost_race(&error) => {
                tracing::debug!(attempt, "a write runs again");
                std::thread::sleep(Duration::from_millis(attempt.min(10)));
            }
            other => return other,
        }
    }
    Err(StoreError::Busy)
}

/// Serialisation failures, deadlocks, and rows that another transaction made first.
fn is_lost_race(error: &Error) -> bool {
    let Error::DatabaseError(kind, said) = error else {
        return matches!(error, Error::RollbackTransaction);
    };
    matches!(kind, DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation)
        || said.message().contains("deadlock detected")
        || said.message().contains("could not commit transaction")
}
