//! What the trace is searched with: its parameters, and its events as a search sees them.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Body, Failure, FailureKind, Resource, ResourceKey, VersionId};
use fhir_search::{
    CustomParameter, Found, Indexer, Match, ParameterId, ParameterKind, Predicate, Registry,
    ValueHasher, World,
};
use fhir_store::{Method, RowKey, StoredVersion};

use super::event::Event;
use crate::app::{App, ReadFailure};
use crate::sight::{Sight, of_type};

/// Resources that a chain leads to at most.
const MOST_TARGETS: usize = 200;

/// Parameters that only the trace has: code, type, expression.
const PARAMETERS: [(&str, ParameterKind, &str); 5] = [
    ("purpose", ParameterKind::Token, "AuditEvent.agent.purposeOfUse | AuditEvent.purposeOfEvent"),
    (
        "relation",
        ParameterKind::Token,
        "AuditEvent.extension.where(url = 'urn:kantele:access-relation').value",
    ),
    (
        "controller",
        ParameterKind::Token,
        "AuditEvent.agent.where(type.coding.where(code = 'CST').exists()).who.identifier",
    ),
    (
        PATIENT_IDENTIFIER,
        ParameterKind::Token,
        "AuditEvent.entity.where(role.code = '1').what.identifier",
    ),
    (
        "request-id",
        ParameterKind::Token,
        "AuditEvent.entity.where(type.code = 'XrequestId').what.identifier",
    ),
];

/// Also finds what names the patient by a resource that has the identifier.
pub(super) const PATIENT_IDENTIFIER: &str = "patient-identifier";

/// What searches of the trace are parsed and judged with.
pub(crate) struct Catalogue {
    pub(super) registry: Registry,
    indexer: Indexer,
    pub(super) hasher: ValueHasher,
    pub(super) patient: Option<ParameterId>,
    pub(super) patient_identifier: Option<ParameterId>,
    pub(super) dates: Vec<ParameterId>,
}

impl Catalogue {
    /// The parameters of the database, with those of the trace.
    pub(crate) fn new(app: &App) -> Self {
        let definitions = app.definitions();
        let mut last = definitions.registry.all().map(|each| each.id.0.abs()).max().unwrap_or(0);
        let audit = ResourceType::AUDIT_EVENT;
        let more = PARAMETERS.iter().flat_map(|(code, kind, expression)| {
            let custom = CustomParameter {
                url: format!("urn:kantele:search-parameter:trace-{code}"),
                code: (*code).to_owned(),
                kind: *kind,
                bases: vec![audit],
                expression: (*expression).to_owned(),
                targets: Vec::new(),
                components: Vec::new(),
            };
            custom.parameters(&mut |_, _, _| {
                last = last.saturating_add(1);
                ParameterId(last)
            })
        });
        let registry = definitions.registry.clone().with(more.collect());
        let indexer = Indexer::compile(&registry, app.hasher().clone(), app.zone().clone())
            .with_base(definitions.indexer.base().map(ToOwned::to_owned));
        let of = |code: &str| registry.get(audit, code).map(|each| each.id);
        let (patient, patient_identifier) = (of("patient"), of(PATIENT_IDENTIFIER));
        let dates = ["date"].into_iter().filter_map(of).collect();
        let hasher = app.hasher().clone();
        Self { indexer, hasher, patient, patient_identifier, dates, registry }
    }
}

/// An event as a search sees it.
pub(super) fn indexed(catalogue: &Catalogue, event: &Event) -> Result<Found, Failure> {
    let resource = Resource::trusted(event.json.clone())?;
    let key = key_of(&resource)?;
    let rows = Arc::new(catalogue.indexer.index(resource.view(), &key));
    let hash = catalogue.hasher.reference(&key);
    Ok(Found { key, hash, updated: event.position.at, rows })
}

/// An event as if it were stored.
pub(super) fn stored(event: &Event) -> Result<StoredVersion, Failure> {
    let resource = Resource::trusted(event.json.clone())?;
    Ok(StoredVersion {
        row: RowKey { rid: 0, dk: 0 },
        key: key_of(&resource)?,
        version: VersionId(1),
        updated: event.position.at,
        method: Method::Post,
        body: Some(Body::from_view(resource.view(), None)),
    })
}

fn key_of(resource: &Resource) -> Result<ResourceKey, Failure> {
    let key = resource.view().key();
    key.ok_or_else(|| Failure::new(FailureKind::Bug, "an AuditEvent of the trace has no id"))
}

/// The stored resources that chains lead to.
pub(super) struct Stored<'s, 'a>(pub(super) &'s mut Sight<'a>);

impl World for Stored<'_, '_> {
    type Error = ReadFailure;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, ReadFailure> {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        let any = vec![Match::Hashes(Arc::new(hashes))];
        let query = of_type(target, vec![Predicate { any }]);
        let hits = self.0.search(&query, None, MOST_TARGETS)?;
        let rows: Vec<RowKey> = hits.iter().map(|hit| hit.row).collect();
        let hasher = self.0.hasher();
        let mut found = Vec::new();
        for stored in self.0.load(&rows)? {
            let Some(body) = &stored.body else { continue };
            let resource = body.to_resource(&stored.key)?;
            let rows = Arc::new(self.0.indexer().index(resource.view(), &stored.key));
            let hash = hasher.reference(&stored.key);
            found.push(Found { key: stored.key, hash, updated: stored.updated, rows });
        }
        Ok(found)
    }

    /// Nothing that is stored refers to the trace.
    fn referring(
        &mut self,
        _hash: i64,
        _parameters: &[ParameterId],
    ) -> Result<Vec<Found>, ReadFailure> {
        Ok(Vec::new())
    }
}
