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
