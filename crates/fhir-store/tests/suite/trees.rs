//! Random queries over a small population, against what they mean (`SearchQuery::holds`).

use std::cmp::Ordering;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{
    Chain, Comparator, DateMatch, Found, Has, Match, NumberRange, ParameterId, Predicate, RowMatch,
    Scope, SearchQuery, SortBy, SortKey, TextField, TextMatch, TextQuery, UnitMatch,
};
use fhir_store::{Hit, Position, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::cases;
use crate::people::{People, pick, population};
use crate::world::World;

cases!(random_trees_are_answered, random_trees_are_answered_by_walks);

fn date_match(random: &mut StdRng, lo: i64, hi: i64) -> DateMatch {
    use Comparator as C;
    let comparators = [C::Eq, C::Ne, C::Gt, C::Lt, C::Ge, C::Le, C::Sa, C::Eb, C::Ap];
    DateMatch { comparator: *pick(random, &comparators), lo, hi }
}

fn start(random: &mut StdRng, folded: &str) -> String {
    let count = folded.chars().count();
    folded.chars().take(random.random_range(1..=count.max(1))).collect()
}

/// A match that some resource satisfies, made from a row that there is.
fn row_match(random: &mut StdRng, people: &People, of: ResourceType) -> Option<Match> {
    let own: Vec<&Found> = people.all.iter().filter(|one| one.key.resource_type == of).collect();
    let one = *pick(random, &own);
    let rows = &one.rows;
    let p = ParameterId;
    if random.random_bool(0.1) {
        let words: Vec<&str> =
            rows.text.content.split(' ').filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return None;
        }
        let word = (*pick(random, &words)).to_owned();
        let query = match random.random_range(0..3) {
            0 => TextQuery::Not(Box::new(TextQuery::Phrase(vec![word]))),
            1 => TextQuery::Prefix(start(random, &word)),
            _ => TextQuery::Phrase(vec![word]),
        };
        return Some(Match::Text(TextMatch { field: TextField::Content, query }));
    }
    Some(Match::Row(match random.random_range(0..10) {
        0 | 1 if !rows.token.is_empty() => {
            let row = pick(random, &rows.token);
            let sys = random.random_bool(0.5).then_some(row.sys);
            match random.random_range(0..4) {
                0 => RowMatch::TokenSet { p: p(row.p), codes: Arc::new(vec![(row.code, sys)]) },
                1 if row.sys != 0 => RowMatch::TokenSystem { p: p(row.p), sys: row.sys },
                _ => RowMatch::Token { p: p(row.p), code: row.code, sys },
            }
        }
        2 | 3 if !rows.reference.is_empty() => {
            let row = pick(random, &rows.reference);
            let mut targets: Vec<i64> =
                (0..random.random_range(0..12)).map(|_| pick(random, &people.all).hash).collect();
            targets.push(row.target);
            RowMatch::Reference { p: p(row.p), targets }
        }
        4 | 5 if !rows.date.is_empty() => {
            let row = pick(random, &rows.date);
            RowMatch::Date { p: p(row.p.abs()), when: date_match(random, row.lo, row.hi) }
        }
        6 if !rows.number.is_empty() => {
            let row = pick(random, &rows.number);
            let range = NumberRange {
                min: random.random_bool(0.7).then(|| (row.v.clone(), random.random_bool(0.5))),
                max: random.random_bool(0.5).then(|| (row.v.clone(), random.random_bool(0.5))),
                negated: random.random_bool(0.2),
            };
            let unit =
                if random.random_bool(0.5) { UnitMatch::Any } else { UnitMatch::Unit(row.unit) };
            RowMatch::Number { p: p(row.p), unit, range }
        }
        7 | 8 if !rows.string.is_empty() => {
            let row = pick(random, &rows.string);
            let folded = start(random, &row.folded);
            match random.random_range(0..4) {
                0 => RowMatch::StringContains { p: p(row.p), folded },
                1 => RowMatch::StringIs { p: p(row.p), folded: row.folded.clone() },
                _ => RowMatch::StringPrefix { p: p(row.p), folded },
            }
        }
        9 if !rows.composite_token.is_empty() => {
            let row = pick(random, &rows.composite_token);
            RowMatch::CompositeToken {
                p: p(row.p),
                code: row.code,
                sys: None,
                code2: row.code2,
                sys2: Some(row.sys2),
            }
        }
        _ => return None,
    }))
}

fn one_match(
    random: &mut StdRng,
    people: &People,
    world: &World,
    of: ResourceType,
    depth: u32,
) -> Match {
    let registry = &world.store.definitions().registry;
    let id = |of, code| registry.get(of, code).unwrap().id;
    let any = |random: &mut StdRng, depth| predicates(random, people, world, of, depth);
    loop {
        let chosen = match random.random_range(0..16) {
            0 if depth > 0 => Match::All(any(random, depth - 1)),
            1 if depth > 0 => Match::Not(predicate(random, people, world, of, depth - 1).any),
            2 => Match::Present(
                registry
                    .of_type(of)
                    .filter(|_| random.random_bool(0.05))
                    .map(|one| one.id)
                    .collect(),
            ),
            3 | 4 if depth > 0 => {
                let (parameter, target) = if of == ResourceType::PATIENT {
                    (id(of, "link"), ResourceType::PATIENT)
                } else {
                    (id(of, "subject"), ResourceType::PATIENT)
                };
                let all = predicates(random, people, world, target, depth - 1);
                Match::Chain(Chain { parameters: vec![parameter], target, all })
            }
            5 | 6 if depth > 0 && of == ResourceType::PATIENT => {
                let (source, code) = *pick(
                    random,
                    &[(ResourceType::OBSERVATION, "subject"), (ResourceType::PATIENT, "link")],
                );
                let all = predicates(random, people, world, source, depth - 1);
                Match::Has(Has { source, parameters: vec![id(source, code)], all })
            }
            7 => {
                let count = random.random_range(0..9);
                let keys = (0..count).map(|_| pick(random, &people.all).key.clone()).collect();
                Match::Keys(Arc::new(keys))
            }
            8 => Match::Id(pick(random, &people.all).key.id.clone()),
            9 => {
                let at = pick(random, &people.all).updated.0;
                Match::LastUpdated(date_match(random, at, at + 1))
            }
            10 if depth > 1 => Match::Never,
            _ => match row_match(random, people, of) {
                Some(own) => own,
                None => continue,
            },
        };
        return chosen;
    }
}

fn predicate(
    random: &mut StdRng,
    people: &People,
    world: &World,
    of: ResourceType,
    depth: u32,
) -> Predicate {
    let count = *pick(random, &[1, 1, 1, 2, 3]);
    Predicate { any: (0..count).map(|_| one_match(random, people, world, of, depth)).collect() }
}

fn predicates(
    random: &mut StdRng,
    people: &People,
    world: &World,
    of: ResourceType,
    depth: u32,
) -> Vec<Predicate> {
    let count = *pick(random, &[0, 1, 1, 1, 2, 2, 3]);
    let mut all: Vec<Predicate> =
        (0..count).map(|_| predicate(random, people, world, of, depth)).collect();
    if of == ResourceType::OBSERVATION && random.random_bool(0.3) {
        all.extend(pair(random, people, world));
    }
    all
}

/// A code and something that it has a list with: a number, a date, or two bounds of a date.
fn pair(random: &mut StdRng, people: &People, world: &World) -> Vec<Predicate> {
    let registry = &world.store.definitions().registry;
    let id = |code| registry.get(ResourceType::OBSERVATION, code).unwrap().id;
    let (code, date, number) = (id("code"), id("date"), id("value-quantity"));
    let own: Vec<&Found> = people
        .all
        .iter()
        .filter(|one| one.key.resource_type == ResourceType::OBSERVATION)
        .collect();
    let token = |random: &mut StdRng| {
        let rows = pick(random, &own).rows.token.iter().filter(|row| row.p == code.0);
        let row = *pick(random, &rows.collect::<Vec<_>>());
        let sys = random.random_bool(0.5).then_some(row.sys);
        Match::Row(RowMatch::Token { p: code, code: row.code, sys })
    };
    let codes = (0..*pick(random, &[1, 1, 2])).map(|_| token(random)).collect();
    let mut all = vec![Predicate { any: codes }];
    let is_date = random.random_bool(0.6);
    for _ in 0..*pick(random, &[1, 2]) {
        let rows = &pick(random, &own).rows;
        let dates: Vec<_> = rows.date.iter().filter(|row| row.p.abs() == date.0).collect();
        let numbers: Vec<_> = rows.number.iter().filter(|row| row.p == number.0).collect();
        let row = if is_date && !dates.is_empty() {
            let row = *pick(random, &dates);
            RowMatch::Date { p: date, when: date_match(random, row.lo, row.hi) }
        } else if !numbers.is_empty() {
            let row = *pick(random, &numbers);
            let range = NumberRange {
                min: random.random_bool(0.7).then(|| (row.v.clone(), random.random_bool(0.5))),
                max: random.random_bool(0.5).then(|| (row.v.clone(), random.random_bool(0.5))),
                negated: random.random_bool(0.2),
            };
            let unit = *pick(random, &[UnitMatch::Any, UnitMatch::Unit(row.unit)]);
            RowMatch::Number { p: number, unit, range }
        } else {
            continue;
        };
        all.push(Predicate { any: vec![Match::Row(row)] });
    }
    all
}

fn sort_keys(random: &mut StdRng, world: &World, of: ResourceType) -> Vec<SortKey> {
    let registry = &world.store.definitions().registry;
    let id = |code| vec![registry.get(of, code).unwrap().id];
    let count = *pick(random, &[0, 0, 1, 1, 2]);
    let key = |random: &mut StdRng| {
        let by = match (of == ResourceType::PATIENT, random.random_range(0..4)) {
            (_, 0) => SortBy::Id,
            (_, 1) => SortBy::LastUpdated,
            (true, 2) => SortBy::Date(id("birthdate")),
            (true, _) => SortBy::String(id("family")),
            (false, 2) => SortBy::Date(id("date")),
            (false, _) => SortBy::Number(id("value-quantity")),
        };
        SortKey { by, descending: random.random_bool(0.5) }
    };
    (0..count).map(|_| key(random)).collect()
}

/// A value as bytes that compare like it.
fn value_of(found: &Found, key: &SortKey) -> Option<Vec<u8>> {
    let rows = &found.rows;
    let of = |parameters: &[ParameterId], p: i32| parameters.iter().any(|one| one.0 == p.abs());
    let number = |number: i64| (i128::from(number) - i128::from(i64::MIN)).to_be_bytes().to_vec();
    let values: Vec<Vec<u8>> = match &key.by {
        SortBy::Id => vec![found.key.id.as_str().as_bytes().to_vec()],
        SortBy::LastUpdated => vec![number(found.updated.0)],
        SortBy::Date(all) => {
            rows.date.iter().filter(|row| of(all, row.p)).map(|row| number(row.lo)).collect()
        }
        SortBy::String(all) => rows
            .string
            .iter()
            .filter(|row| row.exact != 0 && of(all, row.p))
            .map(|row| row.folded.as_bytes().to_vec())
            .collect(),
        SortBy::Number(all) => {
            rows.number.iter().filter(|row| of(all, row.p)).map(|row| row.v.clone()).collect()
        }
        SortBy::Uri(_) | SortBy::Token(_) | SortBy::Reference(_) => panic!("not drawn"),
    };
    if key.descending { values.into_iter().max() } else { values.into_iter().min() }
}

fn order(keys: &[SortKey], one: &Found, other: &Found) -> Ordering {
    for key in keys {
        let order = match (value_of(one, key), value_of(other, key)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) if key.descending => other.cmp(&one),
            (Some(one), Some(other)) => one.cmp(&other),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn expected(people: &People, query: &SearchQuery) -> Vec<String> {
    let mut sight = people;
    let holds = |one: &&Found| match query.holds(one, &mut sight) {
        Ok(holds) => holds,
        Err(never) => match never {},
    };
    let mut all: Vec<&Found> = people.all.iter().filter(holds).collect();
    all.sort_by(|one, other| order(&query.sort, one, other));
    all.into_iter().map(|one| one.key.to_string()).collect()
}

/// Keys of the hits, or nothing where the store says that it would cost too much.
fn keys_of(
    world: &World,
    query: &SearchQuery,
    after: Option<Position>,
    limit: usize,
) -> Option<(Vec<String>, Vec<Hit>)> {
    let query = query.clone();
    world.read(move |reader| {
        let hits = match reader.search(&query, after.as_ref(), limit) {
            Err(StoreError::TooCostly(_)) => return Ok(None),
            other => other?,
        };
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        let keys = reader.load(&rows)?.into_iter().map(|version| version.key.to_string()).collect();
        Ok(Some((keys, hits)))
    })
}

fn holds_for(world: &World, people: &People, query: &SearchQuery, random: &mut StdRng) {
    let told = || format!("{:?}\n{:?} {:?}", query.scope, query.predicates, query.sort);
    let wanted = expected(people, query);
    let Some((found, hits)) = keys_of(world, query, None, 1000) else { return };
    assert_eq!(found, wanted, "{}", told());
    let asked = query.clone();
    let count = world.read(move |reader| reader.count(&asked));
    assert_eq!(count, wanted.len() as u64, "count: {}", told());
    let size = random.random_range(1..9);
    let mut walked = Vec::new();
    let mut after = None;
    while let Some((keys, hits)) = keys_of(world, query, after.clone(), size) {
        walked.extend(keys);
        match hits.last() {
            Some(last) if hits.len() == size => after = Some(last.position.clone()),
            _ => break,
        }
    }
    assert_eq!(walked, wanted, "pages of {size}: {}", told());
    if let Some(place) = hits.len().checked_sub(1) {
        let place = random.random_range(0..=place);
        let (asked, before) = (query.clone(), hits[place].position.clone());
        let back = world.read(move |reader| reader.search_before(&asked, &before, size));
        if let Some(back) = back {
            assert_eq!(back, hits[place.saturating_sub(size)..place], "before: {}", told());
        }
    }
}

fn run(world: &World, seed: u64, queries: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let people = population(world, &mut random);
    let types = [ResourceType::PATIENT, ResourceType::OBSERVATION];
    for _ in 0..queries {
        let of = *pick(&mut random, &types);
        let mut query = world.query(&format!("{of}?"));
        query.predicates = predicates(&mut random, &people, world, of, 2);
        match random.random_range(0..6) {
            0 => query.scope = Scope::All,
            1 => query.scope = Scope::Types(types.to_vec()),
            _ => query.sort = sort_keys(&mut random, world, of),
        }
        holds_for(world, &people, &query, &mut random);
    }
}

fn random_trees_are_answered(world: &World) {
    run(world, 1, 200);
}

/// With next to no list sorted in memory and no inner set looked up, walks have to serve.
fn random_trees_are_answered_by_walks(world: &World) {
    let world = world.with(|settings| settings.sorted_in_memory = 3);
    run(&world, 2, 200);
}
