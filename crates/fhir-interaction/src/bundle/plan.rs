//! What a transaction is going to do: conditions resolved, ids given, references rewritten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Body, Failure, FailureKind, ResourceKey, ResourceView};
use fhir_search::SearchQuery;
use fhir_store::{
    Action as StoreAction, Change, Expectation, JournalRow, Method, Preconditions, StoredVersion,
    WriteFault, WriteGroup, WriteOp, Written,
};

use crate::answers;
use crate::app::{App, ReadFailure};
use crate::bundle::Running;
use crate::bundle::entry::{Action, Entry, at_entry};
use crate::bundle::reference::Identities;
use crate::bundle::transaction::overlap;
use crate::write;

/// Elements that name whose data a resource is, for the bucket of its id.
const SUBJECTS: [&str; 4] = ["subject", "patient", "beneficiary", "individual"];

/// The operations of a transaction and what they rest on.
pub(crate) struct Plan {
    ops: Vec<WriteOp>,
    /// The entry and the key of each operation.
    targets: Vec<(usize, ResourceKey)>,
    expect: Vec<Expectation>,
    /// Conditional creates that found a resource.
    existing: Vec<(usize, StoredVersion)>,
}

impl Plan {
    /// Resolves conditions, gives ids and builds the operations in their order.
    ///
    /// # Errors
    /// `MultipleMatches` and `PreconditionFailed` for conditions, naming the entry.
    pub(crate) async fn make(
        running: Running<'_>,
        entries: &[Entry<'_>],
        conditions: &BTreeMap<usize, SearchQuery>,
    ) -> Result<Self, Failure> {
        let Running { app, permit, .. } = running;
        let found = resolve_creations(app, permit, conditions).await?;
        refuse_found_twice(entries, &found)?;
        let mut expect = Vec::new();
        for (index, query) in conditions {
            let found = found.get(index).map(|stored| stored.key.clone());
            expect.push(Expectation { query: query.clone(), found });
        }
        let (mut identities, mut keys) = give_ids(&running, entries, &found);
        for index in found.keys() {
            keys.remove(index);
        }
        let (mut built, open) = build(app, entries, &keys, &identities, &BTreeSet::new())?;
        if !open.is_empty() {
            let affected: BTreeSet<usize> = open.values().flatten().copied().collect();
            expect.extend(resolve_references(running, &open, &mut identities).await?);
            let (again, _) = build(app, entries, &keys, &identities, &affected)?;
            built.extend(again);
        }
        let mut ordered: Vec<_> =
            entries.iter().filter(|entry| built.contains_key(&entry.index)).collect();
        // Stable: the client's order stays within a stage.
        ordered.sort_by_key(|entry| entry.stage());
        let mut ops = Vec::with_capacity(ordered.len());
        let mut targets = Vec::with_capacity(ordered.len());
        for entry in ordered {
            let Some(op) = built.remove(&entry.index) else { continue };
            targets.push((entry.index, op.key.clone()));
            ops.push(op);
        }
        Ok(Self { ops, targets, expect, existing: found.into_iter().collect() })
    }

    /// Hands the operations out; only once.
    pub(crate) fn take_group(&mut self, journal: Option<JournalRow>) -> WriteGroup {
        WriteGroup {
            ops: std::mem::take(&mut self.ops),
            atomic: true,
            expect: std::mem::take(&mut self.expect),
            journal,
        }
    }

    /// What the store answered, by entry.
    ///
    /// # Errors
    /// A fault of one operation, naming its entry: an atomic group has none of these.
    pub(crate) fn assign(
        &self,
        results: Vec<Result<Written, WriteFault>>,
    ) -> Result<Vec<(usize, Written)>, Failure> {
        let mut assigned = Vec::with_capacity(results.len());
        for ((index, key), result) in self.targets.iter().zip(results) {
            match result {
                Ok(written) => assigned.push((*index, written)),
                Err(fault) => return Err(at_entry(write::write_fault(key, &fault), *index)),
            }
        }
        Ok(assigned)
    }

    /// What the client is told when the store refused one operation.
    pub(crate) fn refusal(&self, operation: usize, fault: &WriteFault) -> Failure {
        match self.targets.get(operation) {
            Some((index, key)) => at_entry(write::write_fault(key, fault), *index),
            None => Failure::new(FailureKind::Bug, "the store refused an unknown operation"),
        }
    }

    /// The entries that write nothing because their condition found a resource.
    pub(crate) fn existing(&self) -> impl Iterator<Item = (usize, Written)> {
        self.existing.iter().map(|(index, stored)| {
            let written = Written {
                key: stored.key.clone(),
                change: Change::Existing,
                version: stored.version,
                updated: stored.updated,
                body: stored.body.clone().map(Arc::new),
            };
            (*index, written)
        })
    }
}

/// The resources that conditional creates find, by entry.
async fn resolve_creations(
    app: &App,
    permit: &Permit,
    conditions: &BTreeMap<usize, SearchQuery>,
) -> Result<BTreeMap<usize, StoredVersion>, Failure> {
    if conditions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let conditions = conditions.clone();
    app.read(permit, move |sight| {
        let mut found = BTreeMap::new();
        for (index, query) in &conditions {
            let hits = sight.search(query, None, 2)?;
            if hits.len() > 1 {
                let text = "the condition matches more than one resource";
                let failure = Failure::new(FailureKind::MultipleMatches, text);
                return Err(at_entry(failure.at("http.If-None-Exist"), *index).into());
            }
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            found.extend(sight.load(&rows)?.pop().map(|stored| (*index, stored)));
        }
        Ok(found)
    })
    .await
}

/// Refuses a transaction that writes a resource which one of its conditional creates found.
fn refuse_found_twice(
    entries: &[Entry<'_>],
    found: &BTreeMap<usize, StoredVersion>,
) -> Result<(), Failure> {
    let mut by_key: HashMap<&ResourceKey, usize> = HashMap::new();
    for (index, stored) in found {
        if let Some(other) = by_key.insert(&stored.key, *index) {
            return Err(overlap(other, *index, "have conditions that find the same resource"));
        }
    }
    for entry in entries {
        let (Action::Update { key, .. } | Action::Delete { key, .. }) = &entry.action else {
            continue;
        };
        if let Some(other) = by_key.get(key) {
            let what = "mean the same resource: a condition finds what another entry writes";
            return Err(overlap(*other, entry.index, what));
        }
    }
    Ok(())
}

/// Gives every entry that writes its key, Patients first: the ids of their data carry their
/// bucket.
fn give_ids<'a>(
    running: &Running<'a>,
    entries: &[Entry<'_>],
    found: &BTreeMap<usize, StoredVersion>,
) -> (Identities<'a>, HashMap<usize, ResourceKey>) {
    let mut identities = Identities::new(&running.request.base);
    let mut keys = HashMap::with_capacity(entries.len());
    let mut give = |entry: &Entry<'_>, key: ResourceKey, identities: &mut Identities<'_>| {
        if let Some(full_url) = &entry.full_url {
            identities.insert(full_url, key.clone());
        }
        keys.insert(entry.index, key);
    };
    let mut later = Vec::new();
    for entry in entries {
        match &entry.action {
            Action::Update { key, .. } => give(entry, key.clone(), &mut identities),
            Action::Create { view, .. } => match found.get(&entry.index) {
                Some(stored) => give(entry, stored.key.clone(), &mut identities),
                None if view.resource_type == ResourceType::PATIENT => {
                    let id = running.new_id(fhir_search::hash::NONE, entry.index);
                    give(entry, ResourceKey::new(view.resource_type, id), &mut identities);
                }
                None => later.push((entry, *view)),
            },
            Action::Delete { .. } | Action::Get(_) => {}
        }
    }
    for (entry, view) in later {
        let person = person(running.app, view, &identities);
        let id = running.new_id(person, entry.index);
        let key = ResourceKey::new(view.resource_type, id);
        give(entry, key, &mut identities);
    }
    (identities, keys)
}

/// The person whose data a new resource is, as far as its own elements say it.
fn person(app: &App, view: ResourceView<'_>, identities: &Identities<'_>) -> i64 {
    let reference = SUBJECTS
        .iter()
        .find_map(|name| view.value.get(name)?.get("reference")?.text())
        .unwrap_or_default();
    let key = match identities.get(&reference) {
        Some(key) => Some(key.clone()),
        None => ResourceKey::from_reference(&reference),
    };
    key.filter(|key| key.resource_type == ResourceType::PATIENT)
        .map_or(fhir_search::hash::NONE, |key| app.hasher().reference(&key))
}

type Built = HashMap<usize, WriteOp>;
/// Conditional references and the entries that have them.
type Open = BTreeMap<String, Vec<usize>>;

/// Builds the operations of all entries, or only of `selected` ones when there are any.
fn build(
    app: &App,
    entries: &[Entry<'_>],
    keys: &HashMap<usize, ResourceKey>,
    identities: &Identities<'_>,
    selected: &BTreeSet<usize>,
) -> Result<(Built, Open), Failure> {
    let mut built = HashMap::with_capacity(entries.len());
    let mut open: Open = BTreeMap::new();
    for entry in entries {
        if !selected.is_empty() && !selected.contains(&entry.index) {
            continue;
        }
        let (view, method, preconditions) = match &entry.action {
            Action::Create { view, .. } => (view, Method::Post, Preconditions::default()),
            Action::Update { view, conditions, .. } => {
                (view, Method::Put, write::preconditions(conditions.clone()))
            }
            Action::Delete { key, conditions } => {
                let preconditions = write::preconditions(conditions.clone());
                built.insert(entry.index, write::delete_op(key.clone(), preconditions));
                continue;
            }
            Action::Get(_) => continue,
        };
        let Some(key) = keys.get(&entry.index) else { continue };
        let rewriter = identities.rewriter(entry.full_url.as_deref());
        let body = Body::from_view(*view, Some(&|link, text| rewriter.rewrite(link, text)));
        let rows = if rewriter.is_changed() {
            app.index(body.to_resource(key)?.view(), Some(key))
        } else {
            app.index(*view, Some(key))
        };
        for condition in rewriter.into_open() {
            open.entry(condition).or_default().push(entry.index);
        }
        let action = StoreAction::Put { body: Arc::new(body), rows: Box::new(rows), method };
        built.insert(entry.index, WriteOp { key: key.clone(), action, preconditions });
    }
    Ok((built, open))
}

/// Resolves conditional references; each must find exactly one resource.
async fn resolve_references(
    running: Running<'_>,
    open: &Open,
    identities: &mut Identities<'_>,
) -> Result<Vec<Expectation>, Failure> {
    let Running { app, request, permit, .. } = running;
    let mut queries = Vec::with_capacity(open.len());
    for (condition, indexes) in open {
        let index = indexes.first().copied().unwrap_or_default();
        let named = condition.split_once('?');
        let Some((resource_type, query)) =
            named.and_then(|(name, query)| Some((name.parse::<ResourceType>().ok()?, query)))
        else {
            continue;
        };
        let query = write::criteria(app, request, resource_type, query)
            .map_err(|failure| at_entry(failure.at("resource"), index))?;
        queries.push((condition.clone(), index, query));
    }
    let (inside, base) = (app.clone(), request.base.clone());
    let expect = app
        .read(permit, move |sight| {
            let mut resolved = Vec::with_capacity(queries.len());
            for (condition, index, mut query) in queries {
                answers::resolve(&inside, sight, &base, &mut query).map_err(
                    |failure| match failure {
                        ReadFailure::Client(failure) => {
                            ReadFailure::Client(at_entry(failure.at("resource"), index))
                        }
                        ReadFailure::Store(error) => ReadFailure::Store(error),
                    },
                )?;
                let hits = sight.search(&query, None, 2)?;
                let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
                let mut found = sight.load(&rows)?;
                let failure = match (found.pop(), found.len()) {
                    (Some(stored), 0) => {
                        resolved.push((condition, query, stored.key));
                        continue;
                    }
                    (None, _) => Failure::new(
                        FailureKind::PreconditionFailed,
                        "a conditional reference finds no resource",
                    ),
                    (Some(_), _) => Failure::new(
                        FailureKind::MultipleMatches,
                        "a conditional reference finds more than one resource",
                    ),
                };
                return Err(at_entry(failure.at("resource"), index).into());
            }
            Ok(resolved)
        })
        .await?;
    let found = expect.iter().map(|(condition, _, key)| (condition.clone(), key.clone()));
    identities.resolve(found.collect());
    let expectation = |(_, query, key)| Expectation { query, found: Some(key) };
    Ok(expect.into_iter().map(expectation).collect())
}
