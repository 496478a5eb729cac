//! `$find`, `$hold`, `$book` and `$cancel`: appointments from the slots of schedules.
//!
//! Names and parameters are those of the Argonaut scheduling guide
//! (<http://www.fhir.org/guides/argonaut/scheduling/>) and of the older Finnish scheduling guide
//! (`$cancel`). Each of them reads what is there, makes all changes at once and hands them to the
//! store as one group, which takes them only while every version is still the one that was read
//! and the promise of booking holds ([`crate::booking`]). Where others were faster, it looks
//! again.
//!
//! Who calls them has to be allowed to write the Appointment. That its slots become busy or free
//! follows from it, whoever may write slots.

mod book;
mod cancel;
mod find;

use std::sync::Arc;

use fhir_access::trace::Record;
use fhir_access::{Caller, Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, VersionId};
use fhir_store::{Preconditions, StoredVersion, WriteFault, WriteGroup, WriteOp};

pub(super) use book::{book, hold};
pub(super) use cancel::cancel;
pub(super) use find::find;

use super::{Invocation, Site};
use crate::app::{App, WriteFailure};
use crate::booking::{Booked, BookingGuard, Edit, HOLD, Lookup, Slot, SlotStatus, local};
use crate::booking::{extensions_without, quoted};
use crate::page::BundleWriter;
use crate::request::{Answer, Request};
use crate::write;

/// So often it is tried again what others have overtaken.
const ATTEMPTS: usize = 20;

/// A stored resource with its version.
pub(super) struct Known {
    key: ResourceKey,
    version: VersionId,
    resource: Resource,
}

impl Known {
    fn of(stored: StoredVersion) -> Result<Option<Self>, Failure> {
        let Some(body) = &stored.body else { return Ok(None) };
        let resource = body.to_resource(&stored.key)?;
        Ok(Some(Self { key: stored.key, version: stored.version, resource }))
    }
}

/// What one call works with.
struct Work<'a> {
    app: &'a App,
    request: &'a Request,
    permit: Permit,
    lookup: Lookup,
    /// Who holds slots: a keyed hash that tells callers apart and nothing of them.
    holder: String,
}

impl<'a> Work<'a> {
    fn new(call: &Invocation<'a>, interaction: Interaction) -> Result<Self, Failure> {
        let Invocation { app, request, .. } = *call;
        let permit = app.gate(request, interaction, Some(ResourceType::APPOINTMENT))?;
        let claims = request.caller.claims();
        let who = format!("{:?} {:?} {:?}", claims.issuer, claims.subject, claims.client);
        let holder = format!("{:016x}", app.hasher().hash(&who));
        Ok(Self { app, request, permit, lookup: Lookup::new(app), holder })
    }

    fn base(&self) -> &str {
        &self.request.base
    }

    fn key_of(&self, reference: &str) -> Option<ResourceKey> {
        local(reference, Some(self.base())).or_else(|| local(reference, self.lookup.base()))
    }

    fn slot(&self, known: &Known) -> Slot {
        Slot::read(known.resource.view(), self.lookup.base())
    }

    fn booked(&self, known: &Known) -> Booked {
        Booked::read(known.resource.view(), Some(self.base()))
    }

    /// A resource that the caller may see.
    async fn seen(&self, key: &ResourceKey) -> Result<Option<Known>, Failure> {
        let wanted = key.clone();
        let found = self.app.read(&self.permit, move |sight| Ok(sight.current(&wanted)?)).await?;
        found.map_or(Ok(None), Known::of)
    }

    /// A permit of the server itself: for what follows from a caller's act and is not theirs.
    fn own_permit(&self) -> Result<(Request, Permit), Failure> {
        // The caller is told nothing of what is seen by it, so that it leaves no trace of theirs.
        let (caller, record) = (Caller::everyone(), Record::default());
        let request = Request { caller, record, ..self.request.clone() };
        let of = Some(ResourceType::APPOINTMENT);
        let permit = self.app.gate(&request, Interaction::Update, of)?;
        Ok((request, permit))
    }

    /// The appointments whose hold of a slot has run out.
    async fn run_out(&self, slot: &ResourceKey) -> Result<Vec<Known>, Failure> {
        let pairs = [("slot", slot.to_string()), ("status", "pending".to_owned())];
        let query = self.lookup.query(ResourceType::APPOINTMENT, &pairs);
        let query = query.map_err(|error| crate::app::store_failure(&error))?;
        let (_, permit) = self.own_permit()?;
        let found = self.app.read(&permit, move |sight| {
            let hits = sight.search(&query, None, 100)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            Ok(sight.load(&rows)?)
        });
        let mut known = Vec::new();
        for stored in found.await? {
            known.extend(
                Known::of(stored)?.filter(|it| !self.booked(it).has_slots(self.lookup.now)),
            );
        }
        Ok(known)
    }

    /// The operation that gives a known resource this body, as long as it is at the same version.
    fn changed(&self, known: &Known, json: Vec<u8>) -> Result<WriteOp, Failure> {
        let resource = Resource::trusted(json)?;
        let if_match = Some(vec![known.version]);
        let preconditions = Preconditions { if_match, ..Preconditions::default() };
        Ok(write::put(self.app, known.key.clone(), resource.view(), preconditions))
    }

    /// The operation that gives a slot another status, with a hold or without.
    fn marked(
        &self,
        known: &Known,
        status: SlotStatus,
        hold: Option<&[u8]>,
    ) -> Result<WriteOp, Failure> {
        let view = known.resource.view();
        let mut extensions = extensions_without(view, HOLD);
        extensions.extend(hold.map(<[u8]>::to_vec));
        let edit = Edit::default().text("status", status.code()).list("extension", &extensions);
        self.changed(known, edit.apply(view))
    }

    /// The operation that ends an appointment whose hold has run out.
    fn ended(&self, known: &Known) -> Result<WriteOp, Failure> {
        let view = known.resource.view();
        let edit = Edit::default()
            .text("status", "cancelled")
            .set("cancelationReason", br#"{"text":"hold ran out"}"#.to_vec())
            .list("extension", &extensions_without(view, HOLD));
        self.changed(known, edit.apply(view))
    }

    /// Hands the operations to the store, the first of which is the caller's own. Nothing comes
    /// back where something has changed since it was read.
    ///
    /// # Errors
    /// What the store and the guard refuse.
    async fn commit(&self, ops: Vec<WriteOp>) -> Result<Option<Vec<u8>>, Failure> {
        let keys: Vec<ResourceKey> = ops.iter().map(|op| op.key.clone()).collect();
        let guard = BookingGuard::new(self.app, &ops);
        let guard: Arc<dyn fhir_store::Guard> = Arc::new(guard);
        let group = WriteGroup { ops, atomic: true, guard: Some(guard), ..WriteGroup::default() };
        match self.app.write_own(&self.permit, group, |index| index == 0).await {
            Ok(written) => {
                let first = written.into_iter().next();
                let written = first.and_then(Result::ok).ok_or_else(|| {
                    Failure::new(FailureKind::Bug, "the store gave no answer to a booking")
                })?;
                self.told(&written.key).await.map(Some)
            }
            Err(WriteFailure::Refused {
                fault: WriteFault::Stale | WriteFault::VersionMismatch { .. },
                ..
            }) => Ok(None),
            Err(WriteFailure::Refused { index, fault }) => {
                let bug = || Failure::new(FailureKind::Bug, "the store refused an unknown write");
                Err(keys.get(index).map_or_else(bug, |key| write::write_fault(key, &fault)))
            }
            Err(WriteFailure::Store(failure)) => Err(failure),
        }
    }

    /// A searchset with an appointment, as both guides answer.
    async fn told(&self, key: &ResourceKey) -> Result<Vec<u8>, Failure> {
        let wanted = key.clone();
        let found = self.app.read(&self.permit, move |sight| Ok(sight.current(&wanted)?)).await?;
        let total = u64::from(found.is_some());
        let mut bundle = BundleWriter::new("searchset", Some(total), &[]);
        if let Some(stored) = &found {
            bundle.begin();
            bundle.full_url(self.base(), &stored.key);
            bundle.stored(stored, &crate::subset::Subset::Whole)?;
            bundle.search_mode("match");
            bundle.end();
        }
        Ok(bundle.finish())
    }

    /// The appointment that the call is on, or that `appt-id` names.
    fn wanted(&self, call: &Invocation<'_>) -> Result<Option<ResourceKey>, Failure> {
        if let Site::Instance(key) = call.site {
            return Ok(Some(key.clone()));
        }
        let Some(text) = call.arguments.text("appt-id") else { return Ok(None) };
        let key = self.key_of(&text).or_else(|| {
            let id = text.parse().ok()?;
            Some(ResourceKey::new(ResourceType::APPOINTMENT, id))
        });
        let key = key.filter(|key| key.resource_type == ResourceType::APPOINTMENT);
        key.map(Some).ok_or_else(|| {
            let text = "`appt-id` takes the id of an Appointment of this server, or a reference";
            Failure::new(FailureKind::InvalidParameter, text).at("Parameters.parameter")
        })
    }

    /// The appointment with this key, as far as the caller may see it.
    async fn appointment(&self, key: &ResourceKey) -> Result<Known, Failure> {
        self.seen(key)
            .await?
            .ok_or_else(|| Failure::new(FailureKind::NotFound, format!("there is no {key}")))
    }
}

/// What a caller is told whom others overtook all the time.
fn overtaken() -> Failure {
    let text = "what the request books kept changing while it was served; send it again";
    Failure::new(FailureKind::Conflict, text)
}

fn done(body: Vec<u8>) -> Answer {
    Answer::ok(body)
}
