//! The committed artefact: its checksum.

use fhir_structure::ARTEFACT;
use sha2::{Digest, Sha256};

#[test]
fn the_checksum_is_the_committed_one() {
    let digest: String =
        Sha256::digest(ARTEFACT).iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = include_str!("../data/SHA256SUMS");
    assert!(sums.contains(&format!("{digest}  r4.structures")), "found {digest}");
}
