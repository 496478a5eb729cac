//! Appointment `$cancel`: the appointment ends, and its slots are free again.

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, Value};
use fhir_store::WriteOp;

use super::{ATTEMPTS, Known, Work, done, overtaken};
use crate::booking::{Edit, HOLD, SlotStatus, extensions_without};
use crate::operation::Invocation;
use crate::request::Answer;

/// The statuses that an appointment can be cancelled in.
const OPEN: [&str; 6] = ["proposed", "pending", "booked", "arrived", "checked-in", "waitlist"];

/// Ends an appointment. What is cancelled already stays as it is.
///
/// # Errors
/// `InvalidParameter` where no appointment is named, `NotFound`, `Conflict` where it is over, and
/// what the caller may not write.
pub(in crate::operation) async fn cancel(call: Invocation<'_>) -> Result<Answer, Failure> {
    let work = Work::new(&call, Interaction::Update)?;
    let Some(key) = work.wanted(&call)? else {
        let text = "$cancel is called on an appointment, or with `appt-id`";
        return Err(Failure::new(FailureKind::InvalidParameter, text).at("Parameters.parameter"));
    };
    let reason = call.arguments.value("reason", "CodeableConcept").map(Value::raw);
    let _turn = call.app.line(&key).lock().await;
    for _ in 0..ATTEMPTS {
        let known = work.appointment(&key).await?;
        let booked = work.booked(&known);
        if booked.status == "cancelled" {
            return work.told(&key).await.map(done);
        }
        if !OPEN.contains(&booked.status.as_str()) {
            let text =
                format!("an appointment that is {} is not cancelled any more", booked.status);
            return Err(Failure::new(FailureKind::Conflict, text).at("Appointment.status"));
        }
        let mut edit = Edit::default()
            .text("status", "cancelled")
            .list("extension", &extensions_without(known.resource.view(), HOLD));
        if let Some(reason) = reason {
            edit = edit.set("cancelationReason", reason.to_vec());
        }
        let mut ops = vec![work.changed(&known, edit.apply(known.resource.view()))?];
        if booked.has_slots(work.lookup.now) {
            ops.extend(freed(&work, &known, &[]).await?);
        }
        if let Some(body) = work.commit(ops).await? {
            return Ok(done(body));
        }
    }
    Err(overtaken())
}

/// The operations that free the slots of an appointment, but for those that it keeps.
pub(super) async fn freed(
    work: &Work<'_>,
    appointment: &Known,
    kept: &[fhir_model::ResourceKey],
) -> Result<Vec<WriteOp>, Failure> {
    let mut ops = Vec::new();
    for key in work.booked(appointment).slots {
        if kept.contains(&key) {
            continue;
        }
        // A slot that is hidden from the caller, or gone, is nothing that the caller frees.
        let Some(slot) = work.seen(&key).await? else { continue };
        if matches!(work.slot(&slot).status, SlotStatus::Busy | SlotStatus::Tentative) {
            ops.push(work.marked(&slot, SlotStatus::Free, None)?);
        }
    }
    Ok(ops)
}
