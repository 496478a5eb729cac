//! Runs the cases of `conformance/validation` against the validator and sees that every kind of
//! rule has passing and failing ones. README.md there tells the format.
#![cfg(test)]

mod case;
mod coverage;
mod definitions;
mod expected;
mod rules;
mod world;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use fhir_model::date::Zone;
use fhir_model::{Limits, Resource, Severity};
use fhir_validation::{Options, RuleKind, Validator};

use crate::case::{Case, File, folder};
use crate::definitions::Definitions;
use crate::world::TestWorld;

/// Cases there must be at least.
const LEAST: usize = 600;

#[test]
fn every_case_finds_what_it_says() {
    let wanted = std::env::var("KANTELE_TEST_CASES").unwrap_or_default();
    let (mut count, mut gaps, mut wrong) = (0, 0, Vec::new());
    for file in File::all(&folder()) {
        let runner = Runner::new(&file);
        for case in &file.cases {
            let name = format!("{}#{}", file.path, case.name);
            if !name.contains(&wanted) {
                continue;
            }
            count += 1;
            match (runner.run(case), &case.gap) {
                (Ok(()), None) => {}
                (Err(fault), None) => wrong.push(format!("{name}: {fault}")),
                (Ok(()), Some(_)) => {
                    wrong.push(format!("{name}: passes, so it is no gap any more"))
                }
                (Err(_), Some(reason)) => {
                    gaps += 1;
                    println!("known gap {name}: {reason}");
                }
            }
        }
    }
    println!("conformance/validation: {} of {count} cases pass, {gaps} known gaps", count - gaps);
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(!wanted.is_empty() || count >= LEAST, "only {count} cases");
}

#[test]
fn every_kind_of_rule_has_passing_and_failing_cases() {
    let mut counts: BTreeMap<RuleKind, (usize, usize)> =
        RuleKind::ALL.iter().map(|kind| (*kind, (0, 0))).collect();
    for file in File::all(&folder()) {
        for case in file.cases.iter().filter(|case| case.gap.is_none()) {
            for kind in case.passes() {
                counts.get_mut(&kind).unwrap().0 += 1;
            }
            for kind in case.fails() {
                counts.get_mut(&kind).unwrap().1 += 1;
            }
        }
    }
    let is_bare = |kind: &RuleKind| counts[kind].0 == 0 || counts[kind].1 == 0;
    let bare = RuleKind::ALL.iter().filter(|kind| is_bare(kind));
    let told = bare.map(|kind| {
        let (passing, failing) = counts[kind];
        format!("{}: {passing} passing, {failing} failing", kind.code())
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "kinds without cases:\n{}", told.join("\n"));
}

/// The definitions of a case, and a validator over them.
type Compiled = (Arc<Definitions>, Validator);

struct Runner<'f> {
    file: &'f File,
    /// For the cases that define nothing of their own: profiles are compiled once for all of them.
    shared: OnceCell<Compiled>,
}

impl<'f> Runner<'f> {
    fn new(file: &'f File) -> Self {
        Self { file, shared: OnceCell::new() }
    }

    fn compiled(&self, case: &Case) -> Result<Compiled, String> {
        let definitions = Arc::new(Definitions::of(self.file, case)?);
        Ok((Arc::clone(&definitions), Validator::new(definitions)))
    }

    fn run(&self, case: &Case) -> Result<(), String> {
        let own;
        let (definitions, validator) = if !case.definitions.is_empty() {
            own = self.compiled(case)?;
            &own
        } else if let Some(shared) = self.shared.get() {
            shared
        } else {
            let shared = self.compiled(case)?;
            self.shared.get_or_init(|| shared)
        };
        let resource = resource(self.file, case)?;
        run_with((self.file, case), &resource, definitions, validator)
    }
}

/// Runs a case with a resource and definitions that were made ready before.
fn run_with(
    (file, case): (&File, &Case),
    resource: &Resource,
    definitions: &Arc<Definitions>,
    validator: &Validator,
) -> Result<(), String> {
    let world = TestWorld::new(file, case, Arc::clone(definitions))?;
    let profiles: Vec<&str> = case.profiles.iter().map(String::as_str).collect();
    let report = validator.validate(resource.view(), &profiles, &world, &options(case));
    let faults = case.then.faults(&report);
    if report.is_valid() != case.then.is_valid() && faults.is_empty() {
        return Err("the report's verdict is not that of its findings".to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn resource(file: &File, case: &Case) -> Result<Resource, String> {
    let source = file.resource(case)?.to_string().into_bytes();
    let parsed = if case.trusted {
        Resource::trusted(source)
    } else {
        Resource::from_json(source, &Limits::NONE)
    };
    parsed.map_err(|failure| format!("the parser refuses the resource: {failure}"))
}

fn options(case: &Case) -> Options {
    let given = &case.options;
    let default = Options::default();
    Options {
        best_practice: given.best_practice(),
        budget: given.budget_ms.map_or(default.budget, std::time::Duration::from_millis),
        now: Some("2026-07-01T09:30:15.250Z".parse().unwrap()),
        zone: Zone::named("Europe/Helsinki").unwrap(),
        declared_profiles: given.declared_profiles,
        ..default
    }
}

/// Whether a finding makes the resource invalid.
fn is_error(severity: Severity) -> bool {
    matches!(severity, Severity::Error | Severity::Fatal)
}
