//! StructureDefinitions that validations know: of packages, and of the store once somebody asked
//! for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fhir_definitions::ResourceType;
use fhir_model::{Resource, ResourceView, Value};
use fhir_package::Registry;
use fhir_store::StoredVersion;
use fhir_structure::{Structures, r4};

use super::Asked;
use crate::app::{App, ReadFailure};
use crate::canonical::{self, Canonical};
use crate::sight::Sight;

/// How many rounds of definitions that name definitions are followed.
const MAX_ROUNDS: usize = 8;
/// The most canonicals that one validation looks for in the store.
const MAX_WANTED: usize = 500;

/// Definitions of the store by URL, each with the version of its resource.
type Shelf = BTreeMap<String, Vec<(String, Arc<Resource>)>>;

/// All StructureDefinitions that are known beside R4's own.
pub(super) struct Known {
    packages: Arc<Registry>,
    stored: RwLock<Shelf>,
    generation: AtomicU64,
}

impl Known {
    pub(super) fn new(packages: Arc<Registry>) -> Self {
        Self { packages, stored: RwLock::default(), generation: AtomicU64::new(0) }
    }

    /// Whether a package or R4 has it.
    pub(super) fn has(&self, canonical: &str) -> bool {
        r4().head(canonical).is_some()
            || self.packages.find(&[ResourceType::STRUCTURE_DEFINITION], canonical).is_some()
    }

    /// Reads the definitions that are meant and that neither packages nor R4 have, as they are in
    /// the store now, with what they name themselves.
    pub(super) fn learn(
        &self,
        app: &App,
        sight: &mut Sight<'_>,
        mut wanted: BTreeSet<String>,
    ) -> Result<(), ReadFailure> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            let round: BTreeSet<Canonical> = wanted
                .iter()
                .filter(|each| !self.has(each))
                .map(|each| each.split('|').next().unwrap_or_default().to_owned())
                .filter(|url| {
                    !url.is_empty() && seen.len() < MAX_WANTED && seen.insert(url.clone())
                })
                .map(|url| Canonical { url, version: None })
                .collect();
            if round.is_empty() {
                break;
            }
            let structure = ResourceType::STRUCTURE_DEFINITION;
            let found = canonical::resources(app, sight, structure, &round)?;
            wanted = self.keep(&round, &found)?;
        }
        Ok(())
    }

    /// Puts what was found in the place of what was known of these URLs; gives the canonicals
    /// that it names.
    fn keep(
        &self,
        round: &BTreeSet<Canonical>,
        found: &[StoredVersion],
    ) -> Result<BTreeSet<String>, ReadFailure> {
        let mut named = BTreeSet::new();
        let mut shelf: Shelf = round.iter().map(|each| (each.url.clone(), Vec::new())).collect();
        for stored in found {
            let Some(body) = &stored.body else { continue };
            let resource = Arc::new(body.to_resource(&stored.key)?);
            let view = resource.view();
            names(view.value, &mut named);
            let url = view.value.get("url").and_then(Value::text).unwrap_or_default();
            if let Some(versions) = shelf.get_mut(url.as_ref()) {
                versions.push((format!("{}/{}", stored.key, stored.version), resource));
            }
        }
        let mut known = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        let mut has_changed = false;
        for (url, versions) in shelf {
            let marks = |list: &[(String, Arc<Resource>)]| {
                list.iter().map(|(mark, _)| mark.clone()).collect::<BTreeSet<_>>()
            };
            let before = known.get(&url).map(|list| marks(list)).unwrap_or_default();
            if before != marks(&versions) {
                has_changed = true;
                known.insert(url, versions);
            }
        }
        if has_changed {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(named)
    }
}

impl Structures for Known {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let packaged = self.packages.find(&[ResourceType::STRUCTURE_DEFINITION], canonical);
        if packaged.is_some() {
            return packaged;
        }
        let (url, version) = canonical
            .split_once('|')
            .map_or((canonical, None), |(url, version)| (url, Some(version)));
        let known = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let text = |resource: &Resource| {
            let version = resource.view().value.get("version").and_then(Value::text);
            version.map(std::borrow::Cow::into_owned)
        };
        let mut found: Vec<_> = known
            .get(url)?
            .iter()
            .map(|(_, resource)| (text(resource), resource))
            .filter(|(own, _)| version.is_none() || own.as_deref() == version)
            .collect();
        found.sort_by(|(one, _), (two, _)| {
            let plain = |version: &Option<String>| version.clone().unwrap_or_default();
            fhir_package::compare_versions(&plain(one), &plain(two))
        });
        found.pop().map(|(_, resource)| Arc::clone(resource))
    }

    fn generation(&self) -> u64 {
        // Both only grow, so their sum changes whenever one does.
        self.packages.generation().wrapping_add(self.generation.load(Ordering::Acquire))
    }
}

/// The profiles that a validation starts from.
pub(super) fn profiles(view: ResourceView<'_>, asked: &Asked) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = asked.profiles.iter().cloned().collect();
    if asked.declared {
        let declared = view.at(&["meta", "profile"]).into_iter().flat_map(Value::items);
        found.extend(declared.filter_map(Value::text).map(std::borrow::Cow::into_owned));
    }
    found
}

/// All definitions that a validation may need: profiles, those of resources inside, extensions.
pub(super) fn canonicals(view: ResourceView<'_>, asked: &Asked) -> BTreeSet<String> {
    let mut found = profiles(view, asked);
    inside(view.value, asked.declared, &mut found);
    found
}

fn inside(value: Value<'_>, declared: bool, found: &mut BTreeSet<String>) {
    for (key, member) in value.members() {
        match key.as_ref() {
            "extension" | "modifierExtension" => {
                let urls = member.items().filter_map(|each| each.get("url")?.text());
                let is_whole = |url: &std::borrow::Cow<'_, str>| url.contains(':');
                found.extend(urls.filter(is_whole).map(std::borrow::Cow::into_owned));
            }
            "profile" if declared => {
                found.extend(member.items().filter_map(Value::text).map(|text| text.into_owned()));
            }
            _ => {}
        }
        for each in member.items() {
            inside(each, declared, found);
        }
    }
}

/// The canonicals that a StructureDefinition names: its base, profiles of types and targets.
fn names(definition: Value<'_>, found: &mut BTreeSet<String>) {
    let text = |value: Value<'_>| value.text().map(std::borrow::Cow::into_owned);
    found.extend(definition.get("baseDefinition").and_then(text));
    for part in ["differential", "snapshot"] {
        let elements = definition.get(part).and_then(|part| part.get("element"));
        for element in elements.into_iter().flat_map(Value::items) {
            for kind in element.get("type").into_iter().flat_map(Value::items) {
                for key in ["profile", "targetProfile"] {
                    found.extend(kind.get(key).into_iter().flat_map(Value::items).filter_map(text));
                }
            }
        }
    }
}
