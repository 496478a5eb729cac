//! Booking: slots of schedules, the appointments that have them, and the promise that no slot and
//! no actor is booked twice at the same time.
//!
//! [`BookingGuard`] keeps the promise inside the commit, for the operations `$hold`, `$book` and
//! `$cancel` always, and for every other write where [`BookingSettings::guards_writes`] says so.
//! See `docs/booking.md`.

mod edit;
mod guard;
mod kept;

use std::sync::Arc;
use std::time::Duration;

use fhir_definitions::ResourceType;
use fhir_store::{WriteGroup, WriteOp};

use crate::app::App;

pub(crate) use edit::{Edit, extensions_without, quoted};
pub(crate) use guard::{BookingGuard, LONGEST_US, Lookup};
pub(crate) use kept::{Booked, HOLD, Hold, Slot, SlotStatus, local};

/// What the operator chose about booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingSettings {
    /// Whether plain writes of Appointment and Slot are held to the promise, too.
    pub guards_writes: bool,
    /// How long `$hold` keeps slots.
    pub hold: Duration,
    /// Types of actors that are in one place at a time: slots of different schedules of one such
    /// actor exclude each other.
    pub exclusive: Vec<ResourceType>,
}

impl Default for BookingSettings {
    fn default() -> Self {
        Self {
            guards_writes: false,
            hold: Duration::from_secs(300),
            exclusive: vec![
                ResourceType::PRACTITIONER,
                ResourceType::PRACTITIONER_ROLE,
                ResourceType::DEVICE,
            ],
        }
    }
}

/// Whether an operation is about what the promise speaks of.
pub(crate) fn concerns(app: &App, op: &WriteOp) -> bool {
    app.settings().booking.guards_writes && is_about(op)
}

fn is_about(op: &WriteOp) -> bool {
    matches!(op.key.resource_type, ResourceType::APPOINTMENT | ResourceType::SLOT)
}

/// Puts a guard on a group of plain writes, where settings want one. What a loader brings is the
/// operator's own affair.
pub(crate) fn guard(app: &App, group: &mut WriteGroup) {
    let is_wanted = app.settings().booking.guards_writes
        && group.guard.is_none()
        && group.journal.is_none()
        && group.ops.iter().any(is_about);
    if is_wanted {
        group.guard = Some(Arc::new(BookingGuard::new(app, &group.ops)));
    }
}
