//! Searches as the application parses them: with the search parameters of the database, or of the
//! trace.

use std::sync::{Arc, PoisonError};

use fhir_model::{Failure, FailureKind};
use fhir_search::{ParseSettings, Registry, Scope, SearchQuery};

use super::App;
use crate::request::Request;
use crate::trace::Catalogue;

impl App {
    /// Parses the parameters of a search, as strictly as settings and client want it.
    ///
    /// # Errors
    /// What the parser finds wrong.
    pub(crate) fn parse(
        &self,
        request: &Request,
        scope: Scope,
        pairs: &[(String, String)],
    ) -> Result<SearchQuery, Failure> {
        let strict = self.inner.settings.strict_search && !request.prefer.lenient;
        let always_allowed = self.inner.settings.always_allowed.clone();
        self.parse_with(request, scope, pairs, (strict, always_allowed))
    }

    /// Parses criteria on which a write depends: nothing is passed over.
    ///
    /// # Errors
    /// What the parser finds wrong.
    pub(crate) fn parse_strictly(
        &self,
        request: &Request,
        scope: Scope,
        pairs: &[(String, String)],
    ) -> Result<SearchQuery, Failure> {
        self.parse_with(request, scope, pairs, (true, Vec::new()))
    }

    /// What the trace is searched with, with the search parameters of now.
    pub(crate) fn trace_catalogue(&self) -> Arc<Catalogue> {
        let generation = self.definitions().indexer.generation();
        let mut kept = self.inner.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((known, catalogue)) if *known == generation => Arc::clone(catalogue),
            _ => {
                let catalogue = Arc::new(Catalogue::new(self));
                *kept = Some((generation, Arc::clone(&catalogue)));
                catalogue
            }
        }
    }

    /// [`Self::parse`] with the parameters of another registry.
    ///
    /// # Errors
    /// What the parser finds wrong.
    pub(crate) fn parse_among(
        &self,
        request: &Request,
        registry: &Registry,
        scope: Scope,
        pairs: &[(String, String)],
    ) -> Result<SearchQuery, Failure> {
        let strict = self.inner.settings.strict_search && !request.prefer.lenient;
        let strictness = (strict, self.inner.settings.always_allowed.clone());
        self.parse_by(request, registry, (scope, pairs), strictness)
    }

    fn parse_with(
        &self,
        request: &Request,
        scope: Scope,
        pairs: &[(String, String)],
        strictness: (bool, Vec<String>),
    ) -> Result<SearchQuery, Failure> {
        self.parse_by(request, &self.definitions().registry, (scope, pairs), strictness)
    }

    fn parse_by(
        &self,
        request: &Request,
        registry: &Registry,
        (scope, pairs): (Scope, &[(String, String)]),
        (strict, always_allowed): (bool, Vec<String>),
    ) -> Result<SearchQuery, Failure> {
        refuse_nul(pairs)?;
        refuse_many(pairs)?;
        let settings = &self.inner.settings;
        let parse_settings = ParseSettings {
            strict,
            default_count: settings.default_count,
            max_count: settings.max_count,
            always_allowed,
            now: self.now(),
            base: Some(request.base.clone()),
            explain: settings.explain,
        };
        let store = &self.inner.store;
        fhir_search::parse(pairs, scope, registry, store.hasher(), store.zone(), &parse_settings)
    }
}

/// Values of one parameter, or alternatives of one `_filter`, beyond which a search is refused:
/// each of them is a part of one statement, and databases bound those.
const MOST_ALTERNATIVES: usize = 240;

fn refuse_many(pairs: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in pairs {
        let between = if name == "_filter" { " or " } else { "," };
        let count = value.split(between).count();
        if count > MOST_ALTERNATIVES {
            let text = format!(
                "expected at most {MOST_ALTERNATIVES} alternatives in one parameter, found {count}; \
                 ask in several searches"
            );
            let name: String = name.chars().take(64).collect();
            return Err(Failure::new(FailureKind::TooCostly, text).at(format!("http.{name}")));
        }
    }
    Ok(())
}

/// No text of FHIR holds the character U+0000, and not every database takes it.
fn refuse_nul(pairs: &[(String, String)]) -> Result<(), Failure> {
    let is_bad = |text: &String| text.contains('\0');
    match pairs.iter().find(|(name, value)| is_bad(name) || is_bad(value)) {
        None => Ok(()),
        Some((name, _)) => {
            let text = "expected text without the character U+0000";
            let place = format!("http.{}", name.replace('\0', ""));
            Err(Failure::new(FailureKind::InvalidParameter, text).at(place))
        }
    }
}
