//! Preconditions that need only the current version, judged the same way by both databases.

use fhir_model::{Instant, VersionId};

use crate::write::{Action, Change, WriteFault, WriteOp, Written};

/// What stands under the key of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) version: VersionId,
    pub(crate) updated: Instant,
    pub(crate) is_live: bool,
}

/// What is to be done.
pub(crate) enum Verdict {
    Go,
    /// Nothing is left to do.
    Done(Written),
    Fault(WriteFault),
}

pub(crate) fn judge(op: &WriteOp, found: Option<Found>) -> Verdict {
    let live = found.filter(|found| found.is_live);
    if let Some(expected) = &op.preconditions.if_match
        && !live.is_some_and(|found| expected.contains(&found.version))
    {
        let current = live.map(|found| found.version);
        return Verdict::Fault(WriteFault::VersionMismatch { current });
    }
    if op.preconditions.if_exists && live.is_none() {
        return Verdict::Fault(WriteFault::VersionMismatch { current: None });
    }
    if let (true, Some(found)) = (op.preconditions.if_absent, live) {
        return Verdict::Fault(WriteFault::AlreadyExists { current: found.version });
    }
    match (&op.action, live) {
        (Action::Delete, None) => Verdict::Done(Written {
            key: op.key.clone(),
            change: Change::NothingToDelete,
            version: found.map_or(VersionId(0), |found| found.version),
            updated: found.map_or(Instant(0), |found| found.updated),
            body: None,
        }),
        (Action::Delete, Some(_)) | (Action::Put { .. }, _) => Verdict::Go,
    }
}
