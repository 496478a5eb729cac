//! What booking needs to know of a Slot and of an Appointment.

use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, ResourceView, Value};

/// The extension of a Slot and of an Appointment that is held for a while: with the parts `until`
/// (instant) and `by` (a keyed hash of the caller).
pub(crate) const HOLD: &str = "urn:kantele:StructureDefinition:hold";

/// `Slot.status`. Spec: <https://hl7.org/fhir/R4/valueset-slotstatus.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotStatus {
    Free,
    Busy,
    Tentative,
    Unavailable,
    Error,
}

impl SlotStatus {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Busy => "busy",
            Self::Tentative => "busy-tentative",
            Self::Unavailable => "busy-unavailable",
            Self::Error => "entered-in-error",
        }
    }
}

/// For whom and until when something is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) until: Instant,
    pub(crate) by: String,
}

impl Hold {
    fn read(value: Value<'_>) -> Option<Self> {
        let hold = extension(value, HOLD)?;
        let until = extension(hold, "until")?.get("valueInstant")?.text()?.parse().ok()?;
        let by = extension(hold, "by")?.get("valueString")?.text()?.into_owned();
        Some(Self { until, by })
    }

    /// The extension as JSON.
    pub(crate) fn written(&self) -> Vec<u8> {
        let Self { until, by } = self;
        format!(
            r#"{{"url":"{HOLD}","extension":[{{"url":"until","valueInstant":"{until}"}},{{"url":"by","valueString":"{by}"}}]}}"#
        )
        .into_bytes()
    }
}

fn extension<'a>(value: Value<'a>, url: &str) -> Option<Value<'a>> {
    let mut all = value.get("extension").into_iter().flat_map(Value::items);
    all.find(|each| each.get("url").and_then(Value::text).as_deref() == Some(url))
}

/// What matters of a Slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) schedule: Option<ResourceKey>,
    pub(crate) status: SlotStatus,
    /// From when (inclusive) until when (exclusive); none where that cannot be read.
    pub(crate) period: Option<(Instant, Instant)>,
    pub(crate) hold: Option<Hold>,
}

impl Slot {
    pub(crate) fn read(view: ResourceView<'_>, base: Option<&str>) -> Self {
        let text = |key: &str| view.value.get(key).and_then(Value::text);
        let status = match text("status").as_deref() {
            Some("free") => SlotStatus::Free,
            Some("busy") => SlotStatus::Busy,
            Some("busy-tentative") => SlotStatus::Tentative,
            Some("busy-unavailable") => SlotStatus::Unavailable,
            Some(_) | None => SlotStatus::Error,
        };
        let instant = |key: &str| text(key)?.parse::<Instant>().ok();
        let period = instant("start").zip(instant("end")).filter(|(start, end)| start < end);
        let schedule = view.value.get("schedule").and_then(|reference| key_of(reference, base));
        let schedule = schedule.filter(|key| key.resource_type == ResourceType::SCHEDULE);
        Self { schedule, status, period, hold: Hold::read(view.value) }
    }

    /// Whether it may be taken: free, or held no longer.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        match self.status {
            SlotStatus::Free => true,
            SlotStatus::Tentative => !self.is_held(now),
            SlotStatus::Busy | SlotStatus::Unavailable | SlotStatus::Error => false,
        }
    }

    /// Whether its time is gone for others.
    pub(crate) fn takes_time(&self, now: Instant) -> bool {
        match self.status {
            SlotStatus::Busy | SlotStatus::Unavailable => true,
            SlotStatus::Tentative => self.is_held(now),
            SlotStatus::Free | SlotStatus::Error => false,
        }
    }

    /// A slot that is busy by somebody else's word has no end of its hold.
    fn is_held(&self, now: Instant) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.until > now)
    }

    pub(crate) fn overlaps(&self, (start, end): (Instant, Instant)) -> bool {
        self.period.is_some_and(|(own_start, own_end)| own_start < end && start < own_end)
    }
}

/// What matters of an Appointment.
#[derive(Clone, Debug)]
pub(crate) struct Booked {
    pub(crate) status: String,
    pub(crate) slots: Vec<ResourceKey>,
    pub(crate) hold: Option<Hold>,
}

impl Booked {
    pub(crate) fn read(view: ResourceView<'_>, base: Option<&str>) -> Self {
        let status = view.value.get("status").and_then(Value::text).unwrap_or_default();
        let slots = view.value.get("slot").into_iter().flat_map(Value::items);
        let slots = slots.filter_map(|reference| key_of(reference, base));
        let slots = slots.filter(|key| key.resource_type == ResourceType::SLOT).collect();
        Self { status: status.into_owned(), slots, hold: Hold::read(view.value) }
    }

    /// Whether its slots are gone for others. Spec:
    /// <https://hl7.org/fhir/R4/valueset-appointmentstatus.html>
    pub(crate) fn has_slots(&self, now: Instant) -> bool {
        match self.status.as_str() {
            "booked" | "arrived" | "checked-in" | "fulfilled" => true,
            "pending" => self.hold.as_ref().is_none_or(|hold| hold.until > now),
            _ => false,
        }
    }
}

/// The resource of this server that a Reference names.
fn key_of(reference: Value<'_>, base: Option<&str>) -> Option<ResourceKey> {
    local(&reference.get("reference")?.text()?, base)
}

/// The key of a reference to a resource of this server.
pub(crate) fn local(reference: &str, base: Option<&str>) -> Option<ResourceKey> {
    let below = base.and_then(|base| reference.strip_prefix(base)?.strip_prefix('/'));
    ResourceKey::from_reference(below.unwrap_or(reference))
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    fn slot(json: &str) -> Slot {
        Slot::read(Resource::trusted(json.as_bytes().to_vec()).unwrap().view(), Some("http://a/f"))
    }

    #[test]
    fn a_slot_is_read_with_its_hold() {
        let hold = Hold { until: "2026-03-01T08:05:00Z".parse().unwrap(), by: "ab".to_owned() };
        let extension = String::from_utf8(hold.written()).unwrap();
        let held = slot(&format!(
            r#"{{"resourceType":"Slot","extension":[{extension}],"status":"busy-tentative","schedule":{{"reference":"http://a/f/Schedule/s"}},"start":"2026-03-01T10:00:00+02:00","end":"2026-03-01T08:30:00Z"}}"#
        ));
        assert_eq!(held.hold, Some(hold.clone()));
        assert_eq!(held.schedule.map(|key| key.to_string()).as_deref(), Some("Schedule/s"));
        let (start, end) = held.period.unwrap();
        assert_eq!(end.0 - start.0, 30 * 60 * 1_000_000);
        let held = slot(&format!(
            r#"{{"resourceType":"Slot","extension":[{extension}],"status":"busy-tentative"}}"#
        ));
        let before = Instant(hold.until.0 - 1);
        assert!(held.takes_time(before) && !held.is_open(before));
        assert!(!held.takes_time(hold.until) && held.is_open(hold.until));
    }

    #[test]
    fn periods_that_touch_do_not_overlap() {
        let at = |hour: i64| Instant(hour * 3_600_000_000);
        let one = Slot {
            schedule: None,
            status: SlotStatus::Busy,
            period: Some((at(8), at(9))),
            hold: None,
        };
        assert!(!one.overlaps((at(9), at(10))) && !one.overlaps((at(7), at(8))));
        assert!(one.overlaps((at(7), at(10))) && one.overlaps((at(8), at(9))));
        let none = slot(
            r#"{"resourceType":"Slot","status":"busy","start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:00:00Z"}"#,
        );
        assert!(none.period.is_none(), "an empty period is none");
    }
}
