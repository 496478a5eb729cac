//! Query strings, and the indexer that what they ask for is held against.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Instant, Resource, ResourceKey};
use fhir_search::{
    Indexer, ParameterId, ParseSettings, Registry, Scope, ValueHasher, World,
};

struct Setting {
    registry: Registry,
    indexer: Indexer,
    hasher: ValueHasher,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    let registry = Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).expect("few parameters") + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    });
    let hasher = ValueHasher::new(&[7; 16]);
    let indexer = Indexer::compile(&registry, hasher.clone(), Zone::default());
    let indexer = indexer.with_base(Some("http://example.org/fhir".to_owned())).with_text(true);
    Setting { registry, indexer, hasher }
});

const SCOPES: [ResourceType; 4] = [
    ResourceType::OBSERVATION,
    ResourceType::PATIENT,
    ResourceType::VALUE_SET,
    ResourceType::APPOINTMENT,
];

/// Makes the index rows of a resource.
pub(crate) fn index(resource: &Resource, key: &ResourceKey) {
    let _ = SETTING.indexer.index(resource.view(), key);
}

/// A query string; its first byte chooses type and strictness. What is taken has a meaning: it is
/// held against a resource.
pub fn query(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let settings = ParseSettings {
        strict: first & 1 == 0,
        default_count: 20,
        max_count: 1000,
        always_allowed: Vec::new(),
        now: Instant(1_790_000_000_000_000),
        base: Some("http://example.org/fhir".to_owned()),
        explain: false,
    };
    let scope = match SCOPES.get(usize::from(first >> 1) % 5) {
        Some(resource_type) => Scope::Type(*resource_type),
        None => Scope::All,
    };
    let setting = &*SETTING;
    let zone = Zone::default();
    let parsed =
        fhir_search::parse(&pairs, scope, &setting.registry, &setting.hasher, &zone, &settings);
    match parsed {
        Ok(query) => {
            for key in ["Observation/a", "Patient/a"] {
                let key = ResourceKey::from_reference(key).expect("a key");
                let source = format!(
                    "{{\"resourceType\":\"{}\",\"id\":\"a\"}}",
                    key.resource_type
                );
                let resource = Resource::trusted(source.into_bytes()).expect("JSON");
                let rows = setting.indexer.index(resource.view(), &key).into();
                let hash = setting.hasher.reference(&key);
                let found = fhir_search::Found { key, hash, updated: settings.now, rows };
                let _ = query.holds(&found, &mut Alone);
            }
        }
        Err(failure) => assert!(!failure.issues.is_empty(), "a refusal says why"),
    }
}

/// A world of one resource.
struct Alone;

impl World for Alone {
    type Error = std::convert::Infallible;

    fn targets(
        &mut self,
        _hashes: &[i64],
        _target: ResourceType,
    ) -> Result<Vec<fhir_search::Found>, Self::Error> {
        Ok(Vec::new())
    }

    fn referring(
        &mut self,
        _hash: i64,
        _parameters: &[ParameterId],
    ) -> Result<Vec<fhir_search::Found>, Self::Error> {
        Ok(Vec::new())
    }
}
