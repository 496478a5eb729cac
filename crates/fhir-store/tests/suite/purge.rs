//! A purge leaves nothing: the list of tables comes from the schema, not from the store.

use std::collections::BTreeSet;

use diesel::RunQueryDsl;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use fhir_definitions::ResourceType;
use fhir_store::{DatabaseUrl, HistoryScope, HistoryWindow, Purge, PurgeReport};

use crate::beside::Beside;
use crate::cases;
use crate::world::{World, key, wait};

cases!(a_purge_leaves_nothing, a_purge_of_nothing_is_nothing, what_was_purged_may_come_again);

/// Tables without a resource's own rows, and why.
const ABOUT_ALL: [&str; 21] = [
    // Texts of codes, never of identifiers; units of parameters; which dates repeat.
    "coding",
    "unit",
    "repeating",
    // Numbers of live resources.
    "counter",
    "parameter",
    "dictionary",
    "setting",
    // Definitions that were installed; nobody's data.
    "package_change",
    "package",
    "package_resource",
    "package_body",
    // Code systems that were imported, and the codes of closure tables.
    "kept",
    // Hashes of values with the keys of what had them, and what requests came to.
    "mark",
    // A file's hash and a position in it.
    "journal",
    // Who saw what, which a purge leaves alone.
    "trace",
    "trace_actor",
    "trace_cut",
    "trace_key",
    "trace_opening",
    "trace_seal",
    "__diesel_schema_migrations",
];

impl Beside {
    fn texts(&mut self, text: &str) -> BTreeSet<String> {
        let text = sql::<Text>(text);
        let found: Vec<String> = match self {
            Self::Sqlite(connection) => text.load(connection).unwrap(),
            Self::Postgres(connection) => text.load(connection).unwrap(),
        };
        found.into_iter().collect()
    }

    /// All tables, and those of them that have rows of single resources.
    fn tables(&mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (all, own) = match self {
            Self::Sqlite(_) => (
                "SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 AND name NOT LIKE 'words\\_%' ESCAPE '\\'",
                // The full text has no column of this name; its rowid is one.
                "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND c.name = 'rid' UNION SELECT 'words'",
            ),
            Self::Postgres(_) => (
                "SELECT table_name::text FROM information_schema.tables \
                 WHERE table_schema = 'public'",
                "SELECT table_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' AND column_name = 'rid'",
            ),
        };
        (self.texts(all), self.texts(own))
    }
}

fn purge(world: &World, purge: Purge) -> PurgeReport {
    wait(world.store.purge(purge)).unwrap()
}

fn patient(id: &str, family: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970-01-01",
        "identifier":[{{"system":"urn:oid:1.2.246.21","value":"010170-999{id}"}}],
        "meta":{{"profile":["http://x.example/{family}"],"security":[{{"code":"R"}}]}},
        "text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{family}</div>"}},
        "name":[{{"family":"{family}"}}]}}"#
    )
}

fn observation(id: &str, patient: &str, note: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final",
        "code":{{"coding":[{{"system":"http://loinc.org","code":"718-7"}}]}},
        "subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2026-01-05",
        "valueQuantity":{{"value":134,"unit":"g/L","system":"http://unitsofmeasure.org","code":"g/L"}},
        "note":[{{"text":"{note}"}}]}}"#
    )
}

fn location(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Location","id":"{id}","position":{{"longitude":24.9,"latitude":60.2}},
        "extension":[{{"url":"http://x.example/e","valueReference":{{"reference":"Patient/doomed"}}}}]}}"#
    )
}

fn risk(id: &str) -> String {
    format!(
        r#"{{"resourceType":"RiskAssessment","id":"{id}","status":"final",
        "subject":{{"reference":"Patient/doomed"}},"prediction":[{{"probabilityDecimal":0.3}}]}}"#
    )
}

fn a_purge_leaves_nothing(world: &World) {
    world.given(&[
        &patient("doomed", "Zuleikapurged"),
        &patient("stays", "Virtanen"),
        &observation("one", "doomed", "alphapurged"),
        &observation("deleted", "doomed", "betapurged"),
        &observation("other", "stays", "gamma"),
        &patient("doomed", "Zenobiapurged"),
        &location("place"),
        &risk("risk"),
    ]);
    world.op(world.delete("Observation/deleted"));
    let mut beside = Beside::of(world);
    let (all, own) = beside.tables();
    let told: BTreeSet<String> =
        ABOUT_ALL.iter().map(|table| (*table).to_owned()).chain(own.clone()).collect();
    let unknown: Vec<_> = all.difference(&told).collect();
    assert!(unknown.is_empty(), "tables of which a purge knows nothing: {unknown:?}");
    // Rows of each purged resource, found by the number that its row has.
    let rid = |world: &World, of: &str| world.current(of).unwrap().row.rid;
    let doomed: Vec<i64> =
        ["Patient/doomed", "Observation/one", "Observation/deleted", "Location/place"]
            .map(|of| rid(world, of))
            .to_vec();
    let rows = |beside: &mut Beside| -> i64 {
        own.iter()
            .flat_map(|table| doomed.iter().map(move |rid| (table, rid)))
            .map(|(table, rid)| {
                let column = match (&*beside, table.as_str()) {
                    (Beside::Sqlite(_), "words") => "rowid",
                    _ => "rid",
                };
                beside.number(&format!("SELECT count(*) FROM {table} WHERE {column} = {rid}"))
            })
            .sum()
    };
    assert!(rows(&mut beside) > 30);
    let other =
        ["Patient?family=Virtanen", "Observation?_text=gamma", "Observation?_content=gamma"];
    let before = other.map(|query| world.count(query));
    let report = purge(
        world,
        Purge {
            keys: vec![key("Patient/doomed"), key("Location/place"), key("Patient/never")],
            matching: vec![world.query("Observation?subject=Patient/doomed")],
        },
    );
    assert!(report.is_clean(), "{report:?}");
    let looked_at: BTreeSet<String> = report.left.keys().map(|table| (*table).to_owned()).collect();
    assert_eq!(looked_at, own, "the tables of the schema are those that a purge looks at");
    assert_eq!(report.versions, 6);
    let types: Vec<_> = report.resources.into_iter().collect();
    let expected =
        [(ResourceType::LOCATION, 1), (ResourceType::OBSERVATION, 2), (ResourceType::PATIENT, 1)];
    assert_eq!(types, expected);
    assert_eq!(report.referring, 1, "the risk assessment still names the patient");
    assert!(report.removed["token"] > 0 && report.removed["version"] == 2, "{:?}", report.removed);
    assert_eq!(rows(&mut beside), 0);
    assert!(world.current("Patient/doomed").is_none());
    let scope = HistoryScope::System;
    let left = world.read(move |reader| {
        let changes = reader.history_count(&scope, HistoryWindow::default())?;
        let live = reader.live(None)?;
        Ok((changes, live))
    });
    assert_eq!(left, (3, 3));
    assert_eq!(other.map(|query| world.count(query)), before);
    if let DatabaseUrl::Sqlite(path) = &world.url {
        world.let_go();
        let file = std::fs::read(path).unwrap();
        for text in ["zuleikapurged", "zenobiapurged", "alphapurged", "betapurged"] {
            let text = text.as_bytes();
            let at = file.windows(text.len()).position(|part| part.eq_ignore_ascii_case(text));
            assert_eq!(at, None, "{} stands in the file", String::from_utf8_lossy(text));
        }
        assert!(file.windows(8).any(|part| part.eq_ignore_ascii_case(b"virtanen")));
    }
}

fn a_purge_of_nothing_is_nothing(world: &World) {
    world.given(&[&patient("stays", "Virtanen")]);
    let keys = vec![key("Patient/never")];
    let report = purge(world, Purge { keys, ..Purge::default() });
    assert!(report.is_clean());
    assert_eq!((report.versions, report.referring), (0, 0));
    assert_eq!(world.count("Patient?family=Virtanen"), 1);
}

fn what_was_purged_may_come_again(world: &World) {
    world.given(&[&patient("a", "One"), &patient("a", "Two")]);
    let last = world.current("Patient/a").unwrap();
    let report = purge(world, Purge { keys: vec![key("Patient/a")], ..Purge::default() });
    assert_eq!(report.versions, 2);
    let again = world.sibling();
    let written = again.op(again.put(&patient("a", "Three")));
    assert_eq!(written.version.0, 1);
    assert_eq!(again.found("Patient?family=Three"), ["a"]);
    assert_eq!(again.count("Patient?family=Two"), 0);
    if matches!(world.url, DatabaseUrl::Sqlite(_)) {
        // Rows and instants that were given never come again, not even in another life of the
        // store, and though its clock stands behind.
        let now = again.current("Patient/a").unwrap();
        assert!(now.row.rid > last.row.rid && now.updated > last.updated);
    }
}
