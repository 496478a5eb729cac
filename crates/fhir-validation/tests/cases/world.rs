//! The world of a case: the resources that it names and the codes of its definitions.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use fhir_model::{Resource, ResourceType};
use fhir_terminology::{CodeOptions, Problem, Stored, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, World};
use serde_json::Value;

use crate::case::{Case, File};
use crate::definitions::{Definitions, split, text};

/// What references lead to, and which codes there are.
pub(crate) struct TestWorld {
    found: BTreeMap<String, Found>,
    /// Whether what is not named does not exist.
    is_closed: bool,
    definitions: Arc<Definitions>,
}

impl TestWorld {
    pub(crate) fn new(
        file: &File,
        case: &Case,
        definitions: Arc<Definitions>,
    ) -> Result<Self, String> {
        let given = file.world.iter().chain(case.world.iter().flatten());
        let mut found = BTreeMap::new();
        for (reference, value) in given {
            found.insert(reference.clone(), entry(value)?);
        }
        let is_closed = case.world.is_some() || !file.world.is_empty();
        Ok(Self { found, is_closed, definitions })
    }
}

fn entry(value: &Value) -> Result<Found, String> {
    Ok(match value {
        Value::Null => Found::Missing,
        Value::String(name) => {
            Found::Type(ResourceType::named(name).ok_or(format!("there is no type {name}"))?)
        }
        resource @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            let resource = Resource::trusted(resource.to_string().into_bytes());
            Found::Resource(Arc::new(resource.map_err(|failure| failure.to_string())?))
        }
    })
}

impl World for TestWorld {
    fn resolve(&self, reference: &str) -> Found {
        match self.found.get(reference) {
            Some(found) => found.clone(),
            None if self.is_closed && !reference.contains(':') => Found::Missing,
            None => Found::Unread,
        }
    }

    fn canonical(&self, resource_type: ResourceType, canonical: &str) -> Found {
        let (url, version) = split(canonical);
        let stored = self.found.values().filter_map(|found| match found {
            Found::Resource(resource) => Some(Arc::clone(resource)),
            Found::Type(_) | Found::Missing | Found::Unread => None,
        });
        let is_it = |each: &Arc<Resource>| {
            each.resource_type() == resource_type
                && text(each, "url").as_deref() == Some(url)
                && (version.is_none() || text(each, "version").as_deref() == version)
        };
        let defined = self.definitions.all(resource_type, url, version);
        let mut all: Vec<_> = stored.filter(is_it).chain(defined).collect();
        all.sort_by_key(|each| text(each, "version"));
        match all.pop() {
            Some(resource) => Found::Resource(resource),
            None if self.is_closed => Found::Missing,
            None => Found::Unread,
        }
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let coded = fhir_terminology::Coded {
            system: coded.system,
            version: coded.version,
            code: coded.code,
            display: coded.display,
        };
        let mut shelf = Shelf(&self.definitions);
        let options = CodeOptions::default();
        match Terminology::embedded().validate_code(&mut shelf, value_set, &coded, &options) {
            Ok(Verdict::In(member)) => Membership::In {
                wrong_display: member.display.filter(|_| member.has_wrong_display),
            },
            Ok(Verdict::Out(_)) => Membership::Out,
            Err(Problem::Fault(fault)) => Membership::Unknown(fault.to_string()),
            Err(Problem::Stored(never)) => match never {},
        }
    }
}

/// The definitions as what terminology asks.
struct Shelf<'d>(&'d Definitions);

impl Stored for Shelf<'_> {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(self.0.all(of, url, version))
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(None)
    }
}
