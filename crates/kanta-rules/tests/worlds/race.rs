//! A decision is never older than what it lets be seen, whoever writes meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use fhir_access::CallerKind;

use super::*;

const OWN: &str = "1.2.246.10.11111111.10.0";
const OTHER: &str = "1.2.246.10.22222222.10.0";

fn marked(resource: &Value) -> Value {
    let mut resource = resource.clone();
    resource["meta"] = json!({"tag": [
        {"system": "urn:kantele:CodeSystem:register", "code": format!("{OTHER};1.2.246.537.5.40150;2")},
        {"system": "urn:kantele:CodeSystem:controller", "code": OTHER},
        {"system": "urn:kantele:CodeSystem:sector", "code": "health"}]});
    resource
}

fn consent(id: &str, code: &str, status: &str, kind: &str) -> Value {
    json!({"resourceType": "Consent", "id": id, "status": status,
        "scope": {"coding": [{"code": "patient-privacy"}]}, "patient": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "urn:kantele:CodeSystem:declaration", "code": code}]}],
        "policyRule": {"text": "x"}, "provision": {"type": kind}})
}

/// While the denial is in force, the observation is secret; otherwise it is open. Both come in
/// one commit.
fn state(is_denied: bool) -> [Value; 2] {
    let (status, code) = if is_denied { ("active", "secret") } else { ("inactive", "open") };
    [
        consent("denial", "health-denial", status, "deny"),
        marked(&json!({"resourceType": "Observation", "id": "o", "status": "final",
            "code": {"text": code}, "subject": {"reference": "Patient/p"}})),
    ]
}

fn professional() -> Caller {
    let oid = |oid: &str| Identifier {
        system: "urn:ietf:rfc:3986".to_owned(),
        value: format!("urn:oid:{oid}"),
    };
    let (system, value) = register_type(kanta_rules::disclosure::Sector::Health, true);
    let claims = Claims {
        organisation: Some(oid(OWN)),
        register: Some(oid(OWN)),
        register_type: Some(Identifier { system: system.to_owned(), value: value.to_owned() }),
        ..Claims::default()
    };
    Caller::new(CallerKind::Professional, claims, Scopes::default(), LaunchContext::default())
}

/// What a reader sees: whether it is there, and that it is never the secret.
fn look(place: &Place, caller: &Caller) -> bool {
    let asked = request(caller.clone());
    let pairs = query_string::pairs("patient=Patient/p");
    let scope = Scope::Type(ResourceType::OBSERVATION);
    let found = wait(fhir_interaction::search(&place.app, &asked, scope, pairs, true)).unwrap();
    let text = String::from_utf8(found.body.unwrap()).unwrap();
    assert!(!text.contains("secret"), "a search shows what is denied");
    let key = ResourceKey::new(ResourceType::OBSERVATION, "o".parse().unwrap());
    if let Ok(read) = wait(fhir_interaction::read(&place.app, &asked, &key, &[])) {
        let text = String::from_utf8(read.body.unwrap()).unwrap();
        assert!(!text.contains("secret"), "a read shows what is denied");
    }
    text.contains("open")
}

fn never_older(place: &Place) {
    let others = [
        json!({"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}),
        consent("information", "information", "active", "permit"),
        consent("permission", "health", "active", "permit"),
        json!({"resourceType": "Encounter", "id": "e", "status": "in-progress",
            "class": {"code": "AMB"}, "subject": {"reference": "Patient/p"},
            "serviceProvider": {"identifier": {"value": format!("urn:oid:{OWN}")}}}),
    ];
    load(place, others.iter());
    load(place, state(true).iter());
    let (is_over, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let caller = professional();
                while !is_over.load(SeqCst) {
                    seen.fetch_add(u64::from(look(place, &caller)), SeqCst);
                }
            });
        }
        let caller = professional();
        for round in 0..number("KANTELE_TEST_ROUNDS", 200) {
            let is_denied = round % 2 == 1;
            load(place, state(is_denied).iter());
            // What was acknowledged is in force for whoever asks afterwards.
            assert_eq!(look(place, &caller), !is_denied, "round {round}");
        }
        is_over.store(true, SeqCst);
    });
    assert!(seen.load(SeqCst) > 0, "nobody saw anything");
}

#[test]
fn a_decision_is_never_older_than_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("test.sqlite"));
    never_older(&open(&url, Some(folder)));
    if let Some(cluster) = fhir_store::testing::postgres() {
        never_older(&open(&cluster.database(), None));
    }
}
