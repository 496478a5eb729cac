//! The cases of `conformance/fhirpath`: expressions with what they give.
//!
//! `then` lists the items as [`shown`] writes them, or says `refused` where the expression must
//! not be parsed and `error` where its evaluation must fail.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use fhir_model::date::Zone;
use fhir_model::{Instant, Limits, Resource};
use fhir_path::{Environment, EvalFault, Expression, Host, Item};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/fhirpath")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Knows one value set and that every code subsumes itself.
struct World;

impl<'a> Host<'a> for World {
    fn member_of(&self, _: &Item<'a>, value_set: &str) -> Option<bool> {
        (value_set == "http://hl7.org/fhir/ValueSet/administrative-gender").then_some(true)
    }

    fn subsumes(&self, general: &Item<'a>, special: &Item<'a>) -> Option<bool> {
        let place = |item: &Item<'a>| item.node().and_then(fhir_path::Node::location);
        Some(place(general) == place(special))
    }
}

/// Values of FHIRPath as its literals, elements with parts by their place.
fn shown(item: &Item<'_>) -> String {
    match item.plain() {
        Item::Node(node) => node.location().unwrap_or_default(),
        Item::String(text) => format!("'{text}'"),
        Item::Date(moment) => format!("@{}", moment.date_text()),
        Item::DateTime(moment) => {
            let text = moment.date_time_text();
            format!("@{text}{}", if text.contains('T') { "" } else { "T" })
        }
        Item::Time(moment) => format!("@T{}", moment.time_text()),
        Item::Type(found) => found.to_string(),
        plain @ (Item::Boolean(_) | Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_)) => {
            plain.to_text().unwrap_or_default().into_owned()
        }
    }
}

fn run(expression: &str, resource: &Resource) -> Result<Vec<String>, String> {
    let expression = Expression::parse(expression).or(Err("refused".to_owned()))?;
    let view = resource.view();
    let noon: Instant = "2026-07-01T09:30:15.250Z".parse().unwrap();
    let environment = Environment::new(view)
        .at(noon)
        .in_zone(Zone::default())
        .with_host(&World)
        .with_constant("given", vec![Item::String("outside".into())]);
    let result = expression.evaluate(&environment, &[Item::resource(view)]);
    result.map(|items| items.iter().map(shown).collect()).or(Err("error".to_owned()))
}

#[test]
fn every_case_gives_what_it_says() {
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let Some(cases) = file["cases"].as_array() else { continue };
        let on = folder().join(format!("resources/{}.json", text(&file, "on")));
        let resource = Resource::from_json(fs::read(on).unwrap(), &Limits::NONE).unwrap();
        for case in cases {
            count += 1;
            let expected: Result<Vec<String>, String> = match case["then"].as_array() {
                Some(items) => {
                    Ok(items.iter().map(|item| item.as_str().unwrap().to_owned()).collect())
                }
                None => Err(text(case, "then").to_owned()),
            };
            let found = run(text(case, "when"), &resource);
            if found != expected {
                let file = path.file_name().unwrap_or_default().display();
                failures.push(format!("{file}: {} gives {found:?}", text(case, "when")));
            }
        }
    }
    assert!(count > 400, "only {count} cases");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn evaluation_ends_with_the_budget() {
    let source = fs::read(folder().join("resources/patient.json")).unwrap();
    let resource = Resource::from_json(source, &Limits::NONE).unwrap();
    let view = resource.view();
    for text in [
        "id.repeat($this & 'x')",
        "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9).aggregate($total.combine($total).combine(1), 1)
            .select(%resource.descendants()).select(%resource.descendants())",
        "descendants().select(%resource.descendants()).select(%resource.descendants())",
        "('a' | 'b' | 'c').aggregate($total.replace('', $total), 'aaaaaaaaaaaaaaaaaaaaaaaaaa')
            .replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
    ] {
        let expression = Expression::parse(text).unwrap();
        let environment = Environment::new(view).with_max_steps(2_000);
        let result = expression.evaluate(&environment, &[Item::resource(view)]);
        assert_eq!(result.err().map(|error| error.fault), Some(EvalFault::TooCostly), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_and_long_chains_are_not() {
    let deep = |open: &str, close: &str, count: usize| {
        format!("{}1{}", open.repeat(count), close.repeat(count))
    };
    for text in [
        deep("(", ")", 100_000),
        deep("-", "", 100_000),
        deep("iif(true, ", ")", 100_000),
        deep("a[", "]", 100_000),
        format!("1{}", " is Integer + 1".repeat(100_000)),
    ] {
        let error = Expression::parse(&text).unwrap_err();
        assert!(error.expected.contains("less deeply"), "{error}");
    }
    let source = br#"{"resourceType":"Patient"}"#.to_vec();
    let resource = Resource::from_json(source, &Limits::NONE).unwrap();
    let sum = format!("1{}", " + 1".repeat(10_000));
    assert_eq!(run(&sum, &resource), Ok(vec!["10001".to_owned()]));
    let path = format!("$this{}", ".where(true)".repeat(10_000));
    assert_eq!(run(&path, &resource), Ok(vec!["Patient".to_owned()]));
    let nested = deep("iif(true, ", ")", 45);
    assert_eq!(run(&nested, &resource), Ok(vec!["1".to_owned()]));
}

#[test]
fn evaluation_errors_say_where_and_what() {
    let source = fs::read(folder().join("resources/patient.json")).unwrap();
    let resource = Resource::from_json(source, &Limits::NONE).unwrap();
    let told = |text: &str| {
        let expression = Expression::parse(text).unwrap();
        let environment = Environment::new(resource.view());
        expression
            .evaluate(&environment, &[Item::resource(resource.view())])
            .unwrap_err()
            .to_string()
    };
    let many = "(1 | 2)";
    let at = |text: &str, position: usize| {
        let told = told(text);
        assert!(told.ends_with(&format!(" at position {position}")), "{text}: {told}");
    };
    at(&format!("{many} + 1"), 8);
    at(&format!("true and (1 = 1) and -{many}.count().toString()"), 21);
    at("%nothing.first()", 0);
    at("true and $index = 1", 9);
    at(&format!("'a'.where(length() > {many}.single())"), 29);
    at("now()", 0);
    at("id & 'x'.matches('(')", 9);
    at(&format!("id[{many}]"), 2);
    assert!(told("(1 | 2).single()").starts_with("single"), "{}", told("(1 | 2).single()"));
}

#[test]
fn parse_errors_say_where_and_what() {
    let told = |text: &str| Expression::parse(text).unwrap_err().to_string();
    assert_eq!(told("name.nope()"), "expected a function of FHIRPath or R4 at position 5");
    assert_eq!(told("name.first(1)"), "expected 0 arguments of first at position 12");
    assert_eq!(told("1 + "), "expected an expression at position 4");
    assert_eq!(told("'x"), "expected a closing quote at position 0");
    assert_eq!(told("a is Foo"), "expected the name of a type of R4 or FHIRPath at position 5");
}
