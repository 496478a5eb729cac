//! Conditions that a search says in few words and the store in SQL, held against what they mean.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::rows::PlaceRow;
use fhir_search::{Match, ParameterId, Predicate, RowMatch};
use fhir_store::{Action, StoreError, WriteGroup};

use crate::cases;
use crate::world::{World, wait};

cases!(row_matches_agree_with_their_definition, units_are_listed_with_their_codes,);

const PATIENTS: &[&str] = &[
    r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Virtanen","given":["Anna","ANNA"]}],"gender":"female","telecom":[{"system":"phone","value":"1"}]}"#,
    r#"{"resourceType":"Patient","id":"p2","name":[{"family":"virtanen"}],"gender":"male"}"#,
    r#"{"resourceType":"Patient","id":"p3","name":[{"family":"von Virta"},{"family":"Åberg"}]}"#,
    r#"{"resourceType":"Patient","id":"p4","name":[{"family":"Tanen"}],"gender":"unknown"}"#,
    r#"{"resourceType":"Patient","id":"p5","name":[{"family":"nen"}]}"#,
];

const SETS: &[&str] = &[
    r#"{"resourceType":"ValueSet","id":"v1","url":"http://x.org/a","status":"active"}"#,
    r#"{"resourceType":"ValueSet","id":"v2","url":"http://x.org/a/b","status":"draft"}"#,
    r#"{"resourceType":"ValueSet","id":"v3","url":"http://x.org/ab","status":"active"}"#,
    r#"{"resourceType":"ValueSet","id":"v4","url":"http://x.org/a#f","status":"active"}"#,
];

fn id_of(world: &World, of: ResourceType, code: &str) -> ParameterId {
    world.store.definitions().registry.get(of, code).unwrap().id
}

/// Every match, over every resource of its type, against [`RowMatch::holds`].
fn row_matches_agree_with_their_definition(world: &World) {
    let mut stored = Vec::new();
    let p = |code| id_of(world, ResourceType::PATIENT, code);
    let places = [(0, 0, 64_000_000), (3, 4, 64_000_000), (-64_000_000, 5, 0)];
    let place = |(x, y, z)| PlaceRow { p: p("address").0, x, y, z };
    for (of, resources) in [("Patient", PATIENTS), ("ValueSet", SETS)] {
        let mut ops: Vec<_> = resources.iter().map(|json| world.put(json)).collect();
        // Patients have no places; any row of an index will do.
        for (op, own) in ops.iter_mut().zip(places).filter(|_| of == "Patient") {
            let Action::Put { rows, .. } = &mut op.action else { panic!("not a put") };
            rows.place.push(place(own));
        }
        for op in &ops {
            let Action::Put { rows, .. } = &op.action else { panic!("not a put") };
            stored.push((of, op.key.id.to_string(), rows.clone()));
        }
        world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    }
    let url = id_of(world, ResourceType::VALUE_SET, "url");
    let hasher = world.store.hasher();
    let mut matches = Vec::new();
    for text in ["virtanen", "tanen", "nen", "irta", "", "aberg", "x", "von virta"] {
        let folded = text.to_owned();
        let family = p("family");
        matches.push(RowMatch::StringIs { p: family, folded: folded.clone() });
        matches.push(RowMatch::StringEnds { p: family, folded: folded.clone() });
        matches.push(RowMatch::StringContains { p: family, folded: folded.clone() });
        for exact in ["Virtanen", "virtanen", "von Virta"] {
            let exact = hasher.exact(exact);
            matches.push(RowMatch::StringExact { p: family, folded: folded.clone(), exact });
        }
    }
    for text in ["http://x.org/a", "http://x.org", "http://x.org/a|1", "urn:x"] {
        matches.push(RowMatch::UriBelow { p: url, text: text.to_owned() });
    }
    for chord in [0, 4, 5, 100_000_000, 150_000_000] {
        for middle in places {
            let place = place(middle);
            matches.push(RowMatch::Near { p: p("address"), place, chord });
        }
    }
    let gender = "http://hl7.org/fhir/administrative-gender";
    let sys = hasher.hash(gender);
    for wanted in [
        vec![],
        vec![(hasher.code("male"), None)],
        vec![(hasher.code("male"), Some(sys)), (hasher.code("female"), Some(sys))],
        vec![(hasher.code("male"), Some(0)), (hasher.code("female"), Some(0))],
        vec![(hasher.code("male"), Some(7)), (hasher.code("unknown"), None)],
        (0..5_000).map(|n| (n, None)).chain([(hasher.code("female"), None)]).collect(),
        (0..5_000).map(|n| (n, Some(n))).chain([(hasher.code("male"), Some(0))]).collect(),
    ] {
        matches.push(RowMatch::TokenSet { p: p("gender"), codes: Arc::new(wanted) });
    }
    for wanted in matches {
        let of = if wanted.parameter() == url { "ValueSet" } else { "Patient" };
        let expected: Vec<&String> = stored
            .iter()
            .filter(|(own, _, rows)| *own == of && wanted.holds(rows))
            .map(|(_, id, _)| id)
            .collect();
        let mut query = world.query(&format!("{of}?"));
        query.predicates = vec![Predicate { any: vec![Match::Row(wanted.clone())] }];
        let count = query.clone();
        let found = world.read(move |reader| {
            let rows: Vec<_> =
                reader.search(&query, None, 100)?.iter().map(|hit| hit.row).collect();
            reader.load(&rows)
        });
        let found: Vec<String> = found.iter().map(|one| one.key.id.to_string()).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{wanted:?}");
        let count = world.read(move |reader| reader.count(&count));
        assert_eq!(count, expected.len() as u64, "{wanted:?}");
    }
}

fn units_are_listed_with_their_codes(world: &World) {
    world.given(&[
        r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"t"},"valueQuantity":{"value":1,"unit":"g","system":"http://unitsofmeasure.org","code":"g"}}"#,
        r#"{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"t"},"valueQuantity":{"value":1,"unit":"kg","system":"urn:own","code":"kg"}}"#,
    ]);
    let p = id_of(world, ResourceType::OBSERVATION, "value-quantity");
    let units = world.read(move |reader| reader.units(p));
    assert_eq!(units.iter().map(|(_, code)| code.as_str()).collect::<Vec<_>>(), ["g"]);
}

/// On PostgreSQL the time is that of a statement, and the database's own business.
#[test]
fn a_read_over_its_time_ends_and_the_next_goes_on() {
    let world = World::sqlite();
    world.given(PATIENTS);
    let mut settings = world.settings.clone();
    settings.read_timeout_ms = 50;
    let hurried = world.reopened(settings);
    let query = hurried.query("Patient?family=virtanen");
    let ended = wait(hurried.store.read(move |reader| -> Result<(), StoreError> {
        loop {
            reader.count(&query)?;
        }
    }));
    assert!(matches!(ended, Err(StoreError::Timeout)), "{ended:?}");
    assert_eq!(hurried.found("Patient?family=virtanen"), ["p1", "p2"]);
    hurried.given(&[r#"{"resourceType":"Patient","id":"p2","active":true}"#]);
    assert_eq!(hurried.found("Patient?family=virtanen"), ["p1"]);
}
