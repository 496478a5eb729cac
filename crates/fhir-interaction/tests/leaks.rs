//! Random callers and random questions: what a caller is shown is what a database would show that
//! holds nothing but what this caller may see.
//!
//! Who may see what is said a second time here, by looks at the JSON of small resources whose
//! shape is known.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::collections::BTreeSet;

use fhir_access::{
    AccessPolicy, AccessSettings, Caller, CallerKind, Claims, LaunchContext, Scopes,
};
use serde_json::{Value, json};
use support::{TestApp, fresh, link, on_each_backend};

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

const PATIENTS: usize = 6;

fn population(chance: &mut Chance) -> Vec<Value> {
    let mut all = Vec::new();
    let patient =
        |chance: &mut Chance| json!({"reference": format!("Patient/p{}", chance.below(PATIENTS))});
    for number in 0..PATIENTS {
        all.push(json!({"resourceType": "Patient", "id": format!("p{number}"),
            "gender": chance.of(&["male", "female"]), "active": chance.below(2) == 0,
            "name": [{"family": chance.of(&["Aalto", "Berg", "Celsius"])}],
            "managingOrganization": {"reference": format!("Organization/o{}", chance.below(2))}}));
    }
    for number in 0..2 {
        all.push(
            json!({"resourceType": "Organization", "id": format!("o{number}"), "name": "Unit"}),
        );
    }
    for number in 0..10 {
        all.push(json!({"resourceType": "Encounter", "id": format!("e{number}"),
            "status": chance.of(&["finished", "planned"]), "class": {"code": "AMB"},
            "subject": patient(chance)}));
    }
    for number in 0..40 {
        let mut each = json!({"resourceType": "Observation", "id": format!("b{number}"),
            "status": chance.of(&["final", "amended", "preliminary"]),
            "category": [{"coding": [{"code": chance.of(&["laboratory", "vital-signs"])}]}],
            "code": {"coding": [{"system": "urn:x", "code": chance.of(&["a", "b", "c"])}]},
            "subject": patient(chance),
            "effectiveDateTime": format!("2026-0{}-1{}", 1 + chance.below(9), chance.below(9))});
        if chance.below(2) == 0 {
            each["encounter"] = json!({"reference": format!("Encounter/e{}", chance.below(10))});
        }
        if chance.below(3) == 0 {
            each["meta"] = json!({"security": [{"code": "R"}]});
        }
        all.push(each);
    }
    for number in 0..12 {
        all.push(json!({"resourceType": "Condition", "id": format!("c{number}"),
            "subject": patient(chance), "code": {"text": "x"},
            "encounter": {"reference": format!("Encounter/e{}", chance.below(10))}}));
    }
    all
}

/// One who asks: the scopes, the patient in context, and the same said over JSON.
struct Asker {
    scope: String,
    patient: usize,
}

const TYPES: [&str; 5] = ["Patient", "Observation", "Encounter", "Condition", "Organization"];

fn asker(chance: &mut Chance) -> Asker {
    let mut scopes = Vec::new();
    for _ in 0..=chance.below(4) {
        let context = chance.of(&["patient", "patient", "user", "system"]);
        let of = if chance.below(5) == 0 { "*" } else { chance.of(&TYPES) };
        let restriction = match (of, chance.below(3)) {
            ("Observation", 0) => *chance.of(&[
                "?category=laboratory",
                "?status=final",
                "?status=final,amended",
                "?category=vital-signs&code=urn:x%7Ca",
                "?status:not=final",
                "?_security:not=R",
            ]),
            ("Patient", 0) => *chance.of(&["?gender=male", "?active=true"]),
            ("Encounter", 0) => "?status=finished",
            _ => "",
        };
        scopes.push(format!("{context}/{of}.rs{restriction}"));
    }
    Asker { scope: scopes.join(" "), patient: chance.below(PATIENTS) }
}

impl Asker {
    fn caller(&self) -> Caller {
        let patient = format!("Patient/p{}", self.patient);
        let launch = LaunchContext { patient: patient.parse().ok(), encounter: None };
        Caller::new(CallerKind::App, Claims::default(), Scopes::parse(&self.scope), launch)
    }

    fn sees(&self, resource: &Value) -> bool {
        self.scope.split(' ').any(|scope| self.sees_by(scope, resource))
    }

    fn sees_by(&self, scope: &str, resource: &Value) -> bool {
        let (context, rest) = scope.split_once('/').unwrap();
        let (of, rest) = rest.split_once('.').unwrap();
        let own = resource["resourceType"].as_str().unwrap();
        let restriction = rest.split_once('?').map_or("", |(_, restriction)| restriction);
        let me = format!("Patient/p{}", self.patient);
        let is_about = match own {
            "Patient" => format!("Patient/{}", resource["id"].as_str().unwrap()) == me,
            "Organization" => false,
            _ => resource["subject"]["reference"] == me.as_str(),
        };
        (of == "*" || of == own)
            && (context != "patient" || is_about)
            && restriction
                .split('&')
                .filter(|each| !each.is_empty())
                .all(|each| holds(each, resource))
    }
}

fn holds(restriction: &str, resource: &Value) -> bool {
    let (name, value) = restriction.split_once('=').unwrap();
    let is = |own: &Value| value.split(',').any(|value| own == value);
    match name {
        "category" => is(&resource["category"][0]["coding"][0]["code"]),
        "status" => is(&resource["status"]),
        "status:not" => !is(&resource["status"]),
        "gender" => is(&resource["gender"]),
        "active" => resource["active"].as_bool().unwrap().to_string() == value,
        "code" => resource["code"]["coding"][0]["code"] == value.rsplit("%7C").next().unwrap(),
        "_security:not" => resource["meta"]["security"][0]["code"] != value,
        other => panic!("no restriction by {other}"),
    }
}

const QUESTIONS: [&str; 40] = [
    "Patient",
    "Patient?gender=male",
    "Patient?gender:not=male",
    "Patient?name=Aalto&_total=accurate",
    "Patient?_id={p}",
    "Patient?_has:Observation:subject:status=final",
    "Patient?_has:Observation:patient:category=laboratory&gender=female",
    "Patient?_has:Encounter:patient:_has:Observation:encounter:status=final",
    "Patient?organization.name=Unit",
    "Patient?_revinclude=Observation:subject",
    "Patient?_revinclude=*&_count=2",
    "Patient?_include=Patient:organization",
    "Patient?_summary=count",
    "Observation",
    "Observation?subject=Patient/{p}",
    "Observation?subject:Patient.gender=male",
    "Observation?patient.name=Berg,Celsius",
    "Observation?subject:Patient.organization.name=Unit",
    "Observation?encounter:Encounter.status=finished",
    "Observation?encounter.patient.gender=female",
    "Observation?encounter:missing=true",
    "Observation?category=laboratory&status=final",
    "Observation?status:not=final&_sort=-date",
    "Observation?code=urn:x|a,urn:x|b&_count=3&_total=accurate",
    "Observation?_security=R",
    "Observation?_include=Observation:subject&_include:iterate=Patient:organization",
    "Observation?_include=*&status=final",
    "Observation?_filter=status eq final or code eq a",
    "Observation?_filter=not (subject.gender eq male)",
    "Observation?_summary=count&status=amended",
    "Observation?date=ge2026-04-01&_sort=date&_count=4",
    "Encounter?status=finished&_revinclude=Observation:encounter",
    "Encounter?subject:Patient.gender=male&_total=accurate",
    "Condition?encounter.status=finished",
    "Condition?_has:Observation:subject:code=a",
    "?_type=Patient,Observation&_total=accurate",
    "?_type=Organization,Condition,Encounter&_count=5",
    "?_type=Observation,Patient&_lastUpdated=gt2000",
    "Patient/{p}/Observation?status=final",
    "Patient/{p}/*?_count=4",
];

/// Everything that the pages of an answer hold, and its total.
fn shown(app: &TestApp, question: &str) -> Result<(BTreeSet<String>, Option<u64>), u16> {
    let mut found = BTreeSet::new();
    let mut total = None;
    let mut next = Some(question.to_owned());
    while let Some(path) = next {
        let page = support::json(&app.get(&path).map_err(|failure| failure.status())?);
        total = total.or(page["total"].as_u64());
        for entry in page["entry"].as_array().into_iter().flatten() {
            let mode = entry["search"]["mode"].as_str().unwrap();
            let resource = &entry["resource"];
            let of = resource["resourceType"].as_str().unwrap();
            // `Condition?_has:Observation:subject` asks what cannot be, and is told so.
            if mode == "outcome" {
                continue;
            }
            found.insert(format!("{mode} {of}/{}", resource["id"].as_str().unwrap()));
        }
        next = link(&page, "next");
    }
    Ok((found, total))
}

fn store(app: &TestApp, resources: &[Value]) {
    for each in resources {
        let path =
            format!("{}/{}", each["resourceType"].as_str().unwrap(), each["id"].as_str().unwrap());
        app.call("PUT", &path, Some(&each.to_string())).unwrap();
    }
}

#[test]
fn nobody_is_shown_more_or_less_than_is_theirs() {
    let asked: usize =
        std::env::var("KANTELE_TEST_QUERIES").map_or(1_000, |text| text.parse().unwrap());
    on_each_backend(|app| {
        let mut chance = Chance(2026);
        let all = population(&mut chance);
        store(app, &all);
        let guarded = app.guarded(|_| Box::new(AccessPolicy::new(AccessSettings::default())));
        let (mut compared, mut hidden) = (0, 0);
        while compared < asked {
            let asker = asker(&mut chance);
            let theirs: Vec<Value> = all.iter().filter(|each| asker.sees(each)).cloned().collect();
            let alone = fresh();
            store(&alone, &theirs);
            let guarded = guarded.asked_by(asker.caller());
            for _ in 0..QUESTIONS.len() {
                let patient = format!("p{}", chance.below(PATIENTS));
                let question = chance.of(&QUESTIONS).replace("{p}", &patient);
                let told = shown(&guarded, &question);
                compared += 1;
                if told == Err(403) {
                    // Refused before anything is read: then the caller has nothing of the type.
                    let path = question.split('?').next().unwrap();
                    let of = path.rsplit('/').next().unwrap();
                    let is_type = |each: &Value| each["resourceType"] == of;
                    assert!(!theirs.iter().any(is_type), "{question} by {}", asker.scope);
                    hidden += 1;
                    continue;
                }
                assert_eq!(
                    told,
                    shown(&alone, &question),
                    "{question} by {} for {patient} in the record of p{}",
                    asker.scope,
                    asker.patient
                );
            }
            for each in &all {
                let path = format!(
                    "{}/{}",
                    each["resourceType"].as_str().unwrap(),
                    each["id"].as_str().unwrap()
                );
                let is_seen = guarded.get(&path).is_ok();
                assert_eq!(is_seen, asker.sees(each), "{path} by {}", asker.scope);
            }
        }
        assert!(hidden < asked / 2, "{hidden} of {compared} were refused outright");
    });
}
