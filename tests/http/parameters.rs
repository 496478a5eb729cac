//! Search parameters that are resources: `$activate`, `$deactivate` and `$reindex`.

use kantele_tests::{Backend, Client, Options, TestServer};
use kantele_tests::{on_each_backend, on_each_backend_present};
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
    states_of(client, "searchParameter")
}

/// The states of what `$reindex` tells under a name.
fn states_of(client: &Client, name: &str) -> Vec<String> {
    let status = client.get("$reindex").expecting(200).json();
    let parameters = status["parameter"].as_array().cloned().unwrap_or_default();
    let state = |one: &Value| {
        let parts = one["part"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == "state").unwrap();
        part["valueCode"].as_str().unwrap().to_owned()
    };
    parameters.iter().filter(|one| one["name"] == name).map(state).collect()
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

fn has_words(client: &Client) -> bool {
    let statement = client.get("metadata").expecting(200).json();
    let patient = statement["rest"][0]["resource"].as_array().unwrap().iter();
    let patient = patient.clone().find(|one| one["type"] == "Patient").unwrap();
    let lists = [&patient["searchParam"], &statement["rest"][0]["searchParam"]];
    let has =
        |list: &&Value, name: &str| list.as_array().unwrap().iter().any(|one| one["name"] == name);
    let answered: Vec<bool> = ["_text", "_content"]
        .iter()
        .flat_map(|name| lists.iter().map(|one| has(one, name)))
        .collect();
    assert!(answered.iter().all(|one| *one == answered[0]), "{answered:?}");
    answered[0]
}

fn without_words(backend: Backend) {
    let options = Options {
        environment: vec![("KANTELE_STORE_FULL_TEXT".to_owned(), "false".to_owned())],
        ..Options::default()
    };
    let mut server = TestServer::start_with(backend, options);
    let client = server.client().clone();
    client.store(&json!({
        "resourceType": "Patient", "id": "a",
        "text": {
            "status": "generated",
            "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">moose</div>"
        },
    }));
    assert!(!has_words(&client));
    assert_eq!(states_of(&client, "fullText"), ["off"]);
    let lenient = [("Prefer", "handling=lenient")];
    for query in ["Patient?_text=moose", "?_content=moose"] {
        let reply = client.send("GET", query, &lenient, b"").expecting(400);
        assert!(reply.text().contains("store.full_text"), "{}", reply.text());
    }
    let said = server.run(&["check"]);
    if backend == Backend::Postgres {
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("full text: off (store.full_text)"), "{said}");
    }
    // Switched on later, the words of what is there are indexed.
    server.stop();
    server.set_environment("KANTELE_STORE_FULL_TEXT", "true");
    server.start_again();
    let client = server.client();
    while states_of(client, "fullText") != ["live"] {
        std::thread::yield_now();
    }
    assert!(has_words(client));
    assert_eq!(client.search("Patient?_text=moose"), ["Patient/a"]);
}

#[test]
fn without_full_text_words_are_refused_until_they_are_indexed() {
    on_each_backend_present(without_words);
}
