//! Rules of a service that FHIRPath can say, each with its id and where it comes from.

use fhir_access::Claims;
use fhir_definitions::ResourceType;
use fhir_model::{FailureKind, Instant, Issue, IssueType, ResourceView};

use crate::path::Path;
use crate::service::Service;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    /// What it is evaluated on: the Bundle, or each written resource of a type.
    pub(crate) on: ResourceType,
    pub(crate) path: Path,
    pub(crate) text: String,
    /// The element that is told, below what it is evaluated on.
    pub(crate) at: String,
    pub(crate) kind: FailureKind,
}

/// What rules may know beside the resource.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is known of the caller; the rules see it as constants such as `%organisation`.
    pub claims: &'a Claims,
    /// The present instant.
    pub now: Instant,
}

/// An issue with the kind of failure that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The kind.
    pub kind: FailureKind,
    /// What is told.
    pub issue: Issue,
}

impl Held {
    pub(crate) fn new(
        kind: FailureKind,
        rule: &str,
        at: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let issue = Issue::error(kind.answer().1, text).at(at).rule(rule.to_owned());
        Self { kind, issue }
    }
}

impl<'a> Facts<'a> {
    /// Names and values of the constants.
    pub(crate) fn constants(&self) -> [(&'static str, Option<&'a str>); 7] {
        let value = |identifier: &'a Option<fhir_access::Identifier>| {
            identifier.as_ref().map(|identifier| identifier.value.as_str())
        };
        [
            ("organisation", value(&self.claims.organisation)),
            ("register", value(&self.claims.register)),
            ("unit", value(&self.claims.unit)),
            ("person", value(&self.claims.person)),
            ("client", self.claims.client.as_deref()),
            ("role", self.claims.role.as_deref()),
            ("purpose", self.claims.purpose.as_deref()),
        ]
    }
}

impl Service {
    /// The rules that a written resource breaks. `place` is where it stands: empty, or
    /// `Bundle.entry[1].resource`; `root` is what it stands in.
    #[must_use]
    pub fn broken_rules(
        &self,
        (view, root): (ResourceView<'_>, ResourceView<'_>),
        place: &str,
        facts: &Facts<'_>,
    ) -> Vec<Held> {
        let place = if place.is_empty() { view.resource_type.as_str() } else { place };
        let rules = self.rules.iter().filter(|rule| rule.on == view.resource_type);
        let broken = rules.filter(|rule| !rule.path.holds(view, root, facts));
        broken
            .map(|rule| {
                let at = if rule.at.is_empty() {
                    place.to_owned()
                } else {
                    format!("{place}.{}", rule.at)
                };
                let mut held = Held::new(rule.kind, &rule.id, at, rule.text.clone());
                if rule.kind == FailureKind::BusinessRule {
                    held.issue.code = IssueType::BusinessRule;
                }
                held
            })
            .collect()
    }

    /// The issue of a profile that is lacking.
    pub(crate) fn lacks_profile(&self, view: ResourceView<'_>, among: &[String]) -> bool {
        let named = view.value.get("meta").and_then(|meta| meta.get("profile"));
        let mut named = named.into_iter().flat_map(fhir_model::Value::items);
        !among.is_empty()
            && !named.any(|profile| {
                profile.text().is_some_and(|text| {
                    let bare = text.split('|').next().unwrap_or_default();
                    among.iter().any(|each| each == bare || *each == text)
                })
            })
    }

    /// What is wrong with a resource that is written at a URL of its own.
    #[must_use]
    pub fn wrong_resource(&self, view: ResourceView<'_>, facts: &Facts<'_>) -> Vec<Held> {
        let mut wrong = self.broken_rules((view, view), "", facts);
        if let Some(of_type) = self.of_type(view.resource_type)
            && self.lacks_profile(view, &of_type.profiles)
        {
            let rule = self.shape.as_ref().map_or("profile", |shape| shape.rules.profile.as_str());
            let at = format!("{}.meta.profile", view.resource_type);
            let text = "meta.profile names a profile of this service";
            wrong.push(Held::new(FailureKind::InvalidResource, rule, at, text));
        }
        wrong
    }
}
