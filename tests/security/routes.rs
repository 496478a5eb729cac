//! Every route of the API description, visited without rights and with the least right: nothing
//! that is stored comes out, and nothing changes.

use fhir_definitions::ResourceType;
use kantele_tests::examples::{bundle, entry};
use kantele_tests::{Backend, Client, minimal, on_each_backend_present};
use serde_json::{Value, json};

use crate::guarded::Guarded;

/// Stands in every stored resource, and in no request.
const MARK: &str = "mark-of-what-is-hidden";

/// A route with one of its methods, as the description has them.
struct Route {
    method: String,
    path: String,
}

fn routes(client: &Client) -> Vec<Route> {
    let document = client.get("openapi.json").expecting(200).json();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.trim_start_matches('/');
        let filled = path.replace("{id}", "hidden").replace("{version}", "1");
        let filled = filled.replace("{vid}", "1").replace("{job}", "none");
        assert!(!filled.contains('{'), "no word for a part of {path}");
        for method in methods.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            routes.push(Route { method: method.to_uppercase(), path: filled.clone() });
        }
    }
    routes
}

/// Parameters are no resources of their own.
fn stored_types() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|of| of.as_str() != "Parameters")
}

fn hidden(of: ResourceType) -> Value {
    let mut resource = minimal::resource(of);
    resource["id"] = "hidden".into();
    resource["meta"] = json!({"tag": [{"code": MARK}]});
    resource
}

fn type_of(path: &str) -> Option<ResourceType> {
    ResourceType::named(path.split(['/', '?']).next().unwrap_or_default())
}

/// A body that the route would take from whoever may.
fn body(route: &Route) -> Option<(&'static str, String)> {
    let json = "application/fhir+json";
    let last = route.path.rsplit('/').next().unwrap_or_default();
    let own = || {
        let mut resource = minimal::resource(type_of(&route.path).unwrap_or(ResourceType::BASIC));
        if route.method == "PUT" && last == "hidden" {
            resource["id"] = "hidden".into();
        }
        resource.to_string()
    };
    match route.method.as_str() {
        "PATCH" => Some(("application/json-patch+json", "[]".to_owned())),
        "PUT" => Some((json, own())),
        "POST" if last == "_search" => Some(("application/x-www-form-urlencoded", String::new())),
        "POST" if last.starts_with('$') => {
            Some((json, json!({"resourceType": "Parameters"}).to_string()))
        }
        "POST" if type_of(&route.path).is_some() => Some((json, own())),
        "POST" => Some((json, bundle("batch", Vec::new()).to_string())),
        _ => None,
    }
}

/// Every version that there is, by the one who may see all.
fn versions(client: &Client, all: &str) -> Value {
    let headers = [("Authorization", all)];
    client.send("GET", "_history?_summary=count", &headers, &[]).expecting(200).json()["total"]
        .clone()
}

#[test]
fn no_route_answers_data_without_the_right() {
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[("validation.on_write", "off")]);
        let client = guarded.server.client();
        let all = guarded.bearer(&json!({}));
        let put = |of: ResourceType| {
            let path = format!("{of}/hidden");
            let headers =
                [("Authorization", all.as_str()), ("Content-Type", "application/fhir+json")];
            client.send("PUT", &path, &headers, hidden(of).to_string().as_bytes()).expecting(201);
        };
        stored_types().for_each(put);
        let before = versions(client, &all);
        let nobody: [(&str, String); 3] = [
            ("without a caller", String::new()),
            ("with a scope for nothing", guarded.bearer(&json!({"scope": "openid"}))),
            (
                "with the least right",
                guarded.bearer(&json!({"scope": "patient/Observation.rs", "patient": "nobody"})),
            ),
        ];
        let mut visited = 0;
        for route in routes(client) {
            let body = body(&route);
            let is_open = ["metadata", "openapi.json"].contains(&route.path.as_str());
            for (who, token) in &nobody {
                let mut headers = Vec::new();
                headers.extend((!token.is_empty()).then_some(("Authorization", token.as_str())));
                headers.extend(body.as_ref().map(|(kind, _)| ("Content-Type", *kind)));
                let bytes = body.as_ref().map_or(&[][..], |(_, text)| text.as_bytes());
                let reply = client.send(&route.method, &route.path, &headers, bytes);
                let told = format!("{} {} {who}", route.method, route.path);
                visited += 1;
                let is_known = !token.is_empty();
                assert!(reply.status < 500, "{told}: {}", reply.text());
                assert!(is_known || is_open || reply.status == 401, "{told}: {}", reply.status);
                assert!(!reply.text().contains(MARK), "{told} tells what is hidden");
            }
        }
        assert!(visited > 10_000, "{visited} visits");
        assert_eq!(versions(client, &all), before, "something was written");
        println!("{visited} visits");
    });
}

#[test]
fn no_entry_of_a_bundle_answers_data_without_the_right() {
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[("validation.on_write", "off")]);
        let client = guarded.server.client();
        let all = guarded.bearer(&json!({}));
        let json_type = ("Content-Type", "application/fhir+json");
        let mut entries = Vec::new();
        for of in stored_types() {
            let headers = [("Authorization", all.as_str()), json_type];
            let path = format!("{of}/hidden");
            client.send("PUT", &path, &headers, hidden(of).to_string().as_bytes()).expecting(201);
            let mut changed = minimal::resource(of);
            changed["id"] = "hidden".into();
            for path in [
                path.clone(),
                format!("{path}/_history/1"),
                format!("{of}"),
                format!("{of}/_history"),
            ] {
                entries.push(entry("GET", &path, None, None));
            }
            entries.push(entry("PUT", &path, None, Some(changed)));
            entries.push(entry("DELETE", &path, None, None));
        }
        let before = versions(client, &all);
        let least =
            guarded.bearer(&json!({"scope": "patient/Observation.rs", "patient": "nobody"}));
        let headers = [("Authorization", least.as_str()), json_type];
        let count = entries.len();
        let sent = bundle("batch", entries.clone()).to_string();
        let reply = client.send("POST", "", &headers, sent.as_bytes()).expecting(200);
        assert!(!reply.text().contains(MARK), "an entry tells what is hidden");
        assert_eq!(reply.json()["entry"].as_array().map(Vec::len), Some(count));
        let sent = bundle("transaction", entries.into_iter().take(6).collect()).to_string();
        client.send("POST", "", &headers, sent.as_bytes()).expecting(403);
        assert_eq!(versions(client, &all), before, "something was written");
    });
}

#[test]
fn everybody_sees_their_part() {
    on_each_backend_present(|backend: Backend| {
        let guarded = Guarded::start(backend, &[]);
        let client = guarded.server.client();
        let all = guarded.bearer(&json!({}));
        let headers = [("Authorization", all.as_str()), ("Content-Type", "application/fhir+json")];
        for id in ["a", "b"] {
            let patient = json!({"resourceType": "Patient", "id": id});
            let path = format!("Patient/{id}");
            client.send("PUT", &path, &headers, patient.to_string().as_bytes()).expecting(201);
            let about = json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": {"text": "x"}, "subject": {"reference": path}});
            let path = format!("Observation/{id}");
            client.send("PUT", &path, &headers, about.to_string().as_bytes()).expecting(201);
        }
        let own = guarded.bearer(&json!({"scope": "patient/*.rs", "patient": "a"}));
        let get = |path: &str| client.send("GET", path, &[("Authorization", own.as_str())], &[]);
        assert_eq!(get("Observation").expecting(200).keys("match"), ["Observation/a"]);
        assert_eq!(get("Patient?_total=accurate").expecting(200).json()["total"], 1);
        let everything = get("Patient/a/$everything").expecting(200).json();
        assert_eq!(everything["entry"].as_array().map(Vec::len), Some(2));
        get("Patient/b/$everything").expecting(404);
        get("Observation/b").expecting(404);
        get("Practitioner").expecting(200);
        get("ValueSet").expecting(403);
    });
}
