//! What an evaluation knows beside its focus.

use fhir_model::date::Zone;
use fhir_model::{Instant, ResourceView};

use crate::item::Item;
use crate::node::Node;

/// What a reference leads to.
#[derive(Clone, Copy, Debug)]
pub enum Resolution<'a> {
    /// The resource.
    Found(ResourceView<'a>),
    /// There is no such resource.
    Missing,
    /// Nobody has looked; the type may still be known from the reference.
    Unread,
}

/// The world outside of the resource. Everything has a default that knows nothing.
pub trait Host<'a> {
    /// The resource of a reference that leads out of its document.
    fn resolve(&self, reference: &str) -> Resolution<'a> {
        let _ = reference;
        Resolution::Unread
    }

    /// Whether a code, Coding or CodeableConcept is in a value set; `None` where nobody knows.
    fn member_of(&self, item: &Item<'a>, value_set: &str) -> Option<bool> {
        let _ = (item, value_set);
        None
    }

    /// Whether a resource or element conforms to a profile; `None` where nobody knows.
    fn conforms_to(&self, item: &Item<'a>, profile: &str) -> Option<bool> {
        let _ = (item, profile);
        None
    }

    /// Whether an element is in the slice `name` of a profile; `None` where nobody knows.
    fn in_slice(&self, item: &Item<'a>, structure: &str, name: &str) -> Option<bool> {
        let _ = (item, structure, name);
        None
    }

    /// Whether the code `general` subsumes the code `special`; `None` where nobody knows.
    fn subsumes(&self, general: &Item<'a>, special: &Item<'a>) -> Option<bool> {
        let _ = (general, special);
        None
    }

    /// Whether a narrative keeps the rules for XHTML. Bodies are checked when they are parsed, so
    /// this is `true` unless the host looks again.
    fn html_checks(&self, xhtml: &str) -> bool {
        let _ = xhtml;
        true
    }

    /// Told what passes a `trace()`. Values may be about persons: they belong in no log.
    fn trace(&self, name: &str, items: &[Item<'a>]) {
        let _ = (name, items);
    }

    /// The value of a `%name` that neither the specification nor the environment knows.
    fn constant(&self, name: &str) -> Option<Vec<Item<'a>>> {
        let _ = name;
        None
    }
}

/// A host that knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host<'_> for NoHost {}

/// The steps that an evaluation is granted unless told otherwise: far more than any expression of
/// the specification takes on its largest examples.
const DEFAULT_STEPS: u64 = 1_000_000;

/// What an evaluation knows beside its focus.
pub struct Environment<'a> {
    pub(crate) resource: Option<Node<'a>>,
    pub(crate) root: Option<Node<'a>>,
    pub(crate) now: Option<Instant>,
    pub(crate) zone: Zone,
    pub(crate) host: &'a dyn Host<'a>,
    pub(crate) constants: Vec<(String, Vec<Item<'a>>)>,
    pub(crate) max_steps: u64,
}

impl<'a> Environment<'a> {
    /// An environment in which `%resource` and `%rootResource` are `resource`. There is no clock,
    /// times without a zone are in UTC, and nothing is known of the world outside.
    #[must_use]
    pub fn new(resource: ResourceView<'a>) -> Self {
        let node = Node::resource(resource);
        Self {
            resource: Some(node),
            root: Some(node),
            now: None,
            zone: Zone::utc(),
            host: &NoHost,
            constants: Vec::new(),
            max_steps: DEFAULT_STEPS,
        }
    }

    /// For a focus inside a contained resource: `%resource` is that one, `%rootResource` what
    /// contains it.
    #[must_use]
    pub fn contained(self, resource: ResourceView<'a>, root: ResourceView<'a>) -> Self {
        let (resource, root) = (Node::resource(resource), Node::resource(root));
        Self { resource: Some(resource), root: Some(root), ..self }
    }

    /// With a clock: `now()` is always this instant.
    #[must_use]
    pub fn at(self, now: Instant) -> Self {
        Self { now: Some(now), ..self }
    }

    /// With the zone of dates and times that name none.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// With somebody to ask about the world outside.
    #[must_use]
    pub fn with_host(self, host: &'a dyn Host<'a>) -> Self {
        Self { host, ..self }
    }

    /// With a value for `%name`.
    #[must_use]
    pub fn with_constant(mut self, name: impl Into<String>, value: Vec<Item<'a>>) -> Self {
        self.constants.push((name.into(), value));
        self
    }

    /// With another budget: about one step for each item that is looked at.
    #[must_use]
    pub fn with_max_steps(self, max_steps: u64) -> Self {
        Self { max_steps, ..self }
    }

    /// The constants of the specifications.
    pub(crate) fn fixed(name: &str) -> Option<String> {
        let fixed = match name {
            "ucum" => "http://unitsofmeasure.org",
            "sct" => "http://snomed.info/sct",
            "loinc" => "http://loinc.org",
            _ => {
                let value_set = name.strip_prefix("vs-").map(|name| ("ValueSet", name));
                let extension = name.strip_prefix("ext-").map(|name| ("StructureDefinition", name));
                let (kind, name) = value_set.or(extension)?;
                return Some(format!("http://hl7.org/fhir/{kind}/{name}"));
            }
        };
        Some(fixed.to_owned())
    }
}
