//! Slot `$find`: what can be booked.
//!
//! Free slots within a time, and those whose hold has run out, as far as nothing else takes the
//! time of the same schedule or of an actor that is in one place at a time. Codes of services are
//! those of the slot, or of its schedule where the slot names none
//! (<https://hl7.org/fhir/R4/slot.html>: they "override" the schedule's).

use std::collections::{BTreeMap, BTreeSet};

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::date::instants;
use fhir_model::{Failure, FailureKind, Instant, Kind, ResourceKey, ResourceView, Value};
use fhir_search::{Scope, SearchQuery};
use fhir_store::{StoreError, StoredVersion};

use crate::app::ReadFailure;
use crate::booking::{LONGEST_US, Lookup, Slot};
use crate::operation::Invocation;
use crate::page::BundleWriter;
use crate::request::Answer;
use crate::sight::Sight;
use crate::subset::Subset;

/// Slots that one call looks at.
const MAX_LOOKED_AT: usize = 5_000;
const CHUNK: usize = 200;
/// The time that is looked at where the client names no end.
const USUAL_US: i64 = 31 * 24 * 3_600_000_000;

/// Parameters over codes, with the element of Slot and Schedule that each is about.
const CODES: [(&str, &str); 3] = [
    ("service-category", "serviceCategory"),
    ("service-type", "serviceType"),
    ("specialty", "specialty"),
];

/// The free slots, earliest first.
///
/// # Errors
/// `InvalidParameter` for values that cannot be read, `TooCostly` where too many slots are in the
/// time.
pub(in crate::operation) async fn find(call: Invocation<'_>) -> Result<Answer, Failure> {
    let asked = Asked::read(&call)?;
    let permit = call.app.gate(call.request, Interaction::SearchType, Some(ResourceType::SLOT))?;
    let base = call.request.base.clone();
    let work = move |sight: &mut Sight<'_>| {
        let found = asked.found(sight)?;
        let total = u64::try_from(found.slots.len()).ok();
        let mut bundle = BundleWriter::new("searchset", total, &[]);
        let mut schedules = BTreeSet::new();
        let mut put = |stored: &StoredVersion, mode: &str| -> Result<(), Failure> {
            bundle.begin();
            bundle.full_url(&base, &stored.key);
            bundle.stored(stored, &Subset::Whole)?;
            bundle.search_mode(mode);
            bundle.end();
            Ok(())
        };
        for (stored, schedule) in found.slots.iter().take(asked.count) {
            put(stored, "match")?;
            schedules.extend(schedule.clone());
        }
        for key in schedules {
            if let Some(stored) = found.schedules.get(&key) {
                put(stored, "include")?;
            }
        }
        Ok(bundle.finish())
    };
    call.app.read(&permit, work).await.map(Answer::ok)
}

/// What a client looks for.
struct Asked {
    lookup: Lookup,
    period: (Instant, Instant),
    query: SearchQuery,
    /// Element, and the tokens of which it must have one.
    codes: Vec<(&'static str, Vec<String>)>,
    count: usize,
}

/// What was found.
struct Found {
    slots: Vec<(StoredVersion, Option<ResourceKey>)>,
    schedules: BTreeMap<ResourceKey, StoredVersion>,
}

impl Asked {
    fn read(call: &Invocation<'_>) -> Result<Self, Failure> {
        let Invocation { app, request, arguments, .. } = call;
        let lookup = Lookup::new(app);
        let bad = |name: &str, text: &str| {
            Failure::new(FailureKind::InvalidParameter, text.to_owned()).at(format!("http.{name}"))
        };
        let range = |name: &str| match arguments.text(name) {
            None => Ok(None),
            Some(text) => instants(&text, app.zone())
                // A day ends with its last moment, a time when it is.
                .map(|range| {
                    Some((range.start, if text.contains('T') { range.start } else { range.end }))
                })
                .map_err(|_none| bad(name, "expected a date or a dateTime")),
        };
        let start = range("start")?.map_or(lookup.now, |(start, _)| Instant(start));
        let start = start.max(lookup.now);
        let usual = start.0.saturating_add(USUAL_US);
        let end = Instant(range("end")?.map_or(usual, |(_, end)| end));
        let mut pairs = vec![
            ("status".to_owned(), "free,busy-tentative".to_owned()),
            ("start".to_owned(), format!("ge{start}")),
            ("start".to_owned(), format!("lt{end}")),
            ("_sort".to_owned(), "start".to_owned()),
        ];
        for name in ["actor", "practitioner", "location"] {
            for text in arguments.texts(name) {
                pairs.push(("schedule.actor".to_owned(), text));
            }
        }
        for name in ["schedule", "identifier", "appointment-type"] {
            pairs.extend(arguments.texts(name).into_iter().map(|text| (name.to_owned(), text)));
        }
        let query = app.parse_strictly(request, Scope::Type(ResourceType::SLOT), &pairs)?;
        let mut codes = Vec::new();
        for (name, element) in CODES {
            for text in arguments.texts(name) {
                codes.push((element, text.split(',').map(str::to_owned).collect()));
            }
        }
        let settings = app.settings();
        let count = arguments.number("count").unwrap_or(settings.default_count);
        let count = usize::try_from(count.min(settings.max_count)).unwrap_or(usize::MAX);
        Ok(Self { lookup, period: (start, end), query, codes, count })
    }

    fn found(&self, sight: &mut Sight<'_>) -> Result<Found, ReadFailure> {
        let base = self.lookup.base();
        let mut open = Vec::new();
        for stored in all(sight, &self.query)? {
            let slot = of(&stored, |view| Slot::read(view, base))?;
            if let Some(slot) = slot.filter(|slot| slot.is_open(self.lookup.now)) {
                open.push((stored, slot));
            }
        }
        let keys: BTreeSet<ResourceKey> =
            open.iter().filter_map(|(_, slot)| slot.schedule.clone()).collect();
        let keys: Vec<ResourceKey> = keys.into_iter().collect();
        let mut schedules = BTreeMap::new();
        for stored in sight.load_keys(&keys)? {
            let is_active = of(&stored, |view| {
                view.value.get("active").is_none_or(|active| active.kind() != Kind::False)
            })?;
            if is_active == Some(true) {
                schedules.insert(stored.key.clone(), stored);
            }
        }
        let taken = self.taken(sight, &schedules)?;
        let mut slots = Vec::new();
        for (stored, slot) in open {
            let schedule = slot.schedule.as_ref().and_then(|key| schedules.get(key));
            let (Some(period), Some(schedule)) = (slot.period, schedule) else { continue };
            let crosses = |other: &Slot| other.overlaps(period);
            if taken.get(&schedule.key).is_some_and(|times| times.iter().any(crosses)) {
                continue;
            }
            if self.is_for(&stored, schedule)? {
                slots.push((stored, slot.schedule));
            }
        }
        Ok(Found { slots, schedules })
    }

    /// Whether the services of a slot are those that are looked for.
    fn is_for(&self, slot: &StoredVersion, schedule: &StoredVersion) -> Result<bool, ReadFailure> {
        for (element, tokens) in &self.codes {
            let own = of(slot, |view| matches(view, element, tokens))?.flatten();
            let is_it = match own {
                Some(is_it) => is_it,
                None => {
                    of(schedule, |view| matches(view, element, tokens))?.flatten() == Some(true)
                }
            };
            if !is_it {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What takes the time of each schedule: its own slots, and those of other schedules of its
    /// actors.
    fn taken(
        &self,
        sight: &mut Sight<'_>,
        schedules: &BTreeMap<ResourceKey, StoredVersion>,
    ) -> Result<BTreeMap<ResourceKey, Vec<Slot>>, ReadFailure> {
        // For each schedule that takes time, the schedules whose time it takes.
        let mut takes: BTreeMap<ResourceKey, BTreeSet<ResourceKey>> = BTreeMap::new();
        let mut of_actor: BTreeMap<ResourceKey, Vec<ResourceKey>> = BTreeMap::new();
        for (key, stored) in schedules {
            takes.entry(key.clone()).or_default().insert(key.clone());
            let actors = of(stored, |view| self.lookup.actors_of(view))?.unwrap_or_default();
            for actor in actors {
                if !of_actor.contains_key(&actor) {
                    let pairs = [("actor", actor.to_string())];
                    let query = self.lookup.query(ResourceType::SCHEDULE, &pairs)?;
                    let keys = all(sight, &query)?.into_iter().map(|stored| stored.key).collect();
                    of_actor.insert(actor.clone(), keys);
                }
                for other in of_actor.get(&actor).into_iter().flatten() {
                    takes.entry(other.clone()).or_default().insert(key.clone());
                }
            }
        }
        let mut taken: BTreeMap<ResourceKey, Vec<Slot>> = BTreeMap::new();
        let keys: Vec<String> = takes.keys().map(ToString::to_string).collect();
        let (start, end) = self.period;
        for some in keys.chunks(CHUNK) {
            for (status, longest) in
                [("busy,busy-tentative", LONGEST_US), ("busy-unavailable", 366 * LONGEST_US)]
            {
                let pairs = [
                    ("schedule", some.join(",")),
                    ("status", status.to_owned()),
                    ("start", format!("ge{}", Instant(start.0.saturating_sub(longest)))),
                    ("start", format!("lt{}", Instant(end.0.saturating_add(LONGEST_US)))),
                ];
                let query = self.lookup.query(ResourceType::SLOT, &pairs)?;
                for stored in all(sight, &query)? {
                    let slot = of(&stored, |view| Slot::read(view, self.lookup.base()))?;
                    let Some(slot) = slot.filter(|it| it.takes_time(self.lookup.now)) else {
                        continue;
                    };
                    let theirs = slot.schedule.as_ref().and_then(|key| takes.get(key));
                    for key in theirs.into_iter().flatten() {
                        taken.entry(key.clone()).or_default().push(slot.clone());
                    }
                }
            }
        }
        Ok(taken)
    }
}

/// Whether an element has one of the tokens; none where there is no such element.
fn matches(view: ResourceView<'_>, element: &str, tokens: &[String]) -> Option<bool> {
    let concepts = view.value.get(element)?;
    let codings = concepts.items().filter_map(|concept| concept.get("coding"));
    let mut codings = codings.flat_map(Value::items);
    Some(codings.any(|coding| {
        let text = |key: &str| coding.get(key).and_then(Value::text).unwrap_or_default();
        let (system, code) = (text("system"), text("code"));
        tokens.iter().any(|token| match token.split_once('|') {
            None => *token == code,
            Some((wanted, "")) => wanted == system,
            Some((wanted, of)) => wanted == system && of == code,
        })
    }))
}

/// All that a search finds.
fn all(sight: &mut Sight<'_>, query: &SearchQuery) -> Result<Vec<StoredVersion>, ReadFailure> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let hits = sight.search(query, after.as_ref(), CHUNK)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        found.extend(sight.load(&rows)?);
        after = hits.last().map(|hit| hit.position.clone());
        if hits.len() < CHUNK {
            return Ok(found);
        }
        if found.len() >= MAX_LOOKED_AT {
            let text = format!("more than {MAX_LOOKED_AT} slots are in that time; ask for less");
            return Err(Failure::new(FailureKind::TooCostly, text).into());
        }
    }
}

/// What `work` makes of a stored resource; none of a deleted one.
fn of<T>(
    stored: &StoredVersion,
    work: impl FnOnce(ResourceView<'_>) -> T,
) -> Result<Option<T>, StoreError> {
    let Some(body) = &stored.body else { return Ok(None) };
    let resource = body
        .to_resource(&stored.key)
        .map_err(|failure| StoreError::Damaged(format!("a stored resource: {failure}")))?;
    Ok(Some(work(resource.view())))
}
