//! What the fuzz targets do with a text: everything that a server does with what strangers send.
//!
//! A target finds a crash, a hang, unbounded memory (by the limits of the fuzzer), or a broken
//! promise: what is taken comes back the same, and what is refused says why.

mod patch;
mod query;

use fhir_model::{Body, Limits, Resource, difference, xml};
use fhir_path::{Environment, Expression, Item, Type};

pub use patch::patch;
pub use query::query;

/// Steps that an expression may take, as the server's own limit but smaller.
const MAX_STEPS: u64 = 20_000;

/// What FHIRPath expressions are run on: names, numbers, dates, extensions and a contained one.
const SAMPLE: &[u8] = br##"{"resourceType":"Patient","id":"a","active":true,
  "meta":{"tag":[{"system":"http://example.org","code":"t"}]},
  "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],
  "extension":[{"url":"u","valueQuantity":{"value":1.50,"unit":"mg","code":"mg",
  "system":"http://unitsofmeasure.org"}},{"url":"v","valueDateTime":"2015-02-07T13:28:17.239+02:00"}],
  "identifier":[{"system":"s","value":"1"},{"system":"s","value":"2"}],
  "name":[{"use":"official","family":"V\u00e4rri","given":["x",null],"_given":[null,{"id":"y"}]}],
  "birthDate":"1930-02","managingOrganization":{"reference":"#o"},"multipleBirthInteger":2}"##;

/// JSON of a resource: whatever is taken is written again, in both formats, and indexed.
pub fn json(data: &[u8]) {
    match Resource::from_json(data.to_vec(), &Limits::default()) {
        Ok(resource) => taken(&resource),
        Err(failure) => {
            assert!(!failure.issues.is_empty(), "a refusal says why");
            Resource::from_json(failure.outcome_json(), &Limits::default())
                .expect("an outcome is a valid resource");
        }
    }
}

/// XML of a resource, as [`json`].
pub fn xml(data: &[u8]) {
    match Resource::from_xml(data, &Limits::default()) {
        Ok(resource) => taken(&resource),
        Err(failure) => assert!(!failure.issues.is_empty(), "a refusal says why"),
    }
}

fn taken(resource: &Resource) {
    let view = resource.view();
    let body = Body::from_view(view, None);
    let id = view.id().unwrap_or_else(|| "a".parse().expect("an id"));
    let key = fhir_model::ResourceKey::new(view.resource_type, id);
    let again = body.to_resource(&key).expect("a stored body is readable");
    assert_eq!(again.view().resource_type, view.resource_type);
    query::index(&again, &key);
    for pretty in [false, true] {
        let written = xml::write(view, pretty);
        let limits = Limits { max_bytes: 64 << 20, ..Limits::default() };
        let read = Resource::from_xml(&written, &limits);
        let read = read.unwrap_or_else(|failure| {
            panic!("own XML is refused: {failure:?}\n{}", String::from_utf8_lossy(&written))
        });
        let found = difference(view.value, read.view().value);
        assert!(found.is_none(), "XML changed the resource: {found:?}");
    }
}

/// A FHIRPath expression: parsed, typed and run within its budget.
pub fn fhirpath(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    let resource = Resource::trusted(SAMPLE.to_vec()).expect("the sample is JSON");
    let view = resource.view();
    let environment = Environment::new(view).with_max_steps(MAX_STEPS);
    for item in expression.evaluate(&environment, &[Item::resource(view)]).unwrap_or_default() {
        let _ = (item.to_text(), item.quantity(), item.node().map(fhir_path::Node::location));
    }
    let _ = expression.result_types(Type::of_resource(view.resource_type));
}
