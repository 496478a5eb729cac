//! Index answers against the oracle's.

use std::collections::BTreeSet;

use fhir_search::{Scope, SearchQuery};
use kantele_tests::{Client, on_each_backend, scale};

use crate::population::Population;
use crate::questions::{Question, Questions};

/// Pages that one walk has at most.
const PAGES: usize = 8;

#[test]
fn random_queries_find_what_the_oracle_finds() {
    let seed = scale("KANTELE_TEST_SEED", 1);
    let mut population = Population::new(seed, scale("KANTELE_TEST_POPULATION", 400));
    let many = scale("KANTELE_TEST_QUERIES", 300);
    let asked: Vec<Question> = {
        let questions = Questions::new(&population, seed);
        std::iter::repeat_with(|| questions.ask())
            .filter(|question| !question.pairs.is_empty())
            .take(usize::try_from(many).unwrap())
            .collect()
    };
    let understood: Vec<(Question, Option<SearchQuery>)> = asked
        .into_iter()
        .map(|question| {
            let scope = question.base.map_or(Scope::All, Scope::Type);
            let query = population.understand(scope, &question.pairs).ok();
            (question, query)
        })
        .collect();
    let refused = understood.iter().filter(|(_, query)| query.is_none()).count();
    println!("seed {seed}: {} queries, {refused} of them refused", understood.len());
    assert!(refused * 5 < understood.len(), "too many of the queries mean nothing");
    on_each_backend(|server| {
        population.store(server.client());
        let mut faults = Vec::new();
        let mut found = 0;
        for (question, query) in &understood {
            match compare(&population, server.client(), question, query.as_ref()) {
                Ok(count) => found += count,
                Err(fault) => faults.push(fault),
            }
        }
        println!("{found} resources found");
        let shown: Vec<&String> = faults.iter().take(20).collect();
        assert!(faults.is_empty(), "{} of {many} differ: {shown:#?}", faults.len());
        assert!(found > 0, "nothing was ever found");
    });
}

fn compare(
    population: &Population,
    client: &Client,
    question: &Question,
    query: Option<&SearchQuery>,
) -> Result<usize, String> {
    let mut path = question.base.map_or(String::new(), |base| base.as_str().to_owned());
    let pairs = question.pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    path.push('?');
    path.push_str(&pairs.collect::<Vec<_>>().join("&"));
    let Some(query) = query else {
        let status = client.get(&path).status;
        let is_refused = (400..500).contains(&status);
        return if is_refused { Ok(0) } else { Err(format!("{path}: {status}, expected 4xx")) };
    };
    let expected = population.matches(query);
    let count = (expected.len() / PAGES).max(3);
    if let Some(sort) = &question.sort {
        path.push_str(&format!("&_sort={sort}"));
    }
    path.push_str(&format!("&_count={count}"));
    let mut found = Vec::new();
    let mut next = Some(path.clone());
    while let Some(page) = next {
        let reply = client.get(&page);
        if reply.status != 200 {
            return Err(format!("{path}: {} {}", reply.status, reply.text()));
        }
        found.extend(reply.keys("match"));
        next = reply.link("next");
        if found.len() > expected.len() + count {
            break;
        }
    }
    let keys: BTreeSet<String> = expected.iter().map(|found| found.key.to_string()).collect();
    let once: BTreeSet<String> = found.iter().cloned().collect();
    if once.len() != found.len() {
        return Err(format!("{path}: {} found, only {} different", found.len(), once.len()));
    }
    if once != keys {
        let lost: Vec<_> = keys.difference(&once).take(3).collect();
        let more: Vec<_> = once.difference(&keys).take(3).collect();
        let sizes = (keys.len(), once.len());
        return Err(format!("{path}: {sizes:?} lost {lost:?}, too many {more:?}"));
    }
    if let Some(sort) = &question.sort {
        in_order(population, question, sort, &found).map_err(|at| format!("{path}: order {at}"))?;
    }
    if keys.len().is_multiple_of(5) {
        let total = client.get(&format!("{path}&_summary=count")).expecting(200).json();
        if total["total"] != keys.len() {
            return Err(format!("{path}: total {} of {}", total["total"], keys.len()));
        }
    }
    Ok(found.len())
}

/// Whether keys stand in the order of a sort code, those without a value last.
fn in_order(
    population: &Population,
    question: &Question,
    sort: &str,
    found: &[String],
) -> Result<(), String> {
    let (code, descending) = match sort.strip_prefix('-') {
        Some(code) => (code, true),
        None => (sort, false),
    };
    let value = |key: &String| {
        let resource = population.found.iter().find(|found| found.key.to_string() == *key)?;
        if code == "_id" {
            return Some(Value::Text(resource.key.id.as_str().to_owned()));
        }
        let parameter = population.registry.get(question.base?, code)?;
        let (p, rows) = (parameter.id.0, &resource.rows);
        let mut values: Vec<Value> = Vec::new();
        values.extend(
            rows.date.iter().filter(|row| row.p.abs() == p).map(|row| Value::Number(row.lo)),
        );
        values.extend(
            rows.number.iter().filter(|row| row.p == p).map(|row| Value::Bytes(row.v.clone())),
        );
        values.extend(
            rows.string.iter().filter(|row| row.p == p).map(|row| Value::Text(row.folded.clone())),
        );
        values.extend(
            rows.uri.iter().filter(|row| row.p == p).map(|row| Value::Text(row.text.clone())),
        );
        if descending { values.into_iter().max() } else { values.into_iter().min() }
    };
    let values: Vec<Option<Value>> = found.iter().map(value).collect();
    for (at, pair) in values.windows(2).enumerate() {
        let is_fine = match (&pair[0], &pair[1]) {
            (None, Some(_)) => false,
            (_, None) => true,
            (Some(one), Some(other)) if descending => one >= other,
            (Some(one), Some(other)) => one <= other,
        };
        if !is_fine {
            return Err(format!("{at}: {:?} before {:?}", pair[0], pair[1]));
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Percent-encoded for a query string.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fhir_model::write::percent(text, b"", &mut out);
    out
}
