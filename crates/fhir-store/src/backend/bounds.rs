//! How far a writer reaches, judged inside a commit and the same way for both databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir_model::Instant;
use fhir_search::{Found, Predicate};

use super::rule::{Verdict, judge};
use crate::error::StoreError;
use crate::query::reading::Reading;
use crate::query::world::{Cache, Sight, found};
use crate::read::Reader;
use crate::write::{Action, WriteFault, WriteGroup, WriteOp, Written};

/// What operations come to whose resources are there and beyond the writer's reach, by their
/// index; the first fault of an atomic group comes as `Refused`.
///
/// Asked before any operation of the group is applied, so that none widens the reach of another.
/// To the writer such a resource isn't there, but nothing can be put in its place either.
pub(crate) fn before(
    reader: &mut (impl Reader + Reading),
    group: &WriteGroup,
) -> Result<BTreeMap<usize, Result<Written, WriteFault>>, StoreError> {
    let mut settled = BTreeMap::new();
    for (index, op) in group.ops.iter().enumerate() {
        if !is_hidden(reader, op)? {
            continue;
        }
        let answer = match judge(op, None) {
            Verdict::Done(written) => Ok(written),
            Verdict::Fault(fault) => Err(fault),
            Verdict::Go => Err(WriteFault::Hidden),
        };
        match answer {
            Err(fault) if group.atomic => return Err(StoreError::Refused { index, fault }),
            answer => settled.insert(index, answer),
        };
    }
    Ok(settled)
}

fn is_hidden(reader: &mut (impl Reader + Reading), op: &WriteOp) -> Result<bool, StoreError> {
    let Some(bounds) = &op.preconditions.bounds else { return Ok(false) };
    let Some(current) = reader.current(&op.key)? else { return Ok(false) };
    reader.work().asks_words = true;
    let Some(current) = found(reader, &current)? else { return Ok(false) };
    Ok(!all_hold(reader, bounds, &current)?)
}

/// Whether what an operation writes is within the writer's reach. Asked where references are
/// judged, so that entries of an atomic group may stand on each other.
pub(crate) fn after(
    reader: &mut (impl Reader + Reading),
    op: &WriteOp,
    now: Instant,
) -> Result<Option<WriteFault>, StoreError> {
    let (Some(bounds), Action::Put { body, rows, .. }) = (&op.preconditions.bounds, &op.action)
    else {
        return Ok(None);
    };
    let core = reader.core();
    let hash = core.hasher.reference(&op.key);
    let rows = Arc::new(core.present_rows(&op.key, body, rows)?.into_owned());
    let new = Found { key: op.key.clone(), hash, updated: now, rows };
    Ok((!all_hold(reader, bounds, &new)?).then_some(WriteFault::OutOfBounds))
}

fn all_hold(
    reader: &mut impl Reading,
    bounds: &[Predicate],
    found: &Found,
) -> Result<bool, StoreError> {
    let mut cache = Cache::default();
    let mut world = Sight { reading: reader, cache: &mut cache };
    for each in bounds {
        if !each.holds(found, &mut world)? {
            return Ok(false);
        }
    }
    Ok(true)
}
