//! References between the entries of a transaction, and conditional ones.
//!
//! Ids are given first; then every reference to an entry's `fullUrl` (`urn:uuid:…`, `urn:oid:…`,
//! absolute, or relative to the root of the referring entry) is written as `Type/id`, wherever it
//! stands: references, uris (canonical ones apart), links of the narrative, contained resources.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fhir_definitions::ResourceType;
use fhir_model::rewrite::Link;
use fhir_model::{Failure, FailureKind, ResourceKey};
use fhir_store::Expectation;

use crate::bundle::Running;
use crate::bundle::entry::at_entry;
use crate::bundle::full_url::restful;
use crate::bundle::own::Own;
use crate::conditional::{self, Criteria};
use crate::query_string;

/// What the entries of a transaction are called and what they will be.
pub(crate) struct Identities<'a> {
    /// The server's own root: references under it are written relative.
    base: &'a str,
    by_url: HashMap<String, ResourceKey>,
    /// Conditional references that are resolved: `Patient?identifier=…`.
    by_condition: HashMap<String, ResourceKey>,
}

/// Rewrites the texts of one resource.
pub(crate) struct Rewriter<'a> {
    identities: &'a Identities<'a>,
    /// The root of the entry's own `fullUrl`, where it is one of a RESTful server.
    root: Option<&'a str>,
    is_changed: RefCell<bool>,
    /// Conditional references that nobody has resolved yet.
    open: RefCell<BTreeSet<String>>,
}

impl<'a> Identities<'a> {
    pub(crate) fn new(base: &'a str) -> Self {
        Self { base, by_url: HashMap::new(), by_condition: HashMap::new() }
    }

    pub(crate) fn insert(&mut self, full_url: &str, key: ResourceKey) {
        self.by_url.insert(full_url.to_owned(), key);
    }

    pub(crate) fn resolve(&mut self, found: BTreeMap<String, ResourceKey>) {
        self.by_condition.extend(found);
    }

    pub(crate) fn get(&self, full_url: &str) -> Option<&ResourceKey> {
        self.by_url.get(full_url)
    }

    pub(crate) fn rewriter(&'a self, full_url: Option<&'a str>) -> Rewriter<'a> {
        Rewriter {
            identities: self,
            root: full_url.and_then(restful).map(|(root, ..)| root),
            is_changed: RefCell::new(false),
            open: RefCell::new(BTreeSet::new()),
        }
    }
}

impl Rewriter<'_> {
    /// The text to write instead of `text`, where it names an entry.
    pub(crate) fn rewrite(&self, link: Link, text: &str) -> Option<String> {
        let new = self.target(link, text)?;
        if new == text {
            return None;
        }
        self.is_changed.replace(true);
        Some(new)
    }

    /// Whether anything was rewritten.
    pub(crate) fn is_changed(&self) -> bool {
        *self.is_changed.borrow()
    }

    /// The conditional references that are left to resolve.
    pub(crate) fn into_open(self) -> BTreeSet<String> {
        self.open.into_inner()
    }

    fn target(&self, link: Link, text: &str) -> Option<String> {
        let (url, fragment) = match text.split_once('#') {
            Some((url, fragment)) => (url, Some(fragment)),
            None => (text, None),
        };
        if url.is_empty() {
            return None;
        }
        if let Some(key) = self.entry(url) {
            return Some(match fragment {
                None => key.to_string(),
                Some(fragment) => format!("{key}#{fragment}"),
            });
        }
        if link != Link::Reference {
            return None;
        }
        let relative = own(url, self.identities.base);
        if let Some(condition) = condition(relative) {
            let found = self.identities.by_condition.get(condition);
            if found.is_none() {
                self.open.borrow_mut().insert(condition.to_owned());
            }
            return found.map(ResourceKey::to_string);
        }
        // An absolute reference to this server means the same as a relative one.
        let is_own = relative.len() < url.len() && ResourceKey::from_reference(relative).is_some();
        is_own.then(|| own(text, self.identities.base).to_owned())
    }

    fn entry(&self, url: &str) -> Option<&ResourceKey> {
        if let Some(key) = self.identities.by_url.get(url) {
            return Some(key);
        }
        let root = self.root?;
        if url.contains(':') || !url.contains('/') {
            return None;
        }
        self.identities.by_url.get(&format!("{root}/{url}"))
    }
}

/// Conditional references and the entries that have them.
pub(crate) type Open = BTreeMap<String, Vec<usize>>;

/// Conditional references, resolved.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) found: BTreeMap<String, ResourceKey>,
    /// What the stored part of the answers rests on.
    pub(crate) expect: Vec<Expectation>,
}

/// Resolves conditional references as a search after the transaction's own writes would; each
/// must find exactly one resource. `written` are the stored resources that the transaction
/// changes: of these only what it brings counts.
///
/// # Errors
/// `PreconditionFailed` and `MultipleMatches`, naming the first entry with the reference.
pub(crate) async fn resolve(
    running: Running<'_>,
    open: &Open,
    own: &Own,
    written: &HashSet<ResourceKey>,
) -> Result<Resolved, Failure> {
    let Running { app, request, permit, .. } = running;
    let mut resolved = Resolved::default();
    for (condition, indexes) in open {
        let index = indexes.first().copied().unwrap_or_default();
        let at = |failure: Failure| at_entry(failure.at("resource"), index);
        let Some((resource_type, query)) = parts(condition) else { continue };
        let criteria = Criteria { resource_type, pairs: query_string::pairs(query) };
        let query = conditional::ready(app, request, permit, &criteria).await.map_err(at)?;
        let same_type = written.iter().filter(|key| key.resource_type == resource_type).count();
        let (asked, most) = (query.clone(), same_type.saturating_add(2));
        let stored = app.read(permit, move |sight| {
            let hits = sight.search(&asked, None, most)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            Ok(sight.load(&rows)?)
        });
        let stored: Vec<ResourceKey> = stored.await?.into_iter().map(|stored| stored.key).collect();
        let brought = own.matching(&query);
        let mut found = stored.iter().filter(|key| !written.contains(*key)).cloned();
        let mut brought = brought.into_iter().map(|brought| brought.found.key.clone());
        let names = names(&criteria);
        match (found.next().or_else(|| brought.next()), found.next().or_else(|| brought.next())) {
            (Some(key), None) => resolved.found.insert(condition.clone(), key),
            (None, _) => {
                let text =
                    format!("a conditional reference ({resource_type} by {names}) finds nothing");
                return Err(at(Failure::new(FailureKind::PreconditionFailed, text)));
            }
            (Some(_), Some(_)) => {
                let text = format!(
                    "a conditional reference ({resource_type} by {names}) finds more than one \
                     resource"
                );
                return Err(at(Failure::new(FailureKind::MultipleMatches, text)));
            }
        };
        if let [] | [_] = stored.as_slice() {
            resolved.expect.push(Expectation { query, found: stored.into_iter().next() });
        }
    }
    Ok(resolved)
}

/// The names of the parameters; their values may name persons.
fn names(criteria: &Criteria) -> String {
    let names: Vec<&str> = criteria.pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.join(" and ")
}

fn parts(condition: &str) -> Option<(ResourceType, &str)> {
    let (name, query) = condition.split_once('?')?;
    Some((ResourceType::named(name)?, query))
}

/// The text without the server's own root in front.
fn own<'t>(text: &'t str, base: &str) -> &'t str {
    text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text)
}

/// `Patient?identifier=…`, when that is what the text is.
fn condition(text: &str) -> Option<&str> {
    parts(text).filter(|(_, query)| !query.is_empty()).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://own/fhir";

    fn key(text: &str) -> ResourceKey {
        ResourceKey::from_reference(text).unwrap()
    }

    #[test]
    fn every_way_to_name_an_entry_is_rewritten() {
        let mut identities = Identities::new(BASE);
        identities.insert("urn:uuid:1", key("Patient/a"));
        identities.insert("urn:oid:1.2", key("Patient/b"));
        identities.insert("http://other/fhir/Patient/1", key("Patient/c"));
        let condition = "Patient?identifier=s|v".to_owned();
        identities.resolve(BTreeMap::from([(condition, key("Patient/d"))]));
        let rewriter = identities.rewriter(Some("http://other/fhir/Observation/9"));
        for (text, expected) in [
            ("urn:uuid:1", Some("Patient/a")),
            ("urn:uuid:1#part", Some("Patient/a#part")),
            ("urn:oid:1.2", Some("Patient/b")),
            ("http://other/fhir/Patient/1", Some("Patient/c")),
            ("Patient/1", Some("Patient/c")),
            ("Patient?identifier=s|v", Some("Patient/d")),
            ("http://own/fhir/Patient/7", Some("Patient/7")),
            ("http://own/fhir/Patient/7/_history/2", Some("Patient/7/_history/2")),
            ("http://own/fhir/ValueSet", None),
            ("Patient/2", None),
            ("#inside", None),
            ("urn:uuid:2", None),
            ("http://third/fhir/Patient/1", None),
        ] {
            assert_eq!(rewriter.rewrite(Link::Reference, text).as_deref(), expected, "{text}");
        }
        assert!(rewriter.is_changed());
        assert!(rewriter.into_open().is_empty());
    }

    #[test]
    fn relative_texts_mean_an_entry_only_under_a_restful_root() {
        let mut identities = Identities::new(BASE);
        identities.insert("http://other/fhir/Patient/1", key("Patient/c"));
        let rewriter = identities.rewriter(Some("urn:uuid:5"));
        assert_eq!(rewriter.rewrite(Link::Reference, "Patient/1"), None);
        assert_eq!(rewriter.rewrite(Link::Uri, "http://own/fhir/Patient/7"), None);
        assert_eq!(rewriter.rewrite(Link::Uri, "Patient?identifier=x"), None);
        assert!(!rewriter.is_changed());
        assert_eq!(rewriter.rewrite(Link::Reference, "Patient?identifier=x"), None);
        assert_eq!(rewriter.into_open().len(), 1);
    }
}
