//! Sources of every kind, well-formed and not.
#![expect(clippy::unwrap_used, reason = "test support: a failure here fails the test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use fhir_package::{Format, Limits, PackageError, manifest, read, source_bytes};
use flate2::{Compression, write::GzEncoder};

fn tgz(path: &Path, entries: &[(&str, &[u8])]) {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    fs::write(path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
}

/// Paths relative to `root` with line, format and bytes; faults as text.
fn listed(root: &Path, source: &Path, limits: Limits) -> Vec<String> {
    let prefix = format!("{}/", root.display());
    let shown = |item: Result<fhir_package::PackageFile, PackageError>| match item {
        Ok(file) => {
            let line = file.line.map(|line| format!("#{line}")).unwrap_or_default();
            let path = file.path.replace(&prefix, "");
            let text = String::from_utf8(file.bytes).unwrap();
            format!("{path}{line} {:?} {text}", file.format)
        }
        Err(fault) => format!("fault {}", fault.to_string().replace(&prefix, "")),
    };
    read(source, limits).map(shown).collect()
}

#[test]
fn folders_are_walked_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("b")).unwrap();
    fs::write(root.join("b/two.XML"), "<x/>").unwrap();
    fs::write(root.join("a.json"), "1").unwrap();
    fs::write(root.join("c.ndjson"), "1\n\n2\n").unwrap();
    fs::write(root.join("README.md"), "no").unwrap();
    fs::write(root.join("package.json"), "no").unwrap();
    fs::write(root.join(".index.json"), "no").unwrap();
    tgz(&root.join("d.tgz"), &[("package/package.json", b"no"), ("package/A.json", b"3")]);
    let expected = [
        "a.json Json 1",
        "b/two.XML Xml <x/>",
        "c.ndjson#1 Json 1",
        "c.ndjson#3 Json 2",
        "d.tgz:package/A.json Json 3",
    ];
    assert_eq!(listed(root, root, Limits::default()), expected);
    let size: u64 = source_bytes(root, Limits::default()).unwrap();
    let packed = fs::metadata(root.join("d.tgz")).unwrap().len();
    assert_eq!(size, 1 + 4 + 5 + packed);
    let last = read(root, Limits::default()).last().unwrap().unwrap();
    assert!(last.consumed_bytes <= size && last.format == Format::Json);
}

#[test]
fn packages_set_folders_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.tar.gz");
    let long = format!("package/{}.json", "a".repeat(150));
    tgz(
        &path,
        &[
            (
                "package/package.json",
                br#"{"name":"a.b","version":"1.0.0","dependencies":{"c":"2"}}"#,
            ),
            ("package/.index.json", b"no"),
            ("package/other/x.json", b"no"),
            ("package/openapi/x.json", b"no"),
            ("package/example/e.json", b"1"),
            ("package/inner.tgz", b"no"),
            ("package/l.ndjson", b"2\n3"),
            (&long, b"4"),
        ],
    );
    let expected = [
        "p.tar.gz:package/example/e.json Json 1".to_owned(),
        "p.tar.gz:package/l.ndjson#1 Json 2".to_owned(),
        "p.tar.gz:package/l.ndjson#2 Json 3".to_owned(),
        format!("p.tar.gz:{long} Json 4"),
    ];
    assert_eq!(listed(folder.path(), &path, Limits::default()), expected);
    let manifest = manifest(&path).unwrap().unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("a.b", "1.0.0"));
    assert_eq!(manifest.dependencies.get("c").map(String::as_str), Some("2"));
}

#[test]
fn limits_name_what_breaks_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let path = root.join("p.tgz");
    let zeros = vec![b'0'; 1 << 20];
    tgz(&path, &[("a.json", b"1"), ("b.json", &zeros), ("c.json", b"2")]);
    let small = Limits { max_document_bytes: 10, ..Limits::default() };
    let found = listed(root, &path, small);
    let fault = "fault p.tgz:b.json: larger than 10 bytes";
    assert_eq!(found, ["p.tgz:a.json Json 1", fault, "p.tgz:c.json Json 2"]);
    let tight = Limits { max_document_bytes: 10, max_archive_bytes: 100_000, ..Limits::default() };
    let found = listed(root, &path, tight);
    assert_eq!(found.last().unwrap(), "fault p.tgz: unpacks to more than 100000 bytes");
    let few = Limits { max_archive_entries: 2, max_document_bytes: 10, ..Limits::default() };
    let found = listed(root, &path, few);
    assert_eq!(found.last().unwrap(), "fault p.tgz: unpacks to more than 2 entries");
}

#[test]
fn damaged_sources_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let one = |name: &str| listed(root, &root.join(name), Limits::default()).pop().unwrap();
    assert!(one("absent.json").starts_with("fault absent.json: can't be read"));
    assert!(one("absent").starts_with("fault absent: can't be read"));
    fs::write(root.join("a.txt"), "x").unwrap();
    assert!(one("a.txt").starts_with("fault a.txt: not a folder"));
    fs::write(root.join("plain.tgz"), "not packed").unwrap();
    assert!(one("plain.tgz").starts_with("fault plain.tgz: damaged"));
    tgz(&root.join("whole.tgz"), &[("a.json", b"1"), ("b.json", &[b'7'; 5000])]);
    let whole = fs::read(root.join("whole.tgz")).unwrap();
    let mut cut = fs::File::create(root.join("cut.tgz")).unwrap();
    cut.write_all(&whole[..whole.len() / 2]).unwrap();
    assert!(one("cut.tgz").starts_with("fault cut.tgz"), "{}", one("cut.tgz"));
}

#[test]
fn a_dropped_stream_ends_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100 {
        fs::write(folder.path().join(format!("{number}.json")), "1").unwrap();
    }
    let mut files = read(folder.path(), Limits::default());
    assert!(files.next().is_some());
    drop(files);
}
