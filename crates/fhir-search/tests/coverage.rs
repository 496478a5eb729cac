//! Every R4 search parameter with an expression has extractors; the exceptions are listed.
#![cfg(test)]

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_search::{Indexer, ParameterId, Registry, ValueHasher};

fn r4() -> Registry {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap() + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    })
}

#[test]
fn every_parameter_compiles() {
    let registry = r4();
    let indexer = Indexer::compile(&registry, ValueHasher::new(&[1; 16]), Zone::default());
    let failures: Vec<String> = indexer
        .uncompiled()
        .iter()
        .map(|failure| format!("{} {}: {}", failure.base, failure.code, failure.reason))
        .collect();
    println!("{} parameters", registry.all().count());
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_not_offered_is_known() {
    let registry = r4();
    let mut missing: Vec<String> = Vec::new();
    for definition in &fhir_definitions::r4().search_parameters {
        for base in &definition.base {
            let offered = match base.parse() {
                Ok(base) => registry.get(base, definition.code).is_some(),
                Err(_) => registry.get(ResourceType::PATIENT, definition.code).is_some(),
            };
            if !offered {
                missing.push(format!("{base} {}", definition.code));
            }
        }
    }
    missing.sort();
    missing.dedup();
    let known = [
        "DomainResource _text",
        "Patient age",
        "Resource _content",
        "Resource _filter",
        "Resource _id",          // a column
        "Resource _lastUpdated", // a column
        "Resource _query",
    ];
    assert_eq!(missing, known);
}

#[test]
fn a_coding_heavy_element_does_not_explode() {
    use fhir_model::{Resource, ResourceKey};
    let registry = r4();
    let indexer = Indexer::compile(&registry, ValueHasher::new(&[1; 16]), Zone::default());
    let codings: Vec<String> = (0..2_000).map(|code| format!(r#"{{"code":"c{code}"}}"#)).collect();
    let concept = format!(r#"{{"coding":[{}]}}"#, codings.join(","));
    let source = format!(
        r#"{{"resourceType":"Observation","id":"o","status":"final","code":{concept},
        "valueCodeableConcept":{concept}}}"#
    );
    let resource = Resource::trusted(source.into_bytes()).unwrap();
    let key = ResourceKey::new(resource.resource_type(), resource.id().unwrap());
    let rows = indexer.index(resource.view(), &key);
    assert!(rows.composite_token.len() < 20_000, "{}", rows.composite_token.len());
    assert!(rows.token.len() >= 4_000);
}
