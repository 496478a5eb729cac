//! What a file can say of writes at URLs of their own, of what is stored, and of searches.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

use fhir_access::{CallerKind, Claims};
use fhir_definitions::ResourceType;
use fhir_model::{FailureKind, Instant, Resource};
use fhir_service::{Direct, Facts, SearchKind, Service, read};

const FILE: &str = r#"
name = "notes"
title = "Notes"
base = "/services/notes"
references = "local"

[errors]
system = "https://example.org/errors"

[[type]]
name = "Basic"
interactions = ["create", "read", "update", "delete", "search-type"]
deleted = "purged"
unheld_on_update = ["author"]

[[type]]
name = "Observation"
interactions = ["create", "read", "delete"]

[[parameter]]
type = ["Basic", "Observation"]
name = "code"
system = "https://example.org/codes"

[[parameter]]
type = "Basic"
name = "created"
overlaps = true
repeats = true

[[rule]]
id = "N-1"
source = "our own"
on = ["Basic", "Observation"]
expression = "%kind != 'professional' and %interaction = 'create'"
text = "others create"
kind = "forbidden"

[[stored]]
id = "N-2"
source = "our own"
on = "Basic"
before = ["delete"]
expression = "code.text = %client"
text = "whoever made it deletes it"
kind = "forbidden"
"#;

fn service() -> Service {
    read(FILE).unwrap()
}

fn basic() -> Resource {
    let json = r#"{"resourceType":"Basic","code":{"text":"me"}}"#;
    Resource::trusted(json.as_bytes().to_vec()).unwrap()
}

fn facts<'a>(claims: &'a Claims, kind: CallerKind, interaction: &'static str) -> Facts<'a> {
    Facts { claims, kind, interaction, now: Instant(0) }
}

#[test]
fn a_rule_is_about_several_types_and_knows_who_does_what() {
    let (service, claims, basic) = (service(), Claims::default(), basic());
    let broken = |kind, interaction| {
        let facts = facts(&claims, kind, interaction);
        let held = service.wrong_resource(basic.view(), &facts);
        let told =
            |each: &fhir_service::Held| (each.kind, each.issue.rule.as_deref().map(str::to_owned));
        held.iter().map(told).collect::<Vec<_>>()
    };
    let forbidden = vec![(FailureKind::Forbidden, Some("N-1".to_owned()))];
    assert_eq!(broken(CallerKind::App, "create"), []);
    assert_eq!(broken(CallerKind::App, "update"), forbidden);
    assert_eq!(broken(CallerKind::Professional, "create"), forbidden);
}

#[test]
fn what_is_stored_forbids_what_it_is_asked_about() {
    let (service, basic) = (service(), basic());
    let of = |client: &str, direct| {
        let claims = Claims { client: Some(client.to_owned()), ..Claims::default() };
        let facts = facts(&claims, CallerKind::App, "delete");
        service.forbidden_before(basic.view(), direct, &facts).len()
    };
    assert_eq!(of("me", Direct::Delete), 0);
    assert_eq!(of("you", Direct::Delete), 1);
    assert_eq!(of("you", Direct::Update), 0);
    assert!(service.looks_before(ResourceType::BASIC, Direct::Delete));
    assert!(!service.looks_before(ResourceType::BASIC, Direct::Update));
    assert!(!service.looks_before(ResourceType::OBSERVATION, Direct::Delete));
}

#[test]
fn types_say_what_becomes_of_references_and_deletes() {
    let service = service();
    assert!(service.holds_references);
    let basic = service.of_type(ResourceType::BASIC).unwrap();
    assert!(basic.purges);
    assert_eq!(basic.unheld_on_update, ["author"]);
    assert!(!service.of_type(ResourceType::OBSERVATION).unwrap().purges);
}

#[test]
fn searches_get_systems_and_the_bounds_of_a_date() {
    let service = service();
    let claims = Claims::default();
    let said = |of, name: &str, value: &str| {
        let pairs = [(name.to_owned(), value.to_owned())];
        let said = service.rewrite(of, SearchKind::Latest, &pairs, &claims).unwrap();
        said.pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(said(ResourceType::BASIC, "code", "a"), ["code=https://example.org/codes|a"]);
    assert_eq!(said(ResourceType::OBSERVATION, "code", "s|a"), ["code=s|a"]);
    let created = |value| said(ResourceType::BASIC, "created", value);
    let february = ["created=ge2026-02-01T00:00:00", "created=le2026-02-28T23:59:59"];
    assert_eq!(created("2026-02"), february);
    assert_eq!(created("gt2026-02"), ["created=gt2026-02"]);
    assert_eq!(created("2026-02,2026-04"), ["created=2026-02,2026-04"]);
}

#[test]
fn words_that_mean_nothing_are_faults() {
    for (from, to, place) in [
        ("references = \"local\"", "references = \"far\"", "references"),
        ("deleted = \"purged\"", "deleted = \"gone\"", "type[0]"),
        ("before = [\"delete\"]", "before = [\"read\"]", "stored N-2"),
        ("on = [\"Basic\", \"Observation\"]", "on = [\"Basic\", \"Note\"]", "rule N-1"),
    ] {
        let faults = read(&FILE.replace(from, to)).unwrap_err();
        assert!(faults.iter().any(|fault| fault.place == place), "{faults:?}");
    }
}
