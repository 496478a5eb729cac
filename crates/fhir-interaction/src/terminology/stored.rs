//! What terminology asks of the store: value sets, code systems and concept maps as the permit
//! shows them.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, Value};
use fhir_search::{Match, Predicate, RowMatch, SearchQuery};
use fhir_terminology::{CodeSystem, Stored};

use super::Codes;
use crate::app::ReadFailure;
use crate::sight;

/// Resources that are looked at in one go.
const CHUNK: usize = 50;
/// More versions of one URL, or concept maps, than anybody keeps.
const MAX_FOUND: usize = 500;

impl Codes<'_, '_> {
    /// All resources of a type with this URL, of one version where one is given.
    fn canonical(
        &mut self,
        resource_type: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let (registry, hasher) = (self.sight.registry(), self.app.hasher());
        let Some(p) = registry.get(resource_type, "url") else { return Ok(Vec::new()) };
        let mut rows = vec![RowMatch::Uri { p: p.id, text: hasher.uri(url).into_owned() }];
        if let Some(version) = version {
            let Some(p) = registry.get(resource_type, "version") else { return Ok(Vec::new()) };
            rows.push(RowMatch::Token { p: p.id, code: hasher.code(version), sys: None });
        }
        let mut found = self.found(resource_type, rows)?;
        // The index folds the case of versions.
        found.retain(|resource| version.is_none_or(|version| has_version(resource, version)));
        Ok(found)
    }

    /// All resources of a type that match these rows.
    fn found(
        &mut self,
        resource_type: ResourceType,
        rows: Vec<RowMatch>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let predicate = |row| Predicate { any: vec![Match::Row(row)] };
        let predicates = rows.into_iter().map(predicate).collect();
        let query: SearchQuery = sight::of_type(resource_type, predicates);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let hits = self.sight.search(&query, after.as_ref(), CHUNK)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            for stored in self.sight.load(&rows)? {
                let Some(body) = &stored.body else { continue };
                found.push(Arc::new(body.to_resource(&stored.key)?));
            }
            after = hits.last().map(|hit| hit.position.clone());
            if hits.len() < CHUNK {
                return Ok(found);
            }
            if found.len() > MAX_FOUND {
                let text = format!(
                    "there are more than {MAX_FOUND} resources of the type {resource_type} to \
                     choose from"
                );
                return Err(Failure::new(FailureKind::TooCostly, text).into());
            }
        }
    }
}

impl Stored for Codes<'_, '_> {
    type Error = ReadFailure;

    /// Those of the store, or where it has none those of the packages.
    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let found = self.canonical(of, url, version)?;
        if !found.is_empty() {
            return Ok(found);
        }
        Ok(self.app.packages().all(of, url, version))
    }

    fn value_set_by_id(&mut self, id: &str) -> Result<Option<Arc<Resource>>, ReadFailure> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let key = ResourceKey::new(ResourceType::VALUE_SET, id);
        let found = self.sight.current(&key)?;
        let body = found.and_then(|stored| stored.body);
        let stored = body.map(|body| body.to_resource(&key)).transpose()?.map(Arc::new);
        let of_package = || {
            let found = self.app.packages().by_id(ResourceType::VALUE_SET, key.id.as_str());
            found.map(|(_, resource)| resource)
        };
        Ok(stored.or_else(of_package))
    }

    fn generation(&mut self) -> Result<Option<u64>, ReadFailure> {
        // What a permit hides from some must not come to them from what others asked.
        if self.sight.hides_some() {
            return Ok(None);
        }
        self.app.knowledge().looked(self.app, self.sight).map(Some)
    }

    fn supplements(&mut self, url: &str) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let resource_type = ResourceType::CODE_SYSTEM;
        let (registry, hasher) = (self.sight.registry(), self.app.hasher());
        let Some(p) = registry.get(resource_type, "content-mode") else { return Ok(Vec::new()) };
        let row = RowMatch::Token { p: p.id, code: hasher.code("supplement"), sys: None };
        let mut found = self.found(resource_type, vec![row])?;
        found.retain(|resource| {
            let of = resource.view().value.get("supplements").and_then(Value::text);
            of.is_some_and(|of| of.split('|').next() == Some(url))
        });
        found.extend(self.app.packages().supplements(url));
        Ok(found)
    }

    fn imported(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<Arc<CodeSystem>>, ReadFailure> {
        Ok(self.app.imported_system(url, version)?)
    }

    fn concept_maps(&mut self) -> Result<Vec<Arc<Resource>>, ReadFailure> {
        let mut found = self.found(ResourceType::CONCEPT_MAP, Vec::new())?;
        let packages = self.app.packages();
        for (url, _) in packages.canonicals(ResourceType::CONCEPT_MAP) {
            found.extend(packages.find(&[ResourceType::CONCEPT_MAP], &url));
        }
        Ok(found)
    }
}

fn has_version(resource: &Resource, version: &str) -> bool {
    resource.view().value.get("version").and_then(Value::text).as_deref() == Some(version)
}
