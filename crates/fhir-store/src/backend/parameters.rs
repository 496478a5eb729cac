//! Numbers of search parameters: given once per database and kept.
//!
//! A fresh database numbers the parameters in the order of the registry. While that order is the
//! program's own, a digest proves it and no table is read at start.

use std::collections::HashMap;

use fhir_definitions::ResourceType;
use fhir_search::{ParameterId, Registry, ValueHasher};

/// One row of `parameter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParameterRow {
    pub(crate) p: i32,
    pub(crate) resource_type: i32,
    pub(crate) code: String,
    pub(crate) url: String,
}

/// The registry when numbers follow its own order, what stands for that order, and its rows.
pub(crate) struct InOrder {
    pub(crate) registry: Registry,
    pub(crate) digest: i64,
    pub(crate) rows: Vec<ParameterRow>,
}

pub(crate) fn in_order() -> InOrder {
    let mut rows: Vec<ParameterRow> = Vec::new();
    let mut digest = 0_i64;
    let hasher = ValueHasher::new(&[0; 16]);
    let registry = Registry::r4(&mut |resource_type, code, url| {
        let p = i32::try_from(rows.len()).unwrap_or(i32::MAX).saturating_add(1);
        for text in [resource_type.as_str(), code, url] {
            digest = digest.rotate_left(7) ^ hasher.hash(text);
        }
        rows.push(ParameterRow {
            p,
            resource_type: i32::from(resource_type.index()),
            code: code.to_owned(),
            url: url.to_owned(),
        });
        ParameterId(p)
    });
    InOrder { registry, digest, rows }
}

/// The registry under the numbers of `known` rows, and the rows that have to be added.
pub(crate) fn interned(known: &[ParameterRow]) -> (Registry, Vec<ParameterRow>) {
    let mut numbers: HashMap<(i32, String), i32> =
        known.iter().map(|row| ((row.resource_type, row.code.clone()), row.p)).collect();
    let mut next = known.iter().map(|row| row.p).max().unwrap_or(0);
    let mut added = Vec::new();
    let registry = Registry::r4(&mut |resource_type: ResourceType, code, url| {
        let resource_type = i32::from(resource_type.index());
        let p = *numbers.entry((resource_type, code.to_owned())).or_insert_with(|| {
            next = next.saturating_add(1);
            added.push(ParameterRow {
                p: next,
                resource_type,
                code: code.to_owned(),
                url: url.to_owned(),
            });
            next
        });
        ParameterId(p)
    });
    (registry, added)
}
