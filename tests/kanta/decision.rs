//! Who may see what, over HTTP with tokens: conformance/kanta/decision/cases.json.

use std::collections::{BTreeMap, BTreeSet};

use kantele_tests::{Client, on_each_backend_present, repository};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::guarded::Guarded;
use crate::run::identity_code;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for people")]
    about: String,
    settings: toml::Table,
    givens: BTreeMap<String, Value>,
    callers: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rules: Vec<String>,
    passes: bool,
    #[expect(dead_code, reason = "for people")]
    source: String,
    given: Vec<String>,
    caller: String,
    ask: String,
    /// The given resource that is written there; none: it is asked for.
    put: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: u16,
    found: Option<Vec<String>>,
    /// How the trace says that the caller stands to the data.
    relation: Option<String>,
}

fn file() -> File {
    let path = repository("").join("conformance/kanta/decision/cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_rule_of_disclosure_has_a_passing_and_a_failing_case() {
    let file = file();
    for number in (1..=19).chain([25, 26]) {
        let rule = format!("R-{number:02}");
        for passes in [true, false] {
            let is_about = |case: &&Case| case.passes == passes && case.rules.contains(&rule);
            assert!(file.cases.iter().any(|case| is_about(&case)), "{rule}: passes = {passes}");
        }
    }
    let used: BTreeSet<&String> = file.cases.iter().flat_map(|case| &case.given).collect();
    for name in file.givens.keys() {
        assert!(used.contains(name), "nobody needs {name}");
    }
}

#[test]
fn the_rules_of_disclosure_hold() {
    let file = file();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("disclosure.toml");
    std::fs::write(&own, toml::to_string(&file.settings).unwrap()).unwrap();
    let own = own.display().to_string();
    let settings = [("disclosure.mode", "on"), ("disclosure.file", own.as_str())];
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[], &settings);
        let client = guarded.server.client();
        let mut failures = Vec::new();
        for (number, case) in file.cases.iter().enumerate() {
            if let Err(why) = run(&guarded, client, &file, case, number) {
                failures.push(format!("{}: {why}", case.name));
            }
        }
        println!("{} cases on {backend:?}", file.cases.len());
        assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    });
}

fn run(
    guarded: &Guarded,
    client: &Client,
    file: &File,
    case: &Case,
    number: usize,
) -> Result<(), String> {
    let filled = |text: &str| {
        text.replace("{{n}}", &number.to_string())
            .replace("{{person}}", &identity_code(5_000 + 2 * number))
            .replace("{{other}}", &identity_code(5_001 + 2 * number))
            .replace("{{recent}}", "2026-02-01T10:00:00Z")
    };
    let admin = guarded.bearer(&json!({"role": "admin"}));
    let entries: Vec<Value> = case
        .given
        .iter()
        .map(|name| {
            let resource: Value =
                serde_json::from_str(&filled(&file.givens[name].to_string())).unwrap();
            let url = format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            );
            json!({"resource": resource, "request": {"method": "PUT", "url": url}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/fhir+json")];
    let stored = client.send("POST", "", &headers, bundle.to_string().as_bytes());
    if stored.status != 200 {
        return Err(format!("not stored: {} {}", stored.status, stored.text()));
    }
    let mut claims: Value =
        serde_json::from_str(&filled(&file.callers[&case.caller].to_string())).unwrap();
    claims["scope"] = json!("user/*.cruds");
    let request = format!("decision-{number}");
    let bearer = guarded.bearer(&claims);
    let headers = [("Authorization", bearer.as_str()), ("X-Request-Id", request.as_str())];
    let reply = match &case.put {
        None => client.send("GET", &filled(&case.ask), &headers, b""),
        Some(name) => {
            let body = filled(&file.givens[name].to_string());
            let headers = [headers[0], headers[1], ("Content-Type", "application/fhir+json")];
            client.send("PUT", &filled(&case.ask), &headers, body.as_bytes())
        }
    };
    if reply.status != case.expect.status {
        return Err(format!("{} {}", reply.status, reply.text()));
    }
    if reply.text().contains(&identity_code(5_000 + 2 * number)) {
        return Err("an identity code is told".to_owned());
    }
    if let Some(expected) = &case.expect.found {
        let bundle = reply.json();
        let keys = bundle["entry"].as_array().into_iter().flatten().map(|entry| {
            let resource = &entry["resource"];
            format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            )
        });
        let found: BTreeSet<String> = keys.collect();
        let expected: BTreeSet<String> = expected.iter().map(|key| filled(key)).collect();
        if found != expected || bundle["total"] != expected.len() {
            return Err(format!("found {found:?}, total {}", bundle["total"]));
        }
    }
    let Some(relation) = &case.expect.relation else { return Ok(()) };
    let headers = [("Authorization", admin.as_str())];
    let events =
        client.send("GET", &format!("trace/AuditEvent?request-id={request}"), &headers, b"");
    let told: BTreeSet<String> = events.json()["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|entry| entry["resource"]["extension"].as_array().cloned().unwrap_or_default())
        .filter(|own| own["url"] == "urn:kantele:access-relation")
        .map(|own| own["valueCode"].as_str().unwrap().to_owned())
        .collect();
    if told == BTreeSet::from([relation.clone()]) {
        return Ok(());
    }
    Err(format!("the trace says {told:?}: {}", events.text()))
}
