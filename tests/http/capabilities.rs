//! `GET metadata`: the statement says what is wired, and what is wired answers.
//! Spec: <https://hl7.org/fhir/R4/http.html#capabilities>

use kantele_tests::examples::patient_with_id;
use kantele_tests::on_each_backend;

#[test]
fn every_declared_type_and_parameter_answers() {
    on_each_backend(|server| {
        let client = server.client();
        let statement = client.get("metadata").expecting(200).json();
        assert_eq!(statement["resourceType"], "CapabilityStatement");
        assert_eq!(statement["fhirVersion"], "4.0.1");
        assert_eq!(statement["kind"], "instance");
        let rest = &statement["rest"][0];
        assert_eq!(rest["mode"], "server");
        let resources = rest["resource"].as_array().unwrap();
        assert!(resources.len() > 140, "{} types", resources.len());
        let mut asked = 0;
        for resource in resources {
            let kind = resource["type"].as_str().unwrap();
            for parameter in resource["searchParam"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let value = match parameter["type"].as_str().unwrap() {
                    "date" => "2026-01-01",
                    "number" | "quantity" => "1",
                    "reference" => "Patient/a",
                    "composite" | "special" => continue,
                    _ => "a",
                };
                let reply = client.get(&format!("{kind}?{name}={value}&_count=1"));
                assert_eq!(reply.status, 200, "{kind}?{name}={value}: {}", reply.text());
                asked += 1;
            }
        }
        assert!(asked > 1000, "{asked} parameters");
    });
}

#[test]
fn every_declared_interaction_answers_and_no_other() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let statement = client.get("metadata").expecting(200).json();
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let patient = resources.iter().find(|it| it["type"] == "Patient").unwrap();
        let declared: Vec<&str> = patient["interaction"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["code"].as_str().unwrap())
            .collect();
        for code in
            ["read", "vread", "update", "patch", "delete", "history-instance", "history-type"]
        {
            assert!(declared.contains(&code), "{code} in {declared:?}");
        }
        for code in ["create", "search-type"] {
            assert!(declared.contains(&code), "{code} in {declared:?}");
        }
        assert_eq!(patient["updateCreate"], true);
        assert_eq!(patient["conditionalCreate"], true);
        assert_eq!(patient["conditionalUpdate"], true);
        assert_eq!(patient["conditionalDelete"], "single");
        let patch = client.send_json("PATCH", "Patient/aava", &[], &serde_json::json!([]));
        assert_eq!(declared.contains(&"patch"), patch.status != 405, "{}", patch.text());
    });
}
