//! Who asks, in the terms of disclosure.

use fhir_access::{Caller, CallerKind, Identifier};

use super::settings::{Settings, bare};
use super::situation::{Register, Sector};

/// Why somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Care or service, or nothing that was said.
    #[default]
    Care,
    /// An emergency.
    Emergency,
    /// A right to information that a law gives.
    Statutory,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// What the caller is in relation to the data.
    pub kind: CallerKind,
    /// The register acted for.
    pub register: Option<Register>,
    /// The sector of that register.
    pub sector: Option<Sector>,
    /// The organisation that asks; its OID.
    pub organisation: Option<String>,
    /// The unit of the organisation.
    pub unit: Option<String>,
    /// The register is the organisation's own.
    pub is_own_register: bool,
    /// Why.
    pub purpose: Purpose,
    /// The role may state a right that a law gives.
    pub may_state_right: bool,
    /// The role supervises the log of the controller.
    pub is_supervisor: bool,
    /// The system may show wellbeing data to professionals.
    pub is_approved: bool,
}

impl Requester {
    /// A caller as settings read it.
    #[must_use]
    pub fn of(caller: &Caller, settings: &Settings) -> Self {
        let claims = caller.claims();
        let oid = |identifier: &Option<Identifier>| {
            identifier.as_ref().map(|own| bare(&own.value).to_owned())
        };
        let organisation = oid(&claims.organisation);
        let kind = claims.register_type.as_ref().map(|kind| settings.register_type(kind));
        let controller = oid(&claims.register);
        let register = controller.zip(kind).map(|(controller, kind)| Register {
            controller,
            kind,
            specifier: oid(&claims.register_specifier),
        });
        let sector = register.as_ref().and_then(|register| settings.sector(&register.kind));
        let is_own_register = register.as_ref().is_some_and(|register| {
            organisation.as_ref().is_some_and(|own| settings.controls(own, &register.controller))
        });
        let is_one = |words: &[String], own: &Option<String>| {
            own.as_ref().is_some_and(|own| words.contains(own))
        };
        let purpose = if is_one(&settings.text.emergency_purposes, &claims.purpose) {
            Purpose::Emergency
        } else if is_one(&settings.text.statutory_purposes, &claims.purpose) {
            Purpose::Statutory
        } else {
            Purpose::Care
        };
        Self {
            kind: caller.kind(),
            register,
            sector,
            organisation,
            unit: oid(&claims.unit),
            is_own_register,
            purpose,
            may_state_right: is_one(&settings.text.statutory_roles, &claims.role),
            is_supervisor: is_one(&settings.text.log_roles, &claims.role),
            is_approved: is_one(&settings.text.approved_clients, &claims.client),
        }
    }
}
