//! What policies speak in: the search parameters of this store.

use std::collections::BTreeSet;

use fhir_access::Words;
use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::{ParameterId, ParseSettings, Predicate, Scope};

use crate::app::App;

impl Words for App {
    fn generation(&self) -> u64 {
        self.definitions().indexer.generation()
    }

    fn conditions(
        &self,
        resource_type: ResourceType,
        pairs: &[(String, String)],
    ) -> Option<Vec<Predicate>> {
        let settings = ParseSettings {
            strict: true,
            default_count: 1,
            max_count: 1,
            always_allowed: Vec::new(),
            now: self.now(),
            base: None,
            explain: false,
        };
        let registry = &self.definitions().registry;
        let scope = Scope::Type(resource_type);
        let is_result = |name: &String| {
            let name = name.split(':').next().unwrap_or(name);
            fhir_search::RESULT_PARAMETERS.contains(&name)
        };
        if pairs.iter().any(|(name, value)| is_result(name) || value.contains('\0')) {
            return None;
        }
        let query =
            fhir_search::parse(pairs, scope, registry, self.hasher(), self.zone(), &settings)
                .ok()?;
        let is_clear = query.warnings.is_empty() && query.predicates.len() >= pairs.len();
        let is_decidable = !query.predicates.iter().any(Predicate::has_lookups);
        (is_clear && is_decidable).then_some(query.predicates)
    }

    fn readers(
        &self,
        resource_type: ResourceType,
        names: &BTreeSet<String>,
    ) -> BTreeSet<ParameterId> {
        let reads = |expression: &str| {
            let is_part = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            let mut words = expression.split(is_part);
            words.any(|word| names.contains(word) || ["descendants", "children"].contains(&word))
        };
        let definitions = self.definitions();
        let all = definitions.registry.of_type(resource_type);
        let readers = all.filter(|parameter| {
            parameter.expression.as_deref().is_some_and(reads)
                || parameter.components.iter().any(|component| reads(&component.expression))
        });
        readers.map(|parameter| parameter.id).collect()
    }

    fn compartment(&self, key: &ResourceKey, resource_type: ResourceType) -> Option<Predicate> {
        let registry = &self.definitions().registry;
        let scope = Scope::Type(resource_type);
        fhir_search::compartment(registry, self.hasher(), key, &scope).map(|(members, _)| members)
    }
}
