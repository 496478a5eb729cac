//! Resources that are referred to by a canonical URL instead of their id.
//! Spec: <https://hl7.org/fhir/R4/references.html#canonical>

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::Value;
use fhir_search::{Match, ParameterKind, Predicate, RowMatch};
use fhir_store::StoredVersion;

use crate::app::{App, ReadFailure};
use crate::sight::{self, Sight};

/// URLs that are asked for in one go.
const CHUNK: usize = 200;

/// The most resources that one go brings: more versions of so many URLs than anybody keeps.
const MAX_FOUND: usize = 20_000;

/// A canonical URL with the version that stands behind its `|`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Canonical {
    pub(crate) url: String,
    pub(crate) version: Option<String>,
}

impl Canonical {
    /// The URL and version that a resource has itself, if it is one with a canonical URL.
    ///
    /// # Errors
    /// Where the stored bytes are no resource.
    pub(crate) fn of(
        sight: &Sight<'_>,
        stored: &StoredVersion,
    ) -> Result<Option<Self>, ReadFailure> {
        if parameter(sight, stored.key.resource_type).is_none() {
            return Ok(None);
        }
        let Some(body) = &stored.body else { return Ok(None) };
        let resource = body.to_resource(&stored.key)?;
        let text = |name: &str| {
            resource.view().value.get(name).and_then(Value::text).map(|text| text.into_owned())
        };
        Ok(text("url").map(|url| Self { url, version: text("version") }))
    }

    /// Whether this reference means that resource: without a version any of them.
    pub(crate) fn means(&self, own: &Self) -> bool {
        self.url == own.url && (self.version.is_none() || self.version == own.version)
    }
}

/// The visible resources of a type that one of these references means.
///
/// # Errors
/// The store's failures.
pub(crate) fn resources(
    app: &App,
    sight: &mut Sight<'_>,
    resource_type: ResourceType,
    wanted: &BTreeSet<Canonical>,
) -> Result<Vec<StoredVersion>, ReadFailure> {
    let Some(p) = parameter(sight, resource_type) else { return Ok(Vec::new()) };
    let urls: Vec<&str> = wanted.iter().map(|each| each.url.as_str()).collect();
    let mut found = Vec::new();
    for urls in urls.chunks(CHUNK) {
        let row =
            |url: &&str| Match::Row(RowMatch::Uri { p, text: app.hasher().uri(url).into_owned() });
        let any = urls.iter().map(row).collect();
        let query = sight::of_type(resource_type, vec![Predicate { any }]);
        let hits = sight.search(&query, None, MAX_FOUND)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        for stored in sight.load(&rows)? {
            let own = Canonical::of(sight, &stored)?;
            if own.is_some_and(|own| wanted.iter().any(|each| each.means(&own))) {
                found.push(stored);
            }
        }
    }
    Ok(found)
}

fn parameter(sight: &Sight<'_>, resource_type: ResourceType) -> Option<fhir_search::ParameterId> {
    let parameter = sight.registry().get(resource_type, "url")?;
    (parameter.kind == ParameterKind::Uri).then_some(parameter.id)
}
