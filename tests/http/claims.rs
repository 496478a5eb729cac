//! Every claim of the CapabilityStatement is asked for, type by type: interactions, conditional
//! forms, search parameters, includes and operations. None is false, and what is not claimed for
//! writing is not there.
//! Spec: <https://hl7.org/fhir/R4/capabilitystatement.html>

use std::collections::BTreeSet;

use fhir_definitions::{ResourceType, SearchParameterKind, r4};
use kantele_tests::{Client, Options, Reply, TestServer, minimal, on_each_backend_with};
use serde_json::{Value, json};

#[test]
fn every_claim_is_true() {
    // The least resources that keep the element tables break invariants.
    let environment = vec![("KANTELE_VALIDATION_ON_WRITE".to_owned(), "off".to_owned())];
    let options = Options { environment, ..Options::default() };
    on_each_backend_with(&options, |server| {
        let mut probe = Probe::new(&server);
        let statement = probe.client.get("metadata").expecting(200).json();
        let rest = &statement["rest"][0];
        for resource in items(&rest["resource"]) {
            probe.resource(resource);
        }
        probe.system(rest);
        println!("{} claims asked for", probe.asked);
        assert!(probe.asked > 5_000, "{} claims", probe.asked);
        let false_ones = probe.faults;
        assert!(false_ones.is_empty(), "{} false:\n{}", false_ones.len(), false_ones.join("\n"));
    });
}

struct Probe<'a> {
    client: &'a Client,
    asked: usize,
    faults: Vec<String>,
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts<'v>(value: &'v Value, name: &str) -> BTreeSet<&'v str> {
    items(value).iter().filter_map(|each| each[name].as_str()).collect()
}

impl<'a> Probe<'a> {
    fn new(server: &'a TestServer) -> Self {
        let client = server.client();
        client.store(&json!({"resourceType": "List", "id": "l", "status": "current",
            "mode": "working"}));
        Self { client, asked: 0, faults: Vec::new() }
    }

    /// Sends a request and notes it where the status is none of those expected.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
        expected: &[u16],
    ) -> Reply {
        self.asked += 1;
        let reply = match body {
            Some(body) => self.client.send_json(method, path, headers, body),
            None => self.client.send(method, path, headers, &[]),
        };
        if !expected.contains(&reply.status) {
            let told: String = reply.text().chars().take(300).collect();
            self.faults.push(format!("{method} {path}: {} {told}", reply.status));
        }
        reply
    }

    fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, &[], None, &[200])
    }

    fn resource(&mut self, claimed: &Value) {
        let name = claimed["type"].as_str().unwrap();
        let resource_type: ResourceType = name.parse().unwrap();
        let codes = texts(&claimed["interaction"], "code");
        let mut body = minimal::resource(resource_type);
        if codes.contains("create") {
            let created = self.ask("POST", name, &[], Some(&body), &[201]);
            assert!(created.header("Location").is_some(), "{name}: no Location");
        }
        if claimed["conditionalCreate"] == true {
            let condition = [("If-None-Exist", "_id=probe")];
            body["id"] = "probe".into();
            self.ask("PUT", &format!("{name}/probe"), &[], Some(&body), &[201]);
            self.ask("POST", name, &condition, Some(&body), &[200]);
        }
        let one = format!("{name}/probe");
        if codes.contains("read") {
            let fhir = ("Accept", "application/fhir+json");
            let reply = self.ask("GET", &one, &[fhir], None, &[200]);
            let (tag, date) = (reply.header("ETag"), reply.header("Last-Modified"));
            if claimed["conditionalRead"] == "full-support" {
                let known = [fhir, ("If-None-Match", tag.unwrap_or("none"))];
                self.ask("GET", &one, &known, None, &[304]);
                let known = [fhir, ("If-Modified-Since", date.unwrap_or("none"))];
                self.ask("GET", &one, &known, None, &[304]);
            }
            let accept = [("Accept", "application/fhir+xml")];
            self.ask("GET", &one, &accept, None, &[200]);
        }
        if codes.contains("update") {
            self.ask("PUT", &one, &[("If-Match", "W/\"1\"")], Some(&body), &[200]);
        }
        if codes.contains("vread") {
            self.get(&format!("{one}/_history/1"));
        }
        if codes.contains("history-instance") {
            self.get(&format!("{one}/_history"));
        }
        if codes.contains("history-type") {
            self.get(&format!("{name}/_history?_count=1"));
        }
        self.searches(name, claimed, &codes);
        self.operations(claimed, &[name, &one]);
        self.changes(name, claimed, &codes, &body);
    }

    fn searches(&mut self, name: &str, claimed: &Value, codes: &BTreeSet<&str>) {
        if !codes.contains("search-type") {
            return;
        }
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        self.ask("POST", &format!("{name}/_search"), &form, None, &[200]);
        let names = texts(&claimed["searchParam"], "name");
        assert_eq!(names.len(), items(&claimed["searchParam"]).len(), "{name}: one claim each");
        for parameter in items(&claimed["searchParam"]) {
            let query = query(parameter);
            self.get(&format!("{name}?{query}&_count=1"));
        }
        for (parameter, list) in
            [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")]
        {
            for some in items(&claimed[list]).chunks(100) {
                self.asked += some.len() - 1;
                let values: Vec<String> = some
                    .iter()
                    .map(|value| format!("{parameter}={}", value.as_str().unwrap()))
                    .collect();
                self.get(&format!("{name}?_id=none&{}", values.join("&")));
            }
        }
    }

    /// The interactions that change or remove what the others asked for.
    fn changes(&mut self, name: &str, claimed: &Value, codes: &BTreeSet<&str>, body: &Value) {
        let (one, by_id) = (format!("{name}/probe"), format!("{name}?_id=probe"));
        let patch = json!([{"op": "add", "path": "/language", "value": "fi"}]);
        let json_patch = [("Content-Type", "application/json-patch+json")];
        // An operation may have purged it.
        self.ask("PUT", &one, &[], Some(body), &[200, 201]);
        let patched = if codes.contains("patch") { [200, 200] } else { [405, 405] };
        let bytes = patch.to_string().into_bytes();
        let reply = self.client.send("PATCH", &one, &json_patch, &bytes);
        if !patched.contains(&reply.status) {
            self.faults.push(format!("PATCH {one}: {} {}", reply.status, reply.text()));
        }
        let (updated, deleted): (&[u16], &[u16]) = (&[200, 201], &[200, 204]);
        let may_update = claimed["conditionalUpdate"] == true;
        let expected = if may_update { updated } else { &[405] };
        self.ask("PUT", &by_id, &[], Some(body), expected);
        let how = claimed["conditionalDelete"].as_str().unwrap_or("not-supported");
        let expected = if how == "not-supported" { &[405] } else { deleted };
        self.ask("DELETE", &by_id, &[], None, expected);
        if claimed["updateCreate"] == true {
            let mut other = body.clone();
            other["id"] = "probe-2".into();
            self.ask("PUT", &format!("{name}/probe-2"), &[], Some(&other), &[201]);
        }
        if codes.contains("delete") {
            self.ask("DELETE", &format!("{name}/probe-2"), &[], None, deleted);
            self.ask("GET", &format!("{name}/probe-2"), &[], None, &[410]);
        }
    }

    /// Each operation is there on one of the places: what it then says of its parameters is its
    /// own affair.
    fn operations(&mut self, claimed: &Value, places: &[&str]) {
        for operation in items(&claimed["operation"]) {
            self.asked += 1;
            let name = operation["name"].as_str().unwrap();
            let parameters = json!({"resourceType": "Parameters"});
            let mut told = Vec::new();
            let is_there = places.iter().any(|place| {
                let slash = if place.is_empty() { "" } else { "/" };
                let path = format!("{place}{slash}${name}");
                let replies = [self.client.get(&path), self.client.post(&path, &parameters)];
                told.extend(
                    replies.iter().map(|reply| format!("{} {}", reply.status, reply.text())),
                );
                replies.iter().any(is_known)
            });
            if !is_there {
                self.faults.push(format!("${name} is on none of {places:?}: {told:?}"));
            }
        }
    }

    fn system(&mut self, rest: &Value) {
        // What differs from type to type, asked of all of them at once.
        for query in [
            "_tag:missing=true&_profile:missing=true&_total=accurate",
            "_tag:missing=false",
            "_security:not=x&_source:missing=true",
            "_lastUpdated=gt2020&_tag:missing=true&_summary=count",
        ] {
            self.get(&format!("?{query}"));
        }
        let codes = texts(&rest["interaction"], "code");
        for kind in ["transaction", "batch"] {
            if codes.contains(kind) {
                let bundle = json!({"resourceType": "Bundle", "type": kind});
                self.ask("POST", "", &[], Some(&bundle), &[200]);
            }
        }
        if codes.contains("history-system") {
            self.get("_history?_count=1");
        }
        if codes.contains("search-system") {
            for parameter in items(&rest["searchParam"]) {
                let query = query(parameter);
                self.get(&format!("?_type=Patient,Observation&{query}&_count=1"));
            }
        }
        for compartment in items(&rest["compartment"]) {
            let url = compartment.as_str().unwrap();
            let code = r4().compartments.iter().find(|each| each.url == url).unwrap().code;
            self.client.store(&{
                let mut center = minimal::resource(code.parse().unwrap());
                center["id"] = "center".into();
                center
            });
            self.get(&format!("{code}/center/*?_count=1"));
        }
        self.operations(rest, &[""]);
    }
}

/// Whether a reply is that of an operation, which may well miss something, and not of a path
/// that nothing answers.
fn is_known(reply: &Reply) -> bool {
    match reply.status {
        404 => reply.issues().iter().all(|issue| issue["code"] != "not-supported"),
        405 | 500.. => false,
        _ => true,
    }
}

/// A search by a claimed parameter.
fn query(parameter: &Value) -> String {
    let name = parameter["name"].as_str().unwrap();
    let value = match name {
        "_filter" => "_id eq a".to_owned(),
        "_has" => return "_has:List:item:code=a".to_owned(),
        "_list" => "l".to_owned(),
        "near" => "60.1|24.9|5|km".to_owned(),
        _ => match parameter["type"].as_str().unwrap() {
            "composite" => composite(parameter["definition"].as_str().unwrap()),
            "date" => "2026-01-01".to_owned(),
            "number" | "quantity" => "1".to_owned(),
            "reference" => "Patient/a".to_owned(),
            _ => "a".to_owned(),
        },
    };
    format!("{name}={}", value.replace(' ', "%20").replace('|', "%7C").replace('$', "%24"))
}

/// A value for each component, as their kinds ask for.
fn composite(url: &str) -> String {
    let found = |url: &str| r4().search_parameters.iter().find(|each| each.url == url);
    let parameter = found(url).unwrap_or_else(|| panic!("{url} is defined"));
    let sample = |kind| match kind {
        SearchParameterKind::Date => "2026-01-01",
        SearchParameterKind::Number | SearchParameterKind::Quantity => "1",
        SearchParameterKind::Reference => "Patient/a",
        SearchParameterKind::String
        | SearchParameterKind::Token
        | SearchParameterKind::Uri
        | SearchParameterKind::Composite
        | SearchParameterKind::Special => "a",
    };
    let parts: Vec<&str> = parameter
        .components
        .iter()
        .map(|component| sample(found(component.definition).expect("a component is defined").kind))
        .collect();
    parts.join("$")
}
