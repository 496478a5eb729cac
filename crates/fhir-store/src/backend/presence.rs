//! For which parameters a resource has a value: two numbers of `access`, a bit for each slot.

use fhir_definitions::ResourceType;
use fhir_search::{ParameterId, Registry};

use crate::error::StoreError;

/// Bits of one column; its sign is left alone.
const BITS: u8 = 63;

/// The bit of the first column that belongs to no parameter: whatever names the subject refers to
/// the person and to nobody else.
pub(crate) const SOLE_SUBJECT: i64 = 1;

/// The bits of parameters come behind that one.
const FIRST: u8 = 1;

/// So many parameters a type may have.
pub(crate) const MAX_SLOTS: usize = LAST_SLOT as usize + 1;

/// The last of their places.
pub(crate) const LAST_SLOT: u8 = 2 * BITS - FIRST - 1;

/// The values of both columns.
pub(crate) fn bits(registry: &Registry, present: &[ParameterId]) -> [i64; 2] {
    let mut out = [0; 2];
    for slot in present.iter().filter_map(|p| registry.by_id(*p)).map(|own| own.slot) {
        let [first, second] = &mut out;
        let bit = slot.saturating_add(FIRST);
        match bit.checked_sub(BITS) {
            None => *first |= 1 << bit,
            Some(rest) => *second |= 1_i64.checked_shl(rest.into()).unwrap_or(0),
        }
    }
    out
}

/// The type whose resources have any of these parameters, and the bits of both columns for them.
/// Parameters of several types give one entry a type.
pub(crate) fn masks(
    registry: &Registry,
    parameters: &[ParameterId],
) -> Vec<(ResourceType, [i64; 2])> {
    let base = |p: &ParameterId| registry.by_id(*p).map(|own| own.base);
    let mut types: Vec<ResourceType> = parameters.iter().filter_map(base).collect();
    types.sort_unstable_by_key(|each| each.index());
    types.dedup();
    let mask = |of: ResourceType| {
        let own: Vec<ParameterId> =
            parameters.iter().copied().filter(|p| base(p) == Some(of)).collect();
        (of, bits(registry, &own))
    };
    types.into_iter().map(mask).collect()
}

/// Whether every parameter has a bit.
///
/// # Errors
/// `TooManyParameters` names the type that has too many.
pub(crate) fn check(registry: &Registry) -> Result<(), StoreError> {
    for resource_type in ResourceType::all() {
        if registry.of_type(resource_type).count() > MAX_SLOTS {
            return Err(StoreError::TooManyParameters { resource_type, most: MAX_SLOTS });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::parameters;

    #[test]
    fn every_parameter_of_r4_has_a_bit_of_its_own() {
        let registry = parameters::in_order().registry;
        check(&registry).unwrap();
        for resource_type in ResourceType::all() {
            let mut seen = [SOLE_SUBJECT, 0];
            for parameter in registry.of_type(resource_type) {
                let own = bits(&registry, &[parameter.id]);
                assert_eq!(own.iter().map(|bits| bits.count_ones()).sum::<u32>(), 1);
                for (seen, own) in seen.iter_mut().zip(own) {
                    assert_eq!(*seen & own, 0, "{}", parameter.code);
                    assert!(own >= 0);
                    *seen |= own;
                }
            }
        }
    }

    #[test]
    fn a_type_with_too_many_parameters_is_refused() {
        let registry = parameters::in_order().registry;
        let own = |registry: &Registry| registry.of_type(ResourceType::PATIENT).count();
        let mut more = Vec::new();
        for number in 0..=MAX_SLOTS - own(&registry) {
            let mut one = registry.get(ResourceType::PATIENT, "family").unwrap().clone();
            one.id = ParameterId(100_000 + i32::try_from(number).unwrap());
            one.code = format!("own-{number}");
            more.push(one);
        }
        let last = more.pop();
        let registry = registry.with(more);
        assert_eq!(own(&registry), MAX_SLOTS);
        check(&registry).unwrap();
        let all = registry.of_type(ResourceType::PATIENT).map(|each| each.id).collect::<Vec<_>>();
        assert_eq!(bits(&registry, &all), [i64::MAX ^ SOLE_SUBJECT, i64::MAX]);
        let registry = registry.with(last.into_iter().collect());
        let refused = check(&registry);
        assert!(matches!(refused, Err(StoreError::TooManyParameters { .. })), "{refused:?}");
    }
}
