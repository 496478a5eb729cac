//! What a guard says, judged inside a commit and the same way for both databases.

use std::collections::BTreeSet;

use fhir_model::ResourceKey;

use crate::error::StoreError;
use crate::guard::{Guard, Verdict};
use crate::read::Reader;
use crate::write::WriteFault;

/// Goes on where the guard lets the group pass.
///
/// # Errors
/// `Refused` where it does not, and what its reads fail with.
pub(crate) fn judged(
    guard: &dyn Guard,
    reader: &mut dyn Reader,
    held: &BTreeSet<ResourceKey>,
) -> Result<(), StoreError> {
    match guard.judge(reader, held)? {
        Verdict::Fine => Ok(()),
        Verdict::Stale => Err(StoreError::Refused { index: 0, fault: WriteFault::Stale }),
        Verdict::Refused { index, objection } => {
            Err(StoreError::Refused { index, fault: WriteFault::Objected(objection) })
        }
    }
}
