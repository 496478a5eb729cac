//! The promise of booking, judged inside the commit: a slot has one appointment at most, an
//! appointment's slots are busy, and what takes an actor's time overlaps with nothing else that
//! does.
//!
//! What is held meanwhile are the slots, their schedules and the actors that are in one place at a
//! time, so that groups about the same time of the same actor come one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Instant, ResourceKey, ResourceView};
use fhir_search::{ParseSettings, Scope, SearchQuery};
use fhir_store::{
    Action, Definitions, Guard, Objection, Reader, StoreError, StoredVersion, Verdict, WriteOp,
};

use crate::app::App;
use crate::booking::kept::{Booked, Slot, SlotStatus, local};

/// A slot that is taken lasts no longer: what may overlap begins less than this before it.
pub(crate) const LONGEST_US: i64 = 24 * 3_600_000_000;
/// An actor may be away for longer, in one slot that nobody can book.
const LONGEST_AWAY_US: i64 = 366 * 24 * 3_600_000_000;
/// Resources that are looked at in one go.
const CHUNK: usize = 200;

/// Searches of the server's own, without a request.
#[derive(Clone)]
pub(crate) struct Lookup {
    definitions: Arc<Definitions>,
    zone: Zone,
    exclusive: Vec<ResourceType>,
    pub(crate) now: Instant,
}

impl Lookup {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            definitions: app.definitions(),
            zone: app.zone().clone(),
            exclusive: app.settings().booking.exclusive.clone(),
            now: app.now(),
        }
    }

    /// The server's own root, where it is configured.
    pub(crate) fn base(&self) -> Option<&str> {
        self.definitions.indexer.base()
    }

    /// The search with these parameters.
    ///
    /// # Errors
    /// `Damaged`: the server asks for what it has not.
    pub(crate) fn query(
        &self,
        of: ResourceType,
        pairs: &[(&str, String)],
    ) -> Result<SearchQuery, StoreError> {
        let settings = ParseSettings {
            strict: true,
            default_count: 1,
            max_count: 1,
            always_allowed: Vec::new(),
            now: self.now,
            base: None,
            explain: false,
        };
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let Definitions { registry, indexer } = &*self.definitions;
        let scope = Scope::Type(of);
        fhir_search::parse(&pairs, scope, registry, indexer.hasher(), &self.zone, &settings)
            .map_err(|failure| StoreError::Damaged(format!("a search of booking: {failure}")))
    }

    /// The actors of a schedule that are in one place at a time.
    fn actors(
        &self,
        reader: &mut dyn Reader,
        schedule: &ResourceKey,
    ) -> Result<Vec<ResourceKey>, StoreError> {
        let Some(found) = reader.current(schedule)? else { return Ok(Vec::new()) };
        read(&found, |view| self.actors_of(view)).map(Option::unwrap_or_default)
    }

    /// [`Self::actors`] of a schedule that is at hand.
    pub(crate) fn actors_of(&self, schedule: ResourceView<'_>) -> Vec<ResourceKey> {
        let actors = schedule.value.get("actor").into_iter().flat_map(fhir_model::Value::items);
        let keys = actors.filter_map(|actor| local(&actor.get("reference")?.text()?, self.base()));
        keys.filter(|key| self.exclusive.contains(&key.resource_type)).collect()
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What `work` makes of a stored resource; none of a deleted one.
fn read<T>(
    stored: &StoredVersion,
    work: impl FnOnce(ResourceView<'_>) -> T,
) -> Result<Option<T>, StoreError> {
    let Some(body) = &stored.body else { return Ok(None) };
    let resource = body
        .to_resource(&stored.key)
        .map_err(|failure| StoreError::Damaged(format!("a stored resource: {failure}")))?;
    Ok(Some(work(resource.view())))
}

/// What a group makes of a resource: by which operation, and none where it deletes it.
type Made<T> = BTreeMap<ResourceKey, (usize, Option<T>)>;

/// Keeps the promise for one group.
#[derive(Debug)]
pub(crate) struct BookingGuard {
    lookup: Lookup,
    slots: Made<Slot>,
    appointments: Made<Booked>,
    /// Conditional creates, by the resource that they would make.
    conditions: BTreeMap<ResourceKey, SearchQuery>,
}

impl BookingGuard {
    pub(crate) fn new(app: &App, ops: &[WriteOp]) -> Self {
        let lookup = Lookup::new(app);
        let (mut slots, mut appointments) = (Made::new(), Made::new());
        let mut conditions = BTreeMap::new();
        for (index, op) in ops.iter().enumerate() {
            let key = op.key.clone();
            if let Some(query) = &op.preconditions.unless_exists {
                conditions.insert(key.clone(), query.clone());
            }
            // The body was written a moment ago by this program.
            let resource = match &op.action {
                Action::Put { body, .. } => body.to_resource(&op.key).ok(),
                Action::Delete => None,
            };
            let view = resource.as_ref().map(fhir_model::Resource::view);
            let base = lookup.base();
            if key.resource_type == ResourceType::SLOT {
                slots.insert(key, (index, view.map(|view| Slot::read(view, base))));
            } else if key.resource_type == ResourceType::APPOINTMENT {
                appointments.insert(key, (index, view.map(|view| Booked::read(view, base))));
            }
        }
        Self { lookup, slots, appointments, conditions }
    }

    /// The slots that the group writes or books.
    fn concerned(&self) -> BTreeSet<ResourceKey> {
        let booked = self.appointments.values().filter_map(|(_, booked)| booked.as_ref());
        let booked = booked.flat_map(|booked| &booked.slots);
        self.slots.keys().chain(booked).cloned().collect()
    }

    fn stored_slot(
        &self,
        reader: &mut dyn Reader,
        key: &ResourceKey,
    ) -> Result<Option<Slot>, StoreError> {
        let Some(found) = reader.current(key)? else { return Ok(None) };
        read(&found, |view| Slot::read(view, self.lookup.base()))
    }

    /// A slot as it will be.
    fn slot(&self, reader: &mut dyn Reader, key: &ResourceKey) -> Result<Option<Slot>, StoreError> {
        match self.slots.get(key) {
            Some((_, made)) => Ok(made.clone()),
            None => self.stored_slot(reader, key),
        }
    }

    /// Whether an appointment other than `but` has this slot.
    fn is_had(
        &self,
        reader: &mut dyn Reader,
        slot: &ResourceKey,
        but: Option<&ResourceKey>,
        without: &BTreeSet<ResourceKey>,
    ) -> Result<bool, StoreError> {
        let now = self.lookup.now;
        let made = self.appointments.iter().filter(|(key, _)| !without.contains(key));
        for (key, (_, booked)) in made {
            let has =
                booked.as_ref().is_some_and(|it| it.has_slots(now) && it.slots.contains(slot));
            if has && Some(key) != but {
                return Ok(true);
            }
        }
        let query = self.lookup.query(ResourceType::APPOINTMENT, &[("slot", slot.to_string())])?;
        let mut has_it = false;
        each(reader, &query, |stored| {
            if self.appointments.contains_key(&stored.key) && !without.contains(&stored.key) {
                return Ok(());
            }
            let base = self.lookup.base();
            has_it |= read(stored, |view| Booked::read(view, base).has_slots(now))? == Some(true);
            Ok(())
        })?;
        Ok(has_it)
    }

    /// What stands against an appointment as the group makes it.
    fn of_appointment(
        &self,
        reader: &mut dyn Reader,
        (key, booked): (&ResourceKey, &Booked),
        without: &BTreeSet<ResourceKey>,
    ) -> Result<Option<Objection>, StoreError> {
        for (at, slot_key) in booked.slots.iter().enumerate() {
            let slot = self.slot(reader, slot_key)?;
            let told = match slot.map(|slot| slot.status) {
                None => "which is not there",
                Some(SlotStatus::Busy) => "",
                Some(SlotStatus::Tentative) if booked.status == "pending" => "",
                Some(SlotStatus::Tentative) => "which is only held",
                Some(SlotStatus::Free) => "which is free and would stay so: write it as busy, too",
                Some(SlotStatus::Unavailable | SlotStatus::Error) => "which cannot be booked",
            };
            let told = match told {
                "" if self.is_had(reader, slot_key, Some(key), without)? => {
                    "which another appointment has"
                }
                told => told,
            };
            if !told.is_empty() {
                let told = format!("the appointment has {slot_key}, {told}");
                return Ok(Some(Objection { place: format!("Appointment.slot[{at}]"), told }));
            }
        }
        Ok(None)
    }

    /// What stands against a slot as the group makes it.
    fn of_slot(
        &self,
        reader: &mut dyn Reader,
        (key, slot): (&ResourceKey, Option<&Slot>),
        without: &BTreeSet<ResourceKey>,
    ) -> Result<Option<Objection>, StoreError> {
        let object = |element: &str, told: String| {
            Ok(Some(Objection { place: format!("Slot.{element}"), told }))
        };
        let takes = |slot: &Slot| matches!(slot.status, SlotStatus::Busy | SlotStatus::Tentative);
        let Some(slot) = slot.filter(|slot| takes(slot)) else {
            if self.is_had(reader, key, None, without)? {
                return object(
                    "status",
                    format!("{key} belongs to an appointment: cancel it first"),
                );
            }
            let is_away = slot.is_some_and(|slot| slot.status == SlotStatus::Unavailable);
            let length =
                slot.and_then(|slot| slot.period).map_or(0, |(start, end)| end.0 - start.0);
            return match is_away && length > LONGEST_AWAY_US {
                true => object("end", format!("{key} lasts longer than 366 days")),
                false => Ok(None),
            };
        };
        let Some(period) = slot.period else {
            return object("end", format!("{key} does not end after it starts"));
        };
        if period.1.0 - period.0.0 > LONGEST_US {
            return object("end", format!("{key} lasts longer than 24 hours"));
        }
        let was = self.stored_slot(reader, key)?;
        let is_kept = was.is_some_and(|was| {
            takes(&was)
                && was.takes_time(self.lookup.now)
                && (was.period, &was.schedule) == (slot.period, &slot.schedule)
        });
        if !is_kept && self.is_crossed(reader, (key, slot), period)? {
            let told = format!("{key} overlaps with other time that is taken of the same actor");
            return object("start", told);
        }
        Ok(None)
    }

    /// Whether something else takes time of the same schedule or actor.
    fn is_crossed(
        &self,
        reader: &mut dyn Reader,
        (key, slot): (&ResourceKey, &Slot),
        period: (Instant, Instant),
    ) -> Result<bool, StoreError> {
        let Some(schedule) = &slot.schedule else { return Ok(false) };
        let now = self.lookup.now;
        let mut schedules = BTreeSet::from([schedule.clone()]);
        for actor in self.lookup.actors(reader, schedule)? {
            let actor = [("actor", actor.to_string())];
            let query = self.lookup.query(ResourceType::SCHEDULE, &actor)?;
            each(reader, &query, |stored| {
                schedules.insert(stored.key.clone());
                Ok(())
            })?;
        }
        let crosses = |other: &Slot| {
            let is_theirs = other.schedule.as_ref().is_some_and(|it| schedules.contains(it));
            is_theirs && other.takes_time(now) && other.overlaps(period)
        };
        let made = self.slots.iter().filter(|(other, _)| *other != key);
        if made.filter_map(|(_, (_, made))| made.as_ref()).any(crosses) {
            return Ok(true);
        }
        let list: Vec<String> = schedules.iter().map(ToString::to_string).collect();
        let mut is_crossed = false;
        for (status, longest) in
            [("busy,busy-tentative", LONGEST_US), ("busy-unavailable", LONGEST_AWAY_US)]
        {
            for some in list.chunks(CHUNK) {
                let earliest = Instant(period.0.0.saturating_sub(longest));
                let query = self.lookup.query(
                    ResourceType::SLOT,
                    &[
                        ("schedule", some.join(",")),
                        ("status", status.to_owned()),
                        ("start", format!("ge{earliest}")),
                        ("start", format!("le{}", period.1)),
                    ],
                )?;
                each(reader, &query, |stored| {
                    if self.slots.contains_key(&stored.key) {
                        return Ok(());
                    }
                    let other = read(stored, |view| Slot::read(view, self.lookup.base()))?;
                    is_crossed |= other.is_some_and(|other| crosses(&other));
                    Ok(())
                })?;
            }
        }
        Ok(is_crossed)
    }
}

impl Guard for BookingGuard {
    fn names(&self, reader: &mut dyn Reader) -> Result<BTreeSet<ResourceKey>, StoreError> {
        let mut names = self.concerned();
        for key in self.concerned() {
            let made = self.slots.get(&key).and_then(|(_, made)| made.as_ref()?.schedule.clone());
            let stored = self.stored_slot(reader, &key)?.and_then(|slot| slot.schedule);
            for schedule in made.into_iter().chain(stored) {
                names.extend(self.lookup.actors(reader, &schedule)?);
                names.insert(schedule);
            }
        }
        Ok(names)
    }

    fn judge(
        &self,
        reader: &mut dyn Reader,
        held: &BTreeSet<ResourceKey>,
    ) -> Result<Verdict, StoreError> {
        if !self.names(reader)?.is_subset(held) {
            return Ok(Verdict::Stale);
        }
        // Conditional creates that find a resource make none.
        let mut without = BTreeSet::new();
        for (key, query) in &self.conditions {
            if !reader.search(query, None, 1)?.is_empty() {
                without.insert(key.clone());
            }
        }
        for (key, (index, booked)) in &self.appointments {
            let Some(booked) = booked else { continue };
            if without.contains(key) || !booked.has_slots(self.lookup.now) {
                continue;
            }
            if let Some(objection) = self.of_appointment(reader, (key, booked), &without)? {
                return Ok(Verdict::Refused { index: *index, objection });
            }
        }
        for (key, (index, slot)) in &self.slots {
            if without.contains(key) {
                continue;
            }
            if let Some(objection) = self.of_slot(reader, (key, slot.as_ref()), &without)? {
                return Ok(Verdict::Refused { index: *index, objection });
            }
        }
        Ok(Verdict::Fine)
    }
}

/// Goes through all that a search finds.
fn each(
    reader: &mut dyn Reader,
    query: &SearchQuery,
    mut visit: impl FnMut(&StoredVersion) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let hits = reader.search(query, after.as_ref(), CHUNK)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        for stored in reader.load(&rows)? {
            visit(&stored)?;
        }
        after = hits.last().map(|hit| hit.position.clone());
        if hits.len() < CHUNK {
            return Ok(());
        }
    }
}
