//! What every sample must be: accepted, the same every time, unlike the others.
#![expect(clippy::string_slice, reason = "identity codes and dates are ASCII")]

use std::collections::{BTreeMap, BTreeSet};

use fhir_model::{Limits, Resource};
use kanta_identifiers::identity_code::IdentityCode;

use super::*;

#[test]
fn every_sample_is_a_resource() {
    for sample in Samples::new(1).iter(60) {
        let text = String::from_utf8_lossy(&sample.bytes).into_owned();
        let resource = Resource::from_json(sample.bytes, &Limits::default())
            .unwrap_or_else(|failure| panic!("{failure}\n{text}"));
        assert_eq!(resource.resource_type().as_str(), sample.resource_type);
        assert_eq!(resource.id().map(|id| id.to_string()), Some(sample.id));
    }
}

#[test]
fn transactions_are_resources() {
    let bundle = Samples::new(1).transaction_bundle(3, 100);
    let resource = Resource::from_json(bundle, &Limits::default()).unwrap();
    let entries: Vec<_> = resource.view().value.get("entry").unwrap().items().collect();
    assert_eq!(entries.len(), 100);
    // Whatever an entry points to by urn is an entry.
    let urls: BTreeSet<String> = entries
        .iter()
        .map(|entry| entry.get("fullUrl").unwrap().text().unwrap().into_owned())
        .collect();
    assert_eq!(urls.len(), 100);
    for part in resource.source().split("\"reference\":\"urn:uuid:").skip(1) {
        let urn = format!("urn:uuid:{}", part.split('"').next().unwrap());
        assert!(urls.contains(&urn), "{urn}");
    }
}

#[test]
fn references_point_to_earlier_samples() {
    let mut known = BTreeSet::new();
    for sample in Samples::new(9).iter(20) {
        known.insert(format!("{}/{}", sample.resource_type, sample.id));
        let text = String::from_utf8(sample.bytes).unwrap();
        for part in text.split("\"reference\":\"").skip(1) {
            let reference = part.split('"').next().unwrap();
            assert!(known.contains(reference), "{reference}");
        }
    }
}

#[test]
fn samples_never_change() {
    // Databases, figures and tests of other days build on these very bytes.
    let all: Vec<u8> = Samples::new(42).iter(5).flat_map(|sample| sample.bytes).collect();
    let hash = all.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    assert_eq!(format!("{hash:016x}"), "c356b0c5144f2870");
    assert_ne!(Samples::new(1).patient(0), Samples::new(2).patient(0));
    let sample = Samples::new(1).mix(COMMON + 14 + RESOURCES_PER_PATIENT);
    assert_eq!(sample.bytes, Samples::new(1).observation(OBSERVATIONS_PER_PATIENT));
}

#[test]
fn sizes_are_those_of_real_data() {
    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for sample in Samples::new(3).iter(100) {
        let (count, bytes) = sizes.entry(sample.resource_type).or_default();
        *count += 1;
        *bytes += sample.bytes.len();
    }
    let (count, bytes) = sizes["Observation"];
    let mean = bytes / count;
    assert!((1300..=1500).contains(&mean), "{mean} {sizes:?}");
    assert_eq!(count, 2600);
}

#[test]
fn identity_codes_are_valid_and_fictitious() {
    let mut codes = BTreeSet::new();
    for n in 0..2000 {
        let patient = Resource::trusted(Samples::new(5).patient(n)).unwrap();
        let value = patient.view().value;
        let code = value.get("identifier").unwrap().items().next().unwrap();
        let code = code.get("value").unwrap().text().unwrap().into_owned();
        assert!(IdentityCode::parse(&code).unwrap().is_fictitious());
        let birth = value.get("birthDate").unwrap().text().unwrap().into_owned();
        assert_eq!(birth[2..4], code[4..6]);
        assert_eq!(birth[..2] == *"20", code[6..7] == *"A");
        fhir_model::date::check(&birth, fhir_model::date::Form::Date).unwrap();
        assert!(codes.insert(code));
    }
}

#[test]
fn texts_hardly_repeat() {
    let notes: BTreeSet<String> =
        (0..1000).map(|n| text::note(&mut Random::new(1, "note", n), 2)).collect();
    assert!(notes.len() > 990, "{}", notes.len());
}

#[test]
fn a_number_told_in_another_unit_keeps_its_digits() {
    assert_eq!(text::shifted(715, 1, -3), "71500");
    assert_eq!(text::shifted(172, 0, 2), "1.72");
    assert_eq!(text::shifted(7, 0, 3), "0.007");
    assert_eq!(text::shifted(1_234, 2, -1), "123.4");
    assert_eq!(text::shifted(12, 0, 0), "12");
}

#[test]
fn values_select_widely_and_narrowly() {
    let mut families: BTreeMap<String, usize> = BTreeMap::new();
    for n in 0..4_000 {
        *families.entry(person::patient_name(7, n).family.into_owned()).or_default() += 1;
    }
    assert!(families.len() > 500, "{}", families.len());
    assert!(families.values().any(|count| *count > 30));
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut with_security = 0;
    for n in 0..4_000 {
        let bytes = String::from_utf8(Samples::new(7).observation(n)).unwrap();
        let code =
            bytes.split("\"code\":{\"coding\":[{").nth(1).unwrap().split('"').nth(7).unwrap();
        *codes.entry(code.to_owned()).or_default() += 1;
        with_security += usize::from(bytes.contains("\"security\""));
    }
    assert!(codes.values().any(|count| *count < 12) && codes.values().any(|count| *count > 120));
    assert!((100..600).contains(&with_security), "{with_security}");
}
