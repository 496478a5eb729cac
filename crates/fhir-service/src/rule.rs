//! Rules of a service that FHIRPath can say, each with its id and where it comes from.

use fhir_access::{CallerKind, Claims};
use fhir_definitions::ResourceType;
use fhir_model::{FailureKind, Instant, Issue, IssueType, ResourceView};

use crate::path::Path;
use crate::service::{Direct, Service};

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

/// A rule about what stands before an interaction changes or ends it.
#[derive(Clone, Debug)]
pub(crate) struct StoredRule {
    pub(crate) before: Vec<Direct>,
    pub(crate) rule: Rule,
}

/// What rules may know beside the resource.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is known of the caller; the rules see it as constants such as `%organisation`.
    pub claims: &'a Claims,
    /// What kind of caller it is: `%kind`.
    pub kind: CallerKind,
    /// `%interaction`: the code of that at a URL of its own, or `transaction`.
    pub interaction: &'static str,
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

impl Rule {
    fn broken_at(&self, place: &str) -> Held {
        let at = if self.at.is_empty() { place.to_owned() } else { format!("{place}.{}", self.at) };
        let mut held = Held::new(self.kind, &self.id, at, self.text.clone());
        if self.kind == FailureKind::BusinessRule {
            held.issue.code = IssueType::BusinessRule;
        }
        held
    }
}

impl<'a> Facts<'a> {
    /// Names and values of the constants.
    pub(crate) fn constants(&self) -> [(&'static str, Option<&'a str>); 9] {
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
            ("kind", Some(self.kind.code())),
            ("interaction", Some(self.interaction)),
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
        broken.map(|rule| rule.broken_at(place)).collect()
    }

    /// Whether it matters to an interaction with a resource of this type what is stored.
    #[must_use]
    pub fn looks_before(&self, resource_type: ResourceType, direct: Direct) -> bool {
        let has_same = || self.sames.iter().any(|same| same.resource_type == resource_type);
        let has_rule =
            |each: &StoredRule| each.rule.on == resource_type && each.before.contains(&direct);
        let of_type = self.of_type(resource_type);
        let names_version = || of_type.is_some_and(|each| each.if_match);
        let purges = || of_type.is_some_and(|each| each.purges);
        self.stored.iter().any(has_rule)
            || (direct == Direct::Update && (has_same() || names_version()))
            || (direct == Direct::Delete && purges())
    }

    /// The rules that forbid an interaction with what is stored.
    #[must_use]
    pub fn forbidden_before(
        &self,
        stored: ResourceView<'_>,
        direct: Direct,
        facts: &Facts<'_>,
    ) -> Vec<Held> {
        let of_type = self.stored.iter().filter(|each| each.rule.on == stored.resource_type);
        let rules = of_type.filter(|each| each.before.contains(&direct)).map(|each| &each.rule);
        let broken = rules.filter(|rule| !rule.path.holds(stored, stored, facts));
        broken.map(|rule| rule.broken_at(stored.resource_type.as_str())).collect()
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
