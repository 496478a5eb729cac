//! Random questions under a label: what a caller is shown is what a database would show whose
//! labelled resources were stored without what the label hides.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use fhir_access::{
    AccessPolicy, AccessSettings, Caller, CallerKind, Claims, Label, LabelText, LaunchContext,
    Scopes,
};
use serde_json::{Value, json};
use support::{TestApp, link, on_each_backend_in_pairs};

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn of<'t, T>(&mut self, several: &'t [T]) -> &'t T {
        &several[self.below(several.len())]
    }
}

const CITIES: [&str; 3] = ["Espoo", "Oulu", "Turku"];
const NAMES: [&str; 3] = ["Aalto", "Berg", "Celsius"];

fn population(chance: &mut Chance) -> Vec<Value> {
    let mut all = vec![
        json!({"resourceType": "Organization", "id": "o0", "name": "Espoo"}),
        json!({"resourceType": "Organization", "id": "o1", "name": "Unit"}),
    ];
    for number in 0..24 {
        let mut patient = json!({"resourceType": "Patient", "id": format!("p{number}"),
            "gender": chance.of(&["male", "female"]), "name": [{"family": chance.of(&NAMES)}],
            "managingOrganization": {"reference": format!("Organization/o{}", chance.below(2))}});
        if chance.below(4) > 0 {
            patient["address"] =
                json!([{"city": chance.of(&CITIES), "use": chance.of(&["home", "work"])}]);
        }
        if chance.below(4) > 0 {
            let system = chance.of(&["phone", "email"]);
            patient["telecom"] =
                json!([{"system": system, "value": format!("t{}", chance.below(4))}]);
        }
        if chance.below(3) == 0 {
            patient["meta"] = json!({"security": [{"system": "urn:l", "code": "BAN"}]});
        }
        all.push(patient);
    }
    for number in 0..30 {
        all.push(json!({"resourceType": "Observation", "id": format!("b{number}"),
            "status": chance.of(&["final", "amended"]), "code": {"text": "x"},
            "subject": {"reference": format!("Patient/p{}", chance.below(24))}}));
    }
    all
}

/// A resource without what the label hides.
fn bare(resource: &Value) -> Value {
    let mut bare = resource.clone();
    if resource["meta"]["security"][0]["code"] == "BAN" {
        for name in ["address", "telecom"] {
            bare.as_object_mut().unwrap().remove(name);
        }
    }
    bare
}

/// What the client may ask: conditions on patients, by themselves and through others.
fn question(chance: &mut Chance) -> String {
    let city = *chance.of(&CITIES);
    let start: String = city.chars().take(2).collect();
    let contact = format!("t{}", chance.below(4));
    let plain =
        *chance.of(&["gender=male", "family=Aalto", "family=Berg,Celsius", "_security=BAN"]);
    let asked = match chance.below(14) {
        0 => format!("address-city={city}"),
        1 => format!("address-city={start}"),
        2 => format!("address={city},{}", chance.of(&CITIES)),
        3 => format!("address-city:exact={city}"),
        4 => format!("address:contains={}", city.chars().skip(1).take(2).collect::<String>()),
        5 => format!("telecom={contact}"),
        6 => format!("phone={contact}"),
        7 => "email:missing=false".to_owned(),
        8 => "address-city:missing=true".to_owned(),
        9 => format!("telecom:not={contact}"),
        10 => "address-use=home".to_owned(),
        11 => "address-use:not=home".to_owned(),
        12 => format!(
            "_filter=address-city eq {city} or {}",
            plain.replace('=', " eq ").replace(",Celsius", "")
        ),
        _ => format!("_filter=not (address-city eq {city}) and gender eq male"),
    };
    let is_filter = asked.starts_with('_');
    match chance.below(8) {
        0 | 1 => format!("Patient?{asked}&_total=accurate"),
        2 => format!("Patient?{asked}&{plain}&_count=3"),
        3 => format!("Patient?{asked}&_summary=count"),
        4 => format!("Patient?{asked}&_total=estimate"),
        5 if !is_filter => format!("Observation?subject:Patient.{asked}"),
        6 if !is_filter => format!("Organization?_has:Patient:organization:{asked}"),
        7 => {
            format!("Patient?{asked}&_revinclude=Observation:subject&_include=Patient:organization")
        }
        _ => format!("Patient?{asked}&_sort=family,_id"),
    }
}

/// The resources of all pages, without what tells one database from another, and the total.
fn shown(app: &TestApp, question: &str) -> Result<(Vec<Value>, Option<u64>), u16> {
    let (mut found, mut total) = (Vec::new(), None);
    let mut next = Some(question.to_owned());
    while let Some(path) = next {
        let page = support::json(&app.get(&path).map_err(|failure| failure.status())?);
        total = total.or(page["total"].as_u64());
        for entry in page["entry"].as_array().into_iter().flatten() {
            let mut resource = entry["resource"].clone();
            if let Some(meta) = resource["meta"].as_object_mut() {
                meta.remove("lastUpdated");
                meta.remove("tag");
                if let Some(labels) = meta.get_mut("security").and_then(Value::as_array_mut) {
                    labels.retain(|label| label["code"] != "REDACTED");
                }
            }
            if entry["search"]["mode"] != "outcome" {
                found.push(json!([entry["search"]["mode"], resource]));
            }
        }
        next = link(&page, "next");
    }
    // Rows lie in another order in another database, and an estimate need not be right.
    found.sort_by_key(Value::to_string);
    Ok((found, total.filter(|_| !question.contains("estimate"))))
}

fn store(app: &TestApp, resources: &[Value]) {
    for each in resources {
        let path =
            format!("{}/{}", each["resourceType"].as_str().unwrap(), each["id"].as_str().unwrap());
        app.call("PUT", &path, Some(&each.to_string())).unwrap();
    }
}

#[test]
fn a_label_shows_what_a_database_without_the_hidden_would_show() {
    let asked: usize =
        std::env::var("KANTELE_TEST_QUERIES").map_or(400, |text| text.parse().unwrap());
    on_each_backend_in_pairs(|app, alone| {
        let mut chance = Chance(77);
        let all = population(&mut chance);
        store(app, &all);
        store(alone, &all.iter().map(bare).collect::<Vec<_>>());
        let label = json!({"name": "ban", "codes": ["BAN"], "types": ["Patient"],
            "hides": ["address", "telecom"], "except": [{"kind": ["administrator"]}]});
        let label: LabelText = serde_json::from_value(label).unwrap();
        let labels = vec![Label::try_from(label).unwrap()];
        let settings = AccessSettings { labels, ..AccessSettings::default() };
        let guarded = app.guarded(|_| Box::new(AccessPolicy::new(settings)));
        let by = |kind| {
            let scopes = Scopes::parse("system/*.rs");
            guarded.asked_by(Caller::new(kind, Claims::default(), scopes, LaunchContext::default()))
        };
        let (system, administrator) = (by(CallerKind::System), by(CallerKind::Administrator));
        let mut differing = 0;
        for _ in 0..asked {
            let question = question(&mut chance);
            let told = shown(&system, &question);
            assert_eq!(told, shown(alone, &question), "{question}");
            assert_eq!(shown(&administrator, &question), shown(app, &question), "{question}");
            differing += usize::from(told != shown(app, &question));
        }
        assert!(differing > asked / 5, "the label matters in {differing} of {asked}");
    });
}
