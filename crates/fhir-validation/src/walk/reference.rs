//! References and canonicals: where they lead, and whether they may lead there.

use std::borrow::Cow;

use fhir_definitions::{Primitive, ResourceType};
use fhir_model::{ResourceView, Severity, Value};
use fhir_path::Type;

use super::discriminate::Verdict;
use super::{Active, Walk, resource};
use crate::at::At;
use crate::inquiry::{Led, Scope};
use crate::path::Path;
use crate::program::{Target, TypeRule, Versioning, aggregation};
use crate::report::RuleKind;
use crate::world::Found;

/// What is known of the target of a reference.
struct Known<'a> {
    kind: Option<ResourceType>,
    view: Option<ResourceView<'a>>,
    /// A bit of [`aggregation`].
    place: u8,
}

impl<'a> Walk<'a> {
    /// Holds a Reference to what its rule says of targets.
    pub(super) fn reference(
        &mut self,
        active: Active<'a>,
        at: &At<'a>,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let is_canonical = at.kind == Type::Primitive(Primitive::Canonical);
        if !is_canonical && at.kind.name() != "Reference" {
            return;
        }
        let own: Vec<&TypeRule> =
            active.rule.types.iter().filter(|each| each.code == Some(at.kind)).collect();
        if own.is_empty() {
            return;
        }
        let text = if is_canonical { at.value.and_then(Value::text) } else { at.text("reference") };
        let known = match &text {
            Some(text) if is_canonical => self.canonical(text, &own, scope),
            Some(text) => self.known(text, scope),
            None => Some(Known { kind: None, view: None, place: 0 }),
        };
        let Some(known) = known else {
            return self.nowhere(active, at, path, text.as_deref());
        };
        let declared = if is_canonical { None } else { at.text("type") };
        let declared = declared.as_deref().and_then(ResourceType::named);
        self.target((active, &own), at, (&known, declared), path, scope);
        if let Some(text) = &text {
            self.manner(active, &own, at, (&known, text), path);
        }
    }

    fn known(&self, text: &str, scope: &Scope<'_, 'a>) -> Option<Known<'a>> {
        let found = |view: ResourceView<'a>, place: u8| {
            Some(Known { kind: Some(view.resource_type), view: Some(view), place })
        };
        let place = aggregation::REFERENCED;
        match self.inquiry.lead(text, scope) {
            Led::Contained(view) => found(view, aggregation::CONTAINED),
            Led::Bundled(view) => found(view, aggregation::BUNDLED),
            Led::Remote(view) => found(view, place),
            Led::Type(kind) => Some(Known { kind: Some(kind), view: None, place }),
            Led::Unread => Some(Known { kind: resource::named_type(text), view: None, place }),
            Led::Missing => None,
        }
    }

    /// What a canonical leads to: a contained resource, or one of a type that it may lead to.
    /// Nothing where there is surely none.
    fn canonical(&self, text: &str, own: &[&TypeRule], scope: &Scope<'_, 'a>) -> Option<Known<'a>> {
        if text.starts_with('#') {
            return self.known(text, scope);
        }
        let unread = Known { kind: None, view: None, place: 0 };
        let mut is_missing = false;
        for target in own.iter().flat_map(|each| &each.targets) {
            let Target::Type(kind) = target else { return Some(unread) };
            match self.inquiry.world.canonical(*kind, text) {
                Found::Resource(_) | Found::Type(_) | Found::Unread => return Some(unread),
                Found::Missing => is_missing = true,
            }
        }
        (!is_missing).then_some(unread)
    }

    /// Where a reference leads nowhere. What is contained must be there, and constraints of R4
    /// say so; what lies elsewhere may come later.
    #[cold]
    fn nowhere(&mut self, active: Active<'a>, at: &At<'a>, path: &Path<'_>, text: Option<&str>) {
        let is_local = text.is_some_and(|text| text.starts_with('#'));
        let (severity, expected) = if is_local {
            (Severity::Error, "a contained resource with this id")
        } else {
            (Severity::Warning, "a resource that is here")
        };
        let text = format!("expected {expected}, found none");
        let what = (severity, RuleKind::Reference);
        self.find(what, at.offset(), path, active.name(), text);
    }

    /// Whether a target is of a type, or conforms to a profile, that is asked for.
    fn target(
        &mut self,
        (active, own): (Active<'a>, &[&TypeRule]),
        at: &At<'a>,
        (known, declared): (&Known<'a>, Option<ResourceType>),
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let what = (Severity::Error, RuleKind::Reference);
        if let (Some(kind), Some(declared)) = (known.kind, declared)
            && kind != declared
        {
            let text = format!("expected the type {kind} of the target, found {declared}");
            let place = path.below("type");
            self.find(what, at.offset(), &place, active.name(), text);
        }
        let Some(kind) = known.kind.or(declared) else { return };
        let targets = || own.iter().flat_map(|each| &each.targets);
        if targets().next().is_none() {
            return;
        }
        let mut fits = false;
        for target in targets() {
            fits = fits
                || match target {
                    Target::Any => true,
                    Target::Type(wanted) => *wanted == kind,
                    Target::Profile(id) => {
                        let target = known.view.map(At::resource);
                        let kind = Type::of_resource(kind);
                        let unread = At { value: None, beside: None, kind };
                        self.conforms(&target.unwrap_or(unread), *id, scope) != Verdict::No
                    }
                };
        }
        if !fits {
            let names: Vec<Cow<'_, str>> = targets().map(|each| self.target_name(*each)).collect();
            let text =
                format!("expected a reference to {}, found one to {kind}", names.join(" or "));
            self.find(what, at.offset(), path, active.name(), text);
        }
    }

    fn target_name(&self, target: Target) -> Cow<'a, str> {
        match target {
            Target::Any => Cow::Borrowed("any resource"),
            Target::Type(kind) => Cow::Borrowed(kind.as_str()),
            Target::Profile(id) => Cow::Borrowed(self.inquiry.library.canonical(id)),
        }
    }

    /// Holds a reference to `aggregation` and `versioning`.
    fn manner(
        &mut self,
        active: Active<'a>,
        own: &[&TypeRule],
        at: &At<'a>,
        (known, text): (&Known<'a>, &str),
        path: &Path<'_>,
    ) {
        let what = (Severity::Error, RuleKind::Reference);
        let places = own.iter().fold(0, |places, each| places | each.aggregation);
        let is_free = own.iter().any(|each| each.aggregation == 0);
        if !is_free && known.place & places == 0 {
            let names = [
                (aggregation::CONTAINED, "contained"),
                (aggregation::REFERENCED, "referenced"),
                (aggregation::BUNDLED, "bundled"),
            ];
            let names_of = |bits: u8| {
                let named = names.iter().filter(|(bit, _)| bits & bit != 0);
                named.map(|(_, name)| *name).collect::<Vec<_>>().join(" or ")
            };
            let (expected, found) = (names_of(places), names_of(known.place));
            let text = format!("expected a target that is {expected}, found one that is {found}");
            self.find(what, at.offset(), path, active.name(), text);
        }
        let is_specific = text.contains("/_history/") || text.contains('|');
        let expected = own.iter().map(|each| each.versioning).find_map(|each| match each {
            Versioning::Specific if !is_specific => Some("to a version, found one to none"),
            Versioning::Independent if is_specific => Some("to no version, found one to some"),
            Versioning::Specific | Versioning::Independent | Versioning::Either => None,
        });
        if let Some(expected) = expected {
            let text = format!("expected a reference {expected}");
            self.find(what, at.offset(), path, active.name(), text);
        }
    }
}
