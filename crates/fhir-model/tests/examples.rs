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

#[test]
fn faults_of_content_stand_at_their_lines_of_the_xml() {
    let xml = "<?xml version=\"1.0\"?>
<Patient xmlns=\"http://hl7.org/fhir\">
  <name>
    <family value=\"Äö\"/>
    <given value=\"\"/>
    <given value=\"Ä\"/>
    <given>
      <extension url=\"urn:x\"><valueCode value=\" a\"/></extension>
    </given>
  </name>
  <gender value=\"man\"/>
  <birthDate value=\"1970-13-01\"/><multipleBirthBoolean value=\"1\"/>
  <contact>
    <period><start value=\"yesterday\"/></period>
  </contact>
</Patient>";
    let failure = Resource::from_xml(xml.as_bytes(), &Limits::default()).unwrap_err();
    let found: Vec<_> = failure
        .issues
        .iter()
        .map(|issue| {
            let expression = issue.expression.as_deref().unwrap_or_default();
            format!("{}:{} {expression}", issue.line.unwrap(), issue.column.unwrap())
        })
        .collect();
    let expected = [
        "5:5 Patient.name[0].given[0]",
        "8:30 Patient.name[0].given[2].extension[0].value.ofType(code)",
        "12:3 Patient.birthDate",
        "12:34 Patient.multipleBirth.ofType(boolean)",
        "14:13 Patient.contact[0].period.start",
    ];
    assert_eq!(found, expected, "{failure}");
}
