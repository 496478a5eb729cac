//! What one rule asks of one value: its type, fixed value, pattern and constraints.

use fhir_model::{Severity, Value};
use fhir_path::Type;

use super::discriminate::{Verdict, is_of};
use super::{Active, Walk};
use crate::at::At;
use crate::inquiry::Scope;
use crate::options::BestPractice;
use crate::path::Path;
use crate::program::{Condition, Constraint, TypeRule, check};
use crate::report::RuleKind;

impl<'a> Walk<'a> {
    pub(super) fn check(
        &mut self,
        active: Active<'a>,
        at: &At<'a>,
        from: usize,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let rule = active.rule;
        if rule.checks == 0 {
            return;
        }
        if rule.asks(check::TYPES) && !self.has_type(active, at, path) {
            return;
        }
        if rule.asks(check::PROFILES) {
            self.of_profile(active, at, from, path, scope);
        }
        if rule.asks(check::VALUE) {
            self.value(active, at, path, scope);
        }
        if rule.asks(check::BINDING) {
            self.binding(active, at, path);
        }
        if rule.asks(check::REFERENCE) {
            self.reference(active, at, path, scope);
        }
        if rule.asks(check::CONSTRAINTS) {
            for constraint in &rule.constraints {
                self.constraint(constraint, at, path, scope);
            }
        }
    }

    /// Whether a value is of a type that the rule takes.
    fn has_type(&mut self, active: Active<'a>, at: &At<'a>, path: &Path<'_>) -> bool {
        let types = &active.rule.types;
        if types.iter().any(|each| takes(each, at.kind)) {
            return true;
        }
        let mut names: Vec<&str> =
            types.iter().filter_map(|each| each.code).map(Type::name).collect();
        names.dedup();
        let text = format!("expected {}, found {}", names.join(" or "), at.kind.name());
        let what = (Severity::Error, RuleKind::Type);
        self.find(what, at.offset(), path, active.name(), text);
        false
    }

    /// Holds a value to the profiles of its type: one is walked along, of several one must fit.
    fn of_profile(
        &mut self,
        active: Active<'a>,
        at: &At<'a>,
        from: usize,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let types = active.rule.types.iter().filter(|each| takes(each, at.kind));
        let mut profiles = Vec::new();
        for each in types {
            if each.profiles.is_empty() {
                return;
            }
            profiles.extend_from_slice(&each.profiles);
        }
        let what = (Severity::Error, RuleKind::Type);
        match profiles.as_slice() {
            [] => {}
            [only] => match self.inquiry.library.program(*only) {
                Ok(program) if is_of(at.kind, program.subject) => self.roots(from, program),
                Ok(program) => {
                    let text = format!("expected {}, found {}", program.url, at.kind.name());
                    self.find(what, at.offset(), path, active.name(), text);
                }
                Err(why) => {
                    let canonical = self.inquiry.library.canonical(*only);
                    let text = format!("the profile {canonical} {}", why.text());
                    let what = (Severity::Warning, RuleKind::Profile);
                    self.find(what, at.offset(), path, active.name(), text);
                }
            },
            several => {
                let mut fits = false;
                for id in several {
                    fits = fits || self.conforms(at, *id, scope) != Verdict::No;
                }
                if !fits {
                    let names: Vec<&str> =
                        several.iter().map(|id| self.inquiry.library.canonical(*id)).collect();
                    let text = format!("expected one of the profiles {}", names.join(", "));
                    self.find(what, at.offset(), path, active.name(), text);
                }
            }
        }
    }

    fn value(&mut self, active: Active<'a>, at: &At<'a>, path: &Path<'_>, scope: &Scope<'_, 'a>) {
        let rule = active.rule;
        if let Some(fixed) = &rule.fixed
            && !at.value.is_some_and(|value| fixed.equals(value))
        {
            let text = format!("expected exactly {}, found {}", fixed.shown(), shape(at.value));
            let what = (Severity::Error, RuleKind::Fixed);
            self.find(what, at.offset(), path, active.name(), text);
        }
        if let Some(pattern) = &rule.pattern
            && !at.value.is_some_and(|value| pattern.is_in(value))
        {
            let found = shape(at.value);
            let text = format!("expected at least {}, found {found}", pattern.shown());
            let what = (Severity::Error, RuleKind::Pattern);
            self.find(what, at.offset(), path, active.name(), text);
        }
        if let Some(bounds) = rule.bounds.as_deref() {
            self.bounds(active, bounds, at, path, scope);
        }
    }

    fn constraint(
        &mut self,
        constraint: &'a Constraint,
        at: &At<'a>,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let severity = match (constraint.is_best_practice, self.inquiry.options.best_practice) {
            (true, BestPractice::Ignore) => return,
            (true, BestPractice::Warning) => Severity::Warning,
            (true, BestPractice::Error) => Severity::Error,
            (false, _) => constraint.severity,
        };
        let expression = match &constraint.condition {
            Condition::Native(native) => {
                let value = at.value.or(at.beside);
                if value.is_some_and(|value| !native.holds(value, scope.root)) {
                    self.broken(constraint, severity, at, path);
                }
                return;
            }
            Condition::Guarded(guard, expression) => {
                if at.value.is_none_or(|value| guard.lets_pass(value)) {
                    return;
                }
                expression
            }
            Condition::Path(expression) => expression,
        };
        match expression.holds(scope.environment, &[at.item()]) {
            // What has no result says nothing against the element: R4's own examples need that.
            Ok(Some(true) | None) => {}
            Ok(Some(false)) => self.broken(constraint, severity, at, path),
            Err(error) => {
                let text = format!("constraint {} cannot be decided: {error}", constraint.key);
                let what = (Severity::Warning, RuleKind::Invariant);
                self.find(what, at.offset(), path, constraint.key.to_string(), text);
            }
        }
        // Expressions are where the time goes.
        self.inquiry.look();
    }

    #[cold]
    fn broken(
        &mut self,
        constraint: &Constraint,
        severity: Severity,
        at: &At<'a>,
        path: &Path<'_>,
    ) {
        let text = format!("constraint {} fails: {}", constraint.key, constraint.human);
        let what = (severity, RuleKind::Invariant);
        self.find(what, at.offset(), path, constraint.key.to_string(), text);
    }
}

/// Whether an entry of `ElementDefinition.type` takes values of a type.
fn takes(entry: &TypeRule, found: Type) -> bool {
    entry.code.is_none_or(|wanted| {
        is_of(found, wanted) || (wanted.name() == "BackboneElement" && !found.is_resource())
    })
}

/// What a value is, without telling what it holds.
pub(super) fn shape(value: Option<Value<'_>>) -> String {
    match value {
        None => "no value".to_owned(),
        Some(value) => match value.text() {
            Some(text) => format!("a string of length {}", text.chars().count()),
            None => format!("{} that differs", value.kind().name()),
        },
    }
}
