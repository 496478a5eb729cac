//! What a query means, said once without a database: the stores' SQL is held against this, and
//! where SQL is no help they ask it.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey};

use super::{Match, Predicate, RowMatch, Scope, SearchQuery, TextField, TextQuery};
use crate::ParameterId;
use crate::rows::IndexRows;

/// A resource as a query sees it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its type and id.
    pub key: ResourceKey,
    /// Hash of its type and id ([`crate::ValueHasher::reference`]).
    pub hash: i64,
    /// When its current version came to be.
    pub updated: Instant,
    /// Its index rows.
    pub rows: Arc<IndexRows>,
}

/// The other resources that chains and `_has` look at.
pub trait World {
    /// What reading them may fail with.
    type Error;

    /// The live resources of a type among those with these hashes.
    ///
    /// # Errors
    /// The store's.
    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Self::Error>;

    /// The live resources that refer to `hash` by one of these parameters.
    ///
    /// # Errors
    /// The store's.
    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, Self::Error>;
}

impl SearchQuery {
    /// Whether a resource is found; sorting, paging, includes and contained resources apart.
    ///
    /// # Errors
    /// What the world fails with.
    pub fn holds<W: World>(&self, found: &Found, world: &mut W) -> Result<bool, W::Error> {
        let in_scope = match &self.scope {
            Scope::Type(resource_type) => *resource_type == found.key.resource_type,
            Scope::Types(types) => types.contains(&found.key.resource_type),
            Scope::All => true,
        };
        Ok(in_scope && all_hold(&self.predicates, found, world)?)
    }
}

fn all_hold<W: World>(
    predicates: &[Predicate],
    found: &Found,
    world: &mut W,
) -> Result<bool, W::Error> {
    for predicate in predicates {
        if !predicate.holds(found, world)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Predicate {
    /// Whether one of the alternatives holds.
    ///
    /// # Errors
    /// What the world fails with.
    pub fn holds<W: World>(&self, found: &Found, world: &mut W) -> Result<bool, W::Error> {
        for each in &self.any {
            if each.holds(found, world)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Match {
    /// Whether this alternative holds. A [`Match::Lookup`] does not: it has to be resolved first.
    ///
    /// # Errors
    /// What the world fails with.
    pub fn holds<W: World>(&self, found: &Found, world: &mut W) -> Result<bool, W::Error> {
        Ok(match self {
            Self::All(all) => all_hold(all, found, world)?,
            Self::Not(none) => {
                for each in none {
                    if each.holds(found, world)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Present(parameters) => parameters.iter().any(|p| found.rows.has(*p)),
            Self::Chain(chain) => {
                let refers = |p: i32| chain.parameters.iter().any(|own| own.0 == p);
                let rows = found.rows.reference.iter().filter(|row| refers(row.p));
                let hashes: Vec<i64> = rows.map(|row| row.target).collect();
                for target in world.targets(&hashes, chain.target)? {
                    if all_hold(&chain.all, &target, world)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Has(has) => {
                for source in world.referring(found.hash, &has.parameters)? {
                    if source.key.resource_type == has.source && all_hold(&has.all, &source, world)?
                    {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Keys(keys) => keys.contains(&found.key),
            Self::Hashes(hashes) => hashes.binary_search(&found.hash).is_ok(),
            Self::Text(text) => {
                let words = match text.field {
                    TextField::Narrative => &found.rows.text.narrative,
                    TextField::Content => &found.rows.text.content,
                };
                let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
                text.query.holds(&words)
            }
            Self::OfType(types) => types.contains(&found.key.resource_type),
            Self::Person(persons) => persons.contains(&found.rows.access.person),
            Self::Id(id) => *id == found.key.id,
            Self::LastUpdated(when) => when.holds(found.updated.0, found.updated.0 + 1),
            Self::Row(row) => row.holds(&found.rows),
            Self::Lookup(_) | Self::Never => false,
        })
    }
}

impl TextQuery {
    /// Whether it is found in these words.
    #[must_use]
    pub fn holds(&self, words: &[&str]) -> bool {
        match self {
            Self::Phrase(phrase) => words.windows(phrase.len().max(1)).any(|part| part == phrase),
            Self::Prefix(start) => words.iter().any(|word| word.starts_with(start.as_str())),
            Self::And(all) => all.iter().all(|each| each.holds(words)),
            Self::Or(any) => any.iter().any(|each| each.holds(words)),
            Self::Not(not) => !not.holds(words),
        }
    }
}

impl RowMatch {
    /// Whether there is a row as asked for.
    #[must_use]
    pub fn holds(&self, rows: &IndexRows) -> bool {
        let of = |p: &ParameterId, own: i32| own == p.0;
        let either = |p: &ParameterId, own: i32| own == p.0 || own == p.long();
        match self {
            Self::Token { p, code, sys } => rows.token.iter().any(|row| {
                of(p, row.p) && row.code == *code && sys.is_none_or(|sys| row.sys == sys)
            }),
            Self::TokenSystem { p, sys } => {
                rows.token.iter().any(|row| of(p, row.p) && row.sys == *sys)
            }
            Self::Reference { p, targets } => {
                rows.reference.iter().any(|row| of(p, row.p) && targets.contains(&row.target))
            }
            Self::Date { p, when } => {
                rows.date.iter().any(|row| either(p, row.p) && when.holds(row.lo, row.hi))
            }
            Self::Number { p, unit, range } => rows.number.iter().any(|row| {
                of(p, row.p) && range.holds(&row.v) && unit.holds(*p, row.unit, &rows.unit)
            }),
            Self::StringPrefix { p, folded } => {
                rows.string.iter().any(|row| of(p, row.p) && row.folded.starts_with(folded))
            }
            Self::StringExact { p, folded, exact } => rows
                .string
                .iter()
                .any(|row| of(p, row.p) && row.folded == *folded && row.exact == *exact),
            Self::StringIs { p, folded } => {
                rows.string.iter().any(|row| of(p, row.p) && row.folded == *folded)
            }
            Self::StringEnds { p, folded } => {
                rows.string.iter().any(|row| of(p, row.p) && row.folded.ends_with(folded))
            }
            Self::StringContains { p, folded } => {
                rows.string.iter().any(|row| of(p, row.p) && row.folded.contains(folded))
            }
            Self::TokenSet { p, codes } => rows.token.iter().any(|row| {
                let is_system = |sys: Option<i64>| sys.is_none_or(|sys| sys == row.sys);
                let meant = |&(code, sys): &(i64, Option<i64>)| code == row.code && is_system(sys);
                of(p, row.p) && codes.iter().any(meant)
            }),
            Self::UriBelow { p, text } => rows.uri.iter().any(|row| {
                let is_version = text.contains('|');
                let ends =
                    |next: char| matches!(next, '/' | '|' | '#') || is_version && next == '.';
                let rest = row.text.strip_prefix(text.as_str());
                of(p, row.p) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(ends))
            }),
            Self::Near { p, place, chord } => {
                rows.place.iter().any(|row| of(p, row.p) && row.is_within(place, *chord))
            }
            Self::Uri { p, text } => rows.uri.iter().any(|row| of(p, row.p) && row.text == *text),
            Self::CompositeToken { .. }
            | Self::CompositeNumber { .. }
            | Self::CompositeDate { .. }
            | Self::CompositeString { .. } => self.composite_holds(rows),
        }
    }

    fn composite_holds(&self, rows: &IndexRows) -> bool {
        let of = |p: &ParameterId, own: i32| own == p.0;
        match self {
            Self::CompositeToken { p, code, sys, code2, sys2 } => {
                rows.composite_token.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && row.code2 == *code2
                        && sys2.is_none_or(|sys| row.sys2 == sys)
                })
            }
            Self::CompositeNumber { p, code, sys, unit, range, range2 } => {
                rows.composite_number.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && unit.holds(*p, row.unit, &rows.unit)
                        && range.holds(&row.v)
                        && range2.as_ref().is_none_or(|range| range.holds(&row.v2))
                })
            }
            Self::CompositeDate { p, code, sys, when } => rows.composite_date.iter().any(|row| {
                of(p, row.p)
                    && row.code == *code
                    && sys.is_none_or(|sys| row.sys == sys)
                    && when.holds(row.lo, row.hi)
            }),
            Self::CompositeString { p, code, sys, folded } => {
                rows.composite_string.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && row.folded.starts_with(folded)
                })
            }
            Self::Token { .. }
            | Self::TokenSystem { .. }
            | Self::TokenSet { .. }
            | Self::Reference { .. }
            | Self::Date { .. }
            | Self::Number { .. }
            | Self::StringPrefix { .. }
            | Self::StringExact { .. }
            | Self::StringIs { .. }
            | Self::StringEnds { .. }
            | Self::StringContains { .. }
            | Self::Uri { .. }
            | Self::UriBelow { .. }
            | Self::Near { .. } => false,
        }
    }
}
