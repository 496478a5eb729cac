//! An access as AuditEvents: one for each interaction and patient, in the forms of the Basic Audit
//! Log Patterns. Spec: <https://profiles.ihe.net/ITI/BALP/>

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_access::trace::{Actor, Entry, Part};
use fhir_access::{Identifier, Interaction};
use fhir_model::Instant;
use fhir_search::{PatientIdentifier, PatientName};
use fhir_store::{Change, StoredTrace, TracePosition, TracedWrite};
use serde_json::{Map, Value, json};

/// How the caller stands to the data, as a code of [`fhir_access::trace::Relation`].
pub(super) const RELATION: &str = "urn:kantele:access-relation";

const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit";
const TERMS: &str = "http://terminology.hl7.org/CodeSystem";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ENTITY_TYPES: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// An AuditEvent of the trace.
pub(super) struct Event {
    /// Its row.
    pub(super) position: TracePosition,
    /// Its number in its row.
    pub(super) number: usize,
    pub(super) patient: Option<Patient>,
    pub(super) json: Vec<u8>,
}

/// A patient with what else they are known by.
pub(super) type Patient = (PatientName, BTreeSet<PatientIdentifier>);

/// The id of an event: its place.
pub(super) fn id(position: TracePosition, number: usize) -> String {
    format!("{}-{}-{number}", position.at.0, position.strand)
}

/// The place that [`id`] wrote.
pub(super) fn place(id: &str) -> Option<(TracePosition, usize)> {
    let mut parts = id.split('-');
    let at = parts.next()?.parse().ok()?;
    let strand = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    let position = TracePosition { at: Instant(at), strand };
    (parts.next().is_none() && self::id(position, number) == id).then_some((position, number))
}

/// All events of a row, in their order.
pub(super) fn events(stored: &StoredTrace) -> Vec<Event> {
    let actor = stored.actor.as_deref().map(Actor::decode).unwrap_or_default();
    let entry = Entry::decode(&stored.body);
    let mut events = Vec::new();
    for (index, part) in entry.parts.iter().enumerate() {
        let telling = Telling {
            position: stored.position,
            actor: &actor,
            entry: &entry,
            part,
            written: stored.written.get(index).copied(),
        };
        let mut add = |patient: Option<Patient>| {
            let number = events.len();
            let json = telling.event(number, patient.as_ref()).to_string().into_bytes();
            events.push(Event { position: stored.position, number, patient, json });
        };
        if part.patients.is_empty() {
            add(None);
        }
        for (name, identifiers) in &part.patients {
            add(Some((name.clone(), identifiers.clone())));
        }
    }
    events
}

/// One interaction of an access.
struct Telling<'a> {
    position: TracePosition,
    actor: &'a Actor,
    entry: &'a Entry,
    part: &'a Part,
    written: Option<TracedWrite>,
}

/// What the interactions are, as far as the patterns tell them apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Create,
    Read,
    Update,
    Delete,
    Query,
    Other,
}

impl Telling<'_> {
    fn pattern(&self) -> Pattern {
        use Interaction as I;
        match self.part.interaction {
            Some(I::Create) => Pattern::Create,
            Some(I::Read | I::VRead) => Pattern::Read,
            Some(I::Update | I::Patch) => Pattern::Update,
            Some(I::Delete) => Pattern::Delete,
            Some(I::SearchType | I::SearchSystem) => Pattern::Query,
            Some(
                I::HistoryInstance
                | I::HistoryType
                | I::HistorySystem
                | I::Capabilities
                | I::Transaction
                | I::Batch
                | I::Operation,
            )
            | None => Pattern::Other,
        }
    }

    /// The code of the outcome and, where it is no success, why.
    fn outcome(&self) -> (&'static str, Option<String>) {
        if let Some(written) = self.written {
            return match written.change {
                Some(_) => ("0", None),
                None => ("4", Some("the operation was refused".to_owned())),
            };
        }
        let status = self.entry.status.unwrap_or(200);
        match status {
            _ if self.part.is_refused => {
                ("4", Some(format!("HTTP {status}: the caller has no right to it")))
            }
            0..400 => ("0", None),
            400..500 => ("4", Some(format!("HTTP {status}"))),
            _ => ("8", Some(format!("HTTP {status}"))),
        }
    }

    fn event(&self, number: usize, patient: Option<&Patient>) -> Value {
        let pattern = self.pattern();
        let (outcome, why) = self.outcome();
        let recorded = self.position.at.rfc3339();
        let mut meta = json!({ "versionId": "1", "lastUpdated": recorded });
        if outcome == "0"
            && self.fits(pattern)
            && let Some(profile) = profile(pattern, patient.is_some())
        {
            put(&mut meta, "profile", json!([profile]));
        }
        let mut event = json!({
            "resourceType": "AuditEvent",
            "id": id(self.position, number),
            "meta": meta,
            "type": coding(&format!("{TERMS}/audit-event-type"), "rest", "Restful Operation"),
            "action": action(pattern),
            "recorded": recorded,
            "outcome": outcome,
            "agent": self.agents(pattern),
            "source": { "site": self.entry.head.server, "observer": self.server() },
            "entity": self.entities(pattern, patient),
        });
        if let Some(relation) = self.part.relation.or(self.actor.relation) {
            put(
                &mut event,
                "extension",
                json!([{ "url": RELATION, "valueCode": relation.code() }]),
            );
        }
        let subtypes = self.subtypes();
        if !subtypes.is_empty() {
            put(&mut event, "subtype", Value::Array(subtypes));
        }
        if let Some(why) = why {
            put(&mut event, "outcomeDesc", json!(why));
        }
        event
    }

    /// The pattern of a delete has no place for a program's purpose and token.
    fn fits(&self, pattern: Pattern) -> bool {
        let claims = &self.actor.claims;
        let is_told = claims.purpose.is_some() || claims.token.is_some();
        pattern != Pattern::Delete || !is_told || self.user().is_some()
    }

    fn subtypes(&self) -> Vec<Value> {
        let interactions = "http://hl7.org/fhir/restful-interaction";
        let code = self.part.interaction.map(|it| coding(interactions, it.code(), it.code()));
        let operation = self
            .part
            .operation
            .as_deref()
            .map(|name| coding("urn:kantele:operation", name.trim_start_matches('$'), name));
        code.into_iter().chain(operation).collect()
    }

    /// The server, as agent and as the source of the event alike.
    fn server(&self) -> Value {
        json!({ "identifier": { "system": "urn:ietf:rfc:3986", "value": self.entry.head.server } })
    }

    fn agents(&self, pattern: Pattern) -> Vec<Value> {
        let (of_client, of_server) = roles(pattern);
        let claims = &self.actor.claims;
        let head = &self.entry.head;
        let user = self.user();
        let purpose = claims.purpose.as_deref().map(|code| {
            json!([{ "coding": [{ "system": format!("{TERMS}/v3-ActReason"), "code": code }] }])
        });
        let policy =
            claims.token.as_deref().map(|id| json!([format!("urn:ietf:params:oauth:jti:{id}")]));
        let mut client = json!({
            "type": of_client,
            "who": self.client(),
            "requestor": user.is_none(),
            "network": {
                "address": head.address.as_deref().unwrap_or("unknown"),
                "type": "2",
            },
        });
        let mut agents = Vec::new();
        let mut user = user.map(|who| {
            let mut user = json!({
                "type": concept(&format!("{TERMS}/v3-ParticipationType"), "IRCP"),
                "who": who,
                "requestor": true,
            });
            if let Some(role) = &claims.role {
                put(&mut user, "role", json!([{ "text": role }]));
            }
            user
        });
        let told = user.as_mut().unwrap_or(&mut client);
        if let Some(purpose) = purpose {
            put(told, "purposeOfUse", purpose);
        }
        if let Some(policy) = policy {
            put(told, "policy", policy);
        }
        agents.push(client);
        agents.push(json!({
            "type": of_server,
            "who": self.server(),
            "requestor": false,
            "network": { "address": head.server, "type": "5" },
        }));
        agents.extend(user);
        let provider = concept(&format!("{TERMS}/v3-RoleClass"), "PROV");
        let custodian = concept(&format!("{TERMS}/v3-ParticipationType"), "CST");
        let represented = json!({ "text": "represented person" });
        for (kind, identifier) in [
            (&provider, &claims.organisation),
            (&provider, &claims.unit),
            (&custodian, &claims.register),
            (&represented, &claims.represented),
        ] {
            if let Some(identifier) = identifier {
                agents.push(json!({
                    "type": kind,
                    "who": { "identifier": identified(identifier) },
                    "requestor": false,
                }));
            }
        }
        agents
    }

    /// The person behind the request; none where a program or nobody asked.
    fn user(&self) -> Option<Value> {
        let claims = &self.actor.claims;
        let mut who = Map::new();
        if let Some(key) = &claims.fhir_user {
            who.insert("reference".to_owned(), json!(key.to_string()));
        }
        if let Some(person) = &claims.person {
            who.insert("identifier".to_owned(), identified(person));
        } else if let Some(subject) = &claims.subject
            && (claims.client.as_ref() != Some(subject) || claims.fhir_user.is_some())
        {
            let subject = Identifier {
                system: claims.issuer.clone().unwrap_or_default(),
                value: subject.clone(),
            };
            who.insert("identifier".to_owned(), identified(&subject));
        }
        (!who.is_empty()).then_some(Value::Object(who))
    }

    fn client(&self) -> Value {
        let claims = &self.actor.claims;
        let name = claims.client.as_ref().or(claims.subject.as_ref());
        match name.or(claims.certificate.as_ref()) {
            Some(name) => {
                let system = claims.issuer.clone().unwrap_or_default();
                json!({ "identifier": identified(&Identifier { system, value: name.clone() }) })
            }
            None => json!({ "display": self.actor.kind.code() }),
        }
    }

    fn entities(&self, pattern: Pattern, patient: Option<&Patient>) -> Vec<Value> {
        let system_object = coding(&format!("{TERMS}/audit-entity-type"), "2", "System Object");
        let mut entities = Vec::new();
        if let Some(reference) = self.reference() {
            entities.push(json!({
                "what": { "reference": reference },
                "type": system_object,
                "role": coding(&format!("{TERMS}/object-role"), "4", "Domain Resource"),
            }));
        }
        if let Some(patient) = patient {
            entities.push(json!({
                "what": named(patient),
                "type": coding(&format!("{TERMS}/audit-entity-type"), "1", "Person"),
                "role": coding(&format!("{TERMS}/object-role"), "1", "Patient"),
            }));
        }
        if pattern == Pattern::Query || pattern == Pattern::Other || entities.is_empty() {
            let asked = self.part.query.as_deref().unwrap_or(&self.entry.head.request);
            entities.push(json!({
                "type": system_object,
                "role": coding(&format!("{TERMS}/object-role"), "24", "Query"),
                "query": STANDARD.encode(asked),
            }));
        }
        if let Some(id) = &self.entry.head.request_id {
            entities.push(json!({
                "what": { "identifier": { "value": id } },
                "type": { "system": ENTITY_TYPES, "code": "XrequestId" },
            }));
        }
        entities
    }

    /// The resource with its version, as far as it has one.
    fn reference(&self) -> Option<String> {
        let key = self.part.key.as_ref()?;
        let mut reference = key.to_string();
        let version = match self.written {
            Some(TracedWrite { change: Some(change), version }) => {
                (change != Change::NothingToDelete && version.0 > 0).then_some(version)
            }
            Some(TracedWrite { change: None, .. }) => None,
            None => self.part.version,
        };
        if let Some(version) = version {
            let _infallible = write!(reference, "/_history/{version}");
        }
        Some(reference)
    }
}

fn profile(pattern: Pattern, has_patient: bool) -> Option<String> {
    let name = match pattern {
        Pattern::Create => "Create",
        Pattern::Read => "Read",
        Pattern::Update => "Update",
        Pattern::Delete => "Delete",
        Pattern::Query => "Query",
        Pattern::Other => return None,
    };
    let patient = if has_patient { "Patient" } else { "" };
    Some(format!("{PROFILES}.{patient}{name}"))
}

const fn action(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Create => "C",
        Pattern::Read => "R",
        Pattern::Update => "U",
        Pattern::Delete => "D",
        Pattern::Query | Pattern::Other => "E",
    }
}

/// The roles of client and server: who sends to whom, which the patterns see one way for reads
/// and the other way for questions and writes.
fn roles(pattern: Pattern) -> (Value, Value) {
    let (source, destination) = (concept(DICOM, "110153"), concept(DICOM, "110152"));
    match pattern {
        Pattern::Read => (destination, source),
        Pattern::Delete => (
            concept(DICOM, "110150"),
            concept(&format!("{TERMS}/provenance-participant-type"), "custodian"),
        ),
        Pattern::Create | Pattern::Update | Pattern::Query | Pattern::Other => {
            (source, destination)
        }
    }
}

fn named((name, identifiers): &Patient) -> Value {
    let identified = |one: &PatientIdentifier| json!({ "system": one.system, "value": one.value });
    let mut what = match name {
        PatientName::Resource(id) => json!({ "reference": format!("Patient/{id}") }),
        PatientName::Identity(own) => json!({ "type": "Patient", "identifier": identified(own) }),
        PatientName::Url(url) => json!({ "reference": url }),
    };
    if let (PatientName::Resource(_) | PatientName::Url(_), Some(first)) =
        (name, identifiers.first())
    {
        put(&mut what, "identifier", identified(first));
    }
    what
}

/// Sets a member of an object.
fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn identified(identifier: &Identifier) -> Value {
    let mut out = json!({ "value": identifier.value });
    if !identifier.system.is_empty() {
        put(&mut out, "system", json!(identifier.system));
    }
    out
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_places() {
        let position = TracePosition { at: Instant(1_790_000_000_000_000), strand: 65_537 };
        assert_eq!(place(&id(position, 12)), Some((position, 12)));
        for wrong in ["", "1-2", "1-2-3-4", "01-2-3", "1-2-x", "1-2-+3"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
