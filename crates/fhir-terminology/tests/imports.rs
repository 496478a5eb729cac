//! Importers on small files of our own making in the forms of LOINC, SNOMED CT and ICD-10, and the
//! bytes in which what they make is kept.
#![cfg(test)]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir_model::{Resource, ResourceType};
use fhir_terminology::import::{Given, Import, ImportFault};
use fhir_terminology::{CodeSystem, Stored, Subsumption, Terminology};

fn files(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

fn imported(import: Import, name: &str) -> CodeSystem {
    let system = import.read(&[files(name)], &Given::default()).unwrap();
    // What is kept is read again as it was.
    let again = CodeSystem::from_bytes(&system.to_bytes().unwrap()).unwrap();
    assert_eq!(format!("{system:?}"), format!("{again:?}"));
    again
}

/// A store with one imported system.
struct Kept(Arc<CodeSystem>);

impl Stored for Kept {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        _: ResourceType,
        _: &str,
        _: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(Vec::new())
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(None)
    }

    fn imported(
        &mut self,
        url: &str,
        _: Option<&str>,
    ) -> Result<Option<Arc<CodeSystem>>, Infallible> {
        Ok((url == self.0.url).then(|| Arc::clone(&self.0)))
    }
}

fn codes(kept: &mut Kept, value_set: &str) -> String {
    let codes = Terminology::embedded().expand(kept, value_set).unwrap();
    let codes: Vec<&str> = codes.as_slice().iter().map(|code| code.code.as_str()).collect();
    codes.join(" ")
}

#[test]
fn loinc_with_its_hierarchy_and_answers() {
    let system = imported(Import::Loinc, "loinc");
    assert_eq!(system.version.as_deref(), Some("2.77"));
    let concept = system.concept("10001-0").unwrap();
    assert_eq!(concept.display(), Some("Sweetness of a berry, \"fresh\""));
    assert!(concept.properties().any(|it| (it.code, it.value) == ("SCALE_TYP", "Qn")));
    assert!(system.concept("10003-0").unwrap().is_inactive());
    assert!(system.concept("10002-0").unwrap().is_named("sour taste"));
    let mut kept = Kept(Arc::new(system));
    assert_eq!(codes(&mut kept, "http://loinc.org/vs/LP90001-1"), "10001-0 10002-0 LP90001-1");
    assert_eq!(codes(&mut kept, "http://loinc.org/vs/LL900-1"), "LA9001-1 LA9002-1");
    assert_eq!(codes(&mut kept, "http://loinc.org/vs/LL901-1"), "LA9001-1");
    assert!(codes(&mut kept, "http://loinc.org/vs").starts_with("10001-0 10002-0 10003-0 LA"));
}

#[test]
fn snomed_with_names_attributes_and_reference_sets() {
    let system = imported(Import::Snomed, "snomed");
    let version = "http://snomed.info/sct/900000000000207008/version/20260101";
    assert_eq!(system.version.as_deref(), Some(version));
    let concept = system.concept("1000002").unwrap();
    assert_eq!(concept.display(), Some("Blueberry"));
    assert_eq!(concept.display_in(&["sv-FI"]), Some("Blåbär"));
    assert!(concept.is_named("Bilberry \"wild\"") && !concept.is_named("Wortleberry"));
    assert!(concept.properties().any(|it| (it.code, it.value) == ("1000077", "1000003")));
    assert!(concept.properties().any(|it| (it.code, it.value) == ("sufficientlyDefined", "true")));
    assert!(system.concept("1000004").unwrap().is_inactive());
    let mut kept = Kept(Arc::new(system));
    let sct = "http://snomed.info/sct";
    let terminology = Terminology::embedded();
    let found = terminology.subsumes(&mut kept, (sct, None), "1000001", "1000002").unwrap();
    assert_eq!(found, Subsumption::Subsumes);
    assert_eq!(codes(&mut kept, &format!("{sct}?fhir_vs=isa/1000001")), "1000001 1000002");
    assert_eq!(codes(&mut kept, &format!("{sct}?fhir_vs=refset/1000009")), "1000002 1000003");
    assert_eq!(codes(&mut kept, &format!("{sct}?fhir_vs=refset")), "1000009");
    let edition = format!("{sct}/900000000000207008?fhir_vs=isa/1000001");
    assert_eq!(codes(&mut kept, &edition), "1000001 1000002");
}

#[test]
fn icd_10_from_claml_and_from_a_table() {
    let system = imported(Import::Icd10, "icd10/own.xml");
    assert_eq!((system.version.as_deref(), system.len()), (Some("2026"), 3));
    let concept = system.concept("A00").unwrap();
    assert_eq!(concept.display(), Some("Grey mould"));
    assert_eq!(concept.display_in(&["fi"]), Some("Harmaahome"));
    assert_eq!(system.concept("A00-A09").unwrap().display(), Some("Rot & mould"));
    assert!(system.concept("I").unwrap().is_abstract());
    let url = "urn:oid:1.2.246.537.6.1".to_owned();
    let given = Given { url: Some(url.clone()), version: Some("1".to_owned()) };
    let system = Import::Icd10.read(&[files("icd10/own.txt")], &given).unwrap();
    assert_eq!(system.concept("A00.1").unwrap().display_in(&["sv"]), Some("Lindrigt gråmögel"));
    let mut kept = Kept(Arc::new(system));
    let below = Terminology::embedded().below(&mut kept, &url, "A00").unwrap();
    assert_eq!(below, ["A00", "A00.1"]);
}

#[test]
fn what_is_missing_is_named() {
    let read = |import: Import, name: &str| import.read(&[files(name)], &Given::default());
    let other = read(Import::Loinc, "icd10/own.txt");
    assert!(matches!(other, Err(ImportFault::Unknown { .. })), "{other:?}");
    let no_codes = read(Import::Loinc, "loinc/AnswerList.csv");
    assert!(matches!(no_codes, Err(ImportFault::NoCodes("Loinc.csv"))), "{no_codes:?}");
    let no_version = read(Import::Icd10, "icd10/own.txt");
    assert!(matches!(no_version, Err(ImportFault::NoVersion)), "{no_version:?}");
    let nowhere = read(Import::Snomed, "nowhere");
    assert!(matches!(nowhere, Err(ImportFault::Io { .. })), "{nowhere:?}");
    for import in [Import::Loinc, Import::Snomed, Import::Icd10] {
        assert!(import.licence().contains("http"));
    }
    assert!(CodeSystem::from_bytes(b"other").is_none());
}
