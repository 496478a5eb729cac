//! Appointment `$hold` and `$book`: an appointment gets its slots, for a while or for good.

use std::collections::BTreeSet;

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, Instant, Resource, ResourceKey, ResourceView, Value};
use fhir_store::{Preconditions, WriteOp};

use super::cancel::freed;
use super::{ATTEMPTS, Known, Work, done, overtaken, quoted};
use crate::booking::{Booked, Edit, HOLD, Hold, SlotStatus, extensions_without};
use crate::check;
use crate::operation::Invocation;
use crate::request::Answer;
use crate::write;

/// Makes the appointment, or the one that is held or is to be moved, booked and its slots busy.
///
/// # Errors
/// `InvalidParameter` and `Unprocessable` where there is nothing to book, `NotFound`, `Conflict`
/// where a slot is not free, what an Appointment is refused for, and what the caller may not write.
pub(in crate::operation) async fn book(call: Invocation<'_>) -> Result<Answer, Failure> {
    take(call, Kind::Book).await
}

/// Keeps slots for the caller for a while: the appointment is pending.
///
/// # Errors
/// As [`book`].
pub(in crate::operation) async fn hold(call: Invocation<'_>) -> Result<Answer, Failure> {
    take(call, Kind::Hold).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hold,
    Book,
}

async fn take(call: Invocation<'_>, kind: Kind) -> Result<Answer, Failure> {
    let work = Work::new(&call, Interaction::Update)?;
    let wanted = work.wanted(&call)?;
    let given = call.arguments.resource("appt-resource").map(|view| view.value.raw().to_vec());
    let given = given.map(Resource::trusted).transpose()?;
    for _ in 0..ATTEMPTS {
        let known = match &wanted {
            Some(key) => Some(work.appointment(key).await?),
            None => None,
        };
        let Some(template) = given.as_ref().or(known.as_ref().map(|known| &known.resource)) else {
            let text =
                "an appointment is needed: `appt-resource`, or `appt-id` of one that is here";
            return Err(
                Failure::new(FailureKind::InvalidParameter, text).at("Parameters.parameter")
            );
        };
        let asked = Booked::read(template.view(), Some(work.base()));
        if let Some(known) = &known {
            takes_up(&work, known, &asked, kind)?;
            if kind == Kind::Book && given.is_none() && work.booked(known).status == "booked" {
                return work.told(&known.key).await.map(done);
            }
        }
        // Those who want the same slot come one after the other: who comes too late is told so
        // without a commit.
        let first = asked.slots.first();
        let line = first.ok_or_else(no_slot)?;
        let _turn = call.app.line(line).lock().await;
        let ops = operations(&work, kind, known.as_ref(), (template, &asked)).await?;
        if let Some(body) = work.commit(ops).await? {
            return Ok(done(body));
        }
    }
    Err(overtaken())
}

/// Whether an appointment that is here may be held or booked by this caller.
fn takes_up(work: &Work<'_>, known: &Known, asked: &Booked, kind: Kind) -> Result<(), Failure> {
    let booked = work.booked(known);
    let refuse =
        |text: String| Err(Failure::new(FailureKind::Conflict, text).at("Appointment.status"));
    match (booked.status.as_str(), kind) {
        ("proposed" | "waitlist", _) => Ok(()),
        ("booked", Kind::Book) => Ok(()),
        ("pending", Kind::Book) => match &booked.hold {
            Some(hold) if hold.by != work.holder => {
                refuse("somebody else holds the slots of the appointment".to_owned())
            }
            Some(hold) if hold.until <= work.lookup.now && asked.slots == booked.slots => {
                refuse("the hold has run out; look for a slot again".to_owned())
            }
            Some(_) | None => Ok(()),
        },
        (status, Kind::Book) => refuse(format!("an appointment that is {status} cannot be booked")),
        (status, Kind::Hold) => refuse(format!("an appointment that is {status} cannot be held")),
    }
}

fn no_slot() -> Failure {
    let text = "an appointment is booked by its slots: name at least one of this server";
    Failure::new(FailureKind::Unprocessable, text).at("Appointment.slot")
}

/// All that the commit is to do, the appointment first.
async fn operations(
    work: &Work<'_>,
    kind: Kind,
    known: Option<&Known>,
    (template, asked): (&Resource, &Booked),
) -> Result<Vec<WriteOp>, Failure> {
    let hold = (kind == Kind::Hold).then(|| {
        let length = i64::try_from(work.app.settings().booking.hold.as_micros()).unwrap_or(0);
        // Whole seconds: nobody reads more.
        let until = work.lookup.now.0.saturating_add(length) / 1_000_000 * 1_000_000;
        Hold { until: Instant(until), by: work.holder.clone() }.written()
    });
    let own: Vec<ResourceKey> = known.map(|known| work.booked(known).slots).unwrap_or_default();
    let is_ours = known.is_some_and(|known| work.booked(known).has_slots(work.lookup.now));
    let mut slots = Vec::new();
    let mut late = BTreeSet::new();
    let mut ended = Vec::new();
    for (at, key) in asked.slots.iter().enumerate() {
        let place = format!("Appointment.slot[{at}]");
        let Some(slot) = work.seen(key).await? else {
            let text = format!("there is no {key}");
            return Err(Failure::new(FailureKind::Unprocessable, text).at(place));
        };
        let now = work.slot(&slot);
        let is_kept = is_ours && own.contains(key);
        if !is_kept && !now.is_open(work.lookup.now) {
            let text = format!("{key} is not free any more: it is {}", now.status.code());
            return Err(Failure::new(FailureKind::Conflict, text).at(place));
        }
        if now.period.is_none() {
            let text = format!("{key} does not end after it starts");
            return Err(Failure::new(FailureKind::Unprocessable, text).at(place));
        }
        if now.status == SlotStatus::Tentative {
            for other in work.run_out(key).await? {
                let is_new = known.is_none_or(|known| known.key != other.key);
                if is_new && late.insert(other.key.clone()) {
                    ended.push(work.ended(&other)?);
                }
            }
        }
        slots.push(slot);
    }
    let mut ops = vec![appointment(work, kind, known, template, (&slots, hold.as_deref())).await?];
    for slot in &slots {
        let status = if kind == Kind::Hold { SlotStatus::Tentative } else { SlotStatus::Busy };
        ops.push(work.marked(slot, status, hold.as_deref())?);
    }
    if let Some(known) = known.filter(|_| is_ours) {
        ops.extend(freed(work, known, &asked.slots).await?);
    }
    ops.extend(ended);
    Ok(ops)
}

/// The operation that writes the appointment.
async fn appointment(
    work: &Work<'_>,
    kind: Kind,
    known: Option<&Known>,
    template: &Resource,
    (slots, hold): (&[Known], Option<&[u8]>),
) -> Result<WriteOp, Failure> {
    let view = template.view();
    let mut extensions = extensions_without(view, HOLD);
    extensions.extend(hold.map(<[u8]>::to_vec));
    let status = if kind == Kind::Hold { "pending" } else { "booked" };
    let mut edit = Edit::default().text("status", status).list("extension", &extensions);
    edit = edit.without("cancelationReason");
    edit = within(work, edit, view, slots)?;
    match known {
        Some(known) => {
            let id = quoted(known.key.id.as_str());
            let resource = Resource::trusted(edit.set("id", id).apply(view))?;
            checked(work, &resource, Some(known)).await?;
            work.changed(known, resource.source().as_bytes().to_vec())
        }
        None => {
            let resource = Resource::trusted(edit.without("id").apply(view))?;
            checked(work, &resource, None).await?;
            let none = Preconditions::default();
            Ok(write::post(work.app, resource.view(), none, |person| work.app.new_id(person)))
        }
    }
}

/// Start and end of an appointment are those of its slots, unless it says something within.
fn within(
    work: &Work<'_>,
    mut edit: Edit,
    view: ResourceView<'_>,
    slots: &[Known],
) -> Result<Edit, Failure> {
    let timed = |known: &'_ Known| work.slot(known).period;
    let first = slots.iter().min_by_key(|slot| timed(slot).map(|(start, _)| start));
    let last = slots.iter().max_by_key(|slot| timed(slot).map(|(_, end)| end));
    let start = first.and_then(timed).map(|(start, _)| start);
    let end = last.and_then(timed).map(|(_, end)| end);
    let (Some(start), Some(end)) = (start, end) else { return Ok(edit) };
    for (key, slot) in [("start", first), ("end", last)] {
        match view.value.get(key).and_then(Value::text).map(|text| text.parse::<Instant>()) {
            None => {
                let told = slot.and_then(|slot| slot.resource.view().value.get(key));
                edit = edit.set(key, told.map(|told| told.raw().to_vec()).unwrap_or_default());
            }
            Some(Ok(told)) if (start..=end).contains(&told) => {}
            Some(_) => {
                let text = format!("`{key}` is not within the time of the slots");
                let place = format!("Appointment.{key}");
                return Err(Failure::new(FailureKind::Unprocessable, text).at(place));
            }
        }
    }
    Ok(edit)
}

/// An appointment is held to all that a written one is held to.
async fn checked(
    work: &Work<'_>,
    resource: &Resource,
    known: Option<&Known>,
) -> Result<(), Failure> {
    let view = resource.view();
    let id = known.map(|known| &known.key.id);
    let Work { app, request, permit, .. } = work;
    check::checked(app, request, permit, view, view.resource_type, id).await.map(|_| ())
}
