//! What an access leaves behind: who asked, what, why, and whose data it touched.
//!
//! A [`Record`] goes with a request from the edge to the answer. The gate begins a part of it for
//! each interaction that is asked for (the entries of a Bundle are interactions of their own),
//! whoever reads notes whose data that was, and what is written or answered takes the parts along
//! as an [`Entry`] in compact bytes. What an entry looks like as AuditEvents is others' business.

mod actor;
mod codec;
mod entry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fhir_definitions::ResourceType;
use fhir_model::{ResourceKey, VersionId};
use fhir_search::Patients;

pub use actor::{Actor, KnownActor, Relation};
pub use entry::{Entry, keys, patient_keys};

use crate::{Caller, Interaction};

/// What the edge knows of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `X-Request-Id`, of the client or given by the server.
    pub request_id: Option<String>,
    /// The address of the client.
    pub address: Option<String>,
    /// The FHIR root that was asked.
    pub server: String,
    /// The method and what was asked for, relative to the FHIR root and with its parameters:
    /// `GET Patient/1`.
    pub request: String,
}

/// One interaction of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What was asked; none for a request that was refused before that was known.
    pub interaction: Option<Interaction>,
    /// The operation's name with its `$`.
    pub operation: Option<String>,
    /// The type that was asked for.
    pub resource_type: Option<ResourceType>,
    /// The resource that was read or written.
    pub key: Option<ResourceKey>,
    /// Its version, where it was read; of what was written the commit knows it.
    pub version: Option<VersionId>,
    /// The search with its parameters, wherever they stood in the request.
    pub query: Option<String>,
    /// Whose data it was.
    pub patients: Patients,
    /// Whether the gate refused.
    pub is_refused: bool,
    /// How the caller stands to the data, where that was decided.
    pub relation: Option<Relation>,
}

impl Part {
    /// A part about which nothing is known yet.
    #[must_use]
    pub const fn new(
        interaction: Option<Interaction>,
        resource_type: Option<ResourceType>,
    ) -> Self {
        Self {
            interaction,
            operation: None,
            resource_type,
            key: None,
            version: None,
            query: None,
            patients: Patients::new(),
            is_refused: false,
            relation: None,
        }
    }
}

impl Part {
    /// Adds whose data it was.
    pub fn touch(&mut self, patients: Patients) {
        for (name, identifiers) in patients {
            self.patients.entry(name).or_default().extend(identifiers);
        }
    }
}

/// The record of one request, shared by all who serve it. The one that is off notes nothing.
#[derive(Clone, Debug, Default)]
pub struct Record(Option<Arc<Mutex<Content>>>);

#[derive(Debug)]
struct Content {
    head: Head,
    actor: Arc<KnownActor>,
    parts: Vec<Slot>,
    /// Whether anything was taken.
    is_taken: bool,
}

#[derive(Debug)]
struct Slot {
    part: Part,
    /// Whether a commit took the part along, and nothing was read since.
    is_taken: bool,
}

/// The place of a part in its record.
#[derive(Clone, Debug, Default)]
pub struct PartOf {
    record: Record,
    index: usize,
}

impl Record {
    /// The record of a request.
    #[must_use]
    pub fn begin(head: Head, caller: &Caller) -> Self {
        let actor = caller.trace_actor();
        let content = Content { head, actor, parts: Vec::new(), is_taken: false };
        Self(Some(Arc::new(Mutex::new(content))))
    }

    /// Whether the request is traced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn content(&self) -> Option<MutexGuard<'_, Content>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a part.
    pub(crate) fn part(&self, part: impl FnOnce() -> Part) -> PartOf {
        let Some(mut content) = self.content() else { return PartOf::default() };
        content.parts.push(Slot { part: part(), is_taken: false });
        PartOf { record: self.clone(), index: content.parts.len().saturating_sub(1) }
    }

    /// What is left of the request once it is answered: the parts that no commit took along, and
    /// where there are none at all, one that says nothing but that there was a request. None where
    /// everything is in the trace already.
    #[must_use]
    pub fn rest(&self, status: u16) -> Option<(Arc<KnownActor>, Entry)> {
        let mut content = self.content()?;
        let slots = std::mem::take(&mut content.parts).into_iter();
        let mut parts: Vec<Part> =
            slots.filter(|slot| !slot.is_taken).map(|slot| slot.part).collect();
        if parts.is_empty() {
            if std::mem::replace(&mut content.is_taken, true) {
                return None;
            }
            parts.push(Part::new(None, None));
        }
        content.is_taken = true;
        let head = content.head.clone();
        Some((Arc::clone(&content.actor), Entry { head, status: Some(status), parts }))
    }
}

impl PartOf {
    /// Whether the part is in a record at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.record.is_on()
    }

    fn with(&self, change: impl FnOnce(&mut Slot)) {
        if let Some(mut content) = self.record.content()
            && let Some(slot) = content.parts.get_mut(self.index)
        {
            change(slot);
        }
    }

    /// Notes what was searched for; `query` is made only where somebody wants to know.
    pub fn asked(&self, query: impl FnOnce() -> String) {
        if self.is_on() {
            let query = query();
            self.with(|slot| slot.part.query = Some(query));
        }
    }

    /// Notes whose data was read.
    pub fn touched(&self, patients: Patients) {
        self.with(|slot| {
            slot.is_taken &= patients.is_empty();
            slot.part.touch(patients);
        });
    }

    /// Notes how the caller stands to the data; of several, the one that asks for most.
    pub fn relates(&self, relation: Relation) {
        self.with(|slot| slot.part.relation = slot.part.relation.max(Some(relation)));
    }

    /// Notes the resource that the interaction is about: the first one that it looks at.
    pub fn about(&self, key: &ResourceKey, version: Option<VersionId>) {
        self.with(|slot| {
            if slot.part.key.is_none() {
                slot.part.key = Some(key.clone());
                slot.part.version = version;
            }
        });
    }

    pub(crate) fn refused(&self) {
        self.with(|slot| slot.part.is_refused = true);
    }

    /// The entry of a commit whose operations are `written`, in their order.
    #[must_use]
    pub fn entry(&self, written: Vec<Part>) -> Option<(Arc<KnownActor>, Entry)> {
        let content = self.record.content()?;
        let entry = Entry { head: content.head.clone(), status: None, parts: written };
        Some((Arc::clone(&content.actor), entry))
    }

    /// The part went along with a commit.
    pub fn is_written(&self) {
        if let Some(mut content) = self.record.content() {
            content.is_taken = true;
            if let Some(slot) = content.parts.get_mut(self.index) {
                slot.part.patients.clear();
                slot.is_taken = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fhir_search::PatientName;

    use super::*;

    fn record() -> Record {
        Record::begin(
            Head { request: "GET Patient/1".into(), ..Head::default() },
            &Caller::everyone(),
        )
    }

    fn part(interaction: Interaction) -> Part {
        Part::new(Some(interaction), Some(ResourceType::PATIENT))
    }

    #[test]
    fn what_no_commit_took_is_left_once() {
        let record = record();
        let read = record.part(|| part(Interaction::Read));
        let update = record.part(|| part(Interaction::Update));
        let one = PatientName::Resource("1".parse().unwrap());
        read.touched(Patients::from([(one, BTreeSet::new())]));
        assert!(update.entry(vec![part(Interaction::Update)]).unwrap().1.status.is_none());
        update.is_written();
        let (_, rest) = record.rest(200).unwrap();
        assert_eq!((rest.parts.len(), rest.status), (1, Some(200)));
        assert_eq!(rest.parts[0].patients.len(), 1);
        assert!(record.rest(200).is_none());
    }

    #[test]
    fn a_request_without_an_interaction_leaves_something_too() {
        let (_, rest) = record().rest(401).unwrap();
        assert_eq!((rest.parts.len(), rest.parts[0].interaction), (1, None));
        assert!(Record::default().rest(200).is_none());
    }
}
