//! Search parameters of installed packages that somebody counts on: put in force at start.

use fhir_definitions::ResourceType;
use fhir_model::rewrite;
use fhir_store::ParameterState;

use crate::app::App;
use crate::operation::put_in_force;

impl App {
    /// Puts search parameters in force, by their canonical URLs; those that are so already stay.
    ///
    /// # Errors
    /// Which of them no package has, or cannot be used, in words.
    pub fn put_in_force(&self, canonicals: &[String]) -> Result<(), String> {
        let packages = self.packages();
        for canonical in canonicals {
            let found = packages.find(&[ResourceType::SEARCH_PARAMETER], canonical);
            let resource = found.ok_or_else(|| format!("no installed package has {canonical}"))?;
            let mut json = Vec::new();
            rewrite::minified(resource.view().value, &mut json);
            put_in_force(self, &json, resource.view())
                .map_err(|failure| format!("{canonical}: {failure}"))?;
        }
        Ok(())
    }

    /// Whether searches may use all of these parameters yet.
    ///
    /// # Errors
    /// The store's failures, in words.
    pub fn are_in_force(&self, canonicals: &[String]) -> Result<bool, String> {
        let all = self.parameter_status().map_err(|failure| failure.to_string())?;
        Ok(canonicals.iter().all(|canonical| {
            let of_this = |one: &&fhir_store::ParameterStatus| one.url == *canonical;
            let mut found = all.iter().filter(of_this).peekable();
            found.peek().is_some() && found.all(|one| one.state != ParameterState::Building)
        }))
    }
}
