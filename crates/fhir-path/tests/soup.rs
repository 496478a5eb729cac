//! Whatever the text: parsing and evaluation end, and without a panic.
#![cfg(test)]

use fhir_model::{Limits, Resource};
use fhir_path::{Environment, Expression, Item, Type};
use proptest::prelude::*;

const WORDS: [&str; 56] = [
    "name",
    "given",
    "Patient",
    "active",
    "extension",
    "value",
    "birthDate",
    "$this",
    "$index",
    "$total",
    "%resource",
    "%context",
    "%x",
    "1",
    "2.5",
    "'a'",
    "'5'",
    "''",
    "@2015-02",
    "@T10",
    "@2015-02-04T10:00:00Z",
    "3 'mg'",
    "4 days",
    "true",
    "{}",
    "(",
    ")",
    "[",
    "]",
    ".",
    ",",
    "+",
    "-",
    "*",
    "/",
    "div",
    "mod",
    "&",
    "|",
    "=",
    "~",
    "!=",
    "<",
    ">=",
    "is",
    "as",
    "in",
    "contains",
    "and",
    "or",
    "implies",
    "String",
    "Quantity",
    "FHIR",
    "`a`",
    "first",
];

const CALLS: [&str; 40] = [
    "where($this)",
    "select($this)",
    "first()",
    "last()",
    "count()",
    "exists()",
    "not()",
    "children()",
    "descendants()",
    "repeat(children())",
    "toString()",
    "toInteger()",
    "toDecimal()",
    "toDate()",
    "toDateTime()",
    "toTime()",
    "toQuantity()",
    "toBoolean()",
    "substring(1)",
    "indexOf('a')",
    "replace('', 'x')",
    "matches('a*')",
    "length()",
    "toChars()",
    "split('')",
    "join()",
    "abs()",
    "ceiling()",
    "round(1)",
    "sqrt()",
    "power(2)",
    "ln()",
    "distinct()",
    "resolve()",
    "type()",
    "hasValue()",
    "getValue()",
    "tail()",
    "aggregate($total & $this)",
    "iif($this, 1, 'x')",
];

fn run(text: &str) {
    let Ok(expression) = Expression::parse(text) else { return };
    let source = br#"{"resourceType":"Patient","id":"a","active":true,
        "name":[{"given":["x",null],"_given":[null,{"id":"y"}]}],"birthDate":"2015-02",
        "extension":[{"url":"u","valueQuantity":{"value":1e400,"unit":"mg"}}]}"#;
    let resource = Resource::from_json(source.to_vec(), &Limits::NONE).unwrap();
    let view = resource.view();
    let environment = Environment::new(view).with_max_steps(5_000);
    let items = expression.evaluate(&environment, &[Item::resource(view)]).unwrap_or_default();
    for item in items {
        let _ = (item.to_text(), item.node().map(fhir_path::Node::location));
    }
    let _ = expression.result_types(Type::of_resource(resource.resource_type()));
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,40}") {
        run(&text);
    }

    #[test]
    fn any_words(words in proptest::collection::vec(0..WORDS.len(), 0..24)) {
        run(&words.into_iter().map(|word| WORDS[word]).collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn any_calls(start in 0..WORDS.len(), calls in proptest::collection::vec(0..CALLS.len(), 0..6)) {
        let calls = calls.into_iter().map(|call| CALLS[call]);
        run(&std::iter::once(WORDS[start]).chain(calls).collect::<Vec<_>>().join("."));
    }

    #[test]
    fn any_operation(left in 0..WORDS.len(), sign in 0..WORDS.len(), right in 0..WORDS.len()) {
        run(&format!("({}) {} ({})", WORDS[left], WORDS[sign], WORDS[right]));
    }
}
