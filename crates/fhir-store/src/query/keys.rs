//! A list of resources by their keys (`_list`).

use fhir_model::ResourceKey;
use fhir_search::ValueHasher;

use super::arm::Arm;
use crate::sql::{Dialect, Sql};

/// The live ones among these resources, by the hashes of their keys; any number with one bind.
pub(crate) fn arm(dialect: Dialect, hasher: &ValueHasher, keys: &[ResourceKey]) -> Arm {
    let mut condition = Sql::new("body IS NOT NULL AND hash");
    condition.in_list(dialect, keys.iter().map(|key| hasher.reference(key)).collect());
    Arm { table: "resource", condition, is_point: false, is_unique: true }
}
