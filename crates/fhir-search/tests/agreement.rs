//! Index and query agree: what a random query finds among the rows of random resources is what a
//! plain reading of the JSON says.
//!
//! The reading here shares nothing with the crate: texts are compared as texts, days are counted
//! by the calendar, numbers in thousandths.
#![cfg(test)]

mod population;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Instant, Resource, ResourceKey};
use fhir_search::{
    Found, IndexRows, Indexer, ParameterId, ParseSettings, Registry, Scope, ValueHasher,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::population::{Known, Population};

struct Setting {
    registry: Registry,
    indexer: Indexer,
    hasher: ValueHasher,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    let registry = Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap() + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    });
    let hasher = ValueHasher::new(&[9; 16]);
    let indexer = Indexer::compile(&registry, hasher.clone(), Zone::utc());
    Setting { registry, indexer, hasher }
});

fn settings() -> ParseSettings {
    ParseSettings {
        strict: true,
        default_count: 20,
        max_count: 1000,
        always_allowed: Vec::new(),
        now: Instant(1_600_000_000_000_000),
        base: None,
        explain: false,
    }
}

fn finds(resource: &Value, name: &str, text: &str) -> bool {
    let resource = Resource::trusted(serde_json::to_vec(resource).unwrap()).unwrap();
    let key = ResourceKey::new(resource.resource_type(), resource.id().unwrap());
    let rows: IndexRows = SETTING.indexer.index(resource.view(), &key);
    let pairs = [(name.to_owned(), text.to_owned())];
    let scope = Scope::Type(key.resource_type);
    let zone = Zone::utc();
    let query =
        fhir_search::parse(&pairs, scope, &SETTING.registry, &SETTING.hasher, &zone, &settings());
    let hash = SETTING.hasher.reference(&key);
    let found = Found { key, hash, updated: Instant(0), rows: Arc::new(rows) };
    let found = [found];
    let mut query = query.unwrap();
    let mut known = Known { found: &found, documents: &[] };
    query.resolve(&SETTING.registry, &SETTING.hasher, &mut known).unwrap();
    query.holds(&found[0], &mut Population(&found)).unwrap()
}

// Tokens.

fn coding() -> impl Strategy<Value = (Option<&'static str>, &'static str)> {
    let systems = prop_oneof![Just(None), Just(Some("http://a")), Just(Some("http://b"))];
    (systems, prop_oneof![Just("x"), Just("X"), Just("y"), Just("y,z"), Just("a|b")])
}

fn token_text(system: Option<Option<&str>>, code: Option<&str>) -> String {
    let escape = |text: &str| text.replace(',', "\\,").replace('|', "\\|");
    match (system, code) {
        (None, code) => escape(code.unwrap_or_default()),
        (Some(system), code) => {
            format!("{}|{}", system.unwrap_or_default(), escape(code.unwrap_or_default()))
        }
    }
}

proptest! {
    #[test]
    fn tokens(stored in prop::collection::vec(coding(), 0..4), asked in coding(), form in 0..3) {
        let codings: Vec<Value> = stored.iter().map(|(system, code)| match system {
            Some(system) => json!({"system": system, "code": code}),
            None => json!({"code": code}),
        }).collect();
        let resource = json!({
            "resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/1"},
            "code": {"coding": codings},
        });
        let (system, code) = asked;
        let (text, expected) = match form {
            0 => (
                token_text(None, Some(code)),
                stored.iter().any(|each| each.1.eq_ignore_ascii_case(code)),
            ),
            1 => (
                token_text(Some(system), Some(code)),
                stored.iter().any(|each| each.0 == system && each.1.eq_ignore_ascii_case(code)),
            ),
            _ => {
                let system = system.unwrap_or("http://a");
                (
                    token_text(Some(Some(system)), None),
                    stored.iter().any(|each| each.0 == Some(system)),
                )
            }
        };
        prop_assert_eq!(finds(&resource, "code", &text), expected, "{}", text);
    }
}

proptest! {
    #[test]
    fn identifiers_by_system(stored in prop::collection::vec(coding(), 0..4), asked in coding()) {
        let identifiers: Vec<Value> = stored.iter().map(|(system, value)| match system {
            Some(system) => json!({"system": system, "value": value}),
            None => json!({"value": value}),
        }).collect();
        let resource =
            json!({"resourceType": "Patient", "id": "p", "identifier": identifiers});
        let system = asked.0.unwrap_or("http://a");
        let expected = stored.iter().any(|each| each.0 == Some(system));
        prop_assert_eq!(finds(&resource, "identifier", &format!("{system}|")), expected);
        let resource = Resource::trusted(serde_json::to_vec(&resource).unwrap()).unwrap();
        let key = ResourceKey::new(resource.resource_type(), "p".parse().unwrap());
        prop_assert!(SETTING.indexer.index(resource.view(), &key).coding.is_empty());
    }
}

// Dates: (year, month, day) with the last ones left out, as days since 2019-01-01.

type Partial = (i32, Option<i32>, Option<i32>);

fn partial() -> impl Strategy<Value = Partial> {
    let day = prop_oneof![Just(None), (1..=28).prop_map(Some)];
    (2019..2022, prop_oneof![Just(None), (1..=12).prop_map(Some)], day)
        .prop_map(|(year, month, day)| (year, month, month.and(day)))
}

fn written((year, month, day): Partial) -> String {
    let part = |part: Option<i32>| part.map(|part| format!("-{part:02}")).unwrap_or_default();
    format!("{year}{}{}", part(month), part(day))
}

fn day_number(year: i32, month: i32, day: i32) -> i32 {
    const LENGTHS: [i32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = |year: i32| year % 4 == 0;
    let years: i32 = (2019..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let before = LENGTHS.iter().take(usize::try_from(month - 1).unwrap());
    years + before.sum::<i32>() + i32::from(is_leap(year) && month > 2) + day
}

/// First day and first day after.
fn days((year, month, day): Partial) -> (i32, i32) {
    match (month, day) {
        (None, _) => (day_number(year, 1, 1), day_number(year + 1, 1, 1)),
        (Some(12), None) => (day_number(year, 12, 1), day_number(year + 1, 1, 1)),
        (Some(month), None) => (day_number(year, month, 1), day_number(year, month + 1, 1)),
        (Some(month), Some(day)) => {
            let first = day_number(year, month, day);
            (first, first + 1)
        }
    }
}

fn date_holds(prefix: &str, stored: (i32, i32), asked: (i32, i32)) -> bool {
    let contained = stored.0 >= asked.0 && stored.1 <= asked.1;
    match prefix {
        "" | "eq" => contained,
        "ne" => !contained,
        "gt" => stored.1 > asked.1,
        "lt" => stored.0 < asked.0,
        "ge" => stored.1 > asked.1 || contained || stored.0 >= asked.0,
        "le" => stored.0 < asked.0 || contained || stored.1 <= asked.1,
        "sa" => stored.0 >= asked.1,
        "eb" => stored.1 <= asked.0,
        other => panic!("{other}"),
    }
}

fn prefix() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
}

proptest! {
    #[test]
    fn dates(stored in partial(), asked in partial(), prefix in prefix()) {
        let resource =
            json!({"resourceType": "Patient", "id": "p", "birthDate": written(stored)});
        let text = format!("{prefix}{}", written(asked));
        let expected = date_holds(prefix, days(stored), days(asked));
        prop_assert_eq!(finds(&resource, "birthdate", &text), expected, "{}", text);
    }

    #[test]
    fn periods(
        start in prop::option::of(partial()),
        end in prop::option::of(partial()),
        asked in partial(),
        prefix in prefix(),
    ) {
        let from = start.map_or(-999_999, |start| days(start).0);
        let to = end.map_or(999_999, |end| days(end).1);
        prop_assume!(from < to);
        let mut period = json!({});
        if let Some(start) = start {
            period["start"] = json!(written(start));
        }
        if let Some(end) = end {
            period["end"] = json!(written(end));
        }
        let resource = json!({
            "resourceType": "Encounter", "id": "e", "status": "finished",
            "class": {"code": "AMB"}, "period": period,
        });
        let text = format!("{prefix}{}", written(asked));
        let is_known = start.is_some() || end.is_some();
        let expected = is_known && date_holds(prefix, (from, to), days(asked));
        prop_assert_eq!(finds(&resource, "date", &text), expected, "{}", text);
    }
}

// Numbers: hundredths with up to two decimals written.

fn decimal(hundredths: i64, places: u32) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, fraction) = (hundredths.abs() / 100, hundredths.abs() % 100);
    match places {
        0 => format!("{sign}{whole}"),
        1 => format!("{sign}{whole}.{}", fraction / 10),
        _ => format!("{sign}{whole}.{fraction:02}"),
    }
}

/// A number of so many places, in hundredths.
fn number() -> impl Strategy<Value = (i64, u32)> {
    (-300_i64..300, 0_u32..3).prop_map(|(number, places)| {
        let unit = [100, 10, 1][places as usize];
        (number / unit * unit, places)
    })
}

/// Whether a number is found; what is stored comes in hundred-thousandths, as a milligram does
/// among grams.
fn number_holds(prefix: &str, stored: i64, (asked, places): (i64, u32)) -> bool {
    // Millionths: half a unit of the last place is then a whole number.
    let half = [500_000, 50_000, 5_000][places as usize];
    let (stored, asked) = (stored * 10, asked * 10_000);
    let within = stored >= asked - half && stored < asked + half;
    match prefix {
        "" | "eq" => within,
        "ne" => !within,
        "gt" | "sa" => stored > asked,
        "lt" | "eb" => stored < asked,
        "ge" => stored >= asked,
        "le" => stored <= asked,
        other => panic!("{other}"),
    }
}

/// Members of a quantity that name its unit, each with its value.
type Unit = Vec<(&'static str, &'static str)>;

fn unit() -> impl Strategy<Value = Unit> {
    let part = |name, values: &[&'static str]| {
        let value = prop::sample::select(values.to_vec());
        prop::option::of(value.prop_map(move |value| (name, value)))
    };
    let system = part("system", &["http://unitsofmeasure.org", "urn:own"]);
    (system, part("code", &["mg", "g"]), part("unit", &["mg", "g", "milli|gram"]))
        .prop_map(|(system, code, text)| [system, code, text].into_iter().flatten().collect())
}

fn observation(code: &str, value: &str, unit: &Unit) -> Value {
    let mut quantity: Value = json!({"value": serde_json::from_str::<Value>(value).unwrap()});
    for (member, text) in unit {
        quantity[*member] = json!(text);
    }
    json!({
        "resourceType": "Observation", "id": "o", "status": "final",
        "code": {"coding": [{"code": code}]}, "valueQuantity": quantity,
    })
}

proptest! {
    #[test]
    fn quantities(
        stored in number(),
        asked in number(),
        prefix in prefix(),
        unit in unit(),
        form in 0..4,
    ) {
        let resource = observation("c", &decimal(stored.0, stored.1), &unit);
        let has = |member, text| unit.contains(&(member, text));
        let number = decimal(asked.0, asked.1);
        let (text, unit_fits) = match form {
            0 => (format!("{prefix}{number}"), true),
            1 => (format!("{prefix}{number}||mg"), has("code", "mg") || has("unit", "mg")),
            2 => (format!(r"{prefix}{number}||milli\|gram"), has("unit", "milli|gram")),
            _ => (
                format!("{prefix}{number}|http://unitsofmeasure.org|g"),
                has("system", "http://unitsofmeasure.org")
                    && (has("code", "g") || has("code", "mg")),
            ),
        };
        let is_converted = form == 3 && has("code", "mg");
        let stored = if is_converted { stored.0 } else { stored.0 * 1000 };
        let expected = unit_fits && number_holds(prefix, stored, asked);
        prop_assert_eq!(finds(&resource, "value-quantity", &text), expected, "{}", text);
    }

    #[test]
    fn composites_hold_within_one_component(
        parts in prop::collection::vec((prop::sample::select(vec!["a", "b"]), number()), 0..4),
        code in prop::sample::select(vec!["a", "b"]),
        asked in number(),
        prefix in prefix(),
    ) {
        let components: Vec<Value> = parts.iter().map(|(code, (value, places))| {
            let value: Value = serde_json::from_str(&decimal(*value, *places)).unwrap();
            json!({"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value}})
        }).collect();
        let resource = json!({
            "resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
            "component": components,
        });
        let text = format!("{code}${prefix}{}", decimal(asked.0, asked.1));
        let expected = parts
            .iter()
            .any(|(own, stored)| *own == code && number_holds(prefix, stored.0 * 1000, asked));
        let found = finds(&resource, "component-code-value-quantity", &text);
        prop_assert_eq!(found, expected, "{}", text);
    }
}

// Strings and references.

proptest! {
    #[test]
    fn strings(
        stored in prop::collection::vec("[aAäÄbB -]{0,5}", 0..3),
        asked in "[aAäb][aAäÄbB -]{0,3}",
    ) {
        let given: Vec<&String> = stored.iter().filter(|text| !text.is_empty()).collect();
        let resource =
            json!({"resourceType": "Patient", "id": "p", "name": [{"given": given}]});
        let plain = |text: &str| {
            let lower = text.to_lowercase().replace('ä', "a");
            lower.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let expected = given.iter().any(|text| plain(text).starts_with(&plain(&asked)));
        prop_assert_eq!(finds(&resource, "given", &asked), expected);
    }

    #[test]
    fn references(
        stored in prop::sample::select(vec![
            "Patient/1", "Patient/2", "Group/1", "Patient/1/_history/2", "http://x/Patient/1",
            "urn:uuid:1",
        ]),
        asked in prop::sample::select(vec![
            "1", "Patient/1", "Group/1", "http://x/Patient/1", "urn:uuid:1",
        ]),
        named in any::<bool>(),
    ) {
        let resource = json!({
            "resourceType": "Condition", "id": "c", "subject": {"reference": stored},
        });
        let bare = stored.split("/_history").next().unwrap();
        let name = if named && asked == "1" { "subject:Patient" } else { "subject" };
        let expected = match asked {
            "1" if name == "subject" => bare == "Patient/1" || bare == "Group/1",
            "1" => bare == "Patient/1",
            other => bare == other,
        };
        prop_assert_eq!(finds(&resource, name, asked), expected);
    }
}

// Whatever stands in a resource: the indexer reads only what the server has checked, and still
// must not fall over anything else.

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9:/#|. -]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["Patient/1", "#p", "2020-01-01", "2020-13", "9999-12-31"])
            .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "coding",
        "system",
        "code",
        "value",
        "unit",
        "reference",
        "type",
        "identifier",
        "start",
        "end",
        "event",
        "repeat",
        "boundsPeriod",
        "low",
        "high",
        "origin",
        "url",
        "extension",
        "valueString",
        "family",
        "given",
        "resourceType",
        "id",
        "display",
        "text",
    ]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5).prop_map(|map| map
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_the_indexer_panic(
        kind in prop::sample::select(vec!["Observation", "Patient", "Encounter", "Bundle"]),
        values in prop::collection::vec(any_json(), 12),
    ) {
        let mut resource = json!({"resourceType": kind, "id": "x"});
        let keys = [
            "code", "subject", "valueQuantity", "effectiveTiming", "component", "identifier",
            "name", "contained", "meta", "entry", "period", "birthDate",
        ];
        for (key, value) in keys.into_iter().zip(values) {
            resource[key] = value;
        }
        let resource = Resource::trusted(serde_json::to_vec(&resource).unwrap()).unwrap();
        let key = ResourceKey::new(resource.resource_type(), "x".parse().unwrap());
        let rows = SETTING.indexer.index(resource.view(), &key);
        prop_assert!(rows.date.iter().all(|row| row.lo < row.hi));
        prop_assert!(rows.token.is_sorted() && rows.date.is_sorted() && rows.number.is_sorted());
    }
}
