//! Names of parameters, through references forth (`subject:Patient.name`) and back (`_has`).
//! Spec: <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>

use fhir_definitions::ResourceType;
use fhir_model::FailureKind;

use super::criterion::{COLUMNS, Criterion};
use super::near::hint;
use super::notes::{Fault, Notes};
use super::parse::Context;
use super::reference::list;
use super::result::{resource_type, shown};
use super::{Chain, Has, Match, Predicate, Scope};
use crate::{ParameterId, ParameterKind, SearchParameter};

/// References that a name may lead through.
pub(crate) const MAX_DEPTH: usize = 10;

/// Ways that the names of one query may take in all, those that lead nowhere too.
const MAX_CHAINS: usize = 2_000;

/// What stands at the end of a name: makes the predicate in the scope that was reached.
pub(crate) type End<'e> = &'e dyn Fn(&Context<'_>, &str, usize, &mut Notes) -> Option<Predicate>;

impl Context<'_> {
    /// The predicate of a name with its text.
    pub(crate) fn named(&self, name: &str, text: &str, notes: &mut Notes) -> Option<Predicate> {
        self.path(name, name, 0, notes, &|context, rest, depth, notes| {
            let (code, modifier) = match rest.split_once(':') {
                Some((code, modifier)) => (code, Some(modifier)),
                None => (rest, None),
            };
            context.criterion(Criterion { place: name, code, modifier, text }, depth, notes)
        })
    }

    /// Follows a name to its last parameter. `place` is the whole name, `rest` what is left of it.
    pub(crate) fn path(
        &self,
        place: &str,
        rest: &str,
        depth: usize,
        notes: &mut Notes,
        end: End<'_>,
    ) -> Option<Predicate> {
        notes.chains += usize::from(depth > 0);
        if depth > MAX_DEPTH || notes.chains > MAX_CHAINS {
            // Once is enough: what follows would say the same.
            if !notes.faults.iter().any(|fault| fault.kind == FailureKind::TooCostly) {
                let text = format!(
                    "the names lead through more than {MAX_DEPTH} references or {MAX_CHAINS} \
                     ways; types, as in subject:Patient.name, make them fewer"
                );
                notes.fault(FailureKind::TooCostly, place, text);
            }
            return None;
        }
        if let Some(rest) = rest.strip_prefix("_has:") {
            return self.has(place, rest, depth, notes, end);
        }
        match rest.split_once('.') {
            Some((head, tail)) => {
                let (code, only) = match head.split_once(':') {
                    Some((code, only)) => (code, Some(only)),
                    None => (head, None),
                };
                let only = match only.map(resource_type).transpose() {
                    Ok(only) => only,
                    Err(text) => {
                        notes.fault(FailureKind::UnsupportedModifier, place, text);
                        return None;
                    }
                };
                let step = Step { place, code, only, tail };
                self.chain(&step, notes, &|context, notes| {
                    context.path(place, tail, depth + 1, notes, end).map(|each| vec![each])
                })
            }
            None => end(self, rest, depth, notes),
        }
    }

    /// One reference forth, to every type that it may point at and that takes what follows.
    pub(crate) fn chain(
        &self,
        step: &Step<'_>,
        notes: &mut Notes,
        all: &dyn Fn(&Context<'_>, &mut Notes) -> Option<Vec<Predicate>>,
    ) -> Option<Predicate> {
        let parameters = self.references(step, notes)?;
        let points = |parameter: &SearchParameter, target: ResourceType| {
            parameter.targets.is_empty() || parameter.targets.contains(&target)
        };
        let targets: Vec<ResourceType> = ResourceType::all()
            .filter(|target| step.only.is_none_or(|only| only == *target))
            .filter(|target| parameters.iter().any(|parameter| points(parameter, *target)))
            .collect();
        if let (Some(only), []) = (step.only, targets.as_slice()) {
            let types = parameters.first().map(|first| list(&first.targets)).unwrap_or_default();
            notes.invalid(step.place, format!("{} never points at a {only}{types}", step.code));
            return None;
        }
        let mut any = Vec::new();
        let mut wrong: Vec<(ResourceType, Vec<Fault>)> = Vec::new();
        for target in &targets {
            let scope = Scope::Type(*target);
            let inner = Context { scope: &scope, ..*self };
            let mut own = Notes { chains: notes.chains, ..Notes::default() };
            let found = all(&inner, &mut own);
            notes.chains = own.chains;
            if own.faults.iter().any(|fault| fault.kind == FailureKind::TooCostly) {
                notes.faults.append(&mut own.faults);
                return None;
            }
            match found.filter(|_| own.faults.is_empty()) {
                Some(all) => {
                    own.warnings.retain(|warning| !notes.warnings.contains(warning));
                    notes.warnings.extend(own.warnings);
                    let ids = parameters.iter().filter(|parameter| points(parameter, *target));
                    let parameters: Vec<ParameterId> = ids.map(|parameter| parameter.id).collect();
                    any.push(Match::Chain(Chain { parameters, target: *target, all }));
                }
                None => wrong.push((*target, own.faults)),
            }
        }
        if any.is_empty() {
            self.nowhere(step, wrong, notes);
            return None;
        }
        Some(Predicate { any })
    }

    /// The reference parameters of a step.
    fn references(&self, step: &Step<'_>, notes: &mut Notes) -> Option<Vec<&SearchParameter>> {
        let Some(parameters) = self.parameters(step.code) else {
            self.unknown(step.place, step.code, notes);
            return None;
        };
        let kind = parameters.first().map_or(ParameterKind::Special, |first| first.kind);
        if kind != ParameterKind::Reference {
            let (code, kind) = (step.code, kind.as_str());
            let text = format!("{code} is a {kind} parameter: only a reference leads on");
            notes.invalid(step.place, text);
            return None;
        }
        Some(parameters)
    }

    /// Says why no type takes what follows a reference: what the types that know its name say, or
    /// that none knows it.
    fn nowhere(&self, step: &Step<'_>, wrong: Vec<(ResourceType, Vec<Fault>)>, notes: &mut Notes) {
        let head = step.tail.split(['.', ':']).next().unwrap_or_default();
        let is_known = |target: ResourceType| {
            let scope = Scope::Type(target);
            let inner = Context { scope: &scope, ..*self };
            step.tail.starts_with('_') || inner.parameters(head).is_some()
        };
        let count = wrong.len();
        let mut names: Vec<&str> = COLUMNS.to_vec();
        for (target, faults) in wrong {
            if (count == 1 || is_known(target)) && !faults.is_empty() {
                notes.faults.extend(faults);
                return;
            }
            names.extend(self.registry.of_type(target).map(|each| each.code.as_str()));
        }
        let near = hint(head, names.into_iter());
        let text = format!(
            "none of the types that {} points at has a search parameter {}{near}",
            step.code,
            shown(head)
        );
        notes.fault(FailureKind::UnknownParameter, step.place, text);
    }

    /// `Type:parameter:rest` after `_has:`.
    fn has(
        &self,
        place: &str,
        rest: &str,
        depth: usize,
        notes: &mut Notes,
        end: End<'_>,
    ) -> Option<Predicate> {
        let parts: Vec<&str> = rest.splitn(3, ':').collect();
        let [name, code, tail] = parts.as_slice() else {
            notes.invalid(place, "expected _has:Type:parameter:… with a parameter of Type");
            return None;
        };
        let source = match resource_type(name) {
            Ok(source) => source,
            Err(text) => {
                notes.invalid(place, text);
                return None;
            }
        };
        let references = || {
            let own = self.registry.of_type(source);
            own.filter(|parameter| parameter.kind == ParameterKind::Reference)
        };
        let Some(parameter) = references().find(|parameter| parameter.code == *code) else {
            let near = hint(code, references().map(|parameter| parameter.code.as_str()));
            let text = format!("{source} has no reference parameter {}{near}", shown(code));
            notes.fault(FailureKind::UnknownParameter, place, text);
            return None;
        };
        let targets = &parameter.targets;
        if !targets.is_empty() && !self.types().any(|each| targets.contains(&each)) {
            let types = list(targets);
            notes
                .invalid(place, format!("{source}:{code} never points at what is searched{types}"));
            return None;
        }
        let scope = Scope::Type(source);
        let inner = Context { scope: &scope, ..*self };
        let all = vec![inner.path(place, tail, depth + 1, notes, end)?];
        let has = Has { source, parameters: vec![parameter.id], all };
        Some(Predicate { any: vec![Match::Has(has)] })
    }
}

/// One reference of a name.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    /// The whole name.
    pub(crate) place: &'a str,
    pub(crate) code: &'a str,
    /// The type that the client names.
    pub(crate) only: Option<ResourceType>,
    /// What follows, for messages.
    pub(crate) tail: &'a str,
}
