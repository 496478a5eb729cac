//! Search parameters that are resources: `$activate`, `$deactivate` and `$reindex`.

use kantele_tests::{Client, on_each_backend};
use serde_json::{Value, json};

/// A parameter of Patient whose expression is `expression`.
fn definition(code: &str, url: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "id": code, "url": url, "name": "Own",
        "status": "active", "description": "Own", "code": code, "base": ["Patient"],
        "type": "token", "expression": expression,
    })
}

fn marital() -> Value {
    definition("marital", "urn:x:marital", "Patient.maritalStatus")
}

fn patient(id: &str, code: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id,
        "maritalStatus": {"coding": [{"system": "urn:m", "code": code}]},
    })
}

/// The states of all parameters that have one to tell.
fn states(client: &Client) -> Vec<String> {
    let status = client.get("$reindex").expecting(200).json();
    let parameters = status["parameter"].as_array().cloned().unwrap_or_default();
    let state = |one: &Value| {
        let parts = one["part"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == "state").unwrap();
        part["valueCode"].as_str().unwrap().to_owned()
    };
    parameters.iter().map(state).collect()
}

fn finish(client: &Client) {
    while states(client).iter().any(|state| state.ends_with("building")) {
        std::thread::yield_now();
    }
}

#[test]
fn a_stored_parameter_does_nothing_until_it_is_activated() {
    on_each_backend(|mut server| {
        let client = server.client();
        client.store(&patient("a", "M"));
        client.store(&patient("b", "S"));
        client.store(&marital());
        client.get("Patient?marital=M").expecting(400).issues();
        let activate = "SearchParameter/marital/$activate";
        let answer = client.send("POST", activate, &[], b"").expecting(202);
        assert_eq!(answer.json()["resourceType"], "Parameters");
        let place = format!("{}/$reindex", client.base());
        assert_eq!(answer.header("Content-Location"), Some(place.as_str()));
        finish(client);
        assert_eq!(client.search("Patient?marital=M"), ["Patient/a"]);
        client.store(&patient("c", "M"));
        assert_eq!(client.search("Patient?marital=M"), ["Patient/a", "Patient/c"]);
        client.send("POST", activate, &[], b"").expecting(200);
        assert_eq!(states(client), ["live"]);
        let statement = client.get("metadata").expecting(200).text();
        assert!(statement.contains("urn:x:marital"));
        server.stop();
        server.start_again();
        let client = server.client();
        assert_eq!(client.search("Patient?marital=M"), ["Patient/a", "Patient/c"]);
        client.send("POST", "SearchParameter/marital/$deactivate", &[], b"").expecting(200);
        client.get("Patient?marital=M").expecting(400).issues();
        client.send("POST", "SearchParameter/marital/$deactivate", &[], b"").expecting(404);
    });
}

#[test]
fn what_cannot_be_activated_says_why() {
    on_each_backend(|server| {
        let client = server.client();
        client.send("POST", "SearchParameter/none/$activate", &[], b"").expecting(404).issues();
        client.store(&definition("gender", "urn:x:gender", "Patient.gender"));
        let clash = client.send("POST", "SearchParameter/gender/$activate", &[], b"");
        let issues = clash.expecting(409).issues();
        assert_eq!(issues[0]["expression"][0], "SearchParameter.code");
        client.store(&definition("broken", "urn:x:broken", "Patient.name.where("));
        let broken = client.send("POST", "SearchParameter/broken/$activate", &[], b"");
        let issues = broken.expecting(422).issues();
        assert_eq!(issues[0]["expression"][0], "SearchParameter.expression");
        let url = "http://hl7.org/fhir/SearchParameter/Patient-language";
        client.store(&definition("language", url, "Patient.communication.language"));
        client.send("POST", "SearchParameter/language/$activate", &[], b"").expecting(200);
        client.get("SearchParameter/language/$activate").expecting(405);
        client.send("POST", "$reindex?url=urn:none", &[], b"").expecting(404).issues();
    });
}

#[test]
fn a_rebuild_answers_meanwhile_and_says_when_it_is_done() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient("a", "M"));
        let gender = "http://hl7.org/fhir/SearchParameter/individual-gender";
        let path = format!("$reindex?url={gender}");
        client.send("POST", &path, &[], b"").expecting(202);
        assert_eq!(client.search("Patient?gender:missing=true"), ["Patient/a"]);
        finish(client);
        assert_eq!(states(client), Vec::<String>::new());
    });
}
