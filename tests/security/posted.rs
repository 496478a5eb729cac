//! search.post_only_types: criteria of these types stand in no URL.

use kantele_tests::{Options, TestServer, on_each_backend_present};
use serde_json::json;

use crate::guarded::set;

#[test]
fn types_that_are_searched_by_post_alone_have_no_criteria_in_urls() {
    on_each_backend_present(|backend| {
        let mut arguments = Vec::new();
        set(&mut arguments, "search.post_only_types", "Patient");
        let server = TestServer::start_with(backend, Options { arguments, ..Options::default() });
        let client = server.client();
        for number in 0..3 {
            let patient = json!({"resourceType": "Patient", "id": format!("p{number}"),
                "name": [{"family": "Salainen"}]});
            client.put(&format!("Patient/p{number}"), &patient).expecting(201);
        }
        for path in [
            "Patient?family=Salainen",
            "Patient",
            "?_type=Patient,Observation&_id=p1",
            "Observation?subject:Patient.family=Salainen",
            "Organization?_has:Patient:organization:family=Salainen",
            "Observation?_filter=subject.family eq Salainen",
            "Observation?_filter=not (subject:Patient.family eq Salainen)",
        ] {
            let reply = client.get(&path.replace(' ', "%20")).expecting(400);
            let told = reply.text();
            assert!(told.contains("_search") && !told.contains("Salainen"), "{path}: {told}");
        }
        for path in ["Observation", "Patient/p1/Observation", "Patient/p1", "Patient/_history"] {
            client.get(path).expecting(200);
        }
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let post = |path: &str| client.send("POST", path, &form, b"family=Salainen&_count=2");
        post("Patient/_search?_tag=x").expecting(400);
        let page = post("Patient/_search").expecting(200);
        assert_eq!(page.keys("match").len(), 2);
        let text = page.text();
        assert!(!text.contains("family=Salainen"), "{text}");
        let next = page.link("next").unwrap();
        let rest = client.get(&next).expecting(200);
        assert_eq!(rest.keys("match").len(), 1);
        assert!(!rest.text().contains("family=Salainen"));
        client.get("Patient?_cursor=AAAA").expecting(400);
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": "Patient?family=Salainen&_count=2"}}]});
        let answer = client.post("", &batch).expecting(200).json();
        let inner = &answer["entry"][0]["resource"];
        assert_eq!(inner["entry"].as_array().unwrap().len(), 2);
        assert!(!inner["link"].to_string().contains("family"), "{}", inner["link"]);
        let statement = client.get("metadata").expecting(200).json();
        let types = statement["rest"][0]["resource"].as_array().unwrap();
        for each in types {
            let is_told = each["documentation"].as_str().is_some_and(|it| it.contains("_search"));
            assert_eq!(is_told, each["type"] == "Patient", "{}", each["type"]);
        }
    });
}
