//! URIs and what lies above and below them.
//! Spec: <https://hl7.org/fhir/R4/search.html#uri>

use super::modifier::Modifier;
use super::parse::Context;
use super::value::{self, Expected};
use super::{Match, Predicate, RowMatch};
use crate::{ParameterId, ParameterKind, SearchParameter};

impl Context<'_> {
    /// The alternatives that one value of a uri parameter stands for.
    pub(crate) fn uri(
        &self,
        parameter: &SearchParameter,
        modifier: Option<Modifier>,
        text: &str,
    ) -> Result<Vec<Match>, Expected> {
        let p = parameter.id;
        let plain = value::unescape(text);
        match modifier {
            Some(Modifier::Below) => Ok(vec![self.uri_below(p, located(&plain)?)]),
            Some(Modifier::Above) => Ok(self.uri_above(p, located(&plain)?)),
            _ => Ok(self.uri_value(parameter, text, &plain)),
        }
    }

    /// The URI itself; of a canonical resource's own URL also `url|version`, where the version
    /// stands in another element.
    fn uri_value(&self, parameter: &SearchParameter, text: &str, plain: &str) -> Vec<Match> {
        let mut any = vec![self.uri_is(parameter.id, plain)];
        let version = self.registry.get(parameter.base, "version");
        if parameter.code == "url"
            && let Some(version) = version.filter(|found| found.kind == ParameterKind::Token)
            && let [url, number] = value::split(text, '|').as_slice()
            && !number.is_empty()
        {
            let code = self.hasher.code(&value::unescape(number));
            let token = Match::Row(RowMatch::Token { p: version.id, code, sys: None });
            any.push(Match::All(vec![
                Predicate { any: vec![self.uri_is(parameter.id, &value::unescape(url))] },
                Predicate { any: vec![token] },
            ]));
        }
        any
    }

    fn uri_is(&self, p: ParameterId, uri: &str) -> Match {
        Match::Row(RowMatch::Uri { p, text: self.hasher.uri(uri).into_owned() })
    }

    /// The URI and everything that goes on behind it.
    pub(crate) fn uri_below(&self, p: ParameterId, uri: &str) -> Match {
        let start = uri.trim_end_matches('/');
        match self.hasher.uri(start) {
            // Longer than an index keeps apart: only the whole can be compared.
            std::borrow::Cow::Owned(text) => Match::Row(RowMatch::Uri { p, text }),
            std::borrow::Cow::Borrowed(text) => {
                Match::Row(RowMatch::UriBelow { p, text: text.to_owned() })
            }
        }
    }

    /// The URI and every shorter one that it goes on from, with a slash at its end and without.
    pub(crate) fn uri_above(&self, p: ParameterId, uri: &str) -> Vec<Match> {
        let authority = uri.find("://").map_or(0, |at| at + 3);
        let is_version = uri.contains('|');
        let mut ends: Vec<usize> = uri
            .char_indices()
            .filter(|(at, letter)| {
                let in_version = is_version && uri.find('|').is_some_and(|bar| bar < *at);
                *at >= authority
                    && (matches!(letter, '/' | '|' | '#') || (*letter == '.' && in_version))
            })
            .flat_map(|(at, letter)| {
                let with_slash = (letter == '/').then_some(at + 1);
                std::iter::once(at).chain(with_slash)
            })
            .collect();
        ends.push(uri.len());
        ends.dedup();
        let starts = ends.into_iter().filter_map(|end| uri.get(..end));
        starts.filter(|start| !start.is_empty()).map(|start| self.uri_is(p, start)).collect()
    }
}

/// A URI with a hierarchy.
fn located(uri: &str) -> Result<&str, Expected> {
    let is_name = uri.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    if is_name {
        return Err("expected a URL: nothing is above or below a URN".to_owned());
    }
    if uri.trim_matches('/').is_empty() { Err(value::expected("a URL", uri)) } else { Ok(uri) }
}
