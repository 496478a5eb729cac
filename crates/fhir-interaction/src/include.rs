//! `_include` and `_revinclude`: what a page brings beside its matches.
//! Spec: <https://hl7.org/fhir/R4/search.html#include>
//!
//! The included resources of a page are a stream of their own, in row order: a page holds as many
//! as fit, and the next link goes on after the last one. Each is there once, and never when it is
//! a match of the page itself.

use std::collections::{BTreeMap, BTreeSet};

use fhir_definitions::ResourceType;
use fhir_model::{Issue, IssueType, ResourceKey};
use fhir_search::{Include, ParameterId, ReferenceValue, SearchQuery};
use fhir_store::{RowKey, StoredVersion};

use crate::app::{App, ReadFailure};
use crate::canonical::{self, Canonical};
use crate::sight::Sight;

/// How many times `:iterate` is applied to what it brought.
const MAX_ROUNDS: usize = 16;

/// How many resources `:iterate` may gather for one page before it stops and says so.
const MAX_GATHERED: usize = 20_000;

/// The included resources that fit on a page.
#[derive(Default)]
pub(crate) struct Included {
    pub(crate) resources: Vec<StoredVersion>,
    /// The last one, where more are left.
    pub(crate) last: Option<RowKey>,
    pub(crate) notes: Vec<Issue>,
}

/// What the includes of `query` bring for these matches, after the row that was sent last.
pub(crate) fn included(
    app: &App,
    sight: &mut Sight<'_>,
    query: &SearchQuery,
    matches: &[StoredVersion],
    sent: Option<RowKey>,
) -> Result<Included, ReadFailure> {
    let mut gathering = Gathering {
        app,
        matches: matches.iter().map(|stored| stored.row).collect(),
        known: matches.iter().map(|stored| stored.key.clone()).collect(),
        asked: BTreeSet::new(),
        loaded: BTreeMap::new(),
        rows: BTreeSet::new(),
        sent,
        notes: Vec::new(),
    };
    gathering.gather(sight, query, matches)?;
    gathering.finish(sight)
}

struct Gathering<'a> {
    app: &'a App,
    matches: BTreeSet<RowKey>,
    /// Keys that need no loading any more.
    known: BTreeSet<ResourceKey>,
    /// Canonical references that have been followed.
    asked: BTreeSet<(ResourceType, Canonical)>,
    loaded: BTreeMap<RowKey, StoredVersion>,
    /// Rows that refer to a match, not loaded yet.
    rows: BTreeSet<RowKey>,
    sent: Option<RowKey>,
    notes: Vec<Issue>,
}

impl Gathering<'_> {
    fn gather(
        &mut self,
        sight: &mut Sight<'_>,
        query: &SearchQuery,
        matches: &[StoredVersion],
    ) -> Result<(), ReadFailure> {
        let is_iterating =
            query.include.iter().chain(&query.revinclude).any(|include| include.iterate);
        let mut frontier = matches.to_vec();
        for round in 0..MAX_ROUNDS {
            let applies = |include: &&Include| round == 0 || include.iterate;
            let forward: Vec<_> = query.include.iter().filter(applies).collect();
            let backward: Vec<_> = query.revinclude.iter().filter(applies).collect();
            let mut brought = self.forward(sight, &forward, &frontier)?;
            brought.extend(self.backward(sight, &backward, &frontier, is_iterating)?);
            if !is_iterating || brought.is_empty() {
                return Ok(());
            }
            if self.loaded.len() > MAX_GATHERED {
                break;
            }
            frontier = brought;
        }
        self.notes.push(too_many());
        Ok(())
    }

    /// Loads what `frontier` refers to; gives what is new.
    fn forward(
        &mut self,
        sight: &mut Sight<'_>,
        includes: &[&Include],
        frontier: &[StoredVersion],
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let mut keys = Vec::new();
        let mut canonicals: BTreeMap<ResourceType, BTreeSet<Canonical>> = BTreeMap::new();
        for stored in frontier {
            for target in references(self.app, includes, stored)? {
                match target {
                    Target::Local(key) => {
                        if self.known.insert(key.clone()) {
                            keys.push(key);
                        }
                    }
                    Target::Canonical(resource_type, canonical) => {
                        if self.asked.insert((resource_type, canonical.clone())) {
                            canonicals.entry(resource_type).or_default().insert(canonical);
                        }
                    }
                }
            }
        }
        let mut brought = if keys.is_empty() { Vec::new() } else { sight.load_keys(&keys)? };
        for (resource_type, wanted) in canonicals {
            for stored in canonical::resources(self.app, sight, resource_type, &wanted)? {
                if self.known.insert(stored.key.clone()) {
                    brought.push(stored);
                }
            }
        }
        self.loaded.extend(brought.iter().map(|stored| (stored.row, stored.clone())));
        Ok(brought)
    }

    /// Finds what refers to `frontier`; loads it only when it is asked for more in turn.
    fn backward(
        &mut self,
        sight: &mut Sight<'_>,
        includes: &[&Include],
        frontier: &[StoredVersion],
        is_iterating: bool,
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let mut brought = Vec::new();
        for (target, parameters) in grouped(includes) {
            let fits = |stored: &&StoredVersion| {
                target.is_none_or(|target| stored.key.resource_type == target)
            };
            let hash = |stored: &StoredVersion| self.app.hasher().reference(&stored.key);
            let targets: Vec<i64> = frontier.iter().filter(fits).map(hash).collect();
            if targets.is_empty() {
                continue;
            }
            let (after, limit) = if is_iterating {
                (None, MAX_GATHERED)
            } else {
                // One more than fits, and matches among them don't count.
                (self.sent, self.page_size() + 1 + self.matches.len())
            };
            let rows = sight.referring(&parameters, &targets, after, limit)?;
            if is_iterating {
                brought.extend(self.load(sight, rows)?);
            } else {
                self.rows.extend(rows);
            }
            let fitting: Vec<&StoredVersion> = frontier.iter().filter(fits).collect();
            brought.extend(self.backward_by_url(sight, includes, &parameters, &fitting)?);
        }
        Ok(brought)
    }

    /// Finds what refers to `frontier` by canonical URLs. An index row of a URL may belong to a
    /// reference to another version, so that each is loaded and looked at.
    fn backward_by_url(
        &mut self,
        sight: &mut Sight<'_>,
        includes: &[&Include],
        parameters: &[ParameterId],
        frontier: &[&StoredVersion],
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let mut own = Vec::new();
        for stored in frontier {
            own.extend(Canonical::of(sight, stored)?);
        }
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let targets: Vec<i64> =
            own.iter().map(|canonical| self.app.hasher().hash(&canonical.url)).collect();
        let rows = sight.referring(parameters, &targets, None, MAX_GATHERED)?;
        if rows.len() == MAX_GATHERED {
            self.notes.push(too_many());
        }
        let refers = |target: &Target| match target {
            Target::Canonical(_, reference) => own.iter().any(|own| reference.means(own)),
            Target::Local(_) => false,
        };
        let mut brought = Vec::new();
        let new: Vec<_> = rows.into_iter().filter(|row| !self.loaded.contains_key(row)).collect();
        for stored in sight.load_visible(&new)? {
            if references(self.app, includes, &stored)?.iter().any(refers) {
                self.known.insert(stored.key.clone());
                self.loaded.insert(stored.row, stored.clone());
                brought.push(stored);
            }
        }
        Ok(brought)
    }

    fn load(
        &mut self,
        sight: &mut Sight<'_>,
        rows: Vec<RowKey>,
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let new: Vec<_> = rows.into_iter().filter(|row| !self.loaded.contains_key(row)).collect();
        let brought = sight.load_visible(&new)?;
        for stored in &brought {
            self.known.insert(stored.key.clone());
            self.loaded.insert(stored.row, stored.clone());
        }
        Ok(brought)
    }

    fn page_size(&self) -> usize {
        self.app.settings().max_included.max(1)
    }

    fn finish(mut self, sight: &mut Sight<'_>) -> Result<Included, ReadFailure> {
        let mut rows = self.rows.clone();
        rows.extend(self.loaded.keys());
        let is_left =
            |row: &RowKey| !self.matches.contains(row) && self.sent.is_none_or(|sent| *row > sent);
        let mut rows: Vec<_> = rows.into_iter().filter(is_left).collect();
        let has_more = rows.len() > self.page_size();
        rows.truncate(self.page_size());
        let last = rows.last().copied().filter(|_| has_more);
        let missing: Vec<_> =
            rows.iter().copied().filter(|row| !self.loaded.contains_key(row)).collect();
        for stored in sight.load_visible(&missing)? {
            self.loaded.insert(stored.row, stored);
        }
        let resources = rows.iter().filter_map(|row| self.loaded.remove(row)).collect();
        Ok(Included { resources, last, notes: self.notes })
    }
}

fn too_many() -> Issue {
    let text = "the includes stopped before their end: they brought more than one page may gather; \
                ask for less at once";
    Issue::warning(IssueType::TooCostly, text).at("http._include")
}

/// What a reference of a resource means.
enum Target {
    Local(ResourceKey),
    /// Resources of a type by their canonical URL.
    Canonical(ResourceType, Canonical),
}

/// Parameters whose includes differ in nothing else, together: one walk finds what refers by any
/// of them.
fn grouped(includes: &[&Include]) -> Vec<(Option<ResourceType>, Vec<ParameterId>)> {
    let mut groups: BTreeMap<_, Vec<ParameterId>> = BTreeMap::new();
    for include in includes {
        groups.entry(include.target).or_default().extend(&include.parameters);
    }
    groups.into_iter().collect()
}

/// What the references of a resource mean that the includes follow. A version in a literal
/// reference is passed over: the current version is brought.
fn references(
    app: &App,
    includes: &[&Include],
    stored: &StoredVersion,
) -> Result<Vec<Target>, ReadFailure> {
    let wanted: Vec<_> =
        includes.iter().filter(|include| include.source == stored.key.resource_type).collect();
    let Some(body) = stored.body.as_ref().filter(|_| !wanted.is_empty()) else {
        return Ok(Vec::new());
    };
    let resource = body.to_resource(&stored.key)?;
    let mut targets = Vec::new();
    let definitions = app.definitions();
    for include in wanted {
        for parameter in &include.parameters {
            let Some(parameter) = definitions.registry.by_id(*parameter) else { continue };
            let fits =
                |target: &ResourceType| include.target.is_none_or(|wanted| *target == wanted);
            for found in definitions.indexer.references(resource.view(), parameter) {
                match found {
                    ReferenceValue::Local(key) if fits(&key.resource_type) => {
                        targets.push(Target::Local(key));
                    }
                    ReferenceValue::Local(_) => {}
                    ReferenceValue::Url { url, version } => {
                        let canonical = Canonical { url, version };
                        let types = parameter.targets.iter().filter(|target| fits(target));
                        targets.extend(
                            types.map(|target| Target::Canonical(*target, canonical.clone())),
                        );
                    }
                }
            }
        }
    }
    Ok(targets)
}
