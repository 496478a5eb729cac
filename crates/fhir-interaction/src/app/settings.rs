//! What the operator chose about interactions.

use std::sync::Arc;

use fhir_access::Disclosure;
use fhir_definitions::ResourceType;

use crate::booking::BookingSettings;
use crate::bound::Reserved;
use crate::reference::References;
use crate::validation::ValidationSettings;

/// What the operator chose about interactions.
#[derive(Clone, Debug)]
pub struct InteractionSettings {
    /// Entries a page of search or history holds where the client names no `_count`.
    pub default_count: u32,
    /// The most entries a page may hold; larger `_count`s are lowered to it.
    pub max_count: u32,
    /// The most resources that `_include` and `_revinclude` add to one page.
    pub max_included: usize,
    /// The most codes of a value set, or of what a code subsumes, that a search may ask for.
    pub max_codes: usize,
    /// The most entries of one transaction or batch.
    pub max_bundle_entries: usize,
    /// Whether a conditional delete may end several resources at once.
    pub conditional_delete: ConditionalDelete,
    /// The most resources that one conditional delete ends; where more match, none is deleted.
    pub max_conditional_deletes: usize,
    /// Unknown search parameters are refused where the client doesn't say otherwise.
    pub strict_search: bool,
    /// `_explain` is answered: the plan of a search tells which values are frequent.
    pub explain: bool,
    /// Search parameters that are always let through with a warning.
    pub always_allowed: Vec<String>,
    /// What may be referred to, and what becomes of references to what is deleted.
    pub references: References,
    /// What resources are held to, and when.
    pub validation: ValidationSettings,
    /// Types that are searched by POST alone, so that no criteria stand in URLs.
    pub post_only: PostOnly,
    /// Whether resources that carry rules of access are checked as such: see
    /// [`fhir_access::RULE_CODE`].
    pub stored_rules: bool,
    /// Booking of slots.
    pub booking: BookingSettings,
    /// What decides about the records of persons, for callers whom it concerns; none: the policy
    /// alone decides.
    pub disclosure: Option<Arc<dyn Disclosure>>,
    /// Bytes of what decisions rest on that are remembered, about; 0: all is read each time.
    pub disclosure_memory: u64,
    /// Where apps get their tokens, where the server wants tokens.
    pub authorization: Option<Authorization>,
    /// Profiles whose resources are written through one service alone.
    pub reserved: Vec<Reserved>,
}

/// Types that are searched by POST alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PostOnly {
    /// None: GET and POST find the same.
    #[default]
    Nothing,
    /// These.
    Types(Vec<ResourceType>),
    /// All.
    Everything,
}

impl PostOnly {
    /// Whether a type is one of them.
    #[must_use]
    pub fn has(&self, resource_type: ResourceType) -> bool {
        match self {
            Self::Nothing => false,
            Self::Types(types) => types.contains(&resource_type),
            Self::Everything => true,
        }
    }
}

/// The endpoints of OAuth 2.0 that `CapabilityStatement.rest.security` tells of. Spec:
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// Where users are sent; empty where there are none.
    pub authorize: String,
    /// Where tokens are given; empty where the settings do not tell.
    pub token: String,
    /// What whoever reads of it must know.
    pub description: Option<String>,
}

/// What a conditional delete may do. Spec:
/// <https://hl7.org/fhir/R4/valueset-conditional-delete-status.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalDelete {
    /// Only a single match is deleted; several are refused with 412.
    Single,
    /// All matches are deleted.
    Multiple,
}

impl ConditionalDelete {
    /// The code of the specification.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multiple => "multiple",
        }
    }
}

impl Default for InteractionSettings {
    fn default() -> Self {
        Self {
            default_count: 20,
            max_count: 1000,
            max_included: 1000,
            max_codes: 10_000,
            max_bundle_entries: 10_000,
            conditional_delete: ConditionalDelete::Single,
            max_conditional_deletes: 1000,
            strict_search: true,
            explain: false,
            always_allowed: Vec::new(),
            references: References::default(),
            validation: ValidationSettings::default(),
            post_only: PostOnly::default(),
            stored_rules: false,
            booking: BookingSettings::default(),
            disclosure: None,
            disclosure_memory: 32 << 20,
            authorization: None,
            reserved: Vec::new(),
        }
    }
}
