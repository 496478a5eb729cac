//! The committed artefact: its checksum, and what it says of well-known places.

use fhir_terminology::{ARTEFACT, NothingStored, Problem, Terminology};
use sha2::{Digest, Sha256};

#[test]
fn the_checksum_is_the_committed_one() {
    let digest: String =
        Sha256::digest(ARTEFACT).iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = include_str!("../data/SHA256SUMS");
    assert!(sums.contains(&format!("{digest}  r4.terminology.zst")), "found {digest}");
}

#[test]
fn code_elements_imply_their_systems() {
    let terminology = Terminology::embedded();
    for (path, systems) in [
        ("Patient.gender", &["http://hl7.org/fhir/administrative-gender"][..]),
        ("Patient.contact.gender", &["http://hl7.org/fhir/administrative-gender"]),
        ("ContactPoint.system", &["http://hl7.org/fhir/contact-point-system"]),
        ("Attachment.contentType", &["urn:ietf:bcp:13"]),
        ("Patient.language", &["urn:ietf:bcp:47"]),
        ("Money.currency", &["urn:iso:std:iso:4217"]),
        ("Patient.maritalStatus", &[]),
        ("Nothing.here", &[]),
    ] {
        assert_eq!(terminology.implied_systems(path), systems, "{path}");
    }
}

#[test]
fn case_counts_where_the_system_says_so() {
    let terminology = Terminology::embedded();
    let answer = |system: &str| terminology.is_case_sensitive(&mut NothingStored, system).unwrap();
    assert_eq!(answer("http://hl7.org/fhir/administrative-gender"), Some(true));
    assert_eq!(answer("http://terminology.hl7.org/CodeSystem/v2-0001"), None);
    let unknown = terminology.is_case_sensitive(&mut NothingStored, "http://example.org/none");
    assert!(matches!(unknown, Err(Problem::Fault(_))));
}

#[test]
fn concepts_keep_names_and_flags() {
    let system = "http://terminology.hl7.org/CodeSystem/v3-ActMood";
    let system = Terminology::embedded().code_system(&mut NothingStored, system).unwrap();
    let concept = system.concept("_ActMoodPredicate").unwrap();
    assert!(concept.is_abstract() && !concept.is_inactive());
    assert_eq!(concept.display(), Some("ActMoodPredicate"));
    assert!(system.concept("_actmoodpredicate").is_none());
}
