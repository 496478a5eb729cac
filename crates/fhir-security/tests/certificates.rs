//! What is read from certificates, and the stores that decide which are believed.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::string_slice, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]

use std::path::Path;

use fhir_security::certificate::{Certificate, CertificateError, trust};
use fhir_security::testing::{Authority, Wanted};

#[test]
fn a_certificate_is_read_by_names_and_identifiers() {
    let authority = Authority::new("Test authority");
    let subject = [("C", "FI"), ("O", "Example"), ("serialNumber", "1.2.246.10.1"), ("CN", "a")];
    let issued = authority.issue(&Wanted { subject: &subject, is_server: false, days: (-1, 1) });
    let certificate = Certificate::from_der(&issued.der).unwrap();
    let said = certificate.said();
    assert_eq!(said["subject"]["serialNumber"], "1.2.246.10.1");
    assert_eq!(said["subject"]["2.5.4.5"], "1.2.246.10.1");
    assert_eq!(said["subject"]["CN"], "a");
    assert_eq!(said["issuer"]["2.5.4.3"], "Test authority");
    assert_eq!(said["usages"][0], "1.3.6.1.5.5.7.3.2");
    assert_eq!(said["policies"].as_array().unwrap().len(), 0);
    assert_eq!(certificate.thumbprint(), &fhir_security::sha256(&issued.der));
    let server = authority.server();
    let server = Certificate::from_der(&server.der).unwrap();
    assert_eq!(server.said()["san"]["dns"][0], "localhost");
    assert_eq!(Certificate::from_der(b"x").unwrap_err(), CertificateError::Malformed);
}

#[test]
fn stores_say_which_file_is_wrong() {
    let folder = std::env::temp_dir().join(format!("fhir-security-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (anchors, lists) = (folder.join("ca.pem"), folder.join("crl.pem"));
    let authority = Authority::new("Test authority");
    std::fs::write(&anchors, authority.pem()).unwrap();
    let client = authority.client("a");
    std::fs::write(&lists, authority.revocation_list(&[&client], (-1, 5))).unwrap();
    assert_eq!(trust(&anchors, Some(&lists)).unwrap().anchors.len(), 1);
    let fault =
        |anchors: &Path, lists: Option<&Path>| trust(anchors, lists).map(|_| ()).unwrap_err();
    assert!(matches!(fault(&folder.join("none"), None), CertificateError::Unreadable(_)));
    assert!(matches!(fault(&lists, None), CertificateError::NoCertificate(_)));
    assert!(matches!(fault(&anchors, Some(&folder)), CertificateError::Unreadable(_)));
    assert!(matches!(fault(&anchors, Some(&anchors)), CertificateError::NoList(_)));
    std::fs::remove_dir_all(&folder).unwrap();
}
