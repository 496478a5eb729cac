//! References that no search parameter reads, so that everything which refers to a resource can be
//! found: rows under [`ParameterId::LINK`].

use std::collections::{HashMap, HashSet};

use fhir_definitions::ResourceType;
use fhir_model::{Kind, ResourceView, Value};

use crate::reference::Target;
use crate::rows::{IndexRows, ReferenceRow};
use crate::{ParameterId, ParameterKind, Registry, SearchParameter, ValueHasher};

/// Which rows of a parameter say that one resource refers to another.
#[derive(Debug)]
pub(super) struct Linking {
    /// The types that each parameter is counted for; an empty list is any.
    targets: HashMap<i32, Vec<ResourceType>>,
}

impl Registry {
    /// The parameters whose rows tell who refers to resources of a type, the number for what no
    /// parameter reads first. Only parameters of the specification: others come and go, and the
    /// resources inside a Bundle refer to each other, not to what is stored.
    #[must_use]
    pub fn linking(&self, target: ResourceType) -> Vec<ParameterId> {
        let is_meant = |parameter: &&SearchParameter| {
            parameter.targets.is_empty() || parameter.targets.contains(&target)
        };
        let found = linking(self).filter(is_meant).map(|parameter| parameter.id);
        std::iter::once(ParameterId::LINK).chain(found).collect()
    }
}

fn linking(registry: &Registry) -> impl Iterator<Item = &SearchParameter> {
    let definitions = &fhir_definitions::r4().search_parameters;
    let urls: HashSet<&str> = definitions.iter().map(|definition| definition.url).collect();
    registry.all().filter(move |parameter| {
        parameter.kind == ParameterKind::Reference
            && parameter.base != ResourceType::BUNDLE
            && urls.contains(parameter.url.as_str())
    })
}

impl Linking {
    pub(super) fn new(registry: &Registry) -> Self {
        let targets = linking(registry)
            .map(|parameter| (parameter.id.0, parameter.targets.clone()))
            .collect();
        Self { targets }
    }

    /// Adds a row for each resource of this server that is referred to and that no row of a
    /// counted parameter names.
    pub(super) fn note(
        &self,
        view: ResourceView<'_>,
        hasher: &ValueHasher,
        base: Option<&str>,
        rows: &mut IndexRows,
    ) {
        if view.resource_type == ResourceType::BUNDLE {
            return;
        }
        let mut found = Vec::new();
        references(view.value, &mut |text| {
            if let Some(Target::Local(resource_type, id)) = Target::read(text, base) {
                found.push((hasher.local(resource_type, id), resource_type));
            }
        });
        if found.is_empty() {
            return;
        }
        let mut named: Vec<(i64, i32)> =
            rows.reference.iter().map(|row| (row.target, row.p)).collect();
        named.sort_unstable();
        let is_named = |target: i64, resource_type: ResourceType| {
            let from = named.partition_point(|(known, _)| *known < target);
            let rows = named.iter().skip(from).take_while(|(known, _)| *known == target);
            rows.filter_map(|(_, p)| self.targets.get(p))
                .any(|types| types.is_empty() || types.contains(&resource_type))
        };
        let added = found
            .into_iter()
            .filter(|(target, resource_type)| !is_named(*target, *resource_type))
            .map(|(target, _)| ReferenceRow { p: ParameterId::LINK.0, target });
        rows.reference.extend(added);
    }
}

/// Calls for every member `reference` that is a text, wherever it stands.
fn references(value: Value<'_>, found: &mut dyn FnMut(&str)) {
    match value.kind() {
        Kind::Object => {
            for (key, member) in value.members() {
                match member.kind() {
                    Kind::String if key == "reference" => {
                        if let Some(text) = member.text() {
                            found(&text);
                        }
                    }
                    Kind::Object | Kind::Array => references(member, found),
                    Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
                }
            }
        }
        Kind::Array => {
            for item in value.items() {
                references(item, found);
            }
        }
        Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
    }
}
