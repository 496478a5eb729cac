//! The conformance resources of all installed packages, by their canonical URLs.
//!
//! The registry holds an index: what there is, from which package. A resource is read and parsed
//! when it is first asked for and kept for as long as there is room. Several versions of a package
//! stand side by side; a canonical without a version means the newest resource. Whoever asks on
//! behalf of a package ([`Registry::of_package`]) is given what that package builds on first.

mod cache;
mod contents;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fhir_model::{Resource, ResourceType};
use fhir_structure::{Canonical, Structures};

pub use contents::{Bodies, Entry, Installed};

use crate::version::PackageId;
use cache::Cache;
use contents::{Contents, Place};

/// The conformance resources of the installed packages. Threads share it.
pub struct Registry {
    contents: RwLock<Arc<Contents>>,
    generation: AtomicU64,
    cache: Cache,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(Vec::<Installed>::new())
    }
}

impl Registry {
    /// A registry of these packages.
    #[must_use]
    pub fn new<P: Into<Arc<Installed>>>(packages: Vec<P>) -> Self {
        Self {
            contents: RwLock::new(Arc::new(Contents::new(packages))),
            generation: AtomicU64::new(1),
            cache: Cache::default(),
        }
    }

    /// Puts other packages in the place of all that there are, at once.
    pub fn replace<P: Into<Arc<Installed>>>(&self, packages: Vec<P>) {
        let next = Arc::new(Contents::new(packages));
        let mut contents = self.contents.write().unwrap_or_else(PoisonError::into_inner);
        *contents = next;
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    /// A number that grows with each [`Registry::replace`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The installed packages, by name and version.
    #[must_use]
    pub fn packages(&self) -> Vec<PackageId> {
        self.contents().packages.iter().map(|package| package.id.clone()).collect()
    }

    /// The installed packages with their indexes, by name and version.
    #[must_use]
    pub fn installed(&self) -> Vec<Arc<Installed>> {
        self.contents().packages.clone()
    }

    /// The resource of one of these types that a canonical (`url` or `url|version`) means: without
    /// a version the newest, an active one before drafts and these before a retired one.
    #[must_use]
    pub fn find(&self, types: &[ResourceType], canonical: &str) -> Option<Arc<Resource>> {
        self.find_from(None, types, canonical)
    }

    /// All resources of a type with this URL, the best first; only those of `version` where one is
    /// given. What can't be read is passed over, and told in the log.
    #[must_use]
    pub fn all(
        &self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Vec<Arc<Resource>> {
        let found = self.all_with_packages(resource_type, url, version);
        found.into_iter().map(|(_, resource)| resource).collect()
    }

    /// As [`Registry::all`], each with the package that it is from.
    #[must_use]
    pub fn all_with_packages(
        &self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Vec<(PackageId, Arc<Resource>)> {
        let contents = self.contents();
        let types = [resource_type];
        let places = contents.named(&types, Canonical { url, version, fragment: None });
        places.filter_map(|place| self.read_of(&contents, place)).collect()
    }

    /// All resources of a type, in the order of the packages. What can't be read is passed over.
    #[must_use]
    pub fn of_type(&self, resource_type: ResourceType) -> Vec<Arc<Resource>> {
        let contents = self.contents();
        let places = contents.of_type(resource_type);
        places.filter_map(|place| self.read(&contents, place)).collect()
    }

    /// The code systems that add to the one of this URL (`CodeSystem.supplements`), in the order
    /// of the packages. The first question reads the texts of all code systems.
    #[must_use]
    pub fn supplements(&self, url: &str) -> Vec<Arc<Resource>> {
        let contents = self.contents();
        let places = contents.supplements(url).iter();
        places.filter_map(|place| self.read(&contents, *place)).collect()
    }

    /// The newest resource of a type with this id (not its URL) in any package, and that package.
    #[must_use]
    pub fn by_id(
        &self,
        resource_type: ResourceType,
        id: &str,
    ) -> Option<(PackageId, Arc<Resource>)> {
        let contents = self.contents();
        let place = contents.by_id(resource_type, id)?;
        self.read_of(&contents, place)
    }

    /// The URLs with their versions of all resources of a type, in the order of the packages.
    #[must_use]
    pub fn canonicals(&self, resource_type: ResourceType) -> Vec<(String, Option<String>)> {
        self.contents().canonicals(resource_type)
    }

    /// The registry as a package sees it: what it holds itself and what it depends on comes
    /// before newer versions of others.
    #[must_use]
    pub fn of_package<'a>(&'a self, package: &'a PackageId) -> PackageView<'a> {
        PackageView { registry: self, package }
    }

    /// The package that a canonical is found in by [`Registry::find`].
    #[must_use]
    pub fn package_of(&self, types: &[ResourceType], canonical: &str) -> Option<PackageId> {
        let contents = self.contents();
        let place = contents.named(types, Canonical::of(canonical)).next()?;
        contents.package(place).map(|package| package.id.clone())
    }

    fn find_from(
        &self,
        package: Option<&PackageId>,
        types: &[ResourceType],
        canonical: &str,
    ) -> Option<Arc<Resource>> {
        let contents = self.contents();
        let near = package.and_then(|package| contents.closure(package));
        let mut places = contents.named(types, Canonical::of(canonical));
        let place = match near {
            None => places.next(),
            Some(near) => {
                let places: Vec<Place> = places.collect();
                let found = places.iter().find(|place| near.contains(&place.package));
                found.or(places.first()).copied()
            }
        };
        self.read(&contents, place?)
    }

    fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.contents.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_of(&self, contents: &Contents, place: Place) -> Option<(PackageId, Arc<Resource>)> {
        let package = contents.package(place)?.id.clone();
        self.read(contents, place).map(|resource| (package, resource))
    }

    fn read(&self, contents: &Contents, place: Place) -> Option<Arc<Resource>> {
        if let Some(known) = self.cache.get(contents.number, place) {
            return Some(known);
        }
        match contents.read(place) {
            Ok(resource) => {
                let resource = Arc::new(resource);
                self.cache.put(contents.number, place, &resource);
                Some(resource)
            }
            Err(fault) => {
                tracing::error!(%fault, "a resource of a package can't be read");
                None
            }
        }
    }
}

impl Structures for Registry {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        Self::find(self, &[ResourceType::STRUCTURE_DEFINITION], canonical)
    }

    fn generation(&self) -> u64 {
        Self::generation(self)
    }
}

/// The registry as one package sees it.
#[derive(Clone, Copy)]
pub struct PackageView<'a> {
    registry: &'a Registry,
    package: &'a PackageId,
}

impl PackageView<'_> {
    /// As [`Registry::find`], but what the package builds on comes first.
    #[must_use]
    pub fn find(&self, types: &[ResourceType], canonical: &str) -> Option<Arc<Resource>> {
        self.registry.find_from(Some(self.package), types, canonical)
    }
}

impl Structures for PackageView<'_> {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        Self::find(self, &[ResourceType::STRUCTURE_DEFINITION], canonical)
    }

    fn generation(&self) -> u64 {
        self.registry.generation()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("packages", &self.packages()).finish_non_exhaustive()
    }
}
