//! The definitions of `$find`, `$hold`, `$book` and `$cancel`.
//!
//! Argonaut's own definitions speak of R3 profiles and have several parameters that this server
//! doesn't take, so that these are ours; names and meaning of what they share are Argonaut's.

use super::{Own, OwnParameter, input, output};

const APPOINTMENT_ID: OwnParameter = input(
    "appt-id",
    0,
    "1",
    Some("uri"),
    "An Appointment of this server, by its id or by a reference. Not where the call is on one.",
);
const APPOINTMENT: OwnParameter = input(
    "appt-resource",
    0,
    "1",
    Some("Appointment"),
    "The Appointment with its participants and, in `slot`, the Slots that it is to have. Together \
     with `appt-id` it stands in the place of that one, which gives back the Slots that it had.",
);
const RETURN: OwnParameter =
    output("return", "1", Some("Bundle"), "A searchset with the Appointment as it is now.");

pub(in crate::operation) static FIND: Own = Own {
    url: "urn:kantele:OperationDefinition:slot-find",
    id: "kantele-slot-find",
    title: "Find slots that can be booked",
    description: "Free slots, earliest first, as far as nothing else takes the time of the same \
                  schedule or actor, and those whose hold has run out. Slots of the past are none.",
    parameters: &[
        input(
            "start",
            0,
            "1",
            Some("dateTime"),
            "Slots that start at or after this; now if later.",
        ),
        input("end", 0, "1", Some("dateTime"), "Slots that start before this; 31 days without it."),
        input("actor", 0, "*", Some("string"), "A reference to an actor of the schedule."),
        input("practitioner", 0, "*", Some("string"), "As `actor`, for a person or a role."),
        input("location", 0, "*", Some("string"), "As `actor`, for a place."),
        input("schedule", 0, "*", Some("string"), "A reference to a schedule."),
        input("identifier", 0, "*", Some("string"), "A business identifier of the slot (token)."),
        input("service-category", 0, "*", Some("string"), "Token: of the slot, or its schedule."),
        input("service-type", 0, "*", Some("string"), "Token: of the slot, or its schedule."),
        input("specialty", 0, "*", Some("string"), "Token: of the slot, or its schedule."),
        input("appointment-type", 0, "*", Some("string"), "Token: of the slot."),
        input("count", 0, "1", Some("positiveInt"), "So many slots at most; `total` counts all."),
        output("return", "1", Some("Bundle"), "A searchset with the slots and their schedules."),
    ],
};

pub(in crate::operation) static HOLD: Own = Own {
    url: "urn:kantele:OperationDefinition:appointment-hold",
    id: "kantele-appointment-hold",
    title: "Hold slots for a while",
    description: "The Appointment becomes pending and its Slots busy-tentative, until the time in \
                  the extension urn:kantele:StructureDefinition:hold; after that they are free for \
                  others. The same caller books it with $book.",
    parameters: &[APPOINTMENT_ID, APPOINTMENT, RETURN],
};

pub(in crate::operation) static BOOK: Own = Own {
    url: "urn:kantele:OperationDefinition:appointment-book",
    id: "kantele-appointment-book",
    title: "Book an appointment",
    description: "The Appointment becomes booked and its Slots busy, at once or not at all. Where a \
                  Slot is not free any more, the answer is 409. A booked Appointment with other \
                  Slots is moved.",
    parameters: &[APPOINTMENT_ID, APPOINTMENT, RETURN],
};

pub(in crate::operation) static CANCEL: Own = Own {
    url: "urn:kantele:OperationDefinition:appointment-cancel",
    id: "kantele-appointment-cancel",
    title: "Cancel an appointment",
    description: "The Appointment becomes cancelled, and its Slots are free again. What is \
                  cancelled already stays as it is.",
    parameters: &[
        APPOINTMENT_ID,
        input("reason", 0, "1", Some("CodeableConcept"), "Appointment.cancelationReason."),
        RETURN,
    ],
};
