//! Dates, instants, periods and schedules as half-open ranges.

use fhir_model::Value;

use super::builder::Builder;
use crate::rows::{DateRow, LONG_SPAN_US, OPEN_END_US, OPEN_START_US};

impl Builder<'_> {
    pub(super) fn date(&mut self, p: i32, range: Option<(i64, i64)>) {
        let Some((lo, hi)) = range else { return };
        let p = if hi - lo > LONG_SPAN_US { -p } else { p };
        self.rows.date.push(DateRow { p, lo, hi });
    }

    pub(super) fn instants(&self, value: Value<'_>) -> Option<(i64, i64)> {
        let range = fhir_model::date::instants(&value.text()?, self.zone).ok()?;
        Some((range.start, range.end))
    }

    /// A missing end is open; a period without both has no row. One that ends before it begins
    /// stands for the time between, as if its ends were exchanged.
    pub(super) fn period(&self, value: Value<'_>) -> Option<(i64, i64)> {
        let start = value.get("start").and_then(|start| self.instants(start));
        let end = value.get("end").and_then(|end| self.instants(end));
        match (start, end) {
            (None, None) => None,
            (Some((lo, first)), None) => Some((lo, OPEN_END_US.max(first))),
            (None, Some((last, hi))) => Some((OPEN_START_US.min(last), hi)),
            (Some((lo, _)), Some((_, hi))) if hi > lo => Some((lo, hi)),
            (Some((_, hi)), Some((lo, _))) => Some((lo, hi)),
        }
    }

    /// Only the outer limits count, whatever the schedule between them.
    pub(super) fn timing(&mut self, p: i32, value: Value<'_>) {
        let events = value.get("event").into_iter().flat_map(Value::items);
        let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
        let mut limits: Option<(i64, i64)> = bounds.and_then(|bounds| self.period(bounds));
        for (lo, hi) in events.filter_map(|event| self.instants(event)) {
            limits = Some(limits.map_or((lo, hi), |(low, high)| (low.min(lo), high.max(hi))));
        }
        self.date(p, limits);
    }
}
