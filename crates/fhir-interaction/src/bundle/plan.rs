//! What a transaction is going to do: conditions answered, ids given, references rewritten.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Body, Failure, FailureKind, Issue, ResourceKey, ResourceView};
use fhir_store::{
    Action as StoreAction, Change, Expectation, JournalRow, Method, Preconditions, StoredVersion,
    WriteFault, WriteGroup, WriteOp, Written,
};

use crate::app::App;
use crate::bundle::entry::{Entry, at_entry};
use crate::bundle::fate::{self, Fate};
use crate::bundle::own::Own;
use crate::bundle::question::{self, Questions};
use crate::bundle::reference::{self, Identities, Open};
use crate::bundle::{Running, overlap};
use crate::write;

/// Elements that name whose data a resource is, for the bucket of its id.
const SUBJECTS: [&str; 4] = ["subject", "patient", "beneficiary", "individual"];

/// The operations of a transaction and what they rest on.
pub(crate) struct Plan {
    ops: Vec<WriteOp>,
    targets: Vec<Target>,
    expect: Vec<Expectation>,
    /// Conditional creates that found a resource.
    existing: Vec<(usize, StoredVersion)>,
    /// Conditional deletes that found nothing.
    missed: Vec<(usize, ResourceType)>,
    /// What rules say about patched resources, by entry.
    warnings: Vec<(usize, Vec<Issue>)>,
}

/// What an operation is for.
struct Target {
    index: usize,
    key: ResourceKey,
    /// The version was chosen here and not by the client: where another is current, the plan is
    /// made again.
    is_chosen: bool,
    /// The key is the client's own for what its condition did not find.
    is_claim: bool,
}

impl Plan {
    /// Answers conditions, gives ids and builds the operations in their order.
    ///
    /// # Errors
    /// What stands against an entry already, naming it: conditions that match several resources,
    /// patches that cannot be applied, entries that mean the same resource.
    pub(crate) async fn make(
        running: Running<'_>,
        entries: &[Entry<'_>],
        questions: &Questions,
    ) -> Result<Self, Failure> {
        let app = running.app;
        let found = question::answer(running, entries, questions).await?;
        let fates = fate::decide(running, entries, &found).await?;
        overlap::refuse_found(entries, &fates)?;
        let mut expect: Vec<Expectation> = questions
            .iter()
            .filter_map(|(index, question)| question.expectation(found.of(*index)))
            .collect();
        let (mut identities, keys) = give_ids(&running, entries, &fates);
        let work: Vec<Work<'_>> = entries
            .iter()
            .zip(&fates)
            .filter_map(|(entry, fate)| work(entry, fate, &keys))
            .collect();
        let (mut built, open) = build(app, &work, &identities, &BTreeSet::new())?;
        if !open.is_empty() || !questions.is_empty() {
            let mut own = Own::default();
            for (index, op) in &built {
                if let StoreAction::Put { rows, .. } = &op.action {
                    own.add(*index, &op.key, rows, (app.hasher(), app.now()));
                }
            }
            overlap::refuse_brought(entries, &fates, questions, &own)?;
            if !open.is_empty() {
                let affected: BTreeSet<usize> = open.values().flatten().copied().collect();
                let written: HashSet<ResourceKey> =
                    fates.iter().flat_map(written_keys).cloned().collect();
                let conditional = reference::resolve(running, &open, &own, &written).await?;
                expect.extend(conditional.expect);
                identities.resolve(conditional.found);
                built.extend(build(app, &work, &identities, &affected)?.0);
            }
        }
        let mut plan = Self {
            ops: Vec::with_capacity(entries.len()),
            targets: Vec::with_capacity(entries.len()),
            expect,
            existing: Vec::new(),
            missed: Vec::new(),
            warnings: Vec::new(),
        };
        plan.order(entries, fates, built);
        Ok(plan)
    }

    /// Puts the operations in the order of their stages.
    fn order(&mut self, entries: &[Entry<'_>], fates: Vec<Fate>, mut built: Built) {
        let mut ordered: Vec<(&Entry<'_>, Fate)> = entries.iter().zip(fates).collect();
        // Stable: the client's order stays within a stage.
        ordered.sort_by_key(|(entry, _)| entry.stage());
        for (entry, fate) in ordered {
            let index = entry.index;
            let (mut is_chosen, mut is_claim) = (false, false);
            match fate {
                Fate::Read | Fate::Create(_) => {}
                Fate::Put { is_claim: claim, .. } => is_claim = claim,
                Fate::Patched { warnings, .. } => {
                    is_chosen = true;
                    self.warnings.push((index, warnings));
                }
                Fate::Existing(stored) => self.existing.push((index, stored)),
                Fate::NothingToDelete(resource_type) => self.missed.push((index, resource_type)),
                Fate::Delete(all) => {
                    is_chosen = entry.writes().is_none();
                    for (key, preconditions) in all {
                        let op = write::delete_op(key.clone(), preconditions);
                        self.ops.push(op);
                        self.targets.push(Target { index, key, is_chosen, is_claim });
                    }
                }
            }
            if let Some(op) = built.remove(&index) {
                self.targets.push(Target { index, key: op.key.clone(), is_chosen, is_claim });
                self.ops.push(op);
            }
        }
    }

    /// Hands the operations out; only once.
    pub(crate) fn take_group(
        &mut self,
        app: &App,
        journal: Option<JournalRow>,
        entries: usize,
    ) -> WriteGroup {
        let slots: Vec<usize> = self.targets.iter().map(|target| target.index).collect();
        WriteGroup {
            ops: std::mem::take(&mut self.ops),
            atomic: true,
            expect: std::mem::take(&mut self.expect),
            journal,
            once: app.once_mark(&slots, entries),
            ..WriteGroup::default()
        }
    }

    /// What the store answered, by entry; a conditional delete may have several.
    ///
    /// # Errors
    /// A fault of one operation, naming its entry: an atomic group has none of these.
    pub(crate) fn assign(
        &self,
        results: Vec<Result<Written, WriteFault>>,
    ) -> Result<Vec<(usize, Written)>, Failure> {
        let mut assigned = Vec::with_capacity(results.len());
        for (target, result) in self.targets.iter().zip(results) {
            match result {
                Ok(written) => assigned.push((target.index, written)),
                Err(fault) => {
                    return Err(at_entry(write::write_fault(&target.key, &fault), target.index));
                }
            }
        }
        Ok(assigned)
    }

    /// The resource over which a race was lost, when that is what the fault says: then the plan is
    /// to be made again.
    pub(crate) fn lost(&self, operation: usize, fault: &WriteFault) -> Option<&ResourceKey> {
        let target = self.targets.get(operation)?;
        let is_mismatch = matches!(fault, WriteFault::VersionMismatch { .. });
        (is_mismatch && target.is_chosen).then_some(&target.key)
    }

    /// What the client is told when the store refused one operation.
    pub(crate) fn refusal(&self, operation: usize, fault: &WriteFault) -> Failure {
        let Some(Target { index, key, is_claim, .. }) = self.targets.get(operation) else {
            return Failure::new(FailureKind::Bug, "the store refused an unknown operation");
        };
        if *is_claim && matches!(fault, WriteFault::AlreadyExists { .. }) {
            let text = format!("{key} exists already, and its id can be used once");
            let place = format!("{}.id", key.resource_type);
            return at_entry(Failure::new(FailureKind::Conflict, text).at(place), *index);
        }
        at_entry(write::write_fault(key, fault), *index)
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

    /// The deletes whose condition found nothing, by entry.
    pub(crate) fn missed(&self) -> &[(usize, ResourceType)] {
        &self.missed
    }

    /// What rules say about patched resources, by entry.
    pub(crate) fn take_warnings(&mut self) -> Vec<(usize, Vec<Issue>)> {
        std::mem::take(&mut self.warnings)
    }
}

/// The keys whose stored state a fate changes.
fn written_keys(fate: &Fate) -> Vec<&ResourceKey> {
    if matches!(fate, Fate::Existing(_)) { Vec::new() } else { fate.keys() }
}

/// Gives every entry that writes its key, Patients first: the ids of their data carry their
/// bucket.
fn give_ids<'a>(
    running: &Running<'a>,
    entries: &[Entry<'_>],
    fates: &[Fate],
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
    for (entry, fate) in entries.iter().zip(fates) {
        match (fate, entry.action.stores()) {
            (Fate::Put { key, .. } | Fate::Patched { key, .. }, _) => {
                give(entry, key.clone(), &mut identities);
            }
            (Fate::Existing(stored), _) => give(entry, stored.key.clone(), &mut identities),
            (Fate::Create(_), Some(view)) if view.resource_type == ResourceType::PATIENT => {
                let id = running.new_id(fhir_search::hash::NONE, entry.index);
                give(entry, ResourceKey::new(view.resource_type, id), &mut identities);
            }
            (Fate::Create(_), Some(view)) => later.push((entry, view)),
            (Fate::Create(_), None)
            | (Fate::Read | Fate::Delete(_) | Fate::NothingToDelete(_), _) => {}
        }
    }
    for (entry, view) in later {
        let person = person(running.app, view, &identities);
        let id = running.new_id(person, entry.index);
        give(entry, ResourceKey::new(view.resource_type, id), &mut identities);
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

/// What is built for one entry.
struct Work<'a> {
    index: usize,
    full_url: Option<&'a str>,
    key: &'a ResourceKey,
    view: ResourceView<'a>,
    method: Method,
    preconditions: Preconditions,
}

fn work<'a>(
    entry: &'a Entry<'_>,
    fate: &'a Fate,
    keys: &'a HashMap<usize, ResourceKey>,
) -> Option<Work<'a>> {
    let key = keys.get(&entry.index)?;
    let (view, method, preconditions) = match fate {
        Fate::Create(preconditions) => {
            (entry.action.stores()?, Method::Post, preconditions.clone())
        }
        Fate::Put { preconditions, .. } => {
            (entry.action.stores()?, Method::Put, preconditions.clone())
        }
        Fate::Patched { version, resource, .. } => {
            let if_match = Some(vec![*version]);
            let preconditions = Preconditions { if_match, ..Preconditions::default() };
            (resource.view(), Method::Put, preconditions)
        }
        Fate::Read | Fate::Delete(_) | Fate::NothingToDelete(_) | Fate::Existing(_) => return None,
    };
    let full_url = entry.full_url.as_deref();
    Some(Work { index: entry.index, full_url, key, view, method, preconditions })
}

type Built = BTreeMap<usize, WriteOp>;

/// Builds the operations of all entries, or only of `selected` ones when there are any.
fn build(
    app: &App,
    work: &[Work<'_>],
    identities: &Identities<'_>,
    selected: &BTreeSet<usize>,
) -> Result<(Built, Open), Failure> {
    let mut built = BTreeMap::new();
    let mut open = Open::new();
    for Work { index, full_url, key, view, method, preconditions } in work {
        if !selected.is_empty() && !selected.contains(index) {
            continue;
        }
        let rewriter = identities.rewriter(*full_url);
        let body = Body::from_view(*view, Some(&|link, text| rewriter.rewrite(link, text)));
        let rows = if rewriter.is_changed() {
            app.index(body.to_resource(key)?.view(), Some(key))
        } else {
            app.index(*view, Some(key))
        };
        for condition in rewriter.into_open() {
            open.entry(condition).or_default().push(*index);
        }
        let (body, rows) = (Arc::new(body), Box::new(rows));
        let action = StoreAction::Put { body, rows, method: *method };
        let (key, preconditions) = ((*key).clone(), preconditions.clone());
        built.insert(*index, WriteOp { key, action, preconditions });
    }
    Ok((built, open))
}
