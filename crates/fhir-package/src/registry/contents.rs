//! What is installed: an index that never changes once it is made.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, OnceLock};

use fhir_model::{Resource, ResourceType, Value};
use fhir_structure::Canonical;

use crate::body;
use crate::version::{PackageId, Wish, compare_versions, newer};

/// Where the resources of a package are read from.
pub trait Bodies: Send + Sync {
    /// The packed text of a resource by its number in the package.
    ///
    /// # Errors
    /// Why it can't be had.
    fn read(&self, number: u32) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;
}

/// An installed package.
#[derive(Clone)]
pub struct Installed {
    /// Its name and version.
    pub id: PackageId,
    /// What it builds on: name and wished version.
    pub dependencies: BTreeMap<String, String>,
    /// What it holds.
    pub entries: Vec<Entry>,
    /// Where the resources are.
    pub bodies: Arc<dyn Bodies>,
}

/// A resource of a package, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the package.
    pub number: u32,
    /// Its type.
    pub resource_type: ResourceType,
    /// Its id.
    pub id: Option<String>,
    /// Its canonical URL.
    pub url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// `draft`, `active`, `retired` or `unknown`.
    pub status: Option<String>,
    /// When it was published.
    pub date: Option<String>,
}

impl Entry {
    /// What the index tells of a resource.
    #[must_use]
    pub fn of(number: u32, resource: &Resource) -> Self {
        let view = resource.view();
        let text = |name: &str| {
            view.value.get(name).and_then(fhir_model::Value::text).map(|text| text.into_owned())
        };
        Self {
            number,
            resource_type: view.resource_type,
            id: text("id"),
            url: text("url"),
            version: text("version"),
            status: text("status"),
            date: text("date"),
        }
    }

    fn rank(&self) -> u8 {
        match self.status.as_deref() {
            Some("active") => 2,
            Some("retired") => 0,
            Some(_) | None => 1,
        }
    }
}

/// Where a resource stands in the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) package: usize,
    pub(super) entry: usize,
}

pub(super) struct Contents {
    /// Tells contents apart for as long as the program runs.
    pub(super) number: u64,
    /// By name and version.
    pub(super) packages: Vec<Arc<Installed>>,
    /// The best first.
    by_url: HashMap<String, Vec<Place>>,
    by_id: HashMap<(ResourceType, String), Place>,
    closures: Vec<BTreeSet<usize>>,
    /// Supplements by the URL of the code system that they add to; looked for when first asked.
    supplements: OnceLock<HashMap<String, Vec<Place>>>,
}

impl Contents {
    pub(super) fn new<P: Into<Arc<Installed>>>(packages: Vec<P>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let mut packages: Vec<Arc<Installed>> = packages.into_iter().map(Into::into).collect();
        packages.sort_by(|one, other| one.id.cmp(&other.id));
        let mut contents = Self {
            number: NUMBERS.fetch_add(1, atomic::Ordering::Relaxed),
            closures: closures(&packages),
            packages,
            by_url: HashMap::new(),
            by_id: HashMap::new(),
            supplements: OnceLock::new(),
        };
        let mut by_url: HashMap<String, Vec<Place>> = HashMap::new();
        let mut by_id: HashMap<(ResourceType, String), Place> = HashMap::new();
        for (package, installed) in contents.packages.iter().enumerate() {
            for (at, entry) in installed.entries.iter().enumerate() {
                let place = Place { package, entry: at };
                if let Some(url) = &entry.url {
                    by_url.entry(url.clone()).or_default().push(place);
                }
                if let Some(id) = &entry.id {
                    let key = (entry.resource_type, id.clone());
                    let best = by_id.entry(key).or_insert(place);
                    if contents.better(place, *best) == Ordering::Less {
                        *best = place;
                    }
                }
            }
        }
        for places in by_url.values_mut() {
            places.sort_by(|one, other| contents.better(*one, *other));
        }
        (contents.by_url, contents.by_id) = (by_url, by_id);
        contents
    }

    pub(super) fn package(&self, place: Place) -> Option<&Installed> {
        self.packages.get(place.package).map(Arc::as_ref)
    }

    pub(super) fn entry(&self, place: Place) -> Option<&Entry> {
        self.package(place)?.entries.get(place.entry)
    }

    /// The places of a URL, the best first.
    pub(super) fn named<'a>(
        &'a self,
        types: &'a [ResourceType],
        canonical: Canonical<'a>,
    ) -> impl Iterator<Item = Place> + 'a {
        let is_meant = move |entry: &Entry| {
            types.contains(&entry.resource_type) && canonical.takes(entry.version.as_deref())
        };
        let places = self.by_url.get(canonical.url).into_iter().flatten().copied();
        places.filter(move |place| self.entry(*place).is_some_and(is_meant))
    }

    pub(super) fn by_id(&self, resource_type: ResourceType, id: &str) -> Option<Place> {
        self.by_id.get(&(resource_type, id.to_owned())).copied()
    }

    pub(super) fn canonicals(&self, resource_type: ResourceType) -> Vec<(String, Option<String>)> {
        let entries = self.packages.iter().flat_map(|package| &package.entries);
        entries
            .filter(|entry| entry.resource_type == resource_type)
            .filter_map(|entry| Some((entry.url.clone()?, entry.version.clone())))
            .collect()
    }

    /// The places of a type, in the order of the packages.
    pub(super) fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = Place> {
        let packages = self.packages.iter().enumerate();
        let places = packages.flat_map(|(package, installed)| {
            let entries = installed.entries.iter().enumerate();
            entries.map(move |(at, entry)| (Place { package, entry: at }, entry.resource_type))
        });
        places.filter(move |(_, of)| *of == resource_type).map(|(place, _)| place)
    }

    /// The places of the code systems that add to the one of this URL.
    pub(super) fn supplements(&self, url: &str) -> &[Place] {
        let found = self.supplements.get_or_init(|| {
            let mut found: HashMap<String, Vec<Place>> = HashMap::new();
            for place in self.of_type(ResourceType::CODE_SYSTEM) {
                if let Some(url) = self.supplemented(place) {
                    found.entry(url).or_default().push(place);
                }
            }
            found
        });
        found.get(url).map(Vec::as_slice).unwrap_or_default()
    }

    /// The URL of the code system that a supplement adds to. Most code systems are none, which
    /// their text tells without being parsed.
    fn supplemented(&self, place: Place) -> Option<String> {
        let (package, entry) = self.package(place).zip(self.entry(place))?;
        let text = body::unpack(&package.bodies.read(entry.number).ok()?).ok()?;
        if !std::str::from_utf8(&text).is_ok_and(|text| text.contains("\"supplements\"")) {
            return None;
        }
        let resource = Resource::trusted(text).ok()?;
        let canonical = resource.view().value.get("supplements").and_then(Value::text)?;
        canonical.split('|').next().map(str::to_owned)
    }

    /// A package with all that it builds on.
    pub(super) fn closure(&self, package: &PackageId) -> Option<&BTreeSet<usize>> {
        let at = self.packages.iter().position(|installed| installed.id == *package)?;
        self.closures.get(at)
    }

    pub(super) fn read(
        &self,
        place: Place,
    ) -> Result<Resource, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.package(place).zip(self.entry(place));
        let (package, entry) = found.ok_or("there is no such resource")?;
        Ok(Resource::trusted(body::unpack(&package.bodies.read(entry.number)?)?)?)
    }

    /// The better of two resources comes first.
    fn better(&self, one: Place, other: Place) -> Ordering {
        let (Some(a), Some(b)) = (self.entry(one), self.entry(other)) else {
            return Ordering::Equal;
        };
        let version = |entry: &'_ Entry| entry.version.clone().unwrap_or_default();
        b.rank()
            .cmp(&a.rank())
            .then_with(|| compare_versions(&version(b), &version(a)))
            .then_with(|| b.date.cmp(&a.date))
            .then_with(|| {
                let version = |place| self.package(place).map_or("", |found| &found.id.version);
                newer(version(other), version(one))
            })
            .then_with(|| one.package.cmp(&other.package))
            .then_with(|| one.entry.cmp(&other.entry))
    }
}

/// For each package itself and what it builds on, directly or not. A dependency that is not there
/// in the wished version is met by the newest of its name: the operator allowed it.
fn closures(packages: &[Arc<Installed>]) -> Vec<BTreeSet<usize>> {
    let direct = |package: &Arc<Installed>| -> Vec<usize> {
        let found = package.dependencies.iter().filter_map(|(name, wished)| {
            let named = || packages.iter().enumerate().filter(|(_, one)| one.id.name == *name);
            let best = |wish: &Wish| wish.best(named().map(|(_, one)| one.id.version.as_str()));
            let wish = wished.parse::<Wish>().unwrap_or(Wish::Latest);
            let version = best(&wish).or_else(|| best(&Wish::Latest))?;
            named().find(|(_, one)| one.id.version == version).map(|(at, _)| at)
        });
        found.collect()
    };
    let edges: Vec<Vec<usize>> = packages.iter().map(direct).collect();
    let reached = |start: usize| {
        let mut reached = BTreeSet::from([start]);
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for next in edges.get(at).into_iter().flatten() {
                if reached.insert(*next) {
                    open.push(*next);
                }
            }
        }
        reached
    };
    (0..packages.len()).map(reached).collect()
}
