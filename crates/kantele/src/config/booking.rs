//! Booking of slots.

use std::time::Duration;

use fhir_definitions::ResourceType;
use fhir_interaction::BookingSettings;

use super::layers::{Layers, Setting};

static GUARD: Setting = Setting {
    key: "booking.guard",
    default: "off",
    flag: None,
    about: "on: plain writes of Appointment and Slot, too, are refused with 409 where a slot or an \
            actor would be booked twice. off: only $hold, $book and $cancel see to it.",
};
static HOLD_S: Setting = Setting {
    key: "booking.hold_kept_s",
    default: "300",
    flag: None,
    about: "How long $hold keeps slots.",
};
static EXCLUSIVE: Setting = Setting {
    key: "booking.exclusive_actors",
    default: "Practitioner,PractitionerRole,Device",
    flag: None,
    about: "Types of actors that are in one place at a time: slots of different schedules of one \
            such actor exclude each other.",
};

pub(super) const SETTINGS: &[&Setting] = &[&GUARD, &HOLD_S, &EXCLUSIVE];

pub(super) fn read(layers: &mut Layers) -> BookingSettings {
    let mut exclusive = Vec::new();
    for name in layers.list(&EXCLUSIVE) {
        match ResourceType::named(&name) {
            Some(of) => exclusive.push(of),
            None => layers.refuse(&EXCLUSIVE, "its items are resource types of R4"),
        }
    }
    BookingSettings {
        guards_writes: layers.word(&GUARD, &[("off", false), ("on", true)]).unwrap_or(false),
        hold: Duration::from_secs(layers.number(&HOLD_S, 1..=86_400)),
        exclusive,
    }
}
