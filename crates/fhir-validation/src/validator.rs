//! The validator: compiled profiles, shared by all requests.

use std::sync::{Arc, PoisonError, RwLock};

use fhir_model::{ResourceView, Severity};
use fhir_structure::Structures;

use crate::arena::Arena;
use crate::inquiry::Inquiry;
use crate::library::Library;
use crate::options::Options;
use crate::path::Path;
use crate::report::{Finding, Report, RuleKind};
use crate::walk::Walk;
use crate::whole;
use crate::world::World;

/// Validates resources; compiles profiles when they are first asked for and keeps them until
/// [`Structures::generation`] changes.
pub struct Validator {
    structures: Arc<dyn Structures>,
    library: RwLock<Arc<Library>>,
}

impl Validator {
    /// A validator over these definitions (R4's own are embedded and need not be among them).
    #[must_use]
    pub fn new(structures: Arc<dyn Structures>) -> Self {
        let library = Library::new(Arc::clone(&structures), structures.generation());
        Self { structures, library: RwLock::new(Arc::new(library)) }
    }

    /// Holds a resource to the base definition of its type, to `profiles` (canonicals), and to
    /// what it declares itself, if the options say so.
    #[must_use]
    pub fn validate(
        &self,
        resource: ResourceView<'_>,
        profiles: &[&str],
        world: &dyn World,
        options: &Options,
    ) -> Report {
        let library = self.library();
        let fetched = Arena::default();
        let inquiry = Inquiry::new(&library, &fetched, resource, world, options);
        let mut walk = Walk::new(&inquiry);
        let mut programs = Vec::new();
        for canonical in profiles {
            let id = library.known(canonical);
            let why = match id.map(|id| (id, library.program(id))) {
                Some((id, Ok(_))) => {
                    programs.push(id);
                    continue;
                }
                Some((_, Err(why))) => why.text(),
                None => "is not here".to_owned(),
            };
            walk.sink.push(0, unusable(resource, canonical, &why));
        }
        let path = Path::root(resource.resource_type.as_str());
        walk.whole(resource, resource, &programs, &path);
        whole::check(&inquiry, &mut walk.sink);
        if inquiry.was_late() {
            walk.sink.push(usize::MAX, late(resource, options));
        }
        walk.sink.report()
    }

    /// The programs of the definitions as they are now.
    fn library(&self) -> Arc<Library> {
        let generation = self.structures.generation();
        {
            let library = self.library.read().unwrap_or_else(PoisonError::into_inner);
            if library.generation == generation {
                return Arc::clone(&library);
            }
        }
        let mut library = self.library.write().unwrap_or_else(PoisonError::into_inner);
        if library.generation != generation {
            *library = Arc::new(Library::new(Arc::clone(&self.structures), generation));
        }
        Arc::clone(&library)
    }
}

fn unusable(resource: ResourceView<'_>, canonical: &str, why: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: RuleKind::Profile,
        expression: resource.resource_type.to_string(),
        rule: canonical.to_owned(),
        text: format!("the profile {canonical} {why}"),
    }
}

fn late(resource: ResourceView<'_>, options: &Options) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: RuleKind::Budget,
        expression: resource.resource_type.to_string(),
        rule: "time of a validation".to_owned(),
        text: format!(
            "expected validation to end within {} ms, and it did not: not all was looked at",
            options.budget.as_millis()
        ),
    }
}
