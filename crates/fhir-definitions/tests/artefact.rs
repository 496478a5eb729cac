//! The committed artefact: its checksum, and that what it holds hangs together.

use fhir_definitions::{
    ARTEFACT, Primitive, ResourceType, SearchParameterKind, TypeKind, ValueType, XmlForm, decode,
    r4,
};
use sha2::{Digest, Sha256};

#[test]
fn the_checksum_is_the_committed_one() {
    let digest: String =
        Sha256::digest(ARTEFACT).iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = include_str!("../data/SHA256SUMS");
    assert!(sums.contains(&format!("{digest}  r4.definitions.zst")), "found {digest}");
}

#[test]
fn every_resource_type_stands_at_its_index() {
    for resource_type in ResourceType::all() {
        let definition = r4().resource(resource_type);
        assert_eq!(definition.name, resource_type.as_str());
        assert_eq!(definition.kind, TypeKind::Resource);
    }
}

#[test]
fn every_element_is_found_by_its_key_and_points_to_a_type() {
    for definition in &r4().types {
        assert!(definition.elements.len() <= 256, "{}", definition.name);
        assert!(definition.groups.len() <= 8, "{}", definition.name);
        for element in &definition.elements {
            let found = definition.element(element.key).unwrap();
            assert!(std::ptr::eq(found, element), "{}.{}", definition.name, element.key);
            if let ValueType::Complex(index) = element.value {
                assert!(usize::from(index.0) < r4().types.len());
            }
            if let Some(group) = element.group {
                assert!(usize::from(group) < definition.groups.len());
            }
            if let Some(codes) = element.required_codes {
                assert!(usize::from(codes) < r4().code_sets.len());
            }
        }
        assert!(definition.element("nothing").is_none());
        assert!(definition.element("").is_none());
    }
}

#[test]
fn known_places_are_as_the_specification_says() {
    let definitions = r4();
    let patient = definitions.resource(ResourceType::PATIENT);
    let name = patient.element("name").unwrap();
    assert!(name.repeats && name.is_summary);
    assert_eq!(name.value, ValueType::Complex(definitions.type_named("HumanName").unwrap()));
    assert_eq!(patient.element("id").unwrap().value, ValueType::Primitive(Primitive::Id));
    let deceased = patient.element("deceasedBoolean").unwrap();
    assert_eq!(patient.groups[usize::from(deceased.group.unwrap())].name, "deceased");
    assert!(deceased.is_modifier);
    let gender = definitions.codes_of(patient.element("gender").unwrap()).unwrap();
    assert!(gender.contains("female") && !gender.contains("f"));
    let item = definitions.type_named("Questionnaire.item").unwrap();
    let nested = definitions.get(item).element("item").unwrap();
    assert_eq!(nested.value, ValueType::Complex(item));
    let extension = definitions.get(definitions.type_named("Extension").unwrap());
    assert_eq!(extension.element("url").unwrap().xml, XmlForm::Attribute);
    assert_eq!(extension.element("url").unwrap().min, 1);
    assert_eq!(extension.elements.iter().filter(|each| each.group.is_some()).count(), 50);
    let narrative = definitions.get(definitions.type_named("Narrative").unwrap());
    assert_eq!(narrative.element("div").unwrap().xml, XmlForm::Xhtml);
    let link = definitions.get(definitions.type_named("Bundle.entry").unwrap()).element("link");
    let bundle_link = definitions.type_named("Bundle.link").unwrap();
    assert_eq!(link.unwrap().value, ValueType::Complex(bundle_link));
    let subject = definitions.resource(ResourceType::OBSERVATION).element("subject").unwrap();
    assert_eq!(subject.targets, ["Patient", "Group", "Device", "Location"]);
}

#[test]
fn the_counts_are_those_of_the_package() {
    let definitions = r4();
    assert_eq!(definitions.search_parameters.len(), 1397);
    assert_eq!(definitions.compartments.len(), 5);
    assert_eq!(definitions.operations.len(), 46);
    let composites = definitions
        .search_parameters
        .iter()
        .filter(|each| each.kind == SearchParameterKind::Composite && each.components.len() > 1);
    assert_eq!(composites.count(), 46);
}

#[test]
fn other_bytes_are_refused() {
    assert!(decode(b"no zstd").is_err());
    let strange = zstd::encode_all(&b"X\tfield\n"[..], 1).unwrap();
    assert!(decode(&strange).is_err());
}
