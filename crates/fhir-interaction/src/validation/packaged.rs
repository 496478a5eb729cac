//! Whether codes are in value sets, as packages and R4 tell it.

use std::convert::Infallible;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::Resource;
use fhir_package::Registry;
use fhir_terminology::{CodeOptions, Fault, Problem, Stored, Verdict};
use fhir_validation::{Coded, Membership};

use crate::app::App;

/// Asks packages and R4.
pub(super) fn look_up(
    app: &App,
    value_set: &str,
    coded: &fhir_terminology::Coded<'_>,
) -> Result<Verdict, Fault> {
    let packages = app.packages();
    let mut shelves = Packaged(&packages);
    let terminology = &app.validation().terminology;
    let options = CodeOptions::default();
    match terminology.validate_code(&mut shelves, value_set, coded, &options) {
        Ok(verdict) => Ok(verdict),
        Err(Problem::Fault(fault)) => Err(fault),
        Err(Problem::Stored(never)) => match never {},
    }
}

/// Whether the store may have what is missing.
pub(super) const fn is_lack(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::UnknownValueSet(_) | Fault::UnknownCodeSystem(_) | Fault::CodesNotPresent(_)
    )
}

/// A code of validation in the words of terminology.
pub(super) const fn terms<'a>(coded: &Coded<'a>) -> fhir_terminology::Coded<'a> {
    fhir_terminology::Coded {
        system: coded.system,
        version: coded.version,
        code: coded.code,
        display: coded.display,
    }
}

/// A verdict of terminology in the words of validation.
pub(super) fn membership(verdict: Verdict) -> Membership {
    match verdict {
        Verdict::In(member) => {
            Membership::In { wrong_display: member.display.filter(|_| member.has_wrong_display) }
        }
        Verdict::Out(_) => Membership::Out,
    }
}

/// Value sets and code systems of packages.
struct Packaged<'a>(&'a Registry);

type Answer<T> = Result<T, Infallible>;

impl Stored for Packaged<'_> {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Answer<Vec<Arc<Resource>>> {
        Ok(self.0.all(of, url, version))
    }

    fn value_set_by_id(&mut self, id: &str) -> Answer<Option<Arc<Resource>>> {
        Ok(self.0.by_id(ResourceType::VALUE_SET, id).map(|(_, resource)| resource))
    }

    fn generation(&mut self) -> Answer<Option<u64>> {
        Ok(Some(self.0.generation()))
    }

    fn supplements(&mut self, url: &str) -> Answer<Vec<Arc<Resource>>> {
        Ok(self.0.supplements(url))
    }
}
