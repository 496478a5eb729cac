//! Which resources of a package are kept.

use fhir_model::ResourceType;

/// Types of resources that are published under a canonical URL.
const CANONICAL: &[ResourceType] = &[
    ResourceType::ACTIVITY_DEFINITION,
    ResourceType::CAPABILITY_STATEMENT,
    ResourceType::CHARGE_ITEM_DEFINITION,
    ResourceType::CODE_SYSTEM,
    ResourceType::COMPARTMENT_DEFINITION,
    ResourceType::CONCEPT_MAP,
    ResourceType::EVENT_DEFINITION,
    ResourceType::EXAMPLE_SCENARIO,
    ResourceType::GRAPH_DEFINITION,
    ResourceType::IMPLEMENTATION_GUIDE,
    ResourceType::LIBRARY,
    ResourceType::MEASURE,
    ResourceType::MESSAGE_DEFINITION,
    ResourceType::OPERATION_DEFINITION,
    ResourceType::PLAN_DEFINITION,
    ResourceType::QUESTIONNAIRE,
    ResourceType::SEARCH_PARAMETER,
    ResourceType::STRUCTURE_DEFINITION,
    ResourceType::STRUCTURE_MAP,
    ResourceType::TERMINOLOGY_CAPABILITIES,
    ResourceType::TEST_SCRIPT,
    ResourceType::VALUE_SET,
];

/// Whether a resource of a package is kept: one that others may refer to by its canonical URL, or
/// a NamingSystem, which R4 gives no URL.
#[must_use]
pub fn is_kept(resource_type: ResourceType, url: Option<&str>) -> bool {
    resource_type == ResourceType::NAMING_SYSTEM
        || (url.is_some() && CANONICAL.contains(&resource_type))
}
