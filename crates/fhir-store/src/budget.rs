//! The time a read may take, and what it costs.
//!
//! PostgreSQL ends a statement by itself. SQLite asks a progress handler every few steps of its
//! virtual machine, and setting one needs the connection's own pointer, which Diesel keeps for
//! itself: an automatic extension gets that pointer when a connection is opened. The handler looks
//! at a deadline of the thread it runs on. Whoever sets none, like the writer, is never
//! interrupted.
//!
//! This is the one module of the workspace with unsafe code.
#![expect(unsafe_code, reason = "SQLite's progress handler is set through its C interface")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;

/// The handler is called after so many steps of the virtual machine: about a microsecond.
const STEPS_A_CALL: u64 = 100;

/// The clock is looked at in every so manieth call.
const CALLS_A_LOOK: u64 = 16;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Runs `work`, whose statements on SQLite end with `Timeout` after `limit_ms` milliseconds; 0
/// means no limit. A deadline that is set already and comes earlier stays.
pub(crate) fn with_deadline<T>(limit_ms: u64, work: impl FnOnce() -> T) -> T {
    /// Puts the deadline of before back, after a panic too.
    struct Before(Option<Instant>);
    impl Drop for Before {
        fn drop(&mut self) {
            DEADLINE.set(self.0);
        }
    }
    let before = Before(DEADLINE.get());
    if limit_ms > 0 {
        let own = Instant::now() + Duration::from_millis(limit_ms);
        DEADLINE.set(Some(before.0.map_or(own, |outer| outer.min(own))));
    }
    let done = work();
    drop(before);
    done
}

/// Steps of SQLite's virtual machine on this thread since it began, to within a hundred a
/// statement; the difference of two calls is what happened between them.
pub(crate) fn steps() -> u64 {
    STEPS.get()
}

/// Sees to it that connections opened from now on have the handler.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: `greet` has the signature of an extension's entry point and lives for ever.
        let result = unsafe { ffi::sqlite3_auto_extension(Some(greet)) };
        if result != ffi::SQLITE_OK {
            tracing::error!(result, "SQLite takes no progress handler: reads have no time limit");
        }
    });
}

/// Called by SQLite with every connection that it opens.
unsafe extern "C" fn greet(
    connection: *mut ffi::sqlite3,
    _error: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    let every = c_int::try_from(STEPS_A_CALL).unwrap_or(c_int::MAX);
    // SAFETY: SQLite gives a connection that is open; the handler uses no argument and lives for
    // ever.
    unsafe { ffi::sqlite3_progress_handler(connection, every, Some(tick), std::ptr::null_mut()) };
    ffi::SQLITE_OK
}

/// Called by SQLite on the thread that runs a statement; anything but 0 interrupts it.
unsafe extern "C" fn tick(_argument: *mut c_void) -> c_int {
    let steps = STEPS.try_with(|steps| {
        let now = steps.get().wrapping_add(STEPS_A_CALL);
        steps.set(now);
        now
    });
    // While a thread ends, there is nothing to keep count in.
    let Ok(steps) = steps else { return 0 };
    if !(steps / STEPS_A_CALL).is_multiple_of(CALLS_A_LOOK) {
        return 0;
    }
    let deadline = DEADLINE.try_with(Cell::get).unwrap_or(None);
    c_int::from(deadline.is_some_and(|deadline| Instant::now() >= deadline))
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl;
    use diesel::connection::{Connection, SimpleConnection};
    use diesel::sql_types::BigInt;
    use diesel::sqlite::SqliteConnection;

    use super::*;
    use crate::error::StoreError;
    use crate::sql::Sql;

    const ENDLESS: &str = "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n) \
                           INSERT INTO t SELECT v FROM n";

    #[test]
    fn a_statement_ends_at_its_deadline_and_the_connection_goes_on() {
        install();
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.batch_execute("CREATE TABLE t (v INTEGER)").unwrap();
        let before = steps();
        let ended = with_deadline(20, || connection.batch_execute(ENDLESS));
        let error = StoreError::from(ended.unwrap_err());
        assert!(matches!(error, StoreError::Timeout), "{error:?}");
        assert!(steps() - before >= STEPS_A_CALL * CALLS_A_LOOK);
        // Nothing half-written is left, and without a deadline nothing is interrupted.
        let left: i64 = Sql::new("SELECT count(*) FROM t")
            .typed::<BigInt>()
            .get_result(&mut connection)
            .unwrap();
        assert_eq!(left, 0);
        assert_eq!(DEADLINE.get(), None);
    }

    #[test]
    fn an_inner_deadline_does_not_outlast_an_outer_one() {
        with_deadline(1, || {
            let outer = DEADLINE.get();
            with_deadline(60_000, || assert_eq!(DEADLINE.get(), outer));
            with_deadline(0, || assert_eq!(DEADLINE.get(), outer));
        });
        assert_eq!(DEADLINE.get(), None);
    }
}
