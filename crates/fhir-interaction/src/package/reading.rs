//! Resources of packages as the interactions give them: read by their ids and found by their URLs
//! where the store has none.
//!
//! Their version is the number of the package in the store, and their instant that of the
//! installation: both change when the package is installed anew.

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Body, Id, ResourceKey, ResourceView, VersionId};
use fhir_package::{PackageId, is_kept};
use fhir_store::{Method, RowKey, StoredVersion};

use crate::app::App;

/// A resource of a package under the id that it has there.
pub(crate) fn with_id(app: &App, key: &ResourceKey) -> Option<StoredVersion> {
    let (package, resource) = app.shelf().registry.by_id(key.resource_type, key.id.as_str())?;
    stored(app, &package, resource.view())
}

/// The resources of packages that a search by `url`, and perhaps `version`, asks for; none for any
/// other search.
pub(crate) fn named(
    app: &App,
    permit: &Permit,
    resource_type: ResourceType,
    pairs: &[(String, String)],
) -> Vec<StoredVersion> {
    if !is_kept(resource_type, Some("")) || !permit.sees_all() {
        return Vec::new();
    }
    let (mut url, mut version) = (None, None);
    for (name, value) in pairs {
        match name.as_str() {
            "url" if url.is_none() => url = Some(value.as_str()),
            "version" if version.is_none() => version = Some(value.as_str()),
            "_count" | "_summary" | "_elements" | "_total" | "_format" | "_pretty" => {}
            _ => return Vec::new(),
        }
    }
    let Some(url) = url else { return Vec::new() };
    let found = app.shelf().registry.all_with_packages(resource_type, url, version);
    let found = found.iter();
    found.filter_map(|(package, resource)| stored(app, package, resource.view())).collect()
}

fn stored(app: &App, package: &PackageId, view: ResourceView<'_>) -> Option<StoredVersion> {
    let known = app.shelf().known();
    let installed = known.packages.iter().find(|one| one.id == *package)?;
    let id: Id = view.id()?;
    Some(StoredVersion {
        row: RowKey { rid: 0, dk: 0 },
        key: ResourceKey::new(view.resource_type, id),
        version: VersionId(installed.number),
        updated: installed.installed,
        method: Method::Put,
        body: Some(Body::from_view(view, None)),
    })
}
