//! Why reading or writing went no further, and what a client is told of it.

use fhir_model::{Failure, FailureKind};
use fhir_store::{StoreError, WriteFault};

/// Why reading went no further.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// The client is to be told.
    Client(Failure),
    /// The store failed.
    Store(StoreError),
}

impl From<Failure> for ReadFailure {
    fn from(failure: Failure) -> Self {
        Self::Client(failure)
    }
}

impl From<StoreError> for ReadFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a group was not written.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// An atomic group was refused because of one operation or expectation.
    Refused {
        /// Which operation, or which expectation when the fault is `Stale`.
        index: usize,
        /// Why.
        fault: WriteFault,
    },
    /// The store failed.
    Store(Failure),
}

/// What a client is told when the store fails: nothing of tables, paths or statements. What
/// happened is logged here, once.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    if matches!(error, StoreError::Timeout) {
        return Failure::new(
            FailureKind::OutOfTime,
            "the request needs more time than one request is given; ask for less at once",
        );
    }
    if let StoreError::TooCostly(why) = error {
        return Failure::new(FailureKind::TooCostly, *why);
    }
    if matches!(error, StoreError::Busy | StoreError::Closed) {
        let mut failure = Failure::new(FailureKind::Unavailable, "the store is busy");
        failure.retry_after_s = Some(1);
        return failure;
    }
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(error = %error, cause, "the store failed");
    Failure::new(FailureKind::Bug, "the server failed to answer; the fault is logged")
}
