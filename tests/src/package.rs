//! FHIR packages made on the spot.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The archive of a package: its id (`a.b#1.0.0`), what it needs, its resources.
pub fn archive(id: &str, needs: &Value, resources: &[Value]) -> Vec<u8> {
    let (name, version) = id.split_once('#').expect("name#version");
    let manifest = json!({ "name": name, "version": version, "fhirVersions": ["4.0.1"],
        "dependencies": needs });
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |path: String, text: String| {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).expect("memory");
    };
    add("package/package.json".to_owned(), manifest.to_string());
    for (at, resource) in resources.iter().enumerate() {
        add(format!("package/{at}.json"), resource.to_string());
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("memory")
}

/// A Binary with an archive.
pub fn binary(archive: &[u8]) -> Value {
    json!({ "resourceType": "Binary", "contentType": "application/gzip", "data": base64(archive) })
}

/// A value set with one code.
pub fn value_set(id: &str, code: &str) -> Value {
    json!({ "resourceType": "ValueSet", "id": id, "url": format!("http://x.org/{id}"),
        "version": "1.0.0", "status": "active",
        "compose": { "include": [ { "system": "urn:s", "concept": [ { "code": code } ] } ] } })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let index = usize::try_from((bits >> (18 - 6 * at)) & 63).expect("below 64");
            let letter = LETTERS.get(index).copied().expect("64 letters");
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
