//! One question: where stored, imported and embedded resources meet, and value sets are made
//! ready.

use std::sync::Arc;

use fhir_model::{ResourceType, ResourceView};

use crate::artefact;
use crate::fault::{Fault, Problem};
use crate::filter;
use crate::grammar::Grammar;
use crate::implicit::implicit;
use crate::iso;
use crate::pick::newest;
use crate::set::{AnySystem, Own, Part, Set, What, is_version};
use crate::shelf::Shelf;
use crate::stored::Stored;
use crate::system::{CodeSystem, is_supplement};
use crate::terminology::Limits;
use crate::value_set::{Include, ValueSet};

/// Which versions of code systems are meant where a value set doesn't say, or whatever it says.
/// Spec: <https://hl7.org/fhir/R4/valueset-operation-expand.html> (`system-version` and others)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Used where the value set names none.
    pub default: Vec<(String, String)>,
    /// Checked: another version is a fault.
    pub check: Vec<(String, String)>,
    /// Used whatever the value set names.
    pub force: Vec<(String, String)>,
    /// Systems that are left out as a whole.
    pub exclude: Vec<String>,
}

impl Versions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn in_list<'a>(list: &'a [(String, String)], url: &str) -> Option<&'a str> {
        list.iter().find(|(system, _)| system == url).map(|(_, version)| version.as_str())
    }
}

type Asking<T, S> = Result<T, Problem<<S as Stored>::Error>>;

/// The state of one question; what it makes goes to the shelf that questions share.
pub(crate) struct Question<'s, S: Stored + ?Sized> {
    stored: &'s mut S,
    limits: Limits,
    versions: Versions,
    shelf: Shelf<'s>,
    /// The value sets that are being made ready, outermost first.
    open: Vec<String>,
}

impl<'s, S: Stored + ?Sized> Question<'s, S> {
    /// A question whose answers are shared as far as the store and the versions allow.
    pub(crate) fn new(
        stored: &'s mut S,
        limits: Limits,
        shared: &'s crate::shelf::Shared,
        versions: Versions,
    ) -> Asking<Self, S> {
        let generation = stored.generation().map_err(Problem::Stored)?;
        let shelf =
            Shelf::new(generation.map(|generation| (shared, generation)), versions.is_empty());
        Ok(Self { stored, limits, versions, shelf, open: Vec::new() })
    }

    /// A code system that may be nowhere. A stored one wins over an imported one, that over an
    /// embedded one.
    pub(crate) fn find_system(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Asking<Option<AnySystem>, S> {
        let key = (url.to_owned(), version.map(str::to_owned));
        if let Some(known) = self.shelf.system(&key) {
            return Ok(known);
        }
        let found = self.load_system(url, version)?;
        self.shelf.keep_system(key, found.clone());
        Ok(found)
    }

    fn load_system(&mut self, url: &str, version: Option<&str>) -> Asking<Option<AnySystem>, S> {
        let mut candidates = self
            .stored
            .canonicals(ResourceType::CODE_SYSTEM, url, version)
            .map_err(Problem::Stored)?;
        candidates.retain(|resource| !is_supplement(resource.view()));
        let stored = newest(candidates).and_then(|resource| CodeSystem::of(resource.view()));
        // A stub in the store or in a package does not hide an import.
        let mut found = stored.as_ref().filter(|system| !system.content.is_absent()).cloned();
        if found.is_none() {
            let imported = self.stored.imported(url, version).map_err(Problem::Stored)?;
            found = imported.map(|system| CodeSystem::clone(&system));
        }
        let is_asked = |system: &CodeSystem| {
            version.is_none_or(|version| {
                system.version.as_deref().is_some_and(|found| is_version(found, version))
            })
        };
        if found.is_none() {
            let embedded = artefact::r4().code_system(url).filter(is_asked);
            let embedded = embedded.filter(|system| !system.content.is_absent());
            found = embedded.or_else(|| iso::code_system(url).map(|it| CodeSystem::clone(&it)));
        }
        if let Some(system) = found {
            let supplements = self.stored.supplements(url).map_err(Problem::Stored)?;
            let views = supplements.iter().map(|resource| resource.view());
            let system = if supplements.is_empty() { system } else { system.supplemented(views) };
            return Ok(Some(AnySystem::Listed(Arc::new(system))));
        }
        if let Some(grammar) = Grammar::of(url) {
            return Ok(Some(AnySystem::Grammar(grammar)));
        }
        let stub = stored.or_else(|| artefact::r4().code_system(url).filter(is_asked));
        Ok(stub.map(|system| AnySystem::Listed(Arc::new(system))))
    }

    /// A code system whose codes are here, all or a part of them, or can be checked.
    pub(crate) fn system(&mut self, url: &str, version: Option<&str>) -> Asking<AnySystem, S> {
        // R4 itself has code systems whose URL holds a bar; that of a version comes second.
        let (url, version) = match url.split_once('|') {
            Some((plain, inside))
                if version.is_none() && self.find_system(url, None)?.is_none() =>
            {
                (plain, Some(inside))
            }
            _ => (url, version),
        };
        let canonical = || match version {
            Some(version) => format!("{url}|{version}"),
            None => url.to_owned(),
        };
        match self.find_system(url, version)? {
            None => Err(self.missing(url, version)?.into()),
            Some(AnySystem::Listed(system)) if system.content.is_absent() => {
                Err(Fault::CodesNotPresent(canonical()).into())
            }
            Some(system) => Ok(system),
        }
    }

    /// The fault of a code system that is nowhere, or there in another version.
    fn missing(&mut self, url: &str, version: Option<&str>) -> Asking<Fault, S> {
        let Some(expected) = version else { return Ok(Fault::UnknownCodeSystem(url.to_owned())) };
        let here = match self.find_system(url, None)? {
            Some(AnySystem::Listed(found)) if !found.content.is_absent() => found.version.clone(),
            Some(AnySystem::Listed(_) | AnySystem::Grammar(_)) | None => None,
        };
        let (system, expected) = (url.to_owned(), expected.to_owned());
        Ok(match here {
            Some(found) => Fault::UnknownVersion { system, found, expected },
            None => Fault::UnknownCodeSystem(format!("{system}|{expected}")),
        })
    }

    /// A value set by `url`, `url|version` or `ValueSet/id`.
    fn value_set(&mut self, canonical: &str) -> Asking<ValueSet, S> {
        if let Some(id) = canonical.strip_prefix("ValueSet/") {
            return self.value_set_by_id(canonical, id);
        }
        if !is_url(canonical) {
            return Err(Fault::NoCanonical.into());
        }
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let candidates = self
            .stored
            .canonicals(ResourceType::VALUE_SET, url, version)
            .map_err(Problem::Stored)?;
        if let Some(resource) = newest(candidates) {
            return Ok(ValueSet::of(resource.view(), url));
        }
        let embedded = artefact::r4().value_set(url);
        let embedded =
            embedded.filter(|set| version.is_none() || set.version.as_deref() == version);
        if let Some(found) = embedded {
            return Ok(found);
        }
        match implicit(url) {
            Some(found) => Ok(found?),
            None => Err(Fault::UnknownValueSet(canonical.to_owned()).into()),
        }
    }

    /// A stored one by its id, or an embedded one that has the id in the specification.
    fn value_set_by_id(&mut self, name: &str, id: &str) -> Asking<ValueSet, S> {
        if let Some(resource) = self.stored.value_set_by_id(id).map_err(Problem::Stored)? {
            return Ok(ValueSet::of(resource.view(), name));
        }
        let url = |base: &str| format!("{base}/ValueSet/{id}");
        ["http://hl7.org/fhir", "http://terminology.hl7.org"]
            .into_iter()
            .find_map(|base| artefact::r4().value_set(&url(base)))
            .ok_or_else(|| Fault::UnknownValueSet(name.to_owned()).into())
    }

    /// A value set made ready. One that lacks something is ready all the same: what it lacks is
    /// told to whoever needs it.
    pub(crate) fn set(&mut self, canonical: &str) -> Asking<Arc<Set>, S> {
        if let Some(known) = self.shelf.set(canonical) {
            return known.map_err(Problem::Fault);
        }
        let made = match self.value_set(canonical) {
            Ok(set) => self.ready(set),
            Err(problem) => Err(problem),
        };
        match made {
            Ok(set) => {
                self.shelf.keep_set(canonical, Ok(Arc::clone(&set)));
                Ok(set)
            }
            // A circle is one from wherever it is entered, and named after where.
            Err(Problem::Fault(fault)) if self.open.is_empty() => {
                self.shelf.keep_set(canonical, Err(fault.clone()));
                Err(Problem::Fault(fault))
            }
            Err(problem) => Err(problem),
        }
    }

    /// A value set that came with the question.
    pub(crate) fn given(&mut self, view: ResourceView<'_>) -> Asking<Arc<Set>, S> {
        self.ready(ValueSet::of(view, "of this request"))
    }

    fn ready(&mut self, set: ValueSet) -> Asking<Arc<Set>, S> {
        let canonical = set.canonical();
        if self.open.contains(&canonical) {
            return Err(Fault::Circle(canonical).into());
        }
        if self.open.len() >= self.limits.max_depth {
            return Err(Fault::TooDeep(canonical).into());
        }
        self.open.push(canonical);
        let made = self.parts(set);
        self.open.pop();
        made.map(Arc::new)
    }

    fn parts(&mut self, set: ValueSet) -> Asking<Set, S> {
        let canonical = set.canonical();
        let mut made = Set {
            canonical: canonical.clone(),
            url: set.url.clone(),
            active_only: set.active_only,
            includes: Vec::new(),
            excludes: Vec::new(),
            lack: (!set.has_compose).then(|| Fault::NoContent(canonical.clone())),
            expansion: set.expansion,
            depth: 1,
            reach: 1,
        };
        let excluded = self.versions.exclude.clone();
        for system in excluded {
            let include = Include { system: Some(system), ..Include::default() };
            made.excludes.push(self.part(&canonical, &include, true)?);
        }
        for exclude in &set.exclude {
            made.excludes.push(self.part(&canonical, exclude, true)?);
        }
        for include in &set.include {
            made.includes.push(self.part(&canonical, include, false)?);
        }
        for set in made.includes.iter().chain(&made.excludes).flat_map(|part| &part.sets).flatten()
        {
            made.depth = made.depth.max(set.depth + 1);
            made.reach = made.reach.saturating_add(set.reach);
        }
        if made.depth > self.limits.max_depth || made.reach > self.limits.max_value_sets {
            return Err(Fault::TooDeep(canonical).into());
        }
        let lack = made.includes.iter().chain(&made.excludes).find_map(Part::lack);
        made.lack = made.lack.or(lack);
        Ok(made)
    }

    /// One include or exclude.
    fn part(&mut self, set: &str, include: &Include, is_exclude: bool) -> Asking<Part, S> {
        let broken = |reason| Fault::Broken { url: set.to_owned(), reason };
        if !include.concepts.is_empty() && !include.filters.is_empty() {
            return Err(broken("an include has both concepts and filters").into());
        }
        let own = match &include.system {
            Some(url) => {
                let what = self.what(url, include, is_exclude)?;
                // Where only value sets are named beside the system, it narrows them.
                Some(Own { url: url.clone(), version: include.version.clone(), what })
            }
            None if include.has_own_codes() => {
                return Err(broken("an include has codes without a system").into());
            }
            None if include.value_sets.is_empty() => {
                return Err(broken("an include has neither system nor value set").into());
            }
            None => None,
        };
        let mut sets = Vec::new();
        for canonical in &include.value_sets {
            sets.push(match self.set(canonical) {
                Ok(set) => Ok(set),
                Err(Problem::Fault(fault)) if fault.is_lack() => Err(fault),
                Err(problem) => return Err(problem),
            });
        }
        Ok(Part { own, sets })
    }

    fn what(&mut self, url: &str, include: &Include, is_exclude: bool) -> Asking<What, S> {
        let forced = Versions::in_list(&self.versions.force, url);
        let default = Versions::in_list(&self.versions.default, url);
        let version = forced.or(include.version.as_deref()).or(default).map(str::to_owned);
        let is_only_narrowing = !include.has_own_codes() && !include.value_sets.is_empty();
        if is_only_narrowing || (is_exclude && include.is_whole_system()) {
            return Ok(What::Everything);
        }
        let listed = if include.concepts.is_empty() {
            None
        } else {
            // Codes are listed, so the system has only their names and states to add.
            Some(self.find_system(url, version.as_deref())?)
        };
        let found = match &listed {
            Some(found) => found.clone(),
            None => match self.system(url, version.as_deref()) {
                Ok(found) => Some(found),
                Err(Problem::Fault(fault)) => return Ok(What::Lacking(fault)),
                Err(problem) => return Err(problem),
            },
        };
        if let Some(fault) = self.other_version(url, found.as_ref(), version.as_deref()) {
            return Ok(What::Lacking(fault));
        }
        let Some(found) = found.filter(|_| listed.is_none()) else {
            let codes = include.concepts.clone();
            let index = codes.iter().enumerate().map(|(at, it)| (it.code.clone(), at)).collect();
            return Ok(What::Listed { codes, index, of: listed.flatten() });
        };
        if include.filters.is_empty() {
            return Ok(What::Whole(found));
        }
        let AnySystem::Listed(system) = &found else {
            return Ok(What::Lacking(Fault::Grammar(url.to_owned())));
        };
        let mut marks = None;
        for each in &include.filters {
            match (filter::marks(each, system), &mut marks) {
                (Ok(found), None) => marks = Some(found),
                (Ok(found), Some(marks)) => marks.keep_also_in(&found),
                (Err(fault), _) => return Ok(What::Lacking(fault)),
            }
        }
        let (system, marks) = (Arc::clone(system), marks.unwrap_or_default());
        Ok(What::Marked { of: found, system, marks })
    }

    /// The fault where `check-system-version` asks for another version than is used.
    fn other_version(
        &self,
        url: &str,
        found: Option<&AnySystem>,
        version: Option<&str>,
    ) -> Option<Fault> {
        let expected = Versions::in_list(&self.versions.check, url)?;
        let found = match found {
            Some(AnySystem::Listed(system)) => system.version.as_deref(),
            Some(AnySystem::Grammar(_)) | None => version,
        };
        let found = found.filter(|found| !is_version(found, expected))?;
        let (system, found) = (url.to_owned(), found.to_owned());
        Some(Fault::OtherVersion { system, found, expected: expected.to_owned() })
    }
}

impl Part {
    /// What is missing for its codes to be listed.
    fn lack(&self) -> Option<Fault> {
        let own = match self.own.as_ref().map(|own| &own.what) {
            Some(What::Lacking(fault)) => Some(fault.clone()),
            Some(What::Whole(AnySystem::Grammar(grammar))) => {
                Some(Fault::Grammar(grammar.url().to_owned()))
            }
            Some(
                What::Whole(AnySystem::Listed(_))
                | What::Listed { .. }
                | What::Marked { .. }
                | What::Everything,
            )
            | None => None,
        };
        own.or_else(|| {
            self.sets.iter().find_map(|set| match set {
                Ok(set) if set.expansion.is_some() => None,
                Ok(set) => set.lack.clone(),
                Err(fault) => Some(fault.clone()),
            })
        })
    }
}

/// Whether a text has the form of a URL, so that it can be shown.
fn is_url(text: &str) -> bool {
    ["http://", "https://", "urn:"].iter().any(|scheme| text.starts_with(scheme))
}
