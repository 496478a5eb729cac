//! What a search would do, in words.

use fhir_search::{Match, Predicate, SearchQuery, SortBy, TextField};

use super::plan::{Leg, Plan, Surer};
use super::reading::Reading;
use super::run::Run;
use super::source::LIVE_BY_HASH;
use crate::budget;
use crate::error::StoreError;
use crate::explain::{Estimate, ExplainedStatement, Explanation};

impl<S: Reading> Run<'_, S> {
    /// Runs a search and says how.
    pub(crate) fn explain(
        &mut self,
        query: &SearchQuery,
        limit: usize,
    ) -> Result<Explanation, StoreError> {
        let before = self.reading.work().touched;
        let steps = budget::steps();
        self.reading.work().trace = Some(Vec::new());
        let found = self.search(query, None, limit);
        let steps = budget::steps().wrapping_sub(steps);
        let statements = self.reading.work().trace.take().unwrap_or_default();
        found?;
        let mut explanation =
            Explanation { touched: self.reading.work().touched, ..Explanation::default() };
        explanation.touched.statements -= before.statements;
        explanation.touched.rows -= before.rows;
        explanation.touched.bodies -= before.bodies;
        explanation.touched.compared -= before.compared;
        explanation.touched.steps = steps;
        for sql in &statements {
            let text = sql.text().to_owned();
            if explanation.statements.iter().all(|known| known.text != text) {
                let plan = self.reading.plan_of(sql)?;
                explanation.statements.push(ExplainedStatement { text, plan });
            }
        }
        self.words(query, limit, &mut explanation)?;
        Ok(explanation)
    }

    fn words(
        &mut self,
        query: &SearchQuery,
        limit: usize,
        explanation: &mut Explanation,
    ) -> Result<(), StoreError> {
        let (plan, legs) = self.plan(&query.predicates, limit)?;
        explanation.driver = self.driver(&plan, &legs);
        explanation.order = match query.sort.as_slice() {
            [] => "rows, in the order of creation".to_owned(),
            keys => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        let sign = if key.descending { "-" } else { "" };
                        format!("{sign}{}", self.sort_name(&key.by))
                    })
                    .collect();
                keys.join(", ")
            }
        };
        for (place, leg) in legs.iter().enumerate() {
            let name = self.name(&leg.predicate);
            if let Some(size) = leg.size {
                let (rows, is_at_least) = (size.rows, size.is_at_least);
                explanation.estimates.push(Estimate { leg: name.clone(), rows, is_at_least });
            }
            if leg.is_implied || Some(place) == plan.driver && plan.source.is_exact {
                continue;
            }
            let list = if leg.probe.is_some() {
                &mut explanation.probes
            } else {
                &mut explanation.residual
            };
            list.push(name);
        }
        Ok(())
    }

    fn driver(&self, plan: &Plan, legs: &[Leg]) -> String {
        let own = self.driver_alone(plan, legs);
        match &plan.surer {
            None => own,
            Some(Surer { fuel, plan }) => {
                let surer = self.driver_alone(plan, legs);
                format!("{own}, after {fuel} rows {surer}")
            }
        }
    }

    fn driver_alone(&self, plan: &Plan, legs: &[Leg]) -> String {
        let Some(leg) = plan.driver.and_then(|place| legs.get(place)) else {
            return "all resources of the type".to_owned();
        };
        let name = |table| if table == LIVE_BY_HASH { "resource" } else { table };
        let arms = plan.source.arms.iter();
        let mut tables: Vec<&str> = arms.map(|arm| name(arm.table)).collect();
        tables.dedup();
        let how = if plan.source.is_ordered { "walked" } else { "gathered" };
        format!("{} ({} {how})", self.name(&leg.predicate), tables.join(", "))
    }

    /// A predicate without its values.
    fn name(&self, predicate: &Predicate) -> String {
        let mut parts: Vec<String> = predicate.any.iter().map(|each| self.name_of(each)).collect();
        parts.dedup();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(" or ") }
    }

    fn names(&self, all: &[Predicate]) -> String {
        let parts: Vec<String> = all.iter().map(|each| self.name(each)).collect();
        parts.join(" and ")
    }

    fn codes(&self, parameters: &[fhir_search::ParameterId]) -> String {
        let code = |p| self.definitions.registry.by_id(p).map(|own| own.code.as_str());
        let mut codes: Vec<&str> = parameters.iter().filter_map(|p| code(*p)).collect();
        codes.dedup();
        codes.join("|")
    }

    fn name_of(&self, each: &Match) -> String {
        match each {
            Match::All(all) => format!("({})", self.names(all)),
            Match::Not(none) => {
                let parts: Vec<String> = none.iter().map(|each| self.name_of(each)).collect();
                format!("not ({})", parts.join(" or "))
            }
            Match::Present(parameters) => format!("{} present", self.codes(parameters)),
            Match::Chain(chain) => {
                let codes = self.codes(&chain.parameters);
                format!("{codes}:{}.({})", chain.target, self.names(&chain.all))
            }
            Match::Has(has) => {
                let codes = self.codes(&has.parameters);
                format!("_has:{}:{codes}:({})", has.source, self.names(&has.all))
            }
            Match::Keys(keys) => format!("{} keys", keys.len()),
            Match::Hashes(hashes) => format!("{} keys", hashes.len()),
            Match::Text(text) => match text.field {
                TextField::Narrative => "_text".to_owned(),
                TextField::Content => "_content".to_owned(),
            },
            Match::OfType(_) => "_type".to_owned(),
            Match::Person(_) => "person".to_owned(),
            Match::Id(_) => "_id".to_owned(),
            Match::LastUpdated(_) => "_lastUpdated".to_owned(),
            Match::Row(row) => self.codes(&[row.parameter()]),
            Match::Lookup(_) | Match::Never => "nothing".to_owned(),
        }
    }

    fn sort_name(&self, by: &SortBy) -> String {
        match by {
            SortBy::Id => "_id".to_owned(),
            SortBy::LastUpdated => "_lastUpdated".to_owned(),
            SortBy::Date(of)
            | SortBy::String(of)
            | SortBy::Number(of)
            | SortBy::Uri(of)
            | SortBy::Token(of)
            | SortBy::Reference(of) => self.codes(of),
        }
    }
}
