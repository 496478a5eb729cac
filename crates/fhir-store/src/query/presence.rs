//! `:missing`: which resources have a value for a parameter, by the bits of `access`.

use fhir_definitions::ResourceType;
use fhir_search::{ParameterId, Registry};

use super::arm::Arm;
use crate::backend::presence::masks;
use crate::sql::Sql;

/// The resources that have a value for one of these parameters: one arm a type, each of them a
/// walk of the type in row order.
pub(crate) fn present(registry: &Registry, parameters: &[ParameterId]) -> Vec<Arm> {
    let arm = |(of, [first, second]): (ResourceType, [i64; 2])| {
        let mut condition = start(of);
        condition.push(" AND (present & ").integer(first).push(" <> 0 OR present2 & ");
        condition.integer(second).push(" <> 0)");
        walk(condition)
    };
    masks(registry, parameters).into_iter().map(arm).collect()
}

/// The resources of the parameters' types that have a value for none of these parameters.
pub(crate) fn absent(registry: &Registry, parameters: &[ParameterId]) -> Vec<Arm> {
    let arm = |(of, [first, second]): (ResourceType, [i64; 2])| {
        let mut condition = start(of);
        condition.push(" AND present & ").integer(first).push(" = 0 AND present2 & ");
        condition.integer(second).push(" = 0");
        walk(condition)
    };
    masks(registry, parameters).into_iter().map(arm).collect()
}

/// All live resources of a type.
pub(crate) fn of_type(resource_type: ResourceType) -> Arm {
    walk(start(resource_type))
}

fn start(resource_type: ResourceType) -> Sql {
    let mut condition = Sql::new("type = ");
    condition.integer(resource_type.index());
    condition
}

const fn walk(condition: Sql) -> Arm {
    Arm { table: "access", condition, is_point: true, is_unique: true }
}
