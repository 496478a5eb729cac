//! Chains and `_has` whose inner set is short become plain legs: targets are looked up first.

use std::collections::HashSet;
use std::sync::Arc;

use fhir_search::{Chain, Has, Match, ParameterId, Predicate, RowMatch, Scope};

use super::reading::Reading;
use super::run::{Candidate, Run};
use super::source::columns;
use super::walk::Bounds;
use crate::backend::presence;
use crate::error::StoreError;
use crate::read::RowKey;
use crate::sql::Sql;

/// So many resources are looked at to learn whether an inner set is short.
const FUEL: u64 = 2_000;

impl<S: Reading> Run<'_, S> {
    /// The predicates with every short chain and `_has` replaced; none where nothing was.
    pub(super) fn resolve_all(
        &mut self,
        predicates: &[Predicate],
    ) -> Result<Option<Vec<Predicate>>, StoreError> {
        let mut is_changed = false;
        let mut out = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            out.push(Predicate { any: self.resolve_any(&predicate.any, &mut is_changed)? });
        }
        Ok(is_changed.then_some(out))
    }

    fn resolve_any(
        &mut self,
        any: &[Match],
        is_changed: &mut bool,
    ) -> Result<Vec<Match>, StoreError> {
        let mut out = Vec::with_capacity(any.len());
        for each in any {
            match each {
                Match::Chain(chain) => match self.targets_of(chain)? {
                    Some(targets) => {
                        *is_changed = true;
                        for p in &chain.parameters {
                            let targets = targets.clone();
                            out.push(Match::Row(RowMatch::Reference { p: *p, targets }));
                        }
                    }
                    None => out.push(each.clone()),
                },
                Match::Has(has) => match self.referred_by(has)? {
                    Some(hashes) => {
                        *is_changed = true;
                        out.push(Match::Hashes(Arc::new(hashes)));
                    }
                    None => out.push(each.clone()),
                },
                Match::Not(none) => out.push(Match::Not(self.resolve_any(none, is_changed)?)),
                Match::All(all) => match self.resolve_all(all)? {
                    Some(all) => {
                        *is_changed = true;
                        out.push(Match::All(all));
                    }
                    None => out.push(each.clone()),
                },
                Match::Present(_)
                | Match::Keys(_)
                | Match::Hashes(_)
                | Match::Text(_)
                | Match::Lookup(_)
                | Match::OfType(_)
                | Match::Person(_)
                | Match::Id(_)
                | Match::LastUpdated(_)
                | Match::Row(_)
                | Match::Never => out.push(each.clone()),
            }
        }
        Ok(out)
    }

    fn targets_of(&mut self, chain: &Chain) -> Result<Option<Vec<i64>>, StoreError> {
        self.inside(&Scope::Type(chain.target), |run| {
            let Some(rows) = run.short(&chain.all)? else { return Ok(None) };
            let rows: Vec<_> = rows.into_iter().map(|one| one.row).collect();
            if rows.is_empty() {
                return Ok(Some(Vec::new()));
            }
            let mut hashes = run.hashes_of(&rows)?;
            hashes.sort_unstable();
            Ok(Some(hashes))
        })
    }

    /// Hashes of what the resources that `_has` asks for refer to, sorted.
    fn referred_by(&mut self, has: &Has) -> Result<Option<Vec<i64>>, StoreError> {
        let rows = self.inside(&Scope::Type(has.source), |run| run.short(&has.all))?;
        let Some(rows) = rows else { return Ok(None) };
        let mut rows: Vec<RowKey> = rows.into_iter().map(|one| one.row).collect();
        let mut hashes = self.persons_of(has, &mut rows)?;
        let mut read = Vec::with_capacity(rows.len());
        self.compare(&rows, &[], &mut read)?;
        let is_asked = |p: i32| has.parameters.contains(&ParameterId(p));
        for (_, found) in read.into_iter().filter_map(|one| one.read) {
            let own = found.rows.reference.iter().filter(|row| is_asked(row.p));
            hashes.extend(own.map(|row| row.target));
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Some(hashes))
    }

    /// Takes those rows out that refer under the parameters to the person beside them and to nobody
    /// else, and gives their persons: no body is read for them.
    fn persons_of(&mut self, has: &Has, rows: &mut Vec<RowKey>) -> Result<Vec<i64>, StoreError> {
        let registry = &self.definitions.registry;
        let is_subject = |p: &ParameterId| self.definitions.indexer.is_subject(has.source, *p);
        let masks = presence::masks(registry, &has.parameters);
        let [(_, [first, second])] = *masks.as_slice() else { return Ok(Vec::new()) };
        if rows.is_empty() || !has.parameters.iter().all(is_subject) {
            return Ok(Vec::new());
        }
        let dialect = self.reading.dialect();
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c")).push(", c.person FROM access c WHERE c.type = ");
        sql.integer(has.source.index());
        sql.push(" AND (c.present & ").integer(presence::SOLE_SUBJECT).push(") <> 0");
        sql.push(" AND ((c.present & ").integer(first).push(") <> 0");
        sql.push(" OR (c.present2 & ").integer(second).push(") <> 0)");
        let found = self.of_rows(sql, rows)?;
        let known: HashSet<RowKey> = found.iter().map(|(row, _)| *row).collect();
        rows.retain(|row| !known.contains(row));
        Ok(found.into_iter().map(|(_, person)| person).collect())
    }

    /// What satisfies the predicates, where that is a short list that is found soon.
    fn short(&mut self, predicates: &[Predicate]) -> Result<Option<Vec<Candidate>>, StoreError> {
        if self.types.is_empty() {
            return Ok(Some(Vec::new()));
        }
        // A longer inner set is not made: each candidate is looked at instead.
        let most = self.reading.core().settings.sorted_in_memory / 10;
        if predicates.is_empty() && self.total > most as u64 {
            return Ok(None);
        }
        let (plan, _) = self.plan(predicates, most + 1)?;
        let bounds = Bounds {
            after: None,
            is_backwards: false,
            limit: most + 1,
            fuel: FUEL,
            with_bodies: false,
        };
        let walked = self.walk(&plan, bounds)?;
        Ok(walked.is_whole.then_some(walked.found))
    }
}
