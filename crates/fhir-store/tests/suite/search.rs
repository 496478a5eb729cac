//! Searches: every kind of row, prefixes, sorting, paging, includes.

use fhir_model::{Instant, VersionId};
use fhir_store::WriteGroup;

use crate::cases;
use crate::world::{World, key};

cases!(
    every_kind_of_parameter_is_found,
    a_quantity_is_found_by_every_name_of_its_unit,
    dates_of_short_and_long_spans,
    sorting_puts_absent_values_last,
    pages_are_whole_in_every_order,
    last_updated_and_ids,
    an_update_leaves_no_old_rows,
    referring_rows_are_found_by_target,
    long_lists_are_walked_as_short_ones_are,
    dates_agree_with_their_definition,
);

const WORLD: &[&str] = &[
    r#"{"resourceType":"Patient","id":"p1","active":true,"gender":"female","birthDate":"1970-05-06","identifier":[{"system":"urn:a","value":"X1"}],"name":[{"family":"Virtanen","given":["Anna"]}]}"#,
    r#"{"resourceType":"Patient","id":"p2","active":true,"gender":"male","birthDate":"1980","identifier":[{"system":"urn:b","value":"X1"}],"name":[{"family":"Åberg"}]}"#,
    r#"{"resourceType":"Patient","id":"p3","gender":"male","name":[{"family":"Virta"}]}"#,
    r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2024-02-03T10:00:00+02:00","valueQuantity":{"value":5.4,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"}}"#,
    r#"{"resourceType":"Observation","id":"o2","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2024-01-01","end":"2024-12-31"},"valueQuantity":{"value":120,"unit":"mmHg"}}"#,
    r#"{"resourceType":"Observation","id":"o3","status":"amended","code":{"coding":[{"system":"urn:own","code":"8867-4"}]},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2023-05","valueQuantity":{"value":5.35}}"#,
    r#"{"resourceType":"Observation","id":"o4","status":"final","code":{"text":"nothing"},"subject":{"reference":"Patient/p2"}}"#,
    r#"{"resourceType":"ValueSet","id":"v1","url":"http://example.org/vs","status":"active"}"#,
];

fn every_kind_of_parameter_is_found(world: &World) {
    world.given(WORLD);
    let cases: &[(&str, &[&str])] = &[
        ("Patient?", &["p1", "p2", "p3"]),
        ("Patient?gender=male", &["p2", "p3"]),
        ("Patient?gender=male,female", &["p1", "p2", "p3"]),
        ("Patient?identifier=X1", &["p1", "p2"]),
        ("Patient?identifier=urn:a|X1", &["p1"]),
        ("Patient?identifier=|X1", &[]),
        ("Patient?identifier=urn:b|", &["p2"]),
        ("Patient?identifier=urn:b|,urn:a|X1", &["p1", "p2"]),
        ("Patient?family=virta", &["p1", "p3"]),
        ("Patient?family=aberg", &["p2"]),
        ("Patient?family=virta&gender=male", &["p3"]),
        ("Patient?gender=male&active=true", &["p2"]),
        ("Patient?gender=male&active=true&family=x", &[]),
        ("Patient?_id=p2,p3", &["p2", "p3"]),
        ("Patient?_id=p2&gender=female", &[]),
        ("Observation?code=8867-4", &["o1", "o3"]),
        ("Observation?code=http://loinc.org|8867-4", &["o1"]),
        ("Observation?code=http://loinc.org|", &["o1", "o2"]),
        ("Observation?subject=Patient/p1", &["o1", "o2"]),
        ("Observation?patient=p1&status=final&code=8867-4", &["o1"]),
        ("Observation?subject=Patient/p1,Patient/p2&status=final", &["o1", "o2", "o4"]),
        ("Observation?value-quantity=5.4", &["o1", "o3"]),
        ("Observation?value-quantity=5.4||mmol/L", &["o1"]),
        ("Observation?value-quantity=gt100", &["o2"]),
        ("Observation?value-quantity=lt100", &["o1", "o3"]),
        ("Observation?value-quantity=ne120", &["o1", "o3"]),
        ("Observation?code-value-quantity=http://loinc.org|8480-6$gt100", &["o2"]),
        ("Observation?code-value-quantity=8867-4$lt6", &["o1", "o3"]),
        ("Observation?date=ge2024-02&subject=Patient/p1", &["o1", "o2"]),
        ("ValueSet?url=http://example.org/vs", &["v1"]),
        ("ValueSet?url=http://example.org", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(&world.found(query), expected, "{query}");
        assert_eq!(world.count(query), expected.len() as u64, "{query}");
        assert_eq!(&world.pages(query, 1), expected, "{query} one by one");
    }
}

fn a_quantity_is_found_by_every_name_of_its_unit(world: &World) {
    let put = |id: &str, quantity: &str| {
        world.put(&format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"c"}}]}},"valueQuantity":{{"value":5.4{quantity}}}}}"#
        ))
    };
    let ops = vec![
        put("q1", r#","unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L""#),
        put("q2", r#","unit":"mmol per l","system":"http://unitsofmeasure.org","code":"mmol/L""#),
        put("q3", r#","unit":"mmol/L""#),
        put("q4", r#","system":"urn:own","code":"mmol/L""#),
        put("q5", ""),
        put("q6", r#","unit":"mg/dl","system":"http://unitsofmeasure.org","code":"mg/dL""#),
    ];
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("5.4", &["q1", "q2", "q3", "q4", "q5", "q6"]),
        ("5.4||mmol/L", &["q1", "q2", "q3", "q4"]),
        ("5.4||mmol/l", &["q1"]),
        ("5.4||mmol per l", &["q2"]),
        ("5.4|http://unitsofmeasure.org|mmol/L", &["q1", "q2"]),
        // UCUM writes the litre in both ways.
        ("5.4|http://unitsofmeasure.org|mmol/l", &["q1", "q2"]),
        ("5.4|urn:own|mmol/L", &["q4"]),
        ("gt5||mmol/L", &["q1", "q2", "q3", "q4"]),
        ("ne5.0||mmol/L", &["q1", "q2", "q3", "q4"]),
        ("lt5||mmol/L", &[]),
        ("5.4||mmol/l,5.4||mg/dl", &["q1", "q6"]),
    ];
    for (value, expected) in cases {
        for query in [
            format!("Observation?value-quantity={value}"),
            format!("Observation?status=final&value-quantity={value}"),
            format!("Observation?value-quantity={value}&_sort=_id"),
        ] {
            assert_eq!(&world.found(&query), expected, "{query}");
            assert_eq!(world.count(&query), expected.len() as u64, "{query}");
            assert_eq!(&world.pages(&query, 1), expected, "{query} one by one");
        }
        let composites: Vec<_> = value.split(',').map(|one| format!("c${one}")).collect();
        let query = format!("Observation?code-value-quantity={}", composites.join(","));
        assert_eq!(&world.found(&query), expected, "{query}");
    }
    world.group(WriteGroup { ops: vec![put("q1", "")], ..WriteGroup::default() }).unwrap();
    assert_eq!(world.found("Observation?value-quantity=5.4||mmol/l"), [""; 0]);
    assert_eq!(world.found("Observation?value-quantity=5.4||mmol/L"), ["q2", "q3", "q4"]);
    assert_eq!(world.count("Observation?value-quantity=5.4"), 6);
}

fn dates_of_short_and_long_spans(world: &World) {
    world.given(WORLD);
    // o1 2024-02-03 10:00 +02:00, o2 all of 2024, o3 May 2023, o4 none.
    let cases: &[(&str, &[&str])] = &[
        ("2024-02-03", &["o1"]),
        ("eq2024", &["o1", "o2"]),
        ("ne2024", &["o3"]),
        ("gt2024-02-03", &["o2"]),
        ("ge2024-02-03", &["o1", "o2"]),
        ("ge2023-06", &["o1", "o2"]),
        ("lt2024-01-01", &["o3"]),
        ("lt2024-02-01", &["o2", "o3"]),
        ("le2024-02-03", &["o1", "o2", "o3"]),
        ("sa2024-02-02", &["o1"]),
        ("sa2023-05", &["o1", "o2"]),
        ("eb2024-01-01", &["o3"]),
        ("eb2025-01-01", &["o1", "o2", "o3"]),
    ];
    for (value, expected) in cases {
        assert_eq!(&world.found(&format!("Observation?date={value}")), expected, "{value}");
        let query = format!("Observation?date={value}&_sort=date");
        let mut sorted = world.found(&query);
        sorted.sort();
        assert_eq!(&sorted, expected, "{query}");
    }
    assert_eq!(world.found("Observation?date=ge2023&date=lt2024"), ["o3"]);
}

fn sorting_puts_absent_values_last(world: &World) {
    world.given(WORLD);
    let cases: &[(&str, &[&str])] = &[
        ("Observation?_sort=date", &["o3", "o2", "o1", "o4"]),
        ("Observation?_sort=-date", &["o1", "o2", "o3", "o4"]),
        ("Observation?subject=Patient/p2&_sort=-date", &["o3", "o4"]),
        ("Patient?_sort=family", &["p2", "p3", "p1"]),
        ("Patient?_sort=-family", &["p1", "p3", "p2"]),
        ("Patient?_sort=birthdate,-_id", &["p1", "p2", "p3"]),
        ("Patient?_sort=-_id", &["p3", "p2", "p1"]),
        ("Patient?_sort=-_lastUpdated", &["p3", "p2", "p1"]),
        ("Patient?gender=male&_sort=-_lastUpdated", &["p3", "p2"]),
        ("Observation?_sort=value-quantity", &["o3", "o1", "o2", "o4"]),
        ("Observation?_sort=-value-quantity,date", &["o2", "o1", "o3", "o4"]),
    ];
    for (query, expected) in cases {
        assert_eq!(&world.found(query), expected, "{query}");
        for size in [1, 2] {
            assert_eq!(&world.pages(query, size), expected, "{query} in pages of {size}");
        }
    }
}

fn pages_are_whole_in_every_order(world: &World) {
    let ops = (0..60)
        .map(|n| {
            let date = match n % 3 {
                0 => String::new(),
                _ => format!(r#","effectiveDateTime":"2024-01-{:02}""#, n % 7 + 1),
            };
            world.put(&format!(
                r#"{{"resourceType":"Observation","id":"o{n:02}","status":"final","code":{{"text":"t"}}{date}}}"#
            ))
        })
        .collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    for sort in ["", "&_sort=date", "&_sort=-date", "&_sort=date,-_id", "&_sort=-date,_lastUpdated"]
    {
        let query = format!("Observation?status=final{sort}");
        let whole = world.found(&query);
        assert_eq!(whole.len(), 60, "{query}");
        for size in [1, 7, 20, 60] {
            assert_eq!(world.pages(&query, size), whole, "{query} in pages of {size}");
        }
    }
}

fn last_updated_and_ids(world: &World) {
    world.given(WORLD);
    let at = |id: &str| world.current(&format!("Patient/{id}")).unwrap().updated;
    let found = |prefix: &str, instant: Instant| {
        world.found(&format!("Patient?_lastUpdated={prefix}{}", instant.rfc3339()))
    };
    let middle = at("p2");
    assert_eq!(found("", middle), ["p2"]);
    assert_eq!(found("gt", middle), ["p3"]);
    assert_eq!(found("ge", middle), ["p2", "p3"]);
    assert_eq!(found("lt", middle), ["p1"]);
    assert_eq!(found("le", middle), ["p1", "p2"]);
    assert_eq!(found("ne", middle), ["p1", "p3"]);
    let with = format!("Patient?gender=male&_lastUpdated=le{}", middle.rfc3339());
    assert_eq!(world.found(&with), ["p2"]);
}

fn an_update_leaves_no_old_rows(world: &World) {
    world.given(WORLD);
    world.given(&[
        r#"{"resourceType":"Observation","id":"o1","status":"amended","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2022-02-03","valueQuantity":{"value":9}}"#,
    ]);
    let cases: &[(&str, &[&str])] = &[
        ("Observation?status=final", &["o2", "o4"]),
        ("Observation?subject=Patient/p1", &["o2"]),
        ("Observation?subject=Patient/p2", &["o1", "o3", "o4"]),
        ("Observation?code=http://loinc.org|8867-4", &["o1"]),
        ("Observation?value-quantity=5.4", &["o3"]),
        ("Observation?value-quantity=9", &["o1"]),
        ("Observation?code-value-quantity=8867-4$5.4", &["o3"]),
        ("Observation?date=2024-02-03", &[]),
        ("Observation?date=2022-02-03", &["o1"]),
        ("Observation?_sort=date", &["o1", "o3", "o2", "o4"]),
    ];
    for (query, expected) in cases {
        assert_eq!(&world.found(query), expected, "{query}");
    }
    assert_eq!(world.current("Observation/o1").unwrap().version, VersionId(2));
}

fn referring_rows_are_found_by_target(world: &World) {
    world.given(WORLD);
    let subject = world
        .store
        .definitions()
        .registry
        .get(fhir_definitions::ResourceType::OBSERVATION, "subject")
        .unwrap()
        .id;
    let hasher = world.store.hasher();
    let targets = vec![hasher.reference(&key("Patient/p1")), hasher.reference(&key("Patient/p2"))];
    let ids = world.read(move |reader| {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = reader.referring(&[subject], &targets, after, 3)?;
            rows.extend(page.iter().copied());
            after = page.last().copied();
            if after.is_none() {
                break;
            }
        }
        let keys = [key("Patient/p3"), key("Patient/never"), key("Patient/p1")];
        let loaded = reader.load_keys(&keys)?;
        let loaded: Vec<_> = loaded.iter().map(|one| one.key.to_string()).collect();
        assert_eq!(loaded, ["Patient/p3", "Patient/p1"]);
        Ok(reader.load(&rows)?.iter().map(|one| one.key.id.to_string()).collect::<Vec<_>>())
    });
    assert_eq!(ids, ["o1", "o2", "o3", "o4"]);
}

/// Over a thousand rows another plan is taken; it has to give the same order.
fn long_lists_are_walked_as_short_ones_are(world: &World) {
    let ops = (0..1300)
        .map(|n| {
            let date = match n % 4 {
                0 => String::new(),
                _ => format!(r#","effectiveDateTime":"20{:02}-0{}-02""#, n * 7 % 30, n % 9 + 1),
            };
            let code = if n % 100 == 0 { "rare" } else { "common" };
            world.put(&format!(
                r#"{{"resourceType":"Observation","id":"o{n:04}","status":"final","code":{{"coding":[{{"system":"urn:c","code":"{code}"}}]}}{date}}}"#
            ))
        })
        .collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    for sort in ["date", "-date", "_lastUpdated", "-_lastUpdated"] {
        let walked = world.pages(&format!("Observation?status=final&_sort={sort}"), 100);
        assert_eq!(walked.len(), 1300, "{sort}");
        // Two keys are always sorted as a list.
        let listed =
            world.found(&format!("Observation?status=final&_sort={sort},_lastUpdated&_count=1000"));
        assert_eq!(
            walked.iter().take(1000).collect::<Vec<_>>(),
            listed.iter().collect::<Vec<_>>(),
            "{sort}"
        );
        let rare = world.found(&format!("Observation?code=rare&_sort={sort}"));
        let expected: Vec<_> = walked.iter().filter(|id| id.ends_with("00")).cloned().collect();
        assert_eq!(rare, expected, "{sort}");
        let bounded = world.found(&format!("Observation?date=ge2010&_sort={sort}"));
        assert_eq!(bounded.len() as u64, world.count("Observation?date=ge2010"), "{sort}");
        let order: Vec<_> = walked.iter().filter(|id| bounded.contains(id)).cloned().collect();
        assert_eq!(bounded, order, "{sort}");
    }
}

/// Stored dates and searched dates of every precision and prefix, against `DateMatch::holds`.
fn dates_agree_with_their_definition(world: &World) {
    use fhir_search::{Match, RowMatch};
    use proptest::prelude::{Strategy, any};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let date = (2019..2026_u32, 1..13_u32, 1..29_u32, 0..24_u32, 0..4_u8).prop_map(
        |(year, month, day, hour, precision)| match precision {
            0 => format!("{year}"),
            1 => format!("{year}-{month:02}"),
            2 => format!("{year}-{month:02}-{day:02}"),
            _ => format!("{year}-{month:02}-{day:02}T{hour:02}:30:00Z"),
        },
    );
    let mut runner = TestRunner::deterministic();
    let draw = |runner: &mut TestRunner| date.new_tree(runner).unwrap().current();
    let mut stored = Vec::new();
    let mut ops = Vec::new();
    for n in 0..60 {
        let json = format!(
            r#"{{"resourceType":"Observation","id":"o{n:02}","status":"final","code":{{"text":"t"}},"effectiveDateTime":"{}"}}"#,
            draw(&mut runner)
        );
        let op = world.put(&json);
        if let fhir_store::Action::Put { rows, .. } = &op.action {
            stored.push((format!("o{n:02}"), rows.date.clone()));
        }
        ops.push(op);
    }
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let prefixes = ["", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    for _ in 0..60 {
        let place = any::<u8>().new_tree(&mut runner).unwrap().current();
        let prefix = prefixes[usize::from(place) % prefixes.len()];
        let text = format!("Observation?date={prefix}{}", draw(&mut runner));
        let query = world.query(&text);
        let Match::Row(RowMatch::Date { p, when }) = query.predicates[0].any[0].clone() else {
            panic!("{text}")
        };
        let expected: Vec<&String> = stored
            .iter()
            .filter(|(_, rows)| {
                rows.iter().any(|row| row.p.abs() == p.0 && when.holds(row.lo, row.hi))
            })
            .map(|(id, _)| id)
            .collect();
        assert_eq!(world.found(&text).iter().collect::<Vec<_>>(), expected, "{text}");
        let mut sorted = world.pages(&format!("{text}&_sort=-date"), 7);
        sorted.sort();
        assert_eq!(sorted.iter().collect::<Vec<_>>(), expected, "{text} sorted");
    }
}
