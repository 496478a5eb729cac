//! One question: what it has loaded, and where stored and embedded resources meet.

use std::collections::HashMap;
use std::rc::Rc;

use crate::artefact;
use crate::codes::Code;
use crate::fault::{Fault, Problem};
use crate::pick::newest;
use crate::stored::Stored;
use crate::system::{CodeSystem, Content};
use crate::terminology::Limits;
use crate::value_set::ValueSet;

/// The state of one question; a system or set that it meets twice is loaded once.
pub(crate) struct Question<'s, S: Stored + ?Sized> {
    stored: &'s mut S,
    pub(crate) limits: Limits,
    systems: HashMap<(String, Option<String>), Option<Rc<CodeSystem>>>,
    /// Expansions by the canonical that asked for them.
    pub(crate) expanded: HashMap<String, Rc<Vec<Code>>>,
    /// The value sets that are being expanded, outermost first.
    pub(crate) open: Vec<String>,
    /// Code systems of which only a part went in.
    pub(crate) partial: Vec<String>,
}

impl<'s, S: Stored + ?Sized> Question<'s, S> {
    pub(crate) fn new(stored: &'s mut S, limits: Limits) -> Self {
        Self {
            stored,
            limits,
            systems: HashMap::new(),
            expanded: HashMap::new(),
            open: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// A code system that may be nowhere. A stored one wins over an embedded one.
    pub(crate) fn find_system(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<Rc<CodeSystem>>, Problem<S::Error>> {
        let key = (url.to_owned(), version.map(str::to_owned));
        if let Some(known) = self.systems.get(&key) {
            return Ok(known.clone());
        }
        let mut candidates = self.stored.code_systems(url, version).map_err(Problem::Stored)?;
        candidates.retain(|resource| {
            let content = resource.view().value.get("content");
            content.and_then(fhir_model::Value::text).as_deref() != Some("supplement")
        });
        let found = newest(candidates).and_then(|resource| CodeSystem::of(resource.view()));
        let found = found.or_else(|| {
            let embedded = artefact::r4().code_system(url)?;
            (version.is_none() || embedded.version.as_deref() == version).then_some(embedded)
        });
        let found = found.map(Rc::new);
        self.systems.insert(key, found.clone());
        Ok(found)
    }

    /// A code system whose codes are here, all or a part of them.
    pub(crate) fn system(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Rc<CodeSystem>, Problem<S::Error>> {
        // R4 itself has code systems whose URL holds a bar; that of a version comes second.
        let (url, version) = match url.split_once('|') {
            Some((plain, inside))
                if version.is_none() && self.find_system(url, None)?.is_none() =>
            {
                (plain, Some(inside))
            }
            _ => (url, version),
        };
        let canonical = match version {
            Some(version) => format!("{url}|{version}"),
            None => url.to_owned(),
        };
        let Some(found) = self.find_system(url, version)? else {
            return Err(Fault::UnknownCodeSystem(canonical).into());
        };
        if found.content == Content::Absent {
            return Err(Fault::CodesNotPresent(canonical).into());
        }
        Ok(found)
    }

    /// A value set by `url`, `url|version` or `ValueSet/id`.
    pub(crate) fn value_set(&mut self, canonical: &str) -> Result<ValueSet, Problem<S::Error>> {
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
        let candidates = self.stored.value_sets(url, version).map_err(Problem::Stored)?;
        if let Some(resource) = newest(candidates) {
            return Ok(ValueSet::of(resource.view(), url));
        }
        artefact::r4()
            .value_set(url)
            .filter(|set| version.is_none() || set.version.as_deref() == version)
            .or_else(|| ValueSet::implicit(url))
            .ok_or_else(|| Fault::UnknownValueSet(canonical.to_owned()).into())
    }

    /// A stored one by its id, or an embedded one that has the id in the specification.
    fn value_set_by_id(&mut self, name: &str, id: &str) -> Result<ValueSet, Problem<S::Error>> {
        if let Some(resource) = self.stored.value_set_by_id(id).map_err(Problem::Stored)? {
            return Ok(ValueSet::of(resource.view(), name));
        }
        let url = |base: &str| format!("{base}/ValueSet/{id}");
        ["http://hl7.org/fhir", "http://terminology.hl7.org"]
            .into_iter()
            .find_map(|base| artefact::r4().value_set(&url(base)))
            .ok_or_else(|| Fault::UnknownValueSet(name.to_owned()).into())
    }
}

/// Whether a text has the form of a URL, so that it can be shown.
fn is_url(text: &str) -> bool {
    ["http://", "https://", "urn:"].iter().any(|scheme| text.starts_with(scheme))
}
