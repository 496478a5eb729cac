//! What validations ask of the world: of packages and R4 alone, or of the store too.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Resource, ResourceKey, ResourceView, Value};
use fhir_terminology::{CodeOptions, Fault, Problem, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, World};

use super::packaged::{is_lack, look_up, membership, terms};
use crate::app::{App, ReadFailure};
use crate::canonical::{self, Canonical};
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::terminology::elsewhere::{self, Question, Within};

/// References that are read in one go before a validation starts.
const MAX_READ_AHEAD: usize = 1000;

/// A world without the store, which notes when the store would have been asked.
pub(super) struct Alone<'a> {
    app: &'a App,
    /// Whether resources that are referred to matter, and not only their types.
    reads: bool,
    asked: Cell<bool>,
}

impl<'a> Alone<'a> {
    pub(super) fn new(app: &'a App, reads: bool) -> Self {
        Self { app, reads, asked: Cell::new(false) }
    }

    /// Whether something was asked that only the store knows.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.get()
    }
}

impl World for Alone<'_> {
    fn resolve(&self, reference: &str) -> Found {
        match ResourceKey::from_reference(reference) {
            Some(_) if self.reads => {
                self.asked.set(true);
                Found::Unread
            }
            Some(key) => Found::Type(key.resource_type),
            None => Found::Unread,
        }
    }

    fn canonical(&self, resource_type: ResourceType, canonical: &str) -> Found {
        if is_built_in(resource_type, canonical) {
            return Found::Type(resource_type);
        }
        match self.app.packages().find(&[resource_type], canonical) {
            Some(resource) => Found::Resource(resource),
            None => {
                self.asked.set(true);
                Found::Unread
            }
        }
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        match look_up(self.app, value_set, &terms(coded)) {
            Ok(verdict) => membership(verdict),
            Err(fault) => {
                if is_lack(&fault) {
                    self.asked.set(true);
                }
                Membership::Unknown(fault.to_string())
            }
        }
    }
}

/// Whether R4 itself has the definition, value set or code system of a canonical.
fn is_built_in(resource_type: ResourceType, canonical: &str) -> bool {
    let url = canonical.strip_suffix("|4.0.1").unwrap_or(canonical);
    let terminology = Terminology::embedded();
    match resource_type {
        ResourceType::STRUCTURE_DEFINITION => fhir_structure::r4().head(canonical).is_some(),
        ResourceType::VALUE_SET => terminology.has_value_set(url),
        ResourceType::CODE_SYSTEM => terminology.has_code_system(url),
        _ => false,
    }
}

/// A world within a snapshot of the store.
pub(super) struct Inside<'w, 'a> {
    app: &'w App,
    sight: RefCell<&'w mut Sight<'a>>,
    base: &'w str,
    read: RefCell<HashMap<ResourceKey, Found>>,
    /// The first failure of the store; what comes after it counts for nothing.
    failure: RefCell<Option<ReadFailure>>,
    /// What the external terminology server may know and was not asked yet.
    open: RefCell<Vec<Question>>,
}

impl<'w, 'a> Inside<'w, 'a> {
    /// Reads what a resource refers to, all at once.
    pub(super) fn new(
        app: &'w App,
        sight: &'w mut Sight<'a>,
        base: &'w str,
        view: ResourceView<'_>,
    ) -> Result<Self, ReadFailure> {
        let mut keys = BTreeSet::new();
        references(view.value, base, &mut keys);
        let keys: Vec<ResourceKey> = keys.into_iter().take(MAX_READ_AHEAD).collect();
        let mut read: HashMap<ResourceKey, Found> =
            keys.iter().map(|key| (key.clone(), Found::Missing)).collect();
        if !keys.is_empty() {
            for stored in sight.load_keys(&keys)? {
                let Some(body) = &stored.body else { continue };
                let resource = Arc::new(body.to_resource(&stored.key)?);
                read.insert(stored.key, Found::Resource(resource));
            }
        }
        let (sight, read) = (RefCell::new(sight), RefCell::new(read));
        Ok(Self { app, sight, base, read, failure: RefCell::default(), open: RefCell::default() })
    }

    /// What the external terminology server is to be asked before all of it can be told.
    ///
    /// # Errors
    /// What the store failed with in between.
    pub(super) fn finish(self) -> Result<Vec<Question>, ReadFailure> {
        match self.failure.into_inner() {
            Some(failure) => Err(failure),
            None => Ok(self.open.into_inner()),
        }
    }

    /// What the external terminology server has said of a code of which nobody here can tell. A
    /// question that it was not asked yet is noted.
    fn elsewhere(
        &self,
        codes: &mut Codes<'_, '_>,
        value_set: &str,
        coded: &fhir_terminology::Coded<'_>,
        fault: &Fault,
    ) -> Option<Result<Verdict, Fault>> {
        let external = self.app.external_for(&[Some(value_set), coded.system])?;
        let stored = codes.value_set_resource(value_set).ok().flatten();
        let definition = stored.and_then(|stored| elsewhere::definition(&stored));
        let within = Within::ValueSet(value_set, definition.as_deref());
        let question = external.about(&within, coded).filter(|_| fault.is_open())?;
        let known = external.known(&question);
        if known.is_none() {
            self.open.borrow_mut().push(question);
        }
        Some(elsewhere::verdict(known?, &within, coded, fault))
    }

    fn failed(&self, failure: ReadFailure) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    fn load(&self, key: &ResourceKey) -> Result<Found, ReadFailure> {
        let found = self.sight.borrow_mut().current(key)?;
        let Some(body) = found.and_then(|stored| stored.body) else { return Ok(Found::Missing) };
        Ok(Found::Resource(Arc::new(body.to_resource(key)?)))
    }

    fn named(&self, resource_type: ResourceType, text: &str) -> Result<Found, ReadFailure> {
        if let Some(resource) = self.app.packages().find(&[resource_type], text) {
            return Ok(Found::Resource(resource));
        }
        let (url, version) =
            text.split_once('|').map_or((text, None), |(url, version)| (url, Some(version)));
        let wanted = Canonical { url: url.to_owned(), version: version.map(str::to_owned) };
        let wanted = BTreeSet::from([wanted]);
        let mut sight = self.sight.borrow_mut();
        let found = canonical::resources(self.app, &mut sight, resource_type, &wanted)?;
        let mut all = Vec::new();
        for stored in found {
            let Some(body) = &stored.body else { continue };
            all.push(Arc::new(body.to_resource(&stored.key)?));
        }
        all.sort_by(|one, two| fhir_package::compare_versions(&version_of(one), &version_of(two)));
        Ok(all.pop().map_or(Found::Missing, Found::Resource))
    }
}

impl World for Inside<'_, '_> {
    fn resolve(&self, reference: &str) -> Found {
        let Some(key) = local(reference, self.base) else { return Found::Unread };
        if let Some(found) = self.read.borrow().get(&key) {
            return found.clone();
        }
        match self.load(&key) {
            Ok(found) => {
                self.read.borrow_mut().insert(key, found.clone());
                found
            }
            Err(failure) => {
                self.failed(failure);
                Found::Unread
            }
        }
    }

    fn canonical(&self, resource_type: ResourceType, canonical: &str) -> Found {
        if is_built_in(resource_type, canonical) {
            return Found::Type(resource_type);
        }
        self.named(resource_type, canonical).unwrap_or_else(|failure| {
            self.failed(failure);
            Found::Unread
        })
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let coded = terms(coded);
        let mut sight = self.sight.borrow_mut();
        let mut codes = Codes::new(self.app, &mut sight, self.base);
        match codes.verdict(value_set, &coded, &CodeOptions::default()) {
            Ok(verdict) => membership(verdict),
            Err(Problem::Fault(fault)) => {
                match self.elsewhere(&mut codes, value_set, &coded, &fault) {
                    Some(Ok(verdict)) => membership(verdict),
                    Some(Err(fault)) => Membership::Unknown(fault.to_string()),
                    None => Membership::Unknown(fault.to_string()),
                }
            }
            Err(Problem::Stored(failure)) => {
                self.failed(failure);
                Membership::Unknown("the store failed".to_owned())
            }
        }
    }
}

fn version_of(resource: &Resource) -> String {
    let version = resource.view().value.get("version").and_then(Value::text);
    version.unwrap_or_default().into_owned()
}

/// The resource of this server that a reference names.
fn local(reference: &str, base: &str) -> Option<ResourceKey> {
    let base = base.trim_end_matches('/');
    let relative = reference.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    ResourceKey::from_reference(relative.unwrap_or(reference))
}

fn references(value: Value<'_>, base: &str, found: &mut BTreeSet<ResourceKey>) {
    for (key, member) in value.members() {
        if key == "reference" {
            found.extend(member.text().and_then(|text| local(&text, base)));
        }
        for each in member.items() {
            references(each, base, found);
        }
    }
}
