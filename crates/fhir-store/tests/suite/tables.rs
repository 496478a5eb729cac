//! What stands in the tables after a history of creates, updates and deletes: what the survivors
//! give, and nothing else. The tables are read over a connection of the test's own.

use std::collections::BTreeMap;

use fhir_search::IndexRows;
use fhir_store::{Action, DatabaseUrl, WriteGroup};

use crate::beside::Beside;
use crate::cases;
use crate::world::World;

cases!(tables_hold_what_the_survivors_give);

/// A resource of many shapes: what it has, and how often, is told by `n`.
fn resource(id: usize, n: usize) -> String {
    let list = |count: usize, one: &dyn Fn(usize) -> String| {
        (0..count).map(one).collect::<Vec<_>>().join(",")
    };
    if id.is_multiple_of(2) {
        let names = list(1 + n % 3, &|at| {
            format!(r#"{{"family":"Von Berg{}","given":["word{n}"]}}"#, (n * 7 + at * 3) % 5)
        });
        return format!(r#"{{"resourceType":"Patient","id":"r{id}","name":[{names}]}}"#);
    }
    let components = list(1 + n % 4, &|at| {
        let (value, unit) = ((n * 13 + at * 5) % 9, ["g", "kg", "mmol/L"][(n + at) % 3]);
        format!(
            r#"{{"code":{{"text":"c"}},"valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#
        )
    });
    let profiles = list(1 + n % 3, &|at| format!(r#""http://x.org/p{}""#, (n + at * 2) % 5));
    let text = if n.is_multiple_of(3) {
        ""
    } else {
        r#","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">told</div>"}"#
    };
    let subject = match n % 3 {
        0 => String::new(),
        1 => format!(r#","subject":{{"reference":"Patient/r{}"}}"#, n % 7),
        _ => format!(r#","subject":{{"reference":"Group/r{}"}}"#, n % 7),
    };
    let codings =
        list(1 + n % 2, &|at| format!(r#"{{"system":"urn:c","code":"c{}"}}"#, n % 4 + at));
    let date = match n % 4 {
        0 => String::new(),
        1 => format!(r#","effectivePeriod":{{"start":"2024-01-1{}"}}"#, n % 5),
        _ => format!(r#","effectiveDateTime":"2024-01-1{}""#, n % 5),
    };
    format!(
        r#"{{"resourceType":"Observation","id":"r{id}","meta":{{"profile":[{profiles}]}}{text},"status":"final","code":{{"coding":[{codings}],"text":"word{n}"}}{subject}{date},"component":[{components}]}}"#
    )
}

/// One row of a parameter and resource has the mark of the least, and it has the least value; the
/// same for the greatest. Counts the groups for which this is not so.
fn badly_marked(table: &str, value: &str, counted: &str) -> String {
    let wrong = |bit: i32, end: &str| {
        format!(
            "count(CASE WHEN edge & {bit} <> 0 THEN 1 END) \
             <> CASE WHEN count(CASE WHEN {counted} THEN 1 END) > 0 THEN 1 ELSE 0 END \
             OR {end}(CASE WHEN edge & {bit} <> 0 THEN {value} END) \
             <> {end}(CASE WHEN {counted} THEN {value} END)"
        )
    };
    format!(
        "SELECT count(*) FROM (SELECT p, rid FROM {table} GROUP BY p, rid HAVING {} OR {}) AS wrong",
        wrong(1, "min"),
        wrong(2, "max")
    )
}

fn tables_hold_what_the_survivors_give(world: &World) {
    let mut alive: BTreeMap<usize, (usize, Box<IndexRows>)> = BTreeMap::new();
    let mut state = 7_usize;
    for n in 0..160 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = (state >> 33) % 24;
        let op = if n % 5 == 4 && alive.remove(&id).is_some() {
            let of = if id.is_multiple_of(2) { "Patient" } else { "Observation" };
            world.delete(&format!("{of}/r{id}"))
        } else {
            let op = world.put(&resource(id, n));
            let Action::Put { rows, .. } = &op.action else { panic!("not a put") };
            alive.insert(id, (n, rows.clone()));
            op
        };
        world.group(WriteGroup { ops: vec![op], ..WriteGroup::default() }).unwrap();
    }
    let mut tables = Beside::of(world);
    let sum = |of: fn(&IndexRows) -> usize| {
        alive.values().map(|(_, rows)| of(rows)).sum::<usize>() as i64
    };
    for (table, expected) in [
        ("token", sum(|rows| rows.token.len())),
        ("reference", sum(|rows| rows.reference.len())),
        ("date", sum(|rows| rows.date.len())),
        ("number", sum(|rows| rows.number.len())),
        ("string", sum(|rows| rows.string.len())),
        ("uri", sum(|rows| rows.uri.len())),
        ("place", sum(|rows| rows.place.len())),
        ("composite_number", sum(|rows| rows.composite_number.len())),
        ("code_date", sum(|rows| rows.code_date.len())),
        ("words", sum(|rows| usize::from(!rows.text.content.is_empty()))),
        ("access", alive.len() as i64),
    ] {
        assert_eq!(tables.number(&format!("SELECT count(*) FROM {table}")), expected, "{table}");
    }
    for (table, value, counted) in
        [("string", "folded", "exact <> 0"), ("uri", "text", "1 = 1"), ("number", "v", "1 = 1")]
    {
        // PostgreSQL 15 has no least bytea; as text they stand in the same order.
        let is_bytes = value == "v" && matches!(world.url, DatabaseUrl::Postgres(_));
        let value = if is_bytes { "encode(v, 'hex') COLLATE \"C\"" } else { value };
        assert_eq!(tables.number(&badly_marked(table, value, counted)), 0, "{table}");
    }
    // One bit for each parameter, and one for the only subject.
    let present: i64 = sum(|rows| rows.present.len() + usize::from(rows.access.is_sole_subject));
    let bits: i64 = (0..63)
        .flat_map(|bit| ["present", "present2"].map(|column| (column, bit)))
        .map(|(column, bit)| {
            format!("SELECT count(*) FROM access WHERE ({column} >> {bit}) & 1 = 1")
        })
        .map(|text| tables.number(&text))
        .sum();
    assert_eq!(bits, present);
    for n in 0..160 {
        let found = match &world.url {
            DatabaseUrl::Sqlite(_) => {
                format!("SELECT count(*) FROM words WHERE words MATCH 'word{n}'")
            }
            DatabaseUrl::Postgres(_) => {
                format!("SELECT count(*) FROM words WHERE words @@ 'word{n}'::tsquery")
            }
        };
        let is_alive = alive.values().any(|(last, _)| *last == n);
        assert_eq!(tables.number(&found), i64::from(is_alive), "word{n}");
    }
}
