//! The packages of `profiles/` on a started server: their examples, code sets and search parameters.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kantele_tests::{Client, Options, on_each_backend_with, repository};
use serde_json::{Value, json};

/// Profiles that all examples of a type have, so that a server may require them.
const REQUIRED: &str = "Appointment=https://pta.kanta.fi/fhir/StructureDefinition/AppointmentAppointment,\
    AuditEvent=https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEvent,\
    CarePlan=http://phr.kanta.fi/StructureDefinition/fiphr-sd-selfcareplan-r4,\
    Encounter=https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/fi-base-encounter";

fn with_profiles(more: &[(&str, &str)]) -> Options {
    let folder = repository("profiles").display().to_string();
    let packages = ("KANTELE_PACKAGES_FOLDERS".to_owned(), folder);
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Options { environment: std::iter::once(packages).chain(more).collect(), ..Options::default() }
}

/// The files of all packages, or of their examples, whose names begin so.
fn files(below: &str, prefix: &str) -> Vec<PathBuf> {
    let packages = fs::read_dir(repository("profiles")).unwrap();
    let folders = packages.map(|entry| entry.unwrap().path().join(below));
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".json") && name != "package.json"
    };
    let mut paths: Vec<PathBuf> = paths.filter(is_it).collect();
    paths.sort();
    paths
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The canonical of the profile that an example is named after: `Type-<id>[-more].json`.
fn profile_of(example: &Path) -> String {
    let name = example.file_stem().unwrap().to_string_lossy().into_owned();
    let (_, name) = name.split_once('-').unwrap();
    let definitions = files("", "StructureDefinition-").into_iter().map(|path| json_of(&path));
    let is_it = |id: &str| name == id || name.starts_with(&format!("{id}-"));
    let mut found: Vec<(String, String)> = definitions
        .map(|each| {
            (each["id"].as_str().unwrap().to_owned(), each["url"].as_str().unwrap().to_owned())
        })
        .filter(|(id, _)| is_it(id))
        .collect();
    found.sort_by_key(|(id, _)| id.len());
    found.pop().unwrap_or_else(|| panic!("{name} is named after no profile")).1
}

fn errors(outcome: &Value) -> Vec<String> {
    let issues = outcome["issue"].as_array().cloned().unwrap_or_default();
    let is_error = |issue: &&Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
    issues.iter().filter(is_error).map(Value::to_string).collect()
}

#[test]
fn examples_of_the_packages_are_valid_and_taken_in() {
    let options = with_profiles(&[
        ("KANTELE_VALIDATION_ON_WRITE", "declared"),
        (
            "KANTELE_VALIDATION_ON_WRITE_BY_TYPE",
            "Appointment=required,AuditEvent=required,CarePlan=required,Encounter=required",
        ),
        ("KANTELE_VALIDATION_REQUIRED_PROFILES", REQUIRED),
    ]);
    on_each_backend_with(&options, |server| {
        let client = server.client();
        let (mut count, mut wrong) = (0, Vec::new());
        for path in files("example", "") {
            let example = json_of(&path);
            let (kind, profile) = (example["resourceType"].as_str().unwrap(), profile_of(&path));
            let given = json!({ "resourceType": "Parameters", "parameter": [
                { "name": "profile", "valueUri": profile },
                { "name": "resource", "resource": example },
            ] });
            for (target, body) in [
                ("$validate".to_owned(), &example),
                (format!("{kind}/$validate"), &example),
                (format!("{kind}/$validate"), &given),
            ] {
                let outcome = client.post(&target, body).expecting(200).json();
                let found = errors(&outcome);
                wrong.extend(
                    found.iter().map(|each| format!("{}: {target}: {each}", path.display())),
                );
            }
            let created = client.post(kind, &example);
            if created.status != 201 {
                wrong.push(format!("{}: {}: {}", path.display(), created.status, created.text()));
            }
            count += 1;
        }
        assert!(count >= 26, "only {count} examples");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn what_breaks_a_required_profile_is_refused_with_its_place() {
    let options = with_profiles(&[
        (
            "KANTELE_VALIDATION_ON_WRITE_BY_TYPE",
            "Appointment=required,AuditEvent=required,\
            CarePlan=required,Encounter=required",
        ),
        ("KANTELE_VALIDATION_REQUIRED_PROFILES", REQUIRED),
    ]);
    on_each_backend_with(&options, |server| {
        let path = files("example", "Appointment-AppointmentAppointment.json").remove(0);
        let mut appointment = json_of(&path);
        appointment.as_object_mut().unwrap().remove("identifier");
        // What the server requires holds whether the resource names the profile or not.
        appointment.as_object_mut().unwrap().remove("meta");
        let issues = server.client().post("Appointment", &appointment).expecting(422).issues();
        let places: BTreeSet<&str> =
            issues.iter().filter_map(|it| it["expression"][0].as_str()).collect();
        assert!(places.contains("Appointment.identifier"), "{places:?}");
    });
}

/// The value of a parameter of the answer, whatever its type.
fn parameter(answer: &Value, name: &str) -> Value {
    let list = answer["parameter"].as_array().cloned().unwrap_or_default();
    let found = list.iter().find(|each| each["name"] == name).and_then(Value::as_object);
    let value = found.and_then(|each| each.iter().find(|(key, _)| key.starts_with("value")));
    value.map_or(Value::Null, |(_, value)| value.clone())
}

#[test]
fn national_code_sets_are_looked_up_by_their_oid_in_finnish_and_swedish() {
    on_each_backend_with(&with_profiles(&[]), |server| {
        let client = server.client();
        let get = |path: &str| client.get(path).expecting(200).json();
        let system = "urn:oid:1.2.246.537.5.40202.201901";
        for (language, display) in [
            ("fi", "Ei päätöskykyinen alaikäinen, tiedot luovutetaan huoltajille"),
            (
                "sv",
                "Den minderåriga saknar beslutsförmåga, uppgifterna lämnas till vårdnadshavarna",
            ),
        ] {
            let query =
                format!("CodeSystem/$lookup?system={system}&code=1&displayLanguage={language}");
            assert_eq!(parameter(&get(&query), "display"), display);
            let query = format!("ValueSet/$expand?url={system}&displayLanguage={language}");
            let expansion = get(&query);
            assert_eq!(expansion["expansion"]["contains"][0]["display"], display);
            assert_eq!(expansion["expansion"]["total"], 4);
            // Four codes were seen, and there may be more: the expansion says so.
            assert!(expansion.to_string().contains("only a part"), "{expansion}");
        }
        let system = "urn:oid:1.2.246.537.5.40172";
        for (query, result) in [
            (format!("CodeSystem/$validate-code?url={system}&code=1"), true),
            (format!("CodeSystem/$validate-code?url={system}&code=1&display=Julkinen"), true),
            (format!("CodeSystem/$validate-code?url={system}&code=9"), false),
            (format!("ValueSet/$validate-code?url={system}&system={system}&code=2"), true),
            (format!("ValueSet/$validate-code?url={system}&system={system}&code=9"), false),
        ] {
            assert_eq!(parameter(&get(&query), "result"), result, "{query}");
        }
        let answer = get(&format!("ValueSet/$expand?url={system}&displayLanguage=fi"));
        let codes = answer["expansion"]["contains"].as_array().unwrap();
        let displays: Vec<&str> =
            codes.iter().filter_map(|code| code["display"].as_str()).collect();
        assert_eq!(displays, ["Julkinen", "Yksityinen"]);
        // The classification of diseases is named, and none of its codes is here.
        let system = "urn:oid:1.2.246.537.6.1";
        let refused = client.get(&format!("CodeSystem/$lookup?system={system}&code=A00"));
        assert!(refused.status == 400 && refused.text().contains(system), "{}", refused.text());
    });
}

/// Search parameters with an expression: id, a search that finds, and what it finds.
const SEARCHES: [(&str, &str, &str); 10] = [
    (
        "appointment-appointment-service-provider-unit",
        "Appointment?appointment-service-provider-unit=urn:ietf:rfc:3986|urn:oid:1.2.246.10.99999999.10.20",
        "Appointment/varaus",
    ),
    (
        "appointment-service-provider",
        "Appointment?appointment-service-provider=urn:ietf:rfc:3986|urn:oid:1.2.246.10.99999999.10.0",
        "Appointment/varaus",
    ),
    (
        "provenance-producing-service-provider-unit",
        "Appointment?_has:Provenance:target:producing-service-provider-unit=\
         urn:ietf:rfc:3986|urn:oid:1.2.246.10.99999999.10.7",
        "Appointment/varaus",
    ),
    (
        "provenance-register-type-code",
        "Appointment?_has:Provenance:target:register-type-code=urn:oid:1.2.246.537.5.40150|4",
        "Appointment/varaus",
    ),
    (
        "provenance-service-event",
        "Provenance?service-event=urn:oid:1.2.246.10.99999999.10.14.1",
        "Provenance/tiedot",
    ),
    (
        "provenance-service-organiser",
        "Provenance?service-organiser=urn:ietf:rfc:3986|urn:oid:1.2.246.10.99999999.10.10",
        "Provenance/tiedot",
    ),
    (
        "careplan-supporting-info",
        "CarePlan?supporting-info=QuestionnaireResponse/vastaus",
        "CarePlan/suunnitelma",
    ),
    (
        "appointment-patient-identifier",
        "Appointment?patient-identifier=urn:oid:1.2.246.21|010190-999W",
        "Appointment/varaus",
    ),
    (
        "auditevent-controller",
        "AuditEvent?controller=urn:ietf:rfc:3986|urn:oid:1.2.246.10.99999999.19.1",
        "AuditEvent/luovutus",
    ),
    (
        "auditevent-client-identifier",
        "AuditEvent?client-identifier=urn:oid:1.2.246.21|010190-999W",
        "AuditEvent/luovutus",
    ),
];

fn store_what_is_searched(client: &Client) {
    let oid =
        |oid: &str| json!({ "system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{oid}") });
    let agent = |code: &str, id: &str| {
        json!({
            "role": [ { "coding": [ { "system": "http://gen.kanta.fi/figen-cs-provenancerolecategory",
                "code": code } ] } ],
            "who": { "identifier": oid(id) }
        })
    };
    client.store(&json!({ "resourceType": "Appointment", "id": "varaus", "status": "booked",
        "start": "2026-03-02T09:00:00+02:00", "end": "2026-03-02T09:30:00+02:00",
        "supportingInformation": [ { "reference": "#unit" } ],
        "contained": [ { "resourceType": "Organization", "id": "unit",
            "identifier": [oid("1.2.246.10.99999999.10.20")],
            "partOf": { "identifier": oid("1.2.246.10.99999999.10.0") } },
          { "resourceType": "Patient", "id": "pat",
            "identifier": [ { "system": "urn:oid:1.2.246.21", "value": "010190-999W" } ] } ],
        "participant": [ { "status": "accepted", "type": [ { "text": "Asiakas" } ],
            "actor": { "reference": "#pat" } } ] }));
    client.store(&json!({ "resourceType": "AuditEvent", "id": "luovutus",
        "type": { "code": "rest" }, "recorded": "2026-01-15T09:31:12.000+02:00",
        "contained": [ { "resourceType": "Organization", "id": "rek",
            "extension": [ { "url": "https://gen.kanta.fi/fhir/StructureDefinition/extension/RegisterType",
                "valueCoding": { "system": "urn:oid:1.2.246.537.6.1264.201701", "code": "1" } } ],
            "identifier": [oid("1.2.246.10.99999999.19.1")] },
          { "resourceType": "Patient", "id": "as",
            "identifier": [ { "system": "urn:oid:1.2.246.21", "value": "010190-999W" } ] } ],
        "agent": [ { "requestor": false, "who": { "reference": "#rek" } },
            { "requestor": true, "who": { "reference": "#as" } } ],
        "source": { "observer": { "reference": "#rek" } } }));
    client.store(&json!({ "resourceType": "Provenance", "id": "tiedot",
        "target": [ { "reference": "Appointment/varaus" } ],
        "recorded": "2026-02-20T08:15:02.000+02:00",
        "extension": [
            { "url": "https://gen.kanta.fi/fhir/StructureDefinition/extension/RegisterType",
              "valueCoding": { "system": "urn:oid:1.2.246.537.5.40150", "code": "4" } },
            { "url": "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/service-event",
              "valueOid": "urn:oid:1.2.246.10.99999999.10.14.1" } ],
        "agent": [agent("7", "1.2.246.10.99999999.10.7"), agent("10", "1.2.246.10.99999999.10.10")] }));
    client.store(&json!({ "resourceType": "CarePlan", "id": "suunnitelma", "status": "active",
        "intent": "plan", "subject": { "reference": "Patient/p1" },
        "supportingInfo": [ { "reference": "QuestionnaireResponse/vastaus" } ] }));
}

#[test]
fn every_search_parameter_of_the_packages_finds_or_says_why_it_cannot() {
    let ids: Vec<String> = files("", "SearchParameter-")
        .iter()
        .map(|path| json_of(path)["id"].as_str().unwrap().to_owned())
        .collect();
    for (id, _, _) in SEARCHES {
        assert!(ids.iter().any(|each| each == id), "{id} is no search parameter");
    }
    on_each_backend_with(&with_profiles(&[]), |server| {
        let client = server.client();
        store_what_is_searched(client);
        for id in &ids {
            let activate = format!("SearchParameter/{id}/$activate");
            let answer = client.send("POST", &activate, &[], b"");
            let Some((_, query, found)) = SEARCHES.iter().find(|(each, _, _)| each == id) else {
                // It reads the paired Provenance, or steers the result, and has no expression.
                assert_eq!(answer.status, 422, "{id}: {}", answer.text());
                continue;
            };
            assert_eq!(answer.status, 202, "{id}: {}", answer.text());
            while client.get(query).status == 400 {
                std::thread::yield_now();
            }
            assert_eq!(client.search(query), [*found], "{query}");
            let other = format!("{query}9");
            assert!(client.search(&other).is_empty(), "{other}");
        }
    });
}
