//! What the check accepts, and how it tells what it refuses; what it refuses is in
//! conformance/malformed.
#![allow(clippy::unwrap_used, reason = "a test: a panic is how it fails")]

use fhir_model::{Failure, FailureKind, Limits, Resource, check};

fn check(source: &str) -> Result<Resource, Failure> {
    Resource::from_json(source.as_bytes().to_vec(), &Limits::default())
}

fn refused(source: &str) -> Failure {
    check(source).err().unwrap_or_else(|| Failure::new(FailureKind::Bug, "was accepted"))
}

#[test]
fn legal_oddities_are_accepted() {
    let contained = r#"{"resourceType":"Patient","id":"a","active":true}"#;
    for source in [
        r#"{"resourceType":"Patient"}"#.to_owned(),
        r#"{"id":"a","active":true,"resourceType":"Patient"}"#.to_owned(),
        r#"{"\u0072esourceType":"Pati\u0065nt","\u0061ctive":true}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"a","_id":{"extension":[{"url":"a","valueCode":"b"}]}}"#
            .to_owned(),
        r#"{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"b"}]}]}"#
            .to_owned(),
        r#"{"resourceType":"Patient","name":[{"_given":[{"id":"b"}]}]}"#.to_owned(),
        r#"{"resourceType":"Patient","_birthDate":{"id":"b"},"birthDate":"2000-02"}"#.to_owned(),
        // A required primitive may have only extensions, and so may a choice.
        r#"{"resourceType":"Observation","_status":{"id":"a"},"code":{"id":"c"},
            "_valueString":{"extension":[{"url":"a","valueCode":"b"}]},"valueString":"x"}"#
            .to_owned(),
        format!(r#"{{"resourceType":"Patient","contained":[{contained}]}}"#),
        format!(
            r#"{{"resourceType":"Parameters","parameter":[{{"name":"a","resource":{contained}}}]}}"#
        ),
        format!(
            r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"resource":{{"resourceType":
                "Bundle","type":"collection","entry":[{{"resource":{{"resourceType":"Patient",
                "contained":[{contained}]}}}}]}}}}]}}"#
        ),
        r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","part":[
            {"name":"c","valueDecimal":-0.00e-12}]}]}]}"#
            .to_owned(),
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group",
            "item":[{"linkId":"2","type":"group","item":[{"linkId":"3","type":"string"}]}]}]}"#
            .to_owned(),
    ] {
        assert!(check(&source).is_ok(), "{source}: {}", refused(&source));
    }
}

#[test]
fn all_faults_are_told_at_once_in_document_order() {
    let failure = refused(
        "{\n  \"resourceType\": \"Observation\",\n  \"famly\": 1,\n  \"valueString\": 5,\n  \
         \"valueBoolean\": true,\n  \"subject\": {},\n  \"issued\": \"2000-01-01\"\n}",
    );
    let told: Vec<_> = failure
        .issues
        .iter()
        .map(|issue| {
            let expression = issue.expression.as_deref().unwrap();
            format!("{} {expression} {}", issue.line.unwrap(), issue.rule.as_deref().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 Observation.status cardinality",
            "1 Observation.code cardinality",
            "3 Observation.famly unknown element",
            "4 Observation.value.ofType(string) JSON type",
            "5 Observation.value one value of a choice",
            "6 Observation.subject nothing is empty",
            "7 Observation.issued primitive form",
        ]
    );
    assert_eq!(failure.status(), 400);
}

#[test]
fn values_of_persons_are_not_told() {
    let failure = refused(
        r#"{"resourceType":"Patient","active":"Virtanen","name":"Virtanen","telecom":[{"rank":
        "Virtanen"}],"identifier":[{"value":["Virtanen"]}],"contact":[{"name":{"family":{"a":
        "Virtanen"}}}],"text":{"status":"generated","div":"<div>Virtanen</p></div>"},
        "address":["Virtanen"],"photo":[{"data":"Virtanen!"}]}"#,
    );
    assert!(failure.issues.len() >= 8, "{failure}");
    assert!(!failure.to_string().contains("Virtanen"), "{failure}");
    // Of dates and codes the form is told.
    let failure = refused(r#"{"resourceType":"Patient","gender":" x","birthDate":"31.1.2000"}"#);
    let told = failure.to_string();
    assert!(told.contains("\" a\"") && told.contains("99.9.9999"), "{told}");
    assert!(!told.contains("\" x\"") && !told.contains("31.1.2000"), "{told}");
}

#[test]
fn the_count_of_faults_is_bounded() {
    let members: String = (0..10_000).map(|number| format!(",\"x{number}\":1")).collect();
    let failure = refused(&format!("{{\"resourceType\":\"Patient\"{members}}}"));
    assert_eq!(failure.issues.len(), check::MAX_FAULTS);
}

#[test]
fn size_has_its_own_status() {
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    let failure = Resource::from_json(br#"{"resourceType":"Patient"}"#.to_vec(), &limits).err();
    assert_eq!(failure.unwrap().status(), 413);
}
