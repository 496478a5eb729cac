//! Resources held to profiles: on write, as settings say, and whenever `$validate` asks.
//!
//! One [`Validator`] is shared by all requests; what it compiled and what terminology expanded
//! stays until packages change. On write a resource is first looked at without the store, which
//! answers most; only what asks for stored definitions, codes or resources is looked at again
//! within a snapshot.

mod issue;
mod packaged;
pub(crate) mod position;
mod settings;
mod stored;
mod world;

use std::sync::Arc;

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, Resource, ResourceView, Severity, rewrite};
use fhir_package::Registry;
use fhir_terminology::{Limits, Terminology};
use fhir_validation::{Options, Report, Validator};

pub use fhir_validation::BestPractice;
pub use settings::{OnWrite, ValidationSettings};

use crate::app::{App, ReadFailure};
use crate::request::Request;
use crate::sight::Sight;
use crate::terminology::elsewhere::Question;
use stored::Known;
use world::{Alone, Inside};

pub(crate) use issue::issues;

/// What all validations share.
pub(crate) struct Validation {
    known: Arc<Known>,
    validator: Validator,
    /// What packages and R4 know of codes, without the store.
    terminology: Terminology,
}

impl Validation {
    pub(crate) fn new(packages: Arc<Registry>, max_codes: usize) -> Self {
        let known = Arc::new(Known::new(packages));
        let validator = Validator::new(Arc::clone(&known) as _);
        let limits = Limits { max_codes, ..Limits::default() };
        Self { known, validator, terminology: Terminology::embedded().with_limits(limits) }
    }
}

impl App {
    /// Whether R4 or an installed package has a definition.
    #[must_use]
    pub fn has_profile(&self, canonical: &str) -> bool {
        self.validation().known.has(canonical)
    }

    /// The profiles that settings ask for and that nobody has: neither R4 nor an installed package.
    #[must_use]
    pub fn missing_profiles(&self) -> Vec<String> {
        let asked = self.settings().validation.profiles.values().flatten();
        asked.filter(|canonical| !self.validation().known.has(canonical)).cloned().collect()
    }
}

/// The profiles that a validation holds a resource to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Canonicals.
    pub(crate) profiles: Vec<String>,
    /// Whether `meta.profile` counts too.
    pub(crate) declared: bool,
    /// Whether findings that are mere information are wanted.
    pub(crate) information: bool,
}

impl Asked {
    /// What settings ask of a type on write; none where it is not validated.
    fn on_write(settings: &ValidationSettings, resource_type: ResourceType) -> Option<Self> {
        let profiles = || settings.profiles.get(&resource_type).cloned().unwrap_or_default();
        match settings.of(resource_type) {
            OnWrite::Off => None,
            OnWrite::Base => Some(Self::default()),
            OnWrite::Declared => Some(Self { declared: true, ..Self::default() }),
            OnWrite::Required => {
                Some(Self { profiles: profiles(), declared: true, ..Self::default() })
            }
        }
    }

    fn is_base(&self) -> bool {
        self.profiles.is_empty() && !self.declared
    }
}

/// Validates what is about to be written, as settings say; gives the warnings.
///
/// # Errors
/// `InvalidResource` with all findings.
pub(crate) async fn on_write(
    app: &App,
    request: &Request,
    permit: &Permit,
    view: ResourceView<'_>,
) -> Result<Vec<Issue>, Failure> {
    let settings = &app.settings().validation;
    let asked = Asked::on_write(settings, view.resource_type);
    let is_bound = app.bound().is_some_and(|bound| bound.validated.contains(&view.resource_type));
    let asked = match asked {
        Some(asked) => Asked { declared: asked.declared || is_bound, ..asked },
        None if is_bound => Asked { declared: true, ..Asked::default() },
        None => return Ok(Vec::new()),
    };
    let (report, is_whole) = alone(app, view, &asked);
    if is_whole {
        return judged(&report);
    }
    let mut json = Vec::with_capacity(view.value.raw().len());
    rewrite::minified(view.value, &mut json);
    let resource = Arc::new(Resource::trusted(json)?);
    judged(&in_store(app, permit, &request.base, &resource, &asked).await?)
}

/// Validates without the store; whether that was enough stands beside the report.
fn alone(app: &App, view: ResourceView<'_>, asked: &Asked) -> (Report, bool) {
    let world = Alone::new(app, !asked.is_base());
    let is_known = |canonical: &str| app.validation().known.has(canonical);
    let named = stored::profiles(view, asked);
    if !named.iter().all(|canonical| is_known(canonical)) {
        return (Report::default(), false);
    }
    let report = run(app, view, asked, &world);
    let is_whole = !world.has_asked();
    (report, is_whole)
}

/// Validates within a snapshot, with all that the permit lets the caller see. Codes of which nobody
/// here can tell are asked elsewhere, where settings say so; then it is done again with the answers.
/// No snapshot is open meanwhile.
///
/// # Errors
/// The store's failures.
pub(crate) async fn in_store(
    app: &App,
    permit: &Permit,
    base: &str,
    resource: &Arc<Resource>,
    asked: &Asked,
) -> Result<Report, Failure> {
    let look = || {
        let (app, base) = (app.clone(), base.to_owned());
        let (resource, asked) = (Arc::clone(resource), asked.clone());
        move |sight: &mut Sight<'_>| in_sight(&app, sight, &base, resource.view(), &asked)
    };
    let (report, open) = app.read(permit, look()).await?;
    if open.is_empty() || !app.ask_elsewhere_now(open).await {
        return Ok(report);
    }
    let (report, _) = app.read(permit, look()).await?;
    Ok(report)
}

fn in_sight(
    app: &App,
    sight: &mut Sight<'_>,
    base: &str,
    view: ResourceView<'_>,
    asked: &Asked,
) -> Result<(Report, Vec<Question>), ReadFailure> {
    app.validation().known.learn(app, sight, stored::canonicals(view, asked))?;
    let world = Inside::new(app, sight, base, view)?;
    let report = run(app, view, asked, &world);
    Ok((report, world.finish()?))
}

fn run(
    app: &App,
    view: ResourceView<'_>,
    asked: &Asked,
    world: &dyn fhir_validation::World,
) -> Report {
    let settings = &app.settings().validation;
    let options = Options {
        best_practice: settings.best_practice,
        unknown_profiles: settings.unknown_profiles,
        budget: settings.budget,
        now: Some(app.now()),
        zone: app.zone().clone(),
        declared_profiles: asked.declared,
        preferred_bindings: asked.information,
    };
    let profiles: Vec<&str> = asked.profiles.iter().map(String::as_str).collect();
    app.validation().validator.validate(view, &profiles, world, &options)
}

/// The warnings of a report without errors.
fn judged(report: &Report) -> Result<Vec<Issue>, Failure> {
    let found = issues(report);
    if report.is_valid() {
        let is_told = |issue: &Issue| issue.severity == Severity::Warning;
        return Ok(found.into_iter().filter(is_told).collect());
    }
    Err(Failure::with_issues(FailureKind::InvalidResource, found))
}
