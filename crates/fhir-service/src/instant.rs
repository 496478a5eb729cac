//! Days of the calendar, as switch-on dates have them.

use fhir_model::Instant;
use fhir_model::date::{self, Zone};

/// The first instant of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(Instant);

impl Day {
    /// Reads `2026-09-01`, in UTC.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_whole = text.len() == 10;
        let range = is_whole.then(|| date::instants(text, &Zone::utc()).ok())??;
        Some(Self(Instant(range.start)))
    }

    pub(crate) fn has_come(self, now: Instant) -> bool {
        self.0 <= now
    }
}
