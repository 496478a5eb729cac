//! Official examples through XML and back.

use std::fs;
use std::path::Path;

use fhir_model::{Limits, Resource, difference, xml};

#[test]
fn examples_come_back_equal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/examples");
    let mut count = 0;
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        count += 1;
        let limits = Limits::default();
        let resource = Resource::from_json(fs::read(&path).unwrap(), &limits).unwrap();
        for pretty in [false, true] {
            let xml = xml::write(resource.view(), pretty);
            match Resource::from_xml(&xml, &limits) {
                Ok(again) => faults.extend(
                    difference(resource.view().value, again.view().value)
                        .map(|place| format!("{}: differs at {place}", path.display())),
                ),
                Err(failure) => faults.push(format!("{}: {failure}", path.display())),
            }
        }
    }
    assert!(count >= 60, "{count}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
